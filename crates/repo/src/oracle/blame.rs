//! `repo_blame` against `git blame`: of each line the commit and the path there, with renames, and
//! with commits that are looked behind.

use std::collections::HashSet;

use bstr::{BString, ByteSlice as _};
use gix_hash::ObjectId;

use super::{Case, named};

/// The most lines of one question.
const LINES: usize = 300;

/// Where a line is from: the commit, and the path there.
type From = (String, BString);

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 3 {
        let commit = if case.random.percent(50) { case.commit() } else { case.late_commit() };
        let path = case.path(&commit, 0);
        let Ok(of) = path.to_str().map(str::to_owned) else { continue };
        let Some(count) = case.line_count(&commit, &of) else { continue };
        let start = case.random.below(count);
        let end = (start + 1 + case.random.below(LINES)).min(count);
        let plain = gits(case, &commit, &of, start..end, &[]);
        one(case, &commit, &path, start..end, &[], &plain).await;
        // What was found first is looked behind: that is where something is to be decided.
        let ignored: Vec<String> = plain.iter().map(|(id, _)| id.clone()).take(3).collect();
        let behind = gits(case, &commit, &of, start..end, &ignored);
        one(case, &commit, &path, start..end, &ignored, &behind).await;
    }
}

async fn one(
    case: &mut Case,
    commit: &str,
    path: &BString,
    lines: std::ops::Range<usize>,
    ignored: &[String],
    gits: &[From],
) {
    let id = |hex: &str| ObjectId::from_hex(hex.as_bytes()).expect("an id");
    let (at, of, wanted) = (id(commit), path.clone(), lines.clone());
    let behind: HashSet<ObjectId> = ignored.iter().map(|hex| id(hex)).collect();
    let ours = case.view(move |view| {
        let number = view.reader.number(at);
        let origins = view.blame(number, of.as_bstr(), wanted, &behind)?;
        let mut all: Vec<From> = Vec::new();
        for origin in origins {
            let id = view.reader.commits.id(origin.commit).to_string();
            all.extend(origin.lines.map(|_| (id.clone(), origin.path.clone())));
        }
        Ok(all)
    });
    let ours = ours.await.unwrap_or_else(|error| vec![(error.text(), BString::default())]);
    case.compare(&ours, &gits.to_vec(), || {
        let ignored =
            ignored.iter().map(|id| format!(" --ignore-rev {id}")).collect::<Vec<_>>().concat();
        format!("blame -L{},{}{ignored} {commit} -- {}", lines.start + 1, lines.end, named(path))
    });
}

/// What git says of the lines, from 0.
fn gits(
    case: &Case,
    commit: &str,
    path: &str,
    lines: std::ops::Range<usize>,
    ignored: &[String],
) -> Vec<From> {
    let lines = format!("-L{},{}", lines.start + 1, lines.end);
    let mut words = vec!["blame", "--line-porcelain", &lines];
    for id in ignored {
        words.extend(["--ignore-rev", id]);
    }
    words.extend([commit, "--", path]);
    let (mut all, mut id) = (Vec::new(), None);
    for line in case.git.bytes(&words).split(|byte| *byte == b'\n') {
        // The content of a line comes last, behind a tabulator.
        if id.is_none() && !line.is_empty() {
            id = line.split(|byte| *byte == b' ').next().map(|id| id.to_str_lossy().into_owned());
        } else if let Some(path) = line.strip_prefix(b"filename ") {
            let path = crate::path::parse(&path.to_str_lossy()).expect("a path");
            all.push((id.clone().expect("a commit"), path));
        } else if line.starts_with(b"\t") {
            id = None;
        }
    }
    all
}

impl Case {
    /// How many lines a file has; none where it is no text.
    pub(super) fn line_count(&self, commit: &str, path: &str) -> Option<usize> {
        let content = self.content(commit, path)?;
        let is_text = !content[..content.len().min(8_000)].contains(&0);
        (is_text && !content.is_empty()).then(|| content.lines().count())
    }

    /// The content of a file, a link not followed; none for what is no file.
    pub(super) fn content(&self, commit: &str, path: &str) -> Option<Vec<u8>> {
        if path.is_empty() || path.ends_with('/') {
            return None;
        }
        let listed = ["--literal-pathspecs", "ls-tree", "--full-tree", commit, "--", path];
        let listed = self.git.text(&listed);
        let is_file = listed.starts_with("100");
        is_file.then(|| self.git.bytes(&["cat-file", "blob", &format!("{commit}:{path}")]))
    }
}

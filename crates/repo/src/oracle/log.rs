//! `repo_log` with every filter against `git log`.

use bstr::{BString, ByteSlice as _};
use serde_json::{Value, json};

use super::walks::range;
use super::{Case, Pages, named};
use crate::commit::clip;
use crate::path::shown;
use crate::plain::plain;
use crate::tools::log::{Log, SUBJECT};

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 4 {
        let Some(asked) = Asked::any(case) else { continue };
        let mut ids = asked.followed(case);
        asked.filter(case, &mut ids);
        let gits = lines(case, &ids);
        let ours = Pages::of::<Log>(case, &asked.args(), 4).await;
        ours.compare(case, &gits, || format!("log {}", asked.args()));
    }
}

/// A commit and the path of the file in it, where it is not the one that was asked for.
type Found = (String, Option<BString>);

#[derive(Debug, Default)]
struct Asked {
    range: String,
    path: Option<BString>,
    /// Whether the path is a file's where the walk begins.
    is_file: bool,
    author: Option<String>,
    grep: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
}

impl Asked {
    /// Any question; none, where the path cannot be an argument of this program's git.
    fn any(case: &mut Case) -> Option<Self> {
        let mut asked = Self { range: range(case), ..Self::default() };
        if case.random.percent(70) {
            let commit = case.late_commit();
            let path = case.path(&commit, 35);
            path.to_str().ok()?;
            // Of two ends that are both walked, the first decides.
            let first = match asked.range.split_once("..") {
                Some((from, to)) => {
                    if to.starts_with('.') {
                        from
                    } else {
                        to
                    }
                }
                None => &asked.range,
            };
            let kind = case.git.ask(&["cat-file", "-t", &format!("{first}:{path}")]);
            asked.is_file = kind.1 != 0 || kind.0 == b"blob\n";
            asked.path = Some(path);
        }
        let commit = case.commit();
        let of = |case: &Case, format: &str, date: &str| {
            let words = [
                "show",
                "-s",
                "--no-mailmap",
                &format!("--format={format}"),
                &format!("--date={date}"),
                &commit,
            ];
            case.git.text(&words).trim_end_matches('\n').to_owned()
        };
        if case.random.percent(25) {
            let text = of(case, "%an <%ae>", "raw");
            asked.author = part(case, &text);
        }
        if case.random.percent(25) {
            let text = of(case, "%s", "raw");
            asked.grep = part(case, &text);
        }
        let moment = |case: &Case| Some(of(case, "%cd", "format-local:%Y-%m-%dT%H:%M:%SZ"));
        match case.random.below(8) {
            0 => asked.since = moment(case),
            1 => asked.until = moment(case),
            _ => {}
        }
        if case.random.percent(50) {
            asked.limit = Some(1 + case.random.below(40));
        }
        Some(asked)
    }

    fn args(&self) -> Value {
        let mut args = json!({"rev": self.range});
        if let Some(path) = &self.path {
            args["path"] = json!(named(path));
        }
        for (key, value) in [("author", &self.author), ("grep", &self.grep)] {
            if let Some(value) = value {
                args[key] = json!(value);
            }
        }
        if self.since.is_some() || self.until.is_some() {
            let text = |moment: &Option<String>| moment.clone().unwrap_or_default();
            args["dates"] = json!(format!("{}..{}", text(&self.since), text(&self.until)));
        }
        if let Some(limit) = self.limit {
            args["limit"] = json!(limit);
        }
        args
    }

    /// The commits before the filters. git-log(1) on `--follow`: "Continue listing the history of
    /// a file beyond renames (works only for a single file)"; it changes the one path of the whole
    /// walk, so that a rename on one branch loses the commits of another. Here the walk of the
    /// simplified history (git-log(1), History Simplification, default mode) ends at the commit
    /// that adds the file, and goes on at its parent with the name from which that commit
    /// renames it.
    fn followed(&self, case: &Case) -> Vec<Found> {
        let (mut range, mut path) = (self.range.clone(), self.path.clone());
        let mut all: Vec<Found> = Vec::new();
        loop {
            let ids = self.walk(case, &range, path.as_ref());
            let name = path.clone().filter(|path| Some(path) != self.path.as_ref());
            let renamed = match &path {
                Some(path) if self.is_file => renamed(case, &ids, path),
                _ => None,
            };
            let end = renamed.as_ref().map_or(ids.len(), |(at, ..)| at + 1);
            all.extend(ids[..end].iter().map(|id| (id.clone(), name.clone())));
            let Some((_, parent, old)) = renamed else { return all };
            range = match self.range.split_once("..") {
                Some((from, _)) if !self.range.contains("...") => format!("{from}..{parent}"),
                _ => parent,
            };
            path = Some(old);
        }
    }

    fn walk(&self, case: &Case, range: &str, path: Option<&BString>) -> Vec<String> {
        // git-rev-list(1), --since-as-filter: "This visits all commits in the range, rather than
        // stopping at the first commit which is older than a specific date."
        let since = self.since.as_ref().map(|since| format!("--since-as-filter={since}"));
        let path = path.map(ToString::to_string);
        let mut words = vec!["--literal-pathspecs", "rev-list"];
        words.extend(since.as_deref());
        words.extend([range, "--"]);
        words.extend(path.as_deref());
        let mut ids = case.git.ranged(&words, range);
        // Behind a rename the walk goes on from one commit, but never out of the range.
        if range != self.range && self.range.contains("...") {
            let all = case.git.ranged(&["rev-list", &self.range], &self.range);
            ids.retain(|id| all.contains(id));
        }
        ids
    }

    /// Leaves what author, message and date fit. git-log(1): `--author` and `--grep` take regular
    /// expressions; ours take the words as they are, in any case (`-F -i`).
    fn filter(&self, case: &Case, ids: &mut Vec<Found>) {
        let mut words: Vec<String> =
            ["rev-list", "--no-walk=unsorted", "--stdin", "-i", "-F"].map(str::to_owned).to_vec();
        words.extend(self.author.iter().map(|author| format!("--author={author}")));
        words.extend(self.grep.iter().map(|grep| format!("--grep={grep}")));
        words.extend(self.until.iter().map(|until| format!("--until={until}")));
        if words.len() == 5 || ids.is_empty() {
            return;
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let input = ids.iter().map(|(id, _)| format!("{id}\n")).collect::<Vec<_>>().concat();
        let kept = String::from_utf8_lossy(&case.git.feed(&words, input.as_bytes())).into_owned();
        let kept: std::collections::HashSet<&str> = kept.lines().collect();
        ids.retain(|(id, _)| kept.contains(id.as_str()));
    }
}

/// Some letters of a text, at times in other case.
fn part(case: &mut Case, text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    let from = case.random.below(letters.len());
    let part: String = letters.iter().skip(from).take(2 + case.random.below(8)).collect();
    let part = if case.random.percent(30) { part.to_ascii_uppercase() } else { part };
    // An empty word is no filter, and git reads its options line by line.
    Some(part).filter(|part| !part.trim().is_empty() && !part.contains(['\n', '\r']))
}

/// The first commit of a walk that adds its path by a rename: where it is in the walk, its parent,
/// and the path there.
fn renamed(case: &Case, ids: &[String], path: &BString) -> Option<(usize, String, BString)> {
    for (at, id) in ids.iter().enumerate() {
        let is_there = |id: &str| case.git.ask(&["cat-file", "-e", &format!("{id}:{path}")]).1 == 0;
        let parents = case.parents(id);
        let [parent] = parents.as_slice() else { continue };
        if is_there(parent) || !is_there(id) {
            continue;
        }
        let changes = super::stat::changes(case, Some(parent), id);
        let found = changes.into_iter().find(|change| change.letter == 'R' && change.new == *path);
        if let Some(change) = found {
            return Some((at, parent.clone(), change.old));
        }
    }
    None
}

/// `sha7 date author: subject`, as git has its parts.
fn lines(case: &Case, ids: &[Found]) -> Vec<String> {
    if ids.is_empty() {
        return Vec::new();
    }
    let input = ids.iter().map(|(id, _)| format!("{id}\n")).collect::<Vec<_>>().concat();
    let words = [
        "log",
        "--no-walk=unsorted",
        "--stdin",
        "--no-mailmap",
        "--date=short",
        "-z",
        "--format=%H%x01%ad%x01%an%x01%s",
    ];
    let printed = String::from_utf8_lossy(&case.git.feed(&words, input.as_bytes())).into_owned();
    let line = |(text, (_, path)): (&str, &Found)| {
        let parts: Vec<&str> = text.trim_matches('\n').split('\u{1}').collect();
        let (author, subject) = (clip(&plain(parts[2]), 40), clip(&plain(parts[3]), SUBJECT));
        let path =
            path.as_ref().map_or_else(String::new, |path| format!(" [{}]", shown(path.as_bstr())));
        format!("{} {} {author}: {subject}{path}", &parts[0][..7], parts[1])
    };
    printed.split('\0').filter(|text| !text.is_empty()).zip(ids).map(line).collect()
}

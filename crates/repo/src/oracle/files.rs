//! `repo_read` and `repo_list` against `git cat-file` and `git ls-tree`.

use bstr::{BString, ByteSlice as _};
use serde_json::json;

use super::{Case, Pages, named};
use crate::path::shown;
use crate::plain;
use crate::tools::list::{List, human};
use crate::tools::read::Read;

/// A longer line is cut in our answers.
const WIDTH: usize = 900;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 3 {
        let commit = case.commit();
        let path = case.path(&commit, 0);
        read(case, &commit, &path).await;
        let folder = case.path(&commit, 100);
        list(case, &commit, &folder).await;
    }
}

/// Some lines of a file.
async fn read(case: &mut Case, commit: &str, path: &BString) {
    let Ok(of) = path.to_str() else { return };
    let Some(count) = case.line_count(commit, of) else { return };
    let content = case.content(commit, of).expect("a file");
    if content.lines().any(|line| line.len() > WIDTH) || content.starts_with(b"version https://") {
        return;
    }
    let from = case.random.below(count);
    let to = (from + 1 + case.random.below(60)).min(count);
    let args = json!({"rev": commit, "path": named(path), "lines": format!("{}-{to}", from + 1)});
    let ours = Pages::of::<Read>(case, &args, 1).await;
    let gits: Vec<String> = content
        .lines()
        .skip(from)
        .take(ours.lines.len().max(1).min(to - from))
        .map(|line| prose(of, line.to_str_lossy().into_owned()))
        .collect();
    case.compare(&ours.lines, &gits, || format!("lines {}-{to} of {commit}:{of}", from + 1));
}

/// A line as our answers have it: what Markdown would hide in a file of prose, they show.
pub(super) fn prose(path: &str, line: String) -> String {
    if plain::is_prose(path.into()) { plain::line(line) } else { line }
}

/// What is in a folder.
async fn list(case: &mut Case, commit: &str, folder: &BString) {
    let Ok(of) = folder.to_str() else { return };
    let (kind, _) = case.git.ask(&["cat-file", "-t", &format!("{commit}:{of}")]);
    let (place, path) = match kind.as_slice() {
        b"tree\n" => (format!("{commit}:{of}"), Some(folder)),
        _ => (commit.to_owned(), None),
    };
    let listed = case.git.bytes(&["ls-tree", "-l", "-z", &place]);
    let mut gits = Vec::new();
    for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let (head, name) = line.split_once_str("\t").expect("a name");
        let head = head.to_str_lossy().into_owned();
        let words: Vec<&str> = head.split_whitespace().collect();
        let name = shown(name.as_bstr());
        gits.push(match words[0] {
            "040000" => format!("{name}/"),
            "160000" => format!("{name} @{} (submodule)", &words[2][..7]),
            "120000" => {
                let target = case.git.bytes(&["cat-file", "blob", words[2]]);
                format!("{name} -> {}", shown(target.as_bstr()))
            }
            mode => {
                let size = human(words[3].parse().expect("a size"));
                let program = if mode == "100755" { ", executable" } else { "" };
                format!("{name}  {size}{program}")
            }
        });
    }
    let mut args = json!({"rev": commit});
    if let Some(path) = path {
        args["path"] = json!(named(path));
    }
    let ours = Pages::of::<List>(case, &args, 10).await;
    ours.compare(case, &gits, || format!("ls-tree -l {place}"));
}

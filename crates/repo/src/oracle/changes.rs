//! What changed between two trees: `git diff --raw -M`.

use bstr::BString;
use bstr::ByteSlice as _;

use super::Case;
use crate::diff::Change;
use crate::path::shown;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 4 {
        let (old, new) = pair(case);
        let gits =
            of_git(&case.git.bytes(&["diff-tree", "-r", "-M", "-z", "--full-index", &old, &new]));
        let (from, to) = (old.clone(), new.clone());
        let ours = case.view(move |view| {
            let (from, to) = (view.resolve(Some(&from))?, view.resolve(Some(&to))?);
            let (from, to) = (view.commit(&from.id)?.tree, view.commit(&to.id)?.tree);
            view.changes(Some(&from), &to)
        });
        let ours: Vec<String> = match ours.await {
            Ok(changes) => changes.all.iter().map(line).collect(),
            Err(error) => vec![error.text()],
        };
        case.compare(&ours, &gits, || format!("diff-tree -r -M {old} {new}"));
    }
}

/// Two commits: a commit and its parent, or any.
pub(super) fn pair(case: &mut Case) -> (String, String) {
    let new = case.commit();
    let parent = case.git.ask(&["rev-parse", "--verify", "--quiet", &format!("{new}^1")]);
    if parent.1 == 0 && case.random.percent(60) {
        return (String::from_utf8_lossy(&parent.0).trim().to_owned(), new);
    }
    (case.commit(), new)
}

fn line(change: &Change) -> String {
    let score =
        change.renamed.as_ref().map_or_else(String::new, |(_, score)| format!("{score:03}"));
    let old = change
        .renamed
        .as_ref()
        .map_or_else(String::new, |(old, _)| format!(" {}", shown(old.as_bstr())));
    let mode =
        |entry: &Option<crate::tree::Entry>| entry.map_or("000000", |entry| entry.mode.digits());
    format!(
        "{} {} {}{score}{old} {}",
        mode(&change.old),
        mode(&change.new),
        change.letter(),
        shown(change.path.as_bstr())
    )
}

fn of_git(raw: &[u8]) -> Vec<String> {
    let mut fields = raw.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let mut lines = Vec::new();
    while let Some(head) = fields.next() {
        let head = String::from_utf8_lossy(head).into_owned();
        let words: Vec<&str> = head.trim_start_matches(':').split(' ').collect();
        let mut paths = vec![shown(BString::from(fields.next().expect("a path")).as_bstr())];
        if words[4].starts_with('R') {
            paths.push(shown(BString::from(fields.next().expect("a path")).as_bstr()));
        }
        lines.push(format!("{} {} {} {}", words[0], words[1], words[4], paths.join(" ")));
    }
    lines
}

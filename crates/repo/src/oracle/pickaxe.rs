//! `repo_history_of` against `git log -S`: the commits, and in how many files.

use bstr::ByteSlice as _;
use serde_json::json;

use super::{Case, Pages, named};
use crate::tools::history_of::HistoryOf;

/// So many commits are walked where no path is named.
const FAR: usize = 150;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds {
        let commit = case.commit();
        let path = case.path(&commit, 0);
        let Ok(of) = path.to_str().map(str::to_owned) else { continue };
        let Some(text) = text(case, &commit, &of) else { continue };
        let near = case.git.lines(&["rev-list", &format!("-{FAR}"), &commit]);
        let (range, within) = if case.random.percent(50) {
            (commit.clone(), Some(of))
        } else {
            let from = near.last().expect("itself");
            (if near.len() < FAR { commit.clone() } else { format!("{from}..{commit}") }, None)
        };
        let pickaxe = format!("-S{text}");
        let mut words = vec!["--literal-pathspecs", "log", "-M"];
        words.extend(["--no-textconv", "--no-ext-diff", "--format=%x01%H", "--raw", "--no-abbrev"]);
        words.extend([pickaxe.as_str(), range.as_str(), "--"]);
        words.extend(within.as_deref());
        let printed = case.git.without_attributes().text(&words);
        let entry = |entry: &str| {
            let files = entry.lines().filter(|line| line.starts_with(':')).count();
            format!("{} {files}", &entry[..7])
        };
        let gits: Vec<String> =
            printed.split('\x01').filter(|entry| !entry.is_empty()).map(entry).collect();
        let mut args = json!({"rev": range, "text": text});
        if let Some(path) = &within {
            args["path"] = json!(named(&path.as_str().into()));
        }
        let mut ours = Pages::of::<HistoryOf>(case, &args, 40).await;
        ours.lines = counted(&ours.lines);
        ours.compare(case, &gits, || words[3..].join(" "));
    }
}

/// `sha7` and how many files, of our two lines for a commit.
fn counted(lines: &[String]) -> Vec<String> {
    let of = |pair: &[String]| {
        let named = pair.get(1).map_or(0, |files| files.matches("->").count());
        let more = pair.get(1).and_then(|files| files.rsplit_once(" and ")).map(|(_, more)| more);
        let more = more.and_then(|more| more.strip_suffix(" more")?.parse::<usize>().ok());
        format!("{} {}", pair[0].get(..7).unwrap_or(&pair[0]), named + more.unwrap_or_default())
    };
    lines.chunks(2).map(of).collect()
}

/// Some letters of a line of the file.
fn text(case: &mut Case, commit: &str, path: &str) -> Option<String> {
    let content = case.content(commit, path)?;
    let lines: Vec<&[u8]> = content.lines().filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return None;
    }
    let line = case.random.one_of(&lines).to_str().ok()?.trim().to_owned();
    let letters: Vec<char> = line.chars().collect();
    let from = case.random.below(letters.len().saturating_sub(4));
    let text: String = letters.iter().skip(from).take(4 + case.random.below(20)).collect();
    (!text.is_empty() && !text.contains(['\0', '\x01'])).then_some(text)
}

//! `repo_diff` and `repo_show` against `git diff-tree -M`: letters, counts, hunks.

use bstr::BString;
use serde_json::json;

use super::files::prose;
use super::stat::{self, Change};
use super::{Case, Pages, named};
use crate::commit::clip;
use crate::plain::plain;
use crate::tools::diff::Diff;
use crate::tools::show::Show;

/// The most pages of an answer that are read.
const PAGES: usize = 40;

pub(super) async fn check(case: &mut Case) {
    for _ in 0..case.rounds * 2 {
        let (old, new) = pair(case);
        let all = stat::changes(case, Some(&old), &new);
        stats(case, &old, &new, &all).await;
        hunks(case, &old, &new, &all).await;
        show(case, &new).await;
    }
}

/// Two commits: a commit and its parent, or any.
fn pair(case: &mut Case) -> (String, String) {
    let new = case.commit();
    match case.parents(&new).first() {
        Some(parent) if case.random.percent(60) => (parent.clone(), new),
        _ => (case.commit(), new),
    }
}

async fn stats(case: &mut Case, old: &str, new: &str, all: &[Change]) {
    let args = json!({"rev": format!("{old}..{new}")});
    let ours = Pages::of::<Diff>(case, &args, PAGES).await;
    let gits: Vec<String> = all.iter().map(|change| change.line(case)).collect();
    ours.compare(case, &gits, || format!("diff-tree -r -M --numstat {old} {new}"));
    let (added, deleted) = all
        .iter()
        .filter_map(|change| change.counts)
        .fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
    let files = if all.len() == 1 { "1 file".to_owned() } else { format!("{} files", all.len()) };
    let gits = if all.is_empty() {
        "no changes".to_owned()
    } else {
        format!("{files}, +{added} -{deleted}")
    };
    let counts = ours.words.split(';').next().unwrap_or_default().to_owned();
    case.compare(&counts, &gits, || format!("the sum of {old} {new}"));
}

/// The hunks of some of the changes, each asked for by its path, and of all.
async fn hunks(case: &mut Case, old: &str, new: &str, all: &[Change]) {
    let sections = stat::hunks(case, old, new, all);
    let mut chosen: Vec<usize> =
        (0..3.min(all.len())).map(|_| case.random.below(all.len())).collect();
    chosen.dedup();
    for at in chosen {
        let path = &all[at].new;
        let asked = json!({"rev": format!("{old}..{new}"), "path": named(path)});
        // A path stands for the files of a folder, too, and for where a file was renamed from.
        let fits = |one: &BString| one == path || one.starts_with(format!("{path}/").as_bytes());
        let gits: Vec<String> = all
            .iter()
            .zip(&sections)
            .filter(|(change, _)| fits(&change.new) || fits(&change.old))
            .flat_map(|(change, section)| whole(case, change, section))
            .collect();
        if is_glob(path) || gits.is_empty() {
            continue;
        }
        let ours = Pages::of::<Diff>(case, &asked, PAGES).await;
        if all.iter().any(|change| change.letter == 'T' && fits(&change.new)) {
            continue;
        }
        ours.compare(case, &gits, || format!("diff -M {old} {new} -- {}", named(path)));
    }
}

/// Whether our argument would be taken for a pattern.
fn is_glob(path: &BString) -> bool {
    let name = named(path);
    name.contains(['*', '?', '[', '{']) && !name.starts_with('"')
}

/// The line of a change and its hunks.
fn whole(case: &Case, change: &Change, hunks: &[BString]) -> Vec<String> {
    let mut lines = vec![change.line(case)];
    if change.counts.is_none() {
        // "Binary files differ": the sizes say it.
        let (old, new) = (case.size(&change.ids.0), case.size(&change.ids.1));
        if change.ids.0 != change.ids.1 {
            lines.push(format!("binary: {old} -> {new} bytes"));
        }
        return lines;
    }
    lines.extend(hunks.iter().map(|line| match line.split_first() {
        Some((mark @ (b' ' | b'-' | b'+'), text)) => {
            let text = prose(&change.new.to_string(), crate::patch::shown(text));
            format!("{}{text}", char::from(*mark))
        }
        _ => prose(&change.new.to_string(), line.to_string()),
    }));
    lines
}

/// A commit by itself: who, when, what, and the stat against the first parent.
async fn show(case: &mut Case, commit: &str) {
    let parents = case.parents(commit);
    let of = |format: &str| {
        let format = format!("--format={format}");
        let date = "--date=format:%Y-%m-%d %H:%M %z";
        case.git.text(&["show", "-s", "--no-mailmap", &format, date, commit])
    };
    let person = |role: &str, which: char| {
        let name = of(&format!("%{which}n"));
        let name = clip(&plain(name.trim_end_matches('\n')), 40);
        format!("{role} {name} {}", plain(of(&format!("<%{which}e> %{which}d")).trim_end()))
    };
    let mut gits = vec![format!("commit {commit}")];
    if parents.len() != 1 {
        let short: Vec<&str> = parents.iter().map(|id| &id[..7]).collect();
        let short = if short.is_empty() { "none".to_owned() } else { short.join(" ") };
        gits.push(format!("parents {short}"));
    }
    gits.push(person("author", 'a'));
    if of("%an%x00%ae") != of("%cn%x00%ce") {
        gits.push(person("committer", 'c'));
    }
    gits.push(String::new());
    let message = of("%B");
    let message = clip(&plain(message.trim_matches('\n')), 2_500);
    gits.extend(message.trim_end().split('\n').map(str::to_owned));
    let all = stat::changes(case, parents.first().map(String::as_str), commit);
    if !all.is_empty() {
        gits.push(String::new());
        gits.extend(all.iter().map(|change| change.line(case)));
    }
    let ours = Pages::of::<Show>(case, &json!({"rev": commit}), 1).await;
    ours.compare(case, &gits, || format!("show -M --numstat {commit}"));
}

//! `repo_refs` against `git for-each-ref`: names, order, commits; ahead, behind and merge base.

use std::collections::HashMap;

use bstr::ByteSlice as _;
use serde_json::json;

use super::{Case, Pages};
use crate::commit::clip;
use crate::path::shown;
use crate::plain::plain;
use crate::tools::refs::List;

/// The most refs that git is asked about.
const MOST: usize = 2_000;
/// The most pages that are read.
const PAGES: usize = 60;

/// A ref and what our answers have of it.
struct Known {
    /// Branches, tags, remotes, others.
    family: usize,
    full: String,
    line: String,
    commit: Option<String>,
    time: i64,
}

const FAMILIES: [(&str, &str); 4] = [
    ("refs/heads/", "branches:"),
    ("refs/tags/", "tags:"),
    ("refs/remotes/", "remotes:"),
    ("refs/", "others:"),
];

pub(super) async fn check(case: &mut Case) {
    let all = known(case);
    if all.is_empty() {
        return;
    }
    if all.len() <= MOST {
        let mut gits = Vec::new();
        let mut family = None;
        for one in &all {
            if family.replace(one.family) != Some(one.family) {
                gits.push(FAMILIES[one.family].1.to_owned());
            }
            gits.push(one.line.clone());
        }
        let mut ours = Pages::of::<List>(case, &json!({}), PAGES).await;
        ours.lines.retain(|line| !line.starts_with("HEAD "));
        // The heading is said again on every page.
        let mut seen: Vec<String> = Vec::new();
        ours.lines.retain(|line| {
            let is_heading = FAMILIES.iter().any(|(_, title)| title == line);
            let is_again = is_heading && seen.contains(line);
            if is_heading {
                seen.push(line.clone());
            }
            !is_again
        });
        ours.compare(case, &gits, || "for-each-ref --sort=-committerdate".to_owned());
    }
    for _ in 0..case.rounds {
        let one = case.random.below(all.len());
        against(case, &all[one]).await;
    }
}

/// One ref, compared with a commit.
async fn against(case: &mut Case, one: &Known) {
    let Some(commit) = &one.commit else { return };
    // What a pattern would take for its own is asked for elsewhere.
    if one.full.contains(['*', '?', '[', '{', '\\']) {
        return;
    }
    let other = case.commit();
    let args = json!({"glob": one.full, "rev": other});
    let ours = Pages::of::<List>(case, &args, 1).await;
    let range = format!("{commit}...{other}");
    let counted = case.git.ranged(&["rev-list", &range], &range);
    let reached = case.git.lines(&["rev-list", commit]);
    let reached: std::collections::HashSet<&String> = reached.iter().collect();
    let ahead = counted.iter().filter(|id| reached.contains(id)).count();
    let bases = case.git.ask(&["merge-base", "--all", commit, &other]).0;
    let mut bases: Vec<&str> = bases.to_str().expect("ids").lines().map(|id| &id[..7]).collect();
    bases.sort_unstable();
    let bases = match bases.as_slice() {
        [] => "no merge base".to_owned(),
        all => format!("merge base {}", all.join(" ")),
    };
    let behind = counted.len() - ahead;
    let gits = vec![format!("{} [+{ahead} -{behind}] {bases}", one.line)];
    let sorted = |line: &String| match line.rsplit_once("merge base ") {
        Some((start, ids)) if !start.ends_with("no ") => {
            let mut ids: Vec<&str> = ids.split(' ').collect();
            ids.sort_unstable();
            format!("{start}merge base {}", ids.join(" "))
        }
        _ => line.clone(),
    };
    let ours: Vec<String> = ours.lines.iter().skip(1).map(sorted).collect();
    case.compare(&ours, &gits, || format!("{} against {other}", one.full));
}

/// All refs, in the order of our answers.
fn known(case: &Case) -> Vec<Known> {
    let format = "--format=%(refname)%00%(symref)%00%(objectname)";
    let head = case.git.ask(&["symbolic-ref", "-q", "HEAD"]).0;
    let head = head.to_str_lossy().trim().to_owned();
    let printed = case.git.text(&["for-each-ref", format]);
    let lines: Vec<Vec<&str>> =
        printed.lines().map(|line| line.split('\0').collect()).take(MOST + 1).collect();
    let peeled: Vec<String> =
        lines.iter().map(|parts| format!("{}^{{commit}}\n", parts[0])).collect();
    let peeled = peeled.concat();
    let peeled = case.git.feed(&["cat-file", "--batch-check=%(objectname)"], peeled.as_bytes());
    let peeled = peeled.to_str_lossy().into_owned();
    let ids: Vec<Option<&str>> =
        peeled.lines().map(|line| (!line.contains(' ')).then_some(line)).collect();
    let commits = commits(case, &ids);
    let mut all: Vec<Known> = lines
        .iter()
        .zip(&ids)
        .map(|(parts, id)| one(parts, id.and_then(|id| commits.get(id)), *id, &head))
        .collect();
    all.sort_by_key(|one| (one.family, std::cmp::Reverse(one.time)));
    all
}

/// Of each commit its time, and `sha7 date subject`.
fn commits(case: &Case, ids: &[Option<&str>]) -> HashMap<String, (i64, String)> {
    let input: Vec<String> = ids.iter().flatten().map(|id| format!("{id}\n")).collect();
    let input = input.concat();
    let format = "--format=%H%x01%ct%x01%cd%x01%s";
    let words = ["log", "--no-walk=unsorted", "--stdin", "--date=short", "-z", format];
    if input.is_empty() {
        return HashMap::new();
    }
    let printed = case.git.feed(&words, input.as_bytes());
    let printed = printed.to_str_lossy().into_owned();
    let told = |text: &str| {
        let parts: Vec<&str> = text.splitn(4, '\x01').collect();
        let subject = clip(&plain(parts[3]), 72);
        let line = format!("{} {} {subject}", &parts[0][..7], parts[2]);
        (parts[0].to_owned(), (parts[1].parse().expect("a time"), line))
    };
    printed.split('\0').filter(|text| !text.is_empty()).map(told).collect()
}

fn one(parts: &[&str], commit: Option<&(i64, String)>, id: Option<&str>, head: &str) -> Known {
    let (full, to) = (parts[0], parts[1]);
    let family = FAMILIES.iter().position(|(start, _)| full.starts_with(start)).expect("a family");
    let short = full.strip_prefix(FAMILIES[family].0).expect("its start");
    let name = |name: &str| clip(&shown(name.into()), 250);
    let mut line = if full == head { "* ".to_owned() } else { String::new() };
    // What is no family's keeps its whole name.
    line.push_str(&name(short));
    if !to.is_empty() {
        line.push_str(&format!(" -> {}", name(to.strip_prefix("refs/").unwrap_or(to))));
    }
    let (time, told) = match commit {
        Some((time, told)) => (*time, told.clone()),
        None => (i64::MIN, format!("{} (no commit)", &parts[2][..7])),
    };
    line.push_str(&format!(" {told}"));
    Known { family, full: full.to_owned(), line, commit: id.map(str::to_owned), time }
}

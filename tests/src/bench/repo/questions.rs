//! What is asked, and how git is asked the same.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::git::read;
use super::world::{GRAPH, PLAIN, World};

/// Calls of one tool, each with the command of git that answers the same.
pub(super) struct Question {
    /// For people.
    pub(super) what: String,
    /// The repository's id.
    pub(super) repository: &'static str,
    /// The tool.
    pub(super) tool: &'static str,
    /// Arguments, and the words of the command.
    pub(super) pairs: Vec<(Value, Vec<String>)>,
    /// At most so many times what git takes.
    pub(super) limit: f64,
    /// Whether the first call of a new server is measured, too.
    pub(super) is_also_cold: bool,
}

/// The format in which git is asked for what our answers have of a commit.
const FORMAT: &str = "--format=%h %as %an: %s";
/// A path that so many commits before `HEAD` do not touch is cold.
const COLD: &str = "-10000";

/// Paths of a repository by how often they change.
struct Paths {
    hot: Vec<String>,
    cold: Vec<String>,
}

impl Question {
    /// All questions.
    pub(super) fn all(world: &World) -> Result<Vec<Self>> {
        let folder = world.folder_of(PLAIN);
        let paths = Paths::of(folder)?;
        let tags = tags(folder)?;
        let mut all = vec![
            Self::of("log -20", "repo_log", 0.1, newest()),
            Self::of("file at a revision", "repo_read", 0.1, reads(folder, &paths, &tags)?),
            Self::of("search of a literal", "repo_search", 0.1, searches(folder, &paths)?),
            Self::of("stat of two tags", "repo_diff", 0.5, stats(&tags)),
            Self::of("log of a hot path", "repo_log", 0.5, logs(&paths.hot)),
            Self::of("log of a cold path", "repo_log", 1.2, logs(&paths.cold)),
            Self::of("log of a cold path, commit-graph", "repo_log", 2.0, logs(&paths.cold)),
            Self::of("blame of 41 lines", "repo_blame", 1.3, blames(folder, &paths)?),
            Self::of("merge base", "repo_refs", 0.5, bases(&tags)),
        ];
        for question in &mut all {
            question.is_also_cold = question.tool == "repo_search";
            if question.what.ends_with("commit-graph") {
                question.repository = GRAPH;
            }
        }
        Ok(all)
    }

    fn of(what: &str, tool: &'static str, limit: f64, pairs: Vec<(Value, Vec<String>)>) -> Self {
        let what = what.to_owned();
        Self { what, repository: PLAIN, tool, pairs, limit, is_also_cold: false }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Paths {
    fn of(folder: &Path) -> Result<Self> {
        let changed = read(folder, &["log", "--format=", "--name-only", "--no-renames", COLD])?;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for path in changed.lines() {
            *counts.entry(path).or_default() += 1;
        }
        let there = read(folder, &["ls-tree", "-r", "--name-only", "HEAD"])?;
        let source = |path: &&str| {
            [".c", ".rs", ".h", ".go", ".py", ".js", ".md", ".txt"]
                .iter()
                .any(|end| path.ends_with(end))
        };
        let mut hot: Vec<&str> = there.lines().filter(source).collect();
        hot.sort_by_key(|path| std::cmp::Reverse(counts.get(path).copied().unwrap_or_default()));
        let cold: Vec<&str> = there.lines().filter(|path| !counts.contains_key(path)).collect();
        let step = (cold.len() / 5).max(1);
        let some = |paths: Vec<&str>| paths.into_iter().take(5).map(str::to_owned).collect();
        Ok(Self { hot: some(hot), cold: some(cold.into_iter().step_by(step).collect()) })
    }
}

/// Tags, the newest first: some that are far apart.
fn tags(folder: &Path) -> Result<Vec<String>> {
    let all = read(folder, &["tag", "--sort=-creatordate", "--merged=HEAD"])?;
    let all: Vec<&str> = all.lines().collect();
    let step = (all.len() / 20).max(1);
    let tags: Vec<String> = all.iter().step_by(step).take(5).map(|tag| (*tag).to_owned()).collect();
    tags.get(1).context("two tags")?;
    Ok(tags)
}

/// The same five times, as often as others ask in a round: the first calls of a process warm up.
fn newest() -> Vec<(Value, Vec<String>)> {
    vec![(json!({}), words(&["log", "-20", FORMAT])); 5]
}

/// Each of the hot files at the first tag, from another tag on, that has it.
fn reads(folder: &Path, paths: &Paths, tags: &[String]) -> Result<Vec<(Value, Vec<String>)>> {
    let mut pairs = Vec::new();
    for (nth, path) in paths.hot.iter().enumerate() {
        let from = nth % tags.len();
        let mut after = tags[from..].iter().chain(&tags[..from]);
        let has = |tag: &&String| read(folder, &["cat-file", "-t", &format!("{tag}:{path}")]);
        let tag = after.find(|tag| has(tag).is_ok()).context("a tag with the file")?;
        let command = words(&["show", &format!("{tag}:{path}")]);
        pairs.push((json!({"path": path, "rev": tag}), command));
    }
    Ok(pairs)
}

/// The longest name in each of the hot files: literals that are neither everywhere nor nowhere.
fn searches(folder: &Path, paths: &Paths) -> Result<Vec<(Value, Vec<String>)>> {
    let mut pairs = Vec::new();
    for path in &paths.hot {
        let text = read(folder, &["show", &format!("HEAD:{path}")])?;
        let names = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = names.filter(|name| (8..20).contains(&name.len())).max_by_key(|name| name.len());
        let name = name.context("a long name")?;
        pairs.push((json!({"text": name}), words(&["grep", "-n", "-F", "-e", name, "HEAD"])));
    }
    Ok(pairs)
}

fn stats(tags: &[String]) -> Vec<(Value, Vec<String>)> {
    let pair = |two: &[String]| {
        let range = format!("{}..{}", two[1], two[0]);
        (json!({"rev": range}), words(&["diff", "-M", "--stat", &range]))
    };
    tags.windows(2).map(pair).collect()
}

fn logs(paths: &[String]) -> Vec<(Value, Vec<String>)> {
    let pair = |path: &String| (json!({"path": path}), words(&["log", "-20", FORMAT, "--", path]));
    paths.iter().map(pair).collect()
}

/// The lines in the middle of the hot files.
fn blames(folder: &Path, paths: &Paths) -> Result<Vec<(Value, Vec<String>)>> {
    let mut pairs = Vec::new();
    for path in &paths.hot {
        let lines = read(folder, &["show", &format!("HEAD:{path}")])?.lines().count();
        let from = (lines / 2).saturating_sub(20).max(1);
        let to = (from + 40).min(lines);
        let command = words(&["blame", &format!("-L{from},{to}"), "HEAD", "--", path]);
        pairs.push((json!({"path": path, "lines": format!("{from}-{to}")}), command));
    }
    Ok(pairs)
}

fn bases(tags: &[String]) -> Vec<(Value, Vec<String>)> {
    let pair = |tag: &String| {
        let glob = format!("refs/tags/{tag}");
        (json!({"glob": glob, "rev": "HEAD"}), words(&["merge-base", "HEAD", tag]))
    };
    tags.iter().skip(1).map(pair).collect()
}

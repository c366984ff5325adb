//! The tools against git's own command line, over random revisions, paths and filters.
//!
//! Repositories: generated ones, of which one has more than fifty thousand commits; this
//! project's own, where the tests run in a clone; and those that the environment variable
//! `REPO_ORACLE` names, separated by colons. `REPO_ORACLE_SEED` is another seed,
//! `REPO_ORACLE_ROUNDS` so many times the questions, `REPO_ORACLE_ONLY` names some of the checks.
//!
//! Where an answer differs from git's by intent, the check says so beside a sentence of git's
//! documentation.

mod ancestry;
mod blame;
mod changes;
mod files;
mod generator;
mod git;
mod log;
mod pickaxe;
mod random;
mod refs;
mod revisions;
mod search;
mod stat;
mod walks;
mod words;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bstr::{BStr, BString, ByteSlice as _};
use contract::{Part, Size, Tool, ToolError};
use serde_json::{Value, json};

use crate::Repo;
use crate::path::shown;
use crate::testing::{Caller, World};
use crate::view::View;
use git::Git;
use random::Random;

/// A repository that is asked about, by us and by git.
struct Case {
    name: String,
    git: Git,
    repo: Repo,
    random: Random,
    /// Every commit that a ref reaches.
    commits: Vec<String>,
    rounds: usize,
    tally: BTreeMap<&'static str, Tally>,
    check: &'static str,
    calls: AtomicUsize,
    /// Its folder lives as long as it does.
    _world: World,
}

/// How often an answer was git's.
#[derive(Default)]
struct Tally {
    took: Duration,
    same: usize,
    differences: Vec<String>,
}

/// What a tool answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    /// What is the repository's, as it is: one part after the other.
    content: String,
    /// Our own words.
    words: String,
}

impl Case {
    async fn of(name: &str, world: World, rounds: usize) -> Self {
        let seed = number("REPO_ORACLE_SEED").unwrap_or(7);
        let git = Git::new(&world.repository());
        let commits = git.lines(&["rev-list", "--all", "--date-order"]);
        println!("{name}: {} commits, REPO_ORACLE_SEED={seed}", commits.len());
        assert!(!commits.is_empty(), "{name} has no commits");
        let repo = world.open().await.expect("a server");
        let (random, tally) = (Random::new(seed as u64), BTreeMap::new());
        let rounds = rounds * number("REPO_ORACLE_ROUNDS").unwrap_or(1);
        Self {
            name: name.to_owned(),
            git,
            repo,
            random,
            commits,
            rounds,
            tally,
            check: "",
            calls: AtomicUsize::new(0),
            _world: world,
        }
    }

    /// Any commit.
    fn commit(&mut self) -> String {
        self.random.one_of(&self.commits).clone()
    }

    /// A commit that is seldom far from the newest.
    fn late_commit(&mut self) -> String {
        let end = self.commits.len().min(300);
        self.commits[self.random.below(end)].clone()
    }

    /// The files, links and submodules of a commit.
    fn paths(&self, commit: &str) -> Vec<BString> {
        let listed = self.git.bytes(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit]);
        listed.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(BString::from).collect()
    }

    /// A path of a commit: a file's, at times a folder's.
    fn path(&mut self, commit: &str, folders: usize) -> BString {
        let paths = self.paths(commit);
        if paths.is_empty() {
            return BString::from("none");
        }
        let mut path = self.random.one_of(&paths).clone();
        if self.random.percent(folders)
            && let Some(end) = path.rfind_byte(b'/')
        {
            path.truncate(end);
        }
        path
    }

    /// What a tool answers to one call.
    async fn call<T: Tool<Server = Repo>>(&self, args: &Value) -> Result<Answer, ToolError> {
        let mut args = args.clone();
        args["repo"] = json!("r");
        // No answer depends on what earlier calls have read.
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            self.repo.repositories.values().for_each(|repository| repository.forget());
        }
        let wants_more = args.get("limit").is_some() || args.get("lines").is_some();
        let most = if wants_more { Size::CAP } else { crate::answer::DEFAULT };
        let rendered = Caller::default().rendered::<T>(&self.repo, args).await?;
        let mut answer = Answer::default();
        for part in rendered.parts {
            match part {
                Part::Untrusted { text, .. } => answer.content.push_str(&text),
                Part::Text(text) => answer.words.push_str(&text),
                Part::Media(media) => panic!("media: {media:?}"),
            }
        }
        let size = answer.content.len() + answer.words.len();
        assert!(size <= most.bytes(), "{}: {size} bytes", T::CONTRACT.name);
        Ok(answer)
    }

    /// Works on a view of the repository.
    async fn view<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut View) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        self.repo.view(&Caller::default().ctx(Size::CAP), Some("r"), work).await
    }

    /// The parents of a commit.
    fn parents(&self, commit: &str) -> Vec<String> {
        let words = ["rev-list", "--no-walk", "--parents", commit];
        let line = self.git.text(&words);
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    }

    /// The size of a blob; 0 for none.
    fn size(&self, id: &str) -> String {
        let size = self.git.ask(&["cat-file", "-s", id]);
        if size.1 == 0 {
            String::from_utf8_lossy(&size.0).trim().to_owned()
        } else {
            "0".to_owned()
        }
    }

    /// Notes whether an answer is git's.
    fn compare<T: PartialEq + std::fmt::Debug>(
        &mut self,
        ours: &T,
        gits: &T,
        what: impl FnOnce() -> String,
    ) {
        let tally = self.tally.entry(self.check).or_default();
        if ours == gits {
            tally.same += 1;
        } else {
            let (ours, gits) = (format!("{ours:#?}"), format!("{gits:#?}"));
            let at = ours.lines().zip(gits.lines()).position(|(ours, gits)| ours != gits);
            let near = |text: &str| {
                let from = at.unwrap_or(0).saturating_sub(2);
                text.lines().skip(from).take(8).collect::<Vec<_>>().join("\n    ")
            };
            let what = what();
            tally.differences.push(format!(
                "{what}\n  ours:\n    {}\n  git's:\n    {}",
                near(&ours),
                near(&gits)
            ));
        }
    }

    /// Asks everything.
    async fn judge(mut self) {
        macro_rules! ask {
            ($($name:ident),*) => {$(
                self.check = stringify!($name);
                if is_wanted(self.check) {
                    let began = Instant::now();
                    $name::check(&mut self).await;
                    self.tally.entry(stringify!($name)).or_default().took = began.elapsed();
                }
            )*};
        }
        ask!(revisions, ancestry, walks, changes, log, blame, search, files, refs, pickaxe);
        let mut differences = Vec::new();
        for (check, tally) in &self.tally {
            let count = tally.differences.len();
            let (same, all, took) = (tally.same, tally.same + count, tally.took);
            println!("{}: {check}: {same} of {all} agree, {took:.1?}", self.name);
            let shown = tally.differences.iter().take(4).map(|one| format!("{check}: {one}"));
            differences.extend(shown);
        }
        assert!(differences.is_empty(), "{}:\n{}", self.name, differences.join("\n"));
    }
}

/// What a tool answered on some pages.
struct Pages {
    lines: Vec<String>,
    /// Whether there are no more.
    is_whole: bool,
    /// The last trailer.
    words: String,
}

impl Pages {
    /// Asks for the first pages; an error is a line.
    async fn of<T: Tool<Server = Repo>>(case: &Case, args: &Value, most: usize) -> Self {
        let mut args = args.clone();
        let mut pages = Self { lines: Vec::new(), is_whole: true, words: String::new() };
        for _ in 0..most {
            let page = match case.call::<T>(&args).await {
                Ok(page) => page,
                Err(error) => Answer { content: error.text(), words: String::new() },
            };
            let content = page.content.strip_suffix('\n').unwrap_or(&page.content);
            if !page.content.is_empty() {
                pages.lines.extend(content.split('\n').map(str::to_owned));
            }
            let next = page.words.split_once("next: cursor=").map(|(_, next)| next.to_owned());
            pages.is_whole = next.is_none() && !page.words.contains("; cut");
            pages.words = page.words;
            match next {
                Some(cursor) => args["cursor"] = json!(cursor),
                None => break,
            }
        }
        pages
    }

    /// Compares the lines with git's: with the first of them, where there are more pages.
    fn compare(&self, case: &mut Case, gits: &[String], what: impl FnOnce() -> String) {
        let end = if self.is_whole { gits.len() } else { self.lines.len().min(gits.len()) };
        let (ours, all, words) = (self.lines.len(), gits.len(), &self.words);
        let what = || format!("{}: {ours} lines of ours ({words}), {all} of git's", what());
        let (ours, gits) = (case.git.comparable(&self.lines), case.git.comparable(&gits[..end]));
        case.compare(&ours, &gits, what);
    }
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn is_wanted(check: &str) -> bool {
    std::env::var("REPO_ORACLE_ONLY")
        .map_or(true, |only| only.split(',').any(|wanted| wanted == check))
}

/// A path as a caller names it.
fn named(path: &BString) -> String {
    shown(BStr::new(path))
}

/// A world around a clone that is there already, with whatever belongs to it.
fn around(path: &Path) -> World {
    let git = Git::new(path);
    let folder = |words: &[&str]| PathBuf::from(git.text(words).trim_end());
    let common = folder(&["rev-parse", "--path-format=absolute", "--git-common-dir"]);
    let own = folder(&["rev-parse", "--absolute-git-dir"]);
    let mut linked = vec![own, common.clone()];
    let alternates = std::fs::read_to_string(common.join("objects/info/alternates"));
    linked.extend(
        alternates.unwrap_or_default().lines().map(|line| common.join("objects").join(line)),
    );
    let mut world = World::around(path);
    world.settings["linked"] = json!(linked);
    world
}

#[tokio::test]
async fn generated_histories_are_read_as_git_reads_them() {
    for seed in 1..=4 {
        let world = generator::generated(seed, 160);
        if seed % 2 == 0 {
            world.git("commit-graph write --reachable --changed-paths");
        }
        Case::of(&format!("generated {seed}"), world, 12).await.judge().await;
    }
}

#[tokio::test]
async fn a_long_history_is_read_as_git_reads_it() {
    let world = generator::large(50_500);
    world.git("commit-graph write --reachable --changed-paths");
    Case::of("long", world, 3).await.judge().await;
}

#[tokio::test]
async fn this_project_is_read_as_git_reads_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !path.join(".git").exists() {
        println!("an archive of the source, not a clone: there is no history to compare");
        return;
    }
    Case::of("this project", around(&path), 6).await.judge().await;
}

#[tokio::test]
async fn named_repositories_are_read_as_git_reads_them() {
    let named = std::env::var("REPO_ORACLE").unwrap_or_default();
    for path in named.split(':').filter(|path| !path.is_empty()) {
        let world = around(Path::new(path));
        Case::of(path, world, 25).await.judge().await;
    }
}

//! The repositories that are measured: one as it is, and a copy of it with a commit-graph.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::json;

use super::git;
use crate::harness::{Folder, repository};

/// The id of the repository as it is.
pub(super) const PLAIN: &str = "plain";
/// The id of the copy with a commit-graph.
pub(super) const GRAPH: &str = "graph";

/// Commits of the generated repository.
const COMMITS: usize = 52_000;
/// Its files.
const FILES: usize = 1_200;

/// The repositories, and servers.toml for both.
pub(super) struct World {
    /// servers.toml.
    pub(super) folder: Folder,
    /// How many commits `HEAD` reaches.
    pub(super) commits: f64,
    plain: PathBuf,
    graph: PathBuf,
}

impl World {
    /// Finds or makes the repositories. They are kept for the next run.
    pub(super) fn find() -> Result<Self> {
        let cache = repository().join("target/bench-repo");
        std::fs::create_dir_all(&cache)?;
        let plain = match std::env::var_os("BENCH_REPO") {
            Some(path) => PathBuf::from(path).canonicalize().context("BENCH_REPO")?,
            None => generated(&cache)?,
        };
        let graph_file = plain.join("objects/info/commit-graph");
        ensure!(!graph_file.exists(), "{} is there: it is measured without", graph_file.display());
        let head = git::read(&plain, &["rev-parse", "HEAD"])?;
        let graph = with_graph(&plain, &cache.join(format!("graph-{}", head.trim())))?;
        let commits = git::read(&graph, &["rev-list", "--count", "HEAD"])?.trim().parse()?;
        let folder = Folder::new(&format!(
            "[people]\n\"*\" = [\"developer\"]\n[roles.developer]\ntools = [\"repo_*\"]\n\
             [servers.repo]\npurpose = \"Be measured.\"\nowner = \"tests\"\n\
             [servers.repo.repositories.{PLAIN}]\npath = {0}\n\
             [servers.repo.repositories.{GRAPH}]\npath = {1}\nlinked = [{0}]\n",
            json!(plain),
            json!(graph)
        ));
        Ok(Self { folder, commits, plain, graph })
    }

    /// Where a repository is.
    pub(super) fn folder_of(&self, id: &str) -> &Path {
        if id == GRAPH { &self.graph } else { &self.plain }
    }
}

/// A bare copy that shares the objects and has a commit-graph with changed paths.
fn with_graph(plain: &Path, copy: &Path) -> Result<PathBuf> {
    if copy.join("objects/info/commit-graph").is_file() {
        return Ok(copy.to_owned());
    }
    let _ = std::fs::remove_dir_all(copy);
    let (from, to) = (plain.display().to_string(), copy.display().to_string());
    git::read(plain, &["clone", "-q", "--bare", "--shared", &from, &to])?;
    git::read(copy, &["commit-graph", "write", "--reachable", "--changed-paths"])?;
    Ok(copy.to_owned())
}

/// A history of so many commits: files of some thousand bytes of which few change often, branches
/// that are merged, a tag now and then.
fn generated(cache: &Path) -> Result<PathBuf> {
    let path = cache.join(format!("generated-{COMMITS}.git"));
    if path.join("packed-refs").is_file() {
        return Ok(path);
    }
    let _ = std::fs::remove_dir_all(&path);
    let shown = path.display().to_string();
    git::read(cache, &["init", "-q", "--bare", "-b", "main", &shown])?;
    let words = ["fast-import", "--quiet", "--done"].map(str::to_owned);
    let mut child = git::command(&path, &words).stdin(Stdio::piped()).spawn()?;
    let mut pipe = std::io::BufWriter::new(child.stdin.take().context("its input")?);
    History::default().write(&mut pipe)?;
    drop(pipe);
    if !child.wait()?.success() {
        bail!("git fast-import failed");
    }
    git::read(&path, &["-c", "gc.writeCommitGraph=false", "gc", "-q"])?;
    Ok(path)
}

/// What has been written of a history.
#[derive(Default)]
struct History {
    random: u64,
    mark: usize,
    /// The versions of the lines of each file.
    files: Vec<Vec<u32>>,
}

impl History {
    /// A number below another, the same in each run.
    fn below(&mut self, end: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap_or_default() % end
    }

    fn write(mut self, out: &mut impl std::io::Write) -> Result<()> {
        for file in 0..FILES {
            let lines = 40 + file * 7 % 300;
            self.files.push(vec![0; lines]);
        }
        let everything: Vec<usize> = (0..FILES).collect();
        let mut main = self.commit(out, &[], &everything)?;
        while self.mark < COMMITS {
            let straight = self.changed();
            let before = main;
            main = self.commit(out, &[main], &[straight])?;
            if self.below(4) == 0 {
                let mut side = before;
                let mut changed = Vec::new();
                for _ in 0..=self.below(3) {
                    changed.push(self.changed());
                    side = self.commit(out, &[side], &changed[changed.len() - 1..])?;
                }
                main = self.commit(out, &[main, side], &changed)?;
            }
            if self.mark % 500 < 3 {
                write!(
                    out,
                    "reset refs/tags/v{}.{}\nfrom :{main}\n\n",
                    main / 1_000,
                    main % 1_000
                )?;
            }
        }
        writeln!(out, "done")?;
        Ok(())
    }

    /// Changes a few lines of a file: of a few files often, of most seldom, of some never.
    fn changed(&mut self) -> usize {
        let file = if self.below(10) < 6 { self.below(12) } else { self.below(FILES * 9 / 10) };
        for _ in 0..=self.below(3) {
            let line = self.below(self.files[file].len());
            self.files[file][line] = u32::try_from(self.mark).unwrap_or_default();
        }
        file
    }

    fn commit(
        &mut self,
        out: &mut impl std::io::Write,
        parents: &[usize],
        files: &[usize],
    ) -> Result<usize> {
        self.mark += 1;
        let (mark, time) = (self.mark, 1_200_000_000 + self.mark * 4_000);
        let person = format!("Author {0} <author{0}@example.org>", mark * 31 % 60);
        let message = format!(
            "part{}: change number {mark}\n\nBecause of issue {}.\n",
            files[0] % 40,
            mark / 7
        );
        write!(
            out,
            "commit refs/heads/main\nmark :{mark}\nauthor {person} {time} +0000\n\
             committer {person} {time} +0000\ndata {}\n{message}",
            message.len()
        )?;
        for (index, parent) in parents.iter().enumerate() {
            writeln!(out, "{} :{parent}", if index == 0 { "from" } else { "merge" })?;
        }
        for file in files {
            let text = self.text(*file);
            let (top, folder) = (file % 12, file / 12 % 20);
            writeln!(
                out,
                "M 100644 inline part{top}/module{folder}/file{file}.c\ndata {}",
                text.len()
            )?;
            out.write_all(text.as_bytes())?;
            out.write_all(b"\n")?;
        }
        Ok(mark)
    }

    fn text(&self, file: usize) -> String {
        let mut text = format!("/* file {file} */\n#include \"part{}.h\"\n\n", file % 12);
        for (number, version) in self.files[file].iter().enumerate() {
            if number % 20 == 0 {
                text.push_str(&format!(
                    "}}\n\nstatic int function_{file}_{number}(int value)\n{{\n"
                ));
            }
            text.push_str(&format!("\tvalue += compute_{number}(value, {version});\n"));
        }
        text
    }
}

//! What differs between the last commit, the index and the working tree.
//!
//! git's own files are read here in Rust: no configuration is followed but `core.fileMode`, no
//! filter, hook or fsmonitor exists, the index is not written, and no symbolic link of the working
//! tree is followed, be it a `.gitignore`. What is ignored is what the working tree's and the
//! repository's own rules say (gitignore(5)); those of the user and the machine are not read.

mod compare;
mod index;
mod walk;
mod work;

use std::collections::BTreeMap;

use bstr::{BStr, BString, ByteSlice as _};
use cap_std::fs::Dir;
use contract::ToolError;
use gix_hash::ObjectId;

use crate::diff::Change;
use crate::path;
use crate::refs::Head;
use crate::revision::short;
use crate::search::Files;
use crate::tree::{Entry, Mode};
use crate::view::View;
use index::{Index, Mark, Tracked};

/// The state of a working tree.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// What is checked out, as `git status --branch` tells it.
    pub(crate) head: String,
    /// What differs, in git's order: tracked files by path, then untracked ones.
    pub(crate) lines: Vec<Line>,
    /// What is under way, such as a merge.
    pub(crate) operation: Option<&'static str>,
    /// How many changes are stashed.
    pub(crate) stashes: usize,
    /// How many files of the index are not checked out.
    pub(crate) absent: usize,
    /// How many of the differences may not be seen.
    pub(crate) hidden: usize,
    /// How many folders or files could not be read.
    pub(crate) unread: usize,
}

/// One difference, as `git status --porcelain` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The letters of the index and of the working tree.
    pub(crate) code: [char; 2],
    /// The path; that of a folder ends with a slash.
    pub(crate) path: BString,
    /// Where it was before.
    pub(crate) from: Option<BString>,
}

impl Line {
    /// Whether both sides of a merge have changed it.
    pub(crate) fn is_conflict(&self) -> bool {
        self.code.contains(&'U') || matches!(self.code, ['A', 'A'] | ['D', 'D'])
    }
}

impl View {
    /// The state of the working tree.
    pub(crate) fn status(&mut self) -> Result<Status, ToolError> {
        let layout = self.repository.layout.clone();
        let Some(top) = &layout.work_tree else {
            let message = "the repository is bare: it has no working tree; repo_log and repo_list \
                show what is in it.";
            return Err(ToolError::invalid(message));
        };
        let git_dir = open(&layout.git_dir)?;
        let (head, commit) = self.checked_out()?;
        let index = Index::read(self, &git_dir)?;
        let staged = self.staged(commit, &index)?;
        let walked = walk::walk(self, &open(top)?, &index)?;
        let mut status = Status {
            head,
            operation: operation(&git_dir),
            stashes: self.stashes()?,
            absent: index.tracked.iter().filter(|one| one.mark == Mark::Absent).count(),
            hidden: walked.hidden,
            unread: walked.unread,
            ..Status::default()
        };
        let mut lines: BTreeMap<BString, Line> = BTreeMap::new();
        for (path, code) in &index.conflicts {
            lines.insert(path.clone(), Line { code: *code, path: path.clone(), from: None });
        }
        for change in staged {
            let code = [change.letter(), ' '];
            let from = change.renamed.map(|(from, _)| from);
            lines.insert(change.path.clone(), Line { code, path: change.path, from });
        }
        for (path, letter) in walked.changed {
            let blank = Line { code: [' ', ' '], path: path.clone(), from: None };
            lines.entry(path).or_insert(blank).code[1] = letter;
        }
        let lines = lines.into_values().chain(walked.untracked.into_iter().map(untracked));
        status.lines = lines.filter_map(|line| self.shown(line, &mut status.hidden)).collect();
        Ok(status)
    }

    /// A line as far as it may be seen.
    fn shown(&self, mut line: Line, hidden: &mut usize) -> Option<Line> {
        // Of a folder, what may be seen in it was asked for.
        if !line.path.ends_with(b"/") && !self.shows(line.path.as_bstr()) {
            *hidden += 1;
            return None;
        }
        if line.from.as_ref().is_some_and(|from| !self.shows(from.as_bstr())) {
            line.from = None;
            line.code[0] = 'A';
        }
        Some(line)
    }

    /// What is checked out, and its commit.
    fn checked_out(&mut self) -> Result<(String, Option<ObjectId>), ToolError> {
        match self.head()? {
            Head::On(name) => {
                let branch = name.strip_prefix(b"refs/heads/").unwrap_or(&name).as_bstr();
                let branch = path::shown(branch);
                match self.reference(name.as_bstr())? {
                    Some(id) => Ok((branch, Some(self.peel(id)?))),
                    None => Ok((format!("No commits yet on {branch}"), None)),
                }
            }
            Head::Detached(id) => Ok((format!("HEAD (no branch) at {}", short(&id)), Some(id))),
            Head::Unknown => {
                let message = "what is checked out is none of the refs that may be seen; repo_refs \
                    lists those that may.";
                Err(ToolError::not_found(message))
            }
        }
    }

    /// What differs from a commit to the index.
    fn staged(
        &mut self,
        commit: Option<ObjectId>,
        index: &Index,
    ) -> Result<Vec<Change>, ToolError> {
        let files = match commit {
            Some(commit) => {
                let tree = self.tree_of(commit)?;
                Files::all(self, &tree, BStr::new(""))?
            }
            None => Files::none(),
        };
        let mut changes = Vec::new();
        let mut add = |path: &BStr, old: Option<Entry>, new: Option<Entry>| {
            changes.push(Change { path: path.to_owned(), old, new, renamed: None });
        };
        let mut at = 0;
        let staged = |one: &&Tracked| one.mark != Mark::Intended;
        let mut tracked = index.tracked.iter().filter(staged).peekable();
        while at < files.len() || tracked.peek().is_some() {
            let old = (at < files.len()).then(|| (files.path(at), files.entry(at)));
            match (old, tracked.peek()) {
                (Some((path, entry)), one) if one.is_none_or(|one| path < one.path.as_bstr()) => {
                    add(path, Some(entry), None);
                    at += 1;
                }
                (old, Some(one)) => {
                    let old = old.filter(|(path, _)| *path == one.path.as_bstr());
                    let new = Entry { mode: one.mode, id: one.id };
                    if one.mark != Mark::Conflict && old.is_none_or(|(_, old)| old != new) {
                        add(one.path.as_bstr(), old.map(|(_, old)| old), Some(new));
                    }
                    at += usize::from(old.is_some());
                    tracked.next();
                }
                _ => break,
            }
        }
        self.detect_renames(&mut changes)?;
        Ok(changes)
    }

    /// How many changes are stashed: as many as the reflog of the stash has lines.
    fn stashes(&self) -> Result<usize, ToolError> {
        if !self.repository.visible.shows_ref(BStr::new("refs/stash")) {
            return Ok(0);
        }
        let folder = open(&self.repository.layout.common_dir)?;
        let log = walk::small_file(&folder, "logs/refs/stash").unwrap_or_default();
        Ok(log.lines().count())
    }
}

fn untracked(path: BString) -> Line {
    Line { code: ['?', '?'], path, from: None }
}

/// A folder, out of which nothing that is opened in it leads.
fn open(path: &std::path::Path) -> Result<Dir, ToolError> {
    Dir::open_ambient_dir(path, cap_std::ambient_authority()).map_err(|error| {
        ToolError::unavailable("the working tree cannot be read; the log says why.", error)
    })
}

/// What is under way, by the files that git leaves for it (wt-status.c).
fn operation(git_dir: &Dir) -> Option<&'static str> {
    [
        ("rebase-apply/applying", "am"),
        ("rebase-apply", "rebase"),
        ("rebase-merge", "rebase"),
        ("MERGE_HEAD", "merge"),
        ("CHERRY_PICK_HEAD", "cherry-pick"),
        ("REVERT_HEAD", "revert"),
        ("BISECT_LOG", "bisect"),
    ]
    .into_iter()
    .find(|(file, _)| git_dir.symlink_metadata(file).is_ok())
    .map(|(_, name)| name)
}

/// The mode of an entry of the index.
fn mode(bits: u32) -> Mode {
    match bits & 0o170_000 {
        0o120_000 => Mode::Link,
        0o160_000 => Mode::Submodule,
        0o040_000 => Mode::Tree,
        _ if bits & 0o100 != 0 => Mode::Program,
        _ => Mode::File,
    }
}

#[cfg(test)]
mod tests;

//! The index (gitformat-index(5)): what is tracked, and how the files were when git last looked.

use bstr::{BString, ByteSlice as _};
use cap_std::fs::Dir;
use contract::{Kind, ToolError};
use gix_hash::ObjectId;
use gix_index::entry::{Flags, Stage, Stat};

use super::mode;
use crate::search::Files;
use crate::tree::Mode;
use crate::view::View;

/// The largest index that is read, in bytes.
const LARGEST: u64 = 512 << 20;

/// What is tracked.
#[derive(Default)]
pub(super) struct Index {
    /// The files by path, each once.
    pub(super) tracked: Vec<Tracked>,
    /// The files that both sides of a merge have changed, with git's letters for it.
    pub(super) conflicts: Vec<(BString, [char; 2])>,
    /// When it was written: seconds and nanoseconds.
    pub(super) written: (i64, u32),
}

/// A file that is tracked.
pub(super) struct Tracked {
    pub(super) path: BString,
    pub(super) mode: Mode,
    pub(super) id: ObjectId,
    /// How the file was.
    pub(super) stat: Stat,
    /// What else there is to it.
    pub(super) mark: Mark,
}

/// What sets a tracked file apart; of several, the last here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    Plain,
    /// git takes it for unchanged without looking (`git update-index --assume-unchanged`).
    Assumed,
    /// It is not to be checked out (`git sparse-checkout`).
    Absent,
    /// Only its name is staged (`git add --intent-to-add`).
    Intended,
    /// Both sides of a merge have changed it.
    Conflict,
}

impl Mark {
    fn of(flags: Flags, stages: u8) -> Self {
        match flags {
            _ if stages != 0 => Self::Conflict,
            _ if flags.contains(Flags::INTENT_TO_ADD) => Self::Intended,
            _ if flags.contains(Flags::SKIP_WORKTREE) => Self::Absent,
            _ if flags.contains(Flags::ASSUME_VALID) => Self::Assumed,
            _ => Self::Plain,
        }
    }
}

impl Index {
    /// Reads the index of a working tree.
    pub(super) fn read(view: &mut View, git_dir: &Dir) -> Result<Self, ToolError> {
        let Some(state) = open(view, git_dir)? else { return Ok(Self::default()) };
        let written = (state.timestamp().unix_seconds(), state.timestamp().nanoseconds());
        let mut index = Self { written, ..Self::default() };
        let mut stages = 0_u8;
        let mut entries = state.entries().iter().peekable();
        while let Some(entry) = entries.next() {
            view.visit()?;
            let path = entry.path(&state);
            let bit = match entry.stage() {
                Stage::Unconflicted => 0,
                Stage::Base => 1,
                Stage::Ours => 2,
                Stage::Theirs => 4,
            };
            stages |= bit;
            if entries.peek().is_some_and(|next| bit != 0 && next.path(&state) == path) {
                continue;
            }
            let tracked = Tracked {
                path: path.to_owned(),
                mode: mode(entry.mode.bits()),
                id: entry.id,
                stat: entry.stat,
                mark: Mark::of(entry.flags, stages),
            };
            if let Some(code) = letters(stages) {
                index.conflicts.push((path.to_owned(), code));
            }
            stages = 0;
            if tracked.mode == Mode::Tree {
                index.unfold(view, &tracked)?;
            } else {
                index.tracked.push(tracked);
            }
        }
        Ok(index)
    }

    /// The files of a folder that a sparse index has in one entry.
    fn unfold(&mut self, view: &mut View, folder: &Tracked) -> Result<(), ToolError> {
        let base = folder.path.strip_suffix(b"/").unwrap_or(&folder.path).as_bstr();
        let files = Files::all(view, &folder.id, base)?;
        for index in 0..files.len() {
            let entry = files.entry(index);
            self.tracked.push(Tracked {
                path: files.path(index).to_owned(),
                mode: entry.mode,
                id: entry.id,
                stat: folder.stat,
                mark: Mark::Absent,
            });
        }
        Ok(())
    }
}

/// Decodes the index, if there is one. No part of it is a symbolic link.
fn open(view: &View, git_dir: &Dir) -> Result<Option<gix_index::File>, ToolError> {
    let damaged = |error: &dyn std::fmt::Display| {
        let message = "the index cannot be read; `git status` in the working tree says more.";
        ToolError::unavailable(message, error)
    };
    let data = match git_dir.symlink_metadata("index") {
        Ok(data) => data,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(damaged(&error)),
    };
    if !data.is_file() {
        return Err(damaged(&"it is no file"));
    }
    if data.len() > LARGEST {
        let message = "the index is too large to be read; name a revision instead.";
        return Err(ToolError::new(Kind::TooLarge, message));
    }
    // A split index names another file beside it.
    for entry in git_dir.entries().map_err(|error| damaged(&error))?.flatten() {
        let is_shared = entry.file_name().as_encoded_bytes().starts_with(b"sharedindex.");
        if is_shared && !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            return Err(damaged(&"its shared part is no file"));
        }
    }
    let options = gix_index::decode::Options {
        thread_limit: Some(1),
        alloc_limit_bytes: Some(2 << 30),
        ..Default::default()
    };
    let layout = &view.repository.layout;
    let file = gix_index::File::at(layout.git_dir.join("index"), layout.hash, true, options);
    file.map(Some).map_err(|error| damaged(&error))
}

/// What git writes for the stages of a conflict: base 1, ours 2, theirs 4 (git-status(1)).
fn letters(stages: u8) -> Option<[char; 2]> {
    Some(match stages {
        1 => ['D', 'D'],
        2 => ['A', 'U'],
        3 => ['U', 'D'],
        4 => ['U', 'A'],
        5 => ['D', 'U'],
        6 => ['A', 'A'],
        7 => ['U', 'U'],
        _ => return None,
    })
}

//! The working tree: which files differ from a commit, and what is in them.
//!
//! libgit2 compares; it knows no fsmonitor, no hook and no filter that is a program. The
//! configuration of the machine and of its users is not read, and where the working tree is, this
//! server says and not the repository's `core.worktree`.

use std::io::Read as _;
use std::sync::Once;

use bstr::{BStr, BString, ByteSlice as _};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use contract::{Kind, ToolError};
use gix_hash::ObjectId;

use crate::diff::{Change, Changes};
use crate::reader::damaged;
use crate::repository::Layout;
use crate::tree::{Entry, Mode};
use crate::view::{LARGEST, View};

/// Opens the repository with its working tree for libgit2.
pub(crate) fn open(layout: &Layout) -> Result<git2::Repository, ToolError> {
    static ALONE: Once = Once::new();
    ALONE.call_once(without_machine);
    let Some(top) = &layout.work_tree else {
        return Err(ToolError::invalid(
            "the repository is bare: it has no working tree; name a revision.",
        ));
    };
    if layout.hash != gix_hash::Kind::Sha1 {
        let message = "the working tree of a repository with SHA-256 names cannot be compared yet; \
            revisions can.";
        return Err(ToolError::invalid(message));
    }
    let failed = |error: git2::Error| {
        let message = "the working tree cannot be read; its operator's log says why.";
        ToolError::unavailable(message, error)
    };
    let repository = git2::Repository::open_bare(&layout.git_dir).map_err(failed)?;
    repository.set_workdir(top, false).map_err(failed)?;
    Ok(repository)
}

/// Takes the configuration of the machine and of its users away from libgit2, and the test of
/// hashes, which costs more than the comparison.
#[expect(unsafe_code, reason = "libgit2's settings are those of the process; set once, before use")]
fn without_machine() {
    use git2::ConfigLevel::{Global, ProgramData, System, XDG};
    for level in [ProgramData, System, XDG, Global] {
        // SAFETY: nothing else of the process uses libgit2's settings, and `Once` calls this once.
        let done = unsafe { git2::opts::set_search_path(level, "") };
        if let Err(error) = done {
            tracing::warn!(%error, "libgit2 keeps a search path");
        }
    }
    git2::opts::strict_hash_verification(false);
}

impl View {
    /// What changed from a tree to the tracked files of the working tree.
    pub(crate) fn work_changes(&mut self, tree: &ObjectId) -> Result<Changes, ToolError> {
        let repository = open(&self.repository.layout)?;
        let failed = |error: git2::Error| damaged(tree, &error);
        let id = git2::Oid::from_bytes(tree.as_bytes()).map_err(failed)?;
        let tree = repository.find_tree(id).map_err(failed)?;
        let mut options = git2::DiffOptions::new();
        options.ignore_submodules(true).include_typechange(true).update_index(false);
        let diff =
            repository.diff_tree_to_workdir_with_index(Some(&tree), Some(&mut options)).map_err(
                |error| ToolError::unavailable("the working tree cannot be compared.", error),
            )?;
        let mut changes = Changes::default();
        for delta in diff.deltas() {
            self.visit()?;
            let (old, new) = (delta.old_file(), delta.new_file());
            let path = BString::from(new.path_bytes().or(old.path_bytes()).unwrap_or_default());
            if !self.shows(path.as_bstr()) {
                changes.hidden += 1;
                continue;
            }
            let null = ObjectId::null(self.reader.hash());
            let old = mode(&old).and_then(|mode| {
                Some(Entry { mode, id: ObjectId::try_from(old.id().as_bytes()).ok()? })
            });
            // The content is in no object: the null id stands for the file itself.
            let new = mode(&new).map(|mode| Entry { mode, id: null });
            changes.all.push(Change { path, old, new, renamed: None });
        }
        Ok(changes)
    }

    /// The content of a file or link of the working tree. No symbolic link is followed.
    pub(crate) fn work_file(&self, path: &BStr) -> Result<Vec<u8>, ToolError> {
        let top = self.repository.layout.work_tree.as_ref();
        let top = top.ok_or_else(|| ToolError::internal("no working tree to read from"))?;
        let path = path.to_path().map_err(ToolError::internal)?;
        let mut content = Vec::new();
        let read = |content: &mut Vec<u8>| -> std::io::Result<bool> {
            let folder = Dir::open_ambient_dir(top, cap_std::ambient_authority())?;
            let data = folder.symlink_metadata(path)?;
            if data.is_symlink() {
                let target = folder.read_link_contents(path)?;
                content.extend_from_slice(target.as_os_str().as_encoded_bytes());
                return Ok(true);
            }
            if !data.is_file() {
                return Ok(true);
            }
            let mut options = OpenOptions::new();
            options.read(true).follow(FollowSymlinks::No);
            let file = folder.open_with(path, &options)?;
            file.take(LARGEST + 1).read_to_end(content)?;
            Ok(content.len() as u64 <= LARGEST)
        };
        match read(&mut content) {
            Ok(true) => Ok(content),
            Ok(false) => {
                Err(ToolError::new(Kind::TooLarge, "a file of the working tree is too large."))
            }
            Err(error) => {
                Err(ToolError::unavailable("a file of the working tree has gone.", error))
            }
        }
    }
}

/// What a side of libgit2's is.
fn mode(file: &git2::DiffFile<'_>) -> Option<Mode> {
    match file.mode() {
        git2::FileMode::Blob | git2::FileMode::BlobGroupWritable => Some(Mode::File),
        git2::FileMode::BlobExecutable => Some(Mode::Program),
        git2::FileMode::Link => Some(Mode::Link),
        git2::FileMode::Commit => Some(Mode::Submodule),
        git2::FileMode::Tree => Some(Mode::Tree),
        git2::FileMode::Unreadable => None,
    }
}

//! What changed from a commit to the tracked files of the working tree.

use std::collections::HashMap;
use std::io::Read as _;

use bstr::{BStr, BString, ByteSlice as _};
use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, MetadataExt as _, OpenOptions};
use contract::{Kind, ToolError};
use gix_hash::ObjectId;

use super::index::{Index, Mark};
use super::{open, walk};
use crate::diff::Changes;
use crate::tree::Mode;
use crate::view::{LARGEST, View};

impl View {
    /// What changed from a commit to the tracked files of the working tree. A file that is in no
    /// object has the null id: [`View::work_file`] reads it.
    pub(crate) fn work_changes(&mut self, commit: ObjectId) -> Result<Changes, ToolError> {
        let top = open(&self.top()?)?;
        let mut index = Index::read(self, &open(&self.repository.layout.git_dir)?)?;
        let walked = walk::walk(self, &top, &index)?;
        let letters: HashMap<BString, char> = walked.changed.into_iter().collect();
        let null = ObjectId::null(self.reader.hash());
        index.tracked.retain_mut(|one| {
            let letter = letters.get(&one.path);
            let is_changed = letter.is_some() || one.mark == Mark::Conflict;
            if is_changed {
                let Some(mode) = mode(&top, one.path.as_bstr()) else { return false };
                (one.mode, one.id) = (mode, null);
                one.mark = Mark::Plain;
            }
            letter != Some(&'D')
        });
        let mut changes = Changes { all: self.staged(Some(commit), &index)?, hidden: 0 };
        let before = changes.all.len();
        changes.all.retain(|change| self.shows(change.path.as_bstr()));
        changes.hidden = before - changes.all.len();
        for change in &mut changes.all {
            if change.renamed.as_ref().is_some_and(|(old, _)| !self.shows(old.as_bstr())) {
                (change.renamed, change.old) = (None, None);
            }
        }
        Ok(changes)
    }

    /// The content of a file or link of the working tree. No symbolic link is followed.
    pub(crate) fn work_file(&self, path: &BStr) -> Result<Vec<u8>, ToolError> {
        let top = open(&self.top()?)?;
        let at = path.to_path().map_err(ToolError::internal)?;
        let mut content = Vec::new();
        let read = |content: &mut Vec<u8>| -> std::io::Result<()> {
            if top.symlink_metadata(at)?.is_symlink() {
                let target = top.read_link_contents(at)?;
                content.extend_from_slice(target.as_os_str().as_encoded_bytes());
                return Ok(());
            }
            let mut options = OpenOptions::new();
            options.read(true).follow(FollowSymlinks::No);
            let file = top.open_with(at, &options)?;
            if file.metadata()?.is_file() {
                file.take(LARGEST + 1).read_to_end(content)?;
            }
            Ok(())
        };
        match read(&mut content) {
            Ok(()) if content.len() as u64 <= LARGEST => Ok(content),
            Ok(()) => {
                Err(ToolError::new(Kind::TooLarge, "a file of the working tree is too large."))
            }
            Err(error) => {
                let message = "a file of the working tree cannot be read; it may just have gone.";
                Err(ToolError::unavailable(message, error))
            }
        }
    }

    /// The top of the working tree.
    fn top(&self) -> Result<std::path::PathBuf, ToolError> {
        self.repository.layout.work_tree.clone().ok_or_else(|| {
            let message = "the repository is bare: it has no working tree; name a range a..b.";
            ToolError::invalid(message)
        })
    }
}

/// What a path of the working tree is now.
fn mode(top: &Dir, path: &BStr) -> Option<Mode> {
    let data = top.symlink_metadata(path.to_path().ok()?).ok()?;
    if data.is_symlink() {
        return Some(Mode::Link);
    }
    let is_program = data.mode() & 0o100 != 0;
    data.is_file().then_some(if is_program { Mode::Program } else { Mode::File })
}

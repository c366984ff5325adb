//! What of a working tree differs from its commit, as one digest: two runs of the same digest
//! tested the same tracked files. Files that git does not track are not looked at.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use contract::ToolError;
use contract::text::hex;
use gix_hash::ObjectId;
use gix_index::entry::{Mode, Stage};
use gix_object::bstr::{BString, ByteSlice as _};
use sha2::{Digest as _, Sha256};

use super::{Repository, unread};
use crate::store::Source;

/// A larger file is told by its size and time instead of its content, in bytes.
const LARGE: u64 = 64 << 20;

/// A mode and an id: what a path is.
type State = (u32, ObjectId);

/// The working tree as it is now.
pub(crate) fn working_tree(repository: &Repository, folder: &Path) -> Result<Source, ToolError> {
    let Some(head) = repository.head()? else { return Ok(Source::default()) };
    let index = repository.git.join("index");
    let options = gix_index::decode::Options::default();
    let index = gix_index::File::at(index, repository.hash, true, options).map_err(unread)?;
    let mut committed = BTreeMap::new();
    flatten(repository, &head.tree, &BString::default(), &mut committed, 0)?;
    let mut changes: BTreeMap<BString, Option<State>> = BTreeMap::new();
    for entry in index.entries() {
        let path = entry.path(&index).to_owned();
        let before = committed.remove(&path);
        if matches!(entry.mode, Mode::COMMIT | Mode::DIR) {
            continue;
        }
        let is_merged = entry.stage() == Stage::Unconflicted;
        let now = match path.to_path().ok().map(|path| folder.join(path)) {
            Some(file) if is_merged && is_as_indexed(entry, &file, &index) => {
                Some((entry.mode.bits(), entry.id))
            }
            Some(file) => state(repository, &file),
            None => None,
        };
        if now != before {
            changes.insert(path, now);
        }
    }
    // What the commit has and the index has not is removed.
    let is_file = |state: &State| state.0 != Mode::COMMIT.bits();
    changes
        .extend(committed.into_iter().filter(|(_, is)| is_file(is)).map(|(path, _)| (path, None)));
    let mut digest = Sha256::new();
    for (path, state) in &changes {
        digest.update(path.as_slice());
        digest.update([0]);
        digest.update(state.map(|(mode, id)| format!("{mode:o} {id}")).unwrap_or_default());
        digest.update([0]);
    }
    let count = changes.len();
    Ok(Source {
        is_export: false,
        commit: Some(head.commit.to_string()),
        tree: Some(head.tree.to_string()),
        changes: Some(if count == 0 { String::new() } else { hex(&digest.finalize()) }),
        changed: count,
    })
}

/// Whether a file has the size and times at which git read it, before the index was written.
fn is_as_indexed(entry: &gix_index::Entry, file: &Path, index: &gix_index::File) -> bool {
    let Ok(data) = file.symlink_metadata() else { return false };
    let mode = mode(&data);
    let stat = &entry.stat;
    let modified = (u32::try_from(data.mtime()).unwrap_or(0), data.mtime_nsec());
    // Of a file written while git wrote the index, the times say nothing.
    let written = index.timestamp().unix_seconds();
    mode == Some(entry.mode.bits())
        && u64::from(stat.size) == data.size()
        && stat.mtime.secs == modified.0
        && i64::from(stat.mtime.nsecs) == modified.1
        && i64::from(stat.mtime.secs) < written
}

/// What a file is now, named as git would name it; `None` if it is gone.
fn state(repository: &Repository, file: &Path) -> Option<State> {
    let data = file.symlink_metadata().ok()?;
    let mode = mode(&data)?;
    let content = if mode == Mode::SYMLINK.bits() {
        std::fs::read_link(file).ok()?.as_os_str().as_bytes().to_vec()
    } else if data.len() > LARGE {
        format!("{} {} {}", data.len(), data.mtime(), data.mtime_nsec()).into_bytes()
    } else {
        std::fs::read(file).ok()?
    };
    let id = gix_object::compute_hash(repository.hash, gix_object::Kind::Blob, &content).ok()?;
    Some((mode, id))
}

fn mode(data: &std::fs::Metadata) -> Option<u32> {
    let kind = data.file_type();
    if kind.is_symlink() {
        Some(Mode::SYMLINK.bits())
    } else if !kind.is_file() {
        None
    } else if data.permissions().mode() & 0o100 == 0 {
        Some(Mode::FILE.bits())
    } else {
        Some(Mode::FILE_EXECUTABLE.bits())
    }
}

/// All files of a tree by path.
fn flatten(
    repository: &Repository,
    tree: &ObjectId,
    at: &BString,
    all: &mut BTreeMap<BString, State>,
    depth: usize,
) -> Result<(), ToolError> {
    if depth > 100 {
        return Err(unread("folders lie too deep in each other"));
    }
    for (mode, name, id) in repository.entries(tree)? {
        let mut path = at.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        if mode & 0o170_000 == 0o040_000 {
            flatten(repository, &id, &path, all, depth + 1)?;
        } else {
            // Old commits have files of mode 100664.
            let mode = if mode & 0o170_000 != 0o100_000 {
                u32::from(mode)
            } else if mode & 0o100 == 0 {
                Mode::FILE.bits()
            } else {
                Mode::FILE_EXECUTABLE.bits()
            };
            all.insert(path, (mode, id));
        }
    }
    Ok(())
}

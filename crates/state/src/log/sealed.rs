//! What stands beside a segment: its newest signed checkpoint, and the hashes of its lines.
//!
//! The checkpoint is the evidence. The hashes are a help to those who read it: with them a change
//! is found in its line, without them only in its segment; they are believed only as far as the
//! checkpoint signs them.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::StateError;
use crate::merkle::{Hash, Tree};
use crate::note::{Checkpoint, SigningKey};
use crate::read;

/// Where the checkpoint of a segment stands.
pub(crate) fn checkpoint_path(segment: &Path) -> PathBuf {
    segment.with_extension("checkpoint")
}

/// Where the hashes of a segment's lines stand: 32 bytes each.
pub(crate) fn hashes_path(segment: &Path) -> PathBuf {
    segment.with_extension("hashes")
}

/// The origin in the checkpoints of a segment.
pub(crate) fn origin(key_name: &str, segment: &Path) -> String {
    format!("{key_name}/{}", read::name(segment))
}

/// Signs a tree and puts the note in the place of the one before, whole. Returns the note.
pub(crate) fn write_checkpoint(
    segment: &Path,
    key: &SigningKey,
    tree: &Tree,
    is_durable: bool,
) -> Result<String, StateError> {
    let origin = origin(key.verifying().name(), segment);
    let note = Checkpoint { origin, size: tree.size(), root: tree.root() }.sign(key);
    let path = checkpoint_path(segment);
    let temporary = segment.with_extension("checkpoint.tmp");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(note.as_bytes())?;
        if is_durable { file.sync_data() } else { Ok(()) }
    });
    let moved = written.and_then(|()| std::fs::rename(&temporary, &path));
    if moved.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    moved.map_err(StateError::at(&path))?;
    Ok(note)
}

/// A segment at one moment: what is not signed yet.
#[derive(Debug)]
pub(crate) struct Unsealed {
    /// The segment.
    pub(crate) path: PathBuf,
    /// Its whole tree.
    pub(crate) tree: Tree,
    /// The hashes of the lines since the last time, which end where the tree does.
    pub(crate) leaves: Vec<Hash>,
}

/// The hashes of one segment.
#[derive(Debug)]
pub(crate) struct Hashes {
    segment: PathBuf,
    file: Option<File>,
}

impl Hashes {
    /// The hashes of a segment, of which `known` are written.
    fn open(segment: &Path, known: u64) -> Self {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let file = options.open(hashes_path(segment)).and_then(|file| {
            // A process that died may have left more, never less.
            match file.metadata()?.len().cmp(&(known * 32)) {
                std::cmp::Ordering::Less => Err(std::io::Error::other("hashes are missing")),
                _ => file.set_len(known * 32).map(|()| file),
            }
        });
        Self { segment: segment.to_owned(), file: file.ok() }
    }
}

/// Signs what is written, segment by segment, and keeps the hashes.
#[derive(Debug, Default)]
pub(crate) struct Sealer {
    hashes: Option<Hashes>,
}

impl Sealer {
    /// Keeps the hashes and signs the tree, on the disk. Returns the note.
    pub(crate) fn seal(
        &mut self,
        unsealed: &Unsealed,
        key: &SigningKey,
    ) -> Result<String, StateError> {
        let before = unsealed.tree.size() - unsealed.leaves.len() as u64;
        if self.hashes.as_ref().is_none_or(|hashes| hashes.segment != unsealed.path) {
            self.hashes = Some(Hashes::open(&unsealed.path, before));
        }
        if let Some(hashes) = &mut self.hashes
            && let Some(file) = &mut hashes.file
            && file.write_all(unsealed.leaves.as_flattened()).is_err()
        {
            // Half of them would be worse than none.
            hashes.file = None;
            let _ = std::fs::remove_file(hashes_path(&unsealed.path));
        }
        write_checkpoint(&unsealed.path, key, &unsealed.tree, true)
    }
}

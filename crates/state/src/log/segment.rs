//! One segment: the file that is written, and the tree over its lines.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::chain::{self, First};
use super::line::{Beginning, Line};
use super::sealed::{self, Unsealed};
use crate::merkle::{self, Hash, Tree};
use crate::note::{Checkpoint, SigningKey};
use crate::read::Lines;
use crate::{StateError, read};

/// The size at which a segment is closed and the next one begun, in bytes.
const SEGMENT: u64 = 64 << 20;

/// The size up to which a segment is gone on with by another process, in bytes: to do so, its
/// lines must be hashed again.
const RESUME: u64 = 256 << 10;

/// What a segment is begun behind.
#[derive(Clone, Copy)]
pub(super) enum Behind<'a> {
    /// What there is in a folder whose key was made just now.
    NoKey,
    /// What there is.
    Others,
    /// A segment of the same process.
    Own(&'a Path, &'a Tree),
}

/// The segment that is written.
#[derive(Debug)]
pub(super) struct Segment {
    folder: PathBuf,
    server: String,
    key: Arc<SigningKey>,
    path: PathBuf,
    file: Arc<File>,
    /// The length up to the last whole record.
    length: u64,
    /// A failed write may have left half a line behind `length`.
    is_torn: bool,
    /// The tree over the whole records.
    tree: Tree,
    /// The hashes of the lines since the last checkpoint.
    leaves: Vec<Hash>,
    /// Segments that ended since the last checkpoint.
    ended: Vec<Unsealed>,
}

impl Segment {
    /// The newest segment, if it is short, whole, as its checkpoint says, and nobody else writes
    /// it. To go on with one that was changed would be to sign the change.
    pub(super) fn resume(
        folder: &Path,
        server: &str,
        key: &Arc<SigningKey>,
    ) -> Result<Option<Self>, StateError> {
        let Some(path) = read::segments(folder)?.pop() else { return Ok(None) };
        let file = options().open(&path).map_err(StateError::at(&path))?;
        if !try_lock(&file, &path)? {
            return Ok(None);
        }
        let length = file.metadata().map_err(StateError::at(&path))?.len();
        if length == 0 || length > RESUME {
            return Ok(None);
        }
        let note = std::fs::read_to_string(sealed::checkpoint_path(&path)).unwrap_or_default();
        let Ok(checkpoint) = Checkpoint::open(&note, std::slice::from_ref(key.verifying())) else {
            return Ok(None);
        };
        if checkpoint.origin != sealed::origin(key.verifying().name(), &path) {
            return Ok(None);
        }
        let mut segment = Self::new(folder, server, key, path, file);
        Ok(segment.reads_as(&checkpoint)?.then_some(segment))
    }

    /// Hashes the lines that are there; whether they are whole and as signed, every one: to go on
    /// behind lines that nobody signed would be to sign them, whoever wrote them.
    fn reads_as(&mut self, checkpoint: &Checkpoint) -> Result<bool, StateError> {
        let mut lines = Lines::open(&self.path)?;
        while let Some(line) = lines.next_line()? {
            let is_first = line.number == 1;
            if line.is_torn || (is_first && First::parse(line.bytes).is_none()) {
                return Ok(false);
            }
            self.length += line.bytes.len() as u64 + 1;
            self.push(merkle::leaf(line.bytes));
        }
        Ok(self.tree.size() == checkpoint.size && self.tree.root() == checkpoint.root)
    }

    /// A new segment, and its first line. Its name sorts by time; random digits keep two
    /// processes apart.
    pub(super) fn begin(
        folder: &Path,
        server: &str,
        key: &Arc<SigningKey>,
        behind: Behind<'_>,
    ) -> Result<Self, StateError> {
        let keys = std::slice::from_ref(key.verifying());
        let mut named = chain::before(folder, keys, matches!(behind, Behind::NoKey))?;
        if let Behind::Own(path, tree) = behind {
            chain::replace(&mut named, path, tree.size(), &tree.root());
        }
        let path = folder.join(new_name(folder)?);
        let file = options().create_new(true).open(&path).map_err(StateError::at(&path))?;
        // Nobody writes it; who only looks whether somebody does is done at once.
        file.lock().map_err(StateError::at(&path))?;
        let mut segment = Self::new(folder, server, key, path.clone(), file);
        let mut first = Beginning::new(keys[0].to_string(), named, server.to_owned());
        let written = segment
            .write(&mut first)
            .and_then(|()| sealed::write_checkpoint(&path, key, &segment.tree, false).map(drop));
        if written.is_err() {
            // No record is in it yet.
            let _ = std::fs::remove_file(&path);
        }
        written.map(|()| segment)
    }

    fn new(folder: &Path, server: &str, key: &Arc<SigningKey>, path: PathBuf, file: File) -> Self {
        Self {
            folder: folder.to_owned(),
            server: server.to_owned(),
            key: Arc::clone(key),
            path,
            file: Arc::new(file),
            length: 0,
            is_torn: false,
            tree: Tree::default(),
            leaves: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, to bring it to the disk.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Brings what is written to the disk.
    pub(super) fn sync(&self) -> Result<(), StateError> {
        self.file.sync_data().map_err(StateError::at(&self.path))
    }

    /// What is not signed yet: segments that ended, and last this one.
    pub(super) fn unsealed(&mut self) -> Vec<Unsealed> {
        let mut all = std::mem::take(&mut self.ended);
        all.push(self.take_unsealed());
        all
    }

    fn take_unsealed(&mut self) -> Unsealed {
        let leaves = std::mem::take(&mut self.leaves);
        Unsealed { path: self.path.clone(), tree: self.tree.clone(), leaves }
    }

    /// Writes a record, at the end of this segment or at the beginning of the next one. Returns
    /// its number.
    pub(super) fn append(&mut self, record: &mut impl Line) -> Result<u64, StateError> {
        if self.is_torn {
            self.file.set_len(self.length).map_err(StateError::at(&self.path))?;
            self.is_torn = false;
        }
        if self.length >= SEGMENT {
            self.rotate()?;
        }
        self.write(record)?;
        Ok(self.tree.size())
    }

    /// Begins a new segment where the file is not in its place any more: what is written to it
    /// would be found by nobody. Returns whether it did; an error means that no record can be kept.
    pub(super) fn keep_place(&mut self) -> Result<bool, StateError> {
        if self.is_in_place() {
            return Ok(false);
        }
        let (gone, records) = (self.path.clone(), self.tree.size());
        // Where it was moved, it stays whole.
        let _ = self.sync();
        self.go_on_in_another().map_err(|error| StateError {
            path: gone.clone(),
            source: std::io::Error::other(format!(
                "was moved or deleted while it was written, and no other segment can be begun: {error}"
            )),
        })?;
        eprintln!(
            "suite: {} was moved or deleted while it was written: its {records} records are missing; a new segment was begun",
            gone.display()
        );
        Ok(true)
    }

    fn is_in_place(&self) -> bool {
        let open = self.file.metadata();
        match open.and_then(|open| Ok((open, std::fs::symlink_metadata(&self.path)?))) {
            Ok((open, there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    }

    fn write(&mut self, record: &mut impl Line) -> Result<(), StateError> {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let line = record.line(self.tree.size() + 1, time);
        let mut text = line.map_err(StateError::at(&self.path))?;
        let leaf = merkle::leaf(&text);
        text.push(b'\n');
        if let Err(error) = (&*self.file).write_all(&text) {
            // A full disk takes half a line: it is taken back, now or before the next record.
            self.is_torn = self.file.set_len(self.length).is_err();
            return Err(StateError::at(&self.path)(error));
        }
        self.length += text.len() as u64;
        self.push(leaf);
        Ok(())
    }

    fn push(&mut self, leaf: Hash) {
        self.tree.push(leaf);
        self.leaves.push(leaf);
    }

    fn rotate(&mut self) -> Result<(), StateError> {
        self.sync()?;
        self.go_on_in_another()
    }

    fn go_on_in_another(&mut self) -> Result<(), StateError> {
        let behind = Behind::Own(&self.path, &self.tree);
        let next = Self::begin(&self.folder, &self.server, &self.key, behind)?;
        let mut ended = std::mem::take(&mut self.ended);
        ended.push(self.take_unsealed());
        *self = next;
        self.ended = ended;
        Ok(())
    }
}

fn new_name(folder: &Path) -> Result<String, StateError> {
    let mut random = [0u8; 4];
    getrandom::fill(&mut random)
        .map_err(|error| StateError { path: folder.to_owned(), source: error.into() })?;
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let time: String = time.chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
    Ok(format!("{time}-{:08x}.jsonl", u32::from_be_bytes(random)))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

/// Takes the segment for this process; `false` where another one has it.
fn try_lock(file: &File, path: &Path) -> Result<bool, StateError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(StateError::at(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_taken_back_before_the_next_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Arc::new(SigningKey::new("suite/docs", &[7; 32]).expect("a key"));
        let mut segment =
            Segment::begin(folder.path(), "docs", &key, Behind::Others).expect("a segment");
        let mut record = serde_json::json!({"event": "call"});
        segment.append(&mut record).expect("written");
        (&*segment.file).write_all(b"{\"half\":").expect("written");
        segment.is_torn = true;
        assert_eq!(segment.append(&mut record).expect("written"), 3);
        let text = std::fs::read_to_string(segment.path()).expect("the segment");
        assert!(!text.contains("half") && text.lines().count() == 3, "{text}");
    }

    #[test]
    fn a_full_segment_is_named_by_the_next_one_with_its_root() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = Arc::new(SigningKey::new("suite/docs", &[7; 32]).expect("a key"));
        let mut segment =
            Segment::begin(folder.path(), "docs", &key, Behind::Others).expect("a segment");
        segment.append(&mut serde_json::json!({"event": "call"})).expect("written");
        let (first, root) = (read::name(segment.path()).to_owned(), segment.tree.root());
        segment.length = SEGMENT;
        assert_eq!(segment.append(&mut serde_json::json!({"event": "call"})).expect("written"), 2);
        let unsealed = segment.unsealed();
        assert_eq!((unsealed.len(), unsealed[0].leaves.len(), unsealed[1].leaves.len()), (2, 2, 2));
        let mut lines = Lines::open(segment.path()).expect("opened");
        let line = lines.next_line().expect("read").expect("a line");
        let beginning = First::parse(line.bytes).expect("the first line");
        assert_eq!(beginning.segments.len(), 1);
        assert_eq!(beginning.segments[0].name, first);
        assert_eq!(beginning.segments[0].records, Some(2));
        assert_eq!(beginning.segments[0].root, Some(crate::note::encode_hash(&root)));
        assert_eq!(beginning.key, key.verifying().to_string());
    }
}

//! Reads objects and refs: one reader a call, kept with its caches for the next.
//!
//! Nothing here knows what may be seen; `view` does. Sizes are asked for before contents, so that
//! no object can fill the memory.

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use bstr::BStr;
use contract::ToolError;
use gix_hash::{ObjectId, oid};
use gix_object::{Find as _, FindHeader as _, Kind};

use crate::commits::Commits;
use crate::history::Reached;
use crate::repository::Layout;

/// The largest tree, commit or tag that is read, in bytes.
const LARGEST_STRUCTURE: u64 = 64 << 20;
/// How much of delta bases is kept between objects, in bytes.
const DELTA_BASES: usize = 8 << 20;
/// A process that holds more than this after a call gives its maps and caches back, in bytes.
const WATERMARK: u64 = 40 << 20;

/// Reads objects and refs.
pub(crate) struct Reader {
    /// The refs.
    pub(crate) refs: gix_ref::file::Store,
    /// What is known of commits.
    pub(crate) commits: Commits,
    /// Which commits the refs that may be seen reach.
    pub(crate) reached: Option<Reached>,
    objects: gix_odb::Handle,
    hash: gix_hash::Kind,
    buffer: Vec<u8>,
    stamp: Stamp,
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its size in bytes.
    pub(crate) size: u64,
}

/// The state of the files that say what the repository consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp([Option<(SystemTime, u64)>; 4]);

impl Stamp {
    fn of(layout: &Layout) -> Self {
        let objects = layout.objects();
        let of = |file: &Path| {
            let data = file.metadata().ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        Self([
            of(&layout.common_dir.join("shallow")),
            of(&objects.join("info/alternates")),
            of(&objects.join("info/commit-graph")),
            of(&objects.join("info/commit-graphs/commit-graph-chain")),
        ])
    }
}

impl Reader {
    /// Opens the repository's objects and refs.
    pub(crate) fn open(layout: &Layout) -> Result<Self, ToolError> {
        let failed = |error: &dyn std::fmt::Display| {
            let message = "the repository cannot be read; its operator's log says why.";
            ToolError::unavailable(message, error)
        };
        let stamp = Stamp::of(layout);
        layout.check_alternates().map_err(|error| failed(&error))?;
        let options = gix_odb::store::init::Options {
            alloc_limit_bytes: Some(1 << 30),
            ..gix_odb::store::init::Options::default()
        };
        let mut objects = gix_odb::at_opts(layout.objects(), layout.hash, None, options)
            .map_err(|error| failed(&error))?;
        objects.set_pack_cache(|| {
            Box::new(gix_pack::cache::lru::MemoryCappedHashmap::new(DELTA_BASES))
        });
        let options = gix_ref::store::init::Options {
            write_reflog: gix_ref::store::WriteReflog::Disable,
            ..gix_ref::store::init::Options::default()
        };
        let refs = gix_ref::file::Store::for_linked_worktree_opts(
            layout.git_dir.clone(),
            layout.common_dir.clone(),
            layout.hash,
            options,
        );
        let shallow = shallow(&layout.common_dir.join("shallow"));
        let commits = Commits::open(layout, shallow);
        let (hash, buffer) = (layout.hash, Vec::new());
        Ok(Self { refs, commits, reached: None, objects, hash, buffer, stamp })
    }

    /// Whether the files that say what the repository consists of are as they were.
    pub(crate) fn is_current(&self, layout: &Layout) -> bool {
        self.stamp == Stamp::of(layout)
    }

    /// Prepares for the next call; false where the reader holds too much to be kept.
    pub(crate) fn rest(&mut self) -> bool {
        if self.buffer.capacity() > 4 << 20 {
            self.buffer = Vec::new();
        }
        resident().is_none_or(|bytes| bytes < WATERMARK)
    }

    /// How objects are named.
    pub(crate) fn hash(&self) -> gix_hash::Kind {
        self.hash
    }

    /// The kind and size of an object; `None` where it is not there.
    pub(crate) fn header(&self, id: &oid) -> Result<Option<Header>, ToolError> {
        let found = self.objects.try_header(id).map_err(|error| damaged(id, &error))?;
        Ok(found.map(|found| Header { kind: found.kind, size: found.size }))
    }

    /// The content of a tree, commit or tag, in a buffer of the reader.
    pub(crate) fn structure(&mut self, id: &oid, kind: Kind) -> Result<&[u8], ToolError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let found = self.read(id, kind, LARGEST_STRUCTURE, &mut buffer);
        self.buffer = buffer;
        found?;
        Ok(&self.buffer)
    }

    /// The content of an object of a kind, if it is no larger than `most` bytes, into `buffer`.
    pub(crate) fn read(
        &self,
        id: &oid,
        kind: Kind,
        most: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ToolError> {
        // Structures are nearly always small and read by the ten thousand: only the contents of
        // files, and what the last read did not bound, are asked for their size first.
        if kind == Kind::Blob {
            let header = self.header(id)?.ok_or_else(|| missing(id))?;
            if header.size > most {
                return Err(ToolError::new(
                    contract::Kind::TooLarge,
                    format!(
                        "an object has {} bytes, more than the {most} that are read",
                        header.size
                    ),
                ));
            }
        }
        let found = self.objects.try_find(id, buffer).map_err(|error| damaged(id, &error))?;
        let found = found.ok_or_else(|| missing(id))?;
        if found.kind != kind {
            let message =
                format!("object {} is a {}, not a {kind}.", id.to_hex_with_len(10), found.kind);
            return Err(ToolError::invalid(message));
        }
        let length = found.data.len();
        buffer.truncate(length);
        Ok(())
    }

    /// The objects whose names begin with hexadecimal digits; at most `most`.
    pub(crate) fn with_prefix(&self, prefix: gix_hash::Prefix) -> Result<Vec<ObjectId>, ToolError> {
        let mut candidates = HashSet::default();
        let found = self
            .objects
            .lookup_prefix(prefix, Some(&mut candidates))
            .map_err(ToolError::internal)?;
        Ok(match found {
            None => Vec::new(),
            Some(Ok(id)) => vec![id],
            Some(Err(())) => candidates.into_iter().collect(),
        })
    }

    /// The objects for another thread, without a cache: of files that are read once, bases of
    /// deltas are seldom used twice.
    pub(crate) fn objects(&self) -> gix_odb::Handle {
        let mut objects = self.objects.clone();
        objects.unset_pack_cache();
        objects
    }

    /// Whether an object is there.
    pub(crate) fn exists(&self, id: &oid) -> bool {
        use gix_object::Exists as _;
        self.objects.exists(id)
    }
}

/// An object that is not there: a shallow or partial clone, or a damaged repository.
pub(crate) fn missing(id: &oid) -> ToolError {
    ToolError::not_found(format!(
        "object {} is not in this clone: it may be shallow or partial.",
        id.to_hex_with_len(10)
    ))
}

/// An object that cannot be read or understood.
pub(crate) fn damaged(id: &oid, error: &dyn std::fmt::Display) -> ToolError {
    let message = format!(
        "object {} is damaged; `git fsck` in the repository says more.",
        id.to_hex_with_len(10)
    );
    ToolError::unavailable(message, error)
}

/// The commits whose parents are not there (gitformat-shallow in git's documentation).
fn shallow(file: &Path) -> HashSet<ObjectId> {
    let text = std::fs::read(file).unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| ObjectId::from_hex(BStr::new(line)).ok()).collect()
}

/// The bytes of the process that are in memory, maps of files included.
fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

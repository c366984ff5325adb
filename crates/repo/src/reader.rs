//! Reads objects and refs: one reader a call, kept with its caches for the next.
//!
//! Nothing here knows what may be seen; `view` does. Sizes are asked for before contents, so that
//! no object can fill the memory.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bstr::{BStr, BString};
use contract::ToolError;
use gix_hash::{ObjectId, oid};
use gix_object::{Find as _, FindHeader as _, Kind};

use crate::commits::Commits;
use crate::history::{Reached, Track};
use crate::memory;
use crate::outline::{Outline, outline};
use crate::packs::Packs;
use crate::repository::Layout;

/// The largest tree, commit or tag that is read, in bytes.
const LARGEST_STRUCTURE: u64 = 64 << 20;
/// How much of delta bases the store of gix keeps, in bytes; it reads what `packs` does not.
const DELTA_BASES: usize = 1 << 20;
/// How many counts of lines are remembered from call to call.
const MOST_COUNTS: usize = 20_000;
/// Of how many files the landmarks are remembered, each in some kilobytes.
const MOST_OUTLINES: usize = 64;
/// Of how many paths it is remembered what they lead to in each commit.
const MOST_TRACKS: usize = 8;

/// Reads objects and refs.
pub(crate) struct Reader {
    /// The refs.
    pub(crate) refs: gix_ref::file::Store,
    /// What is known of commits.
    pub(crate) commits: Commits,
    /// What paths lead to in each commit, the last used first: the pages of one log ask again and
    /// again.
    pub(crate) tracks: Vec<Track>,
    /// Which commits the refs that may be seen reach.
    pub(crate) reached: Option<Reached>,
    /// How many lines are new and how many are gone between two contents: the pages of one stat
    /// ask again and again.
    pub(crate) counts: HashMap<(ObjectId, ObjectId), (usize, usize)>,
    /// The landmarks of files, by content, name and room: a file that is read is read again.
    outlines: HashMap<(ObjectId, BString, usize), Outline>,
    objects: gix_odb::Handle,
    packs: Packs,
    hash: gix_hash::Kind,
    /// The structure that was read last.
    last: Arc<Vec<u8>>,
    stamp: Stamp,
}

/// The content of a file.
pub(crate) enum Blob {
    /// All of it.
    Content(Arc<Vec<u8>>),
    /// Too large; its size in bytes.
    Large(u64),
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
struct Stamp([Option<(SystemTime, u64)>; 5]);

impl Stamp {
    fn of(layout: &Layout) -> Self {
        let objects = layout.objects();
        let of = |file: &Path| {
            let data = file.metadata().ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        Self([
            of(&layout.common_dir.join("shallow")),
            of(&objects.join("pack")),
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
        let objects = store(layout).map_err(|error| failed(&error))?;
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
        let (hash, last) = (layout.hash, Arc::default());
        let packs = Packs::open(&layout.objects(), hash);
        Ok(Self {
            refs,
            commits,
            tracks: Vec::new(),
            reached: None,
            counts: HashMap::new(),
            outlines: HashMap::new(),
            objects,
            packs,
            hash,
            last,
            stamp,
        })
    }

    /// Whether the files that say what the repository consists of are as they were.
    pub(crate) fn is_current(&self, layout: &Layout) -> bool {
        self.stamp == Stamp::of(layout)
    }

    /// Prepares for the next call: a process that has grown large gives back what is read again
    /// the soonest; false where that does not suffice, and the reader is not to be kept.
    pub(crate) fn rest(&mut self, layout: &Layout) -> bool {
        self.last = Arc::default();
        if self.counts.len() > MOST_COUNTS {
            self.counts = HashMap::new();
        }
        if self.outlines.len() > MOST_OUTLINES {
            self.outlines = HashMap::new();
        }
        self.tracks.iter_mut().for_each(Track::rest);
        self.tracks.truncate(MOST_TRACKS);
        if memory::is_large() {
            self.packs.forget(&layout.objects(), self.hash);
            let Ok(objects) = store(layout) else { return false };
            self.objects = objects;
        }
        !memory::is_large()
    }

    /// The landmarks of a file, in as many bytes as there is room for.
    pub(crate) fn outline(
        &mut self,
        id: ObjectId,
        path: &BStr,
        content: &[u8],
        room: usize,
    ) -> &Outline {
        let key = (id, path.to_owned(), room);
        self.outlines.entry(key).or_insert_with(|| outline(path, content, room))
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

    /// The content of a tree, commit or tag.
    pub(crate) fn structure(&mut self, id: &oid, kind: Kind) -> Result<&[u8], ToolError> {
        self.last = self.shared(id, kind)?;
        Ok(&self.last)
    }

    /// As [`Reader::structure`], to be held while others are read.
    pub(crate) fn shared(&mut self, id: &oid, kind: Kind) -> Result<Arc<Vec<u8>>, ToolError> {
        if let Some((found, content)) = self.packs.find(id) {
            of_kind(id, kind, found)?;
            return Ok(content);
        }
        let mut buffer = Vec::new();
        self.read_stored(id, kind, LARGEST_STRUCTURE, &mut buffer)?;
        Ok(Arc::new(buffer))
    }

    /// The content of a file, or its size where that is more than `most` bytes.
    pub(crate) fn blob(&mut self, id: &oid, most: u64) -> Result<Blob, ToolError> {
        if let Some((kind, content)) = self.packs.find(id) {
            of_kind(id, Kind::Blob, kind)?;
            return Ok(Blob::Content(content));
        }
        let header = self.header(id)?.ok_or_else(|| missing(id))?;
        if header.size > most {
            return Ok(Blob::Large(header.size));
        }
        let mut buffer = Vec::new();
        self.read_stored(id, Kind::Blob, most, &mut buffer)?;
        Ok(Blob::Content(Arc::new(buffer)))
    }

    /// The content of an object of a kind, if it is no larger than `most` bytes, into `buffer`.
    pub(crate) fn read(
        &mut self,
        id: &oid,
        kind: Kind,
        most: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ToolError> {
        let Some((found, content)) = self.packs.find(id) else {
            return self.read_stored(id, kind, most, buffer);
        };
        of_kind(id, kind, found)?;
        if content.len() as u64 > most {
            return Err(too_large(content.len() as u64, most));
        }
        buffer.clear();
        buffer.extend_from_slice(&content);
        Ok(())
    }

    /// As [`Reader::read`], from the store of gix, which knows every kind of storage.
    fn read_stored(
        &self,
        id: &oid,
        kind: Kind,
        most: u64,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ToolError> {
        let header = self.header(id)?.ok_or_else(|| missing(id))?;
        of_kind(id, kind, header.kind)?;
        if header.size > most {
            return Err(too_large(header.size, most));
        }
        let found = self.objects.try_find(id, buffer).map_err(|error| damaged(id, &error))?;
        let length = found.ok_or_else(|| missing(id))?.data.len();
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

fn of_kind(id: &oid, wanted: Kind, found: Kind) -> Result<(), ToolError> {
    if wanted == found {
        return Ok(());
    }
    let id = id.to_hex_with_len(10);
    Err(ToolError::invalid(format!("object {id} is a {found}, not a {wanted}.")))
}

fn too_large(size: u64, most: u64) -> ToolError {
    let message = format!("an object has {size} bytes, more than the {most} that are read.");
    ToolError::new(contract::Kind::TooLarge, message)
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

/// The store of gix, which opens files as they are needed.
fn store(layout: &Layout) -> std::io::Result<gix_odb::Handle> {
    let options = gix_odb::store::init::Options {
        alloc_limit_bytes: Some(1 << 30),
        ..gix_odb::store::init::Options::default()
    };
    let mut objects = gix_odb::at_opts(layout.objects(), layout.hash, None, options)?;
    objects
        .set_pack_cache(|| Box::new(gix_pack::cache::lru::MemoryCappedHashmap::new(DELTA_BASES)));
    Ok(objects)
}

/// The commits whose parents are not there (gitformat-shallow in git's documentation).
fn shallow(file: &Path) -> HashSet<ObjectId> {
    let text = std::fs::read(file).unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| ObjectId::from_hex(BStr::new(line)).ok()).collect()
}

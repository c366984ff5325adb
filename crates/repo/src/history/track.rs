//! One path through the history: what it leads to in each tree, looked up once.

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::ObjectId;
use gix_hashtable::HashMap;

use crate::bloom::Key;
use crate::commits::Number;
use crate::reader::Reader;
use crate::tree::{Entry, Mode};

/// A path, and what is known of it.
pub(crate) struct Track {
    /// The path.
    pub(crate) path: BString,
    parts: Vec<BString>,
    keys: Vec<Key>,
    /// The place in `entries` of what the path leads to in a commit, plus one; 0 is unknown.
    commits: Vec<u32>,
    entries: Vec<Option<Entry>>,
    /// What the rest of the path leads to, by how much of it is behind and the tree.
    known: Vec<HashMap<ObjectId, Option<Entry>>>,
}

impl Track {
    /// A path that nothing is known of yet.
    fn new(path: &BStr) -> Self {
        let parts: Vec<BString> =
            path.split_str("/").filter(|part| !part.is_empty()).map(BString::from).collect();
        let known = parts.iter().map(|_| HashMap::default()).collect();
        let (keys, commits, entries) = (Key::of_path(path), Vec::new(), Vec::new());
        Self { path: path.to_owned(), parts, keys, commits, entries, known }
    }

    /// Takes a path from the reader, with what is known of it.
    pub(crate) fn take(reader: &mut Reader, path: &BStr) -> Self {
        let at = reader.tracks.iter().position(|track| track.path == path);
        at.map_or_else(|| Self::new(path), |at| reader.tracks.remove(at))
    }

    /// Gives it back.
    pub(crate) fn give(self, reader: &mut Reader) {
        reader.tracks.insert(0, self);
    }

    /// Forgets what is of use within one call only.
    pub(crate) fn rest(&mut self) {
        self.known.iter_mut().for_each(|known| *known = HashMap::default());
    }

    /// What the path leads to in a commit.
    pub(crate) fn at(
        &mut self,
        reader: &mut Reader,
        commit: Number,
    ) -> Result<Option<Entry>, ToolError> {
        let at = commit as usize;
        if let Some(place) = self.commits.get(at).and_then(|place| place.checked_sub(1)) {
            return Ok(self.entries[place as usize]);
        }
        let tree = reader.facts(commit)?.tree;
        let entry = self.entry(reader, tree)?;
        // Neighbours are asked for one after the other, and mostly have the same.
        if self.entries.last() != Some(&entry) {
            self.entries.push(entry);
        }
        if at >= self.commits.len() {
            self.commits.resize((at + 1).next_power_of_two(), 0);
        }
        self.commits[at] = u32::try_from(self.entries.len()).unwrap_or(0);
        Ok(entry)
    }

    /// What the path leads to from a tree.
    fn entry(&mut self, reader: &mut Reader, tree: ObjectId) -> Result<Option<Entry>, ToolError> {
        let mut at = Some(Entry { mode: Mode::Tree, id: tree });
        let mut passed: smallvec::SmallVec<[ObjectId; 8]> = smallvec::SmallVec::new();
        for (part, known) in self.parts.iter().zip(&self.known) {
            let Some(Entry { mode: Mode::Tree, id }) = at else {
                at = None;
                break;
            };
            if let Some(end) = known.get(&id) {
                at = *end;
                break;
            }
            passed.push(id);
            at = reader.child(&id, part.as_bstr())?;
        }
        for (id, known) in passed.into_iter().zip(&mut self.known) {
            known.insert(id, at);
        }
        Ok(at)
    }

    /// Whether the commit-graph says that a commit changed nothing at the path, against its first
    /// parent. True is certain.
    pub(crate) fn is_surely_unchanged(&self, reader: &Reader, commit: Number) -> bool {
        let Some(filters) = &reader.commits.filters else { return false };
        let position = reader.commits.position(commit);
        position.is_some_and(|position| filters.excludes(position, &self.keys))
    }
}

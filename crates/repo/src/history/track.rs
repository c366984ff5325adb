//! One path through the history: what it leads to in each tree, looked up once.

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::ObjectId;
use gix_hashtable::HashMap;
use gix_object::Kind;

use crate::bloom::Key;
use crate::commits::Number;
use crate::reader::{Reader, damaged};
use crate::tree::{Entries, Entry, Mode};

/// A path, and what is known of it.
pub(crate) struct Track {
    /// The path.
    pub(crate) path: BString,
    parts: Vec<BString>,
    keys: Vec<Key>,
    /// What the rest of the path leads to, by how much of it is behind and the tree.
    known: Vec<HashMap<ObjectId, Option<Entry>>>,
}

impl Track {
    /// A path that nothing is known of yet.
    pub(crate) fn new(path: &BStr) -> Self {
        let parts: Vec<BString> =
            path.split_str("/").filter(|part| !part.is_empty()).map(BString::from).collect();
        let known = parts.iter().map(|_| HashMap::default()).collect();
        Self { path: path.to_owned(), keys: Key::of_path(path), parts, known }
    }

    /// What the path leads to from a tree.
    pub(crate) fn entry(
        &mut self,
        reader: &mut Reader,
        tree: ObjectId,
    ) -> Result<Option<Entry>, ToolError> {
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
            at = child(reader, &id, part.as_bstr())?;
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

fn child(reader: &mut Reader, tree: &ObjectId, name: &BStr) -> Result<Option<Entry>, ToolError> {
    let hash = reader.hash();
    let content = reader.structure(tree, Kind::Tree)?;
    for entry in Entries::of(content, hash) {
        let (found, mode, id) = entry.map_err(|error| damaged(tree, &error))?;
        if found == name {
            return Ok(Some(Entry { mode, id: id.to_owned() }));
        }
    }
    Ok(None)
}

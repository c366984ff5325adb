//! The files beneath a tree, at every depth.

use std::mem;
use std::sync::atomic::AtomicBool;

use bstr::{BStr, ByteSlice as _};
use contract::{Kind, ToolError};
use gix_hash::{ObjectId, oid};

use crate::tree::{Entry, Mode};
use crate::view::View;

/// The most bytes that the paths of one list take: a tree bomb may be deep instead of wide.
const MOST_TEXT: usize = 64 << 20;
/// The longest path of a folder that is entered, in bytes.
const LONGEST_PATH: usize = 64 << 10;

/// What is beneath a tree but folders, as far as it may be seen: files, links and submodules, in
/// the order of their paths, which is also the order of trees.
pub(crate) struct Files {
    /// How many files may not be seen.
    pub(crate) hidden: usize,
    /// Whether they were searched before.
    pub(super) searched: AtomicBool,
    text: Vec<u8>,
    items: Vec<(u32, Entry)>,
}

impl Files {
    /// A list of nothing.
    pub(crate) fn none() -> Self {
        Files { hidden: 0, searched: AtomicBool::new(false), text: Vec::new(), items: Vec::new() }
    }

    /// A list of one.
    pub(super) fn single(path: &BStr, entry: Entry) -> Self {
        let end = u32::try_from(path.len()).unwrap_or(u32::MAX);
        Files { text: path.to_vec(), items: vec![(end, entry)], ..Self::none() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The path of one of them, from the top of the repository.
    pub(crate) fn path(&self, index: usize) -> &BStr {
        let end = |index: usize| self.items[index].0 as usize;
        let start = if index == 0 { 0 } else { end(index - 1) };
        self.text[start..end(index)].as_bstr()
    }

    /// What one of them is.
    pub(crate) fn entry(&self, index: usize) -> Entry {
        self.items[index].1
    }

    /// The bytes the list takes.
    pub(super) fn weight(&self) -> usize {
        self.text.len() + self.items.len() * mem::size_of::<(u32, Entry)>()
    }

    /// What is beneath a tree, whether it may be seen or not.
    pub(crate) fn all(view: &mut View, tree: &oid, base: &BStr) -> Result<Self, ToolError> {
        Self::walk(view, tree, base, |_, _| true)
    }

    /// What is beneath a tree and may be seen.
    pub(super) fn visible(view: &mut View, tree: &oid, base: &BStr) -> Result<Self, ToolError> {
        Self::walk(view, tree, base, View::shows)
    }

    fn walk(
        view: &mut View,
        tree: &oid,
        base: &BStr,
        shows: fn(&View, &BStr) -> bool,
    ) -> Result<Self, ToolError> {
        let mut files = Files::none();
        let mut walk = Walk::new(view, tree, base)?;
        while let Some((path, entry)) = walk.next(view)? {
            if !shows(view, path) {
                files.hidden += 1;
                continue;
            }
            files.text.extend_from_slice(path);
            if files.text.len() > MOST_TEXT {
                let message = "the paths of the tree are too long to be listed; name a folder.";
                return Err(ToolError::new(Kind::TooLarge, message));
            }
            let end = u32::try_from(files.text.len()).map_err(ToolError::internal)?;
            files.items.push((end, entry));
        }
        files.text.shrink_to_fit();
        files.items.shrink_to_fit();
        Ok(files)
    }
}

/// A walk over everything beneath a tree that is no folder, in the order of paths.
struct Walk {
    path: Vec<u8>,
    open: Vec<(usize, std::vec::IntoIter<(bstr::BString, Entry)>)>,
}

impl Walk {
    fn new(view: &mut View, tree: &oid, base: &BStr) -> Result<Self, ToolError> {
        let entries = view.reader.entries(tree)?.into_iter();
        let mut path = base.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        Ok(Self { open: vec![(path.len(), entries)], path })
    }

    fn next(&mut self, view: &mut View) -> Result<Option<(&BStr, Entry)>, ToolError> {
        while let Some((start, entries)) = self.open.last_mut() {
            self.path.truncate(*start);
            let Some((name, entry)) = entries.next() else {
                self.open.pop();
                continue;
            };
            view.visit()?;
            self.path.extend_from_slice(&name);
            if entry.mode != Mode::Tree {
                return Ok(Some((self.path.as_bstr(), entry)));
            }
            self.path.push(b'/');
            if self.path.len() > LONGEST_PATH {
                let message = "the tree is nested too deeply to be walked; name a folder.";
                return Err(ToolError::new(Kind::TooLarge, message));
            }
            let inner = view.reader.entries(&entry.id)?.into_iter();
            self.open.push((self.path.len(), inner));
        }
        Ok(None)
    }
}

impl View {
    /// Whether an entry of a tree may be seen: a folder, if anything in it may.
    pub(crate) fn shows_entry(&mut self, path: &BStr, entry: &Entry) -> Result<bool, ToolError> {
        match entry.mode {
            Mode::Tree => self.shows_within(&entry.id, path),
            _ => Ok(self.shows(path)),
        }
    }

    fn shows_within(&mut self, tree: &oid, base: &BStr) -> Result<bool, ToolError> {
        if self.repository.visible.shows_all_paths() {
            return Ok(true);
        }
        let mut walk = Walk::new(self, tree, base)?;
        let mut is_empty = true;
        while let Some((path, _)) = walk.next(self)? {
            is_empty = false;
            if self.repository.visible.shows(path) {
                return Ok(true);
            }
        }
        Ok(is_empty)
    }

    /// The tree of a commit.
    pub(crate) fn tree_of(&mut self, commit: ObjectId) -> Result<ObjectId, ToolError> {
        let number = self.reader.number(commit);
        Ok(self.reader.facts(number)?.tree)
    }
}

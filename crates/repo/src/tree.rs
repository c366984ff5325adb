//! Trees: their entries, and the way to a path.

use bstr::{BStr, ByteSlice as _};
use contract::ToolError;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use crate::reader::{Reader, damaged};

/// What an entry of a tree is (git-fast-import(1) lists the modes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    /// A folder.
    Tree,
    /// A file.
    File,
    /// A file that can be executed.
    Program,
    /// A symbolic link: its content is where it leads.
    Link,
    /// A commit of another repository.
    Submodule,
}

impl Mode {
    /// The mode of the octal digits in a tree.
    fn of(digits: &[u8]) -> Option<Self> {
        let digit = |value: u32, byte: &u8| {
            byte.is_ascii_digit().then(|| (value << 3) | u32::from(byte - b'0'))
        };
        let value = digits.iter().try_fold(0, digit)?;
        Some(match value & 0o170_000 {
            0o040_000 => Mode::Tree,
            0o120_000 => Mode::Link,
            0o160_000 => Mode::Submodule,
            _ if value & 0o100 != 0 => Mode::Program,
            _ => Mode::File,
        })
    }

    /// As git writes it, in six digits.
    pub(crate) fn digits(self) -> &'static str {
        match self {
            Mode::Tree => "040000",
            Mode::File => "100644",
            Mode::Program => "100755",
            Mode::Link => "120000",
            Mode::Submodule => "160000",
        }
    }

    /// Whether it is a file, executable or not.
    pub(crate) fn is_file(self) -> bool {
        matches!(self, Mode::File | Mode::Program)
    }

    /// Whether it has content of its own: a file or a link.
    pub(crate) fn is_blob(self) -> bool {
        self.is_file() || self == Mode::Link
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// What it is.
    pub(crate) mode: Mode,
    /// Its name in the store of objects.
    pub(crate) id: ObjectId,
}

/// The entries of a tree in its order, from its content.
pub(crate) struct Entries<'a> {
    rest: &'a [u8],
    hash: usize,
}

impl<'a> Entries<'a> {
    /// The entries of the content of a tree.
    pub(crate) fn of(content: &'a [u8], hash: gix_hash::Kind) -> Self {
        Self { rest: content, hash: hash.len_in_bytes() }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<(&'a BStr, Mode, &'a oid), Broken>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let split = || {
            let name = memchr::memchr(b' ', self.rest.get(..8)?)? + 1;
            let end = name + memchr::memchr(0, &self.rest[name..])?;
            let after = end + 1 + self.hash;
            let id = oid::try_from_bytes(self.rest.get(end + 1..after)?).ok()?;
            let mode = Mode::of(&self.rest[..name - 1])?;
            Some((self.rest[name..end].as_bstr(), mode, id, after))
        };
        let Some((name, mode, id, after)) = split() else {
            self.rest = &[];
            return Some(Err(Broken));
        };
        self.rest = &self.rest[after..];
        Some(Ok((name, mode, id)))
    }
}

/// The content of a tree cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("not a tree's content")]
pub(crate) struct Broken;

impl Reader {
    /// What a name in a tree leads to.
    pub(crate) fn child(&mut self, tree: &oid, name: &BStr) -> Result<Option<Entry>, ToolError> {
        let hash = self.hash();
        let content = self.structure(tree, Kind::Tree)?;
        for entry in Entries::of(content, hash) {
            let (found, mode, id) = entry.map_err(|error| damaged(tree, &error))?;
            if found == name {
                return Ok(Some(Entry { mode, id: id.to_owned() }));
            }
        }
        Ok(None)
    }

    /// What a path from a tree leads to; the empty path leads to the tree.
    pub(crate) fn entry(&mut self, tree: &oid, path: &BStr) -> Result<Option<Entry>, ToolError> {
        let mut at = Entry { mode: Mode::Tree, id: tree.to_owned() };
        for name in path.split_str("/").filter(|name| !name.is_empty()) {
            if at.mode != Mode::Tree {
                return Ok(None);
            }
            let Some(next) = self.child(&at.id, name.as_bstr())? else { return Ok(None) };
            at = next;
        }
        Ok(Some(at))
    }

    /// The entries of a tree in its order.
    pub(crate) fn entries(&mut self, tree: &oid) -> Result<Vec<(bstr::BString, Entry)>, ToolError> {
        let hash = self.hash();
        let content = self.structure(tree, Kind::Tree)?;
        Entries::of(content, hash)
            .map(|entry| {
                let (name, mode, id) = entry.map_err(|error| damaged(tree, &error))?;
                Ok((name.to_owned(), Entry { mode, id: id.to_owned() }))
            })
            .collect()
    }
}

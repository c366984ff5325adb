//! Which files of a revision a call is about: a folder, a file, or a glob.

use std::sync::{Arc, PoisonError};

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::{ObjectId, oid};
use globset::{GlobBuilder, GlobMatcher};

use super::files::Files;
use crate::path;
use crate::tree::{Entry, Mode};
use crate::view::View;

/// What the path of a call stands for.
pub(crate) enum Scope {
    /// A folder, and everything in it.
    Folder(BString, ObjectId),
    /// A file, a link or a submodule.
    Single(BString, Entry),
    /// What matches a glob.
    Glob(Glob),
}

/// A glob, and the folder that it cannot lead out of.
pub(crate) struct Glob {
    base: BString,
    matcher: GlobMatcher,
}

impl View {
    /// What a path stands for at a commit's tree: all of it, where there is none. What is there by
    /// the very name is no glob.
    pub(crate) fn scope(&mut self, tree: &oid, text: Option<&str>) -> Result<Scope, ToolError> {
        let Some(text) = given(text) else {
            return Ok(Scope::Folder(BString::default(), tree.to_owned()));
        };
        let parsed = path::parse(text)?;
        let is_glob = text.contains(['*', '?', '[', '{']);
        if is_glob && self.reader.entry(tree, parsed.as_bstr())?.is_none() {
            return Glob::new(text).map(Scope::Glob);
        }
        let entry = self.find(tree, parsed.as_bstr())?;
        Ok(match entry.mode {
            Mode::Tree => Scope::Folder(parsed, entry.id),
            _ => Scope::Single(parsed, entry),
        })
    }

    /// What is beneath the folder that a scope does not lead out of.
    pub(crate) fn files(&mut self, tree: &oid, scope: &Scope) -> Result<Arc<Files>, ToolError> {
        let (base, top) = match scope {
            Scope::Folder(base, tree) => (base.clone(), *tree),
            Scope::Single(path, entry) => {
                return Ok(Arc::new(Files::single(path.as_bstr(), *entry)));
            }
            Scope::Glob(glob) => match self.reader.entry(tree, glob.base.as_bstr())? {
                Some(entry) if entry.mode == Mode::Tree => (glob.base.clone(), entry.id),
                _ => return Ok(Arc::new(Files::none())),
            },
        };
        let repository = Arc::clone(&self.repository);
        let sieve = || repository.sieve.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = sieve().list(&top, base.as_bstr()) {
            return Ok(files);
        }
        let files = Arc::new(Files::visible(self, &top, base.as_bstr())?);
        sieve().remember(top, base, &files);
        Ok(files)
    }
}

impl Scope {
    /// Whether a path beneath the scope's folder belongs to it.
    pub(crate) fn holds(&self, path: &BStr) -> bool {
        match self {
            Scope::Folder(..) => true,
            Scope::Single(only, _) => path == only,
            Scope::Glob(glob) => glob.matcher.is_match(path.to_path_lossy()),
        }
    }
}

impl Glob {
    fn new(text: &str) -> Result<Self, ToolError> {
        let text = text.trim_start_matches("./");
        let built = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| {
            ToolError::invalid(format!("path: {error}; write a glob like src/**/*.rs."))
        })?;
        let plain = text.find(['*', '?', '[', '{', '\\']).unwrap_or(text.len());
        let base = text[..plain].rfind('/').map_or("", |at| &text[..at]);
        Ok(Self { base: base.into(), matcher: built.compile_matcher() })
    }
}

/// An argument, unless it is empty.
pub(crate) fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

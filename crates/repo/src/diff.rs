//! What changed between two trees.

mod rename;

use std::cmp::Ordering;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice as _};
use contract::ToolError;
use gix_hash::{ObjectId, oid};
use gix_object::Kind;

use crate::path;
use crate::reader::damaged;
use crate::tree::{Broken, Entries, Entry, Mode};
use crate::view::View;

/// How deeply folders are entered: git's own number (git-config(1), `core.maxTreeDepth`).
const DEEPEST: usize = 2_048;

/// One change. Paths are of the new side, but of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// The path.
    pub(crate) path: BString,
    /// What was there.
    pub(crate) old: Option<Entry>,
    /// What is there now.
    pub(crate) new: Option<Entry>,
    /// Where it was before, and how much of it is the same, in percent.
    pub(crate) renamed: Option<(BString, u8)>,
}

impl Change {
    /// The letter git has for it.
    pub(crate) fn letter(&self) -> char {
        let class = |entry: &Entry| (entry.mode == Mode::Link, entry.mode == Mode::Submodule);
        match (&self.old, &self.new) {
            _ if self.renamed.is_some() => 'R',
            (None, _) => 'A',
            (_, None) => 'D',
            (Some(old), Some(new)) if class(old) != class(new) => 'T',
            _ => 'M',
        }
    }

    /// The path on the old side.
    pub(crate) fn old_path(&self) -> &BStr {
        self.renamed.as_ref().map_or(self.path.as_bstr(), |(old, _)| old.as_bstr())
    }
}

/// What changed, as far as it may be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The changes by path.
    pub(crate) all: Vec<Change>,
    /// How many more there are at paths that are hidden.
    pub(crate) hidden: usize,
}

/// A comparison that is under way.
#[derive(Default)]
struct Compared {
    changes: Changes,
    /// Folders that differ.
    pending: Vec<(BString, Option<ObjectId>, Option<ObjectId>)>,
}

impl View {
    /// What changed from one tree, or from nothing, to another, with renames as `git diff -M` finds
    /// them.
    pub(crate) fn changes(&mut self, old: Option<&oid>, new: &oid) -> Result<Changes, ToolError> {
        let mut changes = self.plain_changes(old, Some(new))?;
        self.detect_renames(&mut changes.all)?;
        Ok(changes)
    }

    /// What changed, without renames.
    pub(crate) fn plain_changes(
        &mut self,
        old: Option<&oid>,
        new: Option<&oid>,
    ) -> Result<Changes, ToolError> {
        let mut compared = Compared::default();
        let owned = |tree: Option<&oid>| tree.map(ToOwned::to_owned);
        // Folders wait in a list and not on the stack, which a repository could exhaust.
        compared.pending.push((BString::default(), owned(old), owned(new)));
        while let Some((folder, old, new)) = compared.pending.pop() {
            self.compare(&mut compared, folder.as_bstr(), old.as_deref(), new.as_deref())?;
        }
        let mut changes = compared.changes;
        changes.all.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(changes)
    }

    fn compare(
        &mut self,
        compared: &mut Compared,
        folder: &BStr,
        old: Option<&oid>,
        new: Option<&oid>,
    ) -> Result<(), ToolError> {
        if old == new {
            return Ok(());
        }
        let none = ObjectId::null(self.reader.hash());
        let hash = self.reader.hash();
        let (old_tree, new_tree) = (self.tree(old)?, self.tree(new)?);
        let mut olds = Entries::of(&old_tree, hash).peekable();
        let mut news = Entries::of(&new_tree, hash).peekable();
        loop {
            let order = match (olds.peek(), news.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok(old)), Some(Ok(new))) if old == new => {
                    olds.next();
                    news.next();
                    continue;
                }
                (Some(Ok(old)), Some(Ok(new))) => order(old, new),
                (Some(Err(_)), _) => return Err(damaged(old.unwrap_or(&none), &Broken)),
                (_, Some(Err(_))) => return Err(damaged(new.unwrap_or(&none), &Broken)),
            };
            let old = if order.is_le() { olds.next() } else { None };
            let new = if order.is_ge() { news.next() } else { None };
            let (old, new) = (old.and_then(Result::ok), new.and_then(Result::ok));
            let Some((name, ..)) = old.or(new) else { continue };
            let path = path::join(folder, name);
            self.change(compared, path, old.map(entry), new.map(entry))?;
        }
    }

    /// The content of a tree; of none, nothing.
    fn tree(&mut self, tree: Option<&oid>) -> Result<Arc<Vec<u8>>, ToolError> {
        tree.map_or_else(|| Ok(Arc::default()), |tree| self.reader.shared(tree, Kind::Tree))
    }

    fn change(
        &mut self,
        compared: &mut Compared,
        path: BString,
        old: Option<Entry>,
        new: Option<Entry>,
    ) -> Result<(), ToolError> {
        if old == new {
            return Ok(());
        }
        self.visit()?;
        let split = |entry: Option<Entry>| match entry {
            Some(Entry { mode: Mode::Tree, id }) => (Some(id), None),
            other => (None, other),
        };
        let ((old_tree, old), (new_tree, new)) = (split(old), split(new));
        if old.is_some() || new.is_some() {
            if self.shows(path.as_bstr()) {
                let path = path.clone();
                compared.changes.all.push(Change { path, old, new, renamed: None });
            } else {
                compared.changes.hidden += 1;
            }
        }
        if old_tree.is_some() || new_tree.is_some() {
            if memchr::memchr_iter(b'/', &path).count() >= DEEPEST {
                let message = format!("folders are nested more than {DEEPEST} deep; name a path.");
                return Err(ToolError::new(contract::Kind::TooLarge, message));
            }
            compared.pending.push((path, old_tree, new_tree));
        }
        Ok(())
    }

    /// Where one new file was before, as `git blame` finds it: no other new file competes for the
    /// deleted ones.
    pub(crate) fn alone_renamed_from(
        &mut self,
        old: &oid,
        new: &oid,
        path: &BStr,
    ) -> Result<Option<BString>, ToolError> {
        let mut changes = self.plain_changes(Some(old), Some(new))?.all;
        changes.retain(|change| change.old.is_some() || change.path == path);
        self.detect_renames(&mut changes)?;
        let found = changes.into_iter().find(|change| change.path == path);
        Ok(found.and_then(|change| change.renamed).map(|(old, _)| old))
    }

    /// Where a file that is new in a tree was before.
    pub(crate) fn renamed_from(
        &mut self,
        old: &oid,
        new: &oid,
        path: &BStr,
    ) -> Result<Option<BString>, ToolError> {
        let changes = self.changes(Some(old), new)?;
        let found = changes.all.into_iter().find(|change| change.path == path);
        Ok(found.and_then(|change| change.renamed).map(|(old, _)| old))
    }
}

type Named<'a> = (&'a BStr, Mode, &'a oid);

fn entry((_, mode, id): Named<'_>) -> Entry {
    Entry { mode, id: id.to_owned() }
}

/// The order of a tree: a folder's name counts as if it ended in a slash.
fn order((left, left_mode, _): &Named<'_>, (right, right_mode, _): &Named<'_>) -> Ordering {
    let end = |mode: Mode| (mode == Mode::Tree).then_some(b'/');
    let same = left.len().min(right.len());
    let first = left[..same].cmp(&right[..same]);
    first.then_with(|| {
        let left = left[same..].iter().copied().chain(end(*left_mode));
        left.cmp(right[same..].iter().copied().chain(end(*right_mode)))
    })
}

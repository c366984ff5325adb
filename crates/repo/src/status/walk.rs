//! A walk through the working tree, beside the index.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use bstr::{BString, ByteSlice as _};
use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, FileType, OpenOptions};
use contract::{Kind, ToolError};

use super::compare::Compare;
use super::index::{Index, Mark};
use crate::tree::Mode;
use crate::view::View;

/// How deeply folders are entered: each holds a descriptor open.
const DEEPEST: usize = 200;
/// The largest file of rules that is read, in bytes.
const LARGEST_RULES: u64 = 4 << 20;

/// What a walk found.
#[derive(Default)]
pub(super) struct Walked {
    /// Tracked files that differ, with git's letter for it.
    pub(super) changed: Vec<(BString, char)>,
    /// What is not tracked and not ignored; folders of nothing else as one, with a slash.
    pub(super) untracked: Vec<BString>,
    /// How many untracked files and folders may not be seen.
    pub(super) hidden: usize,
    /// How many folders or files could not be read.
    pub(super) unread: usize,
}

/// Walks through the working tree.
pub(super) fn walk(view: &mut View, top: &Dir, index: &Index) -> Result<Walked, ToolError> {
    let common = super::open(&view.repository.layout.common_dir)?;
    let mut walk = Walk {
        compare: Compare::new(&common, index.written),
        view,
        index,
        rules: gix_ignore::Search::default(),
        walked: Walked::default(),
    };
    if let Some(rules) = small_file(&common, "info/exclude") {
        walk.learn(&rules, "exclude", None);
    }
    walk.folder(top, &mut BString::default(), 0..index.tracked.len(), false, 0)?;
    walk.walked.untracked.sort();
    Ok(walk.walked)
}

struct Walk<'a> {
    view: &'a mut View,
    index: &'a Index,
    compare: Compare,
    rules: gix_ignore::Search,
    walked: Walked,
}

/// What the index has under one name in a folder.
#[derive(Default)]
struct Known {
    /// A file of the name.
    exact: Option<usize>,
    /// Files in a folder of the name.
    within: Range<usize>,
}

/// What is in an untracked folder.
#[derive(Clone, Copy, Default)]
struct Holds {
    visible: bool,
    hidden: bool,
}

impl Walk<'_> {
    /// Compares a folder that is tracked; `base` is its path with a slash.
    fn folder(
        &mut self,
        dir: &Dir,
        base: &mut BString,
        range: Range<usize>,
        ignored: bool,
        depth: usize,
    ) -> Result<(), ToolError> {
        if depth > DEEPEST {
            let message = "the folders of the working tree are nested too deeply.";
            return Err(ToolError::new(Kind::TooLarge, message));
        }
        let mut known = self.known(base, range);
        let Some(names) = self.names(dir)? else { return Ok(()) };
        let rules = self.enter(dir, base);
        let length = base.len();
        for (name, kind) in names {
            base.truncate(length);
            base.extend_from_slice(name.as_bytes());
            let found = known.get_mut(name.as_bytes());
            if kind.is_dir() {
                let within = found.and_then(|one| self.enters(one));
                match within {
                    Some(within) if within.is_empty() => {}
                    Some(within) => {
                        let ignored = ignored || self.is_ignored(base, true);
                        let Some(inner) = self.open(dir, &name) else { continue };
                        base.push(b'/');
                        self.folder(&inner, base, within, ignored, depth + 1)?;
                    }
                    None if !ignored => self.untracked_folder(dir, &name, base, depth)?,
                    None => {}
                }
            } else if let Some(at) = found.and_then(|one| one.exact.take()) {
                let tracked = &self.index.tracked[at];
                match self.compare.file(self.view, dir, Path::new(&name), tracked)? {
                    Ok(None) => {}
                    Ok(Some(letter)) => self.walked.changed.push((base.clone(), letter)),
                    Err(_) => self.walked.unread += 1,
                }
            } else if (kind.is_file() || kind.is_symlink())
                && !ignored
                && !self.is_ignored(base, false)
            {
                self.walked.untracked.push(base.clone());
            }
        }
        base.truncate(length);
        self.leave(rules);
        for one in known.into_values() {
            self.missing(one.exact.map_or(0..0, |at| at..at + 1));
            self.missing(one.within);
        }
        Ok(())
    }

    /// The names of the index in a folder.
    fn known(&self, base: &BString, range: Range<usize>) -> HashMap<Vec<u8>, Known> {
        let mut known: HashMap<Vec<u8>, Known> = HashMap::new();
        for at in range {
            let rest = &self.index.tracked[at].path[base.len()..];
            match rest.find_byte(b'/') {
                None => known.entry(rest.to_vec()).or_default().exact = Some(at),
                Some(end) => {
                    let one = known.entry(rest[..end].to_vec()).or_default();
                    let start = if one.within.is_empty() { at } else { one.within.start };
                    one.within = start..at + 1;
                }
            }
        }
        known
    }

    /// The tracked files of a folder that is there: none, if it is a submodule, which is not
    /// entered, or was a file; `None`, if the index does not know it.
    fn enters(&self, known: &mut Known) -> Option<Range<usize>> {
        if let Some(at) = known.exact
            && self.index.tracked[at].mode == Mode::Submodule
        {
            known.exact = None;
            return Some(0..0);
        }
        // git says of a file whose place a folder has taken only that it is not there.
        let is_known = known.exact.is_some() || !known.within.is_empty();
        is_known.then(|| std::mem::take(&mut known.within))
    }

    /// Tracked files that are not there.
    fn missing(&mut self, range: Range<usize>) {
        for one in &self.index.tracked[range] {
            if matches!(one.mark, Mark::Plain | Mark::Intended) {
                self.walked.changed.push((one.path.clone(), 'D'));
            }
        }
    }

    /// Tells of a folder of which nothing is tracked.
    fn untracked_folder(
        &mut self,
        dir: &Dir,
        name: &OsString,
        path: &mut BString,
        depth: usize,
    ) -> Result<(), ToolError> {
        if self.is_ignored(path, true) {
            return Ok(());
        }
        let Some(inner) = self.open(dir, name) else { return Ok(()) };
        path.push(b'/');
        let holds = if is_repository(&inner) {
            let visible = self.view.shows(path[..path.len() - 1].as_bstr());
            Holds { visible, hidden: !visible }
        } else {
            self.holds(&inner, path, depth + 1)?
        };
        if holds.visible {
            self.walked.untracked.push(path.clone());
        } else {
            self.walked.hidden += usize::from(holds.hidden);
        }
        Ok(())
    }

    /// Whether anything in a folder is not ignored, and may be seen.
    fn holds(&mut self, dir: &Dir, base: &mut BString, depth: usize) -> Result<Holds, ToolError> {
        let mut holds = Holds::default();
        if depth > DEEPEST {
            return Ok(Holds { visible: true, hidden: false });
        }
        let Some(names) = self.names(dir)? else { return Ok(holds) };
        let rules = self.enter(dir, base);
        let length = base.len();
        for (name, kind) in names {
            base.truncate(length);
            base.extend_from_slice(name.as_bytes());
            if self.is_ignored(base, kind.is_dir()) {
                continue;
            }
            if kind.is_dir() {
                let Some(inner) = self.open(dir, &name) else { continue };
                base.push(b'/');
                let more = self.holds(&inner, base, depth + 1)?;
                holds.visible |= more.visible;
                holds.hidden |= more.hidden;
            } else if kind.is_file() || kind.is_symlink() {
                let visible = self.view.shows(base.as_bstr());
                holds.visible |= visible;
                holds.hidden |= !visible;
            }
            if holds.visible {
                break;
            }
        }
        base.truncate(length);
        self.leave(rules);
        Ok(holds)
    }

    /// The names in a folder but `.git`, in order; `None`, and counted, if it cannot be read.
    fn names(&mut self, dir: &Dir) -> Result<Option<Vec<(OsString, FileType)>>, ToolError> {
        let Ok(entries) = dir.entries() else {
            self.walked.unread += 1;
            return Ok(None);
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            self.view.visit()?;
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else { continue };
            if name != ".git" {
                names.push((name, kind));
            }
        }
        names.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(Some(names))
    }

    /// Opens a folder that is no symbolic link; `None`, and counted, if it cannot be.
    fn open(&mut self, dir: &Dir, name: &OsString) -> Option<Dir> {
        let opened = dir.open_dir_nofollow(name).ok();
        self.walked.unread += usize::from(opened.is_none());
        opened
    }

    /// Learns the rules of a folder; whether there are any.
    fn enter(&mut self, dir: &Dir, base: &BString) -> bool {
        let Some(rules) = small_file(dir, ".gitignore") else { return false };
        let source = OsString::from_vec([base.as_slice(), b".gitignore"].concat());
        self.learn(&rules, Path::new(&source), Some(Path::new("")));
        true
    }

    fn leave(&mut self, rules: bool) {
        if rules {
            self.rules.patterns.pop();
        }
    }

    fn learn(&mut self, rules: &[u8], source: impl AsRef<Path>, root: Option<&Path>) {
        let how = gix_ignore::search::Ignore { support_precious: false };
        // Nothing fails: the source is in the root.
        let added = self.rules.add_patterns_buffer(rules, source.as_ref(), root, how);
        if let Err(error) = added {
            tracing::warn!(%error, "rules of a folder are not understood");
            self.rules.patterns.push(Default::default());
        }
    }

    /// Whether the rules say that a file or folder is ignored.
    fn is_ignored(&self, path: &BString, is_folder: bool) -> bool {
        let path = path.as_bstr();
        let found =
            self.rules.pattern_matching_relative_path(path, Some(is_folder), Default::default());
        found.is_some_and(|found| !found.pattern.is_negative())
    }
}

/// Whether a folder is a repository of its own.
fn is_repository(dir: &Dir) -> bool {
    dir.symlink_metadata(".git").is_ok_and(|data| data.is_file())
        || dir.symlink_metadata(".git/HEAD").is_ok()
}

/// The content of a small file that is no symbolic link.
pub(super) fn small_file(dir: &Dir, path: &str) -> Option<Vec<u8>> {
    if !dir.symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    let file = dir.open_with(path, &options).ok()?;
    let mut content = Vec::new();
    file.take(LARGEST_RULES).read_to_end(&mut content).ok()?;
    Some(content)
}

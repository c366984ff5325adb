//! Walking a collection's folder.

use cap_fs_ext::DirExt as _;
use cap_std::fs::{Dir, DirEntry, ReadDir};

use super::{Collection, LARGEST, Stamp};

/// How deep folders may lie within each other; each level costs two open files while walking.
const DEPTH: usize = 64;

/// What a walk found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The files that belong to the collection, in the order of their paths.
    pub(crate) files: Vec<(String, Stamp)>,
    /// How many were left out because they are too large, too deep, or have a name that cannot
    /// be shown.
    pub(crate) skipped: usize,
}

/// A folder that is being walked.
struct Level {
    folder: Dir,
    entries: ReadDir,
    /// Its path with a trailing `/`; empty for the root.
    prefix: String,
}

impl Collection {
    /// Finds the files. Links, pipes, sockets and devices are passed over, folders that cannot
    /// be read are skipped with a warning; only an unreadable root is an error, so that a lost
    /// mount does not look like an emptied collection.
    pub(crate) fn walk(&self) -> std::io::Result<Found> {
        let mut found = Found::default();
        let folder = self.root()?;
        let entries = folder.entries()?;
        let mut levels = vec![Level { folder, entries, prefix: String::new() }];
        while let Some(level) = levels.last_mut() {
            match level.entries.next() {
                None => {
                    levels.pop();
                }
                Some(Err(error)) => self.warn(&mut found, &level.prefix, &error),
                Some(Ok(entry)) => {
                    let depth = levels.len();
                    let Some(level) = levels.last() else { break };
                    if let Some(inner) = self.look(level, &entry, depth, &mut found) {
                        levels.push(inner);
                    }
                }
            }
        }
        found.files.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Ok(found)
    }

    /// Looks at one entry; a folder is returned to be walked next.
    fn look(
        &self,
        level: &Level,
        entry: &DirEntry,
        depth: usize,
        found: &mut Found,
    ) -> Option<Level> {
        let kind = entry.file_type().ok()?;
        if !kind.is_dir() && !kind.is_file() {
            return None;
        }
        let raw = entry.file_name();
        let name = raw.to_str().filter(|name| !name.chars().any(char::is_control));
        let Some(name) = name else {
            let shown = raw.to_string_lossy().escape_debug().to_string();
            self.warn(found, &format!("{}{shown}", level.prefix), &"its name cannot be shown");
            return None;
        };
        if name.starts_with('.') {
            return None;
        }
        let path = format!("{}{name}", level.prefix);
        if kind.is_dir() {
            return self.descend(level, name, path, depth, found);
        }
        if !self.includes(&path) {
            return None;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.len() > LARGEST => {
                self.warn(found, &path, &"it is larger than 8 MiB");
            }
            Ok(metadata) if metadata.is_file() => found.files.push((path, Stamp::of(&metadata))),
            // Gone or swapped since its folder was read.
            _ => {}
        }
        None
    }

    fn descend(
        &self,
        level: &Level,
        name: &str,
        path: String,
        depth: usize,
        found: &mut Found,
    ) -> Option<Level> {
        if depth >= DEPTH {
            self.warn(found, &path, &"it lies too deep");
            return None;
        }
        let opened = level.folder.open_dir_nofollow(name);
        match opened.and_then(|folder| Ok((folder.entries()?, folder))) {
            Ok((entries, folder)) => Some(Level { folder, entries, prefix: path + "/" }),
            Err(error) => {
                self.warn(found, &path, &error);
                None
            }
        }
    }

    fn warn(&self, found: &mut Found, path: &str, why: &dyn std::fmt::Display) {
        found.skipped += 1;
        tracing::warn!(collection = self.name, path, "{}/{path} is skipped: {why}", self.name);
    }
}

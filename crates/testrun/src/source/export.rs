//! The clean export of a tree: the files as they were committed, and nothing else.
//!
//! No filter, no end-of-line conversion, no hook; a submodule is an empty folder; a symbolic link
//! is listed, and made by the runner. A tree is exported once and then used by every run of it: a
//! run sees a view of its own, so it stays as it was.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use contract::{Ctx, Kind, ToolError};
use gix_hash::ObjectId;
use gix_object::bstr::{BStr, ByteSlice as _};
use gix_object::{Find as _, FindHeader as _};

use super::{Repository, unread};
use crate::runner::links::{LIST, Link, TREE};

/// How many files and folders an export may have.
const MOST: usize = 500_000;
/// How deep folders may lie in each other.
const DEEPEST: usize = 100;
/// How long an export is kept that no run asked for.
const UNUSED: Duration = Duration::from_hours(7 * 24);

/// What an export consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exported {
    /// Bytes of its files.
    pub(crate) bytes: u64,
    /// Files, folders and links.
    pub(crate) entries: usize,
}

struct Writer<'a> {
    repository: &'a Repository,
    ctx: Option<&'a Ctx>,
    most: u64,
    done: Exported,
    links: Vec<Link>,
    top: PathBuf,
}

/// Exports a tree of at most `most` bytes into `exports`, unless it is there.
pub(crate) fn export(
    repository: &Repository,
    tree: &ObjectId,
    exports: &Path,
    most: u64,
    ctx: Option<&Ctx>,
) -> Result<Exported, ToolError> {
    let there = exports.join(tree.to_string());
    if there.join(LIST).exists() {
        touch(&there);
        return Ok(Exported::default());
    }
    fs::create_dir_all(exports).map_err(unwritten)?;
    // Written beside, and given its name once it is whole.
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(ToolError::internal)?;
    let beside = exports.join(format!("new-{}", contract::text::hex(&random)));
    let top = beside.join(TREE);
    let written = (|| {
        fs::create_dir_all(&top).map_err(unwritten)?;
        let (done, links) = (Exported::default(), Vec::new());
        let mut writer = Writer { repository, ctx, most, done, links, top: top.clone() };
        writer.tree(tree, &mut Vec::new(), 0)?;
        let list = serde_json::to_vec(&writer.links).map_err(ToolError::internal)?;
        fs::write(beside.join(LIST), list).map_err(unwritten)?;
        Ok(writer.done)
    })();
    // Another call may have been faster: what is there is the same.
    let moved = written.and_then(|done| match fs::rename(&beside, &there) {
        Err(error) if !there.join(LIST).exists() => Err(unwritten(error)),
        _ => Ok(done),
    });
    let _ = fs::remove_dir_all(&beside);
    moved
}

impl Writer<'_> {
    fn tree(&mut self, id: &ObjectId, at: &mut Vec<u8>, depth: usize) -> Result<(), ToolError> {
        if depth > DEEPEST {
            return Err(refused(at.as_bstr(), "its folders lie too deep in each other"));
        }
        for (mode, name, id) in self.repository.entries(id)? {
            if self.ctx.is_some_and(Ctx::is_over) {
                return Err(ToolError::new(Kind::Timeout, "the export took too long."));
            }
            let before = at.len();
            if before > 0 {
                at.push(b'/');
            }
            at.extend_from_slice(&name);
            if !is_plain(name.as_bstr()) {
                return Err(refused(at.as_bstr(), "its name leads elsewhere"));
            }
            self.done.entries += 1;
            if self.done.entries > MOST {
                return Err(refused(at.as_bstr(), &format!("there are more than {MOST} files")));
            }
            self.entry(mode, &id, at, depth)?;
            at.truncate(before);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        mode: u16,
        id: &ObjectId,
        at: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), ToolError> {
        let path = self.top.join(at.to_path().map_err(unread)?);
        match mode & 0o170_000 {
            0o040_000 => {
                fs::create_dir(&path).map_err(unwritten)?;
                self.tree(id, at, depth + 1)
            }
            0o100_000 => self.file(id, &path, if mode & 0o100 == 0 { 0o644 } else { 0o755 }),
            0o120_000 => {
                let to = self.content(id)?;
                if to.is_empty() || to.len() > 4_095 || to.contains(&0) {
                    return Err(refused(at.as_bstr(), "the link says nothing that can be"));
                }
                self.links.push(Link { at: at.clone(), to });
                Ok(())
            }
            0o160_000 => fs::create_dir(&path).map_err(unwritten),
            _ => Err(refused(at.as_bstr(), "it is neither a file, a folder nor a link")),
        }
    }

    fn file(&mut self, id: &ObjectId, path: &Path, mode: u32) -> Result<(), ToolError> {
        let content = self.content(id)?;
        // Nothing is replaced: two entries of one name are no tree.
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
        file.and_then(|mut file| file.write_all(&content)).map_err(unwritten)
    }

    fn content(&mut self, id: &ObjectId) -> Result<Vec<u8>, ToolError> {
        let objects = &self.repository.objects;
        let header = objects.try_header(id).map_err(unread)?;
        let size = header.ok_or_else(|| unread(format!("blob {id} is missing")))?.size;
        self.done.bytes = self.done.bytes.saturating_add(size);
        if self.done.bytes > self.most {
            let mib = self.most >> 20;
            let message =
                format!("the revision has more than {mib} MiB; its operator sets `export`.");
            return Err(ToolError::new(Kind::TooLarge, message));
        }
        let mut data = Vec::new();
        let found = objects.try_find(id, &mut data).map_err(unread)?;
        let is_blob = found.is_some_and(|found| found.kind == gix_object::Kind::Blob);
        if is_blob { Ok(data) } else { Err(unread(format!("{id} is no blob"))) }
    }
}

/// Whether a name of a tree is one that git itself would check out: no path, and not git's own
/// folder in any writing that some file system takes for it (git-fsck(1), `hasDotgit`).
fn is_plain(name: &BStr) -> bool {
    let is_path =
        name.is_empty() || name == "." || name == ".." || name.find_byteset(b"/\0").is_some();
    let folded: Vec<u8> = name
        .chars()
        .filter(|c| !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'))
        .flat_map(|c| c.to_lowercase().to_string().into_bytes())
        .collect();
    let folded = folded.trim_end_with(|c| matches!(c, ' ' | '.'));
    !is_path && folded != b".git" && folded != b"git~1"
}

/// Drops exports that no run asked for in a while.
pub(crate) fn prune(exports: &Path) {
    let Ok(entries) = fs::read_dir(exports) else { return };
    for entry in entries.flatten() {
        let used = entry.path().join(LIST).metadata().or_else(|_| entry.metadata());
        let used = used.and_then(|data| data.modified()).ok();
        let age = used.and_then(|used| SystemTime::now().duration_since(used).ok());
        if age.is_some_and(|age| age > UNUSED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Remembers that an export was used.
fn touch(export: &Path) {
    if let Ok(list) = fs::OpenOptions::new().append(true).open(export.join(LIST)) {
        let _ = list.set_modified(SystemTime::now());
    }
}

fn refused(at: &BStr, why: &str) -> ToolError {
    let log = format!("{at}: {why}");
    ToolError::invalid(format!("rev: the revision cannot be exported: {why}.")).with_log(log)
}

fn unwritten(error: std::io::Error) -> ToolError {
    ToolError::unavailable("the export cannot be written; the operator's log says why.", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_elsewhere_is_none() {
        for good in ["a", ".gitignore", "..a", "git", "ünï", "a b", "-x", "CON"] {
            assert!(is_plain(good.into()), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "a/b",
            "/a",
            "a\0",
            ".git",
            ".GIT",
            ".Git",
            ".git ",
            ".git.",
            "git~1",
            ".g\u{200c}it",
        ] {
            assert!(!is_plain(bad.into()), "{bad:?}");
        }
    }
}

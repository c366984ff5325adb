//! What is tested: a revision exported from a repository's objects, or the working tree.
//!
//! Git's own files are read here in Rust: no configuration is followed, no filter, hook or
//! submodule exists, and no program is started.

mod export;
mod linked;
mod steps;
mod work;

use std::path::{Path, PathBuf};

use contract::ToolError;
use gix_hash::ObjectId;
use gix_object::bstr::{BString, ByteSlice as _};
use gix_object::{Find as _, FindHeader as _, Kind, TreeRefIter};

use crate::input::shown;
use crate::store::Source;

pub(crate) use export::{export, prune};
use linked::Folders;
pub(crate) use linked::folders;
pub(crate) use linked::of_tree;
pub(crate) use work::working_tree;

/// The largest tree, commit or tag that is read, in bytes.
const LARGEST: u64 = 64 << 20;
/// How many references, tags or symbolic refs are followed.
const HOPS: usize = 10;

/// An opened repository.
pub(crate) struct Repository {
    git: PathBuf,
    objects: gix_odb::Handle,
    refs: gix_ref::file::Store,
    hash: gix_hash::Kind,
}

/// A commit and its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    /// The commit.
    pub(crate) commit: ObjectId,
    /// Its tree.
    pub(crate) tree: ObjectId,
}

impl Revision {
    /// As it is kept with a run.
    pub(crate) fn source(&self) -> Source {
        Source {
            is_export: true,
            commit: Some(self.commit.to_string()),
            tree: Some(self.tree.to_string()),
            changes: Some(String::new()),
            changed: 0,
        }
    }
}

/// An object's content.
struct Object {
    kind: Kind,
    data: Vec<u8>,
}

impl Repository {
    /// Opens the repository whose own folder this is, or the one that a file `.git` names.
    pub(crate) fn open(git: &Path) -> Result<Self, ToolError> {
        let Folders { own, common } = folders(git);
        let hash = match std::fs::read_to_string(common.join("config")) {
            Ok(text) if is_sha256(&text) => gix_hash::Kind::Sha256,
            _ => gix_hash::Kind::Sha1,
        };
        let options = gix_odb::store::init::Options {
            alloc_limit_bytes: Some(1 << 30),
            ..gix_odb::store::init::Options::default()
        };
        let objects =
            gix_odb::at_opts(common.join("objects"), hash, None, options).map_err(unread)?;
        let options = gix_ref::store::init::Options {
            write_reflog: gix_ref::store::WriteReflog::Disable,
            ..gix_ref::store::init::Options::default()
        };
        let refs = if own == common {
            gix_ref::file::Store::at_opts(common, hash, options)
        } else {
            gix_ref::file::Store::for_linked_worktree_opts(own.clone(), common, hash, options)
        };
        Ok(Self { git: own, objects, refs, hash })
    }

    /// The commit that a name stands for: a full id, the beginning of one, or a ref, and steps to
    /// those before it.
    pub(crate) fn resolve(&self, whole: &str) -> Result<Revision, ToolError> {
        let unknown = || {
            let shown = shown(whole);
            ToolError::not_found(format!("rev: `{shown}` is no commit here; {}.", remedy(whole)))
        };
        let (name, steps) = steps::steps(whole).ok_or_else(unknown)?;
        let id = match ObjectId::from_hex(name.as_bytes()) {
            Ok(id) => Some(id),
            Err(_) => match self.reference(name)? {
                Some(id) => Some(id),
                None => self.abbreviated(name)?,
            },
        };
        let mut found = self.peel(id.ok_or_else(unknown)?)?.ok_or_else(unknown)?;
        for number in steps {
            let parent = self.parent(&found.commit, number)?.ok_or_else(unknown)?;
            found = self.peel(parent)?.ok_or_else(unknown)?;
        }
        Ok(found)
    }

    /// What is checked out.
    pub(crate) fn head(&self) -> Result<Option<Revision>, ToolError> {
        match self.reference("HEAD")? {
            Some(id) => self.peel(id),
            None => Ok(None),
        }
    }

    fn reference(&self, name: &str) -> Result<Option<ObjectId>, ToolError> {
        for start in ["", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/"] {
            if start.is_empty() && name != "HEAD" && !name.starts_with("refs/") {
                continue;
            }
            let mut full = BString::from(format!("{start}{name}"));
            for _ in 0..HOPS {
                let Ok(valid) = gix_ref::FullName::try_from(full.clone()) else { break };
                match self.refs.try_find(valid.as_ref()).map_err(unread)? {
                    None => break,
                    Some(found) => match found.target {
                        gix_ref::Target::Object(id) => return Ok(Some(id)),
                        gix_ref::Target::Symbolic(next) => full = next.into_inner(),
                    },
                }
            }
        }
        Ok(None)
    }

    fn abbreviated(&self, name: &str) -> Result<Option<ObjectId>, ToolError> {
        let is_hex = name.len() >= 7 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(prefix) = gix_hash::Prefix::from_hex(name).ok().filter(|_| is_hex) else {
            return Ok(None);
        };
        match self.objects.lookup_prefix(prefix, None).map_err(unread)? {
            Some(Ok(id)) => Ok(Some(id)),
            Some(Err(())) => Err(ToolError::invalid(format!(
                "rev: `{name}` begins more than one id; write more of it."
            ))),
            None => Ok(None),
        }
    }

    /// The commit behind tags, and its tree.
    fn peel(&self, mut id: ObjectId) -> Result<Option<Revision>, ToolError> {
        for _ in 0..HOPS {
            let Some(object) = self.object(&id)? else { return Ok(None) };
            match object.kind {
                Kind::Commit => {
                    let tree = named(&object.data, "tree ").ok_or_else(|| unread("no tree"))?;
                    return Ok(Some(Revision { commit: id, tree }));
                }
                Kind::Tag => match named(&object.data, "object ") {
                    Some(next) => id = next,
                    None => return Ok(None),
                },
                Kind::Tree | Kind::Blob => return Ok(None),
            }
        }
        Ok(None)
    }

    /// An object, but for one that is too large or missing.
    fn object(&self, id: &ObjectId) -> Result<Option<Object>, ToolError> {
        match self.objects.try_header(id).map_err(unread)? {
            Some(header) if header.size <= LARGEST => {}
            _ => return Ok(None),
        }
        let mut data = Vec::new();
        let kind = self.objects.try_find(id, &mut data).map_err(unread)?.map(|found| found.kind);
        Ok(kind.map(|kind| Object { kind, data }))
    }

    /// The entries of a tree: mode, name and id.
    fn entries(&self, id: &ObjectId) -> Result<Vec<(u16, BString, ObjectId)>, ToolError> {
        let object = self.object(id)?.filter(|object| object.kind == Kind::Tree);
        let object = object.ok_or_else(|| unread(format!("tree {id} is missing or too large")))?;
        let mut entries = Vec::new();
        for entry in TreeRefIter::from_bytes(&object.data, self.hash) {
            let entry = entry.map_err(unread)?;
            entries.push((entry.mode.value(), entry.filename.to_owned(), entry.oid.to_owned()));
        }
        Ok(entries)
    }
}

/// What to write instead of a name that stands for nothing.
fn remedy(name: &str) -> &'static str {
    let is_short = (1..7).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_hexdigit());
    if is_short {
        "write at least seven digits of a commit's id, or name a branch or a tag"
    } else {
        "name a branch, a tag or a commit's id, with `~1` or `^2` behind it for one before it"
    }
}

/// The id behind a word at the beginning of a line of a commit's or tag's head.
fn named(data: &[u8], word: &str) -> Option<ObjectId> {
    let line = data.lines().take_while(|line| !line.is_empty());
    let mut line = line.filter_map(|line| line.strip_prefix(word.as_bytes()));
    ObjectId::from_hex(line.next()?).ok()
}

/// Whether objects are named by SHA-256: all that is read of a repository's configuration.
fn is_sha256(config: &str) -> bool {
    let plain = config.to_ascii_lowercase().replace([' ', '\t'], "");
    plain.lines().any(|line| line == "objectformat=sha256")
}

fn unread(error: impl std::fmt::Display) -> ToolError {
    ToolError::unavailable("the repository cannot be read; the operator's log says why.", error)
}

#[cfg(test)]
mod tests;

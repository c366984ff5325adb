//! Creates a branch: one new file below `refs/heads`, by git's own protocol of lock files.
//!
//! `gix-ref` is not asked to: where there is a `packed-refs`, its transaction locks that too, and
//! for this the process would have to write in the folder where hooks and the configuration are.
//! git itself locks nothing but the loose ref when it creates one, for the reason that holds here:
//! who would pack or move the ref needs the same lock first.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bstr::{BStr, ByteSlice as _};
use contract::{Place, ToolError};
use gix_hash::ObjectId;
use gix_ref::FullName;

use crate::repository::Layout;
use crate::settings::RepositorySettings;
use crate::view::View;

/// Below it, branches are files.
const HEADS: &str = "refs/heads/";
/// The longest part of a name, in bytes: with `.lock` behind it, it is still a file's name.
const LONGEST_PART: usize = 200;

/// One branch at a time, so that two calls of this process do not find each other's lock.
static CREATING: Mutex<()> = Mutex::new(());

/// The name of a branch that may be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewBranch {
    name: String,
}

impl NewBranch {
    /// Checks a name: that it is one git takes, that people see what it is, and that the operator
    /// allows it.
    pub(crate) fn named(view: &View, name: &str) -> Result<Self, ToolError> {
        let shown: String = contract::text::visible(name).chars().take(80).collect();
        if let Err(fault) = check(name) {
            let advice = "write it like agent/fix-login, without refs/heads/.";
            return Err(ToolError::invalid(format!("name: `{shown}` {fault}; {advice}")));
        }
        let repository = &view.repository;
        let is_shown = repository.visible.shows_ref(BStr::new(&format!("{HEADS}{name}")));
        if !repository.visible.may_create(name) || !is_shown {
            let globs = &repository.settings.branches;
            let allowed = if globs.is_empty() {
                "no branch may be created in this repository".to_owned()
            } else {
                format!("allowed is {}", globs.join(", "))
            };
            return Err(ToolError::new(
                contract::Kind::Denied,
                format!("the branch `{shown}` is not among those the operator allows; {allowed}."),
            ));
        }
        Ok(Self { name: name.to_owned() })
    }

    /// The full name.
    pub(crate) fn full(&self) -> String {
        format!("{HEADS}{}", self.name)
    }
}

/// The rules of git-check-ref-format(1), and those that keep a name from looking like another.
fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || FullName::try_from(format!("{HEADS}{name}")).is_err() {
        return Err("is no name of a branch (git check-ref-format)");
    }
    let is_odd = |c: char| c.is_control() || c.is_whitespace();
    if name.contains(is_odd) || contract::text::visible(name) != name {
        return Err("holds characters that are not seen");
    }
    if name.starts_with('-') {
        return Err("begins with `-`");
    }
    if name.split('/').any(|part| part.len() > LONGEST_PART || part.strip_suffix(".lock").is_some())
    {
        return Err("has a part that cannot be a file's name");
    }
    let lower = name.to_lowercase();
    let starts = ["refs/", "heads/", "tags/", "remotes/"];
    if starts.iter().any(|start| lower.starts_with(start)) || lower == "head" || lower == "@" {
        return Err("looks like a full name or `HEAD`");
    }
    let is_hex = name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hex && name.len() >= gix_hash::Prefix::MIN_HEX_LEN {
        return Err("looks like the id of a commit");
    }
    Ok(())
}

/// What must be writable for branches to be created in a repository: none, unless some may be.
pub(crate) fn writable(settings: &RepositorySettings, place: &Place) -> Option<PathBuf> {
    if settings.branches.is_empty() {
        return None;
    }
    let layout = Layout::find(settings, place).ok()?;
    Some(layout.common_dir.join("refs").join("heads"))
}

impl View {
    /// That no ref is of this name or in its way.
    pub(crate) fn check_free(&mut self, branch: &NewBranch) -> Result<(), ToolError> {
        for start in ["refs/tags/", "refs/remotes/", "refs/"] {
            let other = format!("{start}{}", branch.name);
            if self.reference(BStr::new(&other))?.is_some() {
                return Err(taken(branch, "another ref would be meant by the same name"));
            }
        }
        let wanted = branch.full().to_lowercase();
        let platform = self.reader.refs.iter().map_err(ToolError::internal)?;
        for found in platform.all().map_err(ToolError::internal)?.flatten() {
            let name = found.name.as_bstr();
            if !name.starts_with(HEADS.as_bytes()) {
                continue;
            }
            // On other systems names that differ in the case of letters are the same file.
            let other = name.to_str_lossy().to_lowercase();
            if other == wanted {
                return Err(taken(branch, "it exists, perhaps in other letters"));
            }
            if is_below(&other, &wanted) || is_below(&wanted, &other) {
                return Err(taken(
                    branch,
                    "a branch is in its way: a name cannot lead through another",
                ));
            }
        }
        Ok(())
    }

    /// Creates a branch on a commit. No other ref, no reflog, no configuration is touched, and no
    /// hook is run.
    pub(crate) fn create_branch(
        &mut self,
        branch: &NewBranch,
        commit: ObjectId,
    ) -> Result<(), ToolError> {
        let _one = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_free(branch)?;
        let common = self.repository.layout.common_dir.clone();
        let target = folder(&common, branch)?;
        let lock = Lock::take(&target, branch)?;
        // Again, now that nobody else can create it.
        self.check_free(branch)?;
        lock.write(&commit)?;
        match fs::symlink_metadata(&target) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            // Git leaves empty folders behind when it deletes branches.
            Ok(found) if found.is_dir() && fs::remove_dir(&target).is_ok() => {}
            Ok(_) => return Err(taken(branch, "it exists")),
            Err(error) => return Err(unwritable(&error)),
        }
        lock.becomes(&target)
    }
}

/// Whether a name leads through another one: `a/b` through `a`.
fn is_below(name: &str, other: &str) -> bool {
    name.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
}

/// The path of the branch's file, once its folders are there. None of them may be a link: what it
/// leads to need not be the repository.
fn folder(common: &Path, branch: &NewBranch) -> Result<PathBuf, ToolError> {
    let full = branch.full();
    let mut parts = full.split('/');
    let name = parts.next_back().unwrap_or_default();
    let mut at = common.to_owned();
    for part in parts {
        at.push(part);
        match fs::create_dir(&at) {
            Ok(()) => continue,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            // What is above `refs/heads` cannot be written, and need not be.
            Err(_) if fs::symlink_metadata(&at).is_ok() => {}
            Err(error) => return Err(unwritable(&error)),
        }
        let found = fs::symlink_metadata(&at).map_err(|error| unwritable(&error))?;
        if !found.is_dir() {
            return Err(taken(branch, "something that is no folder is in its way"));
        }
    }
    Ok(at.join(name))
}

/// A lock file as git has it: who makes it holds the ref.
struct Lock {
    path: PathBuf,
    file: File,
    is_held: bool,
}

impl Lock {
    fn take(target: &Path, branch: &NewBranch) -> Result<Self, ToolError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { path, file, is_held: true }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let message = format!(
                    "the branch `{}` is locked: another program is creating it, or one that broke \
                     off left its lock file; try again, then ask the operator.",
                    branch.name
                );
                Err(ToolError::unavailable(message, path.display()))
            }
            Err(error) => Err(unwritable(&error)),
        }
    }

    fn write(&self, commit: &ObjectId) -> Result<(), ToolError> {
        let mut file = &self.file;
        let written = writeln!(file, "{commit}").and_then(|()| file.sync_all());
        written.map_err(|error| unwritable(&error))
    }

    /// The lock file becomes the branch.
    fn becomes(mut self, target: &Path) -> Result<(), ToolError> {
        fs::rename(&self.path, target).map_err(|error| unwritable(&error))?;
        self.is_held = false;
        Ok(())
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Where it became the branch, a file of its name is the lock of somebody else.
        if self.is_held {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn taken(branch: &NewBranch, why: &str) -> ToolError {
    let name = &branch.name;
    ToolError::invalid(format!(
        "the branch `{name}` cannot be created: {why}; choose another name."
    ))
}

fn unwritable(error: &std::io::Error) -> ToolError {
    ToolError::unavailable("the branch cannot be written; the operator's log says why.", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_git_takes_and_people_see() {
        for good in ["agent/fix-login", "a", "ä/ö", "v1.0", "x@y", "feature/#12"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "n".repeat(201);
        for wrong in [
            "",
            "-f",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            ".a",
            "a/.b",
            "a.lock",
            "a.lock/b",
            "a.",
            "@",
            "a@{b",
            "HEAD",
            "head",
            "a\nb",
            "a\u{200b}b",
            "a\u{202e}b",
            "a\u{a0}b",
            "a\u{7f}",
            "refs/heads/main",
            "Heads/main",
            "tags/v1",
            "deadbeef",
            &long,
        ] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}

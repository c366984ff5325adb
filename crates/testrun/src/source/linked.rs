//! Where a repository's files are: a linked working tree has a file `.git` that names its own
//! folder, which has what is checked out, and which names the folder of all that is shared
//! (gitrepository-layout(5)).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The longest such file, in bytes.
const LONGEST: u64 = 8 << 10;

/// The folders of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folders {
    /// What is checked out: `HEAD` and the index.
    pub(crate) own: PathBuf,
    /// All else: objects, references, configuration. Mostly the same.
    pub(crate) common: PathBuf,
}

/// The folders behind a path that is a repository's own folder or a file `.git`.
pub(crate) fn folders(git: &Path) -> Folders {
    let own = match text(git) {
        Some(text) if git.is_file() => match text.strip_prefix("gitdir:") {
            Some(path) => git.parent().unwrap_or(git).join(path.trim()),
            None => git.to_owned(),
        },
        _ => git.to_owned(),
    };
    let common = match text(&own.join("commondir")) {
        Some(path) => own.join(path.trim()),
        None => own.clone(),
    };
    Folders { own: real(own), common: real(common) }
}

/// The repository of a working tree, which may be linked to the one that is declared: then what is
/// checked out is its own.
pub(crate) fn of_tree(git: &Path, tree: &Path) -> PathBuf {
    let link = tree.join(".git");
    let is_linked = link.is_file() && folders(&link).common == folders(git).common;
    if is_linked { link } else { git.to_owned() }
}

/// Without `..` on the way, if it is there.
fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

fn text(path: &Path) -> Option<String> {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|it| it.is_file()))?;
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

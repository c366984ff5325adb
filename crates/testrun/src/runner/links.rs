//! The symbolic links of an export. The process that reads the repository can make none, so it
//! leaves a list; here each is made beneath the export's folder and nowhere else.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

/// The files' folder in an export.
pub(crate) const TREE: &str = "tree";
/// The list of links beside it.
pub(crate) const LIST: &str = "links.json";
/// What says that they are made.
const MADE: &str = "links.made";

/// A link: where it is in the tree, and what it says. Bytes, as neither need be UTF-8.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Link {
    /// Where it is.
    pub(crate) at: Vec<u8>,
    /// What it says.
    pub(crate) to: Vec<u8>,
}

/// Makes the links of an export, unless they are made.
pub(crate) fn make(export: &Path) -> io::Result<()> {
    for folder in [export.to_owned(), export.join(TREE)] {
        if !folder.symlink_metadata()?.is_dir() {
            return Err(io::Error::other("an export is no link to another folder"));
        }
    }
    if export.join(MADE).exists() {
        return Ok(());
    }
    // Nothing that is looked up from this folder on can lead outside of it, whatever else is done
    // to it meanwhile.
    let export = Dir::open_ambient_dir(export, ambient_authority())?;
    let links: Vec<Link> = serde_json::from_slice(&export.read(LIST)?)?;
    let tree = export.open_dir(TREE)?;
    for link in links {
        let (at, to) = (path(&link.at), path(&link.to));
        if !at.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(io::Error::other("a link is outside of the export"));
        }
        match tree.symlink_contents(&to, &at) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if tree.read_link_contents(&at)? != to {
                    return Err(error);
                }
            }
            other => other?,
        }
    }
    export.write(MADE, "")
}

fn path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn export(links: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(folder.path().join("tree/sub")).expect("a folder");
        let links: Vec<Link> =
            links.iter().map(|(at, to)| Link { at: (*at).into(), to: (*to).into() }).collect();
        let text = serde_json::to_vec(&links).expect("a list");
        fs::write(folder.path().join(LIST), text).expect("written");
        folder
    }

    #[test]
    fn links_are_made_as_they_are_said() {
        let folder = export(&[("a", "/etc/passwd"), ("sub/b", "../../../x")]);
        make(folder.path()).expect("made");
        make(folder.path()).expect("made before");
        let said = |at: &str| fs::read_link(folder.path().join("tree").join(at)).expect("a link");
        assert_eq!(said("a"), Path::new("/etc/passwd"));
        assert_eq!(said("sub/b"), Path::new("../../../x"));
    }

    #[test]
    fn no_link_is_made_outside_nor_through_another() {
        let outside = tempfile::tempdir().expect("a folder");
        let out = outside.path().to_str().expect("a path");
        let through = [("d", out), ("d/b", "x")];
        for attack in [&[("../evil", "x")][..], &[("/tmp/evil", "x")], &through, &[("sub", "x")]] {
            let folder = export(attack);
            assert!(make(folder.path()).is_err(), "{attack:?}");
            assert!(!folder.path().join("evil").exists());
        }
        // A folder of an export that was put in the place of another's tree.
        let folder = export(&[("b", "x")]);
        fs::remove_dir_all(folder.path().join(TREE)).expect("removed");
        std::os::unix::fs::symlink(out, folder.path().join(TREE)).expect("a link");
        assert!(make(folder.path()).is_err());
        assert_eq!(fs::read_dir(outside.path()).expect("a folder").count(), 0);
    }
}

//! The key of one server's folder: seals cursors and request states.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::StateError;

/// Reads the 32-byte key in `folder`, or makes it: random, readable by its owner only, and the
/// same for every process of the server.
pub fn key(folder: &Path) -> Result<[u8; 32], StateError> {
    crate::private_folder(folder)?;
    let path = folder.join("seal.key");
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let mut fresh = [0u8; 32];
    getrandom::fill(&mut fresh)
        .map_err(|error| StateError { path: path.clone(), source: std::io::Error::other(error) })?;
    // Written whole beside its place and linked there, so that two processes that start at once
    // end with one key and nobody ever reads half of one.
    let unique = format!("seal.{}.{:02x}{:02x}.tmp", std::process::id(), fresh[0], fresh[1]);
    let temporary = folder.join(unique);
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(&fresh).and_then(|()| file.sync_all()))
        .and_then(|()| match std::fs::hard_link(&temporary, &path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    let _ = std::fs::remove_file(&temporary);
    made.map_err(StateError::at(&path))?;
    read(&path)?.ok_or_else(|| StateError {
        path: path.clone(),
        source: std::io::Error::other("not 32 bytes long; delete it to have a new one made"),
    })
}

fn read(path: &Path) -> Result<Option<[u8; 32]>, StateError> {
    let mut bytes = Vec::new();
    match std::fs::File::open(path).and_then(|file| file.take(64).read_to_end(&mut bytes)) {
        Ok(_) => Ok(bytes.try_into().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::at(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_and_only_for_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = super::key(folder.path()).expect("a key");
        assert_ne!(first, [0u8; 32]);
        assert_eq!(super::key(folder.path()).expect("the same key"), first);
        let mode =
            std::fs::metadata(folder.path().join("seal.key")).expect("the file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_an_error_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("seal.key"), b"short").expect("written");
        let error = super::key(folder.path()).expect_err("damaged");
        assert!(error.to_string().contains("delete it"), "{error}");
    }
}

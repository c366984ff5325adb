//! The files: `keys.json`, the pepper that its hashes need, and the lock for whoever changes it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use ring::hmac;

use super::{Key, KeysError};

/// The largest file that is read, in bytes: some tens of thousands of keys.
const LARGEST: u64 = 16 << 20;

/// What tells one version of the file from the next. A new version is a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The version of the file that is there now; `None` while no key was ever made.
pub(super) fn stamp(folder: &Path) -> Result<Option<Stamp>, KeysError> {
    let path = keys_path(folder);
    match std::fs::metadata(&path) {
        Ok(metadata) => Ok(Some(Stamp::of(&metadata))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeysError::at(path)(error)),
    }
}

/// All keys, and the version they are of.
pub(super) fn read(folder: &Path) -> Result<Option<(Stamp, Vec<Key>)>, KeysError> {
    let path = keys_path(folder);
    let Some(file) = open(&path)? else { return Ok(None) };
    let stamp = Stamp::of(&file.metadata().map_err(KeysError::at(path.clone()))?);
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(KeysError::at(path.clone()))?;
    let stored: Stored = serde_json::from_str(&text).map_err(|error| KeysError::Damaged {
        path,
        why: format!("{error}; restore it from a backup"),
    })?;
    Ok(Some((stamp, stored.keys)))
}

/// The file's form.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    keys: Vec<Key>,
}

/// Replaces all keys at once: a reader sees the old file or the new one.
pub(super) fn write(folder: &Path, keys: Vec<Key>) -> Result<(), KeysError> {
    let path = keys_path(folder);
    let text = serde_json::to_string_pretty(&Stored { keys })
        .map_err(|error| KeysError::at(path.clone())(error.into()))?;
    let beside = folder.join(format!("keys.{}.tmp", std::process::id()));
    let written = private(&beside, true)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&beside, &path))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.map_err(KeysError::at(path))
}

/// Whoever changes the keys holds this; the others wait.
pub(super) fn lock(folder: &Path) -> Result<File, KeysError> {
    let path = folder.join("keys.lock");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(KeysError::at(folder.to_owned()))?;
    let file = private(&path, false).map_err(KeysError::at(path.clone()))?;
    file.lock().map_err(KeysError::at(path))?;
    Ok(file)
}

/// The secret without which the hashes cannot be tried: kept apart from them, so that a copy of
/// `keys.json` alone is of no use. `None` while no key was ever made.
pub(super) fn pepper(folder: &Path) -> Result<Option<hmac::Key>, KeysError> {
    let path = folder.join("keys.pepper");
    let Some(file) = open(&path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(64).read_to_end(&mut bytes).map_err(KeysError::at(path.clone()))?;
    if bytes.len() != 32 {
        let why = "it is not 32 bytes long; restore it from a backup, or delete it together with \
                   keys.json and make new keys";
        return Err(KeysError::Damaged { path, why: why.to_owned() });
    }
    Ok(Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
}

/// The pepper, made when there is none. Only under the lock, and not while there are keys: with
/// another pepper, none of them would count again.
pub(super) fn pepper_or_new(folder: &Path, has_keys: bool) -> Result<hmac::Key, KeysError> {
    if let Some(pepper) = pepper(folder)? {
        return Ok(pepper);
    }
    if has_keys {
        return Err(lost(folder));
    }
    let path = folder.join("keys.pepper");
    let mut fresh = [0u8; 32];
    getrandom::fill(&mut fresh)
        .map_err(std::io::Error::other)
        .and_then(|()| private(&path, true)?.write_all(&fresh))
        .and_then(|()| File::open(&path)?.sync_all())
        .map_err(KeysError::at(path))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &fresh))
}

/// There are keys, and not the secret that they are checked with.
pub(super) fn lost(folder: &Path) -> KeysError {
    let why = "keys.json has keys, which need it, but it is not there: restore it from a backup, \
               or delete keys.json and make every key again";
    KeysError::Damaged { path: folder.join("keys.pepper"), why: why.to_owned() }
}

/// Opens a file that only its owner may read; one that others can read no longer keeps a secret.
fn open(path: &Path) -> Result<Option<File>, KeysError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(KeysError::at(path.to_owned())(error)),
    };
    let mode = file.metadata().map_err(KeysError::at(path.to_owned()))?.mode();
    if mode & 0o077 != 0 {
        return Err(KeysError::Exposed(path.to_owned()));
    }
    Ok(Some(file))
}

fn private(path: &Path, new: bool) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(new).mode(0o600).open(path)
}

fn keys_path(folder: &Path) -> PathBuf {
    folder.join("keys.json")
}

//! The keys of one server's folder: one seals cursors and request states, a pair signs the
//! checkpoints of the log.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::StateError;
use crate::note::SigningKey;

/// Reads the 32-byte key in `folder`, or makes it: random, readable by its owner only, and the
/// same for every process of the server.
pub fn key(folder: &Path) -> Result<[u8; 32], StateError> {
    crate::private_folder(folder)?;
    let path = folder.join("seal.key");
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    make_once(&path, &random(&path)?)?;
    read(&path)?.ok_or_else(|| StateError {
        path: path.clone(),
        source: std::io::Error::other("not 32 bytes long; delete it to have a new one made"),
    })
}

/// The key that signs the checkpoints of a server: `checkpoint.key` in its folder, made when it
/// is missing. The public half, for those who verify, stands beside it in `checkpoint.pub`.
pub(crate) fn checkpoint_key(folder: &Path, server: &str) -> Result<SigningKey, StateError> {
    let (path, public) = (folder.join("checkpoint.key"), folder.join("checkpoint.pub"));
    let error = |message: &str| StateError {
        path: path.clone(),
        source: std::io::Error::other(message.to_owned()),
    };
    // Asked first: the public half is made after the private one.
    let has_public = public.exists();
    if !path.exists() {
        if has_public {
            return Err(error(
                "is missing, while checkpoint.pub is there; put the key back, or move \
                 checkpoint.pub to where records are verified from, to have a new pair made",
            ));
        }
        let name = key_name(server);
        let fresh = SigningKey::encode(&name, &random(&path)?);
        make_once(&path, fresh.map_err(|why| error(&why.to_string()))?.as_bytes())?;
    }
    let text = std::fs::read_to_string(&path).map_err(StateError::at(&path))?;
    let key = SigningKey::decode(&text)
        .map_err(|_| error("holds no key; put the key back, or move it and checkpoint.pub away"))?;
    if !public.exists() {
        make_once(&public, format!("{}\n", key.verifying()).as_bytes())?;
    }
    Ok(key)
}

/// The name of a server's key in notes: names there hold neither spaces nor `+`.
pub(crate) fn key_name(server: &str) -> String {
    let plain = |c: char| if c.is_whitespace() || c.is_control() || c == '+' { '-' } else { c };
    format!("suite/{}", server.chars().map(plain).collect::<String>())
}

fn random(path: &Path) -> Result<[u8; 32], StateError> {
    let mut fresh = [0u8; 32];
    getrandom::fill(&mut fresh)
        .map_err(|error| StateError { path: path.to_owned(), source: error.into() })?;
    Ok(fresh)
}

/// Writes a file that only its owner may read, unless it is there.
///
/// Written whole beside its place and linked there, so that two processes that start at once
/// end with one key and nobody ever reads half of one.
fn make_once(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let unique = u64::from_be_bytes(random(path)?[..8].try_into().unwrap_or_default());
    let temporary = path.with_extension(format!("{unique:016x}.tmp"));
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
        .and_then(|()| match std::fs::hard_link(&temporary, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        });
    let _ = std::fs::remove_file(&temporary);
    made.map_err(StateError::at(path))
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
    fn processes_that_start_at_once_sign_with_one_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let keys: Vec<String> = std::thread::scope(|scope| {
            let make =
                || super::checkpoint_key(path, "docs").expect("a key").verifying().to_string();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ran")).collect()
        });
        assert!(
            keys.iter().all(|key| *key == keys[0] && key.starts_with("suite/docs+")),
            "{keys:?}"
        );
        let public = std::fs::read_to_string(path.join("checkpoint.pub")).expect("written");
        assert_eq!(public.trim(), keys[0]);
        let mode = std::fs::metadata(path.join("checkpoint.key")).expect("the file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path).expect("a folder").count(), 2, "nothing is left over");
        std::fs::remove_file(path.join("checkpoint.key")).expect("removed");
        let error = super::checkpoint_key(path, "docs").expect_err("no second pair in silence");
        assert!(error.to_string().contains("put the key back"), "{error}");
    }

    #[test]
    fn a_damaged_key_is_an_error_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("seal.key"), b"short").expect("written");
        let error = super::key(folder.path()).expect_err("damaged");
        assert!(error.to_string().contains("delete it"), "{error}");
    }
}

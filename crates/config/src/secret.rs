//! Following references to secrets.

use std::io::Read;
use std::path::{Path, PathBuf};

use contract::server::SecretReader;
use contract::{Secret, SecretRef, StartError};

/// The largest secret, in bytes: a certificate chain fits.
const LARGEST: u64 = 64 << 10;

/// Follows references; relative files start from `base`. Errors name the reference and the
/// remedy, never a value.
pub fn reader(base: PathBuf) -> Box<SecretReader> {
    Box::new(move |reference| {
        let value = match reference {
            SecretRef::Env(name) => {
                std::env::var(name).map_err(|_| format!("set the environment variable {name}"))
            }
            SecretRef::File(path) => read(&base.join(path)),
            SecretRef::Credential(name) => credential(name),
        };
        match value {
            Ok(value) if value.is_empty() => Err("it is empty".to_owned()),
            other => other,
        }
        .map(Secret::new)
        .map_err(|why| StartError::new(format!("the secret {reference} is not there: {why}")))
    })
}

fn read(path: &Path) -> Result<String, String> {
    let mut value = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_string(&mut value))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let length = value.trim_end_matches(['\r', '\n']).len();
    if value.len() - length <= 2 {
        value.truncate(length);
    }
    Ok(value)
}

/// systemd puts credentials in files under `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
fn credential(name: &str) -> Result<String, String> {
    if name.contains('/') || name.starts_with('.') {
        return Err("a credential's name holds no path".to_owned());
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
        .ok_or("this process was not started by systemd with LoadCredential=")?;
    read(&Path::new(&folder).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_without_its_last_line_break() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), "hunter2\n").expect("written");
        let read = reader(folder.path().to_owned());
        let secret = read(&SecretRef::File("token".into())).expect("a secret");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_missing_secret_names_its_reference() {
        let read = reader(PathBuf::from("/"));
        let error = read(&SecretRef::Env("SUITE_TEST_NOT_SET".into())).expect_err("missing");
        assert!(error.to_string().contains("set the environment variable SUITE_TEST_NOT_SET"));
        let error = read(&SecretRef::Credential("../x".into())).expect_err("a path");
        assert!(error.to_string().contains("holds no path"));
    }
}

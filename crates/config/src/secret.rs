//! Following references to secrets.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use contract::server::SecretReader;
use contract::{Secret, SecretRef, StartError};
use serde_json::Value;

/// The largest secret, in bytes: a certificate chain fits.
const LARGEST: u64 = 64 << 10;

/// The variables that were taken out of the environment before the process was confined.
static TAKEN: Mutex<BTreeMap<String, Secret>> = Mutex::new(BTreeMap::new());

/// From now on `{ env = "…" }` finds these variables, too.
pub fn remember(variables: BTreeMap<String, Secret>) {
    *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = variables;
}

/// Wipes every remembered variable but those.
pub fn forget_all_but(names: &[&str]) {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    taken.retain(|name, _| names.contains(&name.as_str()));
}

/// Follows references; relative files start from `base`. Errors name the reference and the
/// remedy, never a value.
pub fn reader(base: PathBuf) -> Box<SecretReader> {
    Box::new(move |reference| {
        let value = match reference {
            SecretRef::Env(name) => {
                variable(name).ok_or_else(|| format!("set the environment variable {name}"))
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

fn variable(name: &str) -> Option<String> {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    match taken.get(name) {
        Some(secret) => Some(secret.expose().to_owned()),
        None => std::env::var(name).ok(),
    }
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

fn credential(name: &str) -> Result<String, String> {
    read(&credential_file(name)?)
}

/// systemd puts credentials in files under `$CREDENTIALS_DIRECTORY` (systemd.exec(5)).
fn credential_file(name: &str) -> Result<PathBuf, String> {
    if name.contains('/') || name.starts_with('.') {
        return Err("a credential's name holds no path".to_owned());
    }
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
        .ok_or("this process was not started by systemd with LoadCredential=")?;
    Ok(Path::new(&folder).join(name))
}

/// The file that a reference is about; `None` for a variable, and where there can be none.
pub fn secret_file(base: &Path, reference: &SecretRef) -> Option<PathBuf> {
    match reference {
        SecretRef::Env(_) => None,
        SecretRef::File(path) => Some(base.join(path)),
        SecretRef::Credential(name) => credential_file(name).ok(),
    }
}

/// Every reference to a secret in a value of the configuration, wherever it stands.
pub fn references(value: &Value) -> Vec<SecretRef> {
    match value {
        Value::Object(fields) => match serde_json::from_value::<SecretRef>(value.clone()) {
            Ok(reference) => vec![reference],
            Err(_) => fields.values().flat_map(references).collect(),
        },
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
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

    #[test]
    fn a_taken_variable_is_found_until_it_is_forgotten() {
        let name = "SUITE_TEST_TAKEN";
        let read = reader(PathBuf::from("/"));
        remember(BTreeMap::from([(name.to_owned(), Secret::new("hunter2".to_owned()))]));
        forget_all_but(&[name]);
        let secret = read(&SecretRef::Env(name.into())).expect("a secret");
        assert_eq!(secret.expose(), "hunter2");
        forget_all_but(&[]);
        assert!(read(&SecretRef::Env(name.into())).is_err());
    }

    #[test]
    fn references_are_found_wherever_they_stand() {
        let table = serde_json::json!({
            "databases": {"sales": {"url": "x", "password": {"file": "run/sales"}}},
            "tokens": [{"env": "TOKEN"}, {"credential": "cert"}],
            "page": {"file": "a", "more": 1}
        });
        let found: Vec<String> = references(&table).iter().map(SecretRef::to_string).collect();
        assert_eq!(
            found,
            [r#"{ file = "run/sales" }"#, r#"{ env = "TOKEN" }"#, r#"{ credential = "cert" }"#]
        );
        let file = secret_file(Path::new("/etc/suite"), &SecretRef::File("run/sales".into()));
        assert_eq!(file, Some(PathBuf::from("/etc/suite/run/sales")));
    }
}

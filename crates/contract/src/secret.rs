//! A secret, and where to find one. Configuration holds references; values live in memory only,
//! from the process's start to the library call that needs them.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use zeroize::Zeroizing;

/// A secret value. It implements neither `Display` nor `Serialize`, and is wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a value.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, for the one library call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Where a secret is found. A literal is never accepted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretRef {
    /// The name of an environment variable.
    Env(#[schemars(length(min = 1, max = 200))] String),
    /// A file; one trailing line break is dropped. Relative to servers.toml.
    File(#[schemars(length(min = 1, max = 4096))] PathBuf),
    /// The name of a systemd credential (a file under `$CREDENTIALS_DIRECTORY`).
    Credential(#[schemars(length(min = 1, max = 255))] String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRef::Env(name) => write!(f, "{{ env = \"{name}\" }}"),
            SecretRef::File(path) => write!(f, "{{ file = \"{}\" }}", path.display()),
            SecretRef::Credential(name) => write!(f, "{{ credential = \"{name}\" }}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "Secret(…)");
    }

    #[test]
    fn a_literal_is_not_a_reference() {
        assert!(serde_json::from_str::<SecretRef>("\"hunter2\"").is_err());
        let reference: SecretRef = serde_json::from_str(r#"{"env":"TOKEN"}"#).expect("a reference");
        assert_eq!(reference, SecretRef::Env("TOKEN".to_owned()));
    }
}

//! The environment is a place where secrets lie open: to every library in the process, to every
//! child, and in `/proc/<pid>/environ`. A server keeps a handful of variables that are no secrets
//! and that something in it reads.

use std::collections::BTreeMap;

use contract::Secret;

use crate::kernel;

/// The variables that stay, and who reads each.
pub const KEPT: &[(&str, &str)] = &[
    ("SUITE_LOG", "the operator's log"),
    ("SUITE_CONFIG", "the command line"),
    ("SUITE_STATE", "the configuration, again when it is reloaded"),
    ("CREDENTIALS_DIRECTORY", "secrets that systemd passes: it names their folder, and holds none"),
    ("NO_COLOR", "errors on a terminal"),
    ("CLICOLOR", "errors on a terminal"),
    ("CLICOLOR_FORCE", "errors on a terminal"),
    ("TERM", "errors on a terminal"),
    ("SSL_CERT_FILE", "the certificates a connection is checked with"),
    ("SSL_CERT_DIR", "the certificates a connection is checked with"),
];

/// Values of servers.toml given as variables stay for the reload; no secret is among them, for a
/// literal secret is refused wherever it stands.
const LAYERS: &[&str] = &["SUITE_SUITE__", "SUITE_PEOPLE__", "SUITE_ROLES__", "SUITE_SERVERS__"];

/// Takes every other variable out of the environment and wipes its memory. Returns them, for the
/// few that configuration refers to as `{ env = "…" }`; drop the rest, which wipes them, too.
///
/// Call it on the main thread, before any other thread exists and before anything copies the
/// environment.
pub fn take() -> BTreeMap<String, Secret> {
    let mut taken = BTreeMap::new();
    kernel::drain_environment(is_kept, |name, value| {
        taken.insert(name.to_owned(), Secret::new(value.to_owned()));
    });
    taken
}

fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|(kept, _)| *kept == name)
        || LAYERS
            .iter()
            .any(|prefix| name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_known_variable_goes() {
        for kept in ["SUITE_LOG", "SUITE_SERVERS__DOCS__OWNER", "NO_COLOR"] {
            assert!(is_kept(kept), "{kept}");
        }
        for gone in ["PATH", "HOME", "SUITE_TOKEN", "SUITE_SERVERS__", "LD_PRELOAD", "", "AWS_KEY"]
        {
            assert!(!is_kept(gone), "{gone}");
        }
    }
}

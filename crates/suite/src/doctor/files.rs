//! What can be seen from outside: who else may read what a server keeps, and secrets that are not
//! there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use config::Faults;
use contract::SecretRef;

use super::Finding;
use crate::assemble::{self, Checked};
use crate::{Launcher, confinement};

/// The rights of the group and of everybody else.
const OTHERS: u32 = 0o077;

/// Looks at the files of one server.
pub(super) fn examine(checked: &Checked, launcher: &Launcher) -> Result<Vec<Finding>, Faults> {
    let config = &checked.config;
    let folder = assemble::folder(config, launcher.name)?;
    let operator = assemble::folder(config, "suite")?;
    let mut findings = Vec::new();
    for folder in [&folder, &operator, &operator.join("keys")] {
        findings.extend(exposed(folder, "700"));
        findings.extend(keys(folder).iter().filter_map(|key| exposed(key, "600")));
    }
    let read = config::reader(config.base());
    for reference in confinement::references(config, launcher.name) {
        if let Err(error) = read(&reference) {
            findings.push(Finding { what: error.to_string(), remedy: remedy(&reference) });
        }
        if let Some(file) = config::secret_file(&config.base(), &reference) {
            findings.extend(exposed(&file, "600"));
        }
    }
    Ok(findings)
}

fn remedy(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Env(name) => format!("set {name} in the environment the server starts in"),
        SecretRef::File(path) => format!("write it to {}, readable by this user", path.display()),
        SecretRef::Credential(name) => format!("add LoadCredential={name}:… to the systemd unit"),
    }
}

/// The files in a folder that hold keys.
fn keys(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_key = |path: &std::path::PathBuf| {
        path.is_file()
            && path.file_name().and_then(|name| name.to_str()).is_some_and(|name| {
                let extension = Path::new(name).extension();
                extension.is_some_and(|extension| extension == "key")
                    || ["keys.json", "pepper"].contains(&name)
            })
    };
    let mut found: Vec<_> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_key).collect();
    found.sort();
    found
}

/// A file or folder that others than its owner may use.
fn exposed(path: &Path, mode: &str) -> Option<Finding> {
    let found = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (found & OTHERS != 0).then(|| Finding {
        what: format!("{} is open to others: mode {found:o}", path.display()),
        remedy: format!("chmod {mode} {}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn what_others_may_read_is_found_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, mode) in [("seal.key", 0o640), ("log.key", 0o600), ("keys.json", 0o604)] {
            let path = folder.path().join(name);
            fs::write(&path, "x").expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        }
        let shown = |path: &Path| path.display().to_string();
        let found: Vec<Finding> =
            keys(folder.path()).iter().filter_map(|key| exposed(key, "600")).collect();
        let expect = |name: &str, mode: &str| {
            let path = shown(&folder.path().join(name));
            Finding {
                what: format!("{path} is open to others: mode {mode}"),
                remedy: format!("chmod 600 {path}"),
            }
        };
        assert_eq!(found, [expect("keys.json", "604"), expect("seal.key", "640")]);
        assert_eq!(exposed(&folder.path().join("nothing"), "600"), None);
    }
}

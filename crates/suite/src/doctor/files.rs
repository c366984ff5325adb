//! What can be seen from outside: who else may read what a server keeps, and secrets that are not
//! there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use config::Faults;
use contract::{Finding, SecretRef};

use super::fault;
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
    findings.extend(folder.parent().and_then(replaceable));
    for folder in [&folder, &operator, &operator.join("keys")] {
        findings.extend(exposed(folder, "700"));
        findings.extend(kept(folder).iter().filter_map(|file| exposed(file, "600")));
    }
    for folder in [&folder, &operator] {
        let records = folder.join("records");
        findings.extend(exposed(&records, "700"));
        findings.extend(exposed_records(&records));
    }
    let read = config::reader(config.base());
    for reference in confinement::references(config, launcher.name) {
        if let Err(error) = read(&reference) {
            findings.push(fault(error.to_string(), remedy(&reference)));
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

/// The files in a folder that hold keys, the pepper, or the suite's own tables. What else a server
/// keeps is its own matter.
fn kept(folder: &Path) -> Vec<PathBuf> {
    files(folder, |path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let extension = path.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| ["key", "db", "db-wal"].contains(&extension))
            || ["keys.json", "keys.pepper"].contains(&name)
    })
}

fn files(folder: &Path, is_meant: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<_> = paths.filter(|path| path.is_file() && is_meant(path)).collect();
    found.sort();
    found
}

/// Files of records that others may use, as one finding: there may be thousands.
fn exposed_records(folder: &Path) -> Option<Finding> {
    let open: Vec<Finding> =
        files(folder, |_| true).iter().filter_map(|file| exposed(file, "600")).collect();
    let more = open.len().saturating_sub(1);
    let first = open.into_iter().next()?;
    let what = if more == 0 { first.what } else { format!("{} ({more} more)", first.what) };
    Some(fault(what, format!("chmod 600 {}/*", folder.display())))
}

/// The state folder, where others may write in it: they can put another in the place of a
/// server's. Others may see what its folders are called.
fn replaceable(state: &Path) -> Option<Finding> {
    let found = std::fs::metadata(state).ok()?.permissions().mode() & 0o7777;
    (found & 0o022 != 0).then(|| {
        let what = format!("others may write in {}: mode {found:o}", state.display());
        fault(what, format!("chmod go-w {}", state.display()))
    })
}

/// A file or folder that others than its owner may use.
fn exposed(path: &Path, mode: &str) -> Option<Finding> {
    let found = std::fs::metadata(path).ok()?.permissions().mode() & 0o777;
    (found & OTHERS != 0).then(|| {
        let what = format!("{} is open to others: mode {found:o}", path.display());
        fault(what, format!("chmod {mode} {}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;

    #[test]
    fn what_others_may_read_is_found_with_its_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, mode) in
            [("seal.key", 0o640), ("log.key", 0o600), ("keys.json", 0o604), ("keys.pepper", 0o644)]
        {
            let path = folder.path().join(name);
            fs::write(&path, "x").expect("written");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        }
        let shown = |path: &Path| path.display().to_string();
        let found: Vec<Finding> =
            kept(folder.path()).iter().filter_map(|key| exposed(key, "600")).collect();
        let expect = |name: &str, mode: &str| {
            let path = shown(&folder.path().join(name));
            fault(format!("{path} is open to others: mode {mode}"), format!("chmod 600 {path}"))
        };
        let expected =
            [expect("keys.json", "604"), expect("keys.pepper", "644"), expect("seal.key", "640")];
        assert_eq!(found, expected);
        assert_eq!(exposed(&folder.path().join("nothing"), "600"), None);
    }

    #[test]
    fn open_records_are_one_finding_and_a_writable_state_folder_another() {
        let folder = tempfile::tempdir().expect("a folder");
        let set = |path: &Path, mode: u32| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("set");
        };
        for (name, mode) in [("a.jsonl", 0o666), ("b.jsonl", 0o644), ("c.jsonl", 0o600)] {
            fs::write(folder.path().join(name), "x").expect("written");
            set(&folder.path().join(name), mode);
        }
        let found = exposed_records(folder.path()).expect("a finding");
        let first = folder.path().join("a.jsonl").display().to_string();
        assert_eq!(found.what, format!("{first} is open to others: mode 666 (1 more)"));
        assert_eq!(found.remedy, format!("chmod 600 {}/*", folder.path().display()));
        assert_eq!(replaceable(folder.path()), None);
        for (mode, is_wrong) in [(0o777, true), (0o770, true), (0o755, false), (0o700, false)] {
            set(folder.path(), mode);
            assert_eq!(replaceable(folder.path()).is_some(), is_wrong, "{mode:o}");
        }
    }
}

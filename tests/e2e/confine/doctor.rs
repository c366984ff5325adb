//! `suite doctor`: what it shows is what it tried.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use serde_json::Value;
use tests::harness::{Folder, fixture};

use super::kernel::without_landlock;

fn doctor(folder: &Folder, args: &[&str], prepare: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(fixture());
    command.arg("doctor").args(args).arg("--config").arg(folder.config());
    prepare(&mut command);
    command.output().expect("it runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn tried<'a>(diagnosis: &'a Value, attempt: &str) -> &'a Value {
    let all = diagnosis["servers"][0]["tried"].as_array().expect("attempts");
    all.iter()
        .find(|tried| tried["attempt"].as_str().is_some_and(|text| text.starts_with(attempt)))
        .unwrap_or_else(|| panic!("{attempt}: {diagnosis:#}"))
}

const ATTEMPTS: [&str; 14] = [
    "read /etc/passwd",
    "list /",
    "write outside its own state",
    "connect to a port that is not its own",
    "listen on a port",
    "send a datagram",
    "signal its parent",
    "trace its parent",
    "run /bin/sh",
    "make a namespace",
    "size of a core dump",
    "others may look into it",
    "programs may raise rights",
    "find a planted variable",
];

#[test]
fn doctor_shows_what_is_enforced() {
    let folder = Folder::fixture("");
    let output = doctor(&folder, &["--json"], |_| ());
    let diagnosis = json(&output);
    assert!(output.status.success(), "{diagnosis:#}");
    for attempt in ATTEMPTS {
        assert_eq!(tried(&diagnosis, attempt)["ok"], true, "{attempt}: {diagnosis:#}");
    }
    assert_eq!(tried(&diagnosis, "write its own state")["ok"], true);
    assert_eq!(diagnosis["ok"], true);
    let table = doctor(&folder, &[], |_| ());
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    for part in ["Landlock: ABI", "read /etc/passwd", "enforced", "what should hold holds"] {
        assert!(table.contains(part), "{part}: {table}");
    }
}

#[test]
fn doctor_finds_what_a_kernel_does_not_enforce() {
    let folder = Folder::fixture("");
    let output = doctor(&folder, &["--json"], without_landlock);
    let diagnosis = json(&output);
    assert_eq!(output.status.code(), Some(1), "{diagnosis:#}");
    assert_eq!(diagnosis["kernel"]["landlock"], 0);
    let read = tried(&diagnosis, "read /etc/passwd");
    assert_eq!(read["ok"], false);
    assert!(read["remedy"].as_str().is_some_and(|text| text.contains("Linux 5.13")), "{read}");
    assert_eq!(tried(&diagnosis, "run /bin/sh")["ok"], true, "seccomp is there");
}

#[test]
fn doctor_finds_open_folders_and_missing_secrets() {
    let folder = Folder::fixture("canary = { file = \"canary\" }\n");
    folder.write("canary", "sings");
    folder.write("state/test/drafts", "");
    for (name, mode) in [("canary", 0o644), ("state/test", 0o755)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(name), mode).expect("set");
    }
    let findings = |output: &Output| json(output)["servers"][0]["findings"].to_string();
    let output = doctor(&folder, &["--json"], |_| ());
    assert_eq!(output.status.code(), Some(1));
    let found = findings(&output);
    for name in ["canary", "state/test"] {
        let mode = if name == "canary" { "600" } else { "700" };
        let remedy = format!("chmod {mode} {}", folder.path(name).display());
        assert!(found.contains(&remedy), "{remedy}: {found}");
    }
    assert!(!found.contains("sings"));
    std::fs::remove_file(folder.path("canary")).expect("removed");
    let found = findings(&doctor(&folder, &["--json", "test"], |_| ()));
    assert!(found.contains("write it to canary"), "{found}");
}

#[test]
fn doctor_knows_its_servers() {
    let folder = Folder::fixture("");
    let output = doctor(&folder, &["tset"], |_| ());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did you mean `test`?"));
}

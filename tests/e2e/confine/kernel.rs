//! A kernel without Landlock, as a server sees one: a filter answers in its place that there is no
//! such call.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};
use serde_json::json;
use tests::harness::{Folder, Session, fixture, text};

/// The command on a kernel without Landlock.
#[expect(unsafe_code, reason = "a filter must be installed between fork and exec")]
pub(super) fn without_landlock(command: &mut Command) {
    let calls = [nix::libc::SYS_landlock_create_ruleset].map(|call| (call, Vec::new()));
    let absent = SeccompAction::Errno(nix::libc::ENOSYS.unsigned_abs());
    let arch = TargetArch::try_from(std::env::consts::ARCH).expect("a known architecture");
    let filter = SeccompFilter::new(BTreeMap::from(calls), SeccompAction::Allow, absent, arch);
    let program: BpfProgram = filter.expect("a filter").try_into().expect("a program");
    // SAFETY: the closure makes two system calls, and allocates nothing.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program).map_err(|_| std::io::Error::last_os_error())
        });
    }
}

fn start(folder: &Folder) -> Command {
    let mut command = Command::new(fixture());
    command.args(["test", "--config"]).arg(folder.config());
    without_landlock(&mut command);
    command
}

#[test]
fn required_confinement_refuses_to_start_on_a_kernel_without_it() {
    let folder = Folder::fixture("");
    let config = std::fs::read_to_string(folder.config()).expect("servers.toml");
    folder.write("servers.toml", &format!("[suite]\nconfine = \"required\"\n{config}"));
    let output = start(&folder).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["confine = \"required\"", "files: this kernel has no Landlock", "\"preferred\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The kernel of this machine has it.
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert_eq!(text(&session.call("test_echo", json!({"text": "hi"}))), "hi");
}

#[test]
fn preferred_confinement_warns_and_keeps_what_there_is() {
    let folder = Folder::fixture("");
    let mut session = Session::spawn(start(&folder));
    let mut check = |args: serde_json::Value, expected: &str| {
        let answer = session.call("test_hostile_try", args.clone());
        assert!(text(&answer).starts_with(expected), "{args}: {answer}");
    };
    // What a kernel without Landlock lets pass shows that the attempt is real.
    check(json!({"attempt": "read_file", "path": "/etc/passwd"}), "done: root:");
    check(json!({"attempt": "execute"}), "refused: EPERM");
    check(json!({"attempt": "connect", "port": 9}), "refused: EPERM");
    check(json!({"attempt": "signal", "pid": std::process::id()}), "refused: EPERM");
    let (status, _, errors) = session.close();
    assert!(status.success());
    assert!(errors.contains("not everything is enforced here: files: this kernel"), "{errors}");
}

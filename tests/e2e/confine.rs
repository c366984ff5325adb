//! A server that was taken over tries what it must not: the kernel refuses it, over stdio and
//! HTTP, as root and as an ordinary user. That the attempts are real is shown in the fixture,
//! where the same functions succeed unconfined.

mod doctor;
mod kernel;

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::{Value, json};
use tests::harness::{Folder, HttpServer, Session, fixture, text};

/// A folder with things that the server has no business with.
struct Prey {
    folder: Folder,
    listener: TcpListener,
    _socket: UnixListener,
}

const REFUSED: &str = "refused: E";

impl Prey {
    fn new(extra: &str) -> Self {
        let folder = Folder::fixture(extra);
        folder.write("beside.txt", "beside servers.toml");
        folder.write("state/mail/records/one.jsonl", "of another server");
        folder.write("state/suite/records/one.jsonl", "of the operator");
        folder.write("state/suite/keys/keys.json", "{\"keys\": []}");
        folder.write("state/suite/checkpoint.key", "what signs the operator's log");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let socket = UnixListener::bind(folder.path("socket")).expect("a socket");
        Self { folder, listener, _socket: socket }
    }

    fn port(&self) -> u16 {
        self.listener.local_addr().expect("its address").port()
    }

    fn at(&self, attempt: &str, name: &str) -> Value {
        json!({"attempt": attempt, "path": self.folder.path(name)})
    }

    /// Every attempt, and how its answer must begin.
    fn attempts(&self) -> Vec<(Value, &'static str)> {
        let port = self.port();
        let pid = std::process::id();
        let own = |attempt: &str| (self.at(attempt, "state/test/own.txt"), "done: ");
        vec![
            (json!({"attempt": "read_file", "path": "/etc/passwd"}), REFUSED),
            (json!({"attempt": "read_file", "path": "/proc/1/cmdline"}), REFUSED),
            (json!({"attempt": "read_file", "path": "/proc/self/maps"}), REFUSED),
            (json!({"attempt": "list_folder", "path": "/"}), REFUSED),
            (json!({"attempt": "write_file", "path": "/tmp/taken-over"}), REFUSED),
            (json!({"attempt": "write_file", "path": "/dev/null"}), REFUSED),
            (self.at("read_file", "beside.txt"), REFUSED),
            (self.at("read_file", "servers.toml"), REFUSED),
            (self.at("write_file", "servers.toml"), REFUSED),
            (self.at("list_folder", ""), REFUSED),
            (self.at("read_file", "state/mail/records/one.jsonl"), REFUSED),
            (self.at("list_folder", "state/mail"), REFUSED),
            (self.at("list_folder", "state"), REFUSED),
            (self.at("list_folder", "state/suite"), REFUSED),
            (self.at("write_file", "state/suite/keys/keys.json"), REFUSED),
            (self.at("read_file", "state/suite/checkpoint.key"), REFUSED),
            (self.at("read_file", "state/suite/records/one.jsonl"), REFUSED),
            (self.at("remove_file", "state/mail/records/one.jsonl"), REFUSED),
            (self.at("read_file", "state/test/../mail/records/one.jsonl"), REFUSED),
            (self.at("symlink", "state/mail/records/one.jsonl"), REFUSED),
            (self.at("hard_link", "state/mail/records/one.jsonl"), REFUSED),
            (self.at("change_mode", "state/mail"), REFUSED),
            (self.at("unix_socket", "socket"), REFUSED),
            (json!({"attempt": "connect", "port": port}), REFUSED),
            (json!({"attempt": "datagram", "port": port}), REFUSED),
            (json!({"attempt": "bind"}), REFUSED),
            (json!({"attempt": "bind", "port": 8080}), REFUSED),
            (json!({"attempt": "execute"}), REFUSED),
            (json!({"attempt": "signal", "pid": pid}), REFUSED),
            (json!({"attempt": "signal", "pid": 1}), REFUSED),
            (json!({"attempt": "trace", "pid": pid}), REFUSED),
            (json!({"attempt": "namespace"}), REFUSED),
            (json!({"attempt": "environment", "name": "CANARY"}), REFUSED),
            (json!({"attempt": "core_dump"}), "done: core 0 of 0, dumpable false"),
            own("write_file"),
            own("read_file"),
            own("remove_file"),
        ]
    }
}

fn check(answer: &Value, attempt: &Value, expected: &str) {
    assert!(text(answer).starts_with(expected), "{attempt}: {answer}");
}

#[test]
fn the_kernel_refuses_what_a_hostile_server_tries_on_stdio() {
    let prey = Prey::new("");
    let mut command = Command::new(fixture());
    command.args(["test", "--config"]).arg(prey.folder.config()).env("CANARY", "sings");
    let mut session = Session::spawn(command);
    for (attempt, expected) in prey.attempts() {
        check(&session.call("test_hostile_try", attempt.clone()), &attempt, expected);
    }
    assert!(!shown_environment(session.id()).contains("sings"), "wiped, also in /proc");
}

#[test]
fn the_kernel_refuses_what_a_hostile_server_tries_on_http() {
    let prey = Prey::new("");
    let server = HttpServer::start(&fixture(), "test", &prey.folder.config());
    for (attempt, expected) in prey.attempts() {
        let call = json!({"name": "test_hostile_try", "arguments": attempt.clone()});
        check(&server.request("tools/call", call).json(), &attempt, expected);
    }
    assert!(server.stop().success());
}

#[test]
fn the_kernel_refuses_what_a_hostile_server_tries_in_a_call_from_the_terminal() {
    let prey = Prey::new("");
    for (attempt, expected) in [("read_file", REFUSED), ("list_folder", REFUSED)] {
        let output = Command::new(fixture())
            .args(["call", "test_hostile_try", &format!("attempt={attempt}"), "path=/etc"])
            .arg("--config")
            .arg(prey.folder.config())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.starts_with(expected), "{attempt}: {said}");
    }
}

#[test]
fn an_ordinary_user_is_confined_as_well() {
    if !nix::unistd::geteuid().is_root() {
        // Then the tests above ran as one.
        return;
    }
    let prey = Prey::new("");
    for name in ["", "state"] {
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(prey.folder.path(name), everybody).expect("set");
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(fixture()).args(["test", "--config"]).arg(prey.folder.config());
    let mut session = Session::spawn(command);
    for (attempt, expected) in prey.attempts() {
        check(&session.call("test_hostile_try", attempt.clone()), &attempt, expected);
    }
}

#[test]
fn what_the_settings_name_stays_within_reach_and_nothing_else() {
    let there = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = there.local_addr().expect("its address").port();
    let prey = Prey::new(&format!("reads = [\"named\"]\nconnects = [{port}]\n"));
    prey.folder.write("named/page.txt", "a page");
    prey.folder.write("named.txt", "another");
    let mut session = Session::start(&fixture(), "test", &prey.folder.config());
    for (attempt, expected) in [
        (prey.at("read_file", "named/page.txt"), "done: a page"),
        (prey.at("list_folder", "named"), "done: page.txt"),
        (prey.at("write_file", "named/page.txt"), REFUSED),
        (prey.at("write_file", "named/new.txt"), REFUSED),
        (prey.at("read_file", "named.txt"), REFUSED),
        (json!({"attempt": "connect", "port": port}), "done: connected"),
        (json!({"attempt": "connect", "port": prey.port()}), REFUSED),
        (json!({"attempt": "bind"}), REFUSED),
        (json!({"attempt": "bind", "port": port}), REFUSED),
        (prey.at("unix_socket", "socket"), REFUSED),
        (json!({"attempt": "execute"}), REFUSED),
    ] {
        check(&session.call("test_hostile_try", attempt.clone()), &attempt, expected);
    }
}

#[test]
fn secrets_are_read_before_their_variables_are_gone() {
    let folder = Folder::fixture("canary = { env = \"CANARY\" }\n");
    let mut command = Command::new(fixture());
    command.args(["test", "--config"]).arg(folder.config()).env("CANARY", "sings-in-the-mine");
    let mut session = Session::spawn(command);
    let leaked = session.call("test_leak", json!({"how": "plain"}));
    assert!(text(&leaked).starts_with("the canary is ["), "known, and removed: {leaked}");
    let args = json!({"attempt": "environment", "name": "CANARY"});
    check(&session.call("test_hostile_try", args.clone()), &args, REFUSED);
    assert!(!shown_environment(session.id()).contains("sings"), "wiped, also in /proc");
}

#[test]
fn a_process_that_reads_servers_toml_ends_with_its_server() {
    let folder = Folder::fixture("");
    let session = Session::start(&fixture(), "test", &folder.config());
    let children = format!("/proc/{0}/task/{0}/children", session.id());
    session.signal("KILL");
    // Its standard streams are not the server's: who waits for the end does not wait for it.
    let (status, rest, errors) = session.close();
    assert!(!status.success() && rest.is_empty() && errors.is_empty(), "{status} {errors}");
    assert!(!std::path::Path::new(&children).exists());
}

/// The environment of a process as the operating system shows it; empty where it shows none.
fn shown_environment(pid: u32) -> String {
    let shown = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&shown).into_owned()
}

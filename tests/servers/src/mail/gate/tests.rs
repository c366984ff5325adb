//! Python's `imaplib` through a gate.

use super::*;
use crate::mail::{AGENT, python};

/// Appends a message and says how that ended; then reads what is there.
const APPEND: &str = r#"
imap = imaplib.IMAP4_SSL("localhost", PORT, ssl_context=CONTEXT)
imap.login("agent", "agentpw")
try:
    print(imap.append("Drafts", r"(\Draft)", None, b"Subject: s\r\n\r\n" + b"x" * 5000 + b"\r\n")[0])
    imap.select("Drafts")
    print(len(imap.uid("FETCH", "1:*", "(BODY.PEEK[])")[1][0][1]))
    imap.logout()
except (imaplib.IMAP4.abort, ssl.SSLError, OSError):
    print("cut")
"#;

#[test]
fn what_no_fault_concerns_passes() {
    let server = Dovecot::start();
    let gate = Gate::start(&server);
    assert_eq!(python::run(APPEND, gate.port(), &[]), "OK\n5016");
    assert_eq!(server.messages(AGENT.name, "Drafts").len(), 1);
    let commands = gate.commands();
    assert_eq!(commands[commands.len() - 4..], ["APPEND", "SELECT", "UID FETCH", "LOGOUT"]);
}

#[test]
fn a_cut_leaves_the_mailbox_as_it_says() {
    let server = Dovecot::start();
    let gate = Gate::start(&server);
    let expected = [(GateFault::CutBefore, 0), (GateFault::CutInside, 0), (GateFault::CutAfter, 1)];
    for (fault, stored) in expected {
        gate.fault("APPEND", fault, 1);
        assert_eq!(python::run(APPEND, gate.port(), &[]), "cut", "{fault:?}");
        assert_eq!(server.messages(AGENT.name, "Drafts").len(), stored, "{fault:?}");
    }
}

#[test]
fn a_held_command_goes_on_when_it_is_released() {
    let server = Dovecot::start();
    let gate = Gate::start(&server);
    for (fault, stored, after) in [(GateFault::HoldBefore, 0, 1), (GateFault::HoldAfter, 2, 2)] {
        gate.fault("APPEND", fault, 1);
        let client = python::command(APPEND, gate.port(), &[]).spawn().expect("python3 runs");
        gate.await_held();
        assert_eq!(server.messages(AGENT.name, "Drafts").len(), stored, "{fault:?}");
        gate.release();
        let output = client.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "OK\n5016\n", "{fault:?}");
        assert_eq!(server.messages(AGENT.name, "Drafts").len(), after, "{fault:?}");
    }
}

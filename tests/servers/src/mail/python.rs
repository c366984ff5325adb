//! Clients that nobody here wrote: Python's `imaplib` and `smtplib`.

use std::process::{Command, Stdio};

use super::ca_file;
use crate::program;

/// What every script begins with.
const PRELUDE: &str = "
import base64, imaplib, smtplib, socket, ssl, sys
PORT, ARGS = int(sys.argv[1]), sys.argv[3:]
CONTEXT = ssl.create_default_context(cafile=sys.argv[2])
";

/// What a script prints. It has `PORT`, `ARGS`, and `CONTEXT`, which trusts the authority.
pub(super) fn run(script: &str, port: u16, arguments: &[&str]) -> String {
    let output = command(script, port, arguments).output().expect("python3 runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// A script that runs while a test goes on.
pub(super) fn command(script: &str, port: u16, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("python3", "python3", &[]));
    command.arg("-c").arg(format!("{PRELUDE}{script}")).arg(port.to_string()).arg(ca_file());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

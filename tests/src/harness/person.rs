//! People with keys of their own, who decide on a terminal.

use std::process::Command;

use auth::Keys;
use auth::keys::NewKey;
use rexpect::session::spawn_command;

use super::{Folder, HANG, program};

/// What a command on a terminal came to.
#[derive(Debug)]
pub struct Decided {
    /// Whether it ended well.
    pub ok: bool,
    /// Everything it printed.
    pub output: String,
}

impl Folder {
    /// Makes an API key, for a person where one is named. The key itself is returned.
    pub fn key(&self, name: &str, person: Option<&str>) -> String {
        let new = NewKey {
            name: name.to_owned(),
            person: person.map(str::to_owned),
            roles: None,
            expires: None,
        };
        let (_, key) = self.keys().make(new, &mut |_| Ok(())).expect("a key");
        key.expose().to_owned()
    }

    /// Revokes a key.
    pub fn revoke(&self, name: &str) {
        self.keys().revoke(name, None, &mut |_| Ok(())).expect("revoked");
    }

    fn keys(&self) -> Keys {
        let folder = self.path("state/suite");
        state::private_folder(&folder).expect("a folder");
        Keys::new(&folder)
    }

    /// Decides about an approval as a person does: on a terminal, with a key typed there.
    pub fn decide(&self, verb: &str, id: &str, key: &str, reason: &str) -> Decided {
        // The fixture knows its own server, and the product all others.
        let config = std::fs::read_to_string(self.config()).expect("a configuration");
        let product = if config.contains("[servers.test]") { "fixture" } else { "suite" };
        let mut command = Command::new(program(product));
        command.args(["approvals", verb, id, "--reason", reason, "--config"]).arg(self.config());
        let wait = u64::try_from(HANG.as_millis()).expect("it fits");
        let mut terminal = spawn_command(command, Some(wait)).expect("a terminal");
        let mut output =
            terminal.exp_string("Your API key").unwrap_or_else(|error| panic!("{error}"));
        terminal.send_line(key).expect("typed");
        output.push_str(&terminal.exp_eof().expect("it ends"));
        let ok = terminal
            .process()
            .wait()
            .is_ok_and(|status| matches!(status, rexpect::process::WaitStatus::Exited(_, 0)));
        Decided { ok, output }
    }

    /// Says yes.
    pub fn approve(&self, id: &str, key: &str) -> Decided {
        self.decide("approve", id, key, "looked at it and it is right")
    }
}

/// The identity of the approval that an answer names.
pub fn approval(text: &str) -> String {
    let (_, rest) = text.split_once("Approval ").unwrap_or_else(|| panic!("no approval: {text}"));
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

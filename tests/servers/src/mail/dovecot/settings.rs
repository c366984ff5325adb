//! The settings of a private Dovecot.

use std::path::Path;
use std::process::Command;

use super::{Ports, token};
use crate::is_root;
use crate::mail::{AGENT, BOSS, Certificate};

/// The settings, with marks for what is different each time.
const TEMPLATE: &str = include_str!("dovecot.conf");

/// What the folders of a user are called and marked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Folders {
    /// `Drafts` and `Sent`, marked by SPECIAL-USE (RFC 6154).
    #[default]
    English,
    /// `Entwürfe` (in IMAP `Entw&APw-rfe`) and `Gesendet`, marked.
    Localised,
    /// `Drafts` and `Sent`, not marked; the server does not know SPECIAL-USE.
    Unmarked,
}

impl Folders {
    /// The name of the drafts' folder, as IMAP writes it.
    pub fn drafts(self) -> &'static str {
        if self == Self::Localised { "Entw&APw-rfe" } else { "Drafts" }
    }

    /// The name of the folder of sent mail, as IMAP writes it.
    pub fn sent(self) -> &'static str {
        if self == Self::Localised { "Gesendet" } else { "Sent" }
    }
}

/// How a server differs from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The folders of every user.
    pub folders: Folders,
    /// What it proves itself by.
    pub certificate: Certificate,
    /// Whether it encrypts. Without, there is no STARTTLS, as where somebody removes it on the
    /// way, and nothing at the port of IMAPS.
    pub tls: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self { folders: Folders::English, certificate: Certificate::Right, tls: true }
    }
}

/// Writes all files that the server reads.
pub(super) fn write(folder: &Path, ports: Ports, relay: u16, setting: Setting) {
    for below in ["run", "state", "mail", "keys/default/RS256"] {
        std::fs::create_dir_all(folder.join(below)).expect("a folder");
    }
    let (certificate, key) = setting.certificate.files();
    std::fs::copy(certificate, folder.join("server.pem")).expect("a copy");
    std::fs::copy(key, folder.join("server.key")).expect("a copy");
    std::fs::copy(token::public_key(), folder.join("keys/default/RS256/default")).expect("a copy");
    let passwords =
        [AGENT, BOSS].map(|account| format!("{}:{{PLAIN}}{}\n", account.name, account.password));
    let files = [
        ("passwords", passwords.concat()),
        ("oauth2.conf", oauth2(folder)),
        ("dovecot.conf", server(folder, ports, relay, setting)),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("a file");
    }
}

/// Tokens are checked by the key here, not by asking whoever issued them.
fn oauth2(folder: &Path) -> String {
    format!(
        "introspection_mode = local
local_validation_key_dict = fs:posix:prefix={}/keys/
username_attribute = preferred_username
issuers = {}
",
        folder.display(),
        token::ISSUER,
    )
}

fn server(folder: &Path, ports: Ports, relay: u16, setting: Setting) -> String {
    let (user, group) = if is_root() {
        ("nobody".to_owned(), "nogroup".to_owned())
    } else {
        (own("-un"), own("-gn"))
    };
    let (tls, imaps) = if setting.tls { ("yes", ports.imaps) } else { ("no", 0) };
    let capability = match setting.folders {
        Folders::Unmarked => "imap_capability = IMAP4rev1 LITERAL+ UIDPLUS ENABLE IDLE ID",
        _ => "",
    };
    let values = [
        ("@folder@", folder.display().to_string()),
        ("@user@", user),
        ("@group@", group),
        ("@tls@", tls.to_owned()),
        ("@imap@", ports.imap.to_string()),
        ("@imaps@", imaps.to_string()),
        ("@lmtp@", ports.lmtp.to_string()),
        ("@submission@", ports.submission.to_string()),
        ("@relay@", relay.to_string()),
        ("@capability@", capability.to_owned()),
        ("@mailboxes@", mailboxes(setting.folders)),
    ];
    let fill = |text: String, (mark, value): (&str, String)| text.replace(mark, &value);
    values.into_iter().fold(TEMPLATE.to_owned(), fill)
}

fn mailboxes(folders: Folders) -> String {
    let names = match folders {
        Folders::Localised => [("Entwürfe", r"\Drafts"), ("Gesendet", r"\Sent")],
        Folders::English => [("Drafts", r"\Drafts"), ("Sent", r"\Sent")],
        Folders::Unmarked => [("Drafts", ""), ("Sent", "")],
    };
    names
        .map(|(name, special_use)| {
            let mark = match special_use {
                "" => String::new(),
                mark => format!("    special_use = {mark}\n"),
            };
            format!("  mailbox {name} {{\n    auto = subscribe\n{mark}  }}\n")
        })
        .concat()
}

/// The name of the user or group that this program runs as.
fn own(of: &str) -> String {
    let output = Command::new("id").arg(of).output().expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

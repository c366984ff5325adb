//! Mail servers: a private [`Dovecot`] (IMAP, LMTP, submission) and an SMTP server of our own,
//! the [`Sink`], which records what reaches it, is strict, and fails on demand. A [`Gate`] lets
//! connections to the Dovecot fail. All show
//! certificates for `localhost` of one authority, [`ca_file`].

mod authority;
mod dovecot;
mod gate;
mod lmtp;
#[cfg(test)]
mod python;
mod sink;
mod wire;

pub use authority::{Certificate, ca_file};
pub use dovecot::{Dovecot, Folders, Mailbox, Setting, Stored, Token};
pub use gate::{Gate, GateFault};
pub use sink::{Extension, Fault, Login, Received, Security, Sink, SinkOptions};

/// Somebody whom every server here lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The name to sign in with.
    pub name: &'static str,
    /// The password.
    pub password: &'static str,
    /// The address whose mail arrives in the account's INBOX.
    pub address: &'static str,
}

/// Who writes.
pub const AGENT: Account =
    Account { name: "agent", password: "agentpw", address: "agent@example.test" };
/// Who is written to.
pub const BOSS: Account =
    Account { name: "boss", password: "bosspw", address: "boss@example.test" };

impl Account {
    /// The account of a name or an address.
    fn named(name: &str) -> Option<Self> {
        [AGENT, BOSS].into_iter().find(|account| [account.name, account.address].contains(&name))
    }
}

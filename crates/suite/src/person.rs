//! Who sits at this machine.

use contract::{Client, Identity, Proof};
use nix::unistd::{User, getuid};

/// The operating-system user of this process; by number where the machine knows no name.
pub(crate) fn os_user() -> Identity {
    let uid = getuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| format!("uid:{uid}"));
    Identity::new(format!("user:{name}"), Proof::OsUser { uid: uid.as_raw() })
}

/// Whoever can reach the loopback address, where no credential is asked for.
pub(crate) fn loopback() -> Identity {
    Identity::new("loopback", Proof::Loopback)
}

/// This program on a terminal, as the client of a call or a decision.
pub(crate) fn terminal() -> Client {
    Client {
        name: "suite".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        transport: "cli",
        protocol: String::new(),
    }
}

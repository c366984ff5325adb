//! Who sits at this machine.

use contract::Proof;
use nix::unistd::{User, getuid};

/// The operating-system user of this process; by number where the machine knows no name.
pub(crate) fn os_user() -> (String, Proof) {
    let uid = getuid();
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name);
    (name.unwrap_or_else(|| format!("uid:{uid}")), Proof::OsUser { uid: uid.as_raw() })
}

/// Whoever can reach the loopback address: known by nothing else until network identity exists.
pub(crate) fn loopback() -> (String, Proof) {
    ("loopback".to_owned(), Proof::Loopback)
}

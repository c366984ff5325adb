//! Who signed a commit or a tag, by the keys the operator names.
//!
//! A signature is good only where everything about it was checked: the bytes, the key, what the
//! key may be used for, and when. Whatever could not be checked has its own word, and is never
//! called good. Nobody is asked outside: no agent, no key server, no `gpg`, no `ssh-keygen`.

mod allowed;
mod openpgp;
mod payload;
mod signers;
mod ssh;

#[cfg(test)]
mod tests;

use std::fmt;

use contract::ToolError;
use gix_hash::ObjectId;
use gix_object::Kind;

use crate::view::View;
use payload::Signed;
pub(crate) use signers::{Signers, faults};

/// The longest signature that is looked at, in bytes.
const LONGEST: usize = 64 << 10;

/// What is known of a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// There is none.
    None,
    /// One of the declared keys made it, and was valid: who, and the fingerprint of the key.
    Good(String, String),
    /// It is not a signature of this content.
    Bad(&'static str),
    /// It was made by a key that is not among those declared.
    UnknownKey(String),
    /// It is a signature of this content by a declared key, which does not count; why.
    Untrusted(String),
    /// It was not checked; why.
    Unchecked(String),
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Signature::None => f.write_str("none"),
            Signature::Good(who, key) => write!(f, "good: {who} ({key})"),
            Signature::Bad(why) => write!(f, "bad: {why}"),
            Signature::UnknownKey(key) => write!(f, "unknown key {key}"),
            Signature::Untrusted(why) => write!(f, "untrusted: {why}"),
            Signature::Unchecked(why) => write!(f, "unchecked ({why})"),
        }
    }
}

impl View {
    /// The state of a commit's signature.
    pub(crate) fn signature_of(
        &mut self,
        commit: &ObjectId,
        signers: &Signers,
    ) -> Result<Signature, ToolError> {
        let hash = self.reader.hash();
        let data = self.reader.structure(commit, Kind::Commit)?;
        Ok(check(payload::of_commit(data, hash), signers))
    }

    /// The state of an annotated tag's signature, and what the tag says of itself.
    pub(crate) fn tag(
        &mut self,
        tag: &ObjectId,
        signers: &Signers,
    ) -> Result<(Signature, payload::Tag), ToolError> {
        let data = self.reader.structure(tag, Kind::Tag)?;
        let said = payload::tag(data);
        Ok((check(payload::of_tag(data), signers), said))
    }
}

fn check(signed: Option<Signed>, signers: &Signers) -> Signature {
    let Some(signed) = signed else { return Signature::None };
    if signed.signature.len() > LONGEST {
        return Signature::Unchecked("too long for a signature".to_owned());
    }
    let Ok(armour) = std::str::from_utf8(&signed.signature) else {
        return Signature::Bad("not text");
    };
    let armour = armour.trim();
    if armour.matches("-----BEGIN ").count() != 1 {
        return Signature::Bad("not exactly one signature");
    }
    let state = if armour.starts_with("-----BEGIN SSH SIGNATURE-----") {
        ssh::check(&signed, armour, &signers.ssh)
    } else if armour.starts_with("-----BEGIN PGP SIGNATURE-----") {
        openpgp::check(&signed, armour, &signers.openpgp, now())
    } else if armour.starts_with("-----BEGIN SIGNED MESSAGE-----") {
        Signature::Unchecked("X.509".to_owned())
    } else {
        Signature::Unchecked("of an unknown kind".to_owned())
    };
    match state {
        // The key may be in the file that cannot be read, and so may its revocation.
        Signature::UnknownKey(_) | Signature::Good(..) if signers.is_broken => {
            Signature::Unchecked(
                "a file of signers cannot be read; its operator's log says why".to_owned(),
            )
        }
        state => state,
    }
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Who a key belongs to, as the operator's file says it, on one short line.
fn shown(who: &str) -> String {
    contract::text::visible(who).replace(['\n', '\t'], " ").chars().take(120).collect()
}

//! Signatures by SSH keys (PROTOCOL.sshsig of OpenSSH), in the namespace `git`.

use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, PublicKey, SshSig};

use super::allowed::Allowed;
use super::payload::Signed;
use super::{Signature, shown};

/// Git signs in it.
const NAMESPACE: &str = "git";
/// Shorter RSA keys do not count.
const LEAST_RSA: usize = 2048;

/// Checks a signature against the declared keys.
pub(super) fn check(signed: &Signed, armour: &str, allowed: &[Allowed]) -> Signature {
    let Ok(signature) = SshSig::from_pem(armour) else {
        return Signature::Unchecked("an SSH signature of an unknown form".to_owned());
    };
    if signature.namespace() != NAMESPACE {
        let namespace = shown(signature.namespace());
        return Signature::Untrusted(format!("made for `{namespace}`, not for git"));
    }
    match signature.algorithm() {
        Algorithm::Ed25519
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256
        | Algorithm::Ecdsa { .. }
        | Algorithm::Rsa { hash: Some(_) } => {}
        Algorithm::Rsa { hash: None } | Algorithm::Dsa => {
            return Signature::Untrusted("made with SHA-1, which is refused".to_owned());
        }
        other => return Signature::Unchecked(shown(other.as_str())),
    }
    let key = PublicKey::from(signature.public_key().clone());
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    if key.verify(NAMESPACE, &signed.payload, &signature).is_err() {
        return Signature::Bad("the content is not what was signed");
    }
    let lines = allowed.iter().filter(|line| line.key == *key.key_data());
    let mut objection = None;
    for line in lines {
        match line.objection(NAMESPACE, signed.time) {
            None if is_weak(key.key_data()) => objection = Some("its RSA key is too short"),
            None => return Signature::Good(shown(&line.principals), fingerprint),
            Some(why) => objection = Some(why),
        }
    }
    match objection {
        Some(why) => Signature::Untrusted(format!("{why} ({fingerprint})")),
        None => Signature::UnknownKey(fingerprint),
    }
}

fn is_weak(key: &KeyData) -> bool {
    let bits = |bytes: &[u8]| bytes.len() * 8;
    key.rsa().is_some_and(|key| key.n.as_positive_bytes().is_none_or(|n| bits(n) < LEAST_RSA))
}

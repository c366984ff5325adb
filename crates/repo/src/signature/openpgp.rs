//! Signatures by `OpenPGP` keys (RFC 9580), as gpg(1) makes them for git.
//!
//! The library checks the bytes; what a key may do, and until when, is decided here, and rather
//! too strictly: content that was signed by SHA-1 or a short RSA key does not count, and a revoked or
//! expired key signs nothing that does, whenever the signature says it was made. What a key signed of
//! itself may be by SHA-1, as with many old keys: the operator vouches for the file it is in, and
//! nobody else can change it.

use pgp::composed::{Deserializable as _, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature as Packet, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{Duration, KeyDetails, KeyVersion, PublicParams, SignedUser, Tag};

use super::payload::Signed;
use super::{Signature, shown};
use crate::date;

/// Shorter RSA keys do not count, in bits.
const LEAST_RSA: u16 = 2048;
/// How far a clock may be ahead, in seconds.
const AHEAD: i64 = 86_400;

/// The certificates that may sign.
#[derive(Debug, Default)]
pub(super) struct Certificates {
    /// The certificates.
    pub(super) all: Vec<SignedPublicKey>,
    /// Every revocation of a key that stands anywhere among them.
    pub(super) revocations: Vec<Packet>,
}

/// Checks a signature against the declared certificates.
pub(super) fn check(
    signed: &Signed,
    armour: &str,
    certificates: &Certificates,
    now: i64,
) -> Signature {
    let parsed = DetachedSignature::from_string_many(armour);
    let parsed = parsed.and_then(|(found, _)| found.collect::<Result<Vec<_>, _>>());
    let signature = match parsed.as_deref() {
        Ok([one]) => &one.signature,
        Ok([]) | Err(_) => {
            return Signature::Unchecked("an OpenPGP signature of an unknown form".to_owned());
        }
        Ok(_) => return Signature::Bad("not exactly one signature"),
    };
    if let Err(refused) = acceptable(signature) {
        return refused;
    }
    let mut candidates = Vec::new();
    for certificate in &certificates.all {
        if made_by(signature, &certificate.primary_key) {
            candidates.push((certificate, None));
        }
        let subkeys = certificate.public_subkeys.iter();
        let own = subkeys.filter(|subkey| made_by(signature, &subkey.key));
        candidates.extend(own.map(|subkey| (certificate, Some(subkey))));
    }
    if candidates.is_empty() {
        return Signature::UnknownKey(issuer(signature));
    }
    let verified = candidates.into_iter().find(|(certificate, subkey)| {
        let payload = signed.payload.as_slice();
        match subkey {
            Some(subkey) => signature.verify(&subkey.key, payload).is_ok(),
            None => signature.verify(&certificate.primary_key, payload).is_ok(),
        }
    });
    let Some((certificate, subkey)) = verified else {
        return Signature::Bad("the content is not what was signed");
    };
    let revocations = &certificates.revocations;
    let found = Examined { certificate, revocations, now }.examine(signature, subkey);
    let key = format!("{:X}", certificate.primary_key.fingerprint());
    match found {
        Ok(who) => Signature::Good(who, key),
        Err(why) => Signature::Untrusted(format!("{why} ({key})")),
    }
}

/// Whether it is a kind of signature that is checked at all.
fn acceptable(signature: &Packet) -> Result<(), Signature> {
    let Some(config) = signature.config() else {
        return Err(Signature::Unchecked("an OpenPGP signature of an unknown version".to_owned()));
    };
    if config.typ != SignatureType::Binary {
        let why = "it is not about the bytes of the content";
        return Err(Signature::Unchecked(why.to_owned()));
    }
    if !is_strong(signature) {
        let hash = config.hash_alg;
        return Err(Signature::Untrusted(format!("made with {hash}, which is refused")));
    }
    let is_odd = |data: &SubpacketData| {
        matches!(
            data,
            SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
        )
    };
    if config.hashed_subpackets().any(|one| one.is_critical && is_odd(&one.data)) {
        let why = "its maker asks for rules that are not known here";
        return Err(Signature::Untrusted(why.to_owned()));
    }
    Ok(())
}

/// Whether nobody can find two contents with the same digest.
fn is_strong(signature: &Packet) -> bool {
    matches!(
        signature.hash_alg(),
        Some(
            HashAlgorithm::Sha224
                | HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
                | HashAlgorithm::Sha3_256
                | HashAlgorithm::Sha3_512
        )
    )
}

/// Whether a signature of a key on itself may count: see the head of this file.
fn is_known(own: &Packet) -> bool {
    is_strong(own) || own.hash_alg() == Some(HashAlgorithm::Sha1)
}

/// Whether a signature names a key as its maker.
fn made_by(signature: &Packet, key: &impl KeyDetails) -> bool {
    signature.issuer_fingerprint().contains(&&key.fingerprint())
        || signature.issuer_key_id().contains(&&key.legacy_key_id())
}

/// The key that a signature names.
fn issuer(signature: &Packet) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|one| format!("{one:X}"));
    let id = || signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase());
    fingerprint.or_else(id).unwrap_or_else(|| "without a name".to_owned())
}

/// A certificate that is examined at a moment.
struct Examined<'a> {
    certificate: &'a SignedPublicKey,
    revocations: &'a [Packet],
    now: i64,
}

impl Examined<'_> {
    /// Who made a signature that fits the content; why it does not count otherwise.
    fn examine(
        &self,
        signature: &Packet,
        subkey: Option<&SignedPublicSubKey>,
    ) -> Result<String, String> {
        let primary = &self.certificate.primary_key;
        let made = made(signature).ok_or("it has no date")?;
        if made > self.now + AHEAD {
            return Err("it is dated in the future".to_owned());
        }
        let until = signature.signature_expiration_time().map_or(0, Duration::as_secs);
        if until != 0 && made + i64::from(until) <= self.now {
            return Err(format!("it expired on {}", date::day(made + i64::from(until), 0)));
        }
        self.is_revoked()?;
        let users = self.users();
        let direct = self.certificate.details.direct_signatures.iter();
        let direct = direct.filter(|own| self.counts(own) && own.verify_key(primary).is_ok());
        let newest =
            direct.chain(users.iter().map(|(_, own)| *own)).max_by_key(|own| own.created());
        let newest = newest.ok_or("its key has no valid signature of its own")?;
        self.usable(primary, newest, made)?;
        match subkey {
            Some(subkey) => self.subkey(subkey, made)?,
            None if flags(newest).is_some_and(|may_sign| !may_sign) => {
                return Err("its key is not for signing".to_owned());
            }
            None => {}
        }
        let named = users.iter().max_by_key(|(_, own)| (own.is_primary(), own.created()));
        Ok(named.map_or_else(
            || "a key without a name".to_owned(),
            |(user, _)| shown(&String::from_utf8_lossy(user.id.id())),
        ))
    }

    /// Any revocation that names the key counts, and one that cannot be checked, too.
    fn is_revoked(&self) -> Result<(), String> {
        let primary = &self.certificate.primary_key;
        let about = |one: &&Packet| made_by(one, primary) || one.verify_key(primary).is_ok();
        let of_key = |one: &&Packet| one.typ() == Some(SignatureType::KeyRevocation);
        let own = &self.certificate.details.revocation_signatures;
        if !own.is_empty() || self.revocations.iter().filter(of_key).any(|one| about(&one)) {
            return Err("its key is revoked".to_owned());
        }
        Ok(())
    }

    /// The names of the key that it vouches for itself, each with the newest signature that does.
    fn users(&self) -> Vec<(&SignedUser, &Packet)> {
        let primary = &self.certificate.primary_key;
        let of = |user: &'_ SignedUser, one: &Packet| {
            one.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        let mut found = Vec::new();
        for user in &self.certificate.details.users {
            let revocation = |one: &&Packet| one.typ() == Some(SignatureType::CertRevocation);
            let own = user.signatures.iter().filter(|one| made_by(one, primary));
            if own.clone().filter(revocation).any(|one| of(user, one)) {
                continue;
            }
            let counting = own.filter(|one| !revocation(one) && self.counts(one) && of(user, one));
            if let Some(newest) = counting.max_by_key(|one| one.created()) {
                found.push((user, newest));
            }
        }
        found
    }

    /// Whether a signature on a key may count: by a known digest, dated, and not in the future.
    fn counts(&self, own: &Packet) -> bool {
        is_known(own) && made(own).is_some_and(|made| made <= self.now + AHEAD)
    }

    /// Whether a key may be used at all, by the newest signature on it.
    fn usable(&self, key: &impl KeyDetails, own: &Packet, made: i64) -> Result<(), String> {
        match (key.version(), key.public_params()) {
            (KeyVersion::V2 | KeyVersion::V3, _) | (_, PublicParams::DSA(_)) => {
                return Err("its key is of an old kind, which is refused".to_owned());
            }
            (_, PublicParams::RSA(_)) if rsa_bits(key.public_params()) < LEAST_RSA => {
                return Err("its RSA key is too short".to_owned());
            }
            _ => {}
        }
        let born = i64::from(key.created_at().as_secs());
        if made < born {
            return Err("it is older than its key".to_owned());
        }
        let after = own.key_expiration_time().map_or(0, Duration::as_secs);
        if after != 0 && born + i64::from(after) <= self.now {
            return Err(format!("its key expired on {}", date::day(born + i64::from(after), 0)));
        }
        Ok(())
    }

    /// Whether a subkey may sign: the primary key says so, and the subkey agrees.
    fn subkey(&self, subkey: &SignedPublicSubKey, made: i64) -> Result<(), String> {
        let primary = &self.certificate.primary_key;
        let bound = |one: &Packet| one.verify_subkey_binding(primary, &subkey.key).is_ok();
        let revocation = |one: &&Packet| one.typ() == Some(SignatureType::SubkeyRevocation);
        let is_revoked = subkey.signatures.iter().any(|one| revocation(&one))
            || self.revocations.iter().filter(revocation).any(bound);
        if is_revoked {
            return Err("its key is revoked".to_owned());
        }
        let counting = subkey.signatures.iter().filter(|one| self.counts(one) && bound(one));
        let newest = counting.max_by_key(|one| one.created());
        let newest = newest.ok_or("its subkey is not bound to the key")?;
        if flags(newest) != Some(true) {
            return Err("its key is not for signing".to_owned());
        }
        let agrees = newest.embedded_signature().is_some_and(|back| {
            is_known(back) && back.verify_primary_key_binding(&subkey.key, primary).is_ok()
        });
        if !agrees {
            return Err("its subkey does not vouch for the key".to_owned());
        }
        self.usable(&subkey.key, newest, made)
    }
}

/// When a signature says it was made, in seconds since 1970.
fn made(signature: &Packet) -> Option<i64> {
    signature.created().map(|made| i64::from(made.as_secs()))
}

/// Whether the flags of a key let it sign content; `None` where there are none.
fn flags(own: &Packet) -> Option<bool> {
    own.config()?.hashed_subpackets().find_map(|one| match &one.data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    })
}

/// The length of an RSA modulus: the number its wire form begins with (RFC 9580, 3.2).
fn rsa_bits(params: &PublicParams) -> u16 {
    let mut wire = Vec::new();
    match (params.to_writer(&mut wire), wire.first_chunk::<2>()) {
        (Ok(()), Some(length)) => u16::from_be_bytes(*length),
        _ => 0,
    }
}

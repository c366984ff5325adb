//! API keys: random, shown once, kept as keyed hashes (HMAC-SHA-256), with a name, an expiry, and
//! whose they are.
//!
//! Whoever uses a key asks the file each time whether it changed: a revocation counts at the next
//! request.

mod file;
mod text;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use contract::text::hex;
use contract::{Identity, Proof, Secret};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::Refusal;
use file::Stamp;

/// Whether a credential claims to be one of our keys, well-formed or not.
pub(crate) fn is_key(credential: &str) -> bool {
    text::is_key(credential)
}

/// Keys that cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The operating system's answer.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file that holds something else.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and the remedy.
        why: String,
    },
    /// A file that others can read.
    #[error("others than its owner can read {}: chmod 600 it, and think of every key as known", .0.display())]
    Exposed(PathBuf),
    /// A name that no key can have.
    #[error(
        "`{0}` cannot be a key's name: 1 to 64 of a-z, 0-9, `.`, `_`, `-`, beginning with a letter or digit"
    )]
    Name(String),
    /// A name that was given before. Records name keys, so a name is never used again.
    #[error(
        "there was a key `{0}` before, and a name is used once: choose another, such as `{0}-2`"
    )]
    Taken(String),
    /// A name that no key has.
    #[error("key {0}")]
    Unknown(String),
    /// A key that does not count any more.
    #[error("the key `{0}` was revoked before")]
    Revoked(String),
    /// The change could not be recorded, and was not made.
    #[error("no record, no change: {0}")]
    Record(Box<dyn std::error::Error + Send + Sync>),
}

impl KeysError {
    fn at(path: PathBuf) -> impl FnOnce(std::io::Error) -> Self {
        move |source| KeysError::File { path, source }
    }
}

/// What is kept of a key: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What people call it. Its identity is `key:` and this.
    pub name: String,
    /// The part of the key after `suite_` that is no secret: tells which key a leaked text is.
    pub id: String,
    /// HMAC-SHA-256 of the key under the pepper, in hexadecimal.
    hash: String,
    /// The person it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The only roles it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// When it was made.
    #[serde(with = "time")]
    pub created: SystemTime,
    /// When it ends; `None` is never.
    #[serde(default, with = "time::optional", skip_serializing_if = "Option::is_none")]
    pub expires: Option<SystemTime>,
    /// When and why it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Revoked>,
}

/// The end of a key before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// When.
    #[serde(with = "time")]
    pub at: SystemTime,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a key counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It counts.
    Valid,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl Key {
    /// Whether it counts at this time.
    pub fn standing(&self, now: SystemTime) -> Standing {
        match (&self.revoked, self.expires) {
            (Some(_), _) => Standing::Revoked,
            (None, Some(end)) if end <= now => Standing::Expired,
            _ => Standing::Valid,
        }
    }

    fn identity(&self) -> Identity {
        Identity {
            person: self.person.clone(),
            only: self.roles.clone(),
            ..Identity::new(format!("key:{}", self.name), Proof::ApiKey { key: self.name.clone() })
        }
    }
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// The person it is for.
    pub person: Option<String>,
    /// The only roles it may use.
    pub roles: Option<Vec<String>>,
    /// When it ends; `None` is never.
    pub expires: Option<SystemTime>,
}

/// Puts a change on record before it is made; what fails there is not changed.
pub type Recorder<'a> =
    &'a mut dyn FnMut(&Key) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// The keys in one folder.
#[derive(Debug)]
pub struct Keys {
    folder: PathBuf,
    held: RwLock<Option<Arc<Held>>>,
}

/// One version of the file.
#[derive(Debug)]
struct Held {
    stamp: Stamp,
    pepper: hmac::Key,
    by_id: HashMap<String, Key>,
}

impl Keys {
    /// The keys of the operator's folder (`state/suite`). They stand in a folder of their own,
    /// `keys`, so that a server that reads them reads nothing else of the operator's. Nothing is
    /// read yet.
    pub fn new(operator: &Path) -> Self {
        Self { folder: operator.join("keys"), held: RwLock::default() }
    }

    /// Whose key this is. Blanks around it are not part of it.
    pub fn verify(&self, key: &str) -> Result<Identity, Refusal> {
        let key = key.trim();
        let id = text::id(key)
            .ok_or(Refusal::invalid("the API key is mangled: a character is missing or wrong"))?;
        let held = self.held().map_err(|error| {
            tracing::error!(%error, "API keys cannot be read: no key counts");
            Refusal::Unavailable("API keys cannot be checked now; tell the operator".to_owned())
        })?;
        let unknown = Refusal::invalid("the API key is unknown");
        let Some(held) = held else { return Err(unknown) };
        let Some(found) = held.by_id.get(id) else { return Err(unknown) };
        let hash = unhex(&found.hash).unwrap_or_default();
        // Compares in constant time; the part that found the entry is public.
        hmac::verify(&held.pepper, key.as_bytes(), &hash).map_err(|_| unknown)?;
        match found.standing(SystemTime::now()) {
            Standing::Valid => Ok(found.identity()),
            Standing::Expired => {
                Err(Refusal::Invalid(format!("the API key {} has expired", found.name).into()))
            }
            Standing::Revoked => {
                Err(Refusal::Invalid(format!("the API key {} was revoked", found.name).into()))
            }
        }
    }

    /// Whether the key of this name, with or without `key:` before it, counts now.
    pub fn is_valid(&self, name: &str) -> Result<bool, KeysError> {
        let name = name.strip_prefix("key:").unwrap_or(name);
        let held = self.held()?;
        let keys = held.iter().flat_map(|held| held.by_id.values());
        let now = SystemTime::now();
        Ok(keys.into_iter().any(|key| key.name == name && key.standing(now) == Standing::Valid))
    }

    /// All keys there ever were, the oldest first.
    pub fn list(&self) -> Result<Vec<Key>, KeysError> {
        Ok(file::read(&self.folder)?.map(|(_, keys)| keys).unwrap_or_default())
    }

    /// Makes a key, after `record` has put it on record. The text is in the answer and nowhere
    /// else.
    pub fn make(&self, new: NewKey, record: Recorder<'_>) -> Result<(Key, Secret), KeysError> {
        check_name(&new.name)?;
        let _lock = file::lock(&self.folder)?;
        let mut keys = self.list()?;
        if keys.iter().any(|key| key.name == new.name) {
            return Err(KeysError::Taken(new.name));
        }
        let pepper = file::pepper_or_new(&self.folder, !keys.is_empty())?;
        let (id, secret) = text::fresh()
            .map_err(|error| KeysError::at(self.folder.clone())(std::io::Error::other(error)))?;
        let key = Key {
            name: new.name,
            id,
            hash: hex(hmac::sign(&pepper, secret.expose().as_bytes()).as_ref()),
            person: new.person,
            roles: new.roles,
            created: SystemTime::now(),
            expires: new.expires,
            revoked: None,
        };
        record(&key).map_err(KeysError::Record)?;
        keys.push(key.clone());
        file::write(&self.folder, keys)?;
        Ok((key, secret))
    }

    /// Ends a key, after `record` has put that on record.
    pub fn revoke(
        &self,
        name: &str,
        reason: Option<String>,
        record: Recorder<'_>,
    ) -> Result<Key, KeysError> {
        let name = name.strip_prefix("key:").unwrap_or(name);
        let _lock = file::lock(&self.folder)?;
        let mut keys = self.list()?;
        let names: Vec<String> = keys.iter().map(|key| key.name.clone()).collect();
        let Some(key) = keys.iter_mut().find(|key| key.name == name) else {
            return Err(KeysError::Unknown(contract::schema::unknown(name, &names)));
        };
        if key.revoked.is_some() {
            return Err(KeysError::Revoked(name.to_owned()));
        }
        key.revoked = Some(Revoked { at: SystemTime::now(), reason });
        let revoked = key.clone();
        record(&revoked).map_err(KeysError::Record)?;
        file::write(&self.folder, keys)?;
        Ok(revoked)
    }

    /// The file as it is now: read again when it changed.
    fn held(&self) -> Result<Option<Arc<Held>>, KeysError> {
        let now = file::stamp(&self.folder)?;
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        if held.as_ref().map(|held| held.stamp) == now {
            return Ok(held);
        }
        let fresh = match (file::read(&self.folder)?, file::pepper(&self.folder)?) {
            (Some((stamp, keys)), Some(pepper)) => {
                let by_id = keys.into_iter().map(|key| (key.id.clone(), key)).collect();
                Some(Arc::new(Held { stamp, pepper, by_id }))
            }
            _ => None,
        };
        self.held.write().unwrap_or_else(PoisonError::into_inner).clone_from(&fresh);
        Ok(fresh)
    }
}

fn check_name(name: &str) -> Result<(), KeysError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_right = name.len() <= 64
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'.' | b'_' | b'-'));
    if is_right { Ok(()) } else { Err(KeysError::Name(name.chars().take(100).collect())) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

/// Times in the file are text (RFC 3339).
mod time {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        time: &SystemTime,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_seconds(*time))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }

    /// The same for a time that may be missing.
    pub(super) mod optional {
        use std::time::SystemTime;

        use serde::{Deserialize, Deserializer, Serializer};

        #[derive(Deserialize)]
        struct Time(#[serde(with = "super")] SystemTime);

        #[expect(clippy::ref_option, reason = "serde asks for this signature")]
        pub(in crate::keys) fn serialize<S: Serializer>(
            time: &Option<SystemTime>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        pub(in crate::keys) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<SystemTime>, D::Error> {
            Ok(Option::<Time>::deserialize(deserializer)?.map(|time| time.0))
        }
    }
}

#[cfg(test)]
mod tests;

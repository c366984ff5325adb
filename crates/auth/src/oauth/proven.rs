//! Tokens that were checked a moment ago, by their SHA-256: a call with one costs a look-up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use contract::Identity;

/// The most tokens that are remembered.
const MOST: usize = 4096;
/// How long a token is remembered at most; it is never remembered beyond its end.
const LONGEST: Duration = Duration::from_mins(1);

/// A token that was checked.
#[derive(Clone, Debug)]
pub(super) struct Proven {
    pub(super) identity: Arc<Identity>,
    pub(super) scopes: Arc<[String]>,
    /// Which of the issuer's answers had its key.
    pub(super) generation: u64,
    until: SystemTime,
}

/// The tokens that are remembered.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<Digest, Proven>>);

/// SHA-256 of a token.
type Digest = [u8; 32];

/// What a token is remembered by.
pub(super) fn digest(token: &str) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    std::array::from_fn(|index| digest.as_ref()[index])
}

impl Memory {
    pub(super) fn find(&self, token: &Digest, generation: u64, now: SystemTime) -> Option<Proven> {
        let found = self.lock().get(token).cloned()?;
        (found.generation == generation && now < found.until).then_some(found)
    }

    pub(super) fn keep(
        &self,
        token: Digest,
        identity: Arc<Identity>,
        scopes: Arc<[String]>,
        generation: u64,
        (now, expires): (SystemTime, SystemTime),
    ) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.retain(|_, proven| now < proven.until);
        }
        if kept.len() >= MOST {
            kept.clear();
        }
        let until = expires.min(now + LONGEST);
        kept.insert(token, Proven { identity, scopes, generation, until });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Proven>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use contract::Proof;

    use super::*;

    fn keep(memory: &Memory, token: &str, now: SystemTime, expires: SystemTime) {
        let identity = Arc::new(Identity::new("sub:ann", Proof::Loopback));
        memory.keep(digest(token), identity, Arc::default(), 7, (now, expires));
    }

    #[test]
    fn a_token_is_remembered_for_a_minute_and_never_beyond_its_end() {
        let (memory, now) = (Memory::default(), SystemTime::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        keep(&memory, "short", now, after(10));
        keep(&memory, "long", now, after(1000));
        let is_kept = |token, generation, seconds| {
            memory.find(&digest(token), generation, after(seconds)).is_some()
        };
        assert!(is_kept("short", 7, 9) && !is_kept("short", 7, 10));
        assert!(is_kept("long", 7, 59) && !is_kept("long", 7, 60));
        assert!(!is_kept("long", 8, 0), "the issuer's keys have changed");
        assert!(!is_kept("other", 7, 0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (memory, now) = (Memory::default(), SystemTime::now());
        for number in 0..MOST + 10 {
            keep(&memory, &number.to_string(), now, now + LONGEST);
        }
        assert!(memory.lock().len() <= MOST);
    }
}

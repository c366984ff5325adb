//! The issuer's keys, kept: asked for again when they are old or a token names an unknown one, by
//! one request at a time, a few times a minute at most. While the issuer is down the kept ones
//! keep working, for a day.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contract::ctx::BoxFuture;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde_json::Value;
use tokio::time::Instant;

use crate::Refusal;

/// After this time the keys are asked for again, in the background.
const FRESH: Duration = Duration::from_mins(5);
/// After this time nobody is let in before they were asked for again: a key that the issuer has
/// taken back must not count because nobody came by for a while.
const STALE: Duration = Duration::from_mins(15);
/// After this time without an answer from the issuer, its keys count no more.
const LAST: Duration = Duration::from_hours(24);
/// The issuer is asked this often in a row, and then once in the time.
const BURST: std::num::NonZeroU32 = std::num::NonZeroU32::new(4).expect("not zero");
const PACE: Duration = Duration::from_secs(10);
/// The most keys that are kept.
const MOST: usize = 100;

/// Asks the issuer.
pub(super) type Ask = Box<dyn Fn() -> BoxFuture<'static, Result<Vec<Value>, String>> + Send + Sync>;

/// The issuer's keys.
pub(super) struct Jwks {
    ask: Ask,
    held: RwLock<Option<Arc<KeySet>>>,
    /// Held while the issuer is asked.
    asking: Arc<tokio::sync::Mutex<()>>,
    /// Whether the last answer was an error.
    failed: AtomicBool,
    pace: DefaultDirectRateLimiter,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jwks").field("held", &self.held).finish_non_exhaustive()
    }
}

/// One answer of the issuer.
#[derive(Debug)]
pub(super) struct KeySet {
    keys: Vec<SigningKey>,
    asked: Instant,
    /// Counts the answers that differ from the one before.
    pub(super) generation: u64,
    raw: Vec<Value>,
}

/// A key that signs tokens.
#[derive(Clone, Debug)]
pub(super) struct SigningKey {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    curve: Option<Algorithm>,
    pub(super) key: DecodingKey,
}

impl SigningKey {
    /// A public key for signatures; none where it is of another use or kind.
    fn of(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let is_other = jwk
            .common
            .public_key_use
            .as_ref()
            .is_some_and(|r#use| *r#use != PublicKeyUse::Signature)
            || jwk
                .common
                .key_operations
                .as_ref()
                .is_some_and(|all| !all.contains(&KeyOperations::Verify));
        if is_other {
            return None;
        }
        let curve = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => None,
            AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
                jsonwebtoken::jwk::EllipticCurve::P256 => Some(Algorithm::ES256),
                jsonwebtoken::jwk::EllipticCurve::P384 => Some(Algorithm::ES384),
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => Some(Algorithm::EdDSA),
            _ => return None,
        };
        let algorithm = match jwk.common.key_algorithm {
            Some(named) => Some(named.to_string().parse().ok()?),
            None => None,
        };
        Some(Self {
            id: jwk.common.key_id.clone(),
            algorithm,
            curve,
            key: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }

    /// Whether the key may check signatures of this algorithm.
    fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm)
            && self.key.family() == algorithm.family()
            && (algorithm.family() == AlgorithmFamily::Rsa || self.curve == Some(algorithm))
    }
}

impl KeySet {
    /// The key that a token's header asks for. Without an id the one that fits, if only one does.
    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&SigningKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.fits(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Some(key),
            _ => None,
        }
    }
}

impl Jwks {
    pub(super) fn new(ask: Ask) -> Self {
        let quota = Quota::with_period(PACE).unwrap_or(Quota::per_minute(BURST)).allow_burst(BURST);
        Self {
            ask,
            held: RwLock::default(),
            asking: Arc::default(),
            failed: AtomicBool::new(false),
            pace: RateLimiter::direct(quota),
        }
    }

    /// Which answer of the issuer is in force; `None` where a new one is due.
    pub(super) fn generation(&self) -> Option<u64> {
        self.held().filter(|held| held.asked.elapsed() < FRESH).map(|held| held.generation)
    }

    /// The key that a token's header asks for, and the generation it is of.
    pub(super) async fn find(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(SigningKey, u64), Refusal> {
        let held = self.held();
        let failed = self.failed.load(Ordering::Relaxed);
        if let (Some(found), Some(kept)) = (look(held.as_ref(), id, algorithm), &held) {
            let age = kept.asked.elapsed();
            if age >= FRESH && age < LAST {
                self.refresh_in_background();
            }
            if age < STALE || (failed && age < LAST) {
                return Ok(found);
            }
        }
        let _asking = self.asking.lock().await;
        // Somebody else may have asked while this one waited.
        if self.held().map(|held| held.asked) == held.map(|held| held.asked) {
            self.refresh().await;
        }
        let held = self.held().filter(|held| held.asked.elapsed() < LAST);
        match look(held.as_ref(), id, algorithm) {
            Some(found) => Ok(found),
            None if held.is_none() || self.failed.load(Ordering::Relaxed) => {
                Err(Refusal::Unavailable(UNREACHABLE.to_owned()))
            }
            None => Err(UNKNOWN),
        }
    }

    fn refresh_in_background(self: &Arc<Self>) {
        let Ok(asking) = Arc::clone(&self.asking).try_lock_owned() else { return };
        let jwks = Arc::clone(self);
        tokio::spawn(async move {
            jwks.refresh().await;
            drop(asking);
        });
    }

    fn held(&self) -> Option<Arc<KeySet>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the issuer, unless that was done too often. Only while holding `asking`.
    async fn refresh(&self) {
        if self.pace.check().is_err() {
            return;
        }
        let mut raw = match (self.ask)().await {
            Ok(raw) => raw,
            Err(why) => {
                tracing::warn!(%why, "the issuer's keys cannot be had");
                self.failed.store(true, Ordering::Relaxed);
                return;
            }
        };
        self.failed.store(false, Ordering::Relaxed);
        raw.truncate(MOST);
        let before = self.held();
        let generation = match &before {
            Some(before) if before.raw == raw => before.generation,
            Some(before) => before.generation + 1,
            None => 0,
        };
        let keys = raw.iter().filter_map(SigningKey::of).collect();
        let set = KeySet { keys, asked: Instant::now(), generation, raw };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(set));
    }
}

const UNREACHABLE: &str = "the issuer of access tokens cannot be reached, and its keys are needed \
    to check this one; try again in some seconds";

const UNKNOWN: Refusal =
    Refusal::invalid("the access token is signed with a key that its issuer does not have");

fn look(
    held: Option<&Arc<KeySet>>,
    id: Option<&str>,
    algorithm: Algorithm,
) -> Option<(SigningKey, u64)> {
    held.and_then(|held| Some((held.find(id, algorithm)?.clone(), held.generation)))
}

#[cfg(test)]
mod tests;

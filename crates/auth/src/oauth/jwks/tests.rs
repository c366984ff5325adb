//! The issuer's keys, by an issuer whose answers and clock the test chooses.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use serde_json::json;

use super::*;

/// An issuer whose answers a test chooses, and which counts the questions.
#[derive(Default)]
struct Fake {
    answer: Mutex<Option<Vec<Value>>>,
    asked: AtomicUsize,
}

impl Fake {
    fn with(ids: &[&str]) -> (Arc<Self>, Arc<Jwks>) {
        let fake = Arc::new(Self::default());
        fake.answers(Some(ids));
        let asked = Arc::clone(&fake);
        let jwks = Jwks::new(Box::new(move || {
            asked.asked.fetch_add(1, Ordering::Relaxed);
            let answer = asked.answer.lock().expect("a lock").clone();
            Box::pin(async move {
                // Long enough for others to come meanwhile.
                tokio::task::yield_now().await;
                answer.ok_or_else(|| "the issuer is down".to_owned())
            })
        }));
        (fake, Arc::new(jwks))
    }

    fn answers(&self, ids: Option<&[&str]>) {
        let keys = ids.map(|ids| ids.iter().map(|id| key(id)).collect());
        *self.answer.lock().expect("a lock") = keys;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

/// The key of RFC 7515, A.3.
fn key(id: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": id,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"})
}

async fn find(jwks: &Arc<Jwks>, id: &str) -> Result<(), Refusal> {
    jwks.find(Some(id), Algorithm::ES256).await.map(|_| ())
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_however_many_wait() {
    let (fake, jwks) = Fake::with(&["one"]);
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let jwks = Arc::clone(&jwks);
            tokio::spawn(async move { find(&jwks, "one").await })
        })
        .collect();
    for task in waiting {
        task.await.expect("it ends").expect("found");
    }
    assert_eq!(fake.asked(), 1);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_the_old_one_gone() {
    let (fake, jwks) = Fake::with(&["one"]);
    find(&jwks, "one").await.expect("found");
    let before = jwks.generation();
    fake.answers(Some(&["two"]));
    find(&jwks, "two").await.expect("found");
    assert_ne!(jwks.generation(), before);
    assert_eq!(find(&jwks, "one").await, Err(UNKNOWN));
}

#[tokio::test]
async fn made_up_keys_do_not_make_us_flood_the_issuer() {
    let (fake, jwks) = Fake::with(&["one"]);
    for number in 0..200 {
        assert_eq!(find(&jwks, &format!("made-up-{number}")).await, Err(UNKNOWN));
    }
    assert!(fake.asked() <= 5, "{}", fake.asked());
    find(&jwks, "one").await.expect("known keys go on");
}

#[tokio::test(start_paused = true)]
async fn kept_keys_work_while_the_issuer_is_down() {
    let (fake, jwks) = Fake::with(&["one"]);
    find(&jwks, "one").await.expect("found");
    fake.answers(None);
    for hours in 1..24 {
        tokio::time::advance(Duration::from_mins(59)).await;
        find(&jwks, "one").await.unwrap_or_else(|error| panic!("after {hours} h: {error}"));
    }
    assert!(matches!(find(&jwks, "two").await, Err(Refusal::Unavailable(_))));
    tokio::time::advance(Duration::from_hours(2)).await;
    assert!(matches!(find(&jwks, "one").await, Err(Refusal::Unavailable(_))), "for a day at most");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_taken_back_ends_though_nobody_came_by() {
    let (fake, jwks) = Fake::with(&["one"]);
    find(&jwks, "one").await.expect("found");
    fake.answers(Some(&["two"]));
    tokio::time::advance(STALE).await;
    assert_eq!(find(&jwks, "one").await, Err(UNKNOWN));
}

#[tokio::test]
async fn an_issuer_that_never_answered_is_said_to_be_down() {
    let (fake, jwks) = Fake::with(&[]);
    fake.answers(None);
    assert!(matches!(find(&jwks, "one").await, Err(Refusal::Unavailable(_))));
    fake.answers(Some(&["one"]));
    find(&jwks, "one").await.expect("found once it is up");
}

#[test]
fn a_key_of_another_use_kind_or_curve_is_none() {
    let fits = |change: Value, algorithm| {
        let mut jwk = key("one");
        jwk.as_object_mut().expect("a table").extend(change.as_object().expect("a table").clone());
        SigningKey::of(&jwk).is_some_and(|key| key.fits(algorithm))
    };
    assert!(fits(json!({}), Algorithm::ES256));
    assert!(fits(json!({"use": "sig", "alg": "ES256", "key_ops": ["verify"]}), Algorithm::ES256));
    for change in [
        json!({"use": "enc"}),
        json!({"key_ops": ["sign"]}),
        json!({"alg": "ES384"}),
        json!({"crv": "P-384"}),
        json!({"kty": "oct", "k": "c2VjcmV0"}),
        json!({"kty": "RSA"}),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
    ] {
        assert!(!fits(change.clone(), Algorithm::ES256), "{change}");
    }
    assert!(!fits(json!({}), Algorithm::ES384) && !fits(json!({}), Algorithm::HS256));
    let secret = json!({"kty": "oct", "k": "c2VjcmV0", "kid": "one", "alg": "HS256"});
    assert!(SigningKey::of(&secret).is_none(), "a shared secret never checks a token");
}

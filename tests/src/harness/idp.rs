//! An authorization server on a loopback port whose keys and tokens a test chooses, also wrong
//! ones; it keeps all that is sent to it. Real ones are in `tests/judges`.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING as ES256, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The server that tokens are for, unless a test says otherwise.
pub const RESOURCE: &str = "https://suite.example/mcp";

/// An issuer of access tokens.
pub struct Idp {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    key: EcdsaKeyPair,
    /// The number of the key in force; its id is `k` and this.
    number: u32,
    is_up: bool,
    heard: Vec<u8>,
}

impl Idp {
    /// Starts one, with the key `k1`.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let inner = Inner { key: fresh_key(), number: 1, is_up: true, heard: Vec::new() };
        let inner = Arc::new(Mutex::new(inner));
        let serving = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, address, &serving);
            }
        });
        Self { address, inner }
    }

    /// Its identifier.
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on another key signs, and the one before is gone.
    pub fn rotate(&self) {
        let mut inner = lock(&self.inner);
        inner.key = fresh_key();
        inner.number += 1;
    }

    /// From now on every connection ends without an answer, or no longer does.
    pub fn set_up(&self, is_up: bool) {
        lock(&self.inner).is_up = is_up;
    }

    /// All that was ever sent to it.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&lock(&self.inner).heard).into_owned()
    }

    /// The public key in force.
    pub fn public_key(&self) -> Vec<u8> {
        lock(&self.inner).key.public_key().as_ref().to_vec()
    }

    /// The claims of a token that counts for five minutes, changed; `null` removes one.
    pub fn claims(&self, change: &Value) -> Value {
        let mut claims = json!({"iss": self.issuer(), "aud": RESOURCE, "sub": "00u1", "exp": now() + 300,
            "iat": now(), "scope": "docs:read", "client_id": "host"});
        lay(&mut claims, change);
        claims
    }

    /// A token with these changes in header and claims, signed with the key in force.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        let inner = lock(&self.inner);
        let id = format!("k{}", inner.number);
        drop(inner);
        let mut head = json!({"alg": "ES256", "typ": "at+jwt", "kid": id});
        lay(&mut head, header);
        let message = message(&head, &self.claims(claims));
        sign(&lock(&self.inner).key, &message)
    }

    /// The same, signed with a key that is not the issuer's.
    pub fn forged(&self, claims: &Value) -> String {
        let token = self.token(&json!({}), claims);
        let message = token.rsplit_once('.').map(|(message, _)| message).unwrap_or_default();
        sign(&fresh_key(), message)
    }
}

/// Seconds since 1970, as tokens count.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

/// Header and claims of a token, without a signature.
pub fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn sign(key: &EcdsaKeyPair, message: &str) -> String {
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn fresh_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ES256, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ES256, document.as_ref(), &random).expect("a key")
}

fn lay(value: &mut Value, change: &Value) {
    let fields = value.as_object_mut().expect("a table");
    for (name, value) in change.as_object().expect("a table") {
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.clone(), value.clone()),
        };
    }
}

fn answer(mut stream: TcpStream, address: SocketAddr, inner: &Mutex<Inner>) {
    let mut request = vec![0; 16 << 10];
    let length = stream.read(&mut request).unwrap_or(0);
    let mut inner = lock(inner);
    inner.heard.extend(&request[..length]);
    if !inner.is_up {
        return;
    }
    let body = if request.starts_with(b"GET /jwks ") {
        let point = inner.key.public_key().as_ref();
        let half = |half: &[u8]| URL_SAFE_NO_PAD.encode(half);
        json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
            "kid": format!("k{}", inner.number), "x": half(&point[1..33]), "y": half(&point[33..])}]})
    } else {
        json!({"issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/jwks")})
    };
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = stream.write_all((head + &body).as_bytes());
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Tokens, right and wrong, against an issuer on a loopback port.

use std::net::SocketAddr;
use std::sync::Mutex;

use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const RESOURCE: &str = "https://suite.example/mcp";

/// An issuer on a loopback port, with one key.
struct Idp {
    key: EcdsaKeyPair,
    address: SocketAddr,
    /// Everything that was sent to it.
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Idp {
    async fn start() -> Self {
        let key = fresh_key();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let metadata = json!({"issuer": format!("http://{address}"), "jwks_uri": format!("http://{address}/jwks")});
        let keys = json!({"keys": [{"kty": "oct", "k": "eA"}, {"broken": 1}, jwk(&key, "k1")]});
        let listening = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                listening.lock().expect("a lock").extend(&request[..length]);
                let is_jwks = request.starts_with(b"GET /jwks ");
                let body = if is_jwks { keys.to_string() } else { metadata.to_string() };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(format!("{answer}{body}").as_bytes()).await;
            }
        });
        Self { key, address, heard }
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    fn oauth(&self, change: Value, required: &[&str]) -> OAuth {
        let mut settings = json!({"issuer": self.issuer()});
        merge(&mut settings, change);
        let settings: OAuthSettings = serde_json::from_value(settings).expect("settings");
        let required = required.iter().map(|scope| (*scope).to_owned()).collect();
        OAuth::new(&settings, Path::new("/"), RESOURCE, required).expect("settings that work")
    }

    fn claims(&self, change: Value) -> Value {
        let mut claims = json!({"iss": self.issuer(), "aud": RESOURCE, "sub": "00u1", "exp": now() + 300,
            "iat": now(), "scope": "docs:read", "client_id": "host"});
        merge(&mut claims, change);
        claims
    }

    fn token(&self, header: Value, claims: Value) -> String {
        let mut head = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"});
        merge(&mut head, header);
        sign(&self.key, &head, &self.claims(claims))
    }
}

fn fresh_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random)
        .expect("a key")
}

fn jwk(key: &EcdsaKeyPair, id: &str) -> Value {
    let point = key.public_key().as_ref();
    json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
        "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..])})
}

fn unsigned(head: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(head), part(claims))
}

fn sign(key: &EcdsaKeyPair, head: &Value, claims: &Value) -> String {
    let message = unsigned(head, claims);
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).expect("signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Lays `change` over `value`; null removes.
fn merge(value: &mut Value, change: Value) {
    let Value::Object(change) = change else { panic!("not a table") };
    let table = value.as_object_mut().expect("a table");
    for (name, value) in change {
        if value.is_null() {
            table.remove(&name)
        } else {
            table.insert(name, value)
        };
    }
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

/// The reason why a token is refused as invalid (401).
async fn refused(oauth: &OAuth, token: &str) -> String {
    match oauth.verify(token).await {
        Err(Refusal::Invalid(why)) => why.into_owned(),
        other => panic!("{other:?}"),
    }
}

async fn check(header: Value, claims: Value, why: &str) {
    let idp = Idp::start().await;
    let token = idp.token(header.clone(), claims.clone());
    let found = refused(&idp.oauth(json!({}), &[]), &token).await;
    assert!(found.contains(why), "{header} {claims}: {found}");
}

#[tokio::test]
async fn a_token_proves_its_subject_groups_and_scopes() {
    let idp = Idp::start().await;
    let scopes = json!({"scopes": {"docs:read": ["reader"], "docs:all": ["reader", "writer"]}, "groups": "groups"});
    let oauth = idp.oauth(scopes, &["docs:read"]);
    let token = idp.token(
        json!({}),
        json!({"scope": "docs:all other docs:read", "groups": ["platform", 7, "a\u{0}b"],
        "aud": ["https://other.example", RESOURCE], "act": {"sub": "agent-7"}}),
    );
    let identity = oauth.verify(&token).await.expect("it counts");
    assert_eq!((identity.name.as_str(), identity.actor.as_deref()), ("sub:00u1", Some("agent-7")));
    assert_eq!(identity.brings, ["reader", "writer"]);
    assert_eq!(identity.groups, ["platform"]);
    assert_eq!(identity.proof, contract::Proof::AccessToken { issuer: idp.issuer() });
    assert!(identity.person.is_none() && identity.only.is_none());
    let again = oauth.verify(&token).await.expect("it counts");
    assert!(Arc::ptr_eq(&identity, &again), "the second time it is remembered");
}

#[tokio::test]
async fn claims_stand_where_the_settings_say() {
    let idp = Idp::start().await;
    let settings = json!({"groups": "/realm_access/roles", "subject": "email", "audience": "api://suite",
        "scopes": {"x": ["reader"]}});
    let claims = json!({"realm_access": {"roles": ["ops"]}, "email": "ann@acme.example", "aud": "api://suite",
        "scope": null, "scp": ["x"], "client_id": null, "azp": "portal"});
    let oauth = idp.oauth(settings, &[]);
    let identity = oauth.verify(&idp.token(json!({"typ": null}), claims)).await.expect("it counts");
    assert_eq!(
        (identity.name.as_str(), identity.groups.clone()),
        ("sub:ann@acme.example", vec!["ops".to_owned()])
    );
    assert_eq!(
        (identity.brings.clone(), identity.actor.as_deref()),
        (vec!["reader".to_owned()], Some("portal"))
    );
    let other = idp.token(json!({}), json!({"email": "ann@acme.example"}));
    assert!(
        refused(&oauth, &other).await.contains("another server"),
        "the address no longer counts"
    );
}

#[tokio::test]
async fn wrong_aud() {
    for aud in [
        json!("https://other.example/mcp"),
        json!([]),
        json!(["x"]),
        json!("https://suite.example"),
        json!("https://suite.example/mcp/"),
    ] {
        check(json!({}), json!({"aud": aud}), "another server").await;
    }
    check(json!({}), json!({"aud": null}), "claim aud is missing").await;
    check(json!({}), json!({"aud": {"x": 1}}), "claim aud").await;
}

#[tokio::test]
async fn wrong_iss() {
    check(json!({}), json!({"iss": "https://evil.example"}), "another issuer").await;
    check(json!({}), json!({"iss": null}), "claim iss is missing").await;
    let idp = Idp::start().await;
    let both = idp.token(json!({}), json!({"iss": [idp.issuer(), "https://evil.example"]}));
    assert!(refused(&idp.oauth(json!({}), &[]), &both).await.contains("another issuer"));
}

#[tokio::test]
async fn expired_or_not_yet_valid() {
    check(json!({}), json!({"exp": now() - 61}), "has expired").await;
    check(json!({}), json!({"exp": 0}), "has expired").await;
    check(json!({}), json!({"exp": null}), "claim exp is missing").await;
    check(json!({}), json!({"exp": "tomorrow"}), "claim exp").await;
    check(json!({}), json!({"exp": (now() + 60).to_string()}), "claim exp").await;
    check(json!({}), json!({"nbf": now() + 90}), "not count yet").await;
    check(json!({}), json!({"nbf": "never"}), "claim nbf").await;
    let idp = Idp::start().await;
    let oauth = idp.oauth(json!({}), &[]);
    let late = idp.token(json!({}), json!({"exp": now() - 20, "nbf": now() + 20}));
    oauth.verify(&late).await.expect("clocks differ by less than a minute");
}

#[tokio::test]
async fn alg_none_in_every_spelling() {
    let idp = Idp::start().await;
    let oauth = idp.oauth(json!({}), &[]);
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for kid in [json!("k1"), json!(null)] {
            let mut head = json!({"alg": alg, "typ": "at+jwt"});
            merge(&mut head, json!({"kid": kid}));
            let bare = unsigned(&head, &idp.claims(json!({})));
            for token in [
                format!("{bare}."),
                format!("{bare}.AAAA"),
                sign(&idp.key, &head, &idp.claims(json!({}))),
            ] {
                assert!(refused(&oauth, &token).await.contains("algorithm"), "{alg}");
            }
        }
    }
}

#[tokio::test]
async fn hs256_with_the_public_key() {
    let idp = Idp::start().await;
    let oauth = idp.oauth(json!({}), &[]);
    let point = idp.key.public_key().as_ref().to_vec();
    let jwk = jwk(&idp.key, "k1").to_string().into_bytes();
    for secret in [point.clone(), point[1..].to_vec(), jwk, Vec::new()] {
        for alg in ["HS256", "HS384", "HS512"] {
            let message = unsigned(
                &json!({"alg": alg, "typ": "at+jwt", "kid": "k1"}),
                &idp.claims(json!({})),
            );
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
            let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
            assert!(refused(&oauth, &token).await.contains("algorithm"), "{alg}");
        }
    }
}

#[tokio::test]
async fn an_algorithm_that_is_not_pinned() {
    let idp = Idp::start().await;
    let token = idp.token(json!({}), json!({}));
    let oauth = idp.oauth(json!({"algorithms": ["RS256", "ES384"]}), &[]);
    assert!(refused(&oauth, &token).await.contains("algorithm"));
    for wrong in [json!(["HS256"]), json!(["none"])] {
        let settings = json!({"issuer": idp.issuer(), "algorithms": wrong});
        serde_json::from_value::<OAuthSettings>(settings).expect_err("only asymmetric ones");
    }
}

#[tokio::test]
async fn wrong_key_unknown_kid_and_changed_parts() {
    let idp = Idp::start().await;
    let oauth = idp.oauth(json!({}), &[]);
    let head = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1"});
    let foreign = sign(&fresh_key(), &head, &idp.claims(json!({})));
    assert!(refused(&oauth, &foreign).await.contains("signature is wrong"));
    let unknown = idp.token(json!({"kid": "k9"}), json!({}));
    assert!(refused(&oauth, &unknown).await.contains("does not have"));
    let own = fresh_key();
    let brought = json!({"alg": "ES256", "typ": "at+jwt", "kid": "k1", "jwk": jwk(&own, "k1"), "jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/"});
    let brought = sign(&own, &brought, &idp.claims(json!({})));
    assert!(
        refused(&oauth, &brought).await.contains("signature is wrong"),
        "a key in the token is no key"
    );
    let good = idp.token(json!({}), json!({}));
    oauth.verify(&good).await.expect("it counts");
    let parts: Vec<&str> = good.split('.').collect();
    let admin = URL_SAFE_NO_PAD.encode(idp.claims(json!({"sub": "admin"})).to_string());
    for token in [
        format!("{}.{admin}.{}", parts[0], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{good}.x"),
        format!("{good}="),
        String::new(),
        "..".to_owned(),
        "x".repeat(LONGEST + 1),
        URL_SAFE_NO_PAD.encode("{}"),
    ] {
        refused(&oauth, &token).await;
    }
}

#[tokio::test]
async fn a_token_without_kid_is_checked_by_the_only_key() {
    let idp = Idp::start().await;
    let token = idp.token(json!({"kid": null}), json!({}));
    idp.oauth(json!({}), &[]).verify(&token).await.expect("it counts");
}

#[tokio::test]
async fn critical_extensions_and_other_kinds_of_tokens() {
    check(json!({"crit": ["exp"]}), json!({}), "crit").await;
    check(json!({"crit": []}), json!({}), "crit").await;
    check(json!({"typ": "dpop+jwt"}), json!({}), "typ").await;
    check(json!({"typ": "logout+jwt"}), json!({}), "typ").await;
    check(json!({}), json!({"nonce": "n"}), "ID token").await;
    check(json!({"typ": "JWT"}), json!({"at_hash": "x"}), "ID token").await;
    check(json!({}), json!({"events": {}}), "security event").await;
    check(json!({}), json!({"cnf": {"jkt": "x"}}), "bound to a key").await;
}

#[tokio::test]
async fn a_subject_that_names_nobody() {
    for sub in [json!(null), json!(""), json!(7), json!("a\nb"), json!("x".repeat(201))] {
        check(json!({}), json!({"sub": sub}), "names nobody").await;
    }
}

#[tokio::test]
async fn missing_scopes_are_all_named() {
    let idp = Idp::start().await;
    let oauth = idp.oauth(json!({}), &["docs:read", "docs:list"]);
    for scope in
        [json!("docs:read"), json!(null), json!("docs:readdocs:list"), json!("docs:list  docs:rea")]
    {
        let token = idp.token(json!({}), json!({"scope": scope}));
        let all = vec!["docs:read".to_owned(), "docs:list".to_owned()];
        assert_eq!(oauth.verify(&token).await, Err(Refusal::Scope(all.clone())));
        assert_eq!(oauth.verify(&token).await, Err(Refusal::Scope(all)), "remembered or not");
    }
    let token = idp.token(json!({}), json!({"scope": "docs:list docs:read"}));
    oauth.verify(&token).await.expect("it counts");
}

#[tokio::test]
async fn the_issuer_never_sees_a_token() {
    let idp = Idp::start().await;
    let oauth = idp.oauth(json!({}), &[]);
    let token = idp.token(json!({}), json!({}));
    oauth.verify(&token).await.expect("it counts");
    refused(&oauth, &idp.token(json!({"kid": "k9"}), json!({}))).await;
    let heard = idp.heard.lock().expect("a lock").clone();
    let heard = String::from_utf8_lossy(&heard);
    assert!(heard.contains("GET /jwks "), "{heard}");
    assert!(token.split('.').all(|part| !heard.contains(part)), "{heard}");
    assert!(!heard.to_lowercase().contains("authorization:"), "{heard}");
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_used() {
    let idp = Idp::start().await;
    let token = idp.token(json!({}), json!({}));
    let oauth = idp.oauth(json!({"issuer": format!("{}/tenant", idp.issuer())}), &[]);
    assert!(matches!(oauth.verify(&token).await, Err(Refusal::Unavailable(_))));
    let named = idp.oauth(json!({"jwks": format!("{}/jwks", idp.issuer())}), &[]);
    named.verify(&token).await.expect("keys that the settings name need no metadata");
    assert_eq!(named.ports(), [idp.address.port()]);
}

//! Access tokens: which count, what they bring, and what is said about those that do not.

use serde_json::{Value, json};
use tests::harness::idp::{message, now};
use tests::harness::{Folder, HttpServer, Idp, RESOURCE, fixture};

use super::{bearer, echo, files_with, folder, list, send, tools, unidentified};

const METADATA: &str = "https://suite.example/.well-known/oauth-protected-resource/mcp";

/// A server that takes this issuer's tokens for [`RESOURCE`].
fn serve(idp: &Idp, http: &str) -> (Folder, HttpServer) {
    let identity = format!(
        "[identity.oauth]\nissuer = \"{}\"\ngroups = \"groups\"\nscopes = {{ \"docs:read\" = [\"reader\"] }}",
        idp.issuer()
    );
    let folder = folder(&identity, &format!("http.url = \"{RESOURCE}\"\n{http}"));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    (folder, server)
}

/// Asserts that a token is refused with 401 exactly as RFC 6750 has it.
fn refused(server: &HttpServer, token: &str, why: &str) {
    let reply = list(server, token);
    assert_eq!(reply.status, 401, "{why}: {reply:?}");
    let challenge = reply.header("www-authenticate").expect("a challenge");
    let start = "Bearer error=\"invalid_token\", error_description=\"";
    let rest = challenge.strip_prefix(start).unwrap_or_else(|| panic!("{challenge}"));
    let (description, rest) = rest.split_once('"').expect("its end");
    assert!(description.contains(why), "{why}: {description}");
    assert_eq!(rest, format!(", resource_metadata=\"{METADATA}\""), "{challenge}");
    assert!(reply.json()["error"]["message"].as_str().is_some_and(|text| text.contains(why)));
}

#[test]
fn wrong_aud() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    for aud in
        [json!("https://other.example/mcp"), json!(["a", "b"]), json!("https://suite.example")]
    {
        refused(&server, &idp.token(&json!({}), &json!({"aud": aud})), "another server (aud)");
    }
    refused(&server, &idp.token(&json!({}), &json!({"aud": null})), "claim aud is missing");
    assert_eq!(list(&server, &idp.token(&json!({}), &json!({"aud": ["a", RESOURCE]}))).status, 200);
}

#[test]
fn wrong_iss() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    refused(
        &server,
        &idp.token(&json!({}), &json!({"iss": "https://evil.example"})),
        "another issuer",
    );
    refused(&server, &idp.token(&json!({}), &json!({"iss": null})), "claim iss is missing");
    let (_other, other) = serve(&Idp::start(), "");
    refused(&other, &idp.token(&json!({}), &json!({})), "");
}

#[test]
fn expired_and_not_yet_valid() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    refused(&server, &idp.token(&json!({}), &json!({"exp": now() - 61})), "has expired");
    refused(&server, &idp.token(&json!({}), &json!({"exp": null})), "claim exp is missing");
    refused(&server, &idp.token(&json!({}), &json!({"nbf": now() + 120})), "not count yet (nbf)");
}

#[test]
fn alg_none_and_hs256_with_the_public_key() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    for alg in ["none", "None", "nOnE"] {
        let bare = message(&json!({"alg": alg, "typ": "at+jwt"}), &idp.claims(&json!({})));
        refused(&server, &format!("{bare}."), "algorithm that does not count here, or not at all");
    }
    let bare = message(&json!({"alg": "HS256", "kid": "k1"}), &idp.claims(&json!({})));
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &idp.public_key());
    let tag = ring::hmac::sign(&secret, bare.as_bytes());
    let tag = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, tag);
    refused(&server, &format!("{bare}.{tag}"), "algorithm");
}

#[test]
fn wrong_key_and_unknown_kid() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    refused(&server, &idp.forged(&json!({})), "signature is wrong");
    refused(&server, &idp.token(&json!({"kid": "k9"}), &json!({})), "does not have");
    refused(&server, &idp.token(&json!({"crit": ["exp"]}), &json!({})), "crit");
    refused(&server, &idp.token(&json!({}), &json!({"nonce": "n"})), "ID token");
}

#[test]
fn missing_scope() {
    let idp = Idp::start();
    let (folder, server) = serve(&idp, "http.scopes = [\"docs:read\", \"docs:list\"]\n");
    let reply = list(&server, &idp.token(&json!({}), &json!({"scope": "docs:read other"})));
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(
        reply.header("www-authenticate"),
        Some(
            format!(
                "Bearer error=\"insufficient_scope\", error_description=\"the access token lacks a \
                 scope; required: docs:read docs:list\", resource_metadata=\"{METADATA}\", \
                 scope=\"docs:read docs:list\""
            )
            .as_str()
        ),
        "all scopes at once"
    );
    let bare = server.post(&[], "{}");
    assert_eq!(bare.status, 401);
    assert_eq!(
        bare.header("www-authenticate"),
        Some(
            format!("Bearer resource_metadata=\"{METADATA}\", scope=\"docs:read docs:list\"")
                .as_str()
        )
    );
    let enough = idp.token(&json!({}), &json!({"scope": "docs:list docs:read"}));
    assert_eq!(list(&server, &enough).status, 200);
    assert!(server.stop().success());
    let details = unidentified(&folder);
    assert!(details[0].starts_with("403 insufficient_scope from 127.0.0.1: "), "{details:?}");
    assert_eq!(details.len(), 2);
}

#[test]
fn the_metadata_says_where_tokens_are_from() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "http.scopes = [\"docs:list\"]\n");
    for path in
        ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"]
    {
        let reply = server.send("GET", path, &[], b"");
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert_eq!(
            reply.json(),
            json!({
                "resource": RESOURCE,
                "authorization_servers": [idp.issuer()],
                "scopes_supported": ["docs:list", "docs:read"],
                "bearer_methods_supported": ["header"],
                "resource_name": "suite test",
            })
        );
    }
}

#[test]
fn scopes_groups_and_actors_are_the_tokens() {
    let idp = Idp::start();
    let (folder, server) = serve(&idp, "");
    let with = |claims: Value| tools(&list(&server, &idp.token(&json!({}), &claims)));
    assert_eq!(with(json!({})), ["test_echo"]);
    assert_eq!(with(json!({"scope": "other"})), [""; 0]);
    assert!(with(json!({"scope": null, "groups": ["platform"]})).len() > 10);
    assert_eq!(
        with(json!({"sub": "ann", "scope": null})),
        [""; 0],
        "who the issuer calls ann is not our ann"
    );
    let token = idp.token(&json!({}), &json!({"act": {"sub": "agent-7"}}));
    assert_eq!(echo(&server, &token, "hello").status, 200);
    assert!(server.stop().success());
    let call = folder.calls("test").pop().expect("the call");
    assert_eq!(call["principal"]["subject"], "sub:00u1");
    assert_eq!(call["principal"]["actor"], "agent-7");
    assert_eq!(call["principal"]["proof"], json!({"access_token": {"issuer": idp.issuer()}}));
}

#[test]
fn keys_rotate_and_the_issuer_may_be_down() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    let first = idp.token(&json!({}), &json!({}));
    assert_eq!(list(&server, &first).status, 200);
    idp.rotate();
    let second = idp.token(&json!({}), &json!({"sub": "two"}));
    assert_eq!(list(&server, &second).status, 200, "an unknown key is asked for");
    refused(&server, &first, "does not have");
    idp.set_up(false);
    let third = idp.token(&json!({}), &json!({"sub": "three"}));
    assert_eq!(list(&server, &third).status, 200, "kept keys keep working");
    idp.rotate();
    let unknown = list(&server, &idp.token(&json!({}), &json!({})));
    assert_eq!(unknown.status, 503, "{unknown:?}");
    assert!(unknown.header("retry-after").is_some());
    assert!(unknown.body.contains("cannot be reached"), "{unknown:?}");
}

#[test]
fn an_issuer_that_is_down_from_the_start_is_said_to_be() {
    let idp = Idp::start();
    idp.set_up(false);
    let (_folder, server) = serve(&idp, "");
    let token = idp.token(&json!({}), &json!({}));
    assert_eq!(list(&server, &token).status, 503);
    idp.set_up(true);
    assert_eq!(list(&server, &token).status, 200, "and found when it is up");
}

#[test]
fn host_origin_and_headers_are_checked_with_a_good_token_too() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "");
    let token = bearer(&idp.token(&json!({}), &json!({})));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": tests::harness::meta()}});
    let with = |name: &'static str, value: &str| {
        send(&server, &body, &[("authorization", &token), (name, value)]).status
    };
    for (name, value) in
        [("host", "evil.example"), ("origin", "https://evil.example"), ("origin", "null")]
    {
        assert_eq!(with(name, value), 403, "{name}: {value}");
    }
    assert_eq!(with("host", "suite.example"), 200, "the host of the public address");
    assert_eq!(with("origin", "https://suite.example"), 200);
    let (headers, text) = super::request(&body);
    let mut headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("authorization", &token));
    headers.retain(|(name, _)| *name != "mcp-method");
    headers.push(("mcp-method", "tools/call"));
    assert_eq!(server.post(&headers, &text).json()["error"]["code"], -32020);
    // Who may not come in is told nothing about the message.
    headers.retain(|(name, _)| *name != "authorization");
    assert_eq!(server.post(&headers, &text).status, 401);
    assert_eq!(server.post(&[], "{").status, 401);
}

#[test]
fn a_session_is_its_openers() {
    let idp = Idp::start();
    let (_folder, server) = serve(&idp, "http.sessions = 5\n");
    let token = |sub: &str| bearer(&idp.token(&json!({}), &json!({"sub": sub})));
    let (ann, eve) = (token("ann"), token("eve"));
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": tests::harness::initialize("2025-11-25")});
    let opened = server.post(&[("authorization", &ann)], &body.to_string());
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}).to_string();
    let ask = |who: &str, session: &str| {
        let headers = [
            ("authorization", who),
            ("mcp-session-id", session),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        server.post(&headers, &list)
    };
    let (stolen, unknown) =
        (ask(&eve, &session), ask(&eve, "11111111-2222-3333-4444-555555555555"));
    assert_eq!((stolen.status, unknown.status), (404, 404));
    assert_eq!(stolen.body, unknown.body, "as if it never was");
    let delete = |who: &str| {
        let headers = [
            ("authorization", who),
            ("mcp-session-id", session.as_str()),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        server.send("DELETE", "/mcp", &headers, b"")
    };
    delete(&eve);
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    let headers = [
        ("authorization", ann.as_str()),
        ("mcp-session-id", &session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    assert_eq!(server.post(&headers, &ready).status, 202, "eve could not close it");
    let own = ask(&ann, &session);
    assert_eq!((own.status, tools(&own)), (200, vec!["test_echo".to_owned()]), "{own:?}");
    // A fresh token of the same person goes on with the session.
    assert_eq!(ask(&token("ann"), &session).status, 200);
    delete(&ann);
    assert_eq!(ask(&ann, &session).status, 404);
}

#[test]
fn a_token_is_never_sent_on_and_kept_nowhere() {
    let idp = Idp::start();
    let (folder, server) = serve(&idp, "");
    let good = idp.token(&json!({}), &json!({"groups": ["platform"]}));
    let wrong = idp.token(&json!({}), &json!({"aud": "https://other.example"}));
    assert_eq!(list(&server, &good).status, 200);
    assert_eq!(echo(&server, &good, "hello").status, 200);
    refused(&server, &wrong, "another server");
    refused(&server, &idp.forged(&json!({"canary": "forged"})), "signature");
    let (heard, errors) = (idp.heard(), server.errors());
    assert!(server.stop().success());
    for token in [good, wrong] {
        for part in token.split('.').skip(1) {
            assert_eq!(files_with(folder.dir.path(), part), [""; 0], "in no file");
            assert!(!errors.contains(part), "{errors}");
            assert!(!heard.contains(part), "{heard}");
        }
    }
    assert!(heard.contains("GET /jwks "), "the issuer is all that was asked: {heard}");
    assert!(!heard.to_lowercase().contains("authorization:"), "{heard}");
}

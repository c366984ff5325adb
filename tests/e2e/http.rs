//! The protocol over HTTP.

use serde_json::json;
use tests::harness::{Folder, HttpServer, fixture, initialize, suite, text};

#[test]
fn every_revision_is_answered_with_json() {
    let folder = Folder::docs();
    let server = HttpServer::start(&suite(), "docs", &folder.config());
    let modern = server
        .request("tools/call", json!({"name": "docs_search", "arguments": {"query": "parental"}}));
    assert_eq!(modern.status, 200, "{modern:?}");
    assert_eq!(
        server.request("server/discover", json!({})).json()["result"]["cacheScope"],
        "private"
    );
    for revision in ["2025-06-18", "2025-11-25"] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize(revision)});
        let opened = server.post(&[], &body.to_string());
        assert_eq!(opened.json()["result"]["protocolVersion"], revision, "{opened:?}");
        assert_eq!(
            opened.header("mcp-session-id"),
            None,
            "no sessions unless servers.toml allows them"
        );
        let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call",
            "params": {"name": "docs_search", "arguments": {"query": "parental leave"}}});
        let answer = server.post(&[("mcp-protocol-version", revision)], &call.to_string());
        assert!(text(&answer.json()).contains("leave.md#parental-leave"), "{answer:?}");
        assert!(
            answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"))
        );
    }
    assert!(server.stop().success());
    let records = folder.calls("docs");
    assert!(
        records.iter().all(|record| record["principal"]["subject"] == "loopback"),
        "{records:?}"
    );
}

#[test]
fn a_foreign_host_or_origin_is_refused() {
    let folder = Folder::fixture("http.origins = [\"https://app.example\"]\n");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}).to_string();
    let revision = ("mcp-protocol-version", "2025-11-25");
    for (header, value) in [
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let reply = server.post(&[revision, (header, value)], &body);
        assert!((400..500).contains(&reply.status), "{header}: {value}: {reply:?}");
        assert!(reply.json()["error"]["message"].is_string(), "{reply:?}");
    }
    assert_eq!(server.post(&[revision, ("origin", "https://app.example")], &body).status, 200);
    assert_eq!(server.post(&[revision], &body).status, 200);
}

#[test]
fn headers_must_match_the_body() {
    let folder = Folder::fixture("");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let params = json!({"name": "test_echo", "arguments": {}, "_meta": tests::harness::meta()});
    let body =
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let good = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "test_echo"),
    ];
    assert_eq!(server.post(&good, &body).status, 200);
    for wrong in [
        ("mcp-method", "tools/list"),
        ("mcp-name", "test_other"),
        ("mcp-protocol-version", "2025-11-25"),
    ] {
        let headers: Vec<_> =
            good.iter().map(|pair| if pair.0 == wrong.0 { wrong } else { *pair }).collect();
        let reply = server.post(&headers, &body);
        assert_eq!(reply.json()["error"]["code"], -32020, "{wrong:?}: {reply:?}");
    }
}

#[test]
fn a_body_that_is_no_message_gets_a_json_rpc_error() {
    let folder = Folder::fixture("");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let deep = "[".repeat(100_000);
    for (body, code) in [
        ("{", -32700),
        ("nonsense", -32700),
        (deep.as_str(), -32700),
        ("[]", -32600),
        ("{\"id\":1}", -32600),
    ] {
        let reply = server.post(&[], body);
        assert_eq!(reply.status, 400, "{reply:?}");
        assert_eq!(reply.json()["error"]["code"], code, "{body:.40}: {reply:?}");
    }
    let huge = "x".repeat(5 << 20);
    assert_eq!(server.post(&[], &huge).status, 413);
    assert_eq!(server.post(&[("content-type", "text/plain")], "{}").status, 415);
    assert_eq!(server.send("GET", "/healthz", &[], b"").body, "ok\n");
    assert_eq!(server.send("GET", "/nowhere", &[], b"").status, 404);
    assert_eq!(server.send("GET", "/mcp", &[], b"").status, 405);
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let folder = Folder::fixture("");
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = std::process::Command::new(fixture())
            .args(["test", "--http", address, "--config"])
            .arg(folder.config())
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("127.0.0.1") && errors.contains("other machines"), "{errors}");
    }
}

#[test]
fn sessions_are_capped() {
    let folder = Folder::fixture("http.sessions = 2\n");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize("2025-11-25")});
    let open = || server.post(&[], &body.to_string());
    let (first, second) = (open(), open());
    assert!(first.header("mcp-session-id").is_some() && second.header("mcp-session-id").is_some());
    let third = open();
    assert_eq!(third.status, 503, "{third:?}");
    assert!(
        third.json()["error"]["message"].as_str().is_some_and(|text| text.contains("sessions")),
        "{third:?}"
    );
    let id = first.header("mcp-session-id").expect("an id").to_owned();
    let gone = server.send(
        "DELETE",
        "/mcp",
        &[("mcp-session-id", &id), ("mcp-protocol-version", "2025-11-25")],
        b"",
    );
    assert!(gone.status < 300, "{gone:?}");
    assert!(open().header("mcp-session-id").is_some());
}

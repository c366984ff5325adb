//! The protocol on standard input and output.

use serde_json::json;
use tests::harness::{Folder, REVISIONS, Session, fixture, suite, text};

#[test]
fn every_revision_lists_searches_and_reads() {
    let folder = Folder::docs();
    for revision in REVISIONS {
        let mut session = Session::start(&suite(), "docs", &folder.config());
        let (list, found) = if revision == "2026-07-28" {
            let found = session.request("server/discover", json!({}));
            assert_eq!(found["result"]["supportedVersions"], json!(REVISIONS));
            assert_eq!(found["result"]["cacheScope"], "private");
            assert!(found["result"]["ttlMs"].as_u64() >= Some(300_000));
            let server = &found["result"]["_meta"]["io.modelcontextprotocol/serverInfo"];
            assert_eq!(server["name"], "suite-docs");
            let search = session.call("docs_search", json!({"query": "parental leave"}));
            (session.request("tools/list", json!({})), search)
        } else {
            let opened = session.open(revision);
            assert_eq!(opened["result"]["protocolVersion"], revision);
            assert_eq!(opened["result"]["serverInfo"]["name"], "suite-docs");
            assert!(opened["result"]["instructions"].as_str().is_some_and(|text| text.len() < 600));
            let params = json!({"name": "docs_search", "arguments": {"query": "parental leave"}});
            let search = session.legacy("tools/call", params);
            (session.legacy("tools/list", json!({})), search)
        };
        let names: Vec<&str> = list["result"]["tools"]
            .as_array()
            .expect("tools")
            .iter()
            .filter_map(|tool| tool["name"].as_str())
            .collect();
        assert_eq!(names, ["docs_search", "docs_read", "docs_outline"], "{revision}");
        let modern = revision == "2026-07-28";
        assert_eq!(list["result"]["ttlMs"].is_u64(), modern, "{revision}: {list}");
        assert_eq!(list["result"]["cacheScope"] == "private", modern, "{revision}: {list}");
        assert!(text(&found).contains("handbook/leave.md#parental-leave"), "{revision}: {found}");
        let (status, rest, errors) = session.close();
        assert!(
            status.success() && rest.is_empty() && errors.is_empty(),
            "{status} {rest:?} {errors}"
        );
    }
}

#[test]
fn lists_are_byte_identical() {
    let folder = Folder::docs();
    let list = || {
        let mut session = Session::start(&suite(), "docs", &folder.config());
        session.request("tools/list", json!({})).to_string()
    };
    assert_eq!(list(), list());
}

#[test]
fn what_is_not_declared_is_not_there() {
    let folder = Folder::docs();
    let mut session = Session::start(&suite(), "docs", &folder.config());
    session.open("2025-11-25");
    for method in
        ["prompts/list", "prompts/get", "logging/setLevel", "resources/subscribe", "no/such/method"]
    {
        let params = json!({"name": "x", "level": "info", "uri": "docs://handbook/leave.md"});
        let answer = session.legacy(method, params);
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
    let answer = session.legacy("tools/call", json!({"arguments": 7}));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[test]
fn a_malformed_line_gets_an_error_and_the_next_one_its_answer() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for (line, code) in
        [("{", -32700), ("[1]", -32600), ("\"x\"", -32600), ("{\"id\":\"q\"}", -32600)]
    {
        session.send(line);
        let answer = session.receive().expect("an answer");
        assert_eq!(answer["error"]["code"], code, "{line}: {answer}");
    }
    session.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    session.send("");
    assert_eq!(text(&session.call("test_echo", json!({"text": "still here"}))), "still here");
}

#[test]
fn the_end_of_the_input_lets_calls_in_flight_end() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.call("test_echo", json!({}));
    let id = session.post_modern(
        "tools/call",
        json!({"name": "test_slow", "arguments": {"millis": 300, "steps": 1}}),
    );
    let (status, rest, _) = session.close();
    assert!(status.success());
    assert!(
        rest.iter().any(|message| message["id"] == id && message["result"].is_object()),
        "{rest:?}"
    );
    assert_eq!(folder.calls("test").last().expect("a record")["outcome"], "done");
}

#[test]
fn a_signal_lets_calls_in_flight_end_and_flushes_the_records() {
    for signal in ["TERM", "INT"] {
        let folder = Folder::fixture("");
        let mut session = Session::start(&fixture(), "test", &folder.config());
        session.call("test_echo", json!({}));
        let id = session.post_modern(
            "tools/call",
            json!({"name": "test_slow", "arguments": {"millis": 300, "steps": 3}, }),
        );
        // An answer to a later request shows that the slow call has been read.
        session.call("test_echo", json!({}));
        session.signal(signal);
        let (status, rest, _) = session.wait();
        assert!(status.success(), "{signal}: {status}");
        assert!(
            rest.iter().any(|message| message["id"] == id && message["result"].is_object()),
            "{rest:?}"
        );
        let records = folder.records("test");
        assert_eq!(records.last().expect("records")["event"], "stopped", "{signal}");
    }
}

#[test]
fn lists_are_paged() {
    let folder = Folder::docs();
    for number in 0..230 {
        folder.write(
            &format!("handbook/many/page-{number:03}.md"),
            &format!("# Page {number}\n\nText {number}.\n"),
        );
    }
    let mut session = Session::start(&suite(), "docs", &folder.config());
    session.call("docs_search", json!({"query": "anything"}));
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let params = cursor.as_ref().map_or(json!({}), |cursor| json!({ "cursor": cursor }));
        let page = session.request("resources/list", params);
        let items = page["result"]["resources"].as_array().expect("resources").clone();
        assert!(items.len() <= 100);
        seen.extend(items.into_iter().map(|item| item["uri"].as_str().expect("a uri").to_owned()));
        cursor = page["result"]["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 233, "every readable file once, and nothing of the secret collection");
    let forged = session.request("resources/list", json!({"cursor": "AAAA"}));
    assert_eq!(forged["error"]["code"], -32602, "{forged}");
}

#[test]
fn resources_templates_and_completion() {
    let folder = Folder::docs();
    let mut session = Session::start(&suite(), "docs", &folder.config());
    session.call("docs_search", json!({"query": "anything"}));
    let templates = session.request("resources/templates/list", json!({}));
    assert_eq!(
        templates["result"]["resourceTemplates"][0]["uriTemplate"],
        "docs://{collection}/{path}"
    );
    let read = session.request("resources/read", json!({"uri": "docs://handbook/leave.md"}));
    let contents = read["result"]["contents"][0]["text"].as_str().expect("text");
    assert!(contents.contains("Parents take sixteen weeks"), "{read}");
    assert!(contents.starts_with("<untrusted source=\"docs://handbook/leave.md"), "{contents}");
    let values = |session: &mut Session, prefix: &str| {
        let answer = session.request(
            "completion/complete",
            json!({"ref": {"type": "ref/resource", "uri": "docs://{collection}/{path}"},
                   "argument": {"name": "collection", "value": prefix}}),
        );
        answer["result"]["completion"]["values"].clone()
    };
    assert_eq!(values(&mut session, ""), json!(["handbook"]), "policy hides the secret collection");
    assert_eq!(values(&mut session, "x"), json!([]));
    for uri in [
        "docs://secret/salaries.md",
        "docs://handbook/../secret/salaries.md",
        "docs://handbook/none.md",
        "file:///etc/passwd",
        "docs://",
    ] {
        let answer = session.request("resources/read", json!({ "uri": uri }));
        assert_eq!(answer["error"]["code"], -32602, "{uri}: {answer}");
        assert!(!answer.to_string().contains("Nobody may read"), "{answer}");
    }
}

//! A secret sent to every place where something could be seen: it is found in none.
//!
//! The first half is about a secret that the process holds, the second about secrets of known kinds
//! that it does not. Both search the bytes of all that the process wrote: its output, its errors,
//! its answers over HTTP, and every file below its folder.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::harness::{Folder, HttpServer, Session, fixture};

const CANARY: &str = "c4n4ry-Zm9v+5ecret/91";

/// Parts of the canary's forms: as it is, base64 at three alignments, hexadecimal, percent-encoded.
const TRACES: [&str; 6] =
    ["c4n4ry-Zm9v", "YzRuNHJ5", "M0bjRyeS", "jNG40cnkt", "63346e3472792d", "Zm9v%2B5ecret"];

/// Secrets of known kinds, put together here so that no scanner takes this file for a leak.
fn kinds() -> [(&'static str, String); 4] {
    let body = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"; 3].join("\n");
    let key = |what: &str| format!("-----{what} PRIVATE KEY-----");
    [
        ("aws-access-token", ["AKIA", "QYLPMN5HFIQR7XYA"].concat()),
        ("github-pat", ["ghp_", "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"].concat()),
        ("private-key", format!("{}\n{body}\n{}", key("BEGIN"), key("END"))),
        ("url-password", ["postgres://ann:", "hunter2", "@db/sales"].concat()),
    ]
}

/// What must not be found of each of them.
const KIND_TRACES: [&str; 4] =
    ["AKIAQYLPMN5HFIQR7XYA", "wWPw5k4aXcaT4fNP0Ucn", "MIIEvQIBADANBgkqhkiG9w0", "hunter2"];

fn assert_clean(place: &str, bytes: &[u8], traces: &[&str]) {
    let lower = bytes.to_ascii_lowercase();
    for trace in traces.iter().map(|trace| trace.to_ascii_lowercase()) {
        let found = lower.windows(trace.len()).position(|window| window == trace.as_bytes());
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(300)..bytes.len().min(at + 100)];
            panic!("{trace} is found in {place}: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Every file of the folder but the one the test itself wrote.
fn assert_clean_files(folder: &Path, traces: &[&str]) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            assert_clean_files(&path, traces);
        } else {
            let name = path.display().to_string();
            assert_clean("the name of a file", name.as_bytes(), traces);
            assert_clean(&name, &std::fs::read(&path).expect("readable"), traces);
        }
    }
}

fn with_canary(folder: &Folder) -> Command {
    let mut command = Command::new(fixture());
    command.args(["test", "--config"]).arg(folder.config());
    command.env("TEST_CANARY", CANARY).env("SUITE_LOG", "trace");
    command
}

/// Waits for the answer and keeps all that came until then.
fn converse(session: &mut Session, id: i64, heard: &mut Vec<Value>) {
    loop {
        let message = session.receive().expect("the server answers");
        let is_answer = message["id"] == id && message.get("method").is_none();
        if let (Some(asked), Some(_)) = (message.get("id"), message.get("method")) {
            let yes = json!({"action": "accept", "content": {"answer": CANARY}});
            session.send(&json!({"jsonrpc": "2.0", "id": asked, "result": yes}).to_string());
        }
        heard.push(message);
        if is_answer {
            return;
        }
    }
}

const HOWS: [&str; 11] = [
    "plain",
    "base64",
    "inside",
    "hex",
    "untrusted",
    "source",
    "error",
    "panic",
    "progress",
    "log",
    "question",
];

/// Requests with the secret in every place a caller can put it, and for every place a tool can.
fn requests() -> Vec<(&'static str, Value)> {
    let call = |name: &str, arguments: Value| {
        let meta = json!({"progressToken": "p", "traceparent": CANARY, "reason": CANARY});
        ("tools/call", json!({"name": name, "arguments": arguments, "_meta": meta}))
    };
    let mut requests: Vec<_> =
        HOWS.iter().map(|how| call("test_leak", json!({"how": how}))).collect();
    requests.extend([
        call("test_leak_record", json!({})),
        call("test_echo", json!({"text": CANARY})),
        call("test_echo", json!({"text": 7, CANARY: CANARY})),
        call("test_record", json!({"note": CANARY})),
        call(CANARY, json!({})),
        ("resources/read", json!({"uri": format!("test://template/{CANARY}/data")})),
        ("resources/read", json!({"uri": "test://template/canary/data"})),
        ("resources/read", json!({"uri": CANARY})),
        (
            "prompts/get",
            json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": CANARY, "arg2": "x"}}),
        ),
        ("prompts/get", json!({"name": CANARY})),
        (CANARY, json!({})),
        ("logging/setLevel", json!({"level": "debug"})),
        ("tools/list", json!({"cursor": CANARY})),
    ]);
    requests
}

#[test]
fn a_held_secret_is_found_in_no_place_in_either_era() {
    let folder = Folder::fixture("canary = { env = \"TEST_CANARY\" }\n");
    let mut heard = Vec::new();
    let mut session = Session::spawn(with_canary(&folder));
    for (method, mut params) in requests() {
        let own = params["_meta"].take();
        params["_meta"] = tests::harness::meta();
        for (key, value) in own.as_object().into_iter().flatten() {
            params["_meta"][key] = value.clone();
        }
        let id = session.post(method, params);
        converse(&mut session, id, &mut heard);
    }
    let (_, rest, log) = session.close();
    heard.extend(rest);
    assert_clean("the log", log.as_bytes(), &TRACES);

    let mut session = Session::spawn(with_canary(&folder));
    let opening = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}},
        "clientInfo": {"name": CANARY, "version": CANARY, "title": CANARY}});
    let id = session.post("initialize", opening);
    converse(&mut session, id, &mut heard);
    session.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
    for (method, params) in requests().into_iter().rev() {
        let id = session.post(method, params);
        converse(&mut session, id, &mut heard);
    }
    session.send(&format!("not JSON: {CANARY}"));
    let (_, rest, log) = session.close();
    heard.extend(rest);
    assert_clean("the log", log.as_bytes(), &TRACES);

    let heard = json!(heard).to_string();
    assert_clean("the output", heard.as_bytes(), &TRACES);
    assert!(heard.matches("[redacted]").count() > 20, "the canary came nowhere: {heard}");
    assert_clean_files(&folder.path("state"), &TRACES);
    let records = json!(folder.records("test")).to_string();
    assert!(records.matches("[redacted]").count() > 20, "{records}");
}

#[test]
fn a_held_secret_is_in_no_answer_over_http() {
    let folder = Folder::fixture("canary = { file = \"canary\" }\n");
    folder.write("canary", CANARY);
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let mut replies = Vec::new();
    for (method, params) in requests() {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        replies.push(server.post(&[("mcp-protocol-version", "2025-11-25")], &body.to_string()));
    }
    let named = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    for (header, value) in [
        ("host", CANARY),
        ("origin", CANARY),
        ("mcp-protocol-version", CANARY),
        ("mcp-session-id", CANARY),
        ("content-type", CANARY),
        ("authorization", &format!("Bearer {CANARY}") as &str),
    ] {
        replies.push(server.post(&[(header, value)], &named));
    }
    replies.push(server.post(&[], &format!("{{{CANARY}")));
    replies.push(server.send("GET", &format!("/{CANARY}"), &[], b""));
    for reply in replies {
        assert_clean("an answer", format!("{reply:?}").as_bytes(), &TRACES);
    }
    server.stop();
    assert_clean_files(&folder.path("state"), &TRACES);
}

#[test]
fn secrets_of_known_kinds_are_found_in_no_answer_and_no_record() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for (kind, secret) in kinds() {
        let mark = format!("[redacted: {kind}]");
        for (tool, field) in [("test_echo", "text"), ("test_record", "note")] {
            let answer = session.call(tool, json!({field: format!("a {secret} b")})).to_string();
            assert!(answer.contains(&mark), "{answer}");
            assert_clean("an answer", answer.as_bytes(), &KIND_TRACES);
        }
    }
    let named = session.call("test_echo", json!({"text": "x", "password": "hunter2"})).to_string();
    assert_clean("a refusal", named.as_bytes(), &KIND_TRACES);
    let (_, _, log) = session.close();
    assert_clean("the log", log.as_bytes(), &KIND_TRACES);
    assert_clean_files(&folder.path("state"), &KIND_TRACES);
    let records = json!(folder.calls("test")).to_string();
    assert!(kinds().iter().all(|(kind, _)| records.contains(&format!("[redacted: {kind}]"))));
    // Digests are what an auditor compares: all of them survive.
    for record in folder.calls("test") {
        for digest in ["tool_digest", "result_digest", "policy"] {
            let digest = record[digest].as_str().unwrap_or_default();
            assert!(
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{record}"
            );
        }
    }
}

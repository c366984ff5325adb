//! Limits: how often, per principal and tool, per server, per day.

use std::time::Instant;

use contract::{Identity, Kind, Proof};
use runtime::{Failure, Request};
use serde_json::{Value, json};
use tests::harness::{Folder, HANG, HttpServer, Session, fixture, text};

use crate::roles::{Served, caller};

/// Whether a call was limited; its answer is one or the other, and a limited one says when to
/// come back.
fn limited(answer: &Value) -> bool {
    let text = text(answer);
    if !text.starts_with("limited: ") {
        assert!(answer["error"].is_null() && answer["result"]["isError"] != true, "{answer}");
        return false;
    }
    assert!(text.contains("Retry after "), "{text}");
    true
}

#[test]
fn the_call_after_the_last_one_is_limited_over_stdio() {
    let folder = Folder::fixture("tools.test_echo.limit = \"3/hour\"\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let answers: Vec<Value> = (0..4).map(|_| session.call("test_echo", json!({}))).collect();
    assert_eq!(answers.iter().map(limited).collect::<Vec<_>>(), [false, false, false, true]);
    assert!(text(&answers[3]).contains("3/hour for test_echo"), "{:?}", answers[3]);
    assert!(!limited(&session.call("test_record", json!({}))), "another tool");
    let record = folder.calls("test")[3].clone();
    assert_eq!((&record["outcome"], &record["error"]), (&json!("limited"), &json!("limited")));
}

#[test]
fn the_call_after_the_last_one_is_limited_over_http() {
    let folder = Folder::fixture("tools.test_echo.limit = \"3/hour\"\n");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let call = || {
        let params = json!({"name": "test_echo", "arguments": {}});
        limited(&server.request("tools/call", params).json())
    };
    assert_eq!((0..4).map(|_| call()).collect::<Vec<_>>(), [false, false, false, true]);
}

#[test]
fn a_servers_limit_counts_all_its_tools_together() {
    let folder = Folder::fixture("limit = \"3/hour\"\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for tool in ["test_echo", "test_record", "test_echo"] {
        assert!(!limited(&session.call(tool, json!({}))), "{tool}");
    }
    let answer = session.call("test_record", json!({}));
    assert!(limited(&answer), "{answer}");
    assert!(text(&answer).contains("all tools of this server together"), "{answer}");
}

#[test]
fn a_limit_of_a_day_outlives_the_process() {
    let rules = "limit = \"5/day\"\ntools.test_echo.limit = \"3/day\"\n";
    let folder = Folder::fixture(rules);
    let call = |session: &mut Session, tool: &str| limited(&session.call(tool, json!({})));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(!call(&mut session, "test_echo") && !call(&mut session, "test_echo"));
    assert!(session.close().0.success());
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(!call(&mut session, "test_echo"), "the third");
    assert!(call(&mut session, "test_echo"), "the fourth, though the process is a new one");
    assert!(!call(&mut session, "test_record") && !call(&mut session, "test_record"));
    assert!(call(&mut session, "test_record"), "the sixth of all tools together");
}

#[test]
fn a_limit_of_a_day_stands_beside_the_tools_own() {
    // More in a day than the tool allows in a minute: both count, and nothing is loosened.
    let folder = Folder::docs();
    let text = std::fs::read_to_string(folder.config()).expect("the file");
    folder.write(
        "servers.toml",
        &format!("{text}\n[servers.docs.tools.docs_search]\nlimit = \"100000/day\"\n"),
    );
    let output = std::process::Command::new(tests::harness::suite())
        .args(["check", "--config"])
        .arg(folder.config())
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_tightened_limit_counts_at_once() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(!limited(&session.call("test_echo", json!({}))));
    let text = std::fs::read_to_string(folder.config()).expect("the file");
    folder.write("servers.toml", &format!("{text}tools.test_echo.limit = \"1/hour\"\n"));
    session.signal("HUP");
    let began = Instant::now();
    while !limited(&session.call("test_echo", json!({}))) {
        assert!(began.elapsed() < HANG, "the tighter limit never counts");
    }
    let record = folder.calls("test").pop().expect("a record");
    let of_new = folder.calls("test").into_iter().filter(|call| call["policy"] == record["policy"]);
    assert_eq!(of_new.count(), 2, "one call, and the one that was limited");
}

#[test]
fn one_principal_cannot_keep_all_others_out() {
    let folder = Folder::fixture("in_flight = 2\ntools.test_echo.timeout = 1\n");
    let served = Served::new(&folder, "test");
    let key =
        |name: &str| Identity::new(format!("key:{name}"), Proof::ApiKey { key: name.to_owned() });
    let (ann, bob) = (key("ann"), key("bob"));
    let (slow, pipeline) = (caller(&ann), served.ready.pipeline.clone());
    let cancel = slow.cancelled.clone();
    let args = json!({"millis": 60_000, "steps": 1}).as_object().cloned().unwrap_or_default();
    let request = Request::Tool { name: "test_slow".to_owned(), args };
    let running = served.runtime.spawn(async move { pipeline.call(&slow, request).await.is_ok() });
    let began = Instant::now();
    while !served.call(&bob, "test_witness", &json!({})).expect("a slot").contains("running 1") {
        assert!(began.elapsed() < HANG, "the slow call never begins");
    }
    let Err(Failure::Error(error)) = served.call(&ann, "test_echo", &json!({})) else {
        panic!("ann holds half of the slots already");
    };
    assert_eq!(error.kind, Kind::Limited);
    assert!(error.text().contains("you have as many calls under way"), "{}", error.text());
    served.call(&bob, "test_echo", &json!({})).expect("bob's half is free");
    // Who calls from this machine only is alone, and has all slots.
    let alone = Identity::new("user:ann", Proof::OsUser { uid: 1 });
    served.call(&alone, "test_echo", &json!({})).expect("the other slot is free");
    cancel.cancel();
    assert!(!served.runtime.block_on(running).expect("ended"), "cancelled");
}

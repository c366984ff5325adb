//! The one path: each step, and the record it leaves.

use serde_json::{Value, json};
use tests::harness::{Folder, Session, fixture, text};

fn roles(rules: &str, extra: &str) -> Folder {
    Folder::new(&format!(
        "[people]\n\"*\" = [\"some\"]\n[roles.some]\n{rules}\n\
         [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n{extra}"
    ))
}

fn last(folder: &Folder) -> Value {
    folder.calls("test").pop().expect("a record")
}

#[test]
fn each_outcome_leaves_one_record() {
    let folder = roles(
        "tools = [\"test_*\"]\ndeny = { tools = [\"test_big\"] }",
        "tools.test_echo.limit = \"2/minute\"\n",
    );
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let mut expect = |tool: &str, args: Value, outcome: &str, error: Value, words: &str| {
        let before = folder.calls("test").len();
        let answer = session.call(tool, args).to_string();
        assert!(answer.contains(words), "{tool}: {answer}");
        assert_eq!(folder.calls("test").len(), before + 1, "{tool}");
        let record = last(&folder);
        assert_eq!(record["outcome"], outcome, "{record}");
        assert_eq!(record["error"], error, "{record}");
        assert_eq!(record["tool"], tool);
        assert!(record["duration_us"].is_u64() && record["result_digest"].is_string(), "{record}");
        assert_eq!(record["client"]["name"], "e2e");
        record
    };
    let record = expect("test_echo", json!({"text": "hi"}), "done", Value::Null, "hi");
    assert_eq!(record["arguments"], json!({"text": "hi"}));
    assert_eq!(record["target"], "nothing:echo");
    assert!(
        record["decision"]["rule"].as_str().is_some_and(|rule| rule.contains("servers.toml:3:")),
        "{record}"
    );
    assert!(record["tool_digest"].as_str().is_some_and(|digest| digest.len() == 64));
    expect("test_echo", json!({"txt": "hi"}), "invalid", json!("invalid"), "did you mean `text`?");
    expect("test_echo", json!({"text": 5}), "invalid", json!("invalid"), "expected a string");
    expect("test_echo", json!({}), "done", Value::Null, "ok");
    expect("test_echo", json!({}), "limited", json!("limited"), "Retry after ");
    expect("test_big", json!({"bytes": 5}), "denied", json!("not_found"), "is unknown");
    expect("test_nothing", json!({}), "denied", json!("not_found"), "is unknown");
    expect("test_panic", json!({}), "failed", json!("internal"), "the server failed");
    let reason = "because the test says so";
    expect(
        "test_commit",
        json!({"reason": reason, "text": "x"}),
        "pending",
        json!("approval_needed"),
        "nothing was done",
    );
}

#[test]
fn a_tool_one_may_not_call_is_neither_listed_nor_callable() {
    let folder = roles("tools = [\"test_e*\"]", "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let list = session.request("tools/list", json!({}))["result"]["tools"].clone();
    let names: Vec<&str> =
        list.as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert!(
        names.iter().all(|name| name.starts_with("test_e")) && names.contains(&"test_echo"),
        "{names:?}"
    );
    let answer = session.call("test_big", json!({"bytes": 1}));
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(!answer.to_string().contains("test_slow"), "no hint of what else exists: {answer}");
    assert_eq!(last(&folder)["outcome"], "denied");
    assert_eq!(last(&folder)["decision"]["allowed"], false);
}

#[test]
fn servers_toml_tightens_and_never_loosens() {
    for (line, words) in [
        ("tools.test_echo.limit = \"2000000/second\"", "looser"),
        ("tools.test_echo.timeout = 3600", "longer"),
        ("tools.test_echo.tokens = 9000", "more than"),
        ("tools.test_commit.approval = \"none\"", "less than"),
        ("tools.test_ecko.enabled = false", "did you mean `test_echo`?"),
    ] {
        let folder = Folder::fixture(&format!("{line}\n"));
        let output = std::process::Command::new(fixture())
            .args(["check", "--config"])
            .arg(folder.config())
            .output()
            .expect("runs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(errors.contains(words), "{line}: {errors}");
        if words != "looser" {
            assert!(errors.contains("servers.toml:8:"), "the line is named: {errors}");
        }
    }
    let folder = Folder::fixture("tools.test_echo.enabled = false\ntools.test_big.tokens = 100\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert_eq!(session.call("test_echo", json!({}))["error"]["code"], -32602);
    let answer = session.call("test_big", json!({"bytes": 100_000}));
    assert!(text(&answer).len() < 500, "{}", text(&answer).len());
}

#[test]
fn a_deadline_ends_a_reading_call() {
    let folder = Folder::fixture("tools.test_slow.timeout = 1\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let answer = session.call("test_slow", json!({"millis": 30_000, "steps": 1}));
    assert!(text(&answer).starts_with("timeout: "), "{answer}");
    assert_eq!(last(&folder)["error"], "timeout");
}

#[test]
fn a_cancelled_call_is_recorded_as_abandoned() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let id = session.post_modern(
        "tools/call",
        json!({"name": "test_slow", "arguments": {"millis": 50_000, "steps": 1}}),
    );
    session.call("test_echo", json!({}));
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    session.send(&cancel.to_string());
    let (status, rest, _) = session.close();
    assert!(status.success() && !rest.iter().any(|message| message["id"] == id), "{rest:?}");
    let record = last(&folder);
    assert_eq!((&record["tool"], &record["outcome"]), (&json!("test_slow"), &json!("abandoned")));
}

#[test]
fn an_acting_call_writes_its_intent_first_and_finishes_though_cancelled() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let reason = "because the test says so";
    let args = json!({"reason": reason, "text": "one", "millis": 300});
    let id =
        session.post_modern("tools/call", json!({"name": "test_slow_draft", "arguments": args}));
    session.call("test_echo", json!({}));
    let cancel =
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    session.send(&cancel.to_string());
    let (status, ..) = session.close();
    assert!(status.success());
    let records = folder.records("test");
    let of_draft: Vec<&Value> =
        records.iter().filter(|record| record["tool"] == "test_slow_draft").collect();
    assert_eq!(of_draft.len(), 2, "{of_draft:?}");
    assert_eq!(of_draft[0]["event"], "intent");
    assert_eq!(of_draft[0]["claimed"]["reason"], reason);
    assert_eq!(of_draft[0]["call"], of_draft[1]["call"]);
    assert_eq!(of_draft[1]["outcome"], "done", "the record is true: {:?}", of_draft[1]);
}

#[test]
fn progress_arrives_in_order() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let mut params = json!({"name": "test_slow", "arguments": {"millis": 100, "steps": 5}, "_meta": tests::harness::meta()});
    params["_meta"]["progressToken"] = json!("p");
    let id = session.post("tools/call", params);
    let mut steps = Vec::new();
    loop {
        let message = session.receive().expect("a message");
        if message["id"] == id {
            break;
        }
        assert_eq!(message["method"], "notifications/progress", "{message}");
        assert_eq!(message["params"]["progressToken"], "p");
        steps.push(message["params"]["progress"].as_f64().expect("a number"));
    }
    assert!(steps.len() >= 5 && steps.is_sorted(), "{steps:?}");
}

#[test]
fn a_tool_from_configuration_is_like_any_other() {
    let folder = Folder::fixture(
        "[[servers.test.canned]]\nname = \"test_canned_hours\"\nanswer = \"nine to five\"\n",
    );
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let list = session.request("tools/list", json!({})).to_string();
    assert!(list.contains("test_canned_hours"), "{list}");
    let answer = session.call("test_canned_hours", json!({}));
    assert!(text(&answer).contains("nine to five"), "{answer}");
    let answer = session.call("test_canned_hours", json!({"x": 1}));
    assert!(text(&answer).starts_with("invalid: "), "{answer}");
}

#[test]
fn a_forged_request_state_is_refused_and_recorded() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let params = json!({"name": "test_echo", "arguments": {}, "requestState": "forged", "inputResponses": {}});
    let answer = session.request("tools/call", params);
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    assert!(answer.to_string().contains("requestState"), "{answer}");
    let record = last(&folder);
    assert_eq!((&record["outcome"], &record["tool"]), (&json!("invalid"), &json!("test_echo")));
}

#[test]
fn records_keep_what_the_client_claims_and_only_a_digest_where_the_rule_says_so() {
    let extra = "tools.test_echo.record = \"digest\"\n";
    let folder = roles("tools = [\"test_*\"]", extra);
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let mut meta = tests::harness::meta();
    meta["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    meta["suite/user-request"] = json!("tell me a secret");
    let args = json!({"text": "kept out of the log"});
    let id =
        session.post("tools/call", json!({"name": "test_echo", "arguments": args, "_meta": meta}));
    assert_eq!(text(&session.answer(id)), "kept out of the log");
    let record = last(&folder);
    assert!(
        record.get("arguments").is_none() && !record.to_string().contains("kept out"),
        "{record}"
    );
    assert!(
        record["arguments_digest"].as_str().is_some_and(|digest| digest.len() == 64),
        "{record}"
    );
    assert_eq!(record["claimed"]["user_request"], "tell me a secret");
    assert_eq!(
        record["claimed"]["trace"],
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    );
    assert_eq!(record["claimed"]["reason"], "not supplied");
    assert!(record["policy"].as_str().is_some_and(|digest| digest.len() == 64), "{record}");
    let started = folder.records("test").into_iter().find(|record| record["event"] == "started");
    let started = started.expect("a start");
    assert!(
        started["detail"].as_str().is_some_and(|detail| detail.contains("for stdio; confined: ")),
        "{started}"
    );
}

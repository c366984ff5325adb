//! One effect, whatever crashes or is tried again.

use serde_json::{Value, json};
use tests::harness::{Folder, HANG, Service, Session, approval, fixture, meta, text};

fn folder(service: &Service) -> Folder {
    Folder::fixture(&format!("service = {}\n", service.port()))
}

fn deed(what: &str) -> Value {
    json!({"text": what, "reason": "because the test says so"})
}

/// A call with an idempotency key.
fn keyed(session: &mut Session, key: &str, args: &Value) -> String {
    let mut meta = meta();
    meta["suite/idempotency-key"] = json!(key);
    let params = json!({"name": "test_deed_free", "arguments": args, "_meta": meta});
    let id = session.post("tools/call", params);
    text(&session.answer(id)).to_owned()
}

#[test]
fn the_same_idempotency_key_has_one_effect_and_two_records() {
    let service = Service::start();
    let folder = folder(&service);
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert_eq!(keyed(&mut session, "k1", &deed("a")), "did: a");
    let again = keyed(&mut session, "k1", &deed("a"));
    assert!(again.starts_with("did: a") && again.contains("not done again"), "{again}");
    assert_eq!(service.lines(), ["a"]);
    assert_eq!(folder.calls("test").len(), 2);
    let other = keyed(&mut session, "k1", &deed("b"));
    assert!(other.starts_with("invalid: ") && other.contains("other arguments"), "{other}");
    assert_eq!(keyed(&mut session, "k2", &deed("a")), "did: a");
    assert_eq!(service.lines(), ["a", "a"], "another key is another effect");
    // Over a restart, too.
    session.close();
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(keyed(&mut session, "k2", &deed("a")).contains("not done again"));
    assert_eq!(service.lines(), ["a", "a"]);
}

#[test]
fn a_key_that_cannot_be_kept_is_refused() {
    let service = Service::start();
    let folder = folder(&service);
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for key in [json!(123), json!(["a"]), json!(""), json!("x".repeat(201))] {
        let mut meta = meta();
        meta["suite/idempotency-key"] = key;
        let params = json!({"name": "test_deed_free", "arguments": deed("a"), "_meta": meta});
        let id = session.post("tools/call", params);
        let answer = session.answer(id);
        assert!(text(&answer).starts_with("invalid: "), "{answer}");
    }
    assert!(service.lines().is_empty());
}

#[test]
fn a_key_whose_call_did_nothing_is_free_again() {
    let service = Service::start();
    let folder = folder(&service);
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let mut args = deed("a");
    args["fails"] = json!("unavailable");
    assert!(keyed(&mut session, "k", &args).starts_with("unavailable: "));
    assert!(keyed(&mut session, "k", &args).starts_with("unavailable: nothing was done."));
    assert_eq!(keyed(&mut session, "k", &deed("a")), "did: a");
}

#[test]
fn a_call_killed_between_intent_and_outcome_is_never_done_again_by_itself() {
    let service = Service::start();
    let folder = folder(&service);
    let bob = folder.key("bob", Some("bob"));
    let mut servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
    servers = servers.replace("tools = [\"*\"]", "tools = [\"*\"]\napproves = [\"*\"]");
    folder.write("servers.toml", &servers);
    let mut args = deed("killed");
    args["millis"] = json!(60_000);
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let asked = session.call("test_deed_one", args.clone());
    let id = approval(text(&asked));
    assert!(folder.approve(&id, &bob).ok);
    session.post_modern("tools/call", json!({"name": "test_deed_one", "arguments": args}));
    let began = std::time::Instant::now();
    while !folder.records("test").iter().any(|record| record["event"] == "approval_redeemed") {
        assert!(began.elapsed() < HANG, "it never begins");
        std::thread::yield_now();
    }
    session.signal("KILL");
    session.wait();
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let said = session.call("test_deed_one", args);
    let said = text(&said);
    assert!(said.contains("was interrupted while it did; it is not done again"), "{said}");
    assert!(said.contains("test_verify"), "{said}");
    assert!(service.lines().is_empty());
    let records = folder.records("test");
    let intent = records.iter().find(|record| record["event"] == "intent").expect("an intent");
    let outcome =
        records.iter().find(|record| record["event"] == "call" && record["call"] == intent["call"]);
    assert!(outcome.is_none(), "the open intent is visible: {outcome:?}");
}

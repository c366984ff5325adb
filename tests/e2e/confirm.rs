//! A yes in the host: forms in both eras of the protocol, good for `Confirm` only. Only an
//! explicit yes counts.

use serde_json::{Value, json};
use tests::harness::{Folder, HANG, Service, Session, approval, fixture, text};

fn folder(service: &Service, extra: &str) -> Folder {
    Folder::fixture(&format!("service = {}\n{extra}", service.port()))
}

fn deed(what: &str) -> Value {
    json!({"text": what, "reason": "because the test says so"})
}

/// `_meta` of a client of revision 2026-07-28 with these capabilities.
fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "e2e", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities
    })
}

/// A call of revision 2026-07-28 by a client that offers forms.
fn modern(session: &mut Session, tool: &str, args: &Value, more: Value) -> Value {
    let offers = json!({"elicitation": {"form": {}}});
    let mut params = json!({"name": tool, "arguments": args, "_meta": meta(&offers)});
    for (name, value) in more.as_object().into_iter().flatten() {
        params[name] = value.clone();
    }
    let id = session.post("tools/call", params);
    session.answer(id)
}

/// The key, form and sealed state of a call that waits for an answer.
fn question(answer: &Value) -> (String, Value, String) {
    let result = &answer["result"];
    let requests = result["inputRequests"].as_object().unwrap_or_else(|| panic!("{answer}"));
    let (key, request) = requests.iter().next().expect("one question");
    let state = result["requestState"].as_str().expect("a state").to_owned();
    (key.clone(), request.clone(), state)
}

fn answered(key: &str, state: &str, answer: Value) -> Value {
    json!({"inputResponses": {key: answer}, "requestState": state})
}

#[test]
fn since_2026_an_explicit_yes_runs_exactly_what_the_form_showed_once() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let args = deed("modern yes");
    let asked = modern(&mut session, "test_deed_confirm", &args, json!({}));
    let (key, form, state) = question(&asked);
    let message = form["params"]["message"].as_str().expect("a message");
    assert!(message.contains("text: modern yes"), "{message}");
    assert!(service.lines().is_empty());
    let yes = json!({"action": "accept", "content": {"decision": "yes"}});
    let more = answered(&key, &state, yes);
    let done = modern(&mut session, "test_deed_confirm", &args, more.clone());
    assert_eq!(text(&done), "did: modern yes", "{done}");
    let again = modern(&mut session, "test_deed_confirm", &args, more);
    assert!(text(&again).contains("not done again"), "the answer is good once: {again}");
    assert_eq!(service.lines(), ["modern yes"]);
}

#[test]
fn since_2026_anything_but_a_yes_has_no_effect() {
    let check = |answer: Value, words: &str| {
        let service = Service::start();
        let folder = folder(&service, "");
        let mut session = Session::start(&fixture(), "test", &folder.config());
        let args = deed("never");
        let asked = modern(&mut session, "test_deed_confirm", &args, json!({}));
        let (key, _, state) = question(&asked);
        let came = modern(&mut session, "test_deed_confirm", &args, answered(&key, &state, answer));
        assert!(came.to_string().contains(words), "{words}: {came}");
        assert!(service.lines().is_empty(), "{words}");
    };
    check(json!({"action": "accept", "content": {"decision": "no"}}), "denied: ");
    check(json!({"action": "decline"}), "denied: ");
    check(json!({"action": "cancel"}), "approval_needed: ");
    // What does not answer the form is asked again.
    check(json!({"action": "accept"}), "inputRequests");
    check(json!({"action": "accept", "content": {"decision": "YES!"}}), "inputRequests");
    check(json!({"action": "accept", "content": {"decision": true}}), "inputRequests");
    check(json!({"content": {"decision": "yes"}}), "inputRequests");
}

#[test]
fn an_answer_to_another_call_or_state_is_nobodys() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let (one, two) = (deed("one"), deed("two"));
    let first = modern(&mut session, "test_deed_confirm", &one, json!({}));
    let (key, _, state) = question(&first);
    let second = modern(&mut session, "test_deed_confirm", &two, json!({}));
    let (other, _, _) = question(&second);
    let yes = json!({"action": "accept", "content": {"decision": "yes"}});
    // The state of one call, carried by another.
    let stolen =
        modern(&mut session, "test_deed_confirm", &two, answered(&other, &state, yes.clone()));
    assert!(
        stolen.to_string().contains("`requestState` is damaged, expired, or of another call"),
        "{stolen}"
    );
    // A forged state, and an answer without a question.
    let forged =
        modern(&mut session, "test_deed_confirm", &one, answered(&key, "forged", yes.clone()));
    assert!(forged.to_string().contains("`requestState` is damaged"), "{forged}");
    let bare =
        modern(&mut session, "test_deed_confirm", &one, json!({"inputResponses": {&key: yes}}));
    question(&bare);
    // The answer to the question of one approval does not answer another's.
    let swapped = json!({"action": "accept", "content": {"decision": "yes"}});
    let came = modern(&mut session, "test_deed_confirm", &one, answered(&other, &state, swapped));
    question(&came);
    assert!(service.lines().is_empty());
}

#[test]
fn a_form_is_never_enough_for_more_than_confirm() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for tool in ["test_deed_one", "test_deed_two"] {
        let answer = modern(&mut session, tool, &deed("x"), json!({}));
        assert!(text(&answer).starts_with("approval_needed: "), "{answer}");
    }
}

#[test]
fn what_a_form_cannot_show_whole_is_not_asked_there() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let answer = modern(&mut session, "test_deed_confirm", &deed(&"long ".repeat(900)), json!({}));
    assert!(text(&answer).starts_with("approval_needed: "), "{answer}");
}

#[test]
fn a_host_without_forms_reads_how_people_decide() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let args = deed("no form here");
    let answer = session.call("test_deed_confirm", args.clone());
    let said = text(&answer);
    assert!(
        said.starts_with("approval_needed: ") && said.contains("suite approvals show"),
        "{said}"
    );
    assert!(service.lines().is_empty());
    // The requester's own key is good for Confirm.
    let me = std::process::Command::new("id").arg("-un").output().expect("id");
    let own = folder.key("own", Some(String::from_utf8_lossy(&me.stdout).trim()));
    assert!(folder.approve(&approval(said), &own).ok);
    let done = session.call("test_deed_confirm", args);
    assert_eq!(text(&done), "did: no form here");
    assert_eq!(service.lines(), ["no form here"]);
}

/// A call of a revision before 2026-07-28: the server asks while the call runs.
fn legacy(answer: Value, capabilities: &Value) -> (Service, Folder, Value) {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.open_offering("2025-11-25", capabilities);
    let id = session
        .post("tools/call", json!({"name": "test_deed_confirm", "arguments": deed("legacy")}));
    let came = loop {
        let message = session.receive().expect("the server answers");
        if message["method"] == "elicitation/create" {
            let shown = message["params"]["message"].as_str().expect("a message");
            assert!(shown.contains("text: legacy"), "{shown}");
            let reply = json!({"jsonrpc": "2.0", "id": message["id"], "result": answer});
            session.send(&reply.to_string());
        } else if message["id"] == id {
            break message;
        }
    };
    (service, folder, came)
}

#[test]
fn before_2026_the_same_rules_hold() {
    let form = json!({"elicitation": {}});
    let (service, _, came) =
        legacy(json!({"action": "accept", "content": {"decision": "yes"}}), &form);
    assert_eq!(text(&came), "did: legacy");
    assert_eq!(service.lines(), ["legacy"]);
    for (answer, words) in [
        (json!({"action": "accept", "content": {"decision": "no"}}), "denied: "),
        (json!({"action": "accept", "content": {}}), "approval_needed: "),
        (json!({"action": "accept"}), "approval_needed: "),
        (json!({"action": "decline"}), "denied: "),
        (json!({"action": "cancel"}), "approval_needed: "),
        (json!({"nonsense": true}), "approval_needed: "),
    ] {
        let (service, _, came) = legacy(answer.clone(), &form);
        assert!(text(&came).starts_with(words), "{answer}: {came}");
        assert!(service.lines().is_empty(), "{answer}");
    }
    let (service, folder, came) = legacy(json!({}), &json!({}));
    assert!(text(&came).starts_with("approval_needed: "), "no capability: {came}");
    assert!(service.lines().is_empty());
    assert_eq!(folder.calls("test").last().expect("a record")["outcome"], "pending");
}

#[test]
fn a_client_that_goes_away_during_a_form_leaves_no_effect() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.open_offering("2025-11-25", &json!({"elicitation": {}}));
    let id =
        session.post("tools/call", json!({"name": "test_deed_confirm", "arguments": deed("gone")}));
    let asked = session.receive().expect("a question");
    assert_eq!(asked["method"], "elicitation/create");
    session.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}).to_string());
    let began = std::time::Instant::now();
    while folder.calls("test").is_empty() {
        assert!(began.elapsed() < HANG, "the call never ends");
        std::thread::yield_now();
    }
    assert_eq!(folder.calls("test")[0]["outcome"], "abandoned");
    session.close();
    assert!(service.lines().is_empty());
}

#[test]
fn a_host_that_opens_pages_is_sent_to_the_page() {
    let service = Service::start();
    let folder = folder(&service, "[approvals]\npage = \"https://suite.acme.example/approvals\"\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let offers = json!({"elicitation": {"url": {}}});
    let args = deed("on a page");
    let params = json!({"name": "test_deed_one", "arguments": args, "_meta": meta(&offers)});
    let id = session.post("tools/call", params.clone());
    let (key, request, state) = question(&session.answer(id));
    assert_eq!(request["params"]["mode"], "url");
    let url = request["params"]["url"].as_str().expect("an address");
    assert!(url.starts_with("https://suite.acme.example/approvals/"), "{url}");
    // That the page was opened decides nothing.
    let mut params = params;
    params["inputResponses"] = json!({ key: {"action": "accept"} });
    params["requestState"] = json!(state);
    let id = session.post("tools/call", params);
    let answer = session.answer(id);
    assert!(text(&answer).starts_with("approval_needed: "), "{answer}");
    assert!(text(&answer).contains(url), "{answer}");
    assert!(service.lines().is_empty());
}

/// What happens while the form is open counts, too.
#[test]
fn what_changes_while_a_form_is_open_is_not_what_was_approved() {
    let check = |change: &dyn Fn(&Folder)| {
        let service = Service::start();
        let folder = folder(&service, "");
        let mut session = Session::start(&fixture(), "test", &folder.config());
        session.open_offering("2025-11-25", &json!({"elicitation": {}}));
        let id = session
            .post("tools/call", json!({"name": "test_deed_confirm", "arguments": deed("open")}));
        let asked = session.receive().expect("a question");
        change(&folder);
        let yes = json!({"action": "accept", "content": {"decision": "yes"}});
        session.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": yes}).to_string());
        let came = session.answer(id);
        assert!(text(&came).starts_with("denied: "), "{came}");
        assert!(service.lines().is_empty());
    };
    check(&|folder: &Folder| folder.write("state/test/attachment", "other bytes"));
    check(&|folder: &Folder| {
        let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
        let tighter = format!("{servers}tools.test_deed_confirm.approval = \"two\"\n");
        folder.write("servers.toml", &tighter);
        let began = std::time::Instant::now();
        while !folder.records("test").iter().any(|record| record["event"] == "policy_loaded") {
            assert!(began.elapsed() < HANG, "it is never followed");
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_form_that_nobody_answers_in_time_has_no_effect() {
    let service = Service::start();
    let folder = folder(&service, "[approvals]\nwithin = \"1s\"\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.open_offering("2025-11-25", &json!({"elicitation": {}}));
    let id = session
        .post("tools/call", json!({"name": "test_deed_confirm", "arguments": deed("silence")}));
    let asked = session.receive().expect("a question");
    assert_eq!(asked["method"], "elicitation/create");
    let came = session.answer(id);
    assert!(text(&came).starts_with("approval_needed: "), "{came}");
    let yes = json!({"action": "accept", "content": {"decision": "yes"}});
    session.send(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": yes}).to_string());
    session.request("tools/list", json!({}));
    assert!(service.lines().is_empty(), "a late yes is none");
}

#[test]
fn before_2026_a_host_that_opens_pages_is_sent_there_too() {
    let service = Service::start();
    let folder = folder(&service, "[approvals]\npage = \"https://suite.acme.example/approvals\"\n");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let offers = json!({"elicitation": {"url": {}}});
    session.open_offering("2025-11-25", &offers);
    let id =
        session.post("tools/call", json!({"name": "test_deed_one", "arguments": deed("page")}));
    let asked = session.receive().expect("a question");
    assert_eq!(asked["params"]["mode"], "url", "{asked}");
    let reply = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept"}});
    session.send(&reply.to_string());
    let came = session.answer(id);
    assert!(text(&came).starts_with("approval_needed: "), "opening a page is no yes: {came}");
    assert!(service.lines().is_empty());
}

//! Approvals: nothing leaves without the yes its rule demands, bound to exactly what was shown.
//! Effects are observed outside the product: by a loopback service, and in a file.

use serde_json::{Value, json};
use tests::harness::{Folder, Service, Session, approval, fixture, text};

/// Everybody may call; bob, cy and ann may approve. The user who runs the tests is the requester.
const PEOPLE: &str = "[people]\n\"*\" = [\"agent\"]\nbob = [\"lead\"]\ncy = [\"lead\"]\n\
     dan = [\"lead\"]\n[roles.agent]\ntools = [\"*\"]\n[roles.lead]\napproves = [\"test_deed_*\"]\n";

const SERVER: &str = "[servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n";

fn folder(service: &Service, extra: &str) -> Folder {
    Folder::new(&format!("{PEOPLE}{SERVER}service = {}\n{extra}", service.port()))
}

fn start(folder: &Folder) -> Session {
    Session::start(&fixture(), "test", &folder.config())
}

fn deed(what: &str) -> Value {
    json!({"text": what, "reason": "because the test says so"})
}

/// Calls, and returns what the model reads.
fn call(session: &mut Session, tool: &str, args: &Value) -> String {
    let answer = session.call(tool, args.clone());
    let said = text(&answer);
    if said.is_empty() { answer.to_string() } else { said.to_owned() }
}

/// Asks for an approval, and returns its identity.
fn ask(session: &mut Session, tool: &str, args: &Value) -> String {
    let said = call(session, tool, args);
    assert!(said.starts_with("approval_needed: "), "{said}");
    approval(&said)
}

fn events(folder: &Folder) -> Vec<String> {
    let records = folder.records("test");
    let names = records.iter().filter_map(|record| record["event"].as_str());
    names
        .filter(|name| name.starts_with("approval") || *name == "unidentified")
        .map(str::to_owned)
        .collect()
}

#[test]
fn one_other_person_says_yes_and_it_is_done_once() {
    let service = Service::start();
    let folder = folder(&service, "");
    let bob = folder.key("bob-laptop", Some("bob"));
    let mut session = start(&folder);
    let args = deed("tell the world");
    let id = ask(&mut session, "test_deed_one", &args);
    assert_eq!(ask(&mut session, "test_deed_one", &args), id, "asking again is the same question");
    assert!(service.lines().is_empty(), "no yes, no effect");
    let decided = folder.approve(&id, &bob);
    assert!(decided.ok, "{decided:?}");
    for shown in ["What would be done", "text: tell the world", "asked by", "approved"] {
        assert!(decided.output.contains(shown), "{shown}: {}", decided.output);
    }
    assert!(service.lines().is_empty(), "a yes alone runs nothing");
    assert_eq!(call(&mut session, "test_deed_one", &args), "did: tell the world");
    assert_eq!(service.lines(), ["tell the world"]);
    for again in [args, json!({ "approval": id })] {
        let said = call(&mut session, "test_deed_one", &again);
        assert!(said.contains("did: tell the world") && said.contains("not done again"), "{said}");
    }
    assert_eq!(service.lines(), ["tell the world"], "one effect");
    assert_eq!(events(&folder), ["approval_asked", "approval_given", "approval_redeemed"]);
    let records = folder.records("test");
    let given = records.iter().find(|record| record["event"] == "approval_given").expect("given");
    assert_eq!(given["approval"]["by"][0]["reason"], "looked at it and it is right");
    assert_eq!(given["approval"]["by"][0]["identity"], "key:bob-laptop");
    let done =
        records.iter().find(|record| record["event"] == "call" && record["outcome"] == "done");
    assert_eq!(done.expect("done")["approval"]["by"][0]["subject"], "bob");
}

#[test]
fn the_identity_of_the_approval_stands_for_the_stored_call() {
    let service = Service::start();
    let folder = folder(&service, "");
    let bob = folder.key("b", Some("bob"));
    let mut session = start(&folder);
    let id = ask(&mut session, "test_deed_one", &deed("by identity"));
    assert!(folder.approve(&id, &bob).ok);
    let said = call(&mut session, "test_deed_one", &json!({ "approval": id }));
    assert_eq!(said, "did: by identity");
    for wrong in ["ffffffffffff", "zz", "%", ""] {
        let said = call(&mut session, "test_deed_one", &json!({ "approval": wrong }));
        assert!(said.contains("you have no approval"), "{said}");
    }
    let said = call(&mut session, "test_deed_two", &json!({ "approval": id }));
    assert!(said.contains("you have no approval"), "of another tool: {said}");
    assert_eq!(service.lines(), ["by identity"]);
}

#[test]
fn two_different_people_say_yes_where_the_rule_says_two() {
    let service = Service::start();
    let folder = folder(&service, "");
    let [laptop, phone, cy] =
        [("laptop", "bob"), ("phone", "bob"), ("cy", "cy")].map(|(k, p)| folder.key(k, Some(p)));
    let mut session = start(&folder);
    let args = deed("pay the bill");
    let id = ask(&mut session, "test_deed_two", &args);
    let first = folder.approve(&id, &laptop);
    assert!(first.ok && first.output.contains("the first of two"), "{first:?}");
    ask(&mut session, "test_deed_two", &args);
    let same = folder.approve(&id, &phone);
    assert!(!same.ok && same.output.contains("the same person has decided already"), "{same:?}");
    ask(&mut session, "test_deed_two", &args);
    assert!(service.lines().is_empty(), "one yes of two");
    assert!(folder.approve(&id, &cy).ok);
    assert_eq!(call(&mut session, "test_deed_two", &args), "did: pay the bill");
    assert_eq!(service.lines(), ["pay the bill"]);
    assert!(events(&folder).contains(&"approval_refused".to_owned()), "{:?}", events(&folder));
}

#[test]
fn nobody_approves_the_own_call_with_whatever_credential() {
    let service = Service::start();
    let folder = folder(&service, "");
    let me = std::process::Command::new("id").arg("-un").output().expect("id");
    let me = String::from_utf8_lossy(&me.stdout).trim().to_owned();
    let mut servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
    servers = servers.replace(
        "dan = [\"lead\"]\n",
        &format!("{me} = {{ roles = [\"lead\"], is = [\"key:own\", \"user:{me}\"] }}\n"),
    );
    folder.write("servers.toml", &servers);
    let own = folder.key("own", None);
    let persons = folder.key("persons", Some(&me));
    let mut session = start(&folder);
    let args = deed("by myself");
    let id = ask(&mut session, "test_deed_one", &args);
    for key in [own, persons] {
        let decided = folder.approve(&id, &key);
        assert!(
            !decided.ok && decided.output.contains("may not approve the own call"),
            "{decided:?}"
        );
    }
    ask(&mut session, "test_deed_one", &args);
    assert!(service.lines().is_empty());
}

#[test]
fn only_an_approver_with_a_credential_that_counts_decides() {
    let service = Service::start();
    let folder = folder(&service, "");
    let [nobody, gone] = [("nobody", "eve"), ("gone", "bob")].map(|(k, p)| folder.key(k, Some(p)));
    folder.revoke("gone");
    let mut session = start(&folder);
    let args = deed("let me");
    let id = ask(&mut session, "test_deed_one", &args);
    for (key, why) in [
        (nobody.as_str(), "no rule lets them approve"),
        (gone.as_str(), "was revoked"),
        ("suite_nonsense", "mangled"),
        ("", "mangled"),
    ] {
        let decided = folder.approve(&id, key);
        assert!(!decided.ok && decided.output.contains(why), "{why}: {decided:?}");
    }
    ask(&mut session, "test_deed_one", &args);
    assert!(service.lines().is_empty());
    let refused = events(&folder);
    assert_eq!(refused.iter().filter(|event| *event == "unidentified").count(), 3, "{refused:?}");
    assert_eq!(refused.iter().filter(|event| *event == "approval_refused").count(), 1);
}

#[test]
fn the_credential_is_taken_from_the_terminal_only() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let service = Service::start();
    let folder = folder(&service, "");
    let bob = folder.key("b", Some("bob"));
    let mut session = start(&folder);
    let id = ask(&mut session, "test_deed_one", &deed("x"));
    // A new session of its own has no terminal; standard input holds the key.
    let mut child = Command::new("setsid")
        .arg("--wait")
        .arg(fixture())
        .args(["approvals", "approve", &id, "--reason", "from a pipe", "--config"])
        .arg(folder.config())
        .env("SUITE_KEY", &bob)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setsid");
    let _ = child.stdin.take().expect("its input").write_all(format!("{bob}\n").as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("a person at a terminal"), "{errors}");
    ask(&mut session, "test_deed_one", &deed("x"));
}

#[test]
fn a_no_is_final_and_its_reason_reaches_the_agent() {
    let service = Service::start();
    let folder = folder(&service, "");
    let bob = folder.key("b", Some("bob"));
    let mut session = start(&folder);
    let id = ask(&mut session, "test_deed_one", &deed("bad idea"));
    assert!(folder.decide("deny", &id, &bob, "this would wake everybody").ok);
    let said = call(&mut session, "test_deed_one", &deed("bad idea"));
    assert!(
        said.starts_with("denied: ") && said.contains("bob said no: this would wake everybody"),
        "{said}"
    );
    let late = folder.path("nothing");
    assert!(!late.exists());
    assert!(service.lines().is_empty());
    assert_eq!(folder.calls("test").last().expect("a record")["outcome"], "denied");
}

#[test]
fn what_changed_after_the_approval_does_not_run() {
    let check = |change: &dyn Fn(&Folder), args: Value, why: &str| {
        let service = Service::start();
        let folder = folder(&service, "");
        let bob = folder.key("b", Some("bob"));
        let mut session = start(&folder);
        let id = ask(&mut session, "test_deed_one", &deed("as approved"));
        assert!(folder.approve(&id, &bob).ok);
        session.close();
        change(&folder);
        let mut session = start(&folder);
        let other = ask(&mut session, "test_deed_one", &args);
        assert_ne!(other, id, "{why}: another call is another approval");
        assert!(service.lines().is_empty(), "{why}: {:?}", service.lines());
        let records = folder.records("test");
        let ended = records.iter().rfind(|record| record["event"] == "approval_expired");
        let detail = ended.and_then(|record| record["detail"].as_str()).unwrap_or_default();
        assert!(detail.contains(why), "{why}: {detail}");
    };
    let edit = |from: &'static str, to: &'static str| {
        move |folder: &Folder| {
            let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
            assert!(servers.contains(from), "{from}");
            folder.write("servers.toml", &servers.replace(from, to));
        }
    };
    let same = deed("as approved");
    let nothing = |_: &Folder| {};
    check(&nothing, deed("as approved, and more"), "");
    let elsewhere =
        json!({"text": "as approved", "place": "there", "reason": "because the test says so"});
    check(&nothing, elsewhere, "");
    check(
        &|folder: &Folder| folder.write("state/test/attachment", "other bytes"),
        same.clone(),
        "the content changed",
    );
    check(
        &edit("owner = \"tests\"\n", "owner = \"tests\"\ntools.test_deed_one.timeout = 5\n"),
        same.clone(),
        "the tool changed",
    );
    check(
        &edit("owner = \"tests\"\n", "owner = \"tests\"\ntools.test_deed_one.approval = \"two\"\n"),
        same.clone(),
        "the tool changed",
    );
    check(&edit("dan = [\"lead\"]", "dan = [\"agent\"]"), same, "the policy changed");
}

#[test]
fn an_approver_who_does_not_count_any_more_stops_the_call() {
    let check = |change: &dyn Fn(&Folder), why: &str| {
        let service = Service::start();
        let folder = folder(&service, "");
        let bob = folder.key("b", Some("bob"));
        let mut session = start(&folder);
        let args = deed("while bob was there");
        let id = ask(&mut session, "test_deed_one", &args);
        assert!(folder.approve(&id, &bob).ok);
        change(&folder);
        session.close();
        let mut session = start(&folder);
        let said = call(&mut session, "test_deed_one", &args);
        assert!(said.starts_with("denied: ") && said.contains(why), "{said}");
        assert!(service.lines().is_empty());
        ask(&mut session, "test_deed_one", &args);
    };
    check(&|folder: &Folder| folder.revoke("b"), "the credential key:b was revoked");
    check(
        &|folder: &Folder| {
            let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
            folder.write("servers.toml", &servers.replace("bob = [\"lead\"]", "bob = [\"agent\"]"));
        },
        "bob may not approve it any more",
    );
}

#[test]
fn an_approval_counts_for_its_time_only() {
    let service = Service::start();
    let folder = folder(&service, "[approvals]\nwithin = \"1s\"\n");
    let mut session = start(&folder);
    let args = deed("too late");
    let id = ask(&mut session, "test_deed_one", &args);
    let began = std::time::Instant::now();
    while ask(&mut session, "test_deed_one", &args) == id {
        assert!(began.elapsed() < tests::harness::HANG, "it never ends");
    }
    assert!(folder.path("state/test/state.db").exists());
    let list = std::process::Command::new(fixture())
        .args(["approvals", "show", &id, "--config"])
        .arg(folder.config())
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&list.stdout).contains("expired"), "{list:?}");
    assert!(service.lines().is_empty());
    // The record of its end may be written a second after it.
    while !events(&folder).contains(&"approval_expired".to_owned()) {
        assert!(began.elapsed() < tests::harness::HANG, "its end is never told");
    }
}

#[test]
fn a_call_that_waited_for_its_turn_is_looked_at_again() {
    let service = Service::start();
    let folder = folder(&service, "in_flight = 1\n");
    let bob = folder.key("b", Some("bob"));
    let mut session = start(&folder);
    let args = deed("queued");
    let id = ask(&mut session, "test_deed_one", &args);
    assert!(folder.approve(&id, &bob).ok);
    let mut slow = deed("holds the slot");
    slow["millis"] = json!(3_000);
    let slow =
        session.post_modern("tools/call", json!({"name": "test_deed_free", "arguments": slow}));
    let began = std::time::Instant::now();
    while !folder.records("test").iter().any(|record| record["event"] == "intent") {
        assert!(began.elapsed() < tests::harness::HANG, "it never begins");
        std::thread::yield_now();
    }
    let queued =
        session.post_modern("tools/call", json!({"name": "test_deed_one", "arguments": args}));
    // Both are answered in time; between, bob's key is gone.
    folder.revoke("b");
    let first = session.receive().expect("an answer");
    let second = session.receive().expect("an answer");
    let find = |id: i64| [&first, &second].into_iter().find(|answer| answer["id"] == id).cloned();
    assert_eq!(text(&find(slow).expect("an answer")), "did: holds the slot");
    let came = find(queued).expect("an answer");
    assert!(text(&came).contains("was revoked"), "{came}");
    assert_eq!(service.lines(), ["holds the slot"]);
}

#[test]
fn an_approval_ends_on_record_also_when_nobody_calls() {
    let service = Service::start();
    let folder = folder(&service, "[approvals]\nwithin = \"1s\"\n");
    let mut session = start(&folder);
    let id = ask(&mut session, "test_deed_one", &deed("forgotten"));
    let began = std::time::Instant::now();
    let ended = loop {
        let records = folder.records("test");
        if let Some(found) = records.into_iter().find(|one| one["event"] == "approval_expired") {
            break found;
        }
        assert!(began.elapsed() < tests::harness::HANG, "it never ends");
        std::thread::yield_now();
    };
    assert!(
        ended["approval"]["id"].as_str().is_some_and(|whole| whole.starts_with(&id)),
        "{ended}"
    );
    assert_eq!((&ended["tool"], &ended["target"]), (&json!("test_deed_one"), &json!("place:here")));
    assert!(ended.get("principal").is_none() && ended.get("arguments").is_none(), "{ended}");
}

#[test]
fn whoever_is_nobody_cannot_be_told_from_the_approver() {
    let service = Service::start();
    let folder = folder(&service, "");
    let server = tests::harness::HttpServer::start(&fixture(), "test", &folder.config());
    let answer = server
        .request("tools/call", json!({"name": "test_deed_one", "arguments": deed("loopback")}))
        .json();
    assert!(text(&answer).contains("nobody can tell who asks"), "{answer}");
}

#[test]
fn fifty_calls_at_a_time_have_one_effect() {
    let service = Service::start();
    let folder = folder(&service, "");
    let bob = folder.key("b", Some("bob"));
    let mut session = start(&folder);
    let mut args = deed("once");
    args["millis"] = json!(50);
    let id = ask(&mut session, "test_deed_one", &args);
    assert!(folder.approve(&id, &bob).ok);
    let params = json!({"name": "test_deed_one", "arguments": args});
    let ids: Vec<i64> =
        (0..50).map(|_| session.post_modern("tools/call", params.clone())).collect();
    let mut open: std::collections::BTreeSet<i64> = ids.into_iter().collect();
    let mut done = 0;
    while !open.is_empty() {
        let answer = session.receive().expect("the server answers");
        if answer["id"].as_i64().is_some_and(|id| open.remove(&id)) {
            done += usize::from(text(&answer) == "did: once");
        }
    }
    assert_eq!(done, 1, "one call is the one");
    assert_eq!(service.lines(), ["once"]);
    let redeemed = events(&folder).iter().filter(|event| *event == "approval_redeemed").count();
    assert_eq!(redeemed, 1);
}

#[test]
fn a_call_that_failed_before_its_effect_is_asked_for_anew() {
    let service = Service::start();
    let folder = folder(&service, "");
    let bob = folder.key("b", Some("bob"));
    let mut session = start(&folder);
    let mut args = deed("fails");
    args["fails"] = json!("unavailable");
    let id = ask(&mut session, "test_deed_one", &args);
    assert!(folder.approve(&id, &bob).ok);
    assert!(call(&mut session, "test_deed_one", &args).starts_with("unavailable: "));
    assert_ne!(ask(&mut session, "test_deed_one", &args), id);
    args["fails"] = json!("panic");
    let id = ask(&mut session, "test_deed_one", &args);
    assert!(folder.approve(&id, &bob).ok);
    assert!(call(&mut session, "test_deed_one", &args).starts_with("internal: "));
    let said = call(&mut session, "test_deed_one", &args);
    assert!(said.contains("it is not done again") && said.contains("test_verify"), "{said}");
}

#[test]
fn what_is_shown_hides_nothing() {
    let service = Service::start();
    let folder = folder(&service, "");
    let mut session = start(&folder);
    let hostile = "pay 10\ntext: pay 1000000\u{202e}\u{200b}\u{1b}[2K\u{e0041}";
    let id = ask(&mut session, "test_deed_one", &deed(hostile));
    let shown = std::process::Command::new(fixture())
        .args(["approvals", "show", &id, "--config"])
        .arg(folder.config())
        .output()
        .expect("it runs");
    let shown = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(shown.contains("  | text: pay 1000000[U+202E][U+200B][U+001B][2K[U+E0041]"), "{shown}");
    assert!(!shown.contains('\u{202e}') && !shown.contains('\u{1b}'), "{shown:?}");
}

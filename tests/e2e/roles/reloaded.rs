//! Rules that change while a server serves.

use std::time::Instant;

use serde_json::{Value, json};
use tests::harness::{Folder, HANG, HttpServer, Session, fixture};

/// servers.toml with these tools for everybody, and further lines of the server's table.
fn rules(tools: &str, extra: &str) -> String {
    format!(
        "[people]\n\"*\" = [\"some\"]\n[roles.some]\ntools = {tools}\n\
         [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n{extra}"
    )
}

/// Replaces a file as editors do: by renaming another over it.
fn replace(folder: &Folder, text: &str) {
    folder.write("servers.toml.new", text);
    std::fs::rename(folder.path("servers.toml.new"), folder.config()).expect("renamed");
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < HANG, "never: {what}");
        std::thread::yield_now();
    }
}

fn events(folder: &Folder, event: &str) -> Vec<Value> {
    let mut records = folder.records("test");
    records.retain(|record| record["event"] == event);
    records
}

fn may(session: &mut Session, tool: &str) -> bool {
    session.call(tool, json!({}))["error"].is_null()
}

#[test]
fn a_changed_file_comes_into_force_while_a_host_is_served() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(may(&mut session, "test_echo") && !may(&mut session, "test_record"));
    replace(&folder, &rules("[\"test_record\"]", ""));
    until("the new rules", || !events(&folder, "policy_loaded").is_empty());
    assert!(may(&mut session, "test_record") && !may(&mut session, "test_echo"));
    let listed = session.request("tools/list", json!({}))["result"]["tools"].to_string();
    assert!(listed.contains("test_record") && !listed.contains("test_echo"), "{listed}");
    let mut records = folder.records("test");
    records.retain(|record| record["event"] != "segment");
    let loaded = records.iter().position(|record| record["event"] == "policy_loaded");
    let (before, after) = records.split_at(loaded.expect("a record"));
    assert!(before.iter().all(|record| record["policy"] == before[0]["policy"]), "{before:?}");
    assert!(after.iter().all(|record| record["policy"] == after[0]["policy"]), "{after:?}");
    assert_ne!(before[0]["policy"], after[0]["policy"], "each version has its own digest");
}

#[test]
fn sighup_reloads_and_does_not_end_the_process() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(may(&mut session, "test_echo"));
    folder.write("servers.d/more.toml", "[roles.some]\ntools = [\"test_record\"]\n");
    session.signal("HUP");
    until("the new rules", || !events(&folder, "policy_loaded").is_empty());
    assert!(may(&mut session, "test_record") && !may(&mut session, "test_echo"));
    session.signal("HUP");
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");
    assert_eq!(events(&folder, "policy_loaded").len(), 1, "the same rules are no new version");
}

#[test]
fn layers_that_come_change_and_go_are_followed() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(may(&mut session, "test_echo"));
    let layer = |tool: &str| {
        folder.write("servers.d/more.toml", &format!("[roles.some]\ntools = [\"{tool}\"]\n"));
    };
    layer("test_record");
    until("a folder that was not there at the start", || may(&mut session, "test_record"));
    layer("test_fail");
    until("a changed layer", || !may(&mut session, "test_record"));
    std::fs::rename(folder.path("servers.d"), folder.path("away")).expect("renamed");
    until("no layer any more", || may(&mut session, "test_echo"));
    layer("test_record");
    until("another folder of the same name", || may(&mut session, "test_record"));
}

#[test]
fn rules_reload_over_http() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let call = |tool: &str| {
        let params = json!({"name": tool, "arguments": {}});
        server.request("tools/call", params).json()["error"].is_null()
    };
    assert!(call("test_echo") && !call("test_record"));
    replace(&folder, &rules("[\"test_record\"]", ""));
    until("the new rules", || call("test_record"));
    assert!(!call("test_echo"));
}

#[test]
fn an_invalid_file_keeps_the_old_rules_and_says_so() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(may(&mut session, "test_echo"));
    let wrong = "[people]\n\"*\" = [\"same\"]\n[roles.some]\ntools = [\"test_[\"]\n\
                 [servers.test]\npurpose = \"Be tested in every way.\"\nowner = \"tests\"\n\
                 tools.test_ecko.limit = \"1/minute\"\n";
    for (index, text) in ["not = = toml\n", wrong, ""].iter().enumerate() {
        replace(&folder, text);
        until("a refusal", || events(&folder, "policy_refused").len() > index);
        assert!(may(&mut session, "test_echo") && !may(&mut session, "test_record"), "{text}");
    }
    replace(&folder, &rules("[\"test_echo\"]", "tools.test_ecko.limit = \"1/minute\"\n"));
    until("a refusal", || events(&folder, "policy_refused").len() > 3);
    let refused = events(&folder, "policy_refused");
    for (record, words) in [
        (&refused[0], vec!["servers.toml:1:", "not TOML"]),
        (
            &refused[1],
            vec!["servers.toml:2:", "did you mean `some`?", "servers.toml:4:", "not a glob"],
        ),
        (&refused[2], vec!["no [servers.test] here"]),
        (&refused[3], vec!["servers.toml:8:", "did you mean `test_echo`?"]),
    ] {
        let detail = record["detail"].as_str().expect("why");
        assert!(words.iter().all(|words| detail.contains(words)), "{words:?}: {detail}");
        assert_eq!(record["policy"], refused[0]["policy"], "the rules in force are named");
    }
    replace(&folder, &rules("[\"test_record\"]", ""));
    until("the new rules", || !events(&folder, "policy_loaded").is_empty());
    assert!(may(&mut session, "test_record"));
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");
    let said = errors.matches("the rules before it stay in force").count();
    assert_eq!(said, 4, "once for each change: {errors}");
    assert!(errors.contains("servers.toml:4:") && errors.contains("not a glob"), "{errors}");
}

#[test]
fn what_needs_a_restart_is_named_and_does_not_change() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    assert!(may(&mut session, "test_echo"));
    let canned = "in_flight = 3\n[[servers.test.canned]]\nname = \"test_new\"\nanswer = \"x\"\n";
    replace(&folder, &rules("[\"test_record\", \"test_new\"]", canned));
    until("the new rules", || !events(&folder, "policy_loaded").is_empty());
    assert!(may(&mut session, "test_record") && !may(&mut session, "test_new"));
    let (_, _, errors) = session.close();
    assert!(errors.contains("needs a restart"), "{errors}");
    let named = ["servers.toml:8:1: servers.test.in_flight", "servers.test.canned"];
    assert!(named.iter().all(|words| errors.contains(words)), "{errors}");
    assert!(!errors.contains("roles"), "{errors}");
}

#[test]
fn a_rule_that_moved_is_named_at_its_new_line() {
    let folder = Folder::new(&rules("[\"test_echo\"]", ""));
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let rule = |session: &mut Session| {
        assert!(may(session, "test_echo"));
        let record = folder.calls("test").pop().expect("a record");
        record["decision"]["rule"].as_str().expect("a rule").to_owned()
    };
    assert!(rule(&mut session).contains("servers.toml:3:"));
    replace(&folder, &format!("# A line more.\n\n{}", rules("[\"test_echo\"]", "")));
    until("the new line", || rule(&mut session).contains("servers.toml:5:"));
    assert!(events(&folder, "policy_loaded").is_empty(), "the same rules are no new version");
}

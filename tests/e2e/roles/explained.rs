//! `suite explain` and `suite check`, as people read them.

use std::process::{Command, Output};

use serde_json::Value;
use tests::harness::{Folder, fixture, suite};

/// Everything that an explanation may have to tell.
fn house() -> Folder {
    let folder = Folder::docs();
    folder.write(
        "servers.toml",
        r#"[people]
"*"              = ["reader"]
ann              = { roles = ["clerk"], is = ["sub:00u1", "key:laptop"] }
bob              = ["lead"]
"group:platform" = ["clerk"]

[roles.reader]
tools   = ["docs_*"]
targets = { collection = ["hand*"] }

[roles.clerk]
tools = ["test_*"]
deny  = { tools = ["test_big"] }

[roles.lead]
approves = ["test_*"]

[servers.docs]
purpose = "Answer from the handbook."
owner   = "tests"
limit   = "300/minute"

[servers.docs.tools.docs_search]
limit    = "200/day"
timeout  = 5
approval = "confirm"

[servers.docs.tools.docs_outline]
enabled = false

[[servers.docs.collections]]
name = "handbook"
path = "handbook"

[[servers.docs.collections]]
name = "secret"
path = "secret"

[servers.test]
purpose = "Be tested in every way."
owner   = "tests"
"#,
    );
    folder
}

fn run(folder: &Folder, args: &[&str]) -> (Option<i32>, String) {
    let is_docs = args.iter().any(|arg| arg.starts_with("docs"));
    let program = if is_docs { suite() } else { fixture() };
    let Output { status, stdout, stderr } = Command::new(program)
        .arg("--config")
        .arg(folder.config())
        .args(args)
        .output()
        .expect("it runs");
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn check(args: &str, code: i32, words: &[&str]) {
    let args: Vec<&str> = ["explain"].into_iter().chain(args.split(' ')).collect();
    let (found, text) = run(&house(), &args);
    assert_eq!(found, Some(code), "{args:?}: {text}");
    for words in words {
        assert!(text.contains(words), "{args:?}: no `{words}` in:\n{text}");
    }
}

#[test]
fn an_explanation_names_the_rule_with_file_and_line() {
    check(
        "ann docs_read collection=handbook path=leave.md",
        0,
        &[
            "ann may call docs_read on collection:handbook.",
            "servers.toml:3:",
            "people.\"*\" (",
            "servers.toml:2:",
            "roles.reader: tools \"docs_*\", targets.collection \"hand*\" (",
            "servers.toml:7:",
            "300/minute",
            "for all tools of docs together (",
            "servers.toml:21:",
        ],
    );
    check(
        "ann docs_read collection=secret path=salaries.md",
        1,
        &[
            "ann may not call docs_read on collection:secret.",
            "targets.collection does not include",
        ],
    );
    check(
        "ann docs_search",
        0,
        &["200/day", "servers.toml:24:", "600/minute", "counts beside it", "confirm", "5 s"],
    );
    check("ann docs_outline", 1, &["it is switched off (", "servers.toml:29:"]);
    check("ann docs_read colection=handbook", 1, &["did you mean `collection`?"]);
    check("ann test_big", 1, &["there is no such tool", "roles.clerk.deny", "servers.toml:11:"]);
}

#[test]
fn an_explanation_says_who_somebody_is() {
    check("sub:00u1 test_echo", 0, &["people.ann lists sub:00u1 (", "servers.toml:3:"]);
    check("sub:ann test_echo", 1, &["it stands for itself"]);
    check("user:ann test_echo", 0, &["the operating-system user ann"]);
    check("key:laptop test_echo", 0, &["`suite keys` has no key laptop"]);
    check("group:platform test_echo", 0, &["access token states this group"]);
    check("max test_echo --group platform", 0, &["people.\"group:platform\""]);
    check("loopback docs_read", 0, &["no credential is asked for"]);
    check("* docs_read", 0, &["everybody else may call docs_read"]);
}

#[test]
fn an_explanation_says_who_could_approve() {
    check(
        "ann test_commit",
        0,
        &["once one other person approves", "bob", "roles.lead: approves \"test_*\" ("],
    );
    // Nobody approves what they ask for themselves.
    check("bob test_commit", 1, &["nobody"]);
}

#[test]
fn a_key_is_explained_as_it_was_made() {
    let folder = house();
    std::fs::create_dir_all(folder.path("state/suite")).expect("the operator's folder");
    folder.key("phone", Some("ann"));
    let (code, text) = run(&folder, &["explain", "key:phone", "test_echo"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the key key:phone was made for ann"), "{text}");
}

#[test]
fn a_key_that_counts_no_more_may_nothing() {
    let folder = house();
    std::fs::create_dir_all(folder.path("state/suite")).expect("the operator's folder");
    folder.key("phone", Some("ann"));
    let keys = auth::Keys::new(&folder.path("state/suite"));
    keys.revoke("phone", None, &mut |_| Ok(())).expect("revoked");
    let (code, text) = run(&folder, &["explain", "key:phone", "test_echo"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("key:phone proves nobody, so it may not call test_echo."), "{text}");
    let (_, text) = run(&folder, &["explain", "--json", "key:phone", "test_echo"]);
    let explained: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        (&explained["allowed"], &explained["call"]["allowed"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn check_refuses_what_serving_would_refuse() {
    let folder = house();
    let whole = std::fs::read_to_string(folder.config()).expect("the file");
    let (people, _) = whole.split_once("[servers.docs]").expect("people and roles");
    let (_, fixture) = whole.split_once("[servers.test]").expect("the fixture");
    folder.write("key.pem", "no key");
    for (more, words) in [
        ("[approvals]\nwithin = \"1 fortnight\"\n", "approvals.within"),
        ("[servers.test.http]\norigins = [\"https://app.example/\"]\n", "is no web origin"),
        (
            "[servers.test.http]\ncertificate = \"none.pem\"\nkey = { file = \"key.pem\" }\n",
            "none.pem",
        ),
        ("[servers.test.http]\ncertificate = \"none.pem\"\nkey = { env = \"KEY\" }\n", "none.pem"),
        ("[identity.oauth]\nissuer = \"https://id.example\"\nca = \"no-ca.pem\"\n", "no-ca.pem"),
    ] {
        folder.write("servers.toml", &format!("{people}[servers.test]{fixture}{more}"));
        let (code, text) = run(&folder, &["check"]);
        assert!(code == Some(2) && text.contains(words), "{more}: {code:?} {text}");
    }
}

#[test]
fn an_explanation_can_be_read_by_programs() {
    let args = ["explain", "--json", "ann", "test_commit", "text=x", "reason=because of the test"];
    let (code, text) = run(&house(), &args);
    assert_eq!(code, Some(0), "{text}");
    let explained: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(explained["allowed"], true);
    assert_eq!(explained["subject"], "ann");
    assert_eq!(explained["target"], "file:commits");
    assert_eq!(explained["approval"]["value"], "one");
    assert_eq!(explained["approvers"][0]["who"], "bob");
}

#[test]
fn wrong_usage_is_told_apart_from_no() {
    check("ann docs_serch", 2, &["did you mean `docs_search`?"]);
    check("robot:ann docs_read", 2, &["`robot:ann` is nobody"]);
    check("ann docs_read collection", 2, &["is not KEY=VALUE"]);
}

#[test]
fn check_says_who_may_call_and_who_may_approve() {
    let folder = house();
    let whole = std::fs::read_to_string(folder.config()).expect("the file");
    let (people, _) = whole.split_once("[servers.docs]").expect("people and roles");
    let (_, fixture) = whole.split_once("[servers.test]").expect("the fixture");
    folder.write("servers.toml", &format!("{people}[servers.test]{fixture}"));
    let (code, text) = run(&folder, &["check"]);
    assert_eq!(code, Some(0), "{text}");
    let line =
        |words: &[&str]| text.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(line(&["everybody else", "test_echo", "no", "no rule allows"]), "{text}");
    assert!(line(&["group:platform", "test_echo", "yes", "roles.clerk"]), "{text}");
    assert!(line(&["test_commit", "one", "bob", "approves \"test_*\""]), "{text}");
    assert!(!line(&["test_commit", "one", "ann", "approves"]), "{text}");
}

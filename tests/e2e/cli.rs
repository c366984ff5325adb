//! The command line as a person uses it.

use std::process::{Command, Output};

use serde_json::Value;
use tests::harness::{Folder, suite};

fn run(folder: &Folder, args: &[&str]) -> Output {
    let config = folder.config();
    Command::new(suite()).args(args).arg("--config").arg(config).output().expect("suite runs")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_explains_who_may_call_what() {
    let folder = Folder::docs();
    let output = run(&folder, &["check"]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert!(
        text.contains("docs_search") && text.contains("yes") && text.contains("roles.reader"),
        "{text}"
    );
    assert!(text.contains("servers.toml:3:"), "the rule has its line: {text}");
    assert!(!folder.path("state").exists(), "a check leaves nothing behind");
}

#[test]
fn check_opens_what_the_settings_name() {
    let folder = Folder::docs();
    std::fs::remove_dir_all(folder.path("handbook")).expect("removed");
    let output = run(&folder, &["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("handbook"), "{}", err(&output));
}

#[test]
fn tools_shows_effect_limit_approval_and_cost() {
    let folder = Folder::docs();
    let output = run(&folder, &["tools", "docs"]);
    let text = out(&output);
    for part in ["docs_search", "reads", "none", "600/minute", "tokens", "3 tools"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let output = run(&folder, &["tools", "dcs"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("did you mean `docs`?"), "{}", err(&output));
}

#[test]
fn call_goes_through_the_pipeline() {
    let folder = Folder::docs();
    let output = run(&folder, &["call", "docs_search", "query=parental leave", "limit=1"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("handbook/leave.md#parental-leave"), "{}", out(&output));
    let output = run(&folder, &["call", "docs_search", "query=parental leave", "--output", "json"]);
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(json["ok"], true);
    let output =
        run(&folder, &["call", "docs_search", "collection=secret", "query=x", "--output", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: Value = serde_json::from_str(&out(&output)).expect("JSON");
    assert_eq!(json["kind"], "denied");
    let records = folder.calls("docs");
    let outcomes: Vec<&str> =
        records.iter().filter_map(|record| record["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["done", "done", "denied"]);
    assert!(records.iter().all(|record| record["client"]["transport"] == "cli"));
}

#[test]
fn wrong_usage_says_what_to_write() {
    let folder = Folder::docs();
    for (args, hint) in [
        (&["call", "docs_search", "parental"][..], "KEY=VALUE"),
        (&["call", "calendar_send"][..], "docs_"),
        (&["call", "docs_serch", "query=x"][..], "did you mean `docs_search`?"),
        (&["call", "docs_search", "limit=many", "query=x"][..], "expected an integer"),
    ] {
        let output = run(&folder, args);
        assert!(!output.status.success());
        assert!(err(&output).contains(hint), "{args:?}: {}", err(&output));
    }
    let output =
        Command::new(suite()).args(["docs", "--config", "/nowhere.toml"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("/nowhere.toml: there is no such file"), "{}", err(&output));
}

#[test]
fn the_repository_runs_as_it_is() {
    let output = Command::new(suite())
        .arg("check")
        .current_dir(tests::harness::repository())
        .output()
        .expect("suite runs");
    assert!(output.status.success(), "{}", err(&output));
}

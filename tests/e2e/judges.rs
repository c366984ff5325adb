//! Clients that we did not write, as child processes: the Python and TypeScript SDKs, the
//! Inspector, and the conformance suite. `cargo xtask test` installs them.

mod runners;

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use tests::harness::{Folder, HttpServer, fixture, installed, repository, suite};

/// Runs a judge; its verdict.
pub(crate) fn judge(script: &str, args: &[String]) -> Value {
    let folder = installed();
    let interpreter = match script.rsplit('.').next() {
        Some("py") => folder.join("venv/bin/python"),
        _ => folder.join("bin/node"),
    };
    let output = Command::new(interpreter)
        .arg(repository().join("tests/judges").join(script))
        .args(args)
        .env("JUDGES_DIR", &folder)
        .output()
        .expect("the judge runs");
    let verdict = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let verdict: Value =
        serde_json::from_str(&verdict).unwrap_or_else(|_| panic!("{script}: {verdict}\n{errors}"));
    assert!(output.status.success(), "{script}: {verdict:#}\n{errors}");
    assert_eq!(verdict["ok"], true, "{script}: {verdict:#}");
    verdict
}

/// What the slow step of a plan is for the fixture.
fn slow_plan() -> String {
    json!({
        "tools": null, "search": null, "read": null, "invalid": null, "resources": null, "completion": null,
        "unknown": "test_no_such_tool",
        "slow": {"tool": "test_slow", "arguments": {"millis": 20_000, "steps": 100}, "progress": 2}
    })
    .to_string()
}

/// Documents, cancellation and progress, on both transports.
fn client(script: &str, runs: usize) {
    let folder = Folder::docs();
    let search = json!({"search": {"tool": "docs_search", "arguments": {"query": "parental leave"},
        "hit": " — (?<collection>[^/\\s]+)/(?<path>[^#\\n]+?)(?:#(?<section>\\S+))? \\(lines"}});
    let stdio = |program: PathBuf, server: &str, folder: &Folder| {
        [
            "--stdio".to_owned(),
            "--".to_owned(),
            program.display().to_string(),
            server.to_owned(),
            "--config".to_owned(),
            folder.config().display().to_string(),
        ]
    };
    let plan = ["--plan".to_owned(), search.to_string()];
    let verdict = judge(script, &[&plan[..], &stdio(suite(), "docs", &folder)].concat());
    assert_eq!(verdict["runs"].as_array().map(Vec::len), Some(runs), "every mode ran: {verdict:#}");
    let server = HttpServer::start(&suite(), "docs", &folder.config());
    judge(script, &[&plan[..], &["--http".to_owned(), server.url()]].concat());
}

/// Cancelling a long call, with progress, on both transports and in every mode.
fn cancels(script: &str) {
    let abandoned = |folder: &Folder| {
        let records = folder.calls("test");
        records.iter().filter(|record| record["outcome"] == "abandoned").count()
    };
    let folder = Folder::fixture("");
    let program = fixture().display().to_string();
    let config = folder.config().display().to_string();
    let args = ["--plan", &slow_plan(), "--stdio", "--", &program, "test", "--config", &config];
    judge(script, &args.map(str::to_owned));
    assert_eq!(abandoned(&folder), 3, "every mode cancelled one call");

    let folder = Folder::fixture("");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    judge(script, &["--plan", &slow_plan(), "--http", &server.url()].map(str::to_owned));
    assert!(server.stop().success());
    assert_eq!(abandoned(&folder), 3, "a closed connection cancels its call");
}

#[test]
fn python_sdk() {
    client("python_sdk.py", 3);
}

#[test]
fn python_sdk_cancels() {
    cancels("python_sdk.py");
}

#[test]
fn typescript_sdk() {
    client("typescript_sdk.mjs", 3);
}

#[test]
fn typescript_sdk_cancels() {
    cancels("typescript_sdk.mjs");
}

#[test]
fn inspector() {
    client("inspector.mjs", 2);
}

/// No failure among the scored scenarios of the two revisions the suite knows.
#[test]
fn conformance_suite() {
    for (revision, sessions) in [("2026-07-28", ""), ("2025-11-25", "http.sessions = 100\n")] {
        let folder = Folder::fixture(sessions);
        let server = HttpServer::start(&fixture(), "test", &folder.config());
        let args = ["--url", &server.url(), "--requirements", revision];
        let verdict = judge("conformance.mjs", &args.map(str::to_owned));
        let run = &verdict["runs"][0];
        assert_eq!(run["failed"], json!([]), "{run:#}");
        let passed = run["passed"].as_array().map_or(0, Vec::len);
        assert!(passed >= 30, "{revision}: only {passed} scenarios ran: {run:#}");
    }
}

//! What leaves the process: nothing hidden, nothing secret, nothing without its source.

use std::process::Command;

use serde_json::json;
use tests::harness::{Folder, Session, fixture, text};

const CANARY: &str = "c4n4ry-Zm9v+/secret";

fn with_canary(folder: &Folder) -> Session {
    let mut command = Command::new(fixture());
    command
        .args(["test", "--config"])
        .arg(folder.config())
        .env("TEST_CANARY", CANARY)
        .env("SUITE_LOG", "trace");
    Session::spawn(command)
}

#[test]
fn a_held_secret_reaches_neither_model_nor_record_nor_log() {
    let folder = Folder::fixture("canary = { env = \"TEST_CANARY\" }\n");
    let mut session = with_canary(&folder);
    for how in ["plain", "base64", "untrusted", "error", "panic"] {
        let answer = session.call("test_leak", json!({ "how": how }));
        let answer = answer.to_string();
        assert!(!answer.contains(CANARY) && !answer.contains("YzRuNHJ5"), "{how}: {answer}");
        assert!(
            answer.contains("[redacted]") || how == "error" || how == "panic",
            "{how}: {answer}"
        );
    }
    session.call("test_echo", json!({"text": format!("the caller knows {CANARY}")}));
    session.call(&format!("test_{CANARY}"), json!({}));
    let (_, _, log) = session.close();
    assert!(!log.contains(CANARY), "{log}");
    let records = format!("{:?}", folder.records("test"));
    assert!(!records.contains(CANARY), "{records}");
    assert!(records.contains("[redacted]"), "{records}");
}

#[test]
fn a_missing_secret_stops_the_start_and_is_named() {
    let folder = Folder::fixture("canary = { env = \"TEST_NOT_SET\" }\n");
    let output = Command::new(fixture())
        .args(["test", "--config"])
        .arg(folder.config())
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("set the environment variable TEST_NOT_SET"), "{errors}");
}

#[test]
fn hostile_text_is_shown_for_what_it_is() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let answer = session.call("test_hostile", json!({}));
    let shown = text(&answer);
    assert!(shown.starts_with("<untrusted source=\""), "{shown}");
    assert_eq!(
        shown.matches("</untrusted>").count(),
        1,
        "the text cannot close its fence: {shown}"
    );
    for hidden in ['\u{202e}', '\u{200b}', '\u{1b}', '\u{e0041}'] {
        assert!(!shown.contains(hidden), "{hidden:?}: {shown}");
    }
    assert!(shown.contains("[U+202E]") && shown.contains("[U+001B]"), "{shown}");
}

#[test]
fn a_result_beyond_its_budget_is_cut_and_says_so() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let answer = session.call("test_big", json!({"bytes": 1_000_000}));
    let shown = text(&answer);
    assert!(shown.len() < 9_500 * 5 / 2 + 200, "{}", shown.len());
    assert!(
        shown.trim_end().ends_with(']') && shown.contains("[cut at "),
        "{}",
        &shown[shown.len() - 200..]
    );
}

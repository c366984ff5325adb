//! Death at the worst moment: no lost record of an answered call, no broken index.

use std::process::Command;

use serde_json::json;
use tests::harness::{Folder, Session, fixture, suite, text};

/// A shell in a mount namespace of its own, where `state` is a file system of this size.
fn with_small_disk(
    program: &std::path::Path,
    server: &str,
    folder: &Folder,
    size: &str,
) -> Command {
    std::fs::create_dir_all(folder.path("state")).expect("a folder");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    let script = format!(
        "mount -t tmpfs -o size={size} tmpfs \"$1\" && exec \"$0\" {server} --config \"$2\""
    );
    command.arg(script).arg(program).arg(folder.path("state")).arg(folder.config());
    command
}

#[test]
fn a_killed_server_keeps_the_record_of_every_answered_call() {
    let folder = Folder::fixture("");
    for round in 0..3 {
        let mut session = Session::start(&fixture(), "test", &folder.config());
        for number in 0..200 {
            session.call("test_echo", json!({"text": format!("{round}-{number}")}));
        }
        session.signal("KILL");
        drop(session);
        let records = folder.calls("test");
        for number in 0..200 {
            let wanted = format!("{round}-{number}");
            assert!(
                records.iter().any(|record| record["arguments"]["text"] == wanted.as_str()),
                "{wanted}"
            );
        }
    }
}

#[test]
fn a_server_killed_while_it_indexes_starts_again_and_finds_everything() {
    let folder = Folder::docs();
    for number in 0..600 {
        let text =
            format!("# Page {number}\n\n{}\n", format!("word{number} and more. ").repeat(200));
        folder.write(&format!("handbook/many/{number}.md"), &text);
    }
    for _ in 0..4 {
        let mut session = Session::start(&suite(), "docs", &folder.config());
        session.request("tools/list", json!({}));
        session.signal("KILL");
    }
    let mut session = Session::start(&suite(), "docs", &folder.config());
    for number in [0, 299, 599] {
        let found =
            session.call("docs_search", json!({"query": format!("word{number}"), "limit": 1}));
        assert!(text(&found).contains(&format!("many/{number}.md")), "{found}");
    }
}

#[test]
fn a_full_disk_refuses_calls_and_says_why_until_there_is_room() {
    let folder = Folder::fixture("");
    let mut session = Session::spawn(with_small_disk(&fixture(), "test", &folder, "256k"));
    let mut refused = None;
    for number in 0..2_000 {
        let answer = session.call("test_echo", json!({"text": "x".repeat(900)}));
        if text(&answer).starts_with("unavailable: ") {
            refused = Some((number, answer));
            break;
        }
        assert_eq!(text(&answer).len(), 900, "{answer}");
    }
    let (answered, refusal) = refused.expect("256 KiB are not enough for 2,000 records");
    assert!(text(&refusal).contains("could not be recorded"), "{refusal}");
    let again = session.call("test_echo", json!({"text": "y".repeat(900)}));
    assert!(text(&again).starts_with("unavailable: "), "{again}");
    // The records are inside the namespace: read them through the process.
    let records = std::path::PathBuf::from(format!("/proc/{}/root", session.id()))
        .join(folder.path("state/test/records").strip_prefix("/").expect("absolute"));
    let lines: Vec<String> = std::fs::read_dir(&records)
        .expect("the records")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).expect("a segment");
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert!(
        lines.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "no torn line"
    );
    let calls = lines.iter().filter(|line| line.contains("\"event\":\"call\"")).count();
    assert_eq!(calls, answered, "one record for each answered call");
}

#[test]
fn an_index_that_does_not_fit_is_an_error_and_not_a_hang() {
    let folder = Folder::docs();
    for number in 0..300 {
        let text = format!("# Page {number}\n\n{}\n", format!("w{number} ").repeat(3000));
        folder.write(&format!("handbook/many/{number}.md"), &text);
    }
    let mut session = Session::spawn(with_small_disk(&suite(), "docs", &folder, "300k"));
    let answer = session.call("docs_search", json!({"query": "anything"}));
    assert!(text(&answer).starts_with("unavailable: "), "{answer}");
    assert!(text(&answer).contains("index"), "{answer}");
}

#[test]
fn a_state_folder_that_cannot_be_written_stops_the_start() {
    let folder = Folder::fixture("");
    folder.write("state", "a file, not a folder");
    let output = Command::new(fixture())
        .args(["test", "--config"])
        .arg(folder.config())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("No record, no call") && errors.contains("--state"), "{errors}");
}

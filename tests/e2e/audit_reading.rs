//! Reading the log as an auditor: who ran what, against which system, and why.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tests::corpus::{self, NEEDLE};
use tests::harness::{Folder, Session, fixture, suite};

/// `suite audit …` on the state folder of this folder, without any servers.toml.
fn audit(folder: &Folder, args: &[&str]) -> Output {
    command(folder, args).output().expect("suite runs")
}

fn command(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(suite());
    command.arg("audit").args(args).arg("--state").arg(folder.path("state"));
    command.args(["--config", "/nowhere/servers.toml"]);
    command
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A month of records.
fn month(records: u64) -> (Folder, corpus::Written) {
    let folder = Folder::new("");
    let written = corpus::write(&folder.path("state"), records).expect("written");
    (folder, written)
}

#[test]
fn a_real_call_is_found_shown_and_followed() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.call("test_echo", json!({"text": "hello\u{202e} auditor"}));
    session.call("test_no_such_tool", json!({}));
    let found = audit(&folder, &["search", "--text", "auditor", "--json"]);
    assert!(found.status.success(), "{}", err(&found));
    let record: Value = serde_json::from_str(out(&found).trim()).expect("one record");
    let call = record["call"].as_str().expect("a call");
    let shown = out(&audit(&folder, &["show", call]));
    for part in ["test_echo", "on server test", "hello[U+202E] auditor", "not supplied", "done"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let rule = record["decision"]["rule"].as_str().expect("a rule");
    assert!(rule.contains("servers.toml:") && shown.contains(rule), "{shown}");
    let denied = out(&audit(&folder, &["search", "--outcome", "denied"]));
    assert!(denied.contains("test_no_such_tool"), "{denied}");
    let mut tail = command(&folder, &["tail", "-n", "0", "--follow", "--server", "test"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("suite runs");
    let mut lines = BufReader::new(tail.stdout.take().expect("its output")).lines();
    // Calls until one is seen: the first ones may be older than the tail.
    let seen = std::thread::spawn(move || lines.next().expect("a line").expect("text"));
    let mut number = 0;
    while !seen.is_finished() && number < 20_000 {
        session.call("test_echo", json!({"text": format!("followed {number}")}));
        number += 1;
    }
    assert!(seen.join().expect("a line").contains("test_echo"));
    tail.kill().expect("stopped");
    tail.wait().expect("stopped");
}

#[test]
fn every_reading_leaves_a_record_before_anything_is_shown() {
    let (folder, _) = month(500);
    for args in [&["tail"][..], &["search", "--tool", "docs_*"], &["export"], &["report"]] {
        let output = audit(&folder, args);
        assert!(output.status.success(), "{args:?}: {}", err(&output));
    }
    audit(&folder, &["show", "no-such-call"]);
    let read: Vec<Value> = folder.records("suite");
    let read: Vec<&Value> = read.iter().filter(|it| it["event"] == "log_read").collect();
    assert_eq!(read.len(), 5);
    assert!(read[1]["detail"].as_str().expect("a line").contains("search --tool docs_*"));
    assert!(read.iter().all(|it| !it["principal"]["subject"].as_str().unwrap_or("").is_empty()));
    // Where the reading cannot be recorded, nothing is shown.
    std::fs::remove_dir_all(folder.path("state/suite")).expect("removed");
    folder.write("state/suite", "a file, not a folder");
    let output = audit(&folder, &["search"]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(2), ""));
    assert!(err(&output).contains("nothing is shown"), "{}", err(&output));
}

#[test]
fn the_log_is_read_with_a_broken_configuration_and_of_servers_that_are_gone() {
    let (folder, _) = month(300);
    folder
        .write("servers.toml", "[suite]\nstate = \"state\"\n[people]\nann = [\"no-such-role\"]\n");
    let config = folder.config();
    let output = Command::new(suite())
        .args(["audit", "search", "--server", "mail", "--count", "--config"])
        .arg(&config)
        .output()
        .expect("suite runs");
    assert!(output.status.success(), "{}", err(&output));
    folder.write("servers.toml", "this is not TOML");
    let output = Command::new(suite()).args(["audit", "tail", "--config"]).arg(&config).output();
    let output = output.expect("suite runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--state DIR"), "{}", err(&output));
    let output = audit(&Folder::new(""), &["tail"]);
    assert!(err(&output).contains("there is no such folder"), "{}", err(&output));
}

#[test]
fn filters_find_what_a_plain_look_at_every_line_finds() {
    let (folder, written) = month(3_000);
    let texts = written.segments.iter().map(|path| std::fs::read_to_string(path).expect("text"));
    let records: Vec<Value> = texts
        .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| serde_json::from_str(&line).expect("a record"))
        .collect();
    let check = |args: &[&str], holds: &dyn Fn(&Value) -> bool| {
        let expected = records.iter().filter(|record| holds(record)).count();
        assert!(expected > 0, "{args:?} would find nothing");
        // Earlier readings name what they sought.
        let mut line = vec!["search", "--count"];
        line.extend_from_slice(args);
        if !args.contains(&"--server") {
            line.extend_from_slice(&["--server", "docs,mail,sql,tickets"]);
        }
        let output = audit(&folder, &line);
        assert_eq!(out(&output).trim(), expected.to_string(), "{args:?}");
    };
    check(&["--server", "sql,docs"], &|it| it["server"] == "sql" || it["server"] == "docs");
    check(&["--who", "ann"], &|it| it["principal"]["subject"] == "ann");
    check(&["--who", "user:a*"], &|it| it["principal"]["identity"] == "user:ann");
    check(&["--tool", "sql_*", "--outcome", "denied"], &|it| {
        it["outcome"] == "denied" && it["server"] == "sql"
    });
    check(&["--error", "timeout"], &|it| it["error"] == "timeout");
    check(&["--event", "approval_*"], &|it| {
        it["event"].as_str() > Some("approval_") && it["event"].as_str() < Some("b")
    });
    check(&["--target", "database:s*"], &|it| {
        it["target"].as_str().is_some_and(|target| target.starts_with("database:s"))
    });
    check(&["--text", NEEDLE], &|it| it["arguments"]["query"] == NEEDLE);
    check(&["--since", "2026-11-10T06:00:00+02:00"], &|it| {
        it["time"].as_str() >= Some("2026-11-10T04:00:00.000Z")
    });
    let newest = out(&audit(
        &folder,
        &["search", "--server", "docs,sql,mail,tickets", "--json", "--limit", "50"],
    ));
    let times: Vec<Value> =
        newest.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    assert_eq!(times.len(), 50);
    assert!(times.windows(2).all(|pair| pair[0]["time"].as_str() >= pair[1]["time"].as_str()));
    assert_eq!(audit(&folder, &["search", "--text", "nobody wrote this"]).status.code(), Some(1));
    assert_eq!(audit(&folder, &["search", "--since", "soon"]).status.code(), Some(2));
}

#[test]
fn an_approval_is_told_from_the_question_to_the_effect() {
    let (folder, _) = month(2_000);
    let found =
        out(&audit(&folder, &["search", "--event", "approval_given", "--json", "--limit", "1"]));
    let record: Value = serde_json::from_str(found.trim()).expect("a record");
    let id = record["approval"]["id"].as_str().expect("an approval");
    let shown = out(&audit(&folder, &["show", &id[..12]]));
    let (_, happened) = shown.split_once("What happened").expect("the order of events");
    let order = [
        "approval asked by",
        "approval given by grace",
        "approval redeemed",
        "intent by",
        "done by",
    ];
    let places: Vec<usize> = order
        .iter()
        .map(|part| happened.find(part).unwrap_or_else(|| panic!("{part}: {shown}")))
        .collect();
    assert!(places.is_sorted(), "{shown}");
    assert!(
        shown.contains("“as agreed with the customer”") && shown.contains("as the model claims")
    );
}

#[test]
fn an_export_is_byte_identical_and_its_table_holds_no_formula() {
    let (folder, written) = month(1_500);
    let hostile = json!({
        "event": "call", "outcome": "failed", "server": "docs", "tool": "=cmd|' /C calc'!A0",
        "principal": {"subject": "@SUM(1)"}, "time": "2026-11-22T11:59:59.999Z",
        "detail": "a,\"b\"\nc",
    });
    let mut text = std::fs::read_to_string(&written.segments[0]).expect("a segment");
    text.push_str(&format!("{hostile}\n{{\"torn"));
    std::fs::write(&written.segments[0], &text).expect("written");
    let file = folder.path("export.jsonl");
    let path = file.display().to_string();
    let until = ["--until", "2026-11-22T12:00:00Z"];
    let output = audit(&folder, &["export", "--output", &path, until[0], "2026-11-23"]);
    assert!(output.status.success(), "{}", err(&output));
    let all = written.segments.iter().map(|path| std::fs::read_to_string(path).expect("text"));
    let mut expected: Vec<String> = all
        .flat_map(|text| {
            text.lines().filter(|it| it.ends_with('}')).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let exported = std::fs::read_to_string(&file).expect("the export");
    let mut exported: Vec<String> = exported.lines().map(str::to_owned).collect();
    exported.sort();
    expected.sort();
    assert!(exported == expected, "{} and {} lines", exported.len(), expected.len());
    let csv = out(&audit(&folder, &["export", "--format", "csv", until[0], until[1]]));
    assert!(csv.starts_with("time,server,event,call,subject,") && csv.contains("\r\n"), "{csv}");
    assert!(csv.contains("'=cmd|' /C calc'!A0") && csv.contains("'@SUM(1)"));
    assert!(csv.contains("\"a,\"\"b\"\"\nc\""));
}

#[test]
fn a_report_counts_what_happened() {
    let (folder, written) = month(4_000);
    let period = ["--until", "2026-11-23", "--format"];
    let json = out(&audit(&folder, &["report", period[0], period[1], period[2], "json"]));
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["format"], 1);
    let total = &report["total"];
    for (outcome, count) in &written.outcomes {
        assert_eq!(total["outcomes"][outcome], *count, "{outcome}");
    }
    assert_eq!(total["approvals"]["asked"], written.asked);
    assert_eq!(total["approvals"]["decision_ms"]["count"], written.asked);
    assert_eq!(total["blocked"]["policy"], written.outcomes["denied"]);
    let sum = |by: &str| -> u64 {
        let groups = report[by].as_object().expect("groups");
        groups.values().map(|group| group["calls"].as_u64().unwrap_or(0)).sum()
    };
    for by in ["by_server", "by_tool", "by_role", "by_day"] {
        assert_eq!(Some(sum(by)), total["calls"].as_u64(), "{by}");
    }
    let table = out(&audit(&folder, &["report", "--by", "tool"]));
    assert!(table.contains("sql_query") && table.contains("denied by policy"), "{table}");
    let html = out(&audit(&folder, &["report", period[0], period[1], period[2], "html"]));
    assert!(html.contains("Content-Security-Policy") && html.matches("<svg").count() > 4);
}

#[test]
fn an_empty_log_is_no_error() {
    let folder = Folder::new("");
    std::fs::create_dir_all(folder.path("state/docs/records")).expect("a folder");
    folder.write("state/docs/records/20261122T100000000Z-0.jsonl", "");
    for args in [
        &["tail", "--server", "docs"][..],
        &["export", "--server", "docs"],
        &["report", "--server", "docs"],
        &["report", "--server", "docs", "--format", "html"],
    ] {
        let output = audit(&folder, args);
        assert!(output.status.success(), "{args:?}: {}", err(&output));
    }
}

//! Clients that are broken, hostile or gone: no hang, bounded memory, a clear error each time.

use serde_json::{Value, json};
use tests::harness::{Folder, Session, fixture, text};

/// The memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn a_thousand_malformed_frames_get_a_thousand_errors() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let seeds = [
        "{",
        "}",
        "[",
        "null",
        "0",
        "\"",
        "{}",
        "[]",
        "{\"jsonrpc\":\"2.0\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
        "\u{0}",
        "\u{7f}{}",
        "{\"id\":1e999}",
        "{\"a\":\"\\ud800\"}",
    ];
    let mut sent = 0;
    for round in 0..67 {
        for seed in seeds {
            let line = format!("{}{seed}", " ".repeat(round % 7));
            session.send(&line);
            sent += 1;
            let answer = session.receive().expect("an answer");
            assert!(answer["error"]["code"].is_i64(), "{line:?}: {answer}");
        }
    }
    session.send_bytes(b"\xff\xfe\n").expect("sent");
    assert_eq!(session.receive().expect("an answer")["error"]["code"], -32700);
    assert!(sent >= 1000);
    assert_eq!(text(&session.call("test_echo", json!({"text": "alive"}))), "alive");
}

#[test]
fn five_thousand_requests_in_flight_are_all_answered() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.call("test_echo", json!({}));
    let mut wanted: Vec<i64> = Vec::new();
    for number in 0..5_000 {
        let call = if number % 50 == 0 {
            json!({"name": "test_slow", "arguments": {"millis": 20, "steps": 1}})
        } else {
            json!({"name": "test_echo", "arguments": {"text": number.to_string()}})
        };
        wanted.push(session.post_modern("tools/call", call));
    }
    let mut seen: Vec<i64> = (0..5_000)
        .map(|_| {
            let answer = session.receive().expect("an answer");
            assert!(answer["result"].is_object(), "{answer}");
            answer["id"].as_i64().expect("an id")
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, wanted);
    let (status, ..) = session.close();
    assert!(status.success());
    assert_eq!(folder.calls("test").len(), 5_001);
}

#[test]
fn a_client_that_never_reads_costs_bounded_memory_and_the_server_still_stops() {
    let folder = Folder::fixture("");
    let mut command = std::process::Command::new(fixture());
    command.args(["test", "--config"]).arg(folder.config());
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    let writer = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut sent: u32 = 0;
        for number in 0..200_000 {
            let call = json!({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params":
                {"name": "test_echo", "arguments": {"text": "x".repeat(900)}, "_meta": tests::harness::meta()}});
            if writeln!(input, "{call}").is_err() {
                break;
            }
            sent += 1;
        }
        sent
    });
    // The server stops reading once its answers are not taken: its last record stands still.
    let records = || {
        folder.path("state/test/records").read_dir().map_or(0, |entries| {
            entries
                .filter_map(Result::ok)
                .filter_map(|entry| entry.metadata().ok())
                .map(|meta| meta.len())
                .sum::<u64>()
        })
    };
    let mut last = (0, std::time::Instant::now());
    let began = std::time::Instant::now();
    loop {
        let now = records();
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        if now > 0 && last.1.elapsed() > std::time::Duration::from_secs(1) {
            break;
        }
        assert!(began.elapsed() < tests::harness::HANG, "the server reads without end");
        std::thread::yield_now();
    }
    assert!(resident(child.id()) < 64 << 10, "{} KiB", resident(child.id()));
    let killed =
        std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}");
    assert!(writer.join().expect("the writer") < 200_000, "the server did not stop reading");
}

#[test]
fn a_panicking_tool_answers_and_the_next_call_works() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for _ in 0..3 {
        let answer = session.call("test_panic", json!({}));
        assert!(text(&answer).starts_with("internal: "), "{answer}");
        assert_eq!(answer["result"]["isError"], true);
    }
    assert_eq!(text(&session.call("test_echo", json!({"text": "alive"}))), "alive");
    let record = folder.calls("test").remove(0);
    assert!(
        record["detail"].as_str().is_some_and(|detail| detail.contains("panicked")),
        "{record}"
    );
}

#[test]
fn oversized_and_deeply_nested_arguments_are_refused_in_bounded_time() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.call("test_echo", json!({}));
    let long = session.call("test_echo", json!({"text": "x".repeat(1_000_000)}));
    assert!(text(&long).contains("at most 1000 characters"), "{}", text(&long));
    assert!(text(&long).len() < 500);
    let wide: Value = (0..100_000)
        .map(|number| (format!("k{number}"), json!(number)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let wide = session.call("test_echo", wide);
    assert!(
        text(&wide).starts_with("invalid: ") && text(&wide).len() < 5_000,
        "{}",
        text(&wide).len()
    );
    let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
    let deep: Value = serde_json::from_str(&deep).expect("nested lists");
    let deep = session.call("test_echo", json!({ "text": deep }));
    assert!(text(&deep).starts_with("invalid: ") || deep["error"].is_object(), "{deep}");
    let deeper = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"tools/call\",\"params\":{{\"name\":\"test_echo\",\"arguments\":{{\"text\":{}{}}}}}}}",
        "[".repeat(50_000),
        "]".repeat(50_000)
    );
    session.send(&deeper);
    assert_eq!(session.receive().expect("an answer")["error"]["code"], -32700);
    session.send(&format!("{{\"x\":\"{}\"}}", "y".repeat(5 << 20)));
    assert_eq!(session.receive().expect("an answer")["error"]["code"], -32600);
    assert_eq!(text(&session.call("test_echo", json!({"text": "alive"}))), "alive");
}

#[test]
fn two_processes_of_one_server_share_its_folder() {
    let folder = Folder::docs();
    let mut first = Session::start(&tests::harness::suite(), "docs", &folder.config());
    let mut second = Session::start(&tests::harness::suite(), "docs", &folder.config());
    for session in [&mut first, &mut second] {
        let found = session.call("docs_search", json!({"query": "parental leave"}));
        assert!(text(&found).contains("leave.md"), "{found}");
    }
    drop((first, second));
    assert_eq!(folder.calls("docs").len(), 2);
    let files = folder.path("state/docs/records").read_dir().expect("segments");
    let names = files.map(|file| file.expect("a file").file_name());
    let segments = names.filter(|name| name.to_string_lossy().ends_with(".jsonl")).count();
    assert_eq!(segments, 2, "one writer a segment");
}

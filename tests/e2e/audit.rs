//! The log as evidence: what was changed is found, what was copied and proven holds elsewhere.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::{Value, json};
use tests::harness::{Folder, HANG, HttpServer, Session, fixture, repository, text};

/// `suite audit …` on a folder.
fn audit(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(fixture());
    command.arg("audit").args(arguments).arg("--config").arg(folder.config());
    command.output().expect("it runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The result of `suite audit verify --json`, and its exit code.
fn verify(folder: &Folder, arguments: &[&str]) -> (Value, Option<i32>) {
    let output = audit(folder, &[&["verify", "--json"], arguments].concat());
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    (report, output.status.code())
}

fn kinds(report: &Value, list: &str) -> Vec<String> {
    let all = report[list].as_array().expect("a list");
    all.iter().map(|one| one["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Serves some calls and ends.
fn serve(folder: &Folder, calls: usize) {
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for number in 0..calls {
        session.call("test_echo", json!({"text": format!("call {number}")}));
    }
    session.close();
}

fn segment(folder: &Folder) -> PathBuf {
    let segments = state::read::segments(&folder.path("state/test/records"));
    segments.expect("records").pop().expect("a segment")
}

fn change(path: &Path, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(path).expect("a file");
    let changed = change(&text);
    assert_ne!(text, changed);
    std::fs::write(path, changed).expect("written");
}

/// Waits for what happens elsewhere.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < HANG, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn an_untouched_log_is_sound_and_an_edited_deleted_reordered_or_cut_one_is_not() {
    let folder = Folder::fixture("");
    serve(&folder, 5);
    let output = audit(&folder, &["verify"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).starts_with("sound  "), "{}", stdout(&output));
    assert_eq!(stdout(&output).lines().count(), 1, "{}", stdout(&output));
    let path = segment(&folder);
    let original = std::fs::read_to_string(&path).expect("a segment");
    let lines: Vec<&str> = original.lines().collect();
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    let without = |at: usize| [&lines[..at], &lines[at + 1..]].concat();
    let cases: [(&str, Vec<String>, u64); 4] = [
        ("edited", vec![original.replace("call 2", "call 9")], 5),
        ("deleted", vec![without(4).join("\n") + "\n"], 5),
        ("reordered", vec![swapped.join("\n") + "\n"], 5),
        ("cut", vec![lines[..5].join("\n") + "\n"], 6),
    ];
    for (kind, text, line) in cases {
        std::fs::write(&path, text.concat()).expect("written");
        let (report, code) = verify(&folder, &[]);
        assert_eq!((kinds(&report, "findings"), code), (vec![kind.to_owned()], Some(1)));
        assert_eq!(report["findings"][0]["line"], line, "{report}");
        let shown = stdout(&audit(&folder, &["verify"]));
        assert!(shown.contains(&format!("{}:{line}", path.display())), "{shown}");
    }
    std::fs::write(&path, &original).expect("written");
    assert_eq!(verify(&folder, &[]).1, Some(0));
}

#[test]
fn a_log_is_verified_while_it_is_written_and_after_a_kill() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    for number in 0..50 {
        session.call("test_echo", json!({"text": format!("{number}")}));
        if number % 10 == 0 {
            let (report, code) = verify(&folder, &[]);
            assert_eq!(code, Some(0), "{report}");
        }
    }
    session.signal("KILL");
    drop(session);
    let (report, code) = verify(&folder, &[]);
    assert_eq!(code, Some(0), "{report}");
    // The next process signs its own records and nothing that the killed one could not.
    let killed = segment(&folder);
    serve(&folder, 1);
    let (after, code) = verify(&folder, &[]);
    assert_eq!(code, Some(0), "{after}");
    let unsigned = |report: &Value| {
        report["records"].as_u64().expect("a number")
            - report["covered"].as_u64().expect("a number")
    };
    assert_eq!(unsigned(&after), unsigned(&report), "{after}");
    assert_eq!(segment(&folder) == killed, unsigned(&report) == 0, "{after}");
}

#[test]
fn a_server_over_http_signs_everything_at_its_end() {
    let folder = Folder::fixture("");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let call = json!({"name": "test_echo", "arguments": {"text": "signed"}});
    assert_eq!(text(&server.request("tools/call", call).json()), "signed");
    assert!(server.stop().success());
    let (report, code) = verify(&folder, &[]);
    assert_eq!((report["records"] == report["covered"], code), (true, Some(0)), "{report}");
}

#[test]
fn a_call_killed_between_intent_and_outcome_is_told_as_such() {
    let folder = Folder::fixture("");
    let mut session = Session::start(&fixture(), "test", &folder.config());
    let arguments = json!({"text": "x", "millis": 60_000, "reason": "killed in the middle"});
    let params = json!({"name": "test_slow_draft", "arguments": arguments});
    session.post_modern("tools/call", params);
    until("the intent is recorded", || {
        folder.records("test").iter().any(|record| record["event"] == "intent").then_some(())
    });
    let (report, code) = verify(&folder, &[]);
    assert_eq!((kinds(&report, "notices").len(), code), (0, Some(0)), "it runs: {report}");
    session.signal("KILL");
    session.wait();
    let told = || {
        let (report, code) = verify(&folder, &[]);
        assert_eq!((kinds(&report, "findings").len(), code), (0, Some(0)), "{report}");
        let notices = report["notices"].as_array().expect("a list").clone();
        let open = notices.into_iter().find(|one| one["kind"] == "open_intent");
        let what = open.expect("an open intent")["what"].to_string();
        assert!(what.contains("test_slow_draft") && what.contains("may or may not"), "{what}");
    };
    told();
    serve(&folder, 1);
    told();
    assert!(stdout(&audit(&folder, &["verify"])).contains("note"));
}

#[test]
fn copies_in_a_file_show_that_the_log_was_rewritten_or_is_gone() {
    let folder = Folder::fixture("[audit]\nfile = \"kept.txt\"\n");
    serve(&folder, 3);
    let kept = folder.path("kept.txt");
    let kept = kept.to_str().expect("a path");
    let (report, code) = verify(&folder, &["--checkpoint", kept]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report["outside"].as_u64() >= Some(1), "{report}");
    // An older checkpoint still fits.
    serve(&folder, 3);
    assert_eq!(verify(&folder, &["--checkpoint", kept]).1, Some(0));
    // Whoever owns the folder writes everything anew, with the same name and a key of their own.
    let path = segment(&folder);
    std::fs::remove_dir_all(folder.path("state/test")).expect("removed");
    let quiet = folder.path("quiet.toml");
    let text = std::fs::read_to_string(folder.config()).expect("the configuration");
    std::fs::write(&quiet, text.replace("file = ", "#")).expect("written");
    let mut session = Session::start(&fixture(), "test", &quiet);
    session.call("test_echo", json!({"text": "another past"}));
    session.close();
    assert_eq!(verify(&folder, &[]).1, Some(0), "inside, everything fits");
    let (report, code) = verify(&folder, &["--checkpoint", kept]);
    assert_eq!(code, Some(1), "{report}");
    let found = kinds(&report, "findings");
    assert!(found.contains(&"foreign_key".to_owned()), "{report}");
    assert!(!path.exists());
    std::fs::remove_dir_all(folder.path("state/test")).expect("removed");
    let (report, code) = verify(&folder, &["--checkpoint", kept]);
    assert_eq!((kinds(&report, "findings")[0].as_str(), code), ("segment_deleted", Some(1)));
}

/// Takes requests, of which the first is refused; their bodies.
fn receiver() -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (send, bodies) = channel();
    std::thread::spawn(move || {
        let mut status = "503 Service Unavailable";
        for stream in listener.incoming() {
            let body = receive(stream.expect("a request"), status);
            status = "204 No Content";
            if send.send(body).is_err() {
                return;
            }
        }
    });
    (port, bodies)
}

/// Answers one request; its body.
fn receive(mut stream: TcpStream, status: &str) -> String {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).expect("read");
        assert!(read > 0, "half a request");
        request.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|length| length.parse().ok()).expect("a length");
        if body.len() >= length {
            let end = "content-length: 0\r\nconnection: close\r\n\r\n";
            let answer = format!("HTTP/1.1 {status}\r\n{end}");
            stream.write_all(answer.as_bytes()).expect("answered");
            return body.to_owned();
        }
    }
}

#[test]
fn checkpoints_are_posted_and_given_to_a_program_and_tried_again() {
    let (port, bodies) = receiver();
    let next = || bodies.recv_timeout(HANG).expect("a checkpoint is posted");
    let folder = Folder::fixture("");
    let kept = folder.path("by-program.txt");
    let servers = std::fs::read_to_string(folder.config()).expect("the configuration");
    let program = json!(["sh", "-c", "cat >> \"$0\"; echo >> \"$0\"", kept]);
    folder.write(
        "servers.toml",
        &format!(
            "{servers}[audit]\ncommand = {program}\nurl = \"http://127.0.0.1:{port}/checkpoints\"\n"
        ),
    );
    let mut session = Session::start(&fixture(), "test", &folder.config());
    session.call("test_echo", json!({"text": "once"}));
    // Refused, while calls go on; tried again with the next one.
    let refused = next();
    session.call("test_echo", json!({"text": "twice"}));
    session.close();
    assert_eq!(next(), refused);
    let signed = segment(&folder).with_extension("checkpoint");
    let last = std::fs::read_to_string(signed).expect("a checkpoint");
    until("the last one is posted", || (next() == last).then_some(()));
    until("the program gets the last one, too", || {
        std::fs::read_to_string(&kept).ok().filter(|text| text.contains(&last))
    });
    folder.write("by-url.txt", &last);
    for kept in ["by-url.txt", "by-program.txt"] {
        let kept = folder.path(kept);
        let (report, code) = verify(&folder, &["--checkpoint", kept.to_str().expect("a path")]);
        assert_eq!(code, Some(0), "{report}");
    }
}

/// `docs/verify_inclusion.py` on a proof: its exit code and what it says.
fn python(folder: &Folder, proof: &Value, key: &str) -> (Option<i32>, String) {
    folder.write("proof.json", &proof.to_string());
    let output = Command::new("python3")
        .arg(repository().join("docs/verify_inclusion.py"))
        .arg(folder.path("proof.json"))
        .args(["--key", key])
        .stdin(Stdio::null())
        .output()
        .expect("python3 runs");
    (output.status.code(), stdout(&output))
}

#[test]
fn a_proof_of_a_record_holds_without_the_program_and_a_changed_one_does_not() {
    let folder = Folder::fixture("");
    serve(&folder, 12);
    let records = folder.calls("test");
    let call = records[4]["call"].as_str().expect("an id");
    let output = audit(&folder, &["prove", "test", call]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let proof: Value = serde_json::from_slice(&output.stdout).expect("a proof");
    let key = std::fs::read_to_string(folder.path("state/test/checkpoint.pub")).expect("a key");
    let key = key.trim();
    let (code, said) = python(&folder, &proof, key);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("call 4") && said.contains("suite/test/"), "{said}");
    let sequence = records[4]["sequence"].as_u64().expect("a number");
    let by_place = format!("{}:{sequence}", state::read::name(&segment(&folder)));
    assert_eq!(audit(&folder, &["prove", "test", &by_place]).stdout, output.stdout);
    let read = folder.records("suite").into_iter().filter(|record| record["event"] == "log_read");
    assert_eq!(read.count(), 2, "who shows a record leaves one");

    let changed = |pointer: &str, change: &dyn Fn(&Value) -> Value| {
        let mut proof = proof.clone();
        let value = proof.pointer_mut(pointer).expect("it is there");
        *value = change(value);
        let (code, said) = python(&folder, &proof, key);
        assert_eq!(code, Some(1), "{pointer}: {said}");
    };
    let said = |value: &Value| value.as_str().expect("text").to_owned();
    changed("/record", &|record| json!(said(record).replace("call 4", "call 5")));
    changed("/index", &|index| json!(index.as_u64().expect("a number") - 1));
    changed("/path", &|path| json!(path.as_array().expect("a list")[1..]));
    changed("/path/0", &|_| proof["path"][1].clone());
    changed("/checkpoint", &|note| json!(said(note).replacen("\n15\n", "\n16\n", 1)));
    let other = Folder::fixture("");
    serve(&other, 1);
    let foreign = std::fs::read_to_string(other.path("state/test/checkpoint.pub")).expect("a key");
    let (code, said) = python(&folder, &proof, foreign.trim());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not signed by the key"), "{said}");
}

#[test]
fn verify_says_what_is_wrong_with_its_arguments() {
    let folder = Folder::fixture("");
    serve(&folder, 1);
    for (arguments, said) in [
        (vec!["verify", "--server", "tset"], "there are: test"),
        (vec!["verify", "--checkpoint", "nowhere.txt"], "nowhere.txt"),
        (vec!["verify", "--key", "rubbish"], "NAME+ID+BASE64"),
        (vec!["prove", "test", "nosuchcall"], "suite audit search"),
        (vec!["prove", "test", "nosegment:1"], "there is no segment"),
    ] {
        let output = audit(&folder, &arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains(said), "{arguments:?}: {errors}");
    }
    change(&folder.path("state/test/checkpoint.pub"), |key| key.replace("test+", "best+"));
    let (report, code) = verify(&folder, &[]);
    assert_eq!(code, Some(1), "{report}");
}

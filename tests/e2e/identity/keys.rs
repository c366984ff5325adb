//! API keys, from `suite keys new` to the refusal of a revoked one.

use std::io::{BufReader, Write as _};
use std::process::{Command, Output};

use serde_json::json;
use tests::harness::{Folder, HttpServer, fixture, http::read};

use super::{echo, files_with, folder, list, send, tools, unidentified};

const IDENTITY: &str = "[identity]\nkeys = true\n";

fn keys(folder: &Folder, args: &[&str]) -> Output {
    Command::new(fixture())
        .arg("keys")
        .args(args)
        .arg("--config")
        .arg(folder.config())
        .output()
        .expect("it runs")
}

/// Makes a key; its text.
fn make(folder: &Folder, args: &[&str]) -> String {
    let output = keys(folder, &[&["new"], args].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// What a command that fails says.
fn fails(folder: &Folder, args: &[&str]) -> String {
    let output = keys(folder, args);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_key_opens_what_its_person_may_and_nothing_after_it_was_revoked() {
    let folder = folder(IDENTITY, "");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let key = make(&folder, &["laptop", "--person", "ann"]);
    assert_eq!(tools(&list(&server, &key)), ["test_echo"]);
    assert_eq!(echo(&server, &key, "hello").status, 200);
    let revoked = keys(&folder, &["revoke", "laptop", "--reason", "it was lost"]);
    assert!(revoked.status.success(), "{revoked:?}");
    let refused = echo(&server, &key, "hello");
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_eq!(
        refused.header("www-authenticate"),
        Some(
            "Bearer error=\"invalid_token\", error_description=\"the API key laptop was revoked\", \
             realm=\"suite test\""
        )
    );
    assert!(server.stop().success());

    let call = folder.calls("test").pop().expect("the call");
    assert_eq!(call["principal"]["subject"], "ann");
    assert_eq!(call["principal"]["identity"], "key:laptop");
    assert_eq!(call["principal"]["proof"], json!({"api_key": {"key": "laptop"}}));
    let events = folder.records("suite");
    let of = |event: &str| events.iter().find(|record| record["event"] == event);
    let made = of("key_made").expect("a record");
    assert_eq!(made["target"], "key:laptop");
    assert!(made["principal"]["identity"].as_str().is_some_and(|name| name.starts_with("user:")));
    assert_eq!(of("key_revoked").expect("a record")["detail"], "it was lost");
    assert_eq!(
        unidentified(&folder),
        ["401 invalid_token from 127.0.0.1: the API key laptop was revoked"]
    );
    assert_eq!(files_with(folder.dir.path(), &key[14..]), [""; 0], "the key is kept nowhere");
}

#[test]
fn a_key_without_person_has_its_own_roles() {
    let folder = folder(IDENTITY, "");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let reader = make(&folder, &["ci", "--roles", "reader"]);
    let nobody = make(&folder, &["idle"]);
    assert_eq!(tools(&list(&server, &reader)), ["test_echo"]);
    assert_eq!(tools(&list(&server, &nobody)), [""; 0]);
}

#[test]
fn a_missing_mangled_expired_or_made_up_key_is_refused() {
    let folder = folder(IDENTITY, "");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let key = make(&folder, &["laptop", "--person", "ann", "--expires", "1m"]);
    assert_eq!(list(&server, &key).status, 200);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let bare = send(&server, &body, &[]);
    assert_eq!(
        (bare.status, bare.header("www-authenticate")),
        (401, Some("Bearer realm=\"suite test\""))
    );
    let last = if key.ends_with('0') { '1' } else { '0' };
    let mangled = format!("{}{last}", &key[..key.len() - 1]);
    for wrong in [mangled.as_str(), &key[..40], "suite_", "hello", "eyJhbGciOiJub25lIn0.e30."] {
        let reply = list(&server, wrong);
        assert_eq!(reply.status, 401, "{wrong}: {reply:?}");
        let challenge = reply.header("www-authenticate").expect("a challenge");
        assert!(challenge.starts_with("Bearer error=\"invalid_token\", "), "{challenge}");
        assert!(!reply.body.contains(wrong.trim_start_matches("suite_")) || wrong == "suite_");
    }
    // The clock goes on, as the server sees it.
    let path = folder.path("state/suite/keys/keys.json");
    let kept = std::fs::read_to_string(&path).expect("the keys");
    let mut kept: serde_json::Value = serde_json::from_str(&kept).expect("JSON");
    kept["keys"][0]["expires"] = json!("2020-01-01T00:00:00Z");
    std::fs::write(&path, kept.to_string()).expect("written");
    let late = list(&server, &key);
    assert_eq!(late.status, 401);
    assert!(late.body.contains("laptop has expired"), "{late:?}");
    for header in ["Basic YW5uOmFubg==", "Bearer", "Bearer a b"] {
        let reply = send(&server, &body, &[("authorization", header)]);
        let expected = if header.starts_with("Basic") { 401 } else { 400 };
        assert_eq!(reply.status, expected, "{header}: {reply:?}");
        assert!(reply.header("www-authenticate").is_some(), "{reply:?}");
    }
    let bearer = format!("Bearer {key}");
    let twice = send(&server, &body, &[("authorization", &bearer), ("authorization", &bearer)]);
    assert_eq!(twice.status, 400, "{twice:?}");
    let query = server.send("POST", &format!("/mcp?access_token={key}"), &[], b"{}");
    assert_eq!(query.status, 401, "a key in an address ends in logs: {query:?}");
}

#[test]
fn mistakes_are_told_with_the_nearest_name_and_make_no_key() {
    let folder = folder(IDENTITY, "");
    let check = |args: &[&str], expected: &str| {
        let errors = fails(&folder, args);
        assert!(errors.contains(expected), "{args:?}: {errors}");
    };
    check(&["new", "a", "--roles", "reader,wirter"], "did you mean `writer`");
    check(&["new", "a", "--person", "anne"], "did you mean `ann`");
    check(&["new", "a", "--person", "ann", "--roles", "writer"], "could do nothing");
    check(&["new", "A b"], "cannot be a key's name");
    check(&["new", "a", "--expires", "tomorrow"], "such as 30d");
    check(&["new", "a", "--expires", "1s"], "between one minute");
    check(&["revoke", "a"], "`a` is unknown");
    make(&folder, &["taken"]);
    check(&["new", "taken"], "taken-2");
    check(&["revoke", "takn"], "did you mean `taken`");
    let list = String::from_utf8(keys(&folder, &["list"]).stdout).expect("text");
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(list.contains("key:taken") && list.contains("valid"), "{list}");
}

#[test]
fn a_key_that_cannot_be_recorded_is_not_made() {
    let folder = folder(IDENTITY, "");
    folder.write("state/suite/records", "a file where the folder should be");
    let errors = fails(&folder, &["new", "laptop"]);
    assert!(errors.contains("No record, no call"), "{errors}");
    assert!(!folder.path("state/suite/keys/keys.json").exists());
}

#[test]
fn wrong_credentials_beyond_measure_are_slowed_down_and_cannot_fill_the_disk() {
    let folder = folder(IDENTITY, "");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let key = make(&folder, &["laptop", "--person", "ann"]);
    let replies: Vec<u16> = (0..300).map(|_| list(&server, "suite_made_up").status).collect();
    assert_eq!(replies[0], 401);
    let slowed = replies.iter().filter(|status| **status == 429).count();
    assert!(slowed > 200, "{slowed} of 300");
    assert_eq!(list(&server, &key).status, 200, "whoever has a key is not slowed down");
    assert!(server.stop().success());
    let details = unidentified(&folder);
    assert!(details.len() < 100, "{} records", details.len());
    let others = details.iter().filter_map(|detail| {
        detail.split("; and ").nth(1)?.split(' ').next()?.parse::<usize>().ok()
    });
    assert_eq!(others.sum::<usize>() + details.len(), 300, "every one is counted: {details:?}");
}

/// A client that is told to sign in asks again on the same connection.
#[test]
fn a_refusal_leaves_the_connection_whole_or_says_that_it_ends() {
    let folder = folder(IDENTITY, "");
    let server = HttpServer::start(&fixture(), "test", &folder.config());
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n",
        server.address
    );
    let stream = server.connect();
    let mut answers = BufReader::new(stream.try_clone().expect("the same"));
    for _ in 0..50 {
        write!(&stream, "{head}\r\n").expect("the connection is whole");
        // A piece of its own: on a real network it is late.
        std::thread::yield_now();
        (&stream).write_all(b"{}").expect("the connection is whole");
        let reply = read(&mut answers);
        assert_eq!((reply.status, reply.header("connection")), (401, None), "{reply:?}");
    }
    // A body that never comes: the answer does not wait for it for long.
    for never in ["", "expect: 100-continue\r\n"] {
        let mut stream = server.connect();
        write!(stream, "{head}{never}\r\n").expect("sent");
        let reply = read(BufReader::new(stream));
        assert_eq!((reply.status, reply.header("connection")), (401, Some("close")), "{reply:?}");
    }
}

//! The fakes against a raw client: right requests are answered as described, wrong ones are
//! refused without effect, and each fault looks as it should.

mod faults;
mod github;
mod gitlab;
mod jira;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::Tracker;

/// What a raw client got: nothing, or a status, headers and as much of a body as arrived.
#[derive(Debug)]
struct Got {
    status: u16,
    head: String,
    text: String,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("an answer in JSON")
    }
}

/// Sends one request with these headers and reads until the server closes.
fn send(tracker: &Tracker, on: &str, headers: &[&str], body: Option<&str>) -> Option<Got> {
    let url = tracker.url().trim_start_matches("http://");
    let (host, prefix) =
        url.split_once('/').map_or((url, String::new()), |(host, path)| (host, format!("/{path}")));
    let (method, path) = on.split_once(' ').expect("a method and a path");
    let mut head =
        format!("{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    if let Some(body) = body {
        head += &format!("content-length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(host).expect("the fake listens");
    let sent = format!("{head}\r\n{}", body.unwrap_or_default());
    stream.write_all(sent.as_bytes()).expect("it reads");
    let mut bytes = Vec::new();
    // A connection that is reset has given what it gave.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, text) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Got { status, head: head.to_lowercase(), text: text.to_owned() })
}

/// Asserts that a request is refused with this status, has no effect, and is a violation that
/// says this.
fn refused(tracker: &Tracker, got: Option<Got>, status: u16, said: &str) {
    let got = got.expect("an answer");
    assert_eq!(got.status, status, "{got:?}");
    let violations = tracker.take_violations();
    assert!(violations.iter().any(|violation| violation.contains(said)), "{said}: {violations:?}");
}

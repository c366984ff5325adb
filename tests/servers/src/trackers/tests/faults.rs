//! Each fault as a raw client sees it, and what was done.

use std::time::Duration;

use serde_json::Value;

use super::super::{Fault, GitHub};
use super::{Got, send};

const POST: &str = "POST /repos/acme/web/issues";
const DESCRIBED: &str = "POST /repos/{owner}/{repo}/issues";

fn post(github: &GitHub) -> Option<Got> {
    let token = format!("authorization: token {}", github.token());
    let headers = ["user-agent: suite", &token, "content-type: application/json"];
    send(github, POST, &headers, Some(r#"{"title":"x","body":"y"}"#))
}

/// One post under a fault: its answer, and how many tickets there are.
fn under(fault: Fault) -> (Option<Got>, usize) {
    let github = GitHub::start();
    github.fault(POST, fault, 1);
    let got = post(&github);
    github.settle();
    let made = github.issues().len();
    assert_eq!(post(&github).map(|got| got.status), Some(201), "a fault is used up");
    assert_eq!(github.seen_on(DESCRIBED).len(), 2);
    (got, made)
}

#[test]
fn a_cut_leaves_no_answer_and_what_it_says_was_done() {
    let (got, made) = under(Fault::CutBefore);
    assert!(got.is_none() && made == 0, "{got:?}");
    let (got, made) = under(Fault::CutAfter);
    assert!(got.is_none() && made == 1, "{got:?}");
}

#[test]
fn a_status_has_the_real_form_and_no_effect() {
    for (status, message) in [
        (403, "Resource not accessible by integration"),
        (404, "Not Found"),
        (422, "Validation Failed"),
        (500, "Server Error"),
    ] {
        let (got, made) = under(Fault::Status(status));
        let got = got.expect("an answer");
        assert_eq!((got.status, made), (status, 0));
        assert_eq!(got.json()["message"], message);
    }
    let (got, made) = under(Fault::Status(502));
    let got = got.expect("an answer");
    assert_eq!((got.status, made), (502, 0));
    assert!(got.head.contains("text/html"), "{}", got.head);
}

#[test]
fn a_limit_says_when_to_come_again() {
    for (fault, status, said) in [
        (Fault::Limited { after: 7 }, 429, "rate limit exceeded"),
        (Fault::LimitedForbidden { after: 7 }, 403, "secondary rate limit"),
    ] {
        let (got, made) = under(fault);
        let got = got.expect("an answer");
        assert_eq!((got.status, made), (status, 0));
        assert!(got.head.contains("retry-after: 7") && got.text.contains(said), "{got:?}");
    }
}

#[test]
fn a_truncated_answer_has_the_length_of_the_whole() {
    let (got, made) = under(Fault::Truncated);
    let got = got.expect("an answer");
    assert_eq!((got.status, made), (201, 1));
    let length: usize = got
        .head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse().ok())
        .expect("a length");
    assert_eq!(got.text.len(), length / 2);
    assert!(serde_json::from_str::<Value>(&got.text).is_err());
}

#[test]
fn a_thin_answer_has_what_is_required_and_no_more() {
    let (got, made) = under(Fault::Thin);
    let thin = got.expect("an answer").json();
    assert_eq!(made, 1);
    assert!(thin["number"] == 1 && thin["title"] == "x", "{thin}");
    assert!(thin.get("body").is_none() && thin.get("author_association").is_none(), "{thin}");
    let (got, made) = under(Fault::Bare);
    assert_eq!((got.expect("an answer").text.as_str(), made), ("{}", 1));
}

#[test]
fn a_slow_one_is_done_all_the_same() {
    for fault in
        [Fault::Slow(Duration::from_millis(20)), Fault::SlowBefore(Duration::from_millis(20))]
    {
        let (got, made) = under(fault);
        assert_eq!((got.map(|got| got.status), made), (Some(201), 1));
    }
}

#[test]
fn what_is_held_goes_on_when_it_is_released() {
    for (fault, made) in [(Fault::Hold, 1), (Fault::HoldBefore, 0)] {
        let github = GitHub::start();
        github.fault(DESCRIBED, fault, 1);
        let got = std::thread::scope(|scope| {
            let asking = scope.spawn(|| post(&github));
            github.await_request(POST);
            github.await_held();
            assert_eq!(github.issues().len(), made, "{fault:?}");
            assert_eq!(github.seen()[0].status, 0);
            github.release();
            asking.join().expect("it ends")
        });
        assert_eq!(got.map(|got| got.status), Some(201));
        assert_eq!(github.issues().len(), 1);
    }
}

#[test]
fn it_is_done_also_when_the_client_has_gone() {
    use std::io::Write as _;
    let github = GitHub::start();
    github.fault("*", Fault::HoldBefore, 1);
    let host = github.url().trim_start_matches("http://").to_owned();
    let body = r#"{"title":"x"}"#;
    let head = format!(
        "{POST} HTTP/1.1\r\nhost: {host}\r\nuser-agent: suite\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        github.token(),
        body.len()
    );
    let mut stream = std::net::TcpStream::connect(host).expect("it listens");
    stream.write_all(head.as_bytes()).expect("it reads");
    github.await_held();
    drop(stream);
    github.release();
    github.settle();
    assert_eq!(github.issues().len(), 1);
}

#[test]
#[should_panic(expected = "unknown operation")]
fn a_violation_that_nobody_takes_fails_the_test() {
    let github = GitHub::start();
    let token = format!("authorization: token {}", github.token());
    send(&github, "GET /nowhere", &["user-agent: suite", &token], None);
}

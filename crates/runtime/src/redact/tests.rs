//! What is redacted, and what must not be.

use contract::record::{Approved, Claimed, DecidedBy, Event, Record, Sorted};
use serde_json::json;

use super::*;

mod samples;

fn redactor() -> Redactor {
    Redactor::new(&[Secret::new("p\"ss w0rd/!".to_owned()), Secret::new("abc".to_owned())])
}

#[test]
fn a_secret_is_redacted_in_every_common_form() {
    let redactor = redactor();
    for form in [
        "p\"ss w0rd/!",
        "p\\\"ss w0rd\\/!",
        "p%22ss%20w0rd%2f!",
        "cCJzcyB3MHJkLyE=",
        "7022737320773072642f21",
    ] {
        for form in [form.to_owned(), form.to_ascii_uppercase()] {
            let clean = redactor.text(&format!("x {form} y")).expect("redacted");
            assert!(!clean.contains(&form) && clean.contains(MARK), "{form}: {clean}");
        }
    }
    assert_eq!(redactor.text("nothing here, abc"), None);
}

#[test]
fn json_is_redacted_in_depth() {
    let mut value = json!({"a": ["p\"ss w0rd/!", 1], "p\"ss w0rd/!": true});
    redactor().value(&mut value);
    assert_eq!(value, json!({"a": ["[redacted]", 1], "[redacted]": true}));
}

/// `«»` marks what is to be replaced; without it, nothing is.
fn check(id: &str, marked: &str) {
    let text = marked.replace(['«', '»'], "");
    let expected = match (marked.split_once('«'), marked.split_once('»')) {
        (Some((before, _)), Some((_, after))) => Some(format!("{before}[redacted: {id}]{after}")),
        _ => None,
    };
    assert_eq!(Redactor::default().text(&text), expected, "{text}");
}

#[test]
fn secrets_of_known_kinds_are_redacted_by_kind() {
    let token = "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx";
    for (id, marked) in [
        ("aws-access-token", "id: «AKIAQYLPMN5HFIQR7XYA»."),
        ("github-pat", &format!("see «ghp_{token}» there") as &str),
        ("gitlab-pat", "«glpat-jE3xTq9ZkR0vLm2uWcYs»"),
        ("generic-api-key", "aws_secret_access_key = «kG7vQ2mZ9xT4rB8nL1wY6cJ3pD5sF0hAeUiOtRqW»"),
        ("generic-api-key", "X-Api-Key: «9f8Qz27LmN4xVb61KdTw»"),
        ("url-password", "postgres://user:«password»@host/db"),
        ("url-password", "amqps://me:«p@s%2Fs:w»@[::1]:5671"),
        ("authorization-header", "Authorization: Basic «YWRtaW46b3BlbnNlc2FtZQ==»"),
        ("authorization-header", "-H 'authorization: Bearer «abc123.def»'"),
        ("bearer-token", "got Bearer «a8Fk20sLx93mQz71VbTn55» back"),
        ("cookie", "Set-Cookie: «session=8f2e9a77c1; Path=/; HttpOnly»\r\nVary: *"),
        ("password", "{\"db_password\": \"«hunter2»\"}"),
        ("password", "\"{\\\"password\\\":\\\"«hunter2»\\\"}\""),
        ("password-setting", "psql host=db password=«hunter2» user=me"),
        ("netrc-password", "machine api.example login ann password «q1w2»"),
    ] {
        check(id, marked);
    }
}

#[test]
fn a_private_key_is_redacted_whole_however_it_is_written() {
    let lines = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"; 3];
    for newline in ["\n", "\r\n", "\\n", "\\\\n", "\n    "] {
        let body = lines.join(newline);
        let key = format!(
            "-----BEGIN RSA PRIVATE KEY-----{newline}{body}{newline}-----END RSA PRIVATE KEY-----"
        );
        check("private-key", &format!("a «{key}» b"));
        let cut = format!("-----BEGIN RSA PRIVATE KEY-----{newline}{body}");
        check("private-key", &format!("a «{cut}»"));
        let tail = format!("{body}{newline}-----END RSA PRIVATE KEY-----");
        check("private-key-end", &format!("a «{tail}» b"));
    }
    check("", "a file that begins with -----BEGIN PRIVATE KEY----- and so on");
    check(
        "",
        "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END CERTIFICATE-----",
    );
}

#[test]
fn secrets_of_kubernetes_are_redacted_in_every_order() {
    let data = "  password: aHVudGVyMg==\n  user: YW5u\n";
    let whole = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\ndata:\n«{data}»");
    check("kubernetes-secret-yaml", &whole);
    check("kubernetes-secret-data", &format!("apiVersion: v1\ndata:\n«{data}»kind: Secret\n"));
    check("", &format!("apiVersion: v1\ndata:\n{}kind: ConfigMap\n", "  a: b\n"));
}

#[test]
fn ordinary_text_is_left_alone() {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    for text in [
        digest.to_owned(),
        format!("tool digest: {digest}"),
        format!("\"result_digest\": \"{digest}\""),
        format!("approval {digest} waits; suite approvals show {digest}"),
        format!("sha256:{digest}"),
        "commit 2ee4c8a1b3d4e5f60718293a4b5c6d7e8f901234".to_owned(),
        "id 550e8400-e29b-41d4-a716-446655440000".to_owned(),
        "next: cursor=eyJhIjoxLCJiIjoyfQ.c2lnbmF0dXJlLW9mLXRoZS1jdXJzb3I".to_owned(),
        "next_page_token = CAQSBkFCQ0RFRhgBIAA9x8Kq".to_owned(),
        "idempotency_key: 7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned(),
        "identity key:laptop-4f9x2kq81m".to_owned(),
        "AKIAIOSFODNN7EXAMPLE".to_owned(),
        "Authorization: Bearer <token>".to_owned(),
        "Authorization: Bearer YOUR_TOKEN".to_owned(),
        "password: the person's password".to_owned(),
        "{\"password\": {\"type\": \"string\"}}".to_owned(),
        "postgres://user:${PASSWORD}@host".to_owned(),
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
            .to_owned(),
        "PATH=/usr/bin:/bin key = value, token = next()".to_owned(),
    ] {
        check("", &text);
    }
}

#[test]
fn the_name_of_a_field_tells_what_it_holds() {
    let key = "9f8Qz27LmN4xVb61KdTw";
    let mut value = json!({
        "api_key": key, "note": key, "secrets": [key, "short"], "password": "hunter2",
        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "HOME", "value": "/root"}],
    });
    Redactor::default().value(&mut value);
    assert_eq!(
        value,
        json!({
            "api_key": "[redacted: generic-api-key]", "note": key,
            "secrets": ["[redacted: generic-api-key]", "short"],
            "password": "[redacted: password]",
            "env": [
                {"name": "DB_PASSWORD", "value": "[redacted: password]"},
                {"name": "HOME", "value": "/root"},
            ],
        })
    );
}

/// A record with every field that could be taken for a secret, and `text` as an argument.
fn recorded(arguments: &Value, reason: &str) -> Option<Value> {
    let digest = "4b1dd081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let given = DecidedBy {
        identity: "key:laptop-4f9x2kq81m".to_owned(),
        reason: reason.to_owned(),
        subject: "key:laptop-4f9x2kq81m".to_owned(),
    };
    let approval = Approved { by: vec![given], id: digest.to_owned(), level: "one".to_owned() };
    let claimed = Claimed {
        trace: Some(format!("00-{}-{}-01", &digest[..32], &digest[..16])),
        ..Claimed::default()
    };
    let mut record = Record::new(Event::Call, "test");
    record.arguments = Some(Sorted(arguments));
    record.approval = Some(&approval);
    record.claimed = Some(&claimed);
    record.call = "7c9e6679-token-40de-944b";
    record.tool_digest = Some(digest);
    record.result_digest = Some(digest);
    record.policy = Some(digest);
    record.tool = "test_echo";
    let clean = Redactor::default().record(&record);
    if let Some(clean) = &clean {
        for field in ["tool_digest", "result_digest", "policy"] {
            assert_eq!(clean[field], digest);
        }
        assert_eq!(clean["approval"]["id"], digest);
        assert_eq!(clean["approval"]["by"][0]["identity"], "key:laptop-4f9x2kq81m");
        assert_eq!(clean["claimed"]["trace"], claimed.trace.as_deref().unwrap_or_default());
    }
    clean
}

#[test]
fn a_record_loses_its_secrets_and_no_digest() {
    assert_eq!(recorded(&json!({"text": "hello", "limit": 3}), "fine"), None);
    let token = "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";
    let text = recorded(&json!({"text": token}), "fine").expect("redacted");
    assert_eq!(text["arguments"]["text"], "[redacted: github-pat]");
    let named = recorded(&json!({"a": [{"password": "hunter2"}]}), "fine").expect("redacted");
    assert_eq!(named["arguments"]["a"][0]["password"], "[redacted: password]");
    let listed = json!({"env": [{"name": "DB_PASSWORD", "value": "hunter2"}]});
    let listed = recorded(&listed, "fine").expect("redacted");
    assert_eq!(listed["arguments"]["env"][0]["value"], "[redacted: password]");
    let reason = recorded(&json!({}), token).expect("redacted");
    assert_eq!(reason["approval"]["by"][0]["reason"], "[redacted: github-pat]");
}

#[test]
fn redacting_twice_changes_nothing() {
    let redactor = Redactor::new(&[Secret::new("redacted".to_owned())]);
    let once = redactor.text("redacted: password=hunter2 redacted").expect("redacted");
    assert_eq!(redactor.text(&once), None, "{once}");
}

//! Jira's operations.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::{Fault, Jira};
use super::{Got, refused, send};

const POST: &str = "POST /rest/api/3/issue";
const SEARCH: &str = "POST /rest/api/3/search/jql";

fn ask(jira: &Jira, on: &str, body: Option<&Value>) -> Option<Got> {
    let basic = STANDARD.encode(format!("{}:{}", Jira::USER, jira.token()));
    let body = body.map(Value::to_string);
    let headers = [&format!("authorization: Basic {basic}"), "content-type: application/json"];
    send(jira, on, &headers, body.as_deref())
}

fn right(jira: &Jira, on: &str, body: Option<&Value>) -> Value {
    let got = ask(jira, on, body).expect("an answer");
    assert!((200..300).contains(&got.status), "{on}: {got:?}");
    assert_eq!(jira.violations(), Vec::<String>::new(), "{on}");
    got.json()
}

fn document(text: &str) -> Value {
    json!({ "type": "doc", "version": 1, "content": [
        { "type": "paragraph", "content": [{ "type": "text", "text": text }] }
    ] })
}

fn issue(change: impl FnOnce(&mut Value)) -> Value {
    let mut issue = json!({ "fields": {
        "project": { "key": "WEB" },
        "issuetype": { "name": "Bug" },
        "summary": "Crash",
        "description": document("It crashes."),
        "labels": ["bug"],
    } });
    change(&mut issue["fields"]);
    issue
}

#[test]
fn every_operation_answers_as_described() {
    let jira = Jira::start();
    let made = right(&jira, POST, Some(&issue(|_| {})));
    assert_eq!(made["key"], "WEB-1");
    let one = "/rest/api/3/issue/WEB-1";
    right(&jira, &format!("POST {one}/comment"), Some(&json!({ "body": document("Me too.") })));
    let read = right(&jira, &format!("GET {one}"), None);
    assert_eq!(read["fields"]["summary"], "Crash");
    assert_eq!(read["fields"]["issuetype"]["name"], "Bug");
    assert_eq!(read["fields"]["comment"]["total"], 1);
    let some = right(&jira, &format!("GET {one}?fields=summary,labels"), None);
    assert_eq!(some["fields"], json!({ "summary": "Crash", "labels": ["bug"] }));
    let comments = right(&jira, &format!("GET {one}/comment?maxResults=10&orderBy=-created"), None);
    assert_eq!(comments["comments"][0]["body"], document("Me too."));
    assert_eq!(right(&jira, "GET /rest/api/3/myself", None)["emailAddress"], Jira::USER);
    let may = right(
        &jira,
        "GET /rest/api/3/mypermissions?permissions=CREATE_ISSUES,ADMINISTER&projectKey=WEB",
        None,
    );
    assert_eq!(may["permissions"]["CREATE_ISSUES"]["havePermission"], true);
    assert_eq!(may["permissions"]["ADMINISTER"]["havePermission"], false);
    assert_eq!(right(&jira, "GET /rest/api/3/project/WEB", None)["issueTypes"][1]["name"], "Bug");
    assert_eq!(right(&jira, "GET /rest/api/3/project/SEC", None)["id"], "10001");
    let found =
        right(&jira, "GET /rest/api/3/search/jql?jql=project+%3D+WEB&fields=summary,created", None);
    assert_eq!(found["issues"][0]["fields"]["summary"], "Crash");
    assert_eq!(jira.issues()[0]["_comments"][0]["body"], document("Me too."));
}

#[test]
fn what_is_not_as_described_is_refused_without_effect() {
    let jira = Jira::start();
    let wrong = |on: &str, body: Option<Value>, said: &str| {
        refused(&jira, ask(&jira, on, body.as_ref()), 400, said);
    };
    wrong(POST, Some(issue(|fields| fields["summary"] = json!(""))), "specify a summary");
    wrong(POST, Some(issue(|fields| fields["summary"] = json!("a\nb"))), "line break");
    wrong(POST, Some(issue(|fields| fields["project"] = json!({ "key": "NO" }))), "valid project");
    wrong(
        POST,
        Some(issue(|fields| fields["issuetype"] = json!({ "name": "Epic" }))),
        "issue type",
    );
    wrong(POST, Some(issue(|fields| fields["labels"] = json!(["a b"]))), "spaces");
    wrong(POST, Some(issue(|fields| fields["colour"] = json!("red"))), "cannot be set");
    wrong(POST, Some(issue(|fields| fields["description"] = json!("plain"))), "Atlassian Document");
    wrong(POST, Some(json!({ "fields": {}, "title": "x" })), "title");
    wrong(POST, Some(json!({ "fields": [] })), "/fields");
    wrong("GET /rest/api/3/mypermissions", None, "permissions parameter is required");
    wrong("GET /rest/api/3/myself?verbose=1", None, "unknown query parameter verbose");
    wrong("GET /rest/api/3/search/jql?maxResults=ten&jql=project=WEB", None, "maxResults");
    for (jql, said) in [
        ("", "Unbounded"),
        ("order by created", "Unbounded"),
        ("project = WEB or project = SEC", "does not know or"),
        ("created >= yesterday", "invalid"),
        ("created >= \"2024-01-01T00:00:00Z\"", "invalid"),
        ("text ~ \"open", "not been completed"),
        ("colour = red", "does not know colour"),
        ("project = WEB order by rank", "rank"),
    ] {
        wrong(SEARCH, Some(json!({ "jql": jql })), said);
    }
    wrong(SEARCH, Some(json!({ "jql": "project = WEB", "startAt": 0 })), "startAt");
    assert_eq!(jira.issues(), Vec::<Value>::new());
    let got = send(&jira, "GET /rest/api/3/myself", &[], None).expect("an answer");
    assert_eq!(got.status, 401);
    assert_eq!(ask(&jira, "GET /rest/api/3/issue/WEB-9", None).map(|got| got.status), Some(404));
    assert_eq!(ask(&jira, "GET /rest/api/3/project/NO", None).map(|got| got.status), Some(404));
}

#[test]
fn a_document_has_only_nodes_that_fit() {
    let jira = Jira::start();
    jira.seed("one", "", &[]);
    let on = "POST /rest/api/3/issue/WEB-1/comment";
    let with =
        |content: Value| json!({ "body": { "type": "doc", "version": 1, "content": content } });
    let text = json!({ "type": "text", "text": "x" });
    let paragraph = json!({ "type": "paragraph", "content": [text] });
    let link =
        json!([{ "type": "link", "attrs": { "href": "https://example.com" } }, { "type": "code" }]);
    for content in [
        json!([paragraph, { "type": "rule" }, { "type": "heading", "attrs": { "level": 2 }, "content": [text] }]),
        json!([{ "type": "bulletList", "content": [{ "type": "listItem", "content": [paragraph] }] }]),
        json!([{ "type": "codeBlock", "attrs": { "language": "rust" }, "content": [text] }]),
        json!([{ "type": "paragraph", "content": [{ "type": "text", "text": "x", "marks": link }, { "type": "hardBreak" }] }]),
    ] {
        right(&jira, on, Some(&with(content)));
    }
    for content in [
        json!([text]),
        json!([{ "type": "section", "content": [] }]),
        json!([{ "type": "paragraph", "content": [paragraph] }]),
        json!([{ "type": "paragraph", "content": [{ "type": "text", "text": "" }] }]),
        json!([{ "type": "paragraph", "content": [{ "type": "text", "text": "x", "marks": [{ "type": "bold" }] }] }]),
        json!([{ "type": "paragraph", "content": [{ "type": "text", "text": "x", "marks": [{ "type": "code" }, { "type": "strong" }] }] }]),
        json!([{ "type": "heading", "attrs": { "level": 7 }, "content": [text] }]),
        json!([{ "type": "bulletList", "content": [] }]),
        json!([{ "type": "bulletList", "content": [paragraph] }]),
        json!([{ "type": "paragraph", "colour": "red", "content": [text] }]),
    ] {
        refused(&jira, ask(&jira, on, Some(&with(content))), 400, "INVALID_INPUT");
    }
    let mention = json!([{ "type": "paragraph", "content": [{ "type": "mention", "attrs": { "id": "5b10" } }] }]);
    right(&jira, on, Some(&with(mention)));
    assert_eq!(jira.reactions(), ["WEB 1: mention \"5b10\""]);
    let long = json!({ "body": document(&"x".repeat(32_768)) });
    refused(&jira, ask(&jira, on, Some(&long)), 400, "CONTENT_LIMIT_EXCEEDED");
    refused(&jira, ask(&jira, on, Some(&json!({ "body": "plain" }))), 400, "Atlassian Document");
    assert_eq!(jira.issues()[0]["_comments"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_search_understands_jql_and_pages() {
    let jira = Jira::start();
    jira.seed("Login fails", "marker suite-1a2b here", &["bug"]);
    jira.seed("Other", "", &[]);
    jira.seed_secret("Login secret", "", &[]);
    let found = |jql: &str| {
        let found = right(&jira, SEARCH, Some(&json!({ "jql": jql, "fields": ["summary"] })));
        let issues = found["issues"].as_array().cloned().unwrap_or_default();
        issues
            .iter()
            .map(|issue| issue["key"].as_str().expect("a key").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found("project = WEB ORDER BY created DESC"), ["WEB-2", "WEB-1"]);
    assert_eq!(found("project = \"WEB\" order by created asc"), ["WEB-1", "WEB-2"]);
    assert_eq!(found("text ~ \"login\""), ["SEC-1", "WEB-1"]);
    assert_eq!(found(r#"project = WEB AND text ~ "\"suite-1a2b here\"""#), ["WEB-1"]);
    assert_eq!(found(r#"project = WEB AND text ~ "\"here marker\"""#), [""; 0]);
    assert_eq!(found("summary ~ marker AND project in (WEB, SEC)"), [""; 0]);
    assert_eq!(
        found("labels = bug AND created >= \"2024-01-01 10:30\" AND statusCategory != Done"),
        ["WEB-1"]
    );
    assert_eq!(found("created >= 2999-01-01"), [""; 0]);
    let page = right(&jira, SEARCH, Some(&json!({ "jql": "project = WEB", "maxResults": 1 })));
    assert_eq!(page["isLast"], false);
    let next =
        json!({ "jql": "project = WEB", "maxResults": 1, "nextPageToken": page["nextPageToken"] });
    let next = right(&jira, SEARCH, Some(&next));
    assert_eq!((&next["isLast"], next.get("nextPageToken")), (&json!(true), None));
    assert!(next["issues"][0]["fields"].is_null(), "only identifiers unless fields are asked for");
    jira.index_lag(true);
    let made = right(&jira, POST, Some(&issue(|_| {})));
    assert_eq!(found("project = WEB AND text ~ crash"), [""; 0]);
    let id: u64 = made["id"].as_str().and_then(|id| id.parse().ok()).expect("a number");
    let certain = json!({ "jql": "project = WEB AND text ~ crash", "reconcileIssues": [id] });
    assert_eq!(right(&jira, SEARCH, Some(&certain))["issues"].as_array().map(Vec::len), Some(1));
    jira.index_lag(false);
    assert_eq!(found("project = WEB AND text ~ crash"), ["WEB-3"]);
}

#[test]
fn faults_have_its_forms() {
    let jira = Jira::start();
    let under = |fault| {
        jira.fault(POST, fault, 1);
        ask(&jira, POST, Some(&issue(|_| {}))).expect("an answer")
    };
    let forbidden = under(Fault::Status(403));
    assert_eq!(forbidden.status, 403);
    assert!(forbidden.json()["errorMessages"][0].is_string(), "{forbidden:?}");
    assert_eq!(under(Fault::Status(422)).status, 422);
    assert!(under(Fault::Limited { after: 3 }).head.contains("retry-after: 3"));
    assert_eq!(jira.issues().len(), 0);
    let thin = under(Fault::Thin).json();
    assert_eq!((&thin["key"], thin.get("self")), (&json!("WEB-1"), None));
}

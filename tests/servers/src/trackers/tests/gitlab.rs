//! GitLab's operations.

use serde_json::{Value, json};

use super::super::{Fault, GitLab};
use super::{Got, refused, send};

const ISSUES: &str = "/projects/acme%2Fweb/issues";

fn ask(gitlab: &GitLab, on: &str, body: Option<&Value>) -> Option<Got> {
    let token = format!("private-token: {}", gitlab.token());
    let body = body.map(Value::to_string);
    send(gitlab, on, &[&token, "content-type: application/json"], body.as_deref())
}

fn right(gitlab: &GitLab, on: &str, body: Option<&Value>) -> Value {
    let got = ask(gitlab, on, body).expect("an answer");
    assert!((200..300).contains(&got.status), "{on}: {got:?}");
    assert_eq!(gitlab.violations(), Vec::<String>::new(), "{on}");
    got.json()
}

fn titles(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|issue| issue["title"].as_str()).collect()
}

#[test]
fn every_operation_answers_as_described() {
    let gitlab = GitLab::start();
    let body = json!({ "title": "Crash", "description": "It crashes.", "labels": "bug, new" });
    let issue = right(&gitlab, &format!("POST {ISSUES}"), Some(&body));
    assert_eq!((&issue["iid"], &issue["labels"]), (&json!(1), &json!(["bug", "new"])));
    assert_eq!(right(&gitlab, "POST /projects/2/issues", Some(&json!({ "title": "x" })))["iid"], 1);
    let note =
        right(&gitlab, &format!("POST {ISSUES}/1/notes"), Some(&json!({ "body": "Me too." })));
    assert_eq!(note["noteable_iid"], 1);
    assert_eq!(right(&gitlab, &format!("GET {ISSUES}/1"), None)["user_notes_count"], 1);
    assert_eq!(right(&gitlab, &format!("GET {ISSUES}/1/notes"), None)[0]["body"], "Me too.");
    assert_eq!(right(&gitlab, "GET /projects/1", None)["path_with_namespace"], "acme/web");
    assert_eq!(right(&gitlab, "GET /projects/acme%2Fsecret", None)["id"], 2);
    assert_eq!(right(&gitlab, "GET /user", None)["username"], "suite-bot");
    assert_eq!(right(&gitlab, "GET /personal_access_tokens/self", None)["scopes"], json!(["api"]));
    assert_eq!(gitlab.issues()[0]["_comments"][0]["body"], "Me too.");
}

#[test]
fn what_is_not_as_described_is_refused_without_effect() {
    let gitlab = GitLab::start();
    let post = format!("POST {ISSUES}");
    let wrong = |on: &str, body: Option<Value>, said: &str| {
        refused(&gitlab, ask(&gitlab, on, body.as_ref()), 400, said);
    };
    wrong(&post, Some(json!({ "description": "x" })), "title");
    wrong(&post, Some(json!({ "title": "" })), "blank");
    wrong(&post, Some(json!({ "title": "y".repeat(256) })), "255");
    wrong(&post, Some(json!({ "title": "x", "body": "y" })), "body");
    wrong(&post, Some(json!({ "title": "x", "labels": 1 })), "labels");
    wrong(&post, Some(json!({ "title": "x", "confidential": "yes" })), "confidential");
    wrong(&format!("GET {ISSUES}?state=open"), None, "state");
    wrong(&format!("GET {ISSUES}?created_after=yesterday"), None, "created_after");
    wrong(&format!("GET {ISSUES}?iids[]=one"), None, "iids");
    wrong(&format!("GET {ISSUES}?q=x"), None, "unknown query parameter q");
    wrong(&format!("GET {ISSUES}?confidential=true"), None, "the fake does not know");
    wrong(&format!("GET {ISSUES}/one"), None, "issue_iid");
    wrong(&format!("POST {ISSUES}/1/notes"), Some(json!({ "text": "x" })), "body");
    refused(&gitlab, ask(&gitlab, "GET /projects/acme/web/issues", None), 404, "unknown operation");
    assert_eq!(gitlab.issues(), Vec::<Value>::new());
    let got = send(&gitlab, "GET /user", &["private-token: other"], None).expect("an answer");
    assert_eq!((got.status, got.json()), (401, json!({ "message": "401 Unauthorized" })));
    assert_eq!(ask(&gitlab, "GET /projects/3", None).map(|got| got.status), Some(404));
    assert_eq!(ask(&gitlab, &format!("GET {ISSUES}/9"), None).map(|got| got.status), Some(404));
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let gitlab = GitLab::start();
    gitlab.seed("one", "marker suite-1a2b", &["bug"]);
    gitlab.seed("two", "", &[]);
    gitlab.seed_secret("hidden", "", &[]);
    let list = |query: &str| {
        let list = right(&gitlab, &format!("GET {ISSUES}?{query}"), None);
        titles(&list).iter().map(|title| (*title).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("scope=all"), ["two", "one"]);
    assert_eq!(list("sort=asc&order_by=updated_at&state=opened"), ["one", "two"]);
    assert_eq!(list("labels=bug"), ["one"]);
    assert_eq!(list("search=suite-1a2b&in=description"), ["one"]);
    assert_eq!(list("search=suite-1a2b&in=title"), [""; 0]);
    assert_eq!(list("iids[]=2"), ["two"]);
    assert_eq!(list("created_after=2999-01-01T00:00:00Z"), [""; 0]);
    let got = ask(&gitlab, &format!("GET {ISSUES}?per_page=1"), None).expect("an answer");
    assert!(got.head.contains("x-total: 2") && got.head.contains("x-next-page: 2"), "{}", got.head);
}

#[test]
fn faults_have_its_forms() {
    let gitlab = GitLab::start();
    let body = json!({ "title": "x", "labels": "bug" });
    let under = |fault| {
        gitlab.fault(&format!("POST {ISSUES}"), fault, 1);
        ask(&gitlab, &format!("POST {ISSUES}"), Some(&body)).expect("an answer")
    };
    let forbidden = under(Fault::Status(403));
    assert_eq!((forbidden.status, forbidden.json()), (403, json!({ "message": "403 Forbidden" })));
    assert!(under(Fault::Limited { after: 3 }).head.contains("retry-after: 3"));
    assert_eq!(under(Fault::Status(422)).status, 422);
    assert_eq!(gitlab.issues().len(), 0);
    let thin = under(Fault::Thin).json();
    assert_eq!((thin["iid"].as_u64(), thin.get("title")), (Some(1), None));
}

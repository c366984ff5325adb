//! GitHub's operations.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::interface::Interface as _;
use super::super::{GitHub, github};
use super::{Got, refused, send};

const ISSUES: &str = "/repos/acme/web/issues";

fn ask(github: &GitHub, on: &str, body: Option<&Value>) -> Option<Got> {
    let token = format!("authorization: Bearer {}", github.token());
    let body = body.map(Value::to_string);
    send(
        github,
        on,
        &["user-agent: suite", &token, "content-type: application/json"],
        body.as_deref(),
    )
}

fn right(github: &GitHub, on: &str, body: Option<&Value>) -> Value {
    let got = ask(github, on, body).expect("an answer");
    assert!((200..300).contains(&got.status), "{on}: {got:?}");
    assert_eq!(github.violations(), Vec::<String>::new(), "{on}");
    got.json()
}

fn titles(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|issue| issue["title"].as_str()).collect()
}

#[test]
fn every_operation_answers_as_described() {
    let github = GitHub::start();
    let body =
        json!({ "title": "Crash", "body": "It crashes.", "labels": ["bug", { "name": "new" }] });
    let issue = right(&github, &format!("POST {ISSUES}"), Some(&body));
    assert_eq!(issue["number"], 1);
    assert_eq!(issue["labels"][1]["name"], "new");
    let comment =
        right(&github, &format!("POST {ISSUES}/1/comments"), Some(&json!({ "body": "Me too." })));
    assert_eq!(comment["body"], "Me too.");
    assert_eq!(right(&github, &format!("GET {ISSUES}/1"), None)["comments"], 1);
    assert_eq!(right(&github, &format!("GET {ISSUES}/1/comments"), None)[0]["body"], "Me too.");
    assert_eq!(right(&github, "GET /repos/acme/web", None)["full_name"], "acme/web");
    assert_eq!(right(&github, "GET /repos/acme/secret", None)["full_name"], "acme/secret");
    assert_eq!(
        right(&github, "GET /repos/acme/web/labels", None).as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(right(&github, "GET /user", None)["login"], "suite-bot");
    assert!(right(&github, "GET /rate_limit", None)["rate"]["remaining"].is_u64());
    assert_eq!(right(&github, "GET /installation/repositories", None)["total_count"], 2);
    let found = right(&github, "GET /search/issues?q=crash+repo:acme/web+is:issue", None);
    assert_eq!(found["total_count"], 1);
    let whole = github.issues();
    assert_eq!(whole[0]["_comments"][0]["body"], "Me too.");
    assert_eq!(whole[0]["_project"], "acme/web");
}

#[test]
fn what_is_not_as_described_is_refused_without_effect() {
    let github = GitHub::start();
    let post = format!("POST {ISSUES}");
    let wrong = |on: &str, body: Option<Value>, status, said: &str| {
        refused(&github, ask(&github, on, body.as_ref()), status, said);
    };
    wrong(&post, Some(json!({ "body": "no title" })), 422, "title");
    wrong(&post, Some(json!({ "title": true })), 422, "/title");
    wrong(&post, Some(json!({ "title": " " })), 422, "title is missing");
    wrong(&post, Some(json!({ "title": "x", "description": "y" })), 422, "description");
    wrong(&post, Some(json!({ "title": "x", "labels": "bug" })), 422, "/labels");
    wrong(&post, Some(json!({ "title": "x", "body": "y".repeat(65_537) })), 422, "too long");
    wrong(&post, None, 422, "no body");
    wrong("GET /user", Some(json!({})), 422, "a body where none");
    wrong(&format!("GET {ISSUES}?colour=red"), None, 422, "unknown query parameter colour");
    wrong(&format!("GET {ISSUES}?state=opened"), None, 422, "state");
    wrong(&format!("GET {ISSUES}?per_page=many"), None, 422, "per_page");
    wrong(&format!("GET {ISSUES}?since=yesterday"), None, 422, "since");
    wrong(&format!("GET {ISSUES}?page=1&page=2"), None, 422, "more than once");
    wrong(&format!("GET {ISSUES}/one"), None, 422, "issue_number");
    wrong(&format!("GET {ISSUES}?milestone=1"), None, 422, "the fake does not know");
    wrong("GET /search/issues", None, 422, "no q");
    wrong("GET /search/issues?q=crash", None, 422, "is:issue");
    wrong("GET /search/issues?q=is:issue+color:red", None, 422, "qualifier color");
    wrong(&format!("DELETE {ISSUES}/1"), None, 404, "unknown method");
    wrong("GET /nowhere", None, 404, "unknown operation");
    wrong(&format!("POST {ISSUES}/1/comments"), Some(json!({ "text": "x" })), 422, "body");
    assert_eq!(github.issues(), Vec::<Value>::new());
    let token = format!("authorization: Bearer {}", github.token());
    let form = send(
        &github,
        &post,
        &["user-agent: suite", &token, "content-type: text/plain"],
        Some("{\"title\":\"x\"}"),
    );
    refused(&github, form, 422, "content type text/plain");
}

#[test]
fn only_the_token_opens_it() {
    let github = GitHub::start();
    for headers in
        [&["user-agent: suite"][..], &["user-agent: suite", "authorization: Bearer other"]]
    {
        let got = send(&github, "GET /user", headers, None).expect("an answer");
        assert_eq!((got.status, &got.json()["message"]), (401, &json!("Bad credentials")));
    }
    let token = format!("authorization: Bearer {}", github.token());
    let got = send(&github, "GET /user", &[&token], None).expect("an answer");
    assert_eq!(got.status, 403, "without user-agent");
    assert_eq!(ask(&github, "GET /repos/acme/other", None).map(|got| got.status), Some(404));
    assert_eq!(github.violations(), Vec::<String>::new());
}

#[test]
fn an_application_gets_a_token_for_what_it_names() {
    let github = GitHub::start();
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let own = |lasts: u64| {
        let claims = json!({ "iss": "12", "iat": now - 60, "exp": now + lasts });
        format!(
            "authorization: Bearer {}.{}.c2ln",
            encode(json!({ "alg": "RS256" })),
            encode(claims)
        )
    };
    let post = "POST /app/installations/7/access_tokens";
    let ask = |own: &str, body: &str| {
        send(
            &github,
            post,
            &["user-agent: suite", own, "content-type: application/json"],
            Some(body),
        )
        .expect("an answer")
    };
    assert_eq!(ask(&own(3600), "{}").status, 401, "an own token lasts ten minutes");
    let got = ask(&own(540), r#"{"repositories":["web"]}"#);
    assert_eq!(got.status, 201);
    let token = format!("authorization: Bearer {}", got.json()["token"].as_str().expect("a token"));
    let with = |on| send(&github, on, &["user-agent: suite", &token], None).expect("an answer");
    assert_eq!(with("GET /installation/repositories").json()["total_count"], 1);
    assert_eq!(with("GET /repos/acme/web").status, 200);
    assert_eq!(with("GET /repos/acme/secret").status, 404);
}

#[test]
fn lists_are_filtered_sorted_and_paged() {
    let github = GitHub::start();
    for title in ["one", "two", "three"] {
        github.seed(title, "", if title == "two" { &["bug"] } else { &[] });
    }
    github.seed_secret("hidden", "", &[]);
    assert_eq!(titles(&right(&github, &format!("GET {ISSUES}"), None)), ["three", "two", "one"]);
    assert_eq!(
        titles(&right(&github, &format!("GET {ISSUES}?direction=asc"), None)),
        ["one", "two", "three"]
    );
    assert_eq!(titles(&right(&github, &format!("GET {ISSUES}?labels=bug"), None)), ["two"]);
    assert_eq!(titles(&right(&github, &format!("GET {ISSUES}?state=closed"), None)), [""; 0]);
    assert_eq!(
        titles(&right(&github, &format!("GET {ISSUES}?since=2999-01-01T00:00:00Z"), None)),
        [""; 0]
    );
    let got = ask(&github, &format!("GET {ISSUES}?per_page=2&page=1"), None).expect("an answer");
    assert_eq!(titles(&got.json()), ["three", "two"]);
    assert!(
        got.head.contains(&format!("<{}{ISSUES}?per_page=2&page=2>; rel=\"next\"", github.url())),
        "{}",
        got.head
    );
}

#[test]
fn a_search_finds_words_and_phrases_when_the_index_has_them() {
    let github = GitHub::start();
    github.seed("Login fails", "marker suite-1a2b here", &["bug"]);
    github.seed_secret("Login secret", "", &[]);
    let found = |query: &str| {
        let found = right(&github, &format!("GET /search/issues?q={query}"), None);
        titles(&found["items"]).iter().map(|title| (*title).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("login+is:issue"), ["Login secret", "Login fails"]);
    assert_eq!(found("login+is:issue+repo:acme/web"), ["Login fails"]);
    assert_eq!(found("%22suite-1a2b%22+is:issue+in:body"), ["Login fails"]);
    assert_eq!(found("%22suite-1a2b%22+is:issue+in:title"), [""; 0]);
    assert_eq!(found("%22here+marker%22+is:issue"), [""; 0]);
    assert_eq!(
        found("%22suite+1a2b%22+is:issue"),
        ["Login fails"],
        "an index has words, not punctuation"
    );
    assert_eq!(found("fails+is:issue+label:bug+created:%3E%3D2024-01-01"), ["Login fails"]);
    assert_eq!(found("fails+is:issue+is:closed"), [""; 0]);
    github.index_lag(true);
    github.seed("Login late", "", &[]);
    assert_eq!(found("late+is:issue"), [""; 0]);
    assert_eq!(titles(&right(&github, &format!("GET {ISSUES}"), None))[0], "Login late");
    github.index_lag(false);
    assert_eq!(found("late+is:issue"), ["Login late"]);
}

#[test]
fn without_the_right_labels_are_dropped() {
    let github = GitHub::start();
    github.may_label(false);
    let issue = right(
        &github,
        &format!("POST {ISSUES}"),
        Some(&json!({ "title": "x", "labels": ["bug"] })),
    );
    assert_eq!(issue["labels"], json!([]));
}

#[test]
fn what_a_text_sets_off_is_known() {
    let github = GitHub::start();
    github.seed("@nobody", "ping @bob", &[]);
    right(&github, &format!("POST {ISSUES}/1/comments"), Some(&json!({ "body": "see #7" })));
    assert_eq!(github.reactions(), ["acme/web 1: mention @bob", "acme/web 1: reference #7"]);
}

#[test]
fn an_answer_of_the_fake_is_checked_as_well() {
    let description = github::Api.description();
    let (create, _) = description.find("POST", ISSUES).expect("it is described");
    let said = description.own_faults(create, 201, &json!({ "number": 1 }));
    assert!(said.iter().any(|said| said.contains("title")), "{said:?}");
    assert_eq!(description.own_faults(create, 200, &json!({})), ["status 200 is not described"]);
    assert_eq!(description.own_faults(create, 404, &json!({})), Vec::<String>::new());
}

//! The far server under attack: what was there before, and what must not have happened to it.

use serde_json::{Value, json};
use servers::trackers::Seen;
use tests::harness::sqlite;

use super::super::{Far, World};

/// A ticket of the project as somebody else wrote it; its number or key.
pub(super) fn seed(world: &World, title: &str, body: &str, labels: &[&str]) -> String {
    match &world.far {
        Far::Local => insert(world, ("web", 1_000), title, body, labels),
        Far::Rt(_) => create(world, "Web", title, body),
        Far::GitHub(_) | Far::GitLab(_) | Far::Jira(_) => world.fake().seed(title, body, labels),
    }
}

/// Tickets of other projects and queues that hold this word; what they could be called where that
/// is the name of no ticket of the project.
pub(super) fn seed_outside(world: &World, canary: &str) -> Vec<String> {
    let title = format!("{canary} of others");
    match &world.far {
        Far::Local => vec![insert(world, ("acme/secret", 900_000), &title, canary, &[])],
        Far::Rt(_) => {
            ["General", "Secret"].map(|queue| create(world, queue, &title, canary)).to_vec()
        }
        Far::Jira(far) => vec![far.seed_secret(&title, canary, &[])],
        Far::GitHub(_) | Far::GitLab(_) => {
            world.fake().seed_secret(&title, canary, &[]);
            Vec::new()
        }
    }
}

fn create(world: &World, queue: &str, title: &str, body: &str) -> String {
    let Far::Rt(far) = &world.far else { panic!("not Request Tracker") };
    let ticket = json!({
        "Queue": queue, "Subject": title, "Content": body, "ContentType": "text/plain"
    });
    let (status, made) = far.as_root("POST", "ticket", Some(&ticket));
    assert_eq!(status, 201, "{made}");
    made["id"].as_str().expect("a number").to_owned()
}

fn insert(
    world: &World,
    (project, from): (&str, i64),
    title: &str,
    body: &str,
    labels: &[&str],
) -> String {
    let count = rows(world, "SELECT count(*) AS count FROM tickets").remove(0);
    let number = (from + count["count"].as_i64().expect("a number")).to_string();
    // As bytes, so that nothing need be quoted.
    let text = |text: &str| {
        let bytes = text.bytes().map(|byte| format!("{byte:02x}"));
        format!("CAST(X'{}' AS TEXT)", bytes.collect::<String>())
    };
    let (title, body) = (text(title), text(body));
    let labels = text(&json!(labels).to_string());
    rows(
        world,
        &format!(
            "INSERT INTO tickets (project, number, title, body, labels, fields, author, created,
             changed, marker) VALUES ('{project}', {number}, {title}, {body}, {labels}, '{{}}',
             {title}, '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', 'm{number}');
             INSERT INTO words (rowid, title, body) VALUES (last_insert_rowid(), {title}, {body})"
        ),
    );
    number
}

/// Gives a ticket on this machine other labels.
pub(super) fn label(world: &World, title: &str, labels: &[&str]) {
    let labels = json!(labels);
    rows(world, &format!("UPDATE tickets SET labels = '{labels}' WHERE title = '{title}'"));
}

fn rows(world: &World, statement: &str) -> Vec<Value> {
    let file = world.folder.path("state/tickets/tickets.db");
    sqlite(&file, statement)
}

/// Nothing that arrived sets anything off, and nothing outside of the project was asked for or
/// written.
pub(super) fn kept_to_itself(world: &World, canary: &str) {
    match &world.far {
        Far::Local => {
            let others = rows(world, "SELECT project FROM tickets WHERE project <> 'web'");
            assert_eq!(others, [json!({"project": "acme/secret"})]);
            let comments = rows(world, "SELECT id FROM comments WHERE project <> 'web'");
            assert_eq!(comments, Vec::<Value>::new());
            return;
        }
        Far::Rt(far) => {
            let mut others = far.tickets();
            others.retain(|one| one["queue"] != "Web");
            for one in others.iter().filter(|one| one.to_string().contains(canary)) {
                assert_eq!(one["messages"], json!([]), "{one}");
            }
            assert!(!others.iter().any(|one| one.to_string().contains("under attack")));
            return;
        }
        Far::GitHub(_) | Far::GitLab(_) | Far::Jira(_) => {}
    }
    let fake = world.fake();
    // A reference alone only links: `#1` is what tickets are full of.
    let mut reactions = fake.reactions();
    reactions.retain(|one| !one.contains(": reference "));
    assert_eq!(reactions, Vec::<String>::new());
    assert_eq!(fake.violations(), Vec::<String>::new());
    let issues = fake.issues();
    let outside = |one: &&Value| one["_project"] == "acme/secret" || one["_project"] == "SEC";
    let outside: Vec<&Value> = issues.iter().filter(outside).collect();
    assert_eq!(outside.len(), 1, "{outside:?}");
    assert_eq!(outside[0]["_comments"], json!([]));
    let is_within = match &world.far {
        Far::GitHub(_) => within_github,
        Far::GitLab(_) => within_gitlab,
        _ => within_jira,
    };
    for seen in fake.seen() {
        assert!(is_within(&seen) || examines(&seen), "{seen:?}");
    }
    if matches!(world.far, Far::Jira(_)) {
        issues.iter().for_each(plain_nodes);
    }
}

/// As the server starts it looks at what it may do, in every project that is declared.
fn examines(seen: &Seen) -> bool {
    let paths = ["/repos/acme/secret", "/projects/acme%2Fsecret", "/user"];
    seen.method == "GET"
        && (paths.contains(&seen.path.as_str()) || seen.path.ends_with("/mypermissions"))
}

fn is_below(path: &str, root: &str) -> bool {
    path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// In the repository, or a search with its qualifiers and no others.
fn within_github(seen: &Seen) -> bool {
    let qualifiers = ["repo:acme/web", "is:issue", "state:open", "state:closed"];
    let own = |(name, value): &(String, String)| {
        let mut named = value.split_whitespace().filter(|word| word.contains([':', '/', '"']));
        name != "q"
            || value.contains(" repo:acme/web ") && named.all(|word| qualifiers.contains(&word))
    };
    is_below(&seen.path, "/repos/acme/web")
        || seen.path == "/search/issues" && seen.query.iter().all(own)
}

fn within_gitlab(seen: &Seen) -> bool {
    let known = ["scope", "search", "state", "per_page", "page", "order_by", "sort"];
    is_below(&seen.path, "/projects/acme%2Fweb")
        && seen.query.iter().all(|(name, _)| known.contains(&name.as_str()))
}

/// An issue of the project, or a query of words within it.
fn within_jira(seen: &Seen) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ' ';
    match seen.path.as_str() {
        "/rest/api/3/issue" => seen.body["fields"]["project"] == json!({"key": "WEB"}),
        "/rest/api/3/search/jql" => {
            let jql = seen.body["jql"].as_str().unwrap_or_default();
            let rest = jql.strip_prefix("project = \"WEB\" AND text ~ \"").unwrap_or_default();
            let (words, end) = rest.split_once('"').unwrap_or_default();
            let ends = [
                " ORDER BY created DESC",
                " AND statusCategory != Done ORDER BY created DESC",
                " AND statusCategory = Done ORDER BY created DESC",
            ];
            words.chars().all(is_word) && ends.contains(&end)
        }
        path => path.starts_with("/rest/api/3/issue/WEB-"),
    }
}

/// A document of text and its layout: no mention, no card, no media, no target that runs.
fn plain_nodes(value: &Value) {
    let known = [
        "doc",
        "paragraph",
        "text",
        "hardBreak",
        "heading",
        "codeBlock",
        "blockquote",
        "rule",
        "bulletList",
        "orderedList",
        "listItem",
        "table",
        "tableRow",
        "tableHeader",
        "tableCell",
        "link",
        "code",
        "strong",
        "em",
        "strike",
    ];
    match value {
        Value::Array(all) => all.iter().for_each(plain_nodes),
        Value::Object(all) => {
            if let Some(kind) = all.get("type").and_then(Value::as_str) {
                assert!(known.contains(&kind), "{value}");
            }
            if let Some(target) = all.get("href").and_then(Value::as_str) {
                let allowed = ["https://", "http://", "mailto:"];
                assert!(allowed.iter().any(|scheme| target.starts_with(scheme)), "{value}");
            }
            all.values().for_each(plain_nodes);
        }
        _ => {}
    }
}

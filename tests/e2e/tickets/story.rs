//! The same story with every tracker: drafted, shown, approved, arrived once, verified, commented.

use std::process::Command;

use serde_json::json;
use servers::rt;
use servers::trackers::{GitHub, GitLab, Jira};

use super::{Far, World, call, draft, drafted, submission};

/// What the story's ticket says.
const BODY: &str = "An order of **three** lines loses a cent.\n\n```python\n@cached\ndef total(): ...\n```\n\n- first\n- second";

fn story(far: Far, has_labels: bool) {
    let world = World::new(far, "");
    let mut session = world.start();
    let labels = if has_labels { json!(["bug"]) } else { json!([]) };
    let args = json!({
        "project": "web", "title": "Cents are lost in orders", "body": BODY, "labels": labels,
        "reason": "because the test says so"
    });
    let name = drafted(&call(&mut session, "ticket_draft", &args));
    assert!(name.starts_with("web-") && name.ends_with(".1"), "{name}");
    let asked = call(&mut session, "ticket_submit", &submission(&name));
    assert!(asked.starts_with("approval_needed: "), "{asked}");
    assert!(world.arrived("Cents").is_empty(), "no yes, nothing arrives");
    let never = call(&mut session, "ticket_verify", &json!({"draft": name}));
    assert!(never.starts_with("not submitted"), "{never}");

    // What is shown to the person is what arrives, to the letter.
    let shown = world.approve(&asked).output;
    let preview = call(&mut session, "ticket_drafts", &json!({"draft": name}));
    let digest = preview.lines().find(|line| line.starts_with("SHA-256: ")).expect("a digest");
    assert!(shown.contains(digest), "{digest}: {shown}");
    assert!(world.arrived("Cents").is_empty(), "a yes alone sends nothing");
    let filed = call(&mut session, "ticket_submit", &submission(&name));
    assert!(filed.starts_with("filed: web#"), "{filed}");
    let arrived = world.arrived("Cents");
    assert_eq!(arrived.len(), 1, "{arrived:?}");
    assert_eq!(arrived[0].title, "Cents are lost in orders");
    if has_labels {
        assert_eq!(arrived[0].labels, ["bug"]);
    }
    for part in ["loses a cent.", "@cached", "second", "Filed for", "by suite, "] {
        assert!(arrived[0].body.contains(part), "{part}: {arrived:?}");
    }
    let again = call(&mut session, "ticket_submit", &submission(&name));
    assert!(again.contains("not done again"), "{again}");
    let anew = json!({"draft": name, "reason": "another reason for the same"});
    let asked = call(&mut session, "ticket_submit", &anew);
    world.approve(&asked);
    let again = call(&mut session, "ticket_submit", &anew);
    assert!(again.starts_with("filed before, not again: web#"), "{again}");
    assert_eq!(world.arrived("Cents").len(), 1, "once");

    let verified = call(&mut session, "ticket_verify", &json!({"draft": name}));
    assert!(verified.starts_with("filed as approved: web#"), "{verified}");
    for part in ["title: same", "body: same, SHA-256 ", "labels: same", "state: "] {
        assert!(verified.contains(part), "{part}: {verified}");
    }

    let ticket = filed.split(['#', ' ']).nth(2).expect("a number").trim();
    let named = format!("web#{ticket}");
    let read = call(&mut session, "ticket_read", &json!({"ticket": named}));
    assert!(read.contains("Cents are lost") && read.contains("loses a cent"), "{read}");
    assert!(read.contains("no comments"), "{read}");
    let args = json!({
        "ticket": named, "body": "Seen **again** today.", "reason": "because the test says so"
    });
    let comment = drafted(&call(&mut session, "ticket_comment_draft", &args));
    let wrong = call(&mut session, "ticket_submit", &submission(&comment));
    assert!(wrong.starts_with("invalid: "), "{wrong}");
    let asked = call(&mut session, "ticket_comment_submit", &submission(&comment));
    world.approve(&asked);
    assert!(world.arrived("Cents")[0].comments.is_empty());
    let added = call(&mut session, "ticket_comment_submit", &submission(&comment));
    assert!(added.starts_with(&format!("filed: {named} comment ")), "{added}");
    let comments = &world.arrived("Cents")[0].comments;
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains("Seen") && comments[0].contains("today."), "{comments:?}");
    let verified = call(&mut session, "ticket_verify", &json!({"draft": comment}));
    assert!(verified.starts_with("filed as approved: "), "{verified}");
    let read = call(&mut session, "ticket_read", &json!({"ticket": named}));
    assert!(read.contains("-- comment ") && read.contains("comments 1-1"), "{read}");

    let found =
        call(&mut session, "ticket_search", &json!({"text": "cents lost", "project": "web"}));
    assert!(found.contains(&format!("{named} ")) && found.ends_with("\n1 ticket"), "{found}");
    let similar = json!({
        "project": "web", "title": "Cents are lost in orders again", "body": "x",
        "reason": "because the test says so"
    });
    let similar = call(&mut session, "ticket_draft", &similar);
    assert!(similar.contains("similar tickets") && similar.contains(&named), "{similar}");
    for record in world.folder.calls("tickets") {
        assert_eq!(record["target"], "project:web", "{record}");
    }
}

#[test]
fn on_this_machine() {
    story(Far::Local, true);
}

#[test]
fn on_github() {
    story(Far::GitHub(GitHub::start()), true);
}

#[test]
fn on_gitlab() {
    story(Far::GitLab(GitLab::start()), true);
}

#[test]
fn on_jira() {
    story(Far::Jira(Jira::start()), true);
}

#[test]
fn on_request_tracker() {
    story(Far::Rt(rt::shared()), false);
}

#[test]
fn a_project_has_one_reporter_for_all() {
    let far = rt::shared();
    let world = World::new(Far::Rt(far), "reporter = \"ops@example.com\"\n");
    let mut session = world.start();
    let name = draft(&mut session, "Whose report is this", "x");
    let filed = world.submit(&mut session, &name);
    assert!(filed.starts_with("filed: "), "{filed}");
    assert!(world.arrived("Whose report")[0].body.contains("Filed for ops@example.com by suite"));
    let all = far.tickets();
    let ticket = all.iter().find(|one| one["subject"] == "Whose report is this").expect("it");
    assert_eq!(ticket["requestors"], json!(["ops@example.com"]), "{ticket}");
}

#[test]
fn a_github_app_asks_for_a_token_of_its_repositories_alone() {
    let world = World::github();
    let key = world.folder.path("app.pem");
    let mut command = Command::new("openssl");
    let made = command.args(["genrsa", "-out"]).arg(&key).arg("2048").output();
    assert!(made.expect("openssl").status.success());
    let config = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    let app = "app = { id = 12, installation = 34, key = { file = \"app.pem\" } }";
    let config = config.replace("token = { file = \"token\" }", app);
    // A project that nobody may file in is none that the token reaches.
    let (before, after) = config.split_once("[servers.tickets.projects.secret]").expect("it");
    let (_, after) = after.split_once("[servers.tickets.projects.web]").expect("it");
    let config = format!("{before}[servers.tickets.projects.web]{after}");
    world.folder.write("servers.toml", &config);
    let mut session = world.start();
    let name = draft(&mut session, "By an App", "x");
    let filed = world.submit(&mut session, &name);
    assert!(filed.starts_with("filed: web#"), "{filed}");
    assert_eq!(world.arrived("By an App").len(), 1);
    let asked = world.fake().seen_on("POST /app/installations/{installation_id}/access_tokens");
    assert!(!asked.is_empty(), "{:?}", world.fake().seen());
    for one in asked {
        assert_eq!(one.body, json!({"repositories": ["web"]}));
    }
}

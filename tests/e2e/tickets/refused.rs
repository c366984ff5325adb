//! What must not leave does not, and the record says so.

use serde_json::{Value, json};
use servers::trackers::GitHub;
use tests::harness::{Session, approval, sqlite, text};

use super::{Far, World, call, draft, drafted, submission};

fn approvals(world: &World) -> Vec<String> {
    let records = world.folder.records("tickets");
    let names = records.iter().filter_map(|record| record["event"].as_str());
    names.filter(|name| name.starts_with("approval")).map(str::to_owned).collect()
}

/// Asks for a yes, which bob gives; nothing is filed yet.
fn approved(world: &World, session: &mut Session, name: &str) -> String {
    let asked = call(session, "ticket_submit", &submission(name));
    world.approve(&asked);
    approval(&asked)
}

#[test]
fn nothing_leaves_without_the_yes_its_rule_demands() {
    let world = World::github();
    let mut session = world.start();
    let name = draft(&mut session, "Not yet", "x");
    for _ in 0..3 {
        let said = call(&mut session, "ticket_submit", &submission(&name));
        assert!(said.starts_with("approval_needed: "), "{said}");
    }
    let asked = call(&mut session, "ticket_submit", &submission(&name));
    let no = world.folder.decide("deny", &approval(&asked), &world.bob, "not this one, please");
    assert!(no.ok, "{no:?}");
    let said = call(&mut session, "ticket_submit", &submission(&name));
    assert!(said.starts_with("denied: ") && said.contains("not this one"), "{said}");
    assert!(world.arrived("Not yet").is_empty());
    let posts = world.fake().seen().into_iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(posts, 0, "nothing was even tried");
}

#[test]
fn one_thing_changed_is_another_call() {
    let world = World::github();
    let mut session = world.start();
    let name = draft(&mut session, "First words", "x");
    approved(&world, &mut session, &name);
    let args = json!({"draft": name, "title": "Other words", "reason": "because the test says so"});
    let other = drafted(&call(&mut session, "ticket_draft", &args));
    assert!(other.ends_with(".2"), "{other}");
    let said = call(&mut session, "ticket_submit", &submission(&name));
    assert!(said.starts_with("not_found: ") && said.contains(&other), "{said}");
    let said = call(&mut session, "ticket_submit", &submission(&other));
    assert!(said.starts_with("approval_needed: "), "{said}");
    assert!(world.fake().issues().is_empty());
    // Changed behind the server's back, in its own database.
    world.approve(&said);
    let desk = world.folder.path("state/tickets/desk.db");
    let change = "UPDATE drafts SET content = replace(content, 'Other', 'Evil')";
    sqlite(&desk, change);
    let said = call(&mut session, "ticket_submit", &submission(&other));
    assert!(said.starts_with("approval_needed: "), "what bob saw does not count: {said}");
    assert!(approvals(&world).contains(&"approval_expired".to_owned()));
    assert!(world.fake().issues().is_empty());
}

#[test]
fn what_it_is_sent_to_may_not_change_either() {
    let world = World::github();
    let mut session = world.start();
    let name = draft(&mut session, "Moved", "x");
    approved(&world, &mut session, &name);
    drop(session);
    let config = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world.folder.write("servers.toml", &config.replace("acme/web", "acme/other"));
    let mut session = world.start();
    let said = call(&mut session, "ticket_submit", &submission(&name));
    assert!(!said.starts_with("filed"), "{said}");
    assert!(world.fake().issues().is_empty());
}

#[test]
fn a_yes_ends_with_its_time_and_with_its_giver() {
    let world = World::new(Far::GitHub(GitHub::start()), "[approvals]\nwithin = \"1s\"\n");
    let mut session = world.start();
    let name = draft(&mut session, "Too late", "x");
    let asked = call(&mut session, "ticket_submit", &submission(&name));
    let began = std::time::Instant::now();
    while !approvals(&world).contains(&"approval_expired".to_owned()) {
        assert!(began.elapsed() < tests::harness::HANG, "it never ends");
        std::thread::yield_now();
    }
    let said = call(&mut session, "ticket_submit", &json!({"approval": approval(&asked)}));
    assert!(said.starts_with("denied: "), "{said}");
    assert!(world.arrived("Too late").is_empty());

    let world = World::github();
    let mut session = world.start();
    let name = draft(&mut session, "Revoked", "x");
    approved(&world, &mut session, &name);
    world.folder.revoke("bob");
    let said = call(&mut session, "ticket_submit", &submission(&name));
    assert!(said.starts_with("denied: ") && said.contains("was revoked"), "{said}");
    assert!(world.arrived("Revoked").is_empty());
}

#[test]
fn two_people_where_the_rule_says_two() {
    let world = World::local();
    let config = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world.folder.write("servers.toml", &config.replace("approval = \"one\"", "approval = \"two\""));
    let cy = world.folder.key("cy", Some("cy"));
    let phone = world.folder.key("phone", Some("bob"));
    let mut session = world.start();
    let name = draft(&mut session, "Twice asked", "x");
    let asked = call(&mut session, "ticket_submit", &submission(&name));
    world.approve(&asked);
    assert!(!world.folder.approve(&approval(&asked), &phone).ok, "the same person again");
    let said = call(&mut session, "ticket_submit", &submission(&name));
    assert!(said.starts_with("approval_needed: "), "{said}");
    assert!(world.arrived("Twice asked").is_empty());
    assert!(world.folder.approve(&approval(&asked), &cy).ok);
    let said = call(&mut session, "ticket_submit", &submission(&name));
    assert!(said.starts_with("filed: "), "{said}");
    assert_eq!(world.arrived("Twice asked").len(), 1);
}

#[test]
fn a_project_takes_so_many_a_day_of_all_together() {
    let world = World::new(Far::Local, "per_day = 2\n");
    let mut session = world.start();
    for nth in 0..2 {
        let name = draft(&mut session, &format!("Daily {nth}"), "x");
        assert!(world.submit(&mut session, &name).starts_with("filed: "));
    }
    drop(session);
    let mut session = world.start();
    let name = draft(&mut session, "Daily 3", "x");
    let said = world.submit(&mut session, &name);
    assert!(said.starts_with("limited: web takes 2 tickets and comments a day"), "{said}");
    assert_eq!(world.arrived("Daily").len(), 2);
    let refused = world.folder.calls("tickets").pop().expect("a record");
    assert_eq!(refused["outcome"], "limited", "{refused}");
}

#[test]
fn a_project_outside_the_list_is_refused_and_recorded() {
    let world = World::github();
    world.fake().seed_secret("Top secret", "nobody may know", &[]);
    let mut session = world.start();
    let reason = "because the test says so";
    for (tool, args) in [
        ("ticket_search", json!({"project": "secret", "text": "secret"})),
        ("ticket_read", json!({"ticket": "secret#1"})),
        ("ticket_draft", json!({"project": "secret", "title": "a", "body": "b", "reason": reason})),
        ("ticket_comment_draft", json!({"ticket": "secret#1", "body": "b", "reason": reason})),
        ("ticket_drafts", json!({"draft": "secret-00000000.1"})),
        ("ticket_submit", json!({"draft": "secret-00000000.1", "reason": reason})),
        ("ticket_verify", json!({"draft": "secret-00000000.1"})),
        ("ticket_search", json!({"project": "nowhere", "text": "secret"})),
        ("ticket_read", json!({"ticket": "acme/secret#1"})),
    ] {
        let answer = session.call(tool, args.clone());
        assert_eq!(answer["result"]["isError"], true, "{tool} {args}: {answer}");
        assert!(!answer.to_string().contains("Top secret"), "{tool} {args}: {answer}");
        let record = world.folder.calls("tickets").pop().expect("a record");
        assert_eq!(record["outcome"], "denied", "{tool} {args}: {record}");
    }
    // A number that would lead elsewhere is none.
    for ticket in ["web#1/../../secret/issues/1", "web#../secret", "web#1?x", "web#-1", "web#", "#"]
    {
        let said = call(&mut session, "ticket_read", &json!({"ticket": ticket}));
        assert!(said.starts_with("invalid: "), "{ticket}: {said}");
    }
    // The server itself looks at what its credential may do there, and at nothing in it.
    let mut asked = world.fake().seen();
    asked.retain(|seen| seen.path != "/repos/acme/secret");
    assert!(!format!("{asked:?}").contains("secret"), "{asked:?}");
}

#[test]
fn labels_fields_and_templates_are_those_that_are_declared() {
    let world = World::new(
        Far::Local,
        "[servers.tickets.projects.web.fields.priority]\nvalues = [\"low\", \"high\"]\n\
         default = \"low\"\n\
         [servers.tickets.projects.web.templates.bug]\ntitle = \"Bug: {what}\"\n\
         body = \"It says {said}, {what}.\"\nlabels = [\"bug\"]\n\
         [servers.tickets.projects.web.templates.bug.values]\nwhat = { max = 20 }\n\
         said = { values = [\"boom\", \"crash\"] }\n",
    );
    let mut session = world.start();
    let mut check = |more: Value, expected: &str| {
        let mut args = json!({"title": "a", "body": "b", "reason": "because the test says so"});
        for (key, value) in more.as_object().expect("an object") {
            args[key] = value.clone();
        }
        let said = call(&mut session, "ticket_draft", &args);
        assert!(said.starts_with(expected), "{more}: {said}");
    };
    check(json!({"labels": ["admin"]}), "invalid: labels: web takes bug, docs.");
    check(json!({"labels": ["bug,admin"]}), "invalid: labels: ");
    check(json!({"labels": ["BUG"]}), "draft web-");
    check(json!({"fields": {"priority": "urgent"}}), "invalid: priority: one of low, high.");
    check(json!({"fields": {"creator": "root"}}), "invalid: fields: web takes priority.");
    check(json!({"template": "none"}), "invalid: template: web has bug.");
    check(json!({"template": "bug"}), "invalid: fields: the template needs said, what, too.");
    let fields = json!({"what": "{said}", "said": "boom", "priority": "high"});
    let args = json!({"template": "bug", "fields": fields, "reason": "because the test says so"});
    let name = drafted(&call(&mut session, "ticket_draft", &args));
    assert!(world.submit(&mut session, &name).starts_with("filed: "));
    let arrived = &world.arrived("Bug: ")[0];
    assert_eq!(
        (arrived.title.as_str(), &arrived.labels[..]),
        ("Bug: {said}", &["bug".to_owned()][..])
    );
    assert!(arrived.body.starts_with("It says boom, {said}.\n"), "{arrived:?}");
}

#[test]
fn a_draft_is_its_owners() {
    let world = World::new(Far::Local, "[identity]\nkeys = true\n");
    let mut session = world.start();
    let name = draft(&mut session, "Mine alone", "x");
    let ann = world.folder.key("ann", Some("ann"));
    let server = tests::harness::HttpServer::start(
        &tests::harness::suite(),
        "tickets",
        &world.folder.config(),
    );
    for (tool, args) in [
        ("ticket_drafts", json!({})),
        ("ticket_drafts", json!({"draft": name})),
        ("ticket_submit", submission(&name)),
        ("ticket_verify", json!({"draft": name})),
    ] {
        let params = json!({"name": tool, "arguments": args});
        let answer = server.request_as(&ann, "tools/call", params).json();
        assert!(!text(&answer).contains("Mine alone"), "{tool}: {answer}");
        assert!(!text(&answer).contains("approval_needed"), "{tool}: {answer}");
    }
}

#[test]
fn what_was_changed_at_the_far_server_is_told() {
    let world = World::local();
    let mut session = world.start();
    let args = json!({
        "title": "As approved", "body": "x", "labels": ["bug"], "reason": "because the test says so"
    });
    let name = drafted(&call(&mut session, "ticket_draft", &args));
    assert!(world.submit(&mut session, &name).starts_with("filed: "));
    let file = world.folder.path("state/tickets/tickets.db");
    let change = "UPDATE tickets SET title = 'Other', body = body || '!', state = 'closed', labels = '[\"docs\"]'";
    sqlite(&file, change);
    let told = call(&mut session, "ticket_verify", &json!({"draft": name}));
    for part in [
        "filed, but it is different now: web#1",
        "title: DIFFERENT",
        "body: DIFFERENT, SHA-256 ",
        "labels: DIFFERENT; missing bug; added docs",
        "state: closed",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

//! What must not leave does not, and the record says so.

use serde_json::{Value, json};
use tests::harness::acting::{call, drafted, submission};
use tests::harness::{Session, approval, sqlite};

use super::{World, draft, mail, with};

fn approvals(world: &World) -> Vec<String> {
    let records = world.folder.records("mail");
    let names = records.iter().filter_map(|record| record["event"].as_str());
    names.filter(|name| name.starts_with("approval")).map(str::to_owned).collect()
}

/// Asks for a yes, which bob gives; nothing is sent yet.
fn approved(world: &World, session: &mut Session, name: &str) -> String {
    let asked = call(session, "mail_send", &submission(name));
    world.approve(&asked);
    approval(&asked)
}

#[test]
fn nothing_leaves_without_a_yes() {
    let world = World::servers("");
    let mut session = world.start();
    let name = draft(&mut session, "Not yet");
    for _ in 0..3 {
        let said = call(&mut session, "mail_send", &submission(&name));
        assert!(said.starts_with("approval_needed: "), "{said}");
    }
    let asked = call(&mut session, "mail_send", &submission(&name));
    let no = world.folder.decide("deny", &approval(&asked), &world.bob, "not this one, please");
    assert!(no.ok, "{no:?}");
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("denied: ") && said.contains("not this one"), "{said}");
    assert_eq!(world.sink().connections(), 0, "nothing was even tried");
}

#[test]
fn it_is_off_until_an_account_allows_it() {
    let world = World::outbox("");
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world.folder.write("servers.toml", &text.replace("send = true\n", ""));
    let mut session = world.start();
    let name = draft(&mut session, "Off");
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(!said.starts_with("approval_needed"), "{said}");
    assert!(world.arrived("Off").is_empty());
    let only = text.replacen("send = true\n", "", 1).replace("send = true\n", "");
    // Another account may; this one may not.
    world.folder.write(
        "servers.toml",
        &only.replace(
            "[servers.mail.accounts.secret]\n",
            "[servers.mail.accounts.secret]\nsend = true\n",
        ),
    );
    let mut session = world.start();
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("denied: the account work sends nothing"), "{said}");
}

#[test]
fn one_byte_changed_is_another_mail() {
    let world = World::servers("attachments = [\"files\"]\n");
    world.folder.write("files/figures.csv", "a,1\n");
    let mut session = world.start();
    let args = with(mail("First words"), &json!({"attachments": ["figures.csv"]}));
    let name = drafted(&call(&mut session, "mail_draft", &args));
    approved(&world, &mut session, &name);
    // The file.
    world.folder.write("files/figures.csv", "a,2\n");
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.contains("is not the file that was attached"), "{said}");
    world.folder.write("files/figures.csv", "a,1\n");
    // The text: a new revision, and a new yes.
    let args = json!({"draft": name, "body": "Hello boss!", "reason": "because the test says so"});
    let other = drafted(&call(&mut session, "mail_draft", &args));
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("not_found: ") && said.contains(&other), "{said}");
    let said = call(&mut session, "mail_send", &submission(&other));
    assert!(said.starts_with("approval_needed: "), "{said}");
    // Behind the server's back, in its own database: a letter, and a recipient.
    for change in [
        "replace(content, 'boss!', 'Boss!')",
        "replace(content, 'The Boss <boss@', 'The Boss <rest@')",
    ] {
        let said = call(&mut session, "mail_send", &submission(&other));
        world.approve(&said);
        let desk = world.folder.path("state/mail/desk.db");
        let change = format!("UPDATE drafts SET content = {change}");
        sqlite(&desk, &change);
        let said = call(&mut session, "mail_send", &submission(&other));
        assert!(said.starts_with("approval_needed: "), "what bob saw does not count: {said}");
    }
    assert!(approvals(&world).contains(&"approval_expired".to_owned()));
    assert_eq!(world.sink().connections(), 0);
}

#[test]
fn what_the_operator_changes_voids_it_too() {
    let world = World::servers("signature = \"The team\"\n");
    let mut session = world.start();
    let name = draft(&mut session, "Signed");
    approved(&world, &mut session, &name);
    drop(session);
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    for (from, to) in [("The team", "The Team"), ("\"*@example.test\", ", "")] {
        world.folder.write("servers.toml", &text.replace(from, to));
        let mut session = world.start();
        let said = call(&mut session, "mail_send", &submission(&name));
        assert!(!said.starts_with("sent"), "{to}: {said}");
    }
    assert_eq!(world.sink().connections(), 0);
}

#[test]
fn a_yes_ends_with_its_time_and_with_its_giver() {
    let world = World::servers("[approvals]\nwithin = \"1s\"\n");
    let mut session = world.start();
    let name = draft(&mut session, "Too late");
    let asked = call(&mut session, "mail_send", &submission(&name));
    let began = std::time::Instant::now();
    while !approvals(&world).contains(&"approval_expired".to_owned()) {
        assert!(began.elapsed() < tests::harness::HANG, "it never ends");
        std::thread::yield_now();
    }
    let said = call(&mut session, "mail_send", &json!({"approval": approval(&asked)}));
    assert!(said.starts_with("denied: "), "{said}");
    assert_eq!(world.sink().connections(), 0);

    let world = World::servers("");
    let mut session = world.start();
    let name = draft(&mut session, "Revoked");
    approved(&world, &mut session, &name);
    world.folder.revoke("bob");
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("denied: ") && said.contains("was revoked"), "{said}");
    assert_eq!(world.sink().connections(), 0);
}

#[test]
fn two_people_where_the_rule_says_two() {
    let world = World::servers("[servers.mail.tools.mail_send]\napproval = \"two\"\n");
    let cy = world.folder.key("cy", Some("cy"));
    let phone = world.folder.key("phone", Some("bob"));
    let mut session = world.start();
    let name = draft(&mut session, "Twice asked");
    let asked = call(&mut session, "mail_send", &submission(&name));
    world.approve(&asked);
    assert!(!world.folder.approve(&approval(&asked), &phone).ok, "the same person again");
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("approval_needed: "), "{said}");
    assert!(world.arrived("Twice asked").is_empty());
    assert!(world.folder.approve(&approval(&asked), &cy).ok);
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("sent: <"), "{said}");
    assert_eq!(world.arrived("Twice asked").len(), 1);
}

#[test]
fn an_account_sends_so_many_a_day() {
    let world = World::servers("per_day = 2\n");
    for nth in 0..2 {
        let mut session = world.start();
        let name = draft(&mut session, &format!("Daily {nth}"));
        assert!(world.send(&mut session, &name).starts_with("sent: <"));
    }
    let mut session = world.start();
    let name = draft(&mut session, "Daily 3");
    let said = world.send(&mut session, &name);
    assert!(said.starts_with("limited: work takes 2 mails a day"), "{said}");
    assert_eq!(world.arrived("Daily").len(), 2);
    let refused = world.folder.calls("mail").pop().expect("a record");
    assert_eq!(refused["outcome"], "limited", "{refused}");
}

#[test]
fn other_accounts_and_other_peoples_drafts_are_not_there() {
    let world = World::outbox("");
    let mut session = world.start();
    let args = with(mail("Secretly"), &json!({"account": "secret"}));
    let said = call(&mut session, "mail_draft", &args);
    assert!(!said.starts_with("draft "), "{said}");
    let nobody = call(&mut session, "mail_draft", &with(mail("x"), &json!({"account": "other"})));
    assert_eq!(said.replace("secret", "other"), nobody, "one cannot be told from the other");
    let denied = world.folder.calls("mail");
    assert!(denied.iter().all(|record| record["outcome"] != "done"), "{denied:?}");
    let name = draft(&mut session, "Mine");
    drop(session);
    let desk = world.folder.path("state/mail/desk.db");
    let change = "UPDATE drafts SET owner = 'somebody else'";
    sqlite(&desk, change);
    let mut session = world.start();
    for tool in ["mail_preview", "mail_verify"] {
        let said = call(&mut session, tool, &json!({"draft": name}));
        assert!(said.starts_with("not_found: you have no draft"), "{tool}: {said}");
    }
    for tool in ["mail_send", "mail_place"] {
        let said = call(&mut session, tool, &submission(&name));
        assert!(said.starts_with("not_found: you have no draft"), "{tool}: {said}");
    }
}

#[test]
fn files_come_from_declared_folders_only() {
    let world = World::outbox("attachments = [\"files\"]\nmegabytes = 1\n");
    world.folder.write("outside.txt", "zqcanary of others");
    world.folder.write("files/in/inside.txt", "inside");
    world.folder.write("files/.hidden", "zqcanary of others");
    world.folder.write("files/large.bin", &"x".repeat(1_100_000));
    let link = |from: &str, to: &str| {
        std::os::unix::fs::symlink(world.folder.path(from), world.folder.path(to)).expect("a link");
    };
    link("outside.txt", "files/link.txt");
    link("", "files/up");
    let pipe = std::process::Command::new("mkfifo").arg(world.folder.path("files/pipe")).status();
    assert!(pipe.expect("mkfifo").success());
    let mut session = world.start();
    let mut attach = |paths: Value| {
        let args = with(mail("With files"), &json!({"attachments": paths}));
        call(&mut session, "mail_draft", &args)
    };
    let said = attach(json!(["in/inside.txt"]));
    assert!(said.contains("attached inside.txt (6 bytes, SHA-256 "), "{said}");
    for path in [
        "../outside.txt",
        "in/../../outside.txt",
        "/etc/passwd",
        "link.txt",
        "up/outside.txt",
        ".hidden",
        "in",
        "pipe",
        "nowhere.txt",
        "in//inside.txt",
        "./in/inside.txt",
        "",
        "in\\..\\..\\outside.txt",
        "large.bin",
        "in/inside.txt\u{202e}",
        "in/inside.txt\r\nBcc: x@y",
    ] {
        let said = attach(json!([path]));
        assert!(!said.starts_with("draft "), "{path:?}: {said}");
        assert!(!said.contains("zqcanary"), "{path:?}: {said}");
    }
    let many: Vec<&str> = vec!["in/inside.txt"; 21];
    assert!(!attach(json!(many)).starts_with("draft "));
}

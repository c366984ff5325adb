//! The demo, as `cargo xtask demo` runs it.

use std::process::Command;

use tests::harness::suite;

/// What the demo says, in a folder of its own, where it leaves nothing.
fn demo() -> String {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let output = Command::new(suite())
        .arg("demo")
        .current_dir(elsewhere.path())
        .output()
        .expect("the demo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left = std::fs::read_dir(elsewhere.path()).expect("the folder").count();
    assert_eq!(left, 0, "nothing is left");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn the_demo_shows_answers_a_refusal_and_records() {
    let text = demo();
    for part in [
        "roles.md",
        "<untrusted source=",
        "denied: ",
        "payroll is not searched",
        "name,email,phone,cents",
        "…",
        "One statement at a time",
        "the database is as it was",
        "database:sales",
        "done",
        "claude mcp add suite-docs",
        "claude mcp add suite-sql",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let answers = text.split("\n4. ").next().expect("the part of the database");
    assert!(!answers.contains("@example"), "addresses of mail are masked: {text}");
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
}

/// In this order: a draft, a wait, what the person sees, the yes, one ticket, the proof, the record.
#[test]
fn the_demo_files_a_ticket_once_with_its_approval_shown() {
    let text = demo();
    let mut rest = text.as_str();
    for part in [
        "→ ticket_draft {",
        "draft shop-",
        "made harmless: ",
        "→ ticket_submit {",
        "approval_needed: ",
        "nothing was done",
        "not submitted: nothing has left.",
        "suite approvals approve ",
        "needs     confirm",
        "What would be done",
        "File a ticket in shop",
        "title: Chai mix, 200 g is out of stock",
        "labels: stock",
        "@ warehouse, please order. Fixes (#12)",
        "| Filed for ",
        "made harmless: ",
        "SHA-256: ",
        "\"reason\": \"the shop should know what it cannot sell\"",
        "approved ",
        " as ann. It runs when the agent calls again, once.",
        "→ ticket_submit {",
        "│ filed: shop#1",
        "→ ticket_submit {",
        "not done again]",
        "→ ticket_verify {",
        "filed as approved: shop#1",
        "title: same",
        "body: same, SHA-256 ",
        "labels: same",
        "→ ticket_search {",
        "│ 1 ticket\n",
        "ticket_submit  project:shop        pending",
        "ticket_submit  project:shop        done",
        "who       ",
        "what      ticket_submit on project:shop",
        "why       “the shop should know what it cannot sell”",
        "yes by    ann (key:ann-laptop): “I looked at the shelf: it is empty”",
        "claude mcp add suite-tickets",
    ] {
        let Some((_, after)) = rest.split_once(part) else { panic!("{part} is missing: {text}") };
        rest = after;
    }
    assert!(!text.contains("│ filed: shop#2"), "one ticket: {text}");
    assert!(!text.contains("suite_"), "the key of the person is not shown: {text}");
}

/// In this order: a stranger is refused, a draft, a wait, what the person sees, the yes, one mail.
#[test]
fn the_demo_writes_a_mail_to_the_outbox_with_its_approval_shown() {
    let text = demo();
    let mut rest = text.as_str();
    for part in [
        "→ mail_draft {",
        "denied: `someone@elsewhere.example` is not among the recipients",
        "→ mail_draft {",
        "→ mail_send {",
        "approval_needed: ",
        "suite approvals approve ",
        "needs     one",
        "Send a mail from The shop <shop@shop.example>",
        "to: Orders <orders@mill.example>",
        "bcc (hidden from the others): books@shop.example",
        "envelope: shop@shop.example to orders@mill.example books@shop.example",
        "subject: Chai mix, 200 g",
        "Please send us **40** bags.",
        "SHA-256 of envelope and bytes: ",
        "approved ",
        "→ mail_send {",
        "│ sent: <",
        "→ mail_send {",
        "not done again]",
        "→ mail_verify {",
        "in the sent mail: same bytes, SHA-256 ",
        "The outbox has one mail",
        "To: Orders <orders@mill.example>",
        "Subject: Chai mix, 200 g",
        "mail_send      account:shop        done",
        "claude mcp add suite-mail",
    ] {
        let Some((_, after)) = rest.split_once(part) else { panic!("{part} is missing: {text}") };
        rest = after;
    }
    let outbox = text.split("The outbox has one mail").nth(1).expect("it is shown");
    let header = outbox.split("8. ").next().expect("the part of the outbox");
    assert!(!header.contains("books@shop.example"), "who is hidden stays hidden: {header}");
}

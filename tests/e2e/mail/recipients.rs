//! Who is written to: the declared list and nobody else, by whatever trick; refused and recorded.

use serde_json::json;
use servers::mail::AGENT;
use tests::harness::acting::{call, drafted};

use super::{Far, World, mail, with};

/// Ways to name somebody who is not on the list, or to name two where one is seen.
const TRICKS: &[&str] = &[
    "mallory@evil.test",
    "Boss <mallory@evil.test>",
    "boss@example.test <mallory@evil.test>",
    "\"boss@example.test\" <mallory@evil.test>",
    "boss@example.test, mallory@evil.test",
    "boss@example.test; mallory@evil.test",
    "boss@example.test mallory@evil.test",
    "<boss@example.test><mallory@evil.test>",
    "All: boss@example.test, mallory@evil.test;",
    "All:mallory@evil.test;",
    "undisclosed-recipients:;",
    "mallory@evil.test (boss@example.test)",
    "(boss@example.test) mallory@evil.test",
    "mallory@evil.test(@example.test)",
    "mallory@(example.test)evil.test",
    "mallory@evil.test\r\nBcc: spy@evil.test",
    "boss@example.test\r\nBcc: mallory@evil.test",
    "boss@example.test\nmallory@evil.test",
    "boss@example.test\u{0}mallory@evil.test",
    "=?utf-8?q?boss=40example=2Etest?= <mallory@evil.test>",
    "=?utf-8?q?mallory=40evil=2Etest?=",
    "=?utf-8?b?bWFsbG9yeUBldmlsLnRlc3Q=?=",
    "boss@example.test=?utf-8?q?=2Cmallory=40evil=2Etest?=",
    "@evil.test:boss@example.test",
    "<@evil.test:boss@example.test>",
    "mallory%evil.test@example.test",
    "evil.test!mallory@example.test",
    "boss@example.test@evil.test",
    "mallory@evil.test@example.test",
    "\"mallory@evil.test\"@example.test",
    "\"a\\\r\nBcc: x\"@example.test",
    "boss@еxample.test",
    "bоss@example.test",
    "boss@examp1e.test",
    "boss@example.test.",
    "boss@example.test.evil.test",
    "boss@evil-example.test",
    "boss@notexample.test",
    "boss@ｅxample．test",
    "boss@example。test",
    "boss@xn--xample-2of.test",
    "boss@[127.0.0.1]",
    "boss@127.0.0.1",
    "boss@example.test\u{202e}",
    "bo\u{200b}ss@example.test",
    "ann@partner.test.evil.test",
    "bob@partner.test",
    "ann+evil@partner.test",
    "mailto:mallory@evil.test",
    "|/bin/sh",
    "/etc/passwd",
    "boss",
    "",
    " ",
    "@example.test",
    "boss@",
];

#[test]
fn by_no_trick_is_anybody_else_written_to() {
    let world = World::servers("");
    for field in ["to", "cc", "bcc"] {
        for trick in TRICKS {
            let mut session = world.start();
            let args = with(mail("Tricked"), &json!({field: [trick]}));
            let said = call(&mut session, "mail_draft", &args);
            let recorded = world.folder.calls("mail").pop().expect("a record");
            if let Some(name) = said.strip_prefix("draft ") {
                // Taken: then only as what is on the list.
                let preview = call(&mut session, "mail_preview", &json!({"draft": name}));
                let envelope = preview.lines().find(|line| line.starts_with("envelope: "));
                let envelope = envelope.expect("an envelope").split(" to ").nth(1).expect("to");
                let is_listed = |one: &str| {
                    one.split_once('@').is_some_and(|(local, domain)| {
                        domain == "example.test"
                            && local.bytes().all(|byte| byte.is_ascii_alphanumeric())
                    })
                };
                assert!(envelope.split(' ').all(is_listed), "{field} {trick:?}: {envelope}");
                panic!("{field} {trick:?} is taken: {preview}");
            }
            let kinds = ["invalid: ", "denied: "];
            assert!(kinds.iter().any(|kind| said.starts_with(kind)), "{field} {trick:?}: {said}");
            let outcome = recorded["outcome"].as_str().expect("an outcome");
            assert!(["invalid", "denied"].contains(&outcome), "{field} {trick:?}: {recorded}");
            assert!(
                !said.chars().any(|letter| "\u{202e}\u{200b}\u{0}\r".contains(letter)),
                "{said:?}"
            );
        }
    }
    assert_eq!(world.sink().connections(), 0);
}

#[test]
fn a_form_cannot_bring_a_recipient() {
    let world = World::outbox(
        "[servers.mail.accounts.work.templates.order]\nsubject = \"Order {what}\"\n\
         body = \"For {who}\"\nvalues = { what = {}, who = { kind = \"text\" } }\n",
    );
    for value in
        ["x\r\nBcc: mallory@evil.test", "x\nTo: mallory@evil.test", "x\u{85}Bcc: mallory@evil.test"]
    {
        let mut session = world.start();
        let args = json!({
            "to": ["boss@example.test"], "template": "order",
            "fields": {"what": value, "who": "nobody"}, "reason": "because the test says so"
        });
        let said = call(&mut session, "mail_draft", &args);
        assert!(said.starts_with("invalid: what: it must be one line"), "{value:?}: {said}");
        let args = with(args, &json!({"fields": {"what": "tea", "who": value}}));
        let name = drafted(&call(&mut session, "mail_draft", &args));
        let preview = call(&mut session, "mail_preview", &json!({"draft": name}));
        let envelope = "envelope: agent@example.test to boss@example.test\n";
        assert!(preview.contains(envelope), "{preview}");
    }
}

#[test]
fn nobody_is_the_list_that_is_empty() {
    let world = World::outbox("");
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    let list = "recipients = [\"*@example.test\", \"ann@partner.test\"]\n";
    world.folder.write("servers.toml", &text.replace(list, ""));
    let mut session = world.start();
    for to in ["boss@example.test", AGENT.address] {
        let said = call(&mut session, "mail_draft", &with(mail("x"), &json!({"to": [to]})));
        assert!(said.starts_with("denied: "), "{said}");
    }
}

#[test]
fn a_list_that_shrank_counts_at_once() {
    let world = World::servers("");
    let mut session = world.start();
    let args = with(mail("Shrunk"), &json!({"to": ["ann@partner.test"]}));
    let name = drafted(&call(&mut session, "mail_draft", &args));
    drop(session);
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world.folder.write("servers.toml", &text.replace(", \"ann@partner.test\"", ""));
    let mut session = world.start();
    for tool in ["mail_send", "mail_place"] {
        let said = call(&mut session, tool, &tests::harness::acting::submission(&name));
        assert!(said.starts_with("denied: "), "{tool}: {said}");
    }
    assert!(matches!(world.far, Far::Servers(..)) && world.sink().connections() == 0);
}

#[test]
fn who_writes_is_configured_and_no_call_says_otherwise() {
    let world = World::servers("reply_to = \"team@example.test\"\n");
    let mut session = world.start();
    for name in ["from", "sender", "reply_to", "headers", "envelope"] {
        let args = with(mail("Forged"), &json!({name: "ceo@example.test"}));
        let said = call(&mut session, "mail_draft", &args);
        assert!(said.starts_with("invalid: "), "{name}: {said}");
    }
    let name = drafted(&call(&mut session, "mail_draft", &mail("Honest")));
    assert!(world.send(&mut session, &name).starts_with("sent: <"));
    let arrived = &world.arrived("Honest")[0];
    assert_eq!(arrived.mail_from, "agent@example.test");
    let text = String::from_utf8_lossy(&arrived.bytes);
    assert!(text.contains("\r\nReply-To: team@example.test\r\n"), "{text}");
    assert_eq!(text.matches("From: ").count(), 1, "{text}");
}

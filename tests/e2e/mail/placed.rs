//! Drafts among the person's own: placed once, replaced by the next revision, and never over the
//! person's words.

use serde_json::json;
use servers::mail::{AGENT, Dovecot, Gate, GateFault, Security, Sink, SinkOptions};
use tests::harness::acting::{at_once, call, drafted, submission};
use tests::harness::{Session, text};

use super::{Far, World, draft, has, mail, server, verify, with};

/// The name of the draft once it was placed.
fn named(said: &str) -> String {
    let rest = said.split_once("named ").unwrap_or_else(|| panic!("not placed: {said}")).1;
    rest.split(' ').next().unwrap_or_default().to_owned()
}

fn place(session: &mut Session, name: &str) -> String {
    named(&call(session, "mail_place", &submission(name)))
}

fn revise(session: &mut Session, name: &str, body: &str) -> String {
    let args = json!({"draft": name, "body": body, "reason": "because the test says so"});
    drafted(&call(session, "mail_draft", &args))
}

/// The person changes the draft, as mail programs do: another message in its place.
fn edit(world: &World, mark: &str) {
    match &world.far {
        Far::Servers(dovecot, _) => {
            let mut drafts = dovecot.messages(AGENT.name, "Drafts").into_iter();
            let stored = drafts.rfind(|one| has(&one.bytes, mark)).expect("a draft");
            let text = String::from_utf8(stored.bytes).expect("text").replace("Hello", "Dear");
            dovecot.edit(AGENT.name, "Drafts", stored.uid, text.as_bytes());
        }
        Far::Outbox => {
            let folder = world.folder.path("state/mail/outbox/Drafts/cur");
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let text = std::fs::read_to_string(&path).expect("text").replace("Hello", "Dear");
                std::fs::write(path, text).expect("written");
            }
        }
    }
}

#[test]
fn a_draft_lands_among_the_persons_own_marked_as_one() {
    let world = World::servers("");
    let mut session = world.start();
    let args = with(mail("Placed"), &json!({"bcc": ["hidden@example.test"]}));
    let name = drafted(&call(&mut session, "mail_draft", &args));
    let name = place(&mut session, &name);
    assert!(name.ends_with(".2"), "{name}");
    let drafts = world.dovecot().messages(AGENT.name, "Drafts");
    let found: Vec<_> = drafts.iter().filter(|one| has(&one.bytes, "Placed")).collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].flags.contains(&"\\Draft".to_owned()), "{:?}", found[0].flags);
    assert!(has(&found[0].bytes, "Bcc: hidden@example.test"), "the person sees who is hidden");
    let told = verify(&mut session, &name);
    assert!(told.starts_with("placed in Drafts: same bytes, SHA-256 "), "{told}");
    assert!(world.sink().received().is_empty(), "nothing left");
    assert!(call(&mut session, "mail_drafts", &json!({})).contains(&format!("{name} placed to")));
}

#[test]
fn the_next_revision_takes_the_place_of_the_one_before() {
    for world in [World::servers(""), World::outbox("")] {
        let mut session = world.start();
        let name = draft(&mut session, "Replaced");
        let name = place(&mut session, &name);
        let again = call(&mut session, "mail_place", &submission(&name));
        assert!(again.contains(&name), "the same once more changes nothing: {again}");
        let name = revise(&mut session, &name, "Second words.");
        assert!(has(&world.placed("Replaced")[0], "Hello"), "not before it is asked for");
        let name = place(&mut session, &name);
        let placed = world.placed("Replaced");
        assert_eq!(placed.len(), 1);
        assert!(has(&placed[0], "Second words."));
        assert!(verify(&mut session, &name).starts_with("placed in Drafts: same bytes"));
    }
}

#[test]
fn the_persons_words_are_never_overwritten_nor_sent() {
    for world in [World::servers(""), World::outbox("")] {
        let mut session = world.start();
        let name = draft(&mut session, "Edited");
        let name = place(&mut session, &name);
        let asked = call(&mut session, "mail_send", &submission(&name));
        world.approve(&asked);
        edit(&world, "Edited");
        let said = call(&mut session, "mail_send", &submission(&name));
        assert!(said.starts_with("denied: the person changed the draft"), "{said}");
        assert!(world.arrived("Edited").is_empty(), "the yes is void");
        assert!(verify(&mut session, &name).contains("DIFFERENT, the person changed it"));
        let name = revise(&mut session, &name, "Over it.");
        for tool in ["mail_place", "mail_send"] {
            let said = call(&mut session, tool, &submission(&name));
            assert!(said.starts_with("denied: the person changed the draft"), "{tool}: {said}");
        }
        let placed = world.placed("Edited");
        assert_eq!(placed.len(), 1);
        assert!(has(&placed[0], "Dear"));
        let denied = world.folder.calls("mail").pop().expect("a record");
        assert_eq!(denied["outcome"], "denied", "{denied}");
    }
}

#[test]
fn what_the_person_deleted_or_sent_is_not_placed_or_sent_again() {
    let world = World::servers("");
    let mut session = world.start();
    let name = draft(&mut session, "Deleted");
    let name = place(&mut session, &name);
    let drafts = world.dovecot().messages(AGENT.name, "Drafts");
    let stored = drafts.iter().find(|one| has(&one.bytes, "Deleted")).expect("a draft");
    world.dovecot().delete(AGENT.name, "Drafts", stored.uid);
    for tool in ["mail_place", "mail_send"] {
        let said = call(&mut session, tool, &submission(&name));
        assert!(said.starts_with("denied: the draft is not in the mailbox any more"), "{said}");
    }
    assert!(verify(&mut session, &name).contains("no longer in Drafts"));
    world.dovecot().append(AGENT.name, "Sent", &stored.bytes, &["\\Seen"]);
    assert!(verify(&mut session, &name).starts_with("the person sent it"));
    assert!(world.placed("Deleted").is_empty());
}

#[test]
fn fifty_calls_at_a_time_place_one_draft() {
    for world in [World::servers(""), World::outbox("")] {
        let (mut one, mut other) = (world.start(), world.start());
        let name = draft(&mut one, "Fifty times");
        let said = at_once([&mut one, &mut other], "mail_place", &submission(&name), 25);
        let is_done = |said: &&String| said.starts_with("placed");
        assert!(said.iter().any(|said| is_done(&said)), "{said:?}");
        let is_honest = |said: &String| {
            ["placed", "not_found: that draft was changed", "limited: ", "invalid: draft: revision"]
                .iter()
                .any(|begin| said.starts_with(begin))
        };
        assert!(said.iter().all(is_honest), "{said:?}");
        assert_eq!(world.placed("Fifty times").len(), 1, "{said:?}");
    }
}

#[test]
fn a_cut_connection_leaves_one_draft_or_none() {
    let dovecot = Dovecot::shared();
    let gate = Gate::start(dovecot);
    let options = SinkOptions { security: Security::Implicit, ..SinkOptions::default() };
    let sink = Sink::start(options);
    let keys = server("imap", gate.port(), "") + &server("smtp", sink.port(), "");
    let world = World::configured(Far::Servers(dovecot, sink), &keys);
    let mut session = world.start();
    let faults = [
        ("APPEND", GateFault::CutBefore, 0),
        ("APPEND", GateFault::CutInside, 0),
        ("APPEND", GateFault::CutAfter, 1),
        ("LOGIN", GateFault::CutAfter, 0),
        ("UID FETCH", GateFault::CutBefore, 1),
    ];
    for (nth, (command, fault, there)) in faults.into_iter().enumerate() {
        let mark = format!("Cut{nth}x");
        let name = draft(&mut session, &mark);
        gate.fault(command, fault, 1);
        let said = call(&mut session, "mail_place", &submission(&name));
        assert!(said.starts_with("unavailable: "), "{command} {fault:?}: {said}");
        assert_eq!(world.placed(&mark).len(), there, "{command} {fault:?}");
        let name = place(&mut session, &name);
        assert_eq!(world.placed(&mark).len(), 1, "{command} {fault:?}");
        assert!(verify(&mut session, &name).starts_with("placed in Drafts: same bytes"));
    }
}

#[test]
fn killed_as_it_places_nothing_is_there_twice() {
    for fault in [GateFault::HoldBefore, GateFault::HoldAfter] {
        let dovecot = Dovecot::shared();
        let gate = Gate::start(dovecot);
        let keys = server("imap", gate.port(), "");
        let unused = Sink::start(SinkOptions::relay());
        let world = World::configured(Far::Servers(dovecot, unused), &keys);
        let mark = format!("Killed{fault:?}");
        let mut session = world.start();
        let name = draft(&mut session, &mark);
        gate.fault("APPEND", fault, 1);
        let params = json!({"name": "mail_place", "arguments": submission(&name)});
        session.post_modern("tools/call", params);
        gate.await_held();
        session.signal("KILL");
        drop(session);
        gate.release();
        let mut session = world.start();
        let name = place(&mut session, &name);
        assert_eq!(world.placed(&mark).len(), 1, "{fault:?}");
        assert!(verify(&mut session, &name).starts_with("placed in Drafts: same bytes"));
    }
}

#[test]
fn placing_waits_for_a_yes_where_the_operator_says_so() {
    let world = World::outbox("[servers.mail.tools.mail_place]\napproval = \"one\"\n");
    let mut session = world.start();
    let name = draft(&mut session, "Asked first");
    let answer = session.call("mail_place", submission(&name));
    let asked = text(&answer).to_owned();
    assert!(asked.starts_with("approval_needed: "), "{asked}");
    assert!(world.placed("Asked first").is_empty());
    let shown = world.approve(&asked).output;
    assert!(shown.contains("to: The Boss <boss@example.test>"), "{shown}");
    let said = call(&mut session, "mail_place", &submission(&name));
    assert!(said.starts_with("placed: "), "{said}");
    assert_eq!(world.placed("Asked first").len(), 1);
}

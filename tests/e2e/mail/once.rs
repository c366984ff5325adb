//! Exactly once: fifty calls, `kill -9` at every step, or a second process: one mail or none, and
//! the truth about it.

use serde_json::json;
use servers::mail::Fault;
use tests::harness::acting::{at_once, call, killed_at, submission, until_killed};

use super::{Far, World, draft, verify};

#[test]
fn fifty_calls_at_a_time_send_one_mail() {
    for world in [World::outbox(""), World::servers("")] {
        let (mut one, mut other) = (world.start(), world.start());
        let name = draft(&mut one, "Fifty mails");
        let asked = call(&mut one, "mail_send", &submission(&name));
        world.approve(&asked);
        let said = at_once([&mut one, &mut other], "mail_send", &submission(&name), 25);
        let is_first =
            |said: &&String| said.starts_with("sent: ") && !said.contains("not done again");
        assert_eq!(said.iter().filter(is_first).count(), 1, "one call is the one: {said:?}");
        assert_eq!(world.arrived("Fifty mails").len(), 1);
        assert_eq!(world.mailbox("Sent", "Fifty mails").len(), 1);
    }
}

/// `kill -9` each time the server makes something durable, one step after the other.
fn killed_everywhere(world: &World, calls: &str) -> usize {
    let mut nth = 1;
    loop {
        let mark = format!("Killed{nth}x");
        let name = {
            let mut session = world.start();
            let name = draft(&mut session, &mark);
            let asked = call(&mut session, "mail_send", &submission(&name));
            world.approve(&asked);
            name
        };
        let mut dying = killed_at("mail", &world.folder.config(), calls, nth);
        let said = until_killed(&mut dying, "mail_send", &submission(&name));
        drop(dying);
        if let Far::Servers(_, sink) = &world.far {
            sink.settle();
        }
        let there = world.arrived(&mark).len();
        assert!(there <= 1, "{nth}: {there}");
        // Whoever comes next hears the truth, and never makes a second one.
        let mut session = world.start();
        let told = verify(&mut session, &name);
        if there == 0 {
            assert!(!told.starts_with("sent: "), "{nth}: {told}");
        } else {
            let is_true = told.starts_with("sent: ") || told.starts_with("not known: ");
            assert!(is_true, "{nth}: {told}");
        }
        let again = call(&mut session, "mail_send", &submission(&name));
        let now = world.arrived(&mark).len();
        assert!(now <= 1 && now >= there, "{nth}: {again}");
        assert!(now > 0 || !again.starts_with("sent"), "{nth}: {again}");
        if said.is_some() {
            return nth - 1;
        }
        nth += 1;
        assert!(nth < 60, "the server always dies");
    }
}

#[test]
fn killed_at_every_durable_step_on_this_machine() {
    let steps = killed_everywhere(&World::outbox("per_day = 1000\n"), "fdatasync,fsync");
    assert!(steps > 2, "there are more steps than {steps}");
}

#[test]
fn killed_at_every_durable_step_by_smtp() {
    let steps = killed_everywhere(&World::servers("per_day = 1000\n"), "fdatasync,fsync");
    assert!(steps > 2, "there are more steps than {steps}");
}

#[test]
fn killed_as_it_sends_and_as_it_is_answered() {
    for (fault, there) in
        [(Fault::HoldBeforeMail, 0), (Fault::HoldBeforeData, 0), (Fault::HoldAfterData, 1)]
    {
        let world = World::servers("");
        let mut session = world.start();
        let name = draft(&mut session, "Held back");
        let asked = call(&mut session, "mail_send", &submission(&name));
        world.approve(&asked);
        world.sink().fault(fault, 1);
        let params = json!({"name": "mail_send", "arguments": submission(&name)});
        session.post_modern("tools/call", params);
        world.sink().await_held();
        session.signal("KILL");
        drop(session);
        world.sink().release();
        world.sink().settle();
        assert_eq!(world.arrived("Held back").len(), there, "{fault:?}");
        let mut session = world.start();
        let told = verify(&mut session, &name);
        assert!(told.starts_with("not known: "), "{fault:?}: {told}");
        let again = call(&mut session, "mail_send", &submission(&name));
        assert!(again.contains("not done again"), "{fault:?}: {again}");
        let anew = json!({"draft": name, "reason": "trying the same once more"});
        let asked = call(&mut session, "mail_send", &anew);
        world.approve(&asked);
        let anew = call(&mut session, "mail_send", &anew);
        assert!(
            anew.starts_with("timeout: ") && anew.contains("not sent again"),
            "{fault:?}: {anew}"
        );
        assert_eq!(world.arrived("Held back").len(), there, "{fault:?}");
    }
}

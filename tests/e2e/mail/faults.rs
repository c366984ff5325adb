//! A submission that fails in every way: what certainly did not leave may be sent again after a
//! new yes; what may have left is never sent again by itself.

use serde_json::json;
use servers::mail::{AGENT, Dovecot, Fault, Security, Sink, SinkOptions};
use tests::harness::acting::{call, submission};

use super::{Far, World, draft, verify};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// Nothing left, and the answer says so.
    Nothing(&'static str),
    /// It may have left, and has, or has not.
    Open { there: usize },
}

#[test]
fn the_network_may_be_cut_at_any_point() {
    use Outcome::{Nothing, Open};
    let world = World::servers("per_day = 1000\n");
    let mut session = world.start();
    let faults = [
        (Fault::CutBeforeMail, Nothing("unavailable: ")),
        (Fault::CutAfterMail, Nothing("unavailable: ")),
        (Fault::CutAfterRcpt, Nothing("unavailable: ")),
        (Fault::Greylist, Nothing("unavailable: ")),
        (Fault::CutAtData, Open { there: 0 }),
        (Fault::CutInData(100), Open { there: 0 }),
        (Fault::CutInData(usize::MAX), Open { there: 0 }),
        (Fault::RejectData(550), Nothing("invalid: ")),
        (Fault::RejectData(451), Nothing("unavailable: ")),
        (Fault::CutAfterData, Open { there: 1 }),
    ];
    for (nth, (fault, outcome)) in faults.into_iter().enumerate() {
        let mark = format!("Fault{nth}x");
        let name = draft(&mut session, &mark);
        let asked = call(&mut session, "mail_send", &submission(&name));
        world.approve(&asked);
        world.sink().fault(fault, 1);
        let said = call(&mut session, "mail_send", &submission(&name));
        let told = verify(&mut session, &name);
        let anew = json!({"draft": name, "reason": "trying the same once more"});
        let asked = call(&mut session, "mail_send", &anew);
        world.approve(&asked);
        let before = world.arrived(&mark).len();
        let again = call(&mut session, "mail_send", &anew);
        let after = world.arrived(&mark).len();
        match outcome {
            Nothing(kind) => {
                assert!(
                    said.starts_with(kind) && said.contains("nothing was sent"),
                    "{fault:?}: {said}"
                );
                assert!(told.starts_with("not sent: "), "{fault:?}: {told}");
                assert_eq!((before, after), (0, 1), "{fault:?}: {again}");
            }
            Open { there } => {
                assert!(said.starts_with("timeout: ") && said.contains("mail_verify"), "{said}");
                assert!(told.starts_with("not known: "), "{fault:?}: {told}");
                assert!(again.contains("not sent again"), "{fault:?}: {again}");
                assert_eq!((before, after), (there, there), "{fault:?}");
            }
        }
    }
    world.sink().take_violations();
}

#[test]
fn what_is_not_known_is_settled_by_the_sent_mail() {
    let dovecot: &'static Dovecot = Box::leak(Box::new(Dovecot::start()));
    let options = SinkOptions { security: Security::Implicit, ..SinkOptions::default() };
    let sink = Sink::start(options);
    dovecot.keep_copies_from(&sink, "Sent");
    let world = World::new(Far::Servers(dovecot, sink), "keep_sent = false\n");
    let mut session = world.start();
    let name = draft(&mut session, "Settled");
    let asked = call(&mut session, "mail_send", &submission(&name));
    world.approve(&asked);
    world.sink().fault(Fault::CutAfterData, 1);
    let said = call(&mut session, "mail_send", &submission(&name));
    // The provider's copy may be there at once, or a moment later.
    assert!(said.starts_with("timeout: ") || said.starts_with("sent: <"), "{said}");
    dovecot.await_messages(AGENT.name, "Sent", 1);
    let told = verify(&mut session, &name);
    assert!(told.starts_with("sent: <") && told.contains("same bytes"), "{told}");
    assert_eq!(world.arrived("Settled").len(), 1);
}

#[test]
fn a_server_that_never_answers_is_not_waited_for_for_ever() {
    let world = World::servers("");
    let mut session = world.start();
    let name = draft(&mut session, "Silence");
    let asked = call(&mut session, "mail_send", &submission(&name));
    world.approve(&asked);
    world.sink().fault(Fault::HoldAfterData, 1);
    let said = call(&mut session, "mail_send", &submission(&name));
    assert!(said.starts_with("timeout: ") && said.contains("not known"), "{said}");
    world.sink().release();
    assert!(verify(&mut session, &name).starts_with("not known: no answer within"));
    assert_eq!(world.arrived("Silence").len(), 1);
}

#[test]
fn one_recipient_that_is_refused_stops_all() {
    let world = World::servers("");
    let mut session = world.start();
    let args = json!({
        "to": ["boss@example.test", "refused@example.test"], "subject": "All or none",
        "body": "x", "reason": "because the test says so"
    });
    let name = tests::harness::acting::drafted(&call(&mut session, "mail_draft", &args));
    world.sink().fault(Fault::Greylist, 1);
    let said = world.send(&mut session, &name);
    assert!(said.contains("nothing was sent"), "{said}");
    assert!(world.arrived("All or none").is_empty());
}

//! Each fault, seen from both ends.

use std::time::Instant;

use super::*;

const MESSAGE: &[u8] = b"Subject: s\r\n\r\nbody\r\n.\r\n";

fn relay() -> Sink {
    Sink::start(SinkOptions::relay())
}

#[test]
fn every_fault_ends_the_transaction_where_it_says() {
    let sink = relay();
    // What the client sees, how much was taken, and how much was not.
    let expected = [
        (Fault::CutBeforeMail, "220 250", 0),
        (Fault::CutAfterMail, "220 250 250", 0),
        (Fault::CutAfterRcpt, "220 250 250 250", 0),
        (Fault::CutAtData, "220 250 250 250 354", 0),
        (Fault::CutInData(12), "220 250 250 250 354", 0),
        (Fault::CutInData(9999), "220 250 250 250 354", 0),
        (Fault::CutAfterData, "220 250 250 250 354", 1),
        (Fault::RejectData(552), "220 250 250 250 354 552", 0),
        (Fault::RejectData(451), "220 250 250 250 354 451", 0),
        (Fault::Greylist, "220 250 250 451 554", 0),
    ];
    for (fault, seen, taken) in expected {
        let before = (sink.received().len(), sink.unfinished().len());
        sink.fault(fault, 1);
        let replies = replies(&sink, &with_message(MESSAGE));
        let replies: Vec<_> = replies.into_iter().take(seen.split(' ').count()).collect();
        assert_eq!(codes(&replies), seen, "{fault:?}");
        sink.settle();
        let after = (sink.received().len(), sink.unfinished().len());
        assert_eq!(after, (before.0 + taken, before.1 + 1 - taken), "{fault:?}");
        // A refused DATA leaves the message to be read as commands.
        let complaints = sink.take_violations();
        assert_eq!(complaints.is_empty(), fault != Fault::Greylist, "{fault:?}: {complaints:?}");
    }
    assert_eq!(codes(&replies(&sink, &with_message(MESSAGE))), "220 250 250 250 354 250");
}

#[test]
fn what_was_cut_off_is_kept_as_far_as_it_came() {
    let sink = relay();
    sink.fault(Fault::CutInData(12), 1);
    replies(&sink, &with_message(MESSAGE));
    sink.settle();
    let [unfinished] = <[Received; 1]>::try_from(sink.unfinished()).expect("one");
    assert_eq!(unfinished.rcpt_to, ["boss@example.test"]);
    assert_eq!(unfinished.bytes, b"Subject: s\r\n");
}

#[test]
fn faults_are_used_up_in_their_order() {
    let sink = relay();
    sink.fault(Fault::CutAfterData, 1);
    sink.fault(Fault::CutBeforeMail, 2);
    let seen: Vec<_> = (0..4).map(|_| codes(&replies(&sink, &with_message(MESSAGE)))).collect();
    let cut = "220 250";
    assert_eq!(seen, ["220 250 250 250 354", cut, cut, "220 250 250 250 354 250"]);
    sink.fault(Fault::CutBeforeMail, 1);
    sink.clear_faults();
    assert_eq!(codes(&replies(&sink, &with_message(MESSAGE))), "220 250 250 250 354 250");
}

#[test]
fn a_held_transaction_goes_on_when_it_is_released() {
    let sink = relay();
    let expected =
        [(Fault::HoldBeforeMail, 0), (Fault::HoldBeforeData, 0), (Fault::HoldAfterData, 1)];
    for (fault, taken) in expected {
        let before = sink.received().len();
        sink.fault(fault, 1);
        std::thread::scope(|scope| {
            let client = scope.spawn(|| replies(&sink, &with_message(MESSAGE)));
            sink.await_held();
            assert_eq!(sink.received().len(), before + taken, "{fault:?}");
            assert!(!client.is_finished());
            sink.release();
            let seen = client.join().expect("it ends");
            assert_eq!(codes(&seen), "220 250 250 250 354 250", "{fault:?}");
        });
        assert_eq!(sink.received().len(), before + 1, "{fault:?}");
    }
}

#[test]
fn a_held_message_is_taken_also_when_the_client_has_gone() {
    let sink = relay();
    sink.fault(Fault::HoldAfterData, 1);
    let mut client = Client::connect(&sink);
    client.reply();
    for command in ENVELOPE {
        client.send(command);
    }
    client.0.get_mut().write_all(MESSAGE).expect("it reads");
    sink.await_received(1);
    sink.await_held();
    drop(client);
    sink.release();
    sink.settle();
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn a_slow_banner_waits_for_its_release() {
    let sink = relay();
    sink.fault(Fault::SlowBanner, 1);
    let mut client = Client::connect(&sink);
    sink.await_held();
    client.0.get_ref().set_nonblocking(true).expect("a socket");
    assert_eq!(client.reply(), None, "nothing was sent");
    client.0.get_ref().set_nonblocking(false).expect("a socket");
    sink.release();
    assert_eq!(codes(&[client.reply().expect("a banner")]), "220");
}

#[test]
fn a_sink_that_ends_lets_nobody_wait() {
    let sink = relay();
    sink.fault(Fault::SlowBanner, 1);
    let mut client = Client::connect(&sink);
    sink.await_held();
    let memory = Arc::downgrade(&sink.memory);
    drop(sink);
    assert_eq!(client.reply(), None);
    let began = Instant::now();
    while memory.strong_count() > 0 {
        assert!(began.elapsed() < PATIENCE, "a connection waits for ever");
        std::thread::yield_now();
    }
}

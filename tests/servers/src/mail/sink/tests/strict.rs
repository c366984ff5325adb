//! What the sink does not take.

use super::*;
use crate::mail::python;

/// What a relay objects to, and its last reply.
fn objected(sent: &[&[u8]]) -> (String, String) {
    let sink = Sink::start(SinkOptions::relay());
    let replies = replies(&sink, sent);
    let complaints = sink.take_violations().join("; ");
    assert_eq!(sink.received(), []);
    (complaints, replies.last().expect("a reply")[..3].to_owned())
}

#[test]
fn messages_are_those_of_the_standard() {
    let long = [b"a: ", "x".repeat(996).as_bytes(), b"\r\n.\r\n"].concat();
    let expected: [(&[u8], &str); 8] = [
        (b"a: b\n\r\n.\r\n", "a bare LF is in the message"),
        (b"a: b\rc\r\n.\r\n", "a bare CR is in the message"),
        (b"a: b\r\r\n.\r\n", "a bare CR is in the message"),
        (b"a: \0\r\n.\r\n", "a NUL is in the message"),
        (b".a: b\r\n.\r\n", "the dot at the start of a line is alone"),
        ("a: b\r\n\r\né\r\n.\r\n".as_bytes(), "8-bit bytes without BODY=8BITMIME"),
        (&long, "a line is longer than 1000 bytes"),
        // The end of a message that was smuggled in is no end.
        (b"a: b\r\n\r\nx\n.\r\ny\r\n.\r\n", "a bare LF is in the message"),
    ];
    for (message, complaint) in expected {
        let objected = objected(&with_message(message));
        assert_eq!(objected, (complaint.to_owned(), "554".to_owned()));
    }
}

#[test]
fn a_line_may_have_a_thousand_bytes_and_one_more_for_its_dot() {
    let sink = Sink::start(SinkOptions::relay());
    let line = ["..", &"x".repeat(997), "\r\n"].concat();
    let message = format!("{line}.\r\n");
    assert!(codes(&replies(&sink, &with_message(message.as_bytes()))).ends_with("354 250"));
    assert_eq!(sink.received()[0].bytes, line.as_bytes()[1..]);
}

#[test]
fn header_fields_need_smtputf8_and_bodies_8bitmime() {
    let mail = |parameters: &str| {
        let mail = format!("MAIL FROM:<a@b.test>{parameters}\r\n");
        let sink = Sink::start(SinkOptions::relay());
        let mut sent = with_message("a: é\r\n\r\né\r\n.\r\n".as_bytes());
        sent[1] = mail.as_bytes();
        replies(&sink, &sent);
        sink.take_violations().join("; ")
    };
    let needs_smtputf8 = "8-bit bytes in header fields without SMTPUTF8";
    assert_eq!(mail(" BODY=8BITMIME"), needs_smtputf8);
    assert_eq!(mail(" BODY=8BITMIME SMTPUTF8"), "");
}

#[test]
fn commands_are_those_of_the_standard() {
    let [hello, mail, rcpt, _] = ENVELOPE;
    let long = [b"NOOP ", "x".repeat(600).as_bytes(), b"\r\n"].concat();
    let expected: [(&[&[u8]], &str, &str); 17] = [
        (&[b"EHLO a\n"], "Broken(\"a bare LF ends the line\")", "500"),
        (&[b"EHLO a\rb\r\n"], "Broken(\"a control character is in the line\")", "500"),
        (&[b"EHLO\r\n"], "EHLO without a name", "501"),
        (&[mail], "MAIL before EHLO", "503"),
        (&[hello, rcpt], "RCPT before MAIL", "503"),
        (&[hello, mail, mail], "MAIL in a transaction", "503"),
        (&[hello, b"MAIL FROM: <a@b>\r\n"], "the path does not begin with <", "555"),
        (
            &[hello, b"MAIL FROM:<a@b> AUTH=<>\r\n"],
            "the parameter AUTH=<> that was not offered",
            "555",
        ),
        (&[hello, mail, b"RCPT TO:<a>\r\n"], "the mailbox has no domain", "501"),
        (
            &[hello, mail, b"RCPT TO:<a@b> NOTIFY=NEVER\r\n"],
            "parameters of RCPT that were not offered",
            "555",
        ),
        (
            &[hello, mail, "RCPT TO:<é@b>\r\n".as_bytes()],
            "the mailbox is not ASCII and SMTPUTF8 was not said",
            "501",
        ),
        (&[hello, b"BDAT 3 LAST\r\n"], "there is no command \"BDAT\"", "500"),
        (&[hello, b"STARTTLS\r\n"], "STARTTLS that was not offered", "503"),
        (&[hello, b"AUTH PLAIN AGEAYg==\r\n"], "AUTH PLAIN that was not offered", "504"),
        (&[hello, &long], "the command is too long", "500"),
        (&[hello, mail, rcpt, b"DATA x\r\n"], "DATA with an argument", "501"),
        (&[b"EHLO a\r\nNOOP\r\n"], "more was sent before EHLO was answered", "250"),
    ];
    for (sent, complaint, code) in expected {
        assert_eq!(objected(sent), (complaint.to_owned(), code.to_owned()));
    }
}

#[test]
fn only_what_may_be_pipelined_is_taken_so() {
    let sink = Sink::start(SinkOptions::relay());
    let mut client = Client::connect(&sink);
    client.reply();
    client.send(b"EHLO a\r\n");
    let all = ENVELOPE[1..].concat();
    let first = client.send(&all);
    let rest = [first, client.reply(), client.reply()];
    assert_eq!(codes(&rest.into_iter().flatten().collect::<Vec<_>>()), "250 250 354");
    client.send(b"a: b\r\n.\r\n").expect("taken");
    assert_eq!(sink.violations(), [""; 0]);
    let without = Sink::start(SinkOptions { extensions: &[], ..SinkOptions::relay() });
    let mut client = Client::connect(&without);
    client.reply();
    client.send(b"EHLO a\r\n");
    client.send(&all);
    client.send(b"");
    without.await_commands(4);
    assert_eq!(
        without.take_violations(),
        ["more was sent before MAIL was answered", "more was sent before RCPT was answered",]
    );
}

#[test]
fn no_sign_in_is_offered_or_taken_before_the_encryption() {
    let sink = Sink::start(SinkOptions::default());
    let sent: [&[u8]; 2] = [ENVELOPE[0], b"AUTH PLAIN AGFnZW50AGFnZW50cHc=\r\n"];
    assert_eq!(codes(&replies(&sink, &sent)), "220 250 504");
    assert_eq!(sink.take_violations(), ["AUTH PLAIN that was not offered"]);
    assert_eq!(sink.logins(), []);
}

#[test]
fn what_was_said_before_the_encryption_is_forgotten() {
    let sink = Sink::start(SinkOptions { auth_required: false, ..SinkOptions::default() });
    let script = r#"
smtp = smtplib.SMTP("localhost", PORT)
smtp.starttls(context=CONTEXT)
print(smtp.docmd("MAIL FROM:<agent@example.test>")[0])
"#;
    assert_eq!(python::run(script, sink.port(), &[]), "503");
    assert_eq!(sink.take_violations(), ["MAIL before EHLO"]);
}

#[test]
fn an_injected_reply_comes_in_the_clear() {
    let options = SinkOptions { security: Security::StartTlsInjected, ..SinkOptions::default() };
    let sink = Sink::start(options);
    let mut client = Client::connect(&sink);
    client.reply();
    client.send(ENVELOPE[0]);
    assert_eq!(client.send(b"STARTTLS\r\n").as_deref(), Some("220 2.0.0 go on"));
    assert_eq!(client.reply().as_deref(), Some("250 AUTH PLAIN LOGIN"));
}

#[test]
fn messages_longer_than_the_limit_are_refused() {
    let sink = Sink::start(SinkOptions { size: Some(20), ..SinkOptions::relay() });
    let declared: [&[u8]; 2] = [ENVELOPE[0], b"MAIL FROM:<a@b.test> SIZE=21\r\n"];
    assert_eq!(codes(&replies(&sink, &declared)), "220 250 552");
    let seen = replies(&sink, &with_message(b"a: 345678901234567890\r\n.\r\n"));
    assert!(codes(&seen).ends_with("354 552"));
    let seen = replies(&sink, &with_message(b"a: 345678901234567\r\n.\r\n"));
    assert!(codes(&seen).ends_with("354 250"));
    assert_eq!(sink.received().len(), 1);
}

#[test]
fn recipients_are_refused_by_their_names() {
    let sink = Sink::start(SinkOptions::relay());
    let mut sent = with_message(b"a: b\r\n.\r\n");
    sent.splice(2..2, [&b"RCPT TO:<reject1@b.test>\r\n"[..], b"RCPT TO:<later@b.test>\r\n"]);
    assert_eq!(codes(&replies(&sink, &sent)), "220 250 250 550 451 250 354 250");
    let received = sink.received();
    assert_eq!(received[0].rcpt_to, ["boss@example.test"]);
    assert_eq!(received[0].refused, ["reject1@b.test", "later@b.test"]);
}

#[test]
#[should_panic(expected = "the protocol was broken:\nMAIL before EHLO")]
fn a_broken_protocol_fails_the_test() {
    let sink = Sink::start(SinkOptions::relay());
    replies(&sink, &[ENVELOPE[1]]);
}

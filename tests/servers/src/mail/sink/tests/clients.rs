//! Python's `smtplib` against every kind of security and sign-in.

use super::*;
use crate::mail::{AGENT, BOSS, python};

/// Sends `ARGS[0]` after the lines that come first.
fn send(sink: &Sink, sign_in: &str, message: &str) -> String {
    let script = format!(
        r#"
class Refused(Exception): pass
try:
    {}
    refused = smtp.sendmail("agent@example.test", ["boss@example.test"], ARGS[0].encode())
    print("sent", refused)
    smtp.quit()
except (smtplib.SMTPException, ssl.SSLError) as error:
    print(type(error).__name__, getattr(error, "smtp_code", ""))
"#,
        sign_in.trim().replace('\n', "\n    ")
    );
    python::run(&script, sink.port(), &[message])
}

const STARTTLS: &str = r#"
smtp = smtplib.SMTP("localhost", PORT, local_hostname="client.test")
smtp.starttls(context=CONTEXT)
"#;
const PASSWORD: &str = "smtp.login('agent', 'agentpw')\n";
const MESSAGE: &str = "Subject: s\r\n\r\n.dot\r\n..dots\r\nend\r\n";

fn expected(mechanism: &str) -> Received {
    Received {
        helo: "client.test".to_owned(),
        mail_from: AGENT.address.to_owned(),
        parameters: vec![format!("size={}", MESSAGE.len())],
        rcpt_to: vec![BOSS.address.to_owned()],
        refused: Vec::new(),
        bytes: MESSAGE.as_bytes().to_vec(),
        tls: true,
        auth: Some(AGENT.name.to_owned()),
        mechanism: Some(mechanism.to_owned()),
    }
}

#[test]
fn a_submission_is_recorded_as_it_came() {
    let sink = Sink::start(SinkOptions::default());
    assert_eq!(send(&sink, &[STARTTLS, PASSWORD].concat(), MESSAGE), "sent {}");
    sink.settle();
    assert_eq!(sink.received(), [expected("PLAIN")]);
    assert_eq!((sink.unfinished(), sink.connections()), (Vec::new(), 1));
    let last = sink.commands().pop();
    assert_eq!(last.as_deref(), Some("quit"));
}

#[test]
fn it_is_encrypted_from_the_first_byte_if_that_is_the_setting() {
    let options = SinkOptions {
        security: Security::Implicit,
        mechanisms: &["LOGIN"],
        ..SinkOptions::default()
    };
    let sink = Sink::start(options);
    let open = r#"
smtp = smtplib.SMTP_SSL("localhost", PORT, context=CONTEXT, local_hostname="client.test")
"#;
    assert_eq!(send(&sink, &[open, PASSWORD].concat(), MESSAGE), "sent {}");
    assert_eq!(sink.received(), [expected("LOGIN")]);
}

#[test]
fn only_the_right_token_lets_in() {
    let sink = Sink::start(SinkOptions { mechanisms: &["XOAUTH2"], ..SinkOptions::default() });
    let with = |token: &str| {
        let form = format!("'user=agent\\1auth=Bearer {token}\\1\\1'");
        let sign_in = format!(
            "smtp.ehlo()\nanswers = iter([{form}, ''])\n\
            smtp.auth('XOAUTH2', lambda challenge=None: next(answers))\n"
        );
        send(&sink, &[STARTTLS, &sign_in].concat(), MESSAGE)
    };
    assert_eq!(with("expired"), "SMTPAuthenticationError 535");
    assert_eq!(with("token-of-the-sink"), "sent {}");
    assert_eq!(sink.received(), [expected("XOAUTH2")]);
    let logins: Vec<_> = sink.logins().iter().map(|login| (login.tls, login.accepted)).collect();
    assert_eq!(logins, [(true, false), (true, true)]);
}

#[test]
fn nothing_is_taken_without_the_sign_in_or_the_encryption_that_is_required() {
    let sink = Sink::start(SinkOptions::default());
    let open = STARTTLS.lines().nth(1).expect("a line");
    assert_eq!(send(&sink, open, MESSAGE), "SMTPSenderRefused 530");
    assert_eq!(send(&sink, STARTTLS, MESSAGE), "SMTPSenderRefused 530");
    let wrong = [STARTTLS, "smtp.login('agent', 'bosspw')"].concat();
    assert_eq!(send(&sink, &wrong, MESSAGE), "SMTPAuthenticationError 535");
    assert_eq!((sink.received(), sink.unfinished()), (Vec::new(), Vec::new()));
    let sink = Sink::start(SinkOptions { auth_required: false, ..SinkOptions::default() });
    assert_eq!(send(&sink, open, MESSAGE), "SMTPSenderRefused 530");
    let optional = SinkOptions {
        security: Security::StartTls,
        auth_required: false,
        ..SinkOptions::default()
    };
    let sink = Sink::start(optional);
    assert_eq!(send(&sink, open, MESSAGE), "sent {}");
    assert!(!sink.received()[0].tls);
}

#[test]
fn encryption_can_be_removed_on_the_way() {
    let with = |security| Sink::start(SinkOptions { security, ..SinkOptions::default() });
    let plain = with(Security::Plain);
    assert_eq!(send(&plain, STARTTLS, MESSAGE), "SMTPNotSupportedError");
    assert_eq!(plain.logins(), []);
    let open = STARTTLS.lines().nth(1).expect("a line");
    assert_eq!(send(&plain, &[open, "\n", PASSWORD].concat(), MESSAGE), "sent {}");
    assert!(!plain.logins()[0].tls, "a password came in the clear");
    let fails = with(Security::StartTlsFails);
    assert_eq!(send(&fails, STARTTLS, MESSAGE), "SMTPResponseException 454");
    // Python forgets what came before the handshake.
    let injected = with(Security::StartTlsInjected);
    let echo = [STARTTLS, "print(smtp.ehlo()[1].decode().split()[0])\n", PASSWORD].concat();
    assert_eq!(send(&injected, &echo, MESSAGE), "localhost\nsent {}");
}

#[test]
fn certificates_that_are_meant_to_be_refused_are_refused() {
    use crate::mail::Certificate::{Expired, OtherAuthority, OtherName};
    for certificate in [OtherName, Expired, OtherAuthority] {
        let sink = Sink::start(SinkOptions { certificate, ..SinkOptions::default() });
        assert_eq!(send(&sink, STARTTLS, MESSAGE), "SSLCertVerificationError", "{certificate:?}");
        sink.settle();
        assert_eq!(sink.tls_failures().len(), 1, "{certificate:?}");
        assert_eq!(sink.commands().last().map(String::as_str), Some("STARTTLS"));
    }
}

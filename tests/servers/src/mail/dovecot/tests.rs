//! The server as other clients see it.

use super::*;
use crate::mail::{BOSS, Certificate, python};

const MESSAGE: &[u8] = b"From: agent@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n\
    .dot\r\nend\r\n";

fn names(server: &Dovecot) -> Vec<(String, String)> {
    let found = server.mailboxes(AGENT.name).into_iter();
    let special = |one: &String| one != r"\HasNoChildren";
    found
        .map(|mailbox| (mailbox.name, mailbox.attributes.into_iter().filter(special).collect()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

/// Signs in to IMAP by STARTTLS and prints what came of it.
const OAUTH: &str = r#"
imap = imaplib.IMAP4("localhost", PORT)
imap.starttls(CONTEXT)
user, token = ARGS[:2]
forms = {
    "XOAUTH2": f"user={user}\1auth=Bearer {token}\1\1",
    "OAUTHBEARER": f"n,a={user},\1auth=Bearer {token}\1\1",
}
for name, form in forms.items():
    assert f"AUTH={name}" in imap.capabilities, imap.capabilities
    try:
        answers = iter([form.encode()])
        print(name, imap.authenticate(name, lambda said: next(answers, b""))[0])
        imap = imaplib.IMAP4("localhost", PORT)
        imap.starttls(CONTEXT)
    except imaplib.IMAP4.error as error:
        print(name, "refused")
"#;

#[test]
fn another_client_and_the_observer_see_the_same_bytes() {
    let server = Dovecot::start();
    let uid = server.append(AGENT.name, "Drafts", MESSAGE, &[r"\Draft"]);
    let script = r#"
imap = imaplib.IMAP4_SSL("localhost", PORT, ssl_context=CONTEXT)
imap.login("agent", "agentpw")
imap.select("Drafts")
print(imap.uid("FETCH", ARGS[0], "(FLAGS BODY.PEEK[])")[1][0][1])
imap.append("Drafts", r"(\Draft \Seen)", None, b"Subject: two\r\n\r\nb\r\n")
imap.logout()
"#;
    let seen = python::run(script, server.imaps_port(), &[&uid.to_string()]);
    let expected = String::from_utf8_lossy(MESSAGE).escape_default().to_string();
    assert_eq!(seen, format!("b'{expected}'").replace(r"\u{", "?"));
    let flags = |flags: &[&str]| flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>();
    let one = Stored { uid, flags: flags(&[r"\Draft"]), bytes: MESSAGE.to_vec() };
    let bytes = b"Subject: two\r\n\r\nb\r\n".to_vec();
    let two = Stored { uid: uid + 1, flags: flags(&[r"\Draft", r"\Seen"]), bytes };
    assert_eq!(server.messages(AGENT.name, "Drafts"), [one, two]);
    assert_eq!(server.messages(BOSS.name, "Drafts"), []);
}

#[test]
fn a_message_can_be_edited_flagged_and_removed() {
    let server = Dovecot::start();
    let old = server.append(AGENT.name, "Drafts", MESSAGE, &[r"\Draft", r"\Flagged"]);
    let kept = server.append(AGENT.name, "Drafts", b"Subject: k\r\n\r\n", &[]);
    let new = server.edit(AGENT.name, "Drafts", old, b"Subject: n\r\n\r\n");
    server.set_flags(AGENT.name, "Drafts", kept, &[r"\Answered"]);
    let found = server.messages(AGENT.name, "Drafts");
    let short: Vec<_> = found.iter().map(|stored| (stored.uid, stored.flags.join(" "))).collect();
    assert_eq!(short, [(kept, r"\Answered".to_owned()), (new, r"\Draft \Flagged".to_owned())]);
    assert_eq!(found[1].bytes, b"Subject: n\r\n\r\n");
    server.delete(AGENT.name, "Drafts", new);
    assert_eq!(server.messages(AGENT.name, "Drafts").len(), 1);
}

#[test]
fn folders_are_named_and_marked_as_the_setting_says() {
    let with = |folders| Dovecot::start_as(Setting { folders, ..Setting::default() });
    let english = [("Drafts", r"\Drafts"), ("INBOX", ""), ("Sent", r"\Sent")];
    assert_eq!(names(&with(Folders::English)), pairs(&english));
    let localised = [("Entw&APw-rfe", r"\Drafts"), ("Gesendet", r"\Sent"), ("INBOX", "")];
    let server = with(Folders::Localised);
    assert_eq!(names(&server), pairs(&localised));
    server.append(AGENT.name, Folders::Localised.drafts(), MESSAGE, &[]);
    assert_eq!(server.messages(AGENT.name, "Entw&APw-rfe").len(), 1);
    let server = with(Folders::Unmarked);
    assert_eq!(names(&server), pairs(&[("Drafts", ""), ("INBOX", ""), ("Sent", "")]));
    let script = r#"
imap = imaplib.IMAP4_SSL("localhost", PORT, ssl_context=CONTEXT)
imap.login("agent", "agentpw")
print(imap.capability()[1][0].decode())
"#;
    let capability = python::run(script, server.imaps_port(), &[]);
    assert!(!capability.contains("SPECIAL-USE"), "{capability}");
    assert!(capability.contains("UIDPLUS"), "{capability}");
}

#[test]
fn submitted_mail_reaches_the_relay_and_what_it_hands_on_arrives() {
    let server = Dovecot::start();
    server.receive_from(server.relay());
    let script = r#"
smtp = smtplib.SMTP("localhost", PORT)
smtp.starttls(context=CONTEXT)
smtp.login("agent", "agentpw")
smtp.sendmail("agent@example.test", ["boss@example.test", "out@far.test"], ARGS[0].encode())
smtp.quit()
"#;
    let message = String::from_utf8_lossy(MESSAGE).into_owned();
    python::run(script, server.submission_port(), &[&message]);
    let [taken] = <[Received; 1]>::try_from(server.relay().received()).expect("one message");
    assert_eq!(taken.mail_from, AGENT.address);
    assert_eq!(taken.rcpt_to, [BOSS.address, "out@far.test"]);
    assert!(taken.bytes.starts_with(b"Received: ") && taken.bytes.ends_with(MESSAGE));
    let arrived = server.await_messages(BOSS.name, "INBOX", 1);
    assert!(arrived[0].bytes.ends_with(MESSAGE));
}

#[test]
fn submission_wants_the_password() {
    let server = Dovecot::shared();
    let script = r#"
smtp = smtplib.SMTP("localhost", PORT)
smtp.starttls(context=CONTEXT)
try:
    smtp.login("agent", "bosspw")
except smtplib.SMTPAuthenticationError as error:
    print(error.smtp_code)
print(smtp.docmd("MAIL FROM:<agent@example.test>")[0])
"#;
    assert_eq!(python::run(script, server.submission_port(), &[]), "535\n530");
}

#[test]
fn mail_from_outside_arrives() {
    let server = Dovecot::start();
    server.deliver(MESSAGE, BOSS.address);
    let arrived = server.messages(BOSS.name, "INBOX");
    assert!(arrived[0].bytes.starts_with(b"Return-Path: <>\r\n"));
    assert!(arrived[0].bytes.ends_with(MESSAGE));
}

#[test]
fn a_sink_can_keep_copies_in_a_mailbox_of_who_signed_in() {
    let server = Dovecot::start();
    let sink = Sink::start(SinkOptions::default());
    server.keep_copies_from(&sink, "Sent");
    let script = r#"
smtp = smtplib.SMTP("localhost", PORT)
smtp.starttls(context=CONTEXT)
smtp.login("boss@example.test", "bosspw")
smtp.sendmail("boss@example.test", ["out@far.test"], ARGS[0].encode())
"#;
    python::run(script, sink.port(), &[&String::from_utf8_lossy(MESSAGE)]);
    let kept = server.messages(BOSS.name, "Sent");
    assert_eq!((kept.len(), kept[0].bytes.as_slice()), (1, MESSAGE));
    assert_eq!(server.messages(AGENT.name, "Sent"), []);
}

#[test]
fn mailboxes_come_and_go() {
    let server = Dovecot::start();
    server.create(BOSS.name, "Projects/One");
    let has = |name: &str| server.mailboxes(BOSS.name).iter().any(|mailbox| mailbox.name == name);
    assert!(has("Projects/One"));
    server.remove(BOSS.name, "Projects/One");
    assert!(!has("Projects/One"));
}

#[test]
#[should_panic(expected = "Mailbox doesn't exist: No such")]
fn a_mailbox_that_is_not_there_fails_the_test() {
    Dovecot::shared().messages(AGENT.name, "No such");
}

#[test]
fn only_valid_tokens_of_the_own_user_let_in() {
    let server = Dovecot::shared();
    let outcome = |user: &str, token: String| {
        let lines = python::run(OAUTH, server.imap_port(), &[user, &token]);
        let lines: Vec<_> = lines.lines().map(str::to_owned).collect();
        lines.join(", ")
    };
    let refused = "XOAUTH2 refused, OAUTHBEARER refused";
    let valid = server.oauth_token(AGENT.name, Token::Valid);
    assert_eq!(outcome(AGENT.name, valid.clone()), "XOAUTH2 OK, OAUTHBEARER OK");
    assert_eq!(outcome(BOSS.name, valid), refused);
    for token in [Token::Expired, Token::ForeignKey, Token::ForeignIssuer] {
        let made = server.oauth_token(AGENT.name, token);
        assert_eq!(outcome(AGENT.name, made), refused, "{token:?}");
    }
}

#[test]
fn without_encryption_there_is_no_starttls() {
    let server = Dovecot::start_as(Setting { tls: false, ..Setting::default() });
    let script = r#"
imap = imaplib.IMAP4("localhost", PORT)
print("STARTTLS" in imap.capabilities, imap.login("agent", "agentpw")[0])
"#;
    assert_eq!(python::run(script, server.imap_port(), &[]), "False OK");
}

#[test]
fn clients_refuse_the_certificates_that_are_meant_to_be_refused() {
    let script = r#"
try:
    imaplib.IMAP4_SSL("localhost", PORT, ssl_context=CONTEXT)
except ssl.SSLCertVerificationError as error:
    print(error.verify_message)
"#;
    let expected = [
        (Certificate::OtherName, "Hostname mismatch"),
        (Certificate::Expired, "certificate has expired"),
        (Certificate::OtherAuthority, "unable to get local issuer certificate"),
    ];
    for (certificate, reason) in expected {
        let server = Dovecot::start_as(Setting { certificate, ..Setting::default() });
        let said = python::run(script, server.imaps_port(), &[]);
        assert!(said.starts_with(reason), "{certificate:?}: {said:?}");
    }
}

#[test]
fn a_server_that_was_stopped_has_what_it_had() {
    let server = Dovecot::start();
    server.append(AGENT.name, "Drafts", MESSAGE, &[]);
    server.stop();
    assert!(std::net::TcpStream::connect(("127.0.0.1", server.imap_port())).is_err());
    server.resume();
    assert_eq!(server.messages(AGENT.name, "Drafts").len(), 1);
}

#[test]
fn the_server_ends_with_the_thread_that_started_it() {
    let server = Dovecot::start();
    server.stop();
    let folder = server.folder.clone();
    let port = server.imap_port();
    let starter = std::thread::spawn(move || {
        let mut child = spawn(&folder);
        await_port(&mut child, port, &folder.join("log"));
        Client::sign_in(port, AGENT);
        assert!(processes(&folder).len() > 1, "there is more than the master");
        child
    });
    let mut child = starter.join().expect("it starts");
    child.wait().expect("it ends");
    let began = Instant::now();
    while !processes(&server.folder).is_empty() {
        assert!(began.elapsed() < PATIENCE, "processes are left behind");
        std::thread::yield_now();
    }
}

//! Credentials and mail go to the right server or nowhere: certificates, STARTTLS taken away or
//! tampered with, tokens that count no more.

use servers::mail::{
    AGENT, Certificate, Dovecot, Folders, Security, Setting, Sink, SinkOptions, Token,
};
use tests::harness::acting::{call, submission};
use tests::harness::{Folder, suite};

use super::{Far, World, draft, secret, server};

/// What another server than the right one proves itself by.
const WRONG: [Certificate; 3] =
    [Certificate::OtherName, Certificate::Expired, Certificate::OtherAuthority];

/// A mail is not sent by this server, which sees neither the mail nor a credential.
fn refuses(options: SinkOptions, tls: &str) {
    let context = format!("{options:?}");
    let sink = Sink::start(options);
    let keys = server("smtp", sink.port(), tls);
    let world = World::configured(Far::Servers(Dovecot::shared(), sink), &keys);
    let mut session = world.start();
    let name = draft(&mut session, "Intercepted");
    let said = world.send(&mut session, &name);
    assert!(
        said.starts_with("unavailable: ") && said.contains("nothing was sent"),
        "{context}: {said}"
    );
    assert!(world.sink().received().is_empty(), "{context}");
    let heard = world.sink().commands().join("\n");
    assert!(!heard.contains("AUTH") && !heard.contains("MAIL"), "{context}: {heard}");
    assert!(world.sink().logins().is_empty(), "{context}");
}

#[test]
fn smtp_speaks_to_the_right_server_only() {
    let implicit = |certificate| SinkOptions {
        certificate,
        security: Security::Implicit,
        ..SinkOptions::default()
    };
    for certificate in WRONG {
        refuses(implicit(certificate), "");
        refuses(SinkOptions { certificate, ..SinkOptions::default() }, "tls = \"starttls\"\n");
    }
}

#[test]
fn smtp_says_nothing_where_starttls_is_taken_away() {
    for security in [Security::Plain, Security::StartTlsFails] {
        refuses(SinkOptions { security, ..SinkOptions::default() }, "tls = \"starttls\"\n");
    }
}

#[test]
fn a_reply_that_was_slipped_in_before_encryption_sends_nothing() {
    let options = SinkOptions { security: Security::StartTlsInjected, ..SinkOptions::default() };
    let sink = Sink::start(options);
    let keys = server("smtp", sink.port(), "tls = \"starttls\"\n");
    let world = World::configured(Far::Servers(Dovecot::shared(), sink), &keys);
    let mut session = world.start();
    let name = draft(&mut session, "Slipped in");
    let said = world.send(&mut session, &name);
    let arrived = world.arrived("Slipped in").len();
    let is_true = match arrived {
        0 => !said.starts_with("sent: "),
        _ => !said.contains("nothing was sent"),
    };
    // What was slipped in shifts the answers by one, which the sink sees as haste.
    world.sink().take_violations();
    assert!(is_true, "never a claim that is not true: {arrived}, {said}");
}

#[test]
fn imap_speaks_to_the_right_server_only() {
    let wrong = WRONG.into_iter();
    let settings = wrong
        .map(|certificate| (Setting { folders: Folders::English, certificate, tls: true }, true));
    let plain = Setting { folders: Folders::English, certificate: Certificate::Right, tls: false };
    for (setting, is_tls) in settings.chain([(plain, false)]) {
        let dovecot: &'static Dovecot = Box::leak(Box::new(Dovecot::start_as(setting)));
        let keys = if is_tls {
            server("imap", dovecot.imaps_port(), "")
        } else {
            server("imap", dovecot.imap_port(), "tls = \"starttls\"\n")
        };
        let unused = Sink::start(SinkOptions::relay());
        let world = World::configured(Far::Servers(dovecot, unused), &keys);
        let mut session = world.start();
        let name = draft(&mut session, "Unseen");
        let said = call(&mut session, "mail_place", &submission(&name));
        assert!(said.starts_with("unavailable: "), "{setting:?}: {said}");
        assert!(world.placed("Unseen").is_empty(), "{setting:?}");
    }
}

#[test]
fn a_token_that_does_not_count_opens_nothing() {
    let dovecot = Dovecot::shared();
    for token in [Token::Expired, Token::ForeignKey, Token::ForeignIssuer] {
        let keys = server("imap", dovecot.imaps_port(), "")
            .replace("password = { file = \"password\" }", "token = { file = \"token\" }");
        let unused = Sink::start(SinkOptions::relay());
        let world = World::configured(Far::Servers(dovecot, unused), &keys);
        let value = dovecot.oauth_token(AGENT.name, token);
        secret(&world.folder, "token", &value);
        let mut session = world.start();
        let name = draft(&mut session, "Tokenless");
        let said = call(&mut session, "mail_place", &submission(&name));
        assert!(
            said.starts_with("unavailable: ") && said.contains("credential"),
            "{token:?}: {said}"
        );
        assert!(!said.contains(&value), "{token:?}");
        assert!(world.placed("Tokenless").is_empty(), "{token:?}");
        let doctor = doctor(&world.folder);
        assert!(doctor.contains("account work"), "{doctor}");
    }
}

fn doctor(folder: &Folder) -> String {
    let output = std::process::Command::new(suite())
        .args(["doctor", "mail", "--config"])
        .arg(folder.config())
        .output()
        .expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn what_cannot_be_right_is_refused_at_the_start() {
    for (keys, why) in [
        (
            "[servers.mail.accounts.work.smtp]\nhost = \"mail.acme.example\"\ntls = \"off\"\n",
            "in the clear",
        ),
        (
            "[servers.mail.accounts.work.smtp]\nhost = \"localhost\"\nuser = \"a\"\n",
            "say where it is",
        ),
        (
            "[servers.mail.accounts.work.imap]\nhost = \"localhost\"\npassword = { file = \"password\" }\n",
            "who signs in",
        ),
        (
            "[servers.mail.accounts.work.imap]\nhost = \"localhost\"\nuser = \"a\"\npassword = { file = \"password\" }\nca = \"nowhere.pem\"\n",
            "nowhere.pem",
        ),
        ("[servers.mail.accounts.bad]\nfrom = \"nobody\"\n", "from: "),
        (
            "[servers.mail.accounts.bad]\nfrom = \"a@example.test\"\nrecipients = [\"*@*\"]\n",
            "recipients: ",
        ),
        ("[servers.mail.accounts.work.templates.t]\nsubject = \"{a}\"\nbody = \"x\"\n", "{a}"),
    ] {
        let world = World::outbox(keys);
        let output = std::process::Command::new(suite())
            .args(["check", "--config"])
            .arg(world.folder.config())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(why), "{keys}: {said}");
    }
}

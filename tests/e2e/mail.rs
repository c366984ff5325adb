//! `suite mail` as its users have it: the real binary, confined; what arrived is observed at the
//! far servers, on the envelope, and never in the answers.

mod faults;
mod hostile;
mod once;
mod placed;
mod recipients;
mod refused;
mod story;
mod transport;

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use servers::mail::{AGENT, Dovecot, Received, Security, Sink, SinkOptions, ca_file};
use tests::harness::acting::{call, drafted, submission};
use tests::harness::{Decided, Folder, Session, approval, suite};

/// The servers behind an account.
enum Far {
    /// None: a folder on this machine.
    Outbox,
    /// A mailbox by IMAP, and a server that mail is handed to.
    Servers(&'static Dovecot, Sink),
}

/// A server of mail with the account `work`, what is behind it, and bob, who says yes.
struct World {
    folder: Folder,
    far: Far,
    bob: String,
}

/// What every account of these tests has.
const ACCOUNT: &str = "from = \"The Agent <agent@example.test>\"\n\
    recipients = [\"*@example.test\", \"ann@partner.test\"]\nsend = true\n";

impl World {
    fn outbox(extra: &str) -> Self {
        Self::new(Far::Outbox, extra)
    }

    /// With the Dovecot that all tests share, and a sink of its own, encrypted from the first byte.
    fn servers(extra: &str) -> Self {
        let options = SinkOptions { security: Security::Implicit, ..SinkOptions::default() };
        Self::new(Far::Servers(Dovecot::shared(), Sink::start(options)), extra)
    }

    /// `extra` are further keys of the account, and tables.
    fn new(far: Far, extra: &str) -> Self {
        let servers = match &far {
            Far::Outbox => String::new(),
            Far::Servers(dovecot, sink) => {
                let imap = server("imap", dovecot.imaps_port(), "");
                imap + &server("smtp", sink.port(), "")
            }
        };
        Self::configured(far, &format!("{extra}{servers}"))
    }

    /// With these keys and tables, and no servers but what they name.
    fn configured(far: Far, keys: &str) -> Self {
        let folder = Folder::mail(&format!(
            "[servers.mail.accounts.secret]\nfrom = \"root@example.test\"\n\
             recipients = [\"*@example.test\"]\nsend = true\n\
             [servers.mail.accounts.work]\n{ACCOUNT}{keys}"
        ));
        std::fs::copy(ca_file(), folder.path("ca.pem")).expect("a copy");
        secret(&folder, "password", AGENT.password);
        let bob = folder.key("bob", Some("bob"));
        Self { folder, far, bob }
    }

    fn start(&self) -> Session {
        Session::start(&suite(), "mail", &self.folder.config())
    }

    fn sink(&self) -> &Sink {
        match &self.far {
            Far::Servers(_, sink) => sink,
            Far::Outbox => panic!("no server"),
        }
    }

    fn dovecot(&self) -> &'static Dovecot {
        match &self.far {
            Far::Servers(dovecot, _) => dovecot,
            Far::Outbox => panic!("no server"),
        }
    }

    /// Bob says yes to what an answer asks for.
    fn approve(&self, asked: &str) -> Decided {
        let decided = self.folder.approve(&approval(asked), &self.bob);
        assert!(decided.ok, "{decided:?}");
        decided
    }

    /// Sends a draft: asks, bob says yes, and again; what came of it.
    fn send(&self, session: &mut Session, draft: &str) -> String {
        let args = submission(draft);
        let asked = call(session, "mail_send", &args);
        assert!(asked.starts_with("approval_needed: "), "{asked}");
        self.approve(&asked);
        call(session, "mail_send", &args)
    }

    /// The mails that hold this word, as the far server got them.
    fn arrived(&self, word: &str) -> Vec<Received> {
        let all = match &self.far {
            Far::Servers(_, sink) => sink.received(),
            Far::Outbox => self.files("Sent").into_iter().map(of_file).collect(),
        };
        all.into_iter().filter(|one| has(&one.bytes, word)).collect()
    }

    /// The person's drafts that hold this word.
    fn placed(&self, word: &str) -> Vec<Vec<u8>> {
        self.mailbox("Drafts", word)
    }

    /// The messages of one of the person's mailboxes that hold this word.
    fn mailbox(&self, mailbox: &str, word: &str) -> Vec<Vec<u8>> {
        let all = match &self.far {
            Far::Servers(dovecot, _) => {
                let all = dovecot.messages(AGENT.name, mailbox).into_iter();
                all.map(|stored| stored.bytes).collect()
            }
            Far::Outbox => self.files(mailbox),
        };
        all.into_iter().filter(|bytes| has(bytes, word)).collect()
    }

    /// The files of a folder of the outbox.
    fn files(&self, mailbox: &str) -> Vec<Vec<u8>> {
        let folder = self.folder.path("state/mail/outbox").join(mailbox).join("cur");
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.map(|path| std::fs::read(path).expect("a message")).collect()
    }
}

/// The table of a server, encrypted from the first byte, with the agent's password.
fn server(kind: &str, port: u16, more: &str) -> String {
    format!(
        "[servers.mail.accounts.work.{kind}]\nhost = \"localhost\"\nport = {port}\n\
         user = \"{}\"\npassword = {{ file = \"password\" }}\nca = \"ca.pem\"\n{more}",
        AGENT.name
    )
}

/// Writes a file that only its owner may read.
fn secret(folder: &Folder, name: &str, value: &str) {
    folder.write(name, value);
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(folder.path(name), private).expect("a mode");
}

fn has(bytes: &[u8], word: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(word)
}

/// A file of the outbox, which has no envelope.
fn of_file(bytes: Vec<u8>) -> Received {
    Received {
        helo: String::new(),
        mail_from: String::new(),
        parameters: Vec::new(),
        rcpt_to: Vec::new(),
        refused: Vec::new(),
        bytes,
        tls: false,
        auth: None,
        mechanism: None,
    }
}

/// A mail to the boss.
fn mail(subject: &str) -> Value {
    json!({
        "to": ["The Boss <boss@example.test>"], "subject": subject, "body": "Hello **boss**.",
        "reason": "because the test says so"
    })
}

/// Drafts a mail to the boss; the draft's name.
fn draft(session: &mut Session, subject: &str) -> String {
    drafted(&call(session, "mail_draft", &mail(subject)))
}

/// With other arguments in it.
fn with(mut args: Value, other: &Value) -> Value {
    for (name, value) in other.as_object().into_iter().flatten() {
        args[name] = value.clone();
    }
    args
}

fn verify(session: &mut Session, draft: &str) -> String {
    call(session, "mail_verify", &json!({"draft": draft}))
}

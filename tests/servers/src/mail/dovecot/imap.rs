//! A minimal IMAP client (RFC 3501) over plain TCP, which shares nothing with the product.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::mail::Account;

/// A mailbox as LIST shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its name as IMAP writes it.
    pub name: String,
    /// Its attributes, such as `\Drafts`.
    pub attributes: Vec<String>,
}

/// A message in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its UID.
    pub uid: u32,
    /// Its flags without `\Recent`, in the order of the alphabet.
    pub flags: Vec<String>,
    /// Every byte of it.
    pub bytes: Vec<u8>,
}

/// A signed-in connection. What the server refuses fails the test.
pub(super) struct Client(BufReader<TcpStream>);

/// A line of a response, with the literal that it announced.
type Response = Vec<(String, Vec<u8>)>;

impl Client {
    pub(super) fn sign_in(port: u16, account: Account) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let mut client = Self(BufReader::new(stream));
        client.line();
        client.ask(&format!("LOGIN {} {}", account.name, account.password));
        client
    }

    pub(super) fn mailboxes(&mut self) -> Vec<Mailbox> {
        let mut found: Vec<_> =
            self.ask("LIST \"\" \"*\"").iter().filter_map(|(line, _)| listed(line)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    pub(super) fn messages(&mut self, mailbox: &str) -> Vec<Stored> {
        self.ask(&format!("EXAMINE \"{mailbox}\""));
        let mut found = self.ask("UID FETCH 1:* (UID FLAGS BODY.PEEK[])");
        found.retain(|(line, _)| line.contains(" FETCH ("));
        let mut found: Vec<_> = found.into_iter().map(fetched).collect();
        found.sort_by_key(|stored| stored.uid);
        found
    }

    pub(super) fn append(&mut self, mailbox: &str, bytes: &[u8], flags: &str) -> u32 {
        let command = format!("a APPEND \"{mailbox}\" ({flags}) {{{}}}\r\n", bytes.len());
        self.send(command.as_bytes());
        let answer = self.line();
        assert!(answer.starts_with('+'), "{command}: {answer}");
        self.send(bytes);
        self.send(b"\r\n");
        let (done, _) = self.response();
        let code = done.strip_prefix("OK [APPENDUID ").and_then(|rest| rest.split_once(']'));
        let uid = code.and_then(|(numbers, _)| numbers.split(' ').nth(1)?.parse().ok());
        uid.unwrap_or_else(|| panic!("{command}: {done}"))
    }

    pub(super) fn set_flags(&mut self, mailbox: &str, uid: u32, flags: &str) {
        self.ask(&format!("SELECT \"{mailbox}\""));
        self.ask(&format!("UID STORE {uid} FLAGS.SILENT ({flags})"));
    }

    pub(super) fn delete(&mut self, mailbox: &str, uid: u32) {
        self.ask(&format!("SELECT \"{mailbox}\""));
        self.ask(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
        self.ask(&format!("UID EXPUNGE {uid}"));
    }

    pub(super) fn create(&mut self, mailbox: &str) {
        self.ask(&format!("CREATE \"{mailbox}\""));
    }

    pub(super) fn remove(&mut self, mailbox: &str) {
        self.ask(&format!("DELETE \"{mailbox}\""));
    }

    /// The untagged responses to a command that must succeed.
    fn ask(&mut self, command: &str) -> Response {
        self.send(format!("a {command}\r\n").as_bytes());
        let (done, response) = self.response();
        assert!(done.starts_with("OK"), "{command}: {done}");
        response
    }

    /// The tagged response without its tag, and the untagged ones before it.
    fn response(&mut self) -> (String, Response) {
        let mut untagged = Vec::new();
        loop {
            let mut line = self.line();
            if let Some(done) = line.strip_prefix("a ") {
                return (done.to_owned(), untagged);
            }
            let mut literal = Vec::new();
            while let Some(length) = literal_length(&line) {
                literal = vec![0; length];
                self.0.read_exact(&mut literal).expect("it answers");
                line = format!("{}\0{}", &line[..line.len() - 1], self.line());
            }
            untagged.push((line, literal));
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("it reads");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.0.read_line(&mut line).expect("it answers");
        assert!(length > 0, "it closed the connection");
        line.trim_end_matches(['\r', '\n']).to_owned()
    }
}

/// The length of the literal that follows a line.
fn literal_length(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

fn listed(line: &str) -> Option<Mailbox> {
    let (attributes, rest) = line.strip_prefix("* LIST (")?.split_once(") ")?;
    let (_, name) = rest.split_once(' ')?;
    let attributes = attributes.split(' ').filter(|one| !one.is_empty()).map(str::to_owned);
    Some(Mailbox { name: name.trim_matches('"').to_owned(), attributes: attributes.collect() })
}

fn fetched((line, bytes): (String, Vec<u8>)) -> Stored {
    let after = |mark: &str, end: char| {
        let rest = line.split_once(mark).and_then(|(_, rest)| rest.split_once(end));
        rest.unwrap_or_else(|| panic!("no {mark} in {line}")).0
    };
    let flags = after("FLAGS (", ')').split(' ');
    let mut flags: Vec<_> =
        flags.filter(|flag| !["", "\\Recent"].contains(flag)).map(str::to_owned).collect();
    flags.sort();
    Stored { uid: after("UID ", ' ').parse().expect("a number"), flags, bytes }
}

//! One connection to a sink: the commands of SMTP (RFC 5321, 4.1.1) in their order.

mod greeting;
mod transaction;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::memory::Memory;
use super::options::{Extension, Security, SinkOptions};
use crate::mail::wire::{Line, Wire};
use transaction::Transaction;

/// The longest command (RFC 5321, 4.5.3.1.4), with what the parameters offered here add to MAIL.
const LONGEST_COMMAND: usize = 512 + 26 + 17 + 10;
/// The longest line of a sign-in (RFC 4954, 4).
const LONGEST_AUTH: usize = 12_288;
/// The commands that others may follow in one packet (RFC 2920, 3.1).
const PIPELINED: [&str; 3] = ["MAIL", "RCPT", "RSET"];

/// Takes connections until the sink ends.
pub(super) fn accept(listener: &TcpListener, memory: &Arc<Memory>) {
    for stream in listener.incoming() {
        // A connection that is gone before it is accepted is the client's affair.
        let Ok(stream) = stream else { continue };
        match memory.open(&stream) {
            Ok(Some(number)) => {
                let memory = Arc::clone(memory);
                std::thread::spawn(move || {
                    // It ends by an error where the client goes or a fault says so.
                    let _ = Session::new(&memory, stream).run();
                    memory.close(number);
                });
            }
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

struct Session<'a> {
    memory: &'a Memory,
    wire: Wire,
    tls: bool,
    helo: Option<String>,
    /// Whether EHLO was said, not HELO.
    extended: bool,
    login: Option<(String, String)>,
    transaction: Option<Transaction>,
}

/// Whether the connection goes on.
type Step = io::Result<bool>;

fn cut<T>() -> io::Result<T> {
    Err(io::Error::other("cut as planned"))
}

impl<'a> Session<'a> {
    fn new(memory: &'a Memory, stream: TcpStream) -> Self {
        let wire = Wire::plain(stream);
        let (helo, login, transaction) = (None, None, None);
        Self { memory, wire, tls: false, helo, extended: false, login, transaction }
    }

    fn run(mut self) -> io::Result<()> {
        let ended = self.converse();
        self.abandon();
        ended
    }

    fn converse(&mut self) -> io::Result<()> {
        if self.memory.is_slow() {
            self.memory.hold();
        }
        if self.options().security == Security::Implicit {
            self.encrypt()?;
        }
        self.say("220 localhost ESMTP")?;
        while let Some(line) = self.wire.line(LONGEST_AUTH)? {
            let Line::Text(line) = line else {
                self.object("500 5.5.2", &format!("{line:?}"))?;
                return cut();
            };
            self.memory.record(|state| state.commands.push(line.clone()));
            if !self.command(&line)? {
                break;
            }
        }
        Ok(())
    }

    fn command(&mut self, line: &str) -> Step {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verb = verb.to_ascii_uppercase();
        if line.len() + 2 > LONGEST_COMMAND && verb != "AUTH" {
            return self.object("500 5.5.2", "the command is too long");
        }
        self.check_order(&verb);
        match verb.as_str() {
            "EHLO" | "HELO" => self.hello(&verb, rest),
            "STARTTLS" => self.start_tls(rest),
            "AUTH" => self.auth(rest),
            "MAIL" => self.mail(rest),
            "RCPT" => self.rcpt(rest),
            "DATA" => self.data(rest),
            "RSET" => {
                self.abandon();
                self.say("250 2.0.0 forgotten")
            }
            "NOOP" => self.say("250 2.0.0 ok"),
            "VRFY" => self.say("252 2.5.2 try it"),
            "QUIT" => self.say("221 2.0.0 bye").map(|_| false),
            _ => self.object("500 5.5.1", &format!("there is no command {verb:?}")),
        }
    }

    /// Notes commands that were sent before the reply that they had to wait for.
    fn check_order(&mut self, verb: &str) {
        let may_follow = self.extended
            && self.options().offers(Extension::Pipelining)
            && PIPELINED.contains(&verb);
        if self.wire.has_more() && !may_follow {
            self.memory.violation(format!("more was sent before {verb} was answered"));
        }
    }

    fn options(&self) -> &'a SinkOptions {
        &self.memory.options
    }

    fn say(&mut self, reply: &str) -> Step {
        self.wire.send(format!("{reply}\r\n").as_bytes())?;
        Ok(true)
    }

    /// Refuses what breaks the protocol.
    fn object(&mut self, code: &str, complaint: &str) -> Step {
        self.memory.violation(complaint);
        self.say(&format!("{code} {complaint}"))
    }

    /// Ends the transaction, if there is one, without a message.
    fn abandon(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.memory.record(|state| state.unfinished.push(transaction.message));
        }
    }
}

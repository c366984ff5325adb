//! A sink as a test sees it, from both ends.

mod clients;
mod faults;
mod strict;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use super::*;
use crate::PATIENCE;

/// A plain client that sends what it is told to.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(sink: &Sink) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", sink.port())).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self(BufReader::new(stream))
    }

    /// The code and text of a reply's last line; nothing where the connection is closed.
    fn reply(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            // A connection that is reset is closed, too.
            if self.0.read_line(&mut line).unwrap_or_default() == 0 {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Some(line.trim_end().to_owned());
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Option<String> {
        self.0.get_mut().write_all(bytes).ok()?;
        self.reply()
    }
}

/// The replies to a greeting and to what is sent, up to the end of the connection.
fn replies(sink: &Sink, sent: &[&[u8]]) -> Vec<String> {
    let mut client = Client::connect(sink);
    let mut replies = vec![client.reply()];
    for bytes in sent {
        if replies.last() == Some(&None) {
            break;
        }
        replies.push(client.send(bytes));
    }
    replies.into_iter().flatten().collect()
}

/// The codes of replies.
fn codes(replies: &[String]) -> String {
    replies.iter().map(|reply| &reply[..3]).collect::<Vec<_>>().join(" ")
}

/// The commands before a message to one recipient, and their end.
const ENVELOPE: [&[u8]; 4] = [
    b"EHLO client.test\r\n",
    b"MAIL FROM:<agent@example.test>\r\n",
    b"RCPT TO:<boss@example.test>\r\n",
    b"DATA\r\n",
];

fn with_message(message: &[u8]) -> Vec<&[u8]> {
    ENVELOPE.into_iter().chain([message]).collect()
}

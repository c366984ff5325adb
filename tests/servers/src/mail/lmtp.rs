//! A minimal LMTP client (RFC 2033), to hand mail to a server as the network would.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

/// Hands over one message; returns what became of it for each recipient.
pub(super) fn deliver(
    port: u16,
    mail_from: &str,
    rcpt_to: &[String],
    bytes: &[u8],
) -> io::Result<Vec<String>> {
    let mut client = Client(BufReader::new(TcpStream::connect(("127.0.0.1", port))?));
    client.reply()?;
    client.ask("LHLO localhost")?;
    expect(&client.ask(&format!("MAIL FROM:<{mail_from}>"))?, '2')?;
    let mut replies = Vec::new();
    let mut taken = Vec::new();
    for recipient in rcpt_to {
        let reply = client.ask(&format!("RCPT TO:<{recipient}>"))?;
        if reply.starts_with('2') {
            taken.push(replies.len());
        }
        replies.push(reply);
    }
    if !taken.is_empty() {
        expect(&client.ask("DATA")?, '3')?;
        client.0.get_mut().write_all(&stuffed(bytes))?;
        for place in taken {
            replies[place] = client.reply()?;
        }
    }
    client.ask("QUIT")?;
    Ok(replies)
}

/// The message as DATA sends it: dots doubled where a line begins with one, and the end.
fn stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut sent = Vec::with_capacity(bytes.len() + 5);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            sent.push(b'.');
        }
        sent.extend_from_slice(line);
    }
    if !sent.ends_with(b"\r\n") {
        sent.extend_from_slice(b"\r\n");
    }
    sent.extend_from_slice(b".\r\n");
    sent
}

fn expect(reply: &str, kind: char) -> io::Result<()> {
    if reply.starts_with(kind) { Ok(()) } else { Err(io::Error::other(reply.to_owned())) }
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn ask(&mut self, command: &str) -> io::Result<String> {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// The last line of a reply.
    fn reply(&mut self) -> io::Result<String> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(line.trim_end().to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dots_at_the_beginning_of_a_line_are_doubled() {
        assert_eq!(stuffed(b"a.b\r\n.\r\n..c\r\n"), b"a.b\r\n..\r\n...c\r\n.\r\n");
        assert_eq!(stuffed(b".end"), b"..end\r\n.\r\n");
    }
}

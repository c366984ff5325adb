//! The message after DATA: dots undone (RFC 5321, 4.5.2), and what is not allowed in it.

use std::io;

use crate::mail::wire::Wire;

/// The longest line with its CRLF (RFC 5321, 4.5.3.1.6), the doubled dot not counted.
const LONGEST_LINE: usize = 1000;

/// What the client may send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Bytes above 127, since BODY=8BITMIME was said.
    pub(super) eight_bit: bool,
    /// The same in header fields, since SMTPUTF8 was said.
    pub(super) utf8: bool,
    /// Where to give up.
    pub(super) cut: Option<usize>,
}

/// Reads up to the end of the message; returns what is wrong with it. What was read is in `bytes`
/// also when the connection ends before.
pub(super) fn read(
    wire: &mut Wire,
    bytes: &mut Vec<u8>,
    rules: Rules,
) -> io::Result<Vec<&'static str>> {
    let mut reader = Reader { bytes, complaints: Vec::new(), at_line_start: true };
    loop {
        let is_end = reader.add(&wire.raw_line()?);
        if rules.cut.is_some_and(|most| is_end || reader.bytes.len() >= most) {
            return Err(io::Error::other("cut as planned"));
        }
        if is_end {
            break;
        }
    }
    let Reader { bytes, mut complaints, .. } = reader;
    let header = bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(bytes.len());
    if !bytes.is_ascii() && !rules.eight_bit {
        complaints.push("8-bit bytes without BODY=8BITMIME");
    }
    if !bytes[..header].is_ascii() && !rules.utf8 {
        complaints.push("8-bit bytes in header fields without SMTPUTF8");
    }
    Ok(complaints)
}

struct Reader<'a> {
    bytes: &'a mut Vec<u8>,
    complaints: Vec<&'static str>,
    /// Whether a CRLF came last. After a bare LF a dot is not at the start of a line.
    at_line_start: bool,
}

impl Reader<'_> {
    /// Adds bytes up to and with a line feed; whether they were the end of the message.
    fn add(&mut self, line: &[u8]) -> bool {
        if self.at_line_start && line == b".\r\n" {
            return true;
        }
        let content = match line {
            [b'.', rest @ ..] if self.at_line_start => {
                self.object(!rest.starts_with(b"."), "the dot at the start of a line is alone");
                rest
            }
            _ => line,
        };
        self.at_line_start = content.ends_with(b"\r\n");
        let text = &content[..content.len() - if self.at_line_start { 2 } else { 1 }];
        self.object(!self.at_line_start, "a bare LF is in the message");
        self.object(text.contains(&b'\r'), "a bare CR is in the message");
        self.object(text.contains(&0), "a NUL is in the message");
        self.object(content.len() > LONGEST_LINE, "a line is longer than 1000 bytes");
        self.bytes.extend_from_slice(content);
        false
    }

    fn object(&mut self, is_wrong: bool, complaint: &'static str) {
        if is_wrong && !self.complaints.contains(&complaint) {
            self.complaints.push(complaint);
        }
    }
}

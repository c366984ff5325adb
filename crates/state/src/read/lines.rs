//! The lines of one segment, streamed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::StateError;

/// How much is read at a time, in bytes.
const CHUNK: usize = 256 << 10;

/// One line as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawLine<'a> {
    /// The number of the line, from 1: in a sound segment also the `sequence` of its record.
    pub number: u64,
    /// The text without its line feed.
    pub bytes: &'a [u8],
    /// Whether the line feed is missing: the line is being written, or its process died.
    pub is_torn: bool,
}

/// Reads the lines of a segment in the order in which they were written.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: File,
    buffer: Vec<u8>,
    /// What of `buffer` is read and not handed out yet.
    from: usize,
    to: usize,
    number: u64,
    is_at_end: bool,
}

impl Lines {
    /// Opens a segment at its first line.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let file = File::open(path).map_err(StateError::at(path))?;
        let buffer = vec![0; CHUNK];
        Ok(Self {
            path: path.to_owned(),
            file,
            buffer,
            from: 0,
            to: 0,
            number: 0,
            is_at_end: false,
        })
    }

    /// The segment that is read.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next line; `None` after the last one.
    pub fn next_line(&mut self) -> Result<Option<RawLine<'_>>, StateError> {
        let mut searched = self.from;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..self.to]) {
                let line = (self.from, searched + at);
                self.from = line.1 + 1;
                return Ok(Some(self.hand_out(line, false)));
            }
            if self.is_at_end {
                let line = (self.from, self.to);
                self.from = self.to;
                return Ok((line.0 < line.1).then(|| self.hand_out(line, true)));
            }
            let known = self.to - self.from;
            self.fill()?;
            searched = self.from + known;
        }
    }

    fn hand_out(&mut self, (from, to): (usize, usize), is_torn: bool) -> RawLine<'_> {
        self.number += 1;
        RawLine { number: self.number, bytes: &self.buffer[from..to], is_torn }
    }

    /// Reads more behind what is there, which moves to the front.
    fn fill(&mut self) -> Result<(), StateError> {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        if self.to == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        loop {
            match self.file.read(&mut self.buffer[self.to..]) {
                Ok(0) => self.is_at_end = true,
                Ok(read) => self.to += read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(StateError::at(&self.path)(error)),
            }
            return Ok(());
        }
    }
}

/// The time of a record, without parsing it; empty where there is none.
pub fn time(line: &[u8]) -> &str {
    text_field(line, b"\"time\":\"")
}

/// The id of a record's call, without parsing it; empty where there is none.
pub(crate) fn call_of(line: &[u8]) -> &str {
    text_field(line, b"\"call\":\"")
}

/// The number of a record, without parsing it; `None` where there is none.
pub(crate) fn number(line: &[u8]) -> Option<u64> {
    let name = b"\"sequence\":";
    let digits = &line[memchr::memmem::rfind(line, name)? + name.len()..];
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// The value of a field of text, given as `"name":"`, of which the last occurrence counts.
///
/// A record is canonical: its fields stand in the order of their names. Quotes inside text are
/// escaped, so the pattern cannot be part of a text; the objects that follow `call`, `sequence` and
/// `time` have no fields of these names, so that the last one is the record's own.
pub(crate) fn text_field<'a>(line: &'a [u8], pattern: &[u8]) -> &'a str {
    let Some(at) = memchr::memmem::rfind(line, pattern) else { return "" };
    let value = &line[at + pattern.len()..];
    let end = memchr::memchr(b'"', value).unwrap_or(0);
    std::str::from_utf8(&value[..end]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_whatever_their_length() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        let long = "y".repeat(CHUNK * 3 + 7);
        let text = format!("one\n\n{long}\n{}\ntorn", "x".repeat(CHUNK - 6));
        std::fs::write(&path, &text).expect("written");
        let mut lines = Lines::open(&path).expect("opened");
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().expect("a line") {
            read.push((line.number, line.bytes.len(), line.is_torn));
        }
        let lengths =
            [(1, 3, false), (2, 0, false), (3, CHUNK * 3 + 7, false), (4, CHUNK - 6, false)];
        assert_eq!(read[..4], lengths);
        assert_eq!(read[4..], [(5, 4, true)]);
    }

    #[test]
    fn the_time_is_the_records_own() {
        let line = br#"{"arguments":{"time":"a"},"detail":"\"time\":\"b\"","sequence":1,"time":"c","tool":"\"time\":\"d\""}"#;
        assert_eq!(time(line), "c");
        assert_eq!(time(b"{}"), "");
    }
}

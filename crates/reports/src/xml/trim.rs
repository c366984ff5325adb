//! A filter between the input and the XML reader, which holds each text, attribute and comment
//! whole: it takes the middle out of what is too long, while it streams, and drops a document type
//! with all that it declares.

use std::io::{self, Read};

/// Where in a document the filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between tags.
    Text,
    /// After `<`, until it is clear what begins.
    Open,
    /// In a tag.
    Tag,
    /// In the value of an attribute, with its quote.
    Value(u8),
    Comment,
    CData,
    /// In a processing instruction or the declaration.
    Instruction,
    /// In a document type, so many `<` deep.
    DocType(u32),
}

/// UTF-8 in which nothing is too long.
pub(super) struct Trimmed<R> {
    input: R,
    chunk: Box<[u8]>,
    place: Place,
    /// What came since `<`, while it is not clear what begins; the last bytes in a place that ends
    /// with more than one.
    seen: Vec<u8>,
    /// The most bytes of the beginning that are kept of a text, and of its end.
    half: usize,
    /// How many bytes of this text were given out.
    given: usize,
    /// The bytes that came after those.
    tail: Vec<u8>,
    /// How many bytes of this text were left out.
    dropped: u64,
    /// How long the tag is.
    tag: usize,
    ready: Vec<u8>,
    /// How many bytes of `ready` were taken.
    taken: usize,
}

impl<R: Read> Trimmed<R> {
    pub(super) fn new(input: R, most: usize) -> Self {
        Self {
            input,
            chunk: vec![0; 64 << 10].into(),
            place: Place::Text,
            seen: Vec::new(),
            half: (most / 2).max(16),
            given: 0,
            tail: Vec::new(),
            dropped: 0,
            tag: 0,
            ready: Vec::new(),
            taken: 0,
        }
    }

    fn take(&mut self, mut chunk: &[u8]) {
        while let Some(&byte) = chunk.first() {
            let step = match self.place {
                Place::Text => self.text(chunk, memchr::memchr(b'<', chunk), Place::Open),
                Place::Value(quote) => self.value(chunk, quote),
                Place::Tag => self.tag(chunk),
                Place::Open => self.open(byte),
                Place::Comment => self.until(chunk, b"-->"),
                Place::CData => self.until(chunk, b"]]>"),
                Place::Instruction => self.until(chunk, b"?>"),
                Place::DocType(depth) => self.doc_type(byte, depth),
            };
            chunk = &chunk[step..];
        }
    }

    /// Text up to `end`, and the byte there, which leads to `next`.
    fn text(&mut self, chunk: &[u8], end: Option<usize>, next: Place) -> usize {
        let Some(end) = end else {
            self.hold(chunk);
            return chunk.len();
        };
        self.hold(&chunk[..end]);
        self.release();
        self.place = next;
        if next == Place::Open {
            self.seen = vec![b'<'];
        } else {
            self.ready.push(chunk[end]);
        }
        end + 1
    }

    fn tag(&mut self, chunk: &[u8]) -> usize {
        let end = memchr::memchr3(b'>', b'"', b'\'', chunk);
        let step = end.map_or(chunk.len(), |end| end + 1);
        let is_end = end.is_some_and(|end| chunk[end] == b'>');
        // A tag that is too long breaks where it is cut, so that its reader says so.
        if self.tag < self.most_tag() {
            self.ready.extend_from_slice(&chunk[..step]);
        } else if is_end {
            self.ready.push(b'>');
        }
        self.tag += step;
        if let Some(end) = end {
            self.place = if is_end { Place::Text } else { Place::Value(chunk[end]) };
        }
        if is_end {
            self.tag = 0;
        }
        step
    }

    fn value(&mut self, chunk: &[u8], quote: u8) -> usize {
        let end = memchr::memchr(quote, chunk);
        if self.tag < self.most_tag() {
            let before = self.ready.len();
            let step = self.text(chunk, end, Place::Tag);
            self.tag += self.ready.len() - before;
            return step;
        }
        if end.is_some() {
            // What is held of the value goes with the rest of the tag.
            self.tail.clear();
            (self.given, self.dropped) = (0, 0);
            self.place = Place::Tag;
        }
        end.map_or(chunk.len(), |end| end + 1)
    }

    /// The bytes of one tag that are given out, give or take a chunk.
    fn most_tag(&self) -> usize {
        self.half.saturating_mul(64)
    }

    fn open(&mut self, byte: u8) -> usize {
        self.seen.push(byte);
        let place = match self.seen.as_slice() {
            b"<!--" => Place::Comment,
            b"<![CDATA[" => Place::CData,
            b"<?" => Place::Instruction,
            b"<!D" | b"<!d" => Place::DocType(1),
            seen if b"<!--".starts_with(seen) || b"<![CDATA[".starts_with(seen) => return 1,
            _ => Place::Tag,
        };
        self.place = place;
        match place {
            Place::Tag => {
                // The last byte may be the end of the tag or a quote.
                self.seen.pop();
                self.ready.append(&mut self.seen);
                return 0;
            }
            Place::DocType(_) => {}
            _ => self.ready.extend_from_slice(&self.seen),
        }
        self.seen.clear();
        1
    }

    /// Text up to `end`, which is more than one byte.
    fn until(&mut self, chunk: &[u8], end: &[u8]) -> usize {
        if self.seen.is_empty() {
            let at = memchr::memchr(end[0], chunk).unwrap_or(chunk.len());
            if at > 0 {
                self.hold(&chunk[..at]);
                return at;
            }
        }
        self.seen.push(chunk[0]);
        if self.seen == end {
            self.release();
            self.ready.append(&mut self.seen);
            self.place = Place::Text;
        }
        // What turned out not to be the end is text, but for what may still begin it.
        while !end.starts_with(&self.seen) {
            let byte = self.seen.remove(0);
            self.hold(&[byte]);
        }
        1
    }

    fn doc_type(&mut self, byte: u8, depth: u32) -> usize {
        self.place = match byte {
            b'<' => Place::DocType(depth + 1),
            b'>' if depth == 1 => Place::Text,
            b'>' => Place::DocType(depth - 1),
            _ => self.place,
        };
        1
    }

    fn hold(&mut self, mut text: &[u8]) {
        if self.tail.is_empty() && self.dropped == 0 {
            let mut head = text.len().min(self.half.saturating_sub(self.given));
            // A character is not parted.
            while head < text.len() && is_within(text[head]) {
                head += 1;
            }
            self.ready.extend_from_slice(&text[..head]);
            self.given += head;
            text = &text[head..];
        }
        self.tail.extend_from_slice(text);
        if self.tail.len() > 2 * self.half {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        let mut from = self.tail.len().saturating_sub(self.half);
        while from < self.tail.len() && is_within(self.tail[from]) {
            from += 1;
        }
        self.dropped += from as u64;
        self.tail.drain(..from);
    }

    /// Gives out the end of a text.
    fn release(&mut self) {
        if self.dropped > 0 {
            self.shorten();
            let note = format!(" [… {} bytes left out …] ", self.dropped);
            self.ready.extend_from_slice(note.as_bytes());
        }
        self.ready.append(&mut self.tail);
        (self.given, self.dropped) = (0, 0);
    }

    /// What is held back when the input ends in the middle.
    fn finish(&mut self) {
        if self.place == Place::Open {
            self.ready.append(&mut self.seen);
        } else {
            let held = std::mem::take(&mut self.seen);
            self.hold(&held);
            self.release();
        }
    }
}

/// Whether a byte of UTF-8 continues a character.
fn is_within(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

impl<R: Read> Read for Trimmed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
            let mut chunk = std::mem::take(&mut self.chunk);
            let read = self.input.read(&mut chunk);
            if let Ok(read) = read {
                self.take(&chunk[..read]);
            }
            self.chunk = chunk;
            if read? == 0 {
                self.finish();
                if self.ready.is_empty() {
                    return Ok(0);
                }
            }
        }
        let step = buffer.len().min(self.ready.len() - self.taken);
        buffer[..step].copy_from_slice(&self.ready[self.taken..self.taken + step]);
        self.taken += step;
        Ok(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(text: &str, most: usize, chunk: usize) -> String {
        /// Gives out few bytes at a time.
        struct Slow<'a>(&'a [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let step = self.1.min(self.0.len()).min(buffer.len());
                buffer[..step].copy_from_slice(&self.0[..step]);
                self.0 = &self.0[step..];
                Ok(step)
            }
        }
        let mut out = String::new();
        Trimmed::new(Slow(text.as_bytes(), chunk), most).read_to_string(&mut out).unwrap();
        out
    }

    #[test]
    fn what_is_short_stays() {
        let text = "\u{feff}<?xml version='1.0'?><!-- c > -- - --><a b=\"c > d\" e='\"'><![CDATA[<x>]]]]>\
                    <b/>ä &amp; 🥐</a>\n<!-x>";
        for chunk in [1, 2, 3, 7, 1_000] {
            assert_eq!(trimmed(text, 1_000, chunk), text, "{chunk}");
        }
    }

    #[test]
    fn every_kind_of_text_loses_its_middle() {
        let long = "ä".repeat(1_000);
        for (before, after) in [
            ("<a>", "</a>"),
            ("<a b=\"", "\"/>"),
            ("<a b='", "'/>"),
            ("<a><!--", "--></a>"),
            ("<a><![CDATA[", "]]></a>"),
            ("<?xml ", "?><a/>"),
        ] {
            for chunk in [1, 13, 5_000] {
                let out = trimmed(&format!("{before}{long}{after}"), 200, chunk);
                assert!(out.starts_with(&format!("{before}ä")), "{out}");
                assert!(out.ends_with(&format!("ä{after}")), "{out}");
                assert!(out.contains("left out") && out.len() < 300, "{} {out}", out.len());
            }
        }
    }

    #[test]
    fn a_document_type_is_dropped_with_its_entities() {
        let bomb =
            "<!DOCTYPE a [<!ENTITY b \"bb\"><!ENTITY c SYSTEM 'file:///etc/passwd'>]><a>&b;&c;</a>";
        assert_eq!(trimmed(bomb, 100, 3), "<a>&b;&c;</a>");
    }

    #[test]
    fn a_tag_without_an_end_is_bounded() {
        assert!(trimmed(&format!("<a {}", "x".repeat(100_000)), 100, 64).len() < 8_000);
        let many: String = vec!["a='b' "; 100_000].concat();
        let out = trimmed(&format!("<a {many}/><b/>"), 100, 64);
        assert!(out.len() < 8_000 && out.ends_with("><b/>"), "{}", out.len());
    }

    #[test]
    fn a_cut_document_is_still_cut() {
        for text in ["<a><!-", "<a><![CDATA[x]", "<a", "<a b='c", "<a>text"] {
            assert_eq!(trimmed(text, 100, 2), text);
        }
    }
}

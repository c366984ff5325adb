//! Bytes to UTF-8: by the byte order mark, else by what an XML declaration says, else UTF-8 with
//! what is invalid replaced. Counts and bounds the bytes on the way.

use std::cell::Cell;
use std::io::{self, Chain, Cursor, Read};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

/// As many bytes are looked at to find the encoding.
const SNIFFED: u64 = 256;

/// How many bytes were read, and whether there were more than may be.
pub(crate) struct Tally {
    bytes: Cell<u64>,
    most: u64,
    is_over: Cell<bool>,
}

impl Tally {
    pub(crate) fn new(most: u64) -> Self {
        Self { bytes: Cell::new(0), most, is_over: Cell::new(false) }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

/// Reads as many bytes as may be, and counts them.
struct Counted<'t, R> {
    input: R,
    tally: &'t Tally,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = usize::try_from(self.tally.most - self.tally.bytes()).unwrap_or(usize::MAX);
        if room == 0 && !buffer.is_empty() {
            // One byte more tells an input that is too large from one that just fits.
            let is_more = self.input.read(&mut [0])? > 0;
            self.tally.is_over.set(self.tally.is_over.get() || is_more);
            return Ok(0);
        }
        let most = room.min(buffer.len());
        let read = self.input.read(&mut buffer[..most])?;
        self.tally.bytes.set(self.tally.bytes.get() + read as u64);
        Ok(read)
    }
}

type Source<'t, R> = Chain<Cursor<Vec<u8>>, Counted<'t, R>>;

/// An input as UTF-8 without a byte order mark, whatever its encoding.
pub(crate) struct Decoded<'t, R> {
    text: DecodeReaderBytes<Source<'t, R>, Vec<u8>>,
}

impl<'t, R: Read> Decoded<'t, R> {
    pub(crate) fn new(input: R, tally: &'t Tally) -> Self {
        let mut counted = Counted { input, tally };
        let mut first = Vec::new();
        // An input that fails here fails again, or ends, when the rest is read.
        let _ = counted.by_ref().take(SNIFFED).read_to_end(&mut first);
        let encoding = sniffed(&first);
        let text = DecodeReaderBytesBuilder::new()
            .encoding(Some(encoding))
            .bom_override(true)
            .strip_bom(true)
            .utf8_passthru(false)
            .build(Cursor::new(first).chain(counted));
        Self { text }
    }
}

impl<R: Read> Read for Decoded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.text.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

/// The encoding of text that begins so, where no byte order mark says otherwise (XML 1.0,
/// appendix F).
fn sniffed(first: &[u8]) -> &'static Encoding {
    if first.starts_with(b"<\0") {
        return UTF_16LE;
    }
    if first.starts_with(b"\0<") {
        return UTF_16BE;
    }
    declared(first).unwrap_or(UTF_8)
}

fn declared(first: &[u8]) -> Option<&'static Encoding> {
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let rest = first.strip_prefix(b"<?xml")?;
    let end = memchr::memchr(b'>', rest)?;
    let declaration = std::str::from_utf8(&rest[..end]).ok()?;
    let (_, value) = declaration.split_once("encoding")?;
    let value = value.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let label = value[1..].split(quote).next()?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A declaration that could be read byte by byte is not in UTF-16, whatever it says.
    Some(if encoding == UTF_16LE || encoding == UTF_16BE { UTF_8 } else { encoding })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8]) -> String {
        let tally = Tally::new(1 << 20);
        let mut text = String::new();
        Decoded::new(bytes, &tally).read_to_string(&mut text).unwrap();
        assert_eq!(tally.bytes(), bytes.len() as u64);
        text
    }

    fn utf_16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some('\u{feff}' as u16);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    }

    #[test]
    fn every_encoding_becomes_utf_8() {
        let text = "<?xml version='1.0'?><a>Brötchen 🥐</a>";
        assert_eq!(decoded(text.as_bytes()), text);
        assert_eq!(decoded(&[b"\xef\xbb\xbf", text.as_bytes()].concat()), text);
        for mark in [true, false] {
            assert_eq!(decoded(&utf_16(text, mark, u16::to_le_bytes)), text, "{mark}");
            assert_eq!(decoded(&utf_16(text, mark, u16::to_be_bytes)), text, "{mark}");
        }
        let latin = b"<?xml version=\"1.0\" encoding = 'ISO-8859-1'?><a>Br\xf6tchen</a>";
        assert!(decoded(latin).ends_with("<a>Brötchen</a>"), "{}", decoded(latin));
        let lied = b"<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>";
        assert!(decoded(lied).ends_with("<a/>"));
    }

    #[test]
    fn what_is_invalid_is_replaced() {
        assert_eq!(decoded(b"a\xffb\xc3"), "a\u{fffd}b\u{fffd}");
        assert_eq!(
            decoded(b"<?xml encoding=\"no-such\"?>\xe4"),
            "<?xml encoding=\"no-such\"?>\u{fffd}"
        );
    }

    #[test]
    fn no_more_is_read_than_may_be() {
        for (most, is_over) in [(9, true), (10, false), (11, false), (0, true)] {
            let tally = Tally::new(most);
            let mut text = String::new();
            Decoded::new(&b"0123456789"[..], &tally).read_to_string(&mut text).unwrap();
            assert_eq!((text.len() as u64, tally.is_over()), (most.min(10), is_over), "{most}");
        }
    }
}

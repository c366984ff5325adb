//! A text as one who undoes escapes reads it: percent-encoding (RFC 3986), the escapes of strings
//! (JSON's, of RFC 8259, and those of programming languages and shells) and HTML's character
//! references, in any mixture. Every reading knows where in the text its bytes come from.

use std::ops::Range;

/// A text in another reading.
#[derive(Debug, Default)]
pub(super) struct Reading {
    pub(super) bytes: Vec<u8>,
    /// What was changed, in order; all between is as it was.
    changes: Vec<Change>,
}

/// A place of the text that reads differently.
#[derive(Debug)]
struct Change {
    /// Where it begins in the reading, and how long it is there.
    at: usize,
    length: usize,
    /// Where it stands in the text.
    of: Range<usize>,
}

impl Reading {
    /// Reads `text` with `change`, which is asked where `may_begin` says so. It writes what stands
    /// there and returns how many bytes of the text that was, or `None` where nothing changes.
    fn of(
        text: &[u8],
        may_begin: impl Fn(u8) -> bool,
        change: impl Fn(&[u8], &mut Vec<u8>) -> Option<usize>,
    ) -> Option<Self> {
        let mut reading = Self::default();
        let (mut copied, mut from) = (0, 0);
        while let Some(found) = text[from..].iter().position(|byte| may_begin(*byte)) {
            let start = from + found;
            if reading.changes.is_empty() {
                reading.bytes.reserve(text.len());
            }
            reading.bytes.extend_from_slice(&text[copied..start]);
            copied = start;
            let at = reading.bytes.len();
            from = match change(&text[start..], &mut reading.bytes) {
                Some(taken) => {
                    let (length, end) = (reading.bytes.len() - at, start + taken);
                    reading.changes.push(Change { at, length, of: start..end });
                    copied = end;
                    end
                }
                None => start + 1,
            };
        }
        if reading.changes.is_empty() {
            return None;
        }
        reading.bytes.extend_from_slice(&text[copied..]);
        Some(reading)
    }

    /// Where in the text a range of the reading comes from.
    pub(super) fn origin(&self, range: &Range<usize>) -> Range<usize> {
        self.place(range.start).start..self.place(range.end.saturating_sub(1)).end
    }

    /// Where one byte of the reading comes from.
    fn place(&self, at: usize) -> Range<usize> {
        let after = self.changes.partition_point(|change| change.at <= at);
        let Some(change) = after.checked_sub(1).and_then(|last| self.changes.get(last)) else {
            return at..at + 1;
        };
        match at.checked_sub(change.at + change.length) {
            Some(beyond) => change.of.end + beyond..change.of.end + beyond + 1,
            None => change.of.clone(),
        }
    }
}

/// The text with its escapes undone; `None` where there are none.
pub(super) fn unescaped(text: &[u8]) -> Option<Reading> {
    Reading::of(text, |byte| matches!(byte, b'%' | b'\\' | b'&'), unescape)
}

/// The text on one line, without the indentation of the others; `None` where it is one already.
pub(super) fn on_one_line(text: &[u8]) -> Option<Reading> {
    let is_break = |byte| matches!(byte, b'\n' | b'\r');
    Reading::of(text, is_break, |rest, _| {
        let is_kept = |byte: &u8| !matches!(byte, b'\n' | b'\r' | b' ' | b'\t');
        Some(rest.iter().position(is_kept).unwrap_or(rest.len()))
    })
}

/// The text with letters beyond ASCII in lower case; `None` where there are none.
pub(super) fn in_lower_case(text: &[u8]) -> Option<Reading> {
    Reading::of(
        text,
        |byte| !byte.is_ascii(),
        |rest, out| {
            let most = &rest[..rest.len().min(4)];
            let c = most.utf8_chunks().next()?.valid().chars().next()?;
            c.to_lowercase().for_each(|c| push(c, out));
            Some(c.len_utf8())
        },
    )
}

fn push(c: char, out: &mut Vec<u8>) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Writes what the escape at the beginning of `rest` stands for; returns its length.
fn unescape(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    match rest {
        [b'%', b'u' | b'U', ..] => utf16(rest, 2, out),
        [b'%', ..] => byte(rest.get(1..3)?, 16, out).map(|()| 3),
        [b'&', b'#', b'x' | b'X', ..] => reference(rest, 3, 16, out),
        [b'&', b'#', ..] => reference(rest, 2, 10, out),
        [b'&', ..] => named(rest, out),
        [b'\\', b'u', b'{', ..] => {
            let end = rest.iter().take(10).position(|byte| *byte == b'}')?;
            character(&rest[3..end], 16, out).map(|()| end + 1)
        }
        [b'\\', b'u', ..] => utf16(rest, 2, out),
        [b'\\', b'U', ..] => character(rest.get(2..10)?, 16, out).map(|()| 10),
        [b'\\', b'x', ..] => byte(rest.get(2..4)?, 16, out).map(|()| 4),
        [b'\\', b'0'..=b'3', ..] => byte(rest.get(1..4)?, 8, out).map(|()| 4),
        [b'\\', letter, ..] => {
            out.push(match letter {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'f' => 12,
                mark if mark.is_ascii_punctuation() => *mark,
                _ => return None,
            });
            Some(2)
        }
        _ => None,
    }
}

/// A number of these digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let digit = |byte: &u8| char::from(*byte).to_digit(radix);
    digits.iter().try_fold(0_u32, |sum, byte| sum.checked_mul(radix)?.checked_add(digit(byte)?))
}

fn byte(digits: &[u8], radix: u32, out: &mut Vec<u8>) -> Option<()> {
    out.push(u8::try_from(number(digits, radix)?).ok()?);
    Some(())
}

fn character(digits: &[u8], radix: u32, out: &mut Vec<u8>) -> Option<()> {
    push(char::from_u32(number(digits, radix)?)?, out);
    Some(())
}

/// Four digits after a mark of `before` bytes, or two such units that make one character.
fn utf16(rest: &[u8], before: usize, out: &mut Vec<u8>) -> Option<usize> {
    let unit = |rest: &[u8]| {
        let number = number(rest.get(before..before + 4)?, 16)?;
        u16::try_from(number).ok()
    };
    let length = before + 4;
    let first = unit(rest)?;
    if let Some(c) = char::from_u32(first.into()) {
        push(c, out);
        return Some(length);
    }
    let next = rest.get(length..).filter(|next| next.get(..before) == rest.get(..before))?;
    let pair = [first, unit(next)?];
    push(char::decode_utf16(pair).next()?.ok()?, out);
    Some(2 * length)
}

/// A character reference by number. The semicolon may be missing, and zeros may lead.
fn reference(rest: &[u8], before: usize, radix: u32, out: &mut Vec<u8>) -> Option<usize> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let length = rest[before..].iter().take(8).take_while(|byte| is_digit(byte)).count();
    let end = before + length;
    character(&rest[before..end], radix, out)?;
    Some(end + usize::from(rest.get(end) == Some(&b';')))
}

/// The names of HTML's ASCII characters.
const NAMES: [(&str, u8); 34] = [
    ("amp", b'&'),
    ("apos", b'\''),
    ("ast", b'*'),
    ("bsol", b'\\'),
    ("colon", b':'),
    ("comma", b','),
    ("commat", b'@'),
    ("dollar", b'$'),
    ("equals", b'='),
    ("excl", b'!'),
    ("grave", b'`'),
    ("gt", b'>'),
    ("hat", b'^'),
    ("lbrace", b'{'),
    ("lbrack", b'['),
    ("lcub", b'{'),
    ("lowbar", b'_'),
    ("lpar", b'('),
    ("lsqb", b'['),
    ("lt", b'<'),
    ("num", b'#'),
    ("percnt", b'%'),
    ("period", b'.'),
    ("plus", b'+'),
    ("quest", b'?'),
    ("quot", b'"'),
    ("rbrace", b'}'),
    ("rbrack", b']'),
    ("rcub", b'}'),
    ("rpar", b')'),
    ("rsqb", b']'),
    ("semi", b';'),
    ("sol", b'/'),
    ("vert", b'|'),
];

fn named(rest: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let end = rest.iter().take(8).position(|byte| *byte == b';')?;
    let name = str::from_utf8(&rest[1..end]).ok()?.to_ascii_lowercase();
    out.push(NAMES.iter().find(|(known, _)| *known == name)?.1);
    Some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let reading = unescaped(text.as_bytes());
        let read = reading.map_or_else(|| text.as_bytes().to_vec(), |reading| reading.bytes);
        assert_eq!(String::from_utf8_lossy(&read), expected, "{text}");
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_is_kept() {
        check("%2F%c3%BC%u002f", "/ü/");
        check(r"\u002F\u00fc\ud83d\ude00\u{1F600}\U0001F600\x2f\057", "/ü😀😀😀//");
        check(r#"\"\\\/\n\+"#, "\"\\/\n+");
        check("&#x2F;&#X2f;&#47;&#0047;&#47x&sol;&amp;&LT;", "/////x/&<");
        for plain in ["100% &c", "%2", "%zz", r"\z \u12 \ud83d", "&#; &none; &", r"\", "&#1114112;"]
        {
            check(plain, plain);
        }
    }

    #[test]
    fn a_reading_knows_where_it_is_from() {
        let text = b"ab%2Fcd%2F";
        let reading = unescaped(text).expect("a reading");
        assert_eq!(reading.bytes, b"ab/cd/");
        assert_eq!(reading.origin(&(0..1)), 0..1);
        assert_eq!(reading.origin(&(1..3)), 1..5);
        assert_eq!(reading.origin(&(2..6)), 2..10);
        assert_eq!(reading.origin(&(3..5)), 5..7);
        let flat = on_one_line(b"ab\r\n  cd\n").expect("a reading");
        assert_eq!(flat.bytes, b"abcd");
        assert_eq!((flat.origin(&(0..2)), flat.origin(&(2..4))), (0..2, 6..8));
        assert_eq!(flat.origin(&(1..3)), 1..7);
        assert_eq!(in_lower_case("aÜb".as_bytes()).expect("a reading").bytes, "aüb".as_bytes());
    }
}

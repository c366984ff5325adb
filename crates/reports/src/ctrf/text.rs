//! Texts of a document: bounded while they are read.

use std::fmt;
use std::io::{self, Read};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::text::push_clipped;

/// JSON in which no string is longer than it may be; one that is longer fails.
pub(super) struct Guarded<R> {
    input: R,
    most: usize,
    /// How long the string is that is open.
    length: Option<usize>,
    is_escaped: bool,
}

impl<R: Read> Guarded<R> {
    pub(super) fn new(input: R, most: usize) -> Self {
        Self { input, most, length: None, is_escaped: false }
    }
}

impl<R: Read> Read for Guarded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        for byte in &buffer[..read] {
            let Some(length) = &mut self.length else {
                self.length = (*byte == b'"').then_some(0);
                continue;
            };
            *length += 1;
            if *length > self.most {
                let message = format!("a text has more than {} bytes", self.most);
                return Err(io::Error::other(message));
            }
            let is_end = *byte == b'"' && !self.is_escaped;
            self.is_escaped = *byte == b'\\' && !self.is_escaped;
            if is_end {
                self.length = None;
            }
        }
        Ok(read)
    }
}

/// One text or a list of them, clipped; an object is nothing.
#[derive(Default)]
pub(super) struct Joined(String);

/// As much is kept.
const MOST: usize = 16 << 10;

impl Joined {
    /// The texts with this between them.
    pub(super) fn with(&self, separator: &str) -> String {
        self.0.replace('\0', separator)
    }
}

impl<'de> Deserialize<'de> for Joined {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Texts)
    }
}

struct Texts;

impl<'de> Visitor<'de> for Texts {
    type Value = Joined;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text or a list of texts")
    }

    fn visit_str<E>(self, text: &str) -> Result<Joined, E> {
        let mut joined = String::new();
        push_clipped(&mut joined, text, MOST);
        Ok(Joined(joined))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Joined, A::Error> {
        let mut joined = String::new();
        while let Some(text) = list.next_element::<Joined>()? {
            if !joined.is_empty() {
                joined.push('\0');
            }
            push_clipped(&mut joined, &text.0, MOST);
        }
        Ok(Joined(joined))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Joined, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Joined::default())
    }

    fn visit_unit<E>(self) -> Result<Joined, E> {
        Ok(Joined::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Joined, E> {
        Ok(Joined::default())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Joined, E> {
        Ok(Joined(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Joined, E> {
        Ok(Joined(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Joined, E> {
        Ok(Joined(number.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(text: &str, most: usize) -> io::Result<String> {
        let mut out = String::new();
        Guarded::new(text.as_bytes(), most).read_to_string(&mut out).map(|_| out)
    }

    #[test]
    fn a_long_text_fails() {
        assert!(guarded(r#"{"a":"12345678"}"#, 9).is_ok());
        assert!(guarded(r#"{"a":"1234567890"}"#, 9).is_err());
        assert!(guarded(r#"{"a":"12\"4567890"}"#, 9).is_err());
        assert!(guarded(r#"{"a":"12\\","b": 1, "c": "12"}"#, 9).is_ok());
    }

    #[test]
    fn a_long_list_is_clipped() {
        let list = format!("[{}1]", "\"x\",".repeat(100_000));
        let joined: Joined = serde_json::from_str(&list).unwrap();
        assert!(joined.0.len() <= 2 * MOST + 100, "{}", joined.0.len());
        let names: Joined = serde_json::from_str("[\"a\", \"b\"]").unwrap();
        assert_eq!(names.with(" > "), "a > b");
    }
}

//! A commit as it is shown: who, when, and its message.

use bstr::{BStr, ByteSlice as _};
use contract::ToolError;
use gix_hash::ObjectId;
use gix_object::{CommitRef, Kind};

use crate::date;
use crate::plain::plain;
use crate::reader::damaged;
use crate::view::View;

/// The most characters of a name that are shown.
const NAME: usize = 40;

/// Who did something, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// The name as it is written.
    pub(crate) name: String,
    /// The address as it is written.
    pub(crate) email: String,
    /// When, in seconds since 1970.
    pub(crate) time: i64,
    /// How far the zone is ahead of UTC, in seconds.
    pub(crate) zone: i64,
}

impl Person {
    /// The name, short and without marks of HTML.
    pub(crate) fn shown(&self) -> String {
        clip(&plain(&self.name.replace(['\n', '\r'], " ")), NAME)
    }
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// Its name.
    pub(crate) id: ObjectId,
    /// Its tree.
    pub(crate) tree: ObjectId,
    /// Its parents, as it names them.
    pub(crate) parents: Vec<ObjectId>,
    /// Who wrote it.
    pub(crate) author: Person,
    /// Who made it a commit.
    pub(crate) committer: Person,
    /// The message, as it is written.
    pub(crate) message: String,
}

impl View {
    /// Reads a commit.
    pub(crate) fn commit(&mut self, id: &ObjectId) -> Result<Commit, ToolError> {
        let hash = self.reader.hash();
        let data = self.reader.structure(id, Kind::Commit)?;
        let commit = CommitRef::from_bytes(data, hash).map_err(|error| damaged(id, &error))?;
        let encoding = commit.encoding.map(|name| name.to_str_lossy().into_owned());
        let text = |bytes: &BStr| decoded(bytes, encoding.as_deref());
        Ok(Commit {
            id: *id,
            tree: commit.tree(),
            parents: commit.parents().collect(),
            author: person(commit.author, text),
            committer: person(commit.committer, text),
            message: text(commit.message),
        })
    }
}

impl Commit {
    /// The first paragraph on one line, as `%s` of git-log(1).
    pub(crate) fn subject(&self) -> String {
        let lines = self.message.lines().skip_while(|line| line.trim().is_empty());
        let paragraph: Vec<&str> =
            lines.take_while(|line| !line.trim().is_empty()).map(str::trim_end).collect();
        paragraph.join(" ")
    }

    /// The subject as it is shown, of at most so many characters.
    pub(crate) fn shown_subject(&self, most: usize) -> String {
        clip(&plain(&self.subject()), most)
    }

    /// `sha7 date author: subject`.
    pub(crate) fn line(&self, most: usize) -> String {
        let (id, author) = (self.id.to_hex_with_len(7), &self.author);
        let day = date::day(author.time, author.zone);
        format!("{id} {day} {}: {}", author.shown(), self.shown_subject(most))
    }
}

/// At most so many characters; a longer text ends in `…`.
pub(crate) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

/// An author or committer line, as far as it can be read: `Name <address> seconds zone`.
pub(crate) fn person(line: &BStr, text: impl Fn(&BStr) -> String) -> Person {
    let open = line.find_byte(b'<').unwrap_or(line.len());
    let close = line.rfind_byte(b'>').filter(|close| *close > open).unwrap_or(line.len());
    let name = text(line[..open].trim().as_bstr());
    let email = line.get(open + 1..close).map(|email| text(email.as_bstr())).unwrap_or_default();
    let rest = line.get(close + 1..).unwrap_or_default().to_str_lossy();
    let mut words = rest.split_ascii_whitespace();
    let time = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let zone = words.next().and_then(zone).unwrap_or(0);
    Person { name, email, time, zone }
}

/// A zone in seconds. Hours are as many as a broken clock says, as git takes them.
fn zone(word: &str) -> Option<i64> {
    let (sign, digits) = match word.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let value: i64 = digits.parse().ok().filter(|value| (0..=999_999).contains(value))?;
    Some(sign * (value / 100 * 3600 + value % 100 * 60))
}

/// The text of bytes in the encoding that the commit names; UTF-8, where it names none.
fn decoded(bytes: &BStr, encoding: Option<&str>) -> String {
    let named = encoding.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes()));
    match named {
        Some(encoding) if bytes.to_str().is_err() => encoding.decode(bytes).0.into_owned(),
        _ => bytes.to_str_lossy().into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, name: &str, email: &str, time: i64, zone: i64) {
        let person = person(line.into(), ToString::to_string);
        assert_eq!((person.name.as_str(), person.email.as_str()), (name, email), "{line}");
        assert_eq!((person.time, person.zone), (time, zone), "{line}");
    }

    #[test]
    fn a_broken_line_is_read_as_far_as_it_goes() {
        check("Ada Example <ada@x> 12 +0130", "Ada Example", "ada@x", 12, 5400);
        check("Ada <ada@x> 5 +051800", "Ada", "ada@x", 5, 518 * 3600);
        check("Ada <ada@x> -5 -0100", "Ada", "ada@x", -5, -3600);
        check("Ada", "Ada", "", 0, 0);
        check("<>", "", "", 0, 0);
        check("A <b> x +y", "A", "b", 0, 0);
        check("A < <b>> 1 +0000", "A", " <b>", 1, 0);
    }
}

//! Goes through the text outside of code once, from left to right, and breaks what a tracker would
//! act upon: mentions, closing keywords, HTML, character references, images, link targets.

use contract::text::visible;
use pulldown_cmark::{Event, Parser};

use super::{Dialect, Kind, Notes, closing, target};

/// A text with everything active in it broken. `definitions` says whether the whole ticket may
/// define link references, which make images of words in brackets anywhere.
pub(super) fn text(text: &str, dialect: Dialect, definitions: bool, notes: &mut Notes) -> String {
    let last_link = ["](", "]["].iter().filter_map(|mark| text.rfind(mark)).max();
    let mut scan = Scan {
        text,
        dialect,
        notes,
        out: String::with_capacity(text.len() + 16),
        images_end: if definitions { text.len() } else { last_link.unwrap_or(0) },
        address_end: 0,
        in_bare_address: false,
        reference: None,
    };
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        at += scan.step(at, c);
    }
    scan.parenthesis(at);
    scan.out
}

/// Whether a text may define link references: `[name]: target`.
pub(super) fn has_definitions(text: &str) -> bool {
    text.contains("]:")
}

struct Scan<'a> {
    text: &'a str,
    dialect: Dialect,
    notes: &'a mut Notes,
    out: String,
    /// Where the last image can begin.
    images_end: usize,
    /// Where the web address ends that the scan has last come upon.
    address_end: usize,
    /// Whether the scan is in the rest of a word that a bare address has begun.
    in_bare_address: bool,
    /// The reference behind a closing keyword.
    reference: Option<Reference>,
}

/// Where a reference stands, and whether the parenthesis before it is written.
struct Reference {
    start: usize,
    end: usize,
    opened: bool,
}

impl Scan<'_> {
    /// Copies what stands at a place, broken where need be; the answer is how far it went.
    fn step(&mut self, at: usize, c: char) -> usize {
        self.parenthesis(at);
        self.follow_address(at, c);
        let broken = match c {
            '@' => self.mention(at),
            '<' => self.markup(at),
            '&' => self.entity(at),
            '!' => self.image(at),
            '[' => self.jira_mention(at),
            _ if c.is_ascii_alphabetic() => self.word(at),
            _ => None,
        };
        if c == '<' {
            self.in_bare_address = false;
        }
        broken.unwrap_or_else(|| {
            self.out.push(c);
            c.len_utf8()
        })
    }

    /// Keeps account of what a parser with GitHub's extensions makes a link of its own accord: all
    /// up to a space or an angle bracket.
    fn follow_address(&mut self, at: usize, c: char) {
        let begins = |scheme: &str| self.text.as_bytes()[at..].starts_with(scheme.as_bytes());
        if c.is_whitespace() {
            self.in_bare_address = false;
        } else if c == ':' && begins("://") || c == 'w' && begins("www.") {
            self.in_bare_address = true;
        }
    }

    /// Writes the parentheses around a reference when their places come.
    fn parenthesis(&mut self, at: usize) {
        let Some(reference) = &mut self.reference else { return };
        if !reference.opened && reference.start <= at {
            reference.opened = true;
            self.out.push('(');
        }
        if reference.end <= at {
            self.out.push(')');
            self.reference = None;
        }
    }

    /// Notes a change and writes what replaces so many bytes of the text.
    fn replace(&mut self, kind: Kind, length: usize, by: &str) -> usize {
        self.notes.count(kind, 1);
        self.out.push_str(by);
        length
    }

    /// A space behind the at sign; in a web address `%40`, so that the address still leads there.
    ///
    /// GitHub takes `@` and a letter or digit for a mention where no word character (`\w`, which is
    /// ASCII in Ruby) stands before it (html-pipeline's `MentionFilter`), GitLab a dot or an
    /// underscore, too (`User.reference_pattern`). Markup between the two is not trusted.
    fn mention(&mut self, at: usize) -> Option<usize> {
        let mut name = self.text[at + 1..].chars();
        let begins = name.next().is_some_and(|c| match c {
            '.' => name.next().is_some_and(|c| !c.is_whitespace()),
            _ => c.is_alphanumeric() || "_\\*~`[<".contains(c),
        });
        if !begins || is_mail_address(&self.text[..at]) {
            return None;
        }
        Some(self.replace(Kind::Mention, 1, if at < self.address_end { "%40" } else { "@ " }))
    }

    /// Jira's mention in wiki markup, `[~accountid:…]`, also with markup between.
    fn jira_mention(&mut self, at: usize) -> Option<usize> {
        let name = self.text[at + 1..].trim_start_matches(['\\', '*', '_', '`']);
        let is_mention = self.dialect == Dialect::Jira && name.starts_with('~');
        is_mention.then(|| self.replace(Kind::Mention, 1, "[ "))
    }

    /// A backslash before what begins a tag, a comment, a declaration, an instruction (`CommonMark`
    /// 6.6), or a target in angle brackets that only pretends to be an address.
    fn markup(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let opens = |c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?');
        let is_markup = rest[1..].starts_with(opens) || target::is_target(&self.text[..at]);
        if !is_markup || self.is_escaped(at) || target::is_autolink(rest) {
            return None;
        }
        Some(self.escape(Kind::Html, '<'))
    }

    /// A backslash before a reference that spells a plain character, which could complete anything
    /// that is broken here (`&#64;name`), or a hidden one. `&lt;` and its like are harmless.
    fn entity(&mut self, at: usize) -> Option<usize> {
        let end = self.text[at..].bytes().take(ENTITY).position(|byte| byte == b';')?;
        let entity = &self.text[at..=at + end];
        if !is_active_entity(entity) || self.is_escaped(at) {
            return None;
        }
        Some(self.escape(Kind::Entity, '&'))
    }

    /// An image becomes a link that says so; after a letter, as in `vec![1]`, the bracket is broken.
    fn image(&mut self, at: usize) -> Option<usize> {
        let rest = &self.text[at..];
        let is_wiki = rest.starts_with("![["); // GitLab's wiki links show images, too.
        let is_image = rest.starts_with("![") && at < self.images_end;
        if !(is_image || is_wiki) || self.is_escaped(at) {
            return None;
        }
        let is_macro = self.text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '#');
        Some(self.replace(Kind::Image, 2, if is_macro { "!\\[" } else { "[image: " }))
    }

    /// A letter: it may begin an address, a scheme, a closing keyword.
    fn word(&mut self, at: usize) -> Option<usize> {
        let (before, rest) = self.text.split_at(at);
        if at >= self.address_end
            && let Some(length) = target::address(rest)
        {
            self.address_end = at + length;
        }
        if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return None;
        }
        if let Some(length) = target::active_scheme(before, rest) {
            let scheme = format!("{} ", &rest[..length]);
            return Some(self.replace(Kind::Target, length, &scheme));
        }
        if self.reference.is_none()
            && let Some((start, end)) = closing::reference(before, rest, self.dialect)
            && at + start >= self.address_end
        {
            self.notes.count(Kind::ClosingKeyword, 1);
            self.reference = Some(Reference { start: at + start, end: at + end, opened: false });
        }
        None
    }

    /// A backslash before a character; behind a bare web address with a space before it, since the
    /// address would take the backslash for a part of itself and leave the character unescaped
    /// (GFM 6.9, extended autolinks).
    fn escape(&mut self, kind: Kind, c: char) -> usize {
        let space = if self.in_bare_address { " " } else { "" };
        self.replace(kind, c.len_utf8(), &format!("{space}\\{c}"))
    }

    /// Whether an odd number of backslashes stands before a place, none of them in an address.
    fn is_escaped(&self, at: usize) -> bool {
        let before = &self.text[..at];
        let backslashes = before.len() - before.trim_end_matches('\\').len();
        backslashes % 2 == 1 && !self.in_bare_address
    }
}

/// Whether what stands before an at sign makes a mail address of it rather than a mention.
///
/// An underscore does not: emphasis ends with it. Nor does what trackers make a link of, after
/// which a new piece of text begins with the at sign: `#1`, `GH-1`, a commit, a mail address.
fn is_mail_address(before: &str) -> bool {
    let name = |c: char| c.is_ascii_alphanumeric();
    let head = before.trim_end_matches(name);
    let run = &before[head.len()..];
    let all_digits = run.bytes().all(|byte| byte.is_ascii_digit());
    let key = head.get(head.len().saturating_sub(3)..).unwrap_or_default();
    let is_key = ["GH-", "GL-"].iter().any(|known| key.eq_ignore_ascii_case(known));
    let is_reference = all_digits && (head.ends_with(['#', '!']) || is_key);
    let is_commit = (7..=40).contains(&run.len())
        && run.bytes().all(|byte| byte.is_ascii_hexdigit())
        && run.bytes().any(|byte| byte.is_ascii_digit());
    let local = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let is_second = before.trim_end_matches(local).ends_with('@');
    !run.is_empty() && !is_reference && !is_commit && !is_second
}

/// The longest name of HTML's character references has 31 letters; a number may have zeros.
const ENTITY: usize = 64;

fn is_active_entity(entity: &str) -> bool {
    let inner = &entity[1..entity.len() - 1];
    let name = inner.strip_prefix('#').unwrap_or(inner);
    let is_entity = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let spelled = if !is_entity {
        None
    } else if inner.starts_with('#') {
        numbered(name).map(String::from)
    } else {
        named(entity)
    };
    let harmless = |c: char| !c.is_ascii() || "&\"'<>|*`\\{}".contains(c);
    spelled.is_some_and(|text| !text.chars().all(harmless) || visible(&text) != text)
}

/// The character of a number, decimal or hexadecimal.
fn numbered(number: &str) -> Option<char> {
    let value = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    char::from_u32(value.ok()?)
}

/// What a named reference stands for, by the table of the Markdown parser.
fn named(entity: &str) -> Option<String> {
    let words = Parser::new(entity).filter_map(|event| match event {
        Event::Text(text) => Some(text.into_string()),
        _ => None,
    });
    let text: String = words.collect();
    (text != entity).then_some(text)
}

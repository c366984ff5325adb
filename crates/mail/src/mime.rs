//! The parts of any message (RFC 2046), read with bounded depth and number. mail-parser reads the
//! fields and decodes; the walk is our own, because that library's walk nests as deep as the
//! message says, and dropping what it made of a hostile message overflows the stack.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::LazyLock;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::html::html_to_text;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;
use mail_parser::{Message, MessageParser, MimeHeaders};

/// How deep parts may lie in each other; what is deeper is one file.
const DEPTH: usize = 16;
/// The most parts that are read.
const PARTS: usize = 2_000;

static PARSER: LazyLock<MessageParser> = LazyLock::new(MessageParser::default);

/// A message: its own fields, and the parts that hold something.
#[derive(Debug, Default)]
pub(crate) struct Mime<'x> {
    /// Only the fields of it; `None` where there are none.
    pub(crate) header: Option<Message<'x>>,
    pub(crate) leaves: Vec<Leaf<'x>>,
    /// What could not be read as it is said to be, in words.
    pub(crate) defects: Vec<&'static str>,
}

/// A part that has no parts.
#[derive(Debug)]
pub(crate) struct Leaf<'x> {
    /// `type/subtype` in lower case.
    pub(crate) kind: String,
    /// As the part has it.
    pub(crate) name: Option<String>,
    pub(crate) charset: Option<String>,
    /// Decoded.
    pub(crate) content: Cow<'x, [u8]>,
    pub(crate) is_attachment: bool,
    /// Whether another part says the same in another form.
    in_alternative: bool,
}

impl<'x> Mime<'x> {
    pub(crate) fn of(bytes: &'x [u8]) -> Self {
        let mut mime = Self::default();
        let (header, body) = split(bytes);
        mime.header = PARSER.parse_headers(header);
        let fields = mime.header.take();
        mime.walk(fields.as_ref(), body, &Place::default());
        mime.header = fields;
        mime
    }

    fn walk(&mut self, fields: Option<&Message<'_>>, body: &'x [u8], place: &Place) {
        if self.leaves.len() == PARTS {
            return self.note("only the first 2000 parts are read");
        }
        let said = fields.and_then(|fields| fields.content_type());
        let kind = said.map_or_else(
            || if place.in_digest { "message/rfc822" } else { "text/plain" }.to_owned(),
            |said| format!("{}/{}", said.ctype(), said.subtype().unwrap_or_default()),
        );
        let kind = kind.to_ascii_lowercase();
        let boundary = said
            .filter(|_| kind.starts_with("multipart/"))
            .and_then(|said| said.attribute("boundary"));
        if kind.starts_with("multipart/") {
            let sections = boundary.map(|boundary| sections(body, boundary.as_bytes()));
            match sections {
                Some(sections) if place.depth == DEPTH && !sections.is_empty() => {
                    self.note("its parts lie too deep in each other");
                }
                Some(sections) if !sections.is_empty() => {
                    let below = Place {
                        depth: place.depth + 1,
                        in_digest: kind == "multipart/digest",
                        in_alternative: place.in_alternative || kind == "multipart/alternative",
                    };
                    for section in sections {
                        let (header, body) = split(section);
                        self.walk(PARSER.parse_headers(header).as_ref(), body, &below);
                    }
                    return;
                }
                _ => self.note("a part says that it has parts, but has none"),
            }
        }
        let leaf = self.leaf(fields, kind, body, place);
        self.leaves.push(leaf);
    }

    fn leaf(
        &mut self,
        fields: Option<&Message<'_>>,
        kind: String,
        body: &'x [u8],
        place: &Place,
    ) -> Leaf<'x> {
        let encoding = fields.and_then(MimeHeaders::content_transfer_encoding).unwrap_or_default();
        let content = match encoding.trim().to_ascii_lowercase().as_str() {
            "base64" => base64_decode(body).map(Cow::Owned),
            "quoted-printable" => quoted_printable_decode(body).map(Cow::Owned),
            "" | "7bit" | "8bit" | "binary" => Some(Cow::Borrowed(body)),
            _ => None,
        };
        let content = content.unwrap_or_else(|| {
            self.note("a part of it is not encoded as it says");
            Cow::Borrowed(body)
        });
        let name = fields.and_then(MimeHeaders::attachment_name).map(str::to_owned);
        let charset =
            fields.and_then(MimeHeaders::content_type).and_then(|said| said.attribute("charset"));
        let disposition = fields.and_then(MimeHeaders::content_disposition);
        let is_inline = disposition.is_none_or(mail_parser::ContentType::is_inline);
        let is_attachment =
            !is_inline || name.is_some() || !matches!(&*kind, "text/plain" | "text/html");
        let charset = charset.map(str::to_owned);
        Leaf { kind, name, charset, content, is_attachment, in_alternative: place.in_alternative }
    }

    fn note(&mut self, defect: &'static str) {
        if !self.defects.contains(&defect) {
            self.defects.push(defect);
        }
    }

    /// What it says: its plain text; of HTML what is left without the tags where there is no other.
    pub(crate) fn text(&self) -> String {
        let plain = self.shown("text/plain");
        let shown = if plain.is_empty() { self.shown("text/html") } else { plain };
        let texts: Vec<String> = shown.into_iter().map(Leaf::text).collect();
        texts.join("\n")
    }

    fn shown(&self, kind: &str) -> Vec<&Leaf<'x>> {
        self.leaves.iter().filter(|leaf| !leaf.is_attachment && leaf.kind == kind).collect()
    }

    /// Everything that [`Mime::text`] does not say.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Leaf<'x>> {
        let has_plain = !self.shown("text/plain").is_empty();
        self.leaves.iter().filter(move |leaf| {
            leaf.is_attachment || leaf.kind == "text/html" && has_plain && !leaf.in_alternative
        })
    }
}

/// Where a part lies.
#[derive(Default)]
struct Place {
    depth: usize,
    in_digest: bool,
    in_alternative: bool,
}

impl Leaf<'_> {
    fn text(&self) -> String {
        let charset = self.charset.as_deref().unwrap_or_default();
        let text = match charset_decoder(charset.as_bytes()).filter(|_| !charset.is_empty()) {
            Some(decode) => decode(&self.content),
            None => String::from_utf8_lossy(&self.content).into_owned(),
        };
        if self.kind == "text/html" { html_to_text(&text) } else { text }
    }
}

/// The header with its line ends, and what follows the empty line.
pub(crate) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let after = end + line.len();
        if matches!(line, b"\n" | b"\r\n") {
            return (&bytes[..end], &bytes[after..]);
        }
        end = after;
    }
    (bytes, &[])
}

/// What lies between the lines of a boundary; the last part may lack its end.
fn sections<'x>(body: &'x [u8], boundary: &[u8]) -> Vec<&'x [u8]> {
    let mut sections = Vec::new();
    let mut start: Option<usize> = None;
    let mut at = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let rest = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary));
        let mark = rest.map(|rest| (rest.starts_with(b"--"), rest));
        let is_mark = mark.is_some_and(|(is_end, rest)| is_end || rest.trim_ascii().is_empty());
        if is_mark {
            if let Some(start) = start.take() {
                sections.push(without_line_end(&body[start..at]));
            }
            if mark.is_some_and(|(is_end, _)| is_end) || sections.len() > PARTS {
                return sections;
            }
            start = Some(at + line.len());
        }
        at += line.len();
    }
    sections.extend(start.map(|start| &body[start..]));
    sections
}

/// The line end before a boundary belongs to the boundary.
fn without_line_end(section: &[u8]) -> &[u8] {
    let section = section.strip_suffix(b"\n").unwrap_or(section);
    section.strip_suffix(b"\r").unwrap_or(section)
}

//! XML as a stream of few kinds of tokens, bounded: no entity but the five of XML is ever expanded,
//! a document type is skipped, and long texts and attributes lose their middle before they are
//! held.

mod trim;

use std::io::{self, BufReader, Read};
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use crate::report::FaultKind;
use trim::Trimmed;

/// One piece of a document. An empty element is a start and an end.
pub(crate) enum Token {
    /// An element begins.
    Start(Element),
    /// The element that began last ends.
    End,
    /// Text, with its references resolved.
    Text(String),
    /// A comment.
    Comment(String),
    /// The end of the input.
    Eof,
}

/// An element's name without its prefix, and its attributes.
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The attribute of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The names of its attributes.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.attributes.iter().map(|(name, _)| name.as_str())
    }

    /// The attribute of this name, if it says something.
    pub(crate) fn said(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }

    /// The attribute of this name, if it is a whole number.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        // Some write counts with a fraction, and some with commas.
        let value = self.said(name)?.replace(',', "");
        value.split('.').next()?.parse().ok()
    }
}

/// Why no more could be read.
pub(crate) struct Broken {
    pub(crate) kind: FaultKind,
    pub(crate) detail: String,
}

/// Reads tokens.
pub(crate) struct Xml<R: Read> {
    reader: Reader<BufReader<Trimmed<R>>>,
    buffer: Vec<u8>,
    depth: usize,
    most_depth: usize,
}

impl<R: Read> Xml<R> {
    /// Reads UTF-8; texts and attributes are held up to `text` bytes.
    pub(crate) fn new(input: R, text: usize, most_depth: usize) -> Self {
        let buffered = BufReader::with_capacity(64 << 10, Trimmed::new(input, text));
        let mut reader = Reader::from_reader(buffered);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), depth: 0, most_depth }
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token, Broken> {
        loop {
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer);
            let position = self.reader.buffer_position();
            match event {
                Ok(Event::Start(start)) => {
                    self.depth += 1;
                    if self.depth > self.most_depth {
                        let detail =
                            format!("elements lie deeper than {} in each other", self.most_depth);
                        return Err(Broken { kind: FaultKind::TooLarge, detail });
                    }
                    return element(&start).map(Token::Start).map_err(|why| broken(why, position));
                }
                Ok(Event::End(_)) => {
                    self.depth = self.depth.saturating_sub(1);
                    return Ok(Token::End);
                }
                Ok(Event::Text(text)) => return Ok(Token::Text(text.into_inner().into_owned())),
                Ok(Event::CData(text)) => return Ok(Token::Text(text.into_inner().into_owned())),
                Ok(Event::GeneralRef(reference)) => return Ok(Token::Text(resolved(&reference))),
                Ok(Event::Comment(text)) => {
                    return Ok(Token::Comment(text.into_inner().into_owned()));
                }
                Ok(Event::Eof) if self.depth > 0 => {
                    let detail = format!("it ends after {position} bytes within an element");
                    return Err(Broken { kind: FaultKind::Truncated, detail });
                }
                Ok(Event::Eof) => return Ok(Token::Eof),
                Ok(Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Empty(_)) => {}
                Err(error) => return Err(broken(error, position)),
            }
        }
    }
}

fn element(start: &BytesStart<'_>) -> Result<Element, Error> {
    let name = start.local_name().into_inner().to_owned();
    let mut attributes = Vec::new();
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(Error::from)?;
        let key = attribute.key.local_name().into_inner().to_owned();
        let value = match attribute.normalized_value(XmlVersion::default()) {
            Ok(value) => value.into_owned(),
            // What cannot be resolved stays as it is.
            Err(_) => attribute.value.into_owned(),
        };
        attributes.push((key, value));
    }
    Ok(Element { name, attributes })
}

/// The character that a reference stands for; one that stands for none stays as it is.
fn resolved(reference: &BytesRef<'_>) -> String {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => return character.to_string(),
        Err(_) => return char::REPLACEMENT_CHARACTER.to_string(),
        Ok(None) => {}
    }
    let name = reference.xml10_content();
    let text = match &*name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return format!("&{name};"),
    };
    text.to_owned()
}

fn broken(error: Error, position: u64) -> Broken {
    let kind = match &error {
        Error::Syntax(SyntaxError::UnclosedDoctype) => FaultKind::Unparsed,
        Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => {
            FaultKind::Truncated
        }
        Error::Io(error) if is_eof(error) => FaultKind::Truncated,
        _ => FaultKind::Unparsed,
    };
    Broken { kind, detail: format!("after {position} bytes: {error}") }
}

fn is_eof(error: &Arc<io::Error>) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

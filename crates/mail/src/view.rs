//! Any message as a person is shown it: ours before it leaves, what lies in a folder afterwards,
//! or what somebody hostile made. Every field is inert and bounded; what a mail client may read
//! otherwise is listed among the defects.

mod defects;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;

use contract::text::{hex, visible};
use mail_parser::{Addr, HeaderName, HeaderValue, Message};
use sha2::{Digest as _, Sha256};

use crate::address::Address;
use crate::inert;
use crate::message::MARKER;
use crate::mime::{Leaf, Mime};

/// The most addresses in a list, and the most files.
const MANY: usize = 500;
/// The longest line that is shown, in characters.
const LINE: usize = 1_000;
/// The longest text that is shown, in characters.
const TEXT: usize = 100_000;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Each address with its name, as [`Address::shown`] writes it where it is a proper one.
    pub(crate) from: Vec<String>,
    pub(crate) reply_to: Vec<String>,
    pub(crate) to: Vec<String>,
    pub(crate) cc: Vec<String>,
    pub(crate) bcc: Vec<String>,
    pub(crate) subject: String,
    /// As the field has it; empty if it has none.
    pub(crate) date: String,
    /// With angle brackets.
    pub(crate) message_id: Option<String>,
    pub(crate) in_reply_to: Vec<String>,
    pub(crate) references: Vec<String>,
    pub(crate) marker: Option<String>,
    /// The plain text; of HTML what is left without its tags.
    pub(crate) text: String,
    pub(crate) attachments: Vec<File>,
    /// What is wrong or doubtful with it, in words.
    pub(crate) defects: Vec<String>,
}

/// A file in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) mime: String,
    /// Decoded, in octets.
    pub(crate) size: usize,
    /// Of the decoded octets, in hexadecimal.
    pub(crate) sha256: String,
}

impl View {
    /// Reads any octets at all.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut view = Self { defects: defects::of(bytes), ..Self::default() };
        let mime = Mime::of(bytes);
        match &mime.header {
            Some(header) => view.read_header(header),
            None => view.defects.push("it has no header".into()),
        }
        view.read_text(&mime);
        view.read_files(&mime);
        view
    }

    fn read_header(&mut self, header: &Message<'_>) {
        self.read_people(header);
        self.subject = text_of(header.header("Subject"));
        self.date = header
            .date()
            .filter(|date| date.is_valid())
            .map(mail_parser::DateTime::to_rfc822)
            .unwrap_or_default();
        self.message_id = ids(header.header("Message-ID")).pop();
        self.in_reply_to = ids(header.header("In-Reply-To"));
        self.references = ids(header.header("References"));
        self.marker = header.header(MARKER).map(|value| text_of(Some(value)));
    }

    fn read_people(&mut self, message: &Message<'_>) {
        for (field, name) in [
            (&mut self.from, HeaderName::From),
            (&mut self.reply_to, HeaderName::ReplyTo),
            (&mut self.to, HeaderName::To),
            (&mut self.cc, HeaderName::Cc),
            (&mut self.bcc, HeaderName::Bcc),
        ] {
            let shown = name.as_str().to_owned();
            for value in message.header_values(name) {
                let Some(addresses) = value.as_address() else { continue };
                if addresses.as_group().is_some() {
                    self.defects.push(format!("{shown} holds a group"));
                }
                for addr in addresses.iter() {
                    if field.len() == MANY {
                        self.defects.push(format!("{shown} holds more than {MANY} addresses"));
                        break;
                    }
                    let (person, is_proper) = person(addr);
                    if !is_proper {
                        self.defects.push(format!("{shown} holds an unusual address"));
                    }
                    field.push(person);
                }
            }
        }
        self.defects.dedup();
    }

    fn read_text(&mut self, mime: &Mime<'_>) {
        let text = mime.text();
        let few: String = text.chars().take(TEXT + 1).collect();
        self.text = inert::cut(&visible(&few), TEXT);
        if few.len() < text.len() {
            self.defects.push(format!("only the first {TEXT} characters of its text are shown"));
        }
    }

    fn read_files(&mut self, mime: &Mime<'_>) {
        self.attachments = mime.files().take(MANY).map(File::of).collect();
        if mime.files().nth(MANY).is_some() {
            self.defects.push(format!("only the first {MANY} files are shown"));
        }
        self.defects.extend(mime.defects.iter().map(|&defect| defect.to_owned()));
    }
}

impl File {
    fn of(leaf: &Leaf<'_>) -> Self {
        Self {
            name: inert::short(leaf.name.as_deref().unwrap_or_default(), LINE),
            mime: inert::short(&leaf.kind, LINE),
            size: leaf.content.len(),
            sha256: hex(&Sha256::digest(&leaf.content)),
        }
    }
}

/// An address as a person is shown it, and whether it is one that we would write to.
fn person(addr: &Addr<'_>) -> (String, bool) {
    let (name, addr) = (addr.name().unwrap_or_default(), addr.address().unwrap_or_default());
    let said = match name {
        "" => addr.to_owned(),
        name => format!("\"{name}\" <{addr}>"),
    };
    match Address::parse(&said) {
        Ok(address) => (address.shown(), true),
        Err(_) => (inert::short(&said, LINE), false),
    }
}

fn text_of(value: Option<&HeaderValue<'_>>) -> String {
    let text = match value {
        Some(HeaderValue::Text(text)) => text.to_string(),
        Some(HeaderValue::TextList(texts)) => texts.join(" "),
        _ => String::new(),
    };
    inert::short(&text, LINE)
}

/// Message ids with their brackets.
fn ids(value: Option<&HeaderValue<'_>>) -> Vec<String> {
    let shown = |id: &str| format!("<{}>", inert::short(id, LINE));
    match value {
        Some(HeaderValue::Text(id)) => vec![shown(id)],
        Some(HeaderValue::TextList(ids)) => ids.iter().take(MANY).map(|id| shown(id)).collect(),
        _ => Vec::new(),
    }
}

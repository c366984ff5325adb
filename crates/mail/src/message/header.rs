//! The header fields of a message (RFC 5322, 3.6), in 7 bits (RFC 2047), in a fixed order.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lettre::address::AddressError;
use lettre::message::header::{self, Header, HeaderName, HeaderValue, Headers};
use lettre::message::{Mailbox, Mailboxes};

use super::{Letter, MARKER};
use crate::address::Address;

/// A word longer than this is encoded: lettre folds at spaces only.
const WORD: usize = 70;
/// The octets of text in one encoded word, so that a line of it stays below 76.
const CHUNK: usize = 42;

/// The fields but those of MIME; `bcc` is the whole `Bcc` field with its line end, or empty.
pub(super) struct Fields {
    pub(super) before: String,
    pub(super) bcc: String,
    pub(super) after: String,
}

impl Fields {
    pub(super) fn of(letter: &Letter) -> Result<Self, String> {
        let mut before = Headers::new();
        before.set(header::Date::new(letter.date));
        before.set(header::From::from(mailboxes(std::slice::from_ref(&letter.from))?));
        if let Some(reply_to) = &letter.reply_to {
            before.set(header::ReplyTo::from(mailboxes(std::slice::from_ref(reply_to))?));
        }
        set(&mut before, &letter.to, header::To::from)?;
        set(&mut before, &letter.cc, header::Cc::from)?;
        let mut bcc = Headers::new();
        set(&mut bcc, &letter.bcc, header::Bcc::from)?;
        let mut after = Headers::new();
        after.insert_raw(subject(&letter.subject));
        after.set(header::MessageId::from(letter.message_id.clone()));
        if !letter.in_reply_to.is_empty() {
            after.set(header::InReplyTo::from(letter.in_reply_to.join(" ")));
        }
        if !letter.references.is_empty() {
            after.set(header::References::from(letter.references.join(" ")));
        }
        let marker = HeaderName::new_from_ascii_str(MARKER);
        after.insert_raw(HeaderValue::new(marker, letter.marker.clone()));
        after.set(header::MIME_VERSION_1_0);
        Ok(Self { before: before.to_string(), bcc: bcc.to_string(), after: after.to_string() })
    }

    pub(super) fn len(&self) -> usize {
        self.before.len() + self.bcc.len() + self.after.len()
    }
}

/// Sets a field of recipients, if there are any.
fn set<H: Header>(
    headers: &mut Headers,
    addresses: &[Address],
    field: fn(Mailboxes) -> H,
) -> Result<(), String> {
    if !addresses.is_empty() {
        headers.set(field(mailboxes(addresses)?));
    }
    Ok(())
}

fn mailboxes(addresses: &[Address]) -> Result<Mailboxes, String> {
    let mailbox = |address: &Address| {
        let addr = lettre::Address::new(address.local(), address.domain())?;
        Ok(Mailbox::new(address.name().map(str::to_owned), addr))
    };
    let mailboxes: Result<Vec<_>, AddressError> = addresses.iter().map(mailbox).collect();
    mailboxes.map(Mailboxes::from).map_err(|why| format!("an address cannot be written: {why}."))
}

/// The subject. What looks like an encoded word is encoded itself, so that it is read as it was
/// written.
fn subject(text: &str) -> HeaderValue {
    let name = header::Subject::name();
    let is_plain = text.is_ascii()
        && !text.contains("=?")
        && text.trim() == text
        && text.split(' ').all(|word| (1..=WORD).contains(&word.len()));
    if is_plain {
        return HeaderValue::new(name, text.to_owned());
    }
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (chunk, tail) = rest.split_at(rest.floor_char_boundary(CHUNK));
        words.push(format!("=?utf-8?b?{}?=", BASE64_STANDARD.encode(chunk)));
        rest = tail;
    }
    HeaderValue::dangerous_new_pre_encoded(name, text.to_owned(), words.join("\r\n "))
}

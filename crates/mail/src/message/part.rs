//! The parts of a message: text and HTML as alternatives (RFC 2046), files beside them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use contract::text::{hex, visible};
use lettre::message::Body as Encoded;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType, Headers};
use sha2::{Digest as _, Sha256};

use super::{Attachment, Letter};
use crate::{html, quote};

/// The octets in one line of base64, and the characters they become (RFC 2045, 6.8).
const LINE: (usize, usize) = (57, 76);
/// How many lines of base64 are encoded at a time.
const LINES: usize = 64;

/// Everything below the other header fields, but the files.
pub(super) struct Body<'a> {
    /// The fields of the message as a whole, up to the first file.
    head: Vec<u8>,
    /// Each file, and what stands before it.
    files: Vec<(String, &'a [u8])>,
    /// What stands at the end.
    tail: String,
    length: usize,
}

impl<'a> Body<'a> {
    pub(super) fn of(letter: &'a Letter) -> Result<Self, String> {
        let (outer, inner) = (boundary("mixed", letter), boundary("alternative", letter));
        let mut head = Vec::new();
        if !letter.attachments.is_empty() {
            let kind = multipart("mixed", &outer);
            head.extend_from_slice(format!("{kind}\r\n--{outer}\r\n").as_bytes());
        }
        head.extend_from_slice(multipart("alternative", &inner).as_bytes());
        for (kind, text) in
            [(ContentType::TEXT_PLAIN, plain(letter)), (ContentType::TEXT_HTML, rich(letter))]
        {
            head.extend_from_slice(format!("\r\n--{inner}\r\n").as_bytes());
            written(kind, text, &mut head)?;
        }
        head.extend_from_slice(format!("\r\n--{inner}--\r\n").as_bytes());
        let mut files = Vec::with_capacity(letter.attachments.len());
        for file in &letter.attachments {
            files.push((format!("\r\n--{outer}\r\n{}\r\n", fields(file)?), &*file.bytes));
        }
        let tail = if files.is_empty() { String::new() } else { format!("\r\n--{outer}--\r\n") };
        let written: usize =
            files.iter().map(|(before, file)| before.len() + base64_len(file.len())).sum();
        let length = head.len() + written + tail.len();
        Ok(Self { head, files, tail, length })
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        for (before, file) in &self.files {
            out.extend_from_slice(before.as_bytes());
            base64(file, out);
        }
        out.extend_from_slice(self.tail.as_bytes());
    }
}

/// A boundary that no part can hold: every part is in base64 or quoted-printable, where `=_` does
/// not occur.
fn boundary(kind: &str, letter: &Letter) -> String {
    let hash = Sha256::digest(format!("{kind} {}", letter.marker));
    format!("=_{}", hex(&hash[..16]))
}

fn multipart(kind: &str, boundary: &str) -> String {
    format!("Content-Type: multipart/{kind};\r\n boundary=\"{boundary}\"\r\n")
}

/// The Markdown as it was written, what it answers, and the signature (RFC 3676, 4.3).
fn plain(letter: &Letter) -> String {
    let mut text = visible(&letter.markdown).trim_end().to_owned() + "\n";
    if let Some(quoted) = &letter.quoted {
        text += &format!("\n{}\n{}", quoted.line, quote::marked(&quoted.text));
    }
    if let Some(signature) = &letter.signature {
        text += &format!("\n-- \n{}\n", visible(signature).trim_end());
    }
    text
}

fn rich(letter: &Letter) -> String {
    let quoted = letter.quoted.as_ref().map(|quoted| (quoted.line.as_str(), quoted.text.as_str()));
    html::page(&letter.markdown, quoted, letter.signature.as_deref())
}

/// One part of text. It is never left unencoded: that keeps its lines short, its last spaces in
/// place, and the boundaries out of it.
fn written(kind: ContentType, text: String, out: &mut Vec<u8>) -> Result<(), String> {
    let foreign = text.bytes().filter(|byte| !byte.is_ascii()).count();
    let encoding = if foreign * 5 > text.len() {
        ContentTransferEncoding::Base64
    } else {
        ContentTransferEncoding::QuotedPrintable
    };
    let body = Encoded::new_with_encoding(text, encoding)
        .map_err(|_| "body: it cannot be encoded.".to_owned())?;
    let mut fields = Headers::new();
    fields.set(kind);
    fields.set(encoding);
    out.extend_from_slice(format!("{fields}\r\n").as_bytes());
    out.extend_from_slice(body.as_ref());
    Ok(())
}

/// The fields of a file.
fn fields(file: &Attachment) -> Result<String, String> {
    let kind = ContentType::parse(&file.mime)
        .map_err(|_| format!("attachment `{}`: `{}` is no media type.", file.name, file.mime))?;
    let mut fields = Headers::new();
    fields.set(kind);
    fields.set(ContentTransferEncoding::Base64);
    fields.set(ContentDisposition::attachment(&file.name));
    Ok(fields.to_string())
}

fn base64_len(octets: usize) -> usize {
    let chars = octets.div_ceil(3) * 4;
    chars + 2 * chars.saturating_sub(1).div_euclid(LINE.1)
}

/// Base64 in lines, straight into the message.
fn base64(bytes: &[u8], out: &mut Vec<u8>) {
    let mut encoded = [0; LINE.1 * LINES];
    let mut is_first = true;
    for block in bytes.chunks(LINE.0 * LINES) {
        let count = BASE64_STANDARD
            .encode_slice(block, &mut encoded)
            .expect("the buffer holds a whole block");
        for line in encoded[..count].chunks(LINE.1) {
            if !std::mem::take(&mut is_first) {
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(line);
        }
    }
}

//! What may stand in a header field, before lettre sees it: its path for display names panics on
//! line ends, and other fields carry them through encoded.

use std::time::SystemTime;

use super::{Attachment, Letter};
use crate::inert;

/// The longest subject, in characters.
const SUBJECT: usize = 250;
/// The most recipients.
const RECIPIENTS: usize = 200;
/// The longest message id, in octets.
const ID: usize = 250;
/// The longest file name, in octets.
const NAME: usize = 200;
/// The first second of the year 10000 since 1970, which has no form in a `Date` field.
const END: u64 = 253_402_300_800;

pub(super) fn letter(letter: &Letter) -> Result<(), String> {
    let count = letter.to.len() + letter.cc.len() + letter.bcc.len();
    if !(1..=RECIPIENTS).contains(&count) {
        return Err(format!("to: a mail has 1 to {RECIPIENTS} recipients, not {count}."));
    }
    subject(&letter.subject)?;
    if !is_id(&letter.message_id) {
        return Err("message id: write <letters@domain>.".into());
    }
    let mut known = letter.in_reply_to.iter().chain(&letter.references);
    if let Some(bad) = known.find(|id| !is_id(id)) {
        return Err(format!("references: `{}` is no message id.", inert::short(bad, 80)));
    }
    let is_plain = |marker: &str| marker.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if !(1..=64).contains(&letter.marker.len()) || !is_plain(&letter.marker) {
        return Err("marker: 1 to 64 letters and digits.".into());
    }
    match letter.date.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) if since.as_secs() < END => {}
        _ => return Err("date: it lies outside of the years 1970 to 9999.".into()),
    }
    letter.attachments.iter().try_for_each(attachment)
}

fn subject(subject: &str) -> Result<(), String> {
    if subject.trim().is_empty() {
        return Err("subject: write one.".into());
    }
    if !inert::is_line(subject) {
        return Err("subject: it holds control or hidden characters; write one plain line.".into());
    }
    if subject.chars().count() > SUBJECT {
        return Err(format!("subject: at most {SUBJECT} characters."));
    }
    Ok(())
}

/// Whether it is a message id that every server and client carries unchanged.
pub(crate) fn is_id(id: &str) -> bool {
    let inner = id.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    inner.is_some_and(|inner| {
        (1..=ID).contains(&inner.len())
            && inner.bytes().all(|c| c.is_ascii_graphic() && !b"<>".contains(&c))
    })
}

fn attachment(file: &Attachment) -> Result<(), String> {
    file_name(&file.name)
        .map_err(|why| format!("attachment `{}`: {why}.", inert::short(&file.name, 80)))?;
    let token = |text: &str| {
        (1..=80).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&c))
    };
    let Some((main, sub)) = file.mime.split_once('/').filter(|(a, b)| token(a) && token(b)) else {
        let shown = inert::short(&file.mime, 80);
        return Err(format!("attachment `{}`: `{shown}` is no media type.", file.name));
    };
    if ["message", "multipart"].iter().any(|composite| main.eq_ignore_ascii_case(composite)) {
        let message = format!(
            "attachment `{}`: {main}/{sub} would be read as a part of the mail; attach it as \
             application/octet-stream.",
            file.name
        );
        return Err(message);
    }
    Ok(())
}

/// A name that no client reads as another, and that no system takes for a path or a device.
fn file_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > NAME {
        return Err("its name must have 1 to 200 octets");
    }
    if !inert::is_line(name) {
        return Err("its name holds control or hidden characters");
    }
    if name.contains(['/', '\\', ':', '*', '?', '"', '<', '>', '|', '\u{2044}', '\u{2215}']) {
        return Err("its name holds one of / \\ : * ? \" < > |");
    }
    if name.starts_with(['.', ' ', '-', '~']) || name.ends_with(['.', ' ']) {
        return Err("its name begins with . - ~ or a space, or ends with a dot or a space");
    }
    // Some clients decode these although the standards have them written otherwise.
    if name.contains("=?") || name.contains("''") {
        return Err("its name looks encoded (=? or '')");
    }
    let is_escape = |three: &[u8]| {
        three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit()
    };
    if name.as_bytes().windows(3).any(is_escape) {
        return Err("its name looks encoded (% and two digits)");
    }
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_uppercase();
    let numbered = |device: &str| {
        stem.strip_prefix(device)
            .is_some_and(|n| n.len() == 1 && n.bytes().all(|c| c.is_ascii_digit()))
    };
    if ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) || numbered("COM") || numbered("LPT") {
        return Err("its name is that of a device");
    }
    Ok(())
}

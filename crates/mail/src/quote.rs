//! What a reply answers: who wrote when, the thread, and the words. It yields no recipients: the
//! fields `From`, `Reply-To`, `To` and `Cc` of the original are never read for sending.

#[cfg(test)]
mod tests;

use contract::text::visible;
use mail_parser::{DateTime, HeaderValue, Message};

use crate::inert;
use crate::message::is_id;
use crate::mime::Mime;

/// The most characters of the original that are quoted.
const TEXT: usize = 10_000;
/// The longest subject, with its `Re: `, in characters.
const SUBJECT: usize = 200;
/// The most message ids in a chain, and the most octets.
const CHAIN: (usize, usize) = (20, 998);
/// The longest name in the line above the words, in characters.
const NAME: usize = 80;

/// A message that is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// Its id with angle brackets, if it has a proper one: for `In-Reply-To`.
    pub(crate) message_id: Option<String>,
    /// The thread up to and with it: for `References`.
    pub(crate) references: Vec<String>,
    /// With one `Re: ` in front.
    pub(crate) subject: String,
    /// `On 2026-11-22 09:30 +0100, Jane wrote:`
    pub(crate) line: String,
    /// Its words, inert, without marks of quotation.
    pub(crate) text: String,
}

impl Quoted {
    /// Reads a message as it lies on a server.
    pub(crate) fn of(original: &[u8]) -> Result<Self, String> {
        let mime = Mime::of(original);
        let message = mime
            .header
            .as_ref()
            .ok_or("the message that is answered cannot be read; write a new mail instead.")?;
        let message_id = ids(message.header("Message-ID")).pop();
        let mut references = ids(message.header("References"));
        if references.is_empty() {
            references = ids(message.header("In-Reply-To"));
            references.truncate(1);
        }
        references.extend(message_id.clone());
        Ok(Self {
            message_id,
            references: chain(references),
            subject: reply(message.subject().unwrap_or_default()),
            line: line(message),
            text: text(&mime),
        })
    }
}

/// The words with a mark before each line (RFC 3676, 4.5).
pub(crate) fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 16 + 3);
    for line in text.lines() {
        // A quotation of a quotation is marked as mail readers expect: `>> `.
        out.push_str(if line.starts_with('>') || line.is_empty() { ">" } else { "> " });
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The proper message ids of a field.
fn ids(field: Option<&HeaderValue<'_>>) -> Vec<String> {
    let bare: Vec<&str> = match field {
        Some(HeaderValue::Text(id)) => vec![id],
        Some(HeaderValue::TextList(ids)) => ids.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    bare.into_iter().map(|id| format!("<{id}>")).filter(|id| is_id(id)).collect()
}

/// Each id once; where there are too many, the first and the last remain (RFC 5322, 3.6.4).
fn chain(ids: Vec<String>) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    // The last mention counts: the message itself stays at the end.
    for id in ids.into_iter().rev() {
        if !chain.contains(&id) {
            chain.push(id);
        }
        // A field of any length costs no more than this.
        if chain.len() == 4 * CHAIN.0 {
            break;
        }
    }
    chain.reverse();
    let octets = |chain: &[String]| chain.iter().map(|id| id.len() + 1).sum::<usize>();
    while chain.len() > CHAIN.0 || octets(&chain) + "References:".len() > CHAIN.1 {
        chain.remove(usize::from(chain.len() > 2));
    }
    chain
}

/// The subject with one `Re: `, whatever the programs before us put there.
fn reply(subject: &str) -> String {
    let subject = inert::line(subject);
    let mut rest = subject.as_str();
    while let Some(shorter) = without_mark(rest) {
        rest = shorter;
    }
    let rest = if rest.is_empty() { "(no subject)" } else { rest };
    inert::cut(&format!("Re: {rest}"), SUBJECT)
}

/// `Re:`, `RE[2]:`, `AW:` and their like, taken off.
fn without_mark(subject: &str) -> Option<&str> {
    let (mark, rest) = subject.split_once(':')?;
    let word = mark.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '[' | ']' | ' '));
    let known = ["re", "aw", "antw", "sv", "vs", "odp"];
    known.iter().any(|known| word.eq_ignore_ascii_case(known)).then(|| rest.trim_start())
}

/// `On 2026-11-22 09:30 +0100, Jane wrote:`
fn line(message: &Message<'_>) -> String {
    let from = message.from().and_then(|from| from.first());
    let name =
        from.and_then(|from| from.name().filter(|name| !name.trim().is_empty()).or(from.address()));
    let name = inert::short(name.unwrap_or_default(), NAME);
    let name = if name.is_empty() { "somebody" } else { &name };
    match message.date().filter(|date| date.is_valid()) {
        Some(date) => format!("On {}, {name} wrote:", written(date)),
        None => format!("{name} wrote:"),
    }
}

fn written(date: &DateTime) -> String {
    let sign = if date.tz_before_gmt { '-' } else { '+' };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} {sign}{:02}{:02}",
        date.year, date.month, date.day, date.hour, date.minute, date.tz_hour, date.tz_minute
    )
}

/// The plain text; where there is none, what is left of the HTML.
fn text(mime: &Mime<'_>) -> String {
    let text = mime.text();
    // Line ends take two octets there and one here; what is hidden takes more here.
    let (few, more) =
        text.split_at(text.char_indices().nth(2 * TEXT).map_or(text.len(), |(at, _)| at));
    let inert = visible(few);
    let lines: Vec<&str> = inert.trim_matches('\n').lines().map(str::trim_end).collect();
    let joined = lines.join("\n");
    let cut = inert::cut(&joined, TEXT);
    if cut.len() == joined.len() && more.trim().is_empty() { cut } else { format!("{cut}\n[…]") }
}

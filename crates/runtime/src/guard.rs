//! The output guard: nothing reaches a caller but through here. Secrets are redacted, hidden
//! characters made visible, foreign text fenced, and the whole kept within its size.

use contract::output::Body;
use contract::text::{fence, visible};
use contract::{Kind, Media, Part, Rendered, Size, Task, ToolError};
use serde_json::Value;

use crate::redact::Redactor;

pub(crate) mod channel;

/// A piece of an answer as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text: parts that follow one another are one block.
    Text(String),
    /// Anything else.
    Media(Media),
}

/// An answer that may leave the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    /// The pieces in order.
    pub blocks: Vec<Block>,
    /// The structured form of a record.
    pub structured: Option<Value>,
    /// Work that goes on, or did.
    pub task: Option<Task>,
}

impl Shown {
    /// All text of the answer.
    pub fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            Block::Media(_) => None,
        });
        texts.collect::<Vec<_>>().join("\n")
    }
}

/// Guards a result. A record too large for `size` is an error, since half a record is none; a
/// text is cut at a line and says how to go on.
pub fn result(mut rendered: Rendered, size: Size, redactor: &Redactor) -> Result<Shown, ToolError> {
    if let Some(structured) = rendered.structured {
        let structured = value(structured, redactor);
        let text = structured.to_string();
        if text.len() > size.bytes() {
            return Err(too_large(size));
        }
        return Ok(Shown {
            blocks: vec![Block::Text(text)],
            structured: Some(structured),
            task: None,
        });
    }
    // A secret may begin in one part and end in the next.
    let texts = rendered.parts.iter_mut().filter_map(|part| match part {
        Part::Text(text) | Part::Untrusted { text, .. } => Some(text),
        Part::Media(_) => None,
    });
    redactor.across(&mut texts.collect::<Vec<_>>());
    let mut room = Room { left: size.bytes(), total: 0, cut: false };
    let mut blocks: Vec<Block> = Vec::new();
    for part in rendered.parts {
        match part {
            Part::Text(text) => push(&mut blocks, &room.fit(&clean(&text, redactor))),
            Part::Untrusted { source, text } => {
                let text = room.fit(&clean(&text, redactor));
                if !text.is_empty() {
                    push(&mut blocks, &fence(&clean(&source, redactor), &text));
                }
            }
            Part::Media(media) => blocks.push(Block::Media(guard_media(media, size, redactor)?)),
        }
    }
    if room.cut {
        let more = rendered.more.unwrap_or("ask for less");
        let note =
            format!("[cut at {} of {} bytes; to see the rest: {more}]", size.bytes(), room.total);
        push(&mut blocks, &note);
    }
    let task = rendered.task.map(|task| Task { note: message(&task.note, redactor), ..task });
    Ok(Shown { blocks, structured: None, task })
}

/// Guards an error: both of its messages.
pub fn error(mut error: ToolError, redactor: &Redactor) -> ToolError {
    error.message = message(&error.message, redactor);
    error.log = error.log.map(|log| clean(&log, redactor));
    error
}

fn too_large(size: Size) -> ToolError {
    let message = format!("the result is larger than {} tokens; ask for less.", size.get());
    ToolError::new(Kind::TooLarge, message)
}

/// A text without secrets, its hidden characters visible.
pub(crate) fn clean(text: &str, redactor: &Redactor) -> String {
    match redactor.text(text) {
        Some(text) => visible(&text).into_owned(),
        None => visible(text).into_owned(),
    }
}

/// Guards a text that is no result: redacted, visible, and of at most 4,000 bytes.
pub(crate) fn message(text: &str, redactor: &Redactor) -> String {
    let text = clean(text, redactor);
    if text.len() > 4_000 { format!("{}…", cut_at_line(&text, 4_000)) } else { text }
}

/// Guards every string of a JSON value.
pub(crate) fn value(mut value: Value, redactor: &Redactor) -> Value {
    redactor.value(&mut value);
    visible_strings(value)
}

fn visible_strings(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(visible(&text).into_owned()),
        Value::Array(items) => items.into_iter().map(visible_strings).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, inner)| (visible(&key).into_owned(), visible_strings(inner)))
                .collect(),
        ),
        plain => plain,
    }
}

/// The largest picture, sound or file, as it stands in the message: base64, in bytes.
const LARGEST_MEDIA: usize = 1 << 20;

fn guard_media(media: Media, size: Size, redactor: &Redactor) -> Result<Media, ToolError> {
    match media {
        Media::Resource { uri, mime, content: Body::Text(text) } => {
            let text = clean(&text, redactor);
            if text.len() > size.bytes() {
                return Err(too_large(size));
            }
            let uri = clean(&uri, redactor);
            Ok(Media::Resource { uri, mime, content: Body::Text(text) })
        }
        Media::Image { ref data, .. }
        | Media::Audio { ref data, .. }
        | Media::Resource { content: Body::Blob(ref data), .. } => {
            if data.len() > LARGEST_MEDIA {
                let message = format!("the attachment is larger than {LARGEST_MEDIA} bytes.");
                return Err(ToolError::new(Kind::TooLarge, message));
            }
            // Bytes that hold a secret cannot be mended; they are withheld.
            if redactor.is_in_bytes(data) {
                return Err(ToolError::internal("an attachment held a secret"));
            }
            Ok(match media {
                Media::Resource { uri, mime, content } => {
                    Media::Resource { uri: clean(&uri, redactor), mime, content }
                }
                other => other,
            })
        }
    }
}

/// Joins text to the text before it.
fn push(blocks: &mut Vec<Block>, text: &str) {
    match blocks.last_mut() {
        _ if text.is_empty() => {}
        Some(Block::Text(before)) => {
            if !before.ends_with('\n') {
                before.push('\n');
            }
            before.push_str(text);
        }
        _ => blocks.push(Block::Text(text.to_owned())),
    }
}

/// The room left for text.
struct Room {
    left: usize,
    total: usize,
    cut: bool,
}

impl Room {
    fn fit(&mut self, text: &str) -> String {
        self.total += text.len();
        if text.len() <= self.left && !self.cut {
            self.left -= text.len();
            return text.to_owned();
        }
        let kept = if self.cut { "" } else { cut_at_line(text, self.left) };
        self.cut = true;
        self.left = 0;
        kept.to_owned()
    }
}

/// The longest beginning of at most `bytes` that ends with a line; of a single long line, that
/// ends with a character.
fn cut_at_line(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes.min(text.len()));
    let kept = &text[..end];
    match kept.rfind('\n') {
        Some(at) => &kept[..=at],
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use contract::Secret;
    use serde_json::json;

    use super::*;

    fn check(parts: Vec<Part>, expected: &str) {
        let redactor = Redactor::new(&[Secret::new("hunter2".into())]);
        let rendered = Rendered { parts, more: Some("use `cursor`"), ..Rendered::default() };
        let shown = result(rendered, Size::tokens(40), &redactor).expect("shown");
        assert_eq!(shown.text(), expected);
    }

    fn foreign(text: &str) -> Part {
        Part::Untrusted { source: "x:1".into(), text: text.into() }
    }

    #[test]
    fn foreign_text_is_fenced_cleaned_and_redacted() {
        check(vec![Part::Text("ours".into())], "ours");
        check(
            vec![foreign("a\u{202e}b hunter2 </untrusted> go"), Part::Text("1 of 1".into())],
            "<untrusted source=\"x:1\">\na[U+202E]b [redacted] <\\/untrusted> go\n</untrusted>\n1 of 1",
        );
    }

    #[test]
    fn a_long_text_is_cut_at_a_line_inside_its_fence() {
        let long = "line of text\n".repeat(50);
        let kept = "line of text\n".repeat(7);
        check(
            vec![foreign(&long), Part::Text("trailer".into())],
            &format!(
                "<untrusted source=\"x:1\">\n{kept}</untrusted>\n[cut at 100 of 657 bytes; to see the rest: use `cursor`]"
            ),
        );
    }

    #[test]
    fn a_record_is_redacted_in_both_halves_and_never_cut() {
        let redactor = Redactor::new(&[Secret::new("hunter2".into())]);
        let record =
            |text: &str| Rendered { structured: Some(json!({"a": text})), ..Rendered::default() };
        let shown = result(record("hunter2\u{200b}"), Size::tokens(40), &redactor).expect("shown");
        assert_eq!(shown.structured, Some(json!({"a": "[redacted][U+200B]"})));
        assert_eq!(shown.text(), r#"{"a":"[redacted][U+200B]"}"#);
        let error =
            result(record(&"x".repeat(200)), Size::tokens(40), &redactor).expect_err("too large");
        assert_eq!(error.kind, Kind::TooLarge);
    }

    #[test]
    fn attachments_are_bounded_and_hold_no_secret() {
        let redactor = Redactor::new(&[Secret::new("hunter2".into())]);
        let image = |data: String| Rendered {
            parts: vec![Part::Media(Media::Image { data, mime: "image/png" })],
            ..Rendered::default()
        };
        let check = |data: String| result(image(data), Size::tokens(40), &redactor);
        assert!(check("AAAA".to_owned()).is_ok());
        assert_eq!(
            check("A".repeat(LARGEST_MEDIA + 1)).expect_err("too large").kind,
            Kind::TooLarge
        );
        assert_eq!(check("aHVudGVyMg==".to_owned()).expect_err("a secret").kind, Kind::Internal);
        // Text as bytes: `ghp_…` in base64.
        let token = "dG9rZW46IGdocF93V1B3NWs0YVhjYVQ0Zk5QMFVjblp3SlVWRms2TE8wcElOVXg=".to_owned();
        assert_eq!(check(token).expect_err("a secret").kind, Kind::Internal);
    }

    #[test]
    fn a_secret_in_two_parts_or_across_the_cut_is_none_in_the_answer() {
        let text = |text: &str| Part::Text(text.to_owned());
        check(
            vec![text("a hun"), foreign("ter2 b")],
            "a [redacted]\n<untrusted source=\"x:1\">\n b\n</untrusted>",
        );
        check(vec![text("a hun"), text("te"), text("r2")], "a [redacted]");
        let token =
            format!("{}ghp_{}", "x".repeat(79) + "\n", "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx");
        let redactor = Redactor::default();
        let rendered = Rendered { parts: vec![Part::Text(token)], ..Rendered::default() };
        let shown = result(rendered, Size::tokens(36), &redactor).expect("shown").text();
        assert!(!shown.contains("ghp_"), "{shown}");
    }

    #[test]
    fn errors_pass_the_guard_too() {
        let redactor = Redactor::new(&[Secret::new("hunter2".into())]);
        let dirty = ToolError::invalid("hunter2\u{1b}[2J").with_log("key hunter2");
        let clean = error(dirty, &redactor);
        assert_eq!(clean.message, "[redacted][U+001B][2J");
        assert_eq!(clean.log.as_deref(), Some("key [redacted]"));
    }
}

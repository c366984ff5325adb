//! The inline part of a document: text with marks, line breaks, links.

use serde_json::{Value, json};

/// The longest address that is made a link; a longer one stays text.
const ADDRESS: usize = 2_000;

/// Which marks hold for the text that comes next.
#[derive(Default)]
pub(super) struct Marks {
    pub(super) strong: usize,
    pub(super) em: usize,
    pub(super) strike: usize,
    /// The targets of the links that are open; none for one that may not be a link.
    pub(super) links: Vec<Option<String>>,
}

impl Marks {
    /// The marks of ordinary text.
    fn of_text(&self) -> Vec<Value> {
        let simple = [("strong", self.strong), ("em", self.em), ("strike", self.strike)];
        let held = simple.into_iter().filter(|(_, count)| *count > 0);
        let marks = held.map(|(kind, _)| json!({"type": kind}));
        marks.chain(self.link()).collect()
    }

    /// The marks of code: none but a link may stand beside it.
    fn of_code(&self) -> Vec<Value> {
        std::iter::once(json!({"type": "code"})).chain(self.link()).collect()
    }

    fn link(&self) -> Option<Value> {
        self.links.iter().flatten().next_back().map(|target| link(target))
    }
}

fn link(target: &str) -> Value {
    json!({"type": "link", "attrs": {"href": target}})
}

/// Adds text; web addresses in it become links, as they do elsewhere.
pub(super) fn push_text(content: &mut Vec<Value>, text: &str, marks: &Marks) {
    if !marks.links.is_empty() {
        return push(content, text, marks.of_text());
    }
    let mut rest = text;
    while let Some(at) = rest.find("http") {
        let is_word = rest[..at].ends_with(|c: char| c.is_alphanumeric());
        let run = if is_word { None } else { address(&rest[at..]) };
        let (before, tail) = rest.split_at(if run.is_some() { at } else { at + 4 });
        push(content, before, marks.of_text());
        let (target, tail) = tail.split_at(run.unwrap_or_default());
        let mut linked = marks.of_text();
        if target.len() <= ADDRESS {
            linked.push(link(target));
        }
        push(content, target, linked);
        rest = tail;
    }
    push(content, rest, marks.of_text());
}

pub(super) fn push_code(content: &mut Vec<Value>, text: &str, marks: &Marks) {
    push(content, text, marks.of_code());
}

pub(super) fn push_break(content: &mut Vec<Value>) {
    content.push(json!({"type": "hardBreak"}));
}

/// Adds a text node, or lengthens the last one if it has the same marks: empty ones are not allowed.
pub(super) fn push(content: &mut Vec<Value>, text: &str, marks: Vec<Value>) {
    if text.is_empty() {
        return;
    }
    let marks = if marks.is_empty() { Value::Null } else { Value::Array(marks) };
    if let Some(last) = content.last_mut()
        && last["type"] == "text"
        && last.get("marks").unwrap_or(&Value::Null) == &marks
        && let Some(Value::String(before)) = last.get_mut("text")
    {
        before.push_str(text);
        return;
    }
    let mut node = json!({"type": "text", "text": text});
    if !marks.is_null() {
        node["marks"] = marks;
    }
    content.push(node);
}

/// Adds a node of another place.
pub(super) fn push_node(content: &mut Vec<Value>, node: &Value) {
    match node["text"].as_str() {
        Some(text) => push(content, text, node["marks"].as_array().cloned().unwrap_or_default()),
        None => content.push(node.clone()),
    }
}

/// The length of the web address at the start of a text, without the punctuation behind it.
fn address(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"].iter().find(|scheme| text.starts_with(**scheme))?;
    let is_end = |c: char| c.is_whitespace() || c.is_control() || "<>\"`|".contains(c);
    let mut address = &text[..text.find(is_end).unwrap_or(text.len())];
    let mut unopened = address.matches(')').count().saturating_sub(address.matches('(').count());
    loop {
        let trimmed = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '~']);
        if unopened == 0 || !trimmed.ends_with(')') {
            address = trimmed;
            break;
        }
        unopened -= 1;
        address = &trimmed[..trimmed.len() - 1];
    }
    (address.len() > scheme.len()).then_some(address.len())
}

/// A target that may be a link: `http`, `https` or `mailto`, printable, of a sane length.
pub(super) fn target(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once(':')?;
    let allowed =
        ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let is_plain = !text.chars().any(|c| c.is_whitespace() || c.is_control());
    (allowed && is_plain && !rest.is_empty() && text.len() <= ADDRESS).then(|| text.to_owned())
}

//! Redaction: no secret leaves the process. First the exact values of the secrets it holds, in
//! whatever common form they appear; then what looks like a secret of a known kind, whoever's it
//! is: gitleaks' rules as data (`data/gitleaks.toml`, MIT), and ours (`data/suite.toml`).
//!
//! What it does not do: it guesses no secret that has neither a known form nor a telling name, and
//! it follows none through an encoding but for the held ones. Where to start reading: [`Redactor`],
//! then `patterns` and `data/suite.toml`.

mod decode;
mod exact;
mod patterns;
mod rules;
mod walk;

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::Secret;
use serde_json::{Map, Value};

/// What stands where a held secret stood. Any other leaves `[redacted: <name of the rule>]`.
const MARK: &str = "[redacted]";

/// How often a text that held a secret is looked at again: taking one out can bring the two sides
/// of another together.
const ROUNDS: usize = 8;

/// The field of a record that holds the caller's own fields, whose names tell what they hold.
const ARGUMENTS: &str = "arguments";

/// Fields of a record that this product writes: digests, numbers and names out of its own
/// configuration. Only held secrets are looked for in them.
const TRUSTED: [&str; 14] = [
    "arguments_digest",
    "call",
    "event",
    "id",
    "identity",
    "level",
    "outcome",
    "policy",
    "principal",
    "result_digest",
    "server",
    "subject",
    "time",
    "tool_digest",
];

/// Fields that name what stands in the field [`VALUE`] beside them, as in lists of variables.
const NAMING: [&str; 2] = ["key", "name"];
const VALUE: &str = "value";

/// Replaces held secrets, and what looks like a secret.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    held: Option<exact::Held>,
}

/// Where a string stands.
#[derive(Clone, Copy, Default)]
struct Field<'a> {
    /// The name of its field, where that is the caller's.
    name: Option<&'a str>,
    /// Whether only held secrets are looked for.
    is_trusted: bool,
}

impl Redactor {
    /// Knows these secrets. Values under four bytes are left out: they would mark half of every
    /// text, and are soon guessed.
    pub fn new(secrets: &[Secret]) -> Self {
        Self { held: exact::Held::new(secrets.iter().map(Secret::expose)) }
    }

    /// The text without secrets; `None` where there are none.
    pub fn text(&self, text: &str) -> Option<String> {
        let mut clean = self.held(text);
        for _ in 0..ROUNDS {
            let Some(cleaner) = by_pattern(clean.as_deref().unwrap_or(text)) else { break };
            clean = Some(cleaner);
        }
        clean
    }

    /// Takes out what begins in one piece of a text and ends in another; what stands in one piece
    /// alone is [`Redactor::text`]'s.
    pub fn across(&self, pieces: &mut [&mut String]) {
        if pieces.len() > 1 {
            let whole: String = pieces.iter().map(|piece| piece.as_str()).collect();
            cut_out(pieces, &self.found(&whole));
        }
    }

    /// Whether bytes, as base64, hold a secret: a held one anywhere, or any where they are text.
    pub fn is_in_bytes(&self, base64: &str) -> bool {
        let bytes = || STANDARD.decode(base64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        self.held(base64).is_some() || bytes().is_some_and(|text| self.text(&text).is_some())
    }

    /// What a record looks like without secrets; `None` where it holds none.
    pub fn record(&self, record: &impl serde::Serialize) -> Option<Value> {
        if !walk::is_dirty(record, self) {
            return None;
        }
        let mut value = serde_json::to_value(record).ok()?;
        if let Value::Object(fields) = &mut value {
            self.own_fields(fields);
        } else {
            self.strings(&mut value, Field::default());
        }
        Some(value)
    }

    /// Redacts every string of a JSON value, keys included. The name of a field tells what a
    /// string in it is: `{"api_key": "…"}`.
    pub fn value(&self, value: &mut Value) {
        self.in_field(value, Field::default());
    }

    /// Fields whose names are ours; what stands under [`ARGUMENTS`] is the caller's.
    fn own_fields(&self, fields: &mut Map<String, Value>) {
        for (name, inner) in fields.iter_mut() {
            let is_trusted = TRUSTED.contains(&name.as_str());
            match inner {
                inner if name == ARGUMENTS => self.value(inner),
                Value::Object(inner) if !is_trusted => self.own_fields(inner),
                Value::Array(items) if !is_trusted => {
                    for item in items {
                        match item {
                            Value::Object(inner) => self.own_fields(inner),
                            other => self.strings(other, Field::default()),
                        }
                    }
                }
                inner => self.strings(inner, Field { name: None, is_trusted }),
            }
        }
    }

    /// Every string below, all of them as one field.
    fn strings(&self, value: &mut Value, field: Field<'_>) {
        match value {
            Value::String(text) => {
                if let Some(clean) = self.field(field, text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.strings(item, field)),
            Value::Object(fields) => {
                fields.values_mut().for_each(|inner| self.strings(inner, field));
            }
            _ => {}
        }
    }

    fn in_field(&self, value: &mut Value, field: Field<'_>) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.in_field(item, field)),
            Value::Object(fields) => self.fields(fields),
            other => self.strings(other, field),
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>) {
        let dirty: Vec<String> =
            fields.keys().filter(|key| self.text(key).is_some()).cloned().collect();
        for key in dirty {
            if let (Some(clean), Some(inner)) = (self.text(&key), fields.remove(&key)) {
                fields.insert(clean, inner);
            }
        }
        let said = NAMING.iter().find_map(|name| fields.get(*name)?.as_str().map(str::to_owned));
        for (name, inner) in fields.iter_mut() {
            let said = said.as_deref().filter(|_| name == VALUE);
            let field = Field { name: Some(said.unwrap_or(name)), is_trusted: false };
            self.in_field(inner, field);
        }
    }

    /// A string in a field: alone, and as what its name says it is.
    fn field(&self, field: Field<'_>, text: &str) -> Option<String> {
        if field.is_trusted {
            return self.held(text);
        }
        let Some(name) = field.name.filter(|name| patterns::has_word(name)) else {
            return self.text(text);
        };
        let named = self.held(text);
        let named = by_name(name, named.as_deref().unwrap_or(text)).or(named);
        self.text(named.as_deref().unwrap_or(text)).or(named)
    }

    /// The text without held secrets.
    fn held(&self, text: &str) -> Option<String> {
        let found = self.held.as_ref()?.find(text);
        if found.is_empty() {
            return None;
        }
        let marks = patterns::marks(text);
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for place in found.into_iter().filter(|place| !patterns::is_in(&marks, place)) {
            out.push_str(&text[at..place.start]);
            out.push_str(MARK);
            at = place.end;
        }
        out.push_str(&text[at..]);
        (at > 0).then_some(out)
    }

    /// Where secrets stand, and what is to stand there; in order, without overlaps.
    fn found(&self, text: &str) -> Vec<Place> {
        let mut places: Vec<Place> = match &self.held {
            Some(held) => {
                held.find(text).into_iter().map(|range| Place { range, id: None }).collect()
            }
            None => Vec::new(),
        };
        let by_pattern = patterns::find(text).into_iter();
        places.extend(by_pattern.map(|found| Place { range: found.range, id: Some(found.id) }));
        places.sort_by_key(|place| (place.range.start, place.id.is_some()));
        join(&mut places, |place| &mut place.range);
        places
    }
}

/// A secret in a text; `id` names the rule that found it.
struct Place {
    range: Range<usize>,
    id: Option<&'static str>,
}

impl Place {
    fn mark(&self) -> String {
        self.id.map_or_else(|| MARK.to_owned(), |id| format!("[redacted: {id}]"))
    }
}

/// Makes one of those that overlap; they are in order.
fn join<T>(places: &mut Vec<T>, range: impl Fn(&mut T) -> &mut Range<usize>) {
    places.dedup_by(|later, earlier| {
        let (later, earlier) = (range(later).clone(), range(earlier));
        let overlaps = later.start < earlier.end;
        if overlaps {
            earlier.end = earlier.end.max(later.end);
        }
        overlaps
    });
}

/// The text without what looks like a secret.
fn by_pattern(text: &str) -> Option<String> {
    let found = patterns::find(text);
    if found.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for finding in found {
        out.push_str(&text[at..finding.range.start]);
        out.push_str(&format!("[redacted: {}]", finding.id));
        at = finding.range.end;
    }
    out.push_str(&text[at..]);
    Some(out)
}

/// The text of a field without what is a secret because of the field's name.
fn by_name(name: &str, text: &str) -> Option<String> {
    let before = format!("\"{name}\": \"");
    let end = before.len() + text.len();
    let mut out = String::new();
    let mut at = before.len();
    for finding in patterns::find(&format!("{before}{text}\"")) {
        let (start, stop) = (finding.range.start.max(at), finding.range.end.min(end));
        if start < stop {
            out.push_str(&text[at - before.len()..start - before.len()]);
            out.push_str(&format!("[redacted: {}]", finding.id));
            at = stop;
        }
    }
    (at > before.len()).then(|| out + &text[at - before.len()..])
}

/// Takes out of each piece its part of the places in all of them together, where a place touches
/// several; the first piece gets the mark.
fn cut_out(pieces: &mut [&mut String], places: &[Place]) {
    let mut start = 0;
    for piece in pieces {
        let end = start + piece.len();
        let touching =
            places.iter().filter(|place| place.range.start < end && place.range.end > start);
        let crossing = touching.filter(|place| place.range.start < start || place.range.end > end);
        let mut clean = String::new();
        let mut at = start;
        for place in crossing {
            clean.push_str(&piece[at - start..place.range.start.max(at) - start]);
            if place.range.start >= start {
                clean.push_str(&place.mark());
            }
            at = place.range.end.min(end);
        }
        if at > start {
            clean.push_str(&piece[at - start..]);
            **piece = clean;
        }
        start = end;
    }
}

#[cfg(test)]
mod tests;

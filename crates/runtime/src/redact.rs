//! Exact redaction: the values of the secrets this process holds never leave it, in whatever
//! common form they appear.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use contract::Secret;
use serde_json::Value;

/// What stands where a secret stood.
const MARK: &str = "[redacted]";

/// Shorter values would mark half of every text.
const SHORTEST: usize = 4;

/// Replaces held secrets: as they are, in JSON strings, in base64 and percent-encoded.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    forms: Option<AhoCorasick>,
}

impl Redactor {
    /// Knows these secrets. Values under four bytes are left out.
    pub fn new(secrets: &[Secret]) -> Self {
        let mut forms: Vec<String> = secrets
            .iter()
            .map(Secret::expose)
            .filter(|value| value.len() >= SHORTEST)
            .flat_map(forms)
            .collect();
        forms.sort();
        forms.dedup();
        if forms.is_empty() {
            return Self { forms: None };
        }
        let built = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(forms);
        Self { forms: built.ok() }
    }

    /// The text without secrets.
    pub fn text(&self, text: &str) -> Option<String> {
        let forms = self.forms.as_ref()?;
        forms.is_match(text).then(|| {
            let mut out = String::with_capacity(text.len());
            forms.replace_all_with(text, &mut out, |_, _, out| {
                out.push_str(MARK);
                true
            });
            out
        })
    }

    /// What a record looks like without secrets; `None` where the process holds none.
    pub fn record(&self, record: &impl serde::Serialize) -> Option<Value> {
        self.forms.as_ref()?;
        let mut value = serde_json::to_value(record).ok()?;
        self.value(&mut value);
        Some(value)
    }

    /// Redacts every string of a JSON value, keys included.
    pub fn value(&self, value: &mut Value) {
        if self.forms.is_none() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Some(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => {
                let dirty: Vec<String> =
                    fields.keys().filter(|key| self.text(key).is_some()).cloned().collect();
                for key in dirty {
                    if let (Some(clean), Some(inner)) = (self.text(&key), fields.remove(&key)) {
                        fields.insert(clean, inner);
                    }
                }
                fields.values_mut().for_each(|inner| self.value(inner));
            }
            _ => {}
        }
    }
}

fn forms(value: &str) -> Vec<String> {
    let json = Value::String(value.to_owned()).to_string();
    let bytes = value.as_bytes();
    vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        STANDARD.encode(bytes),
        STANDARD_NO_PAD.encode(bytes),
        URL_SAFE.encode(bytes),
        URL_SAFE_NO_PAD.encode(bytes),
        percent(bytes),
    ]
}

/// Percent-encoding (RFC 3986) of all but unreserved characters.
fn percent(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(&[Secret::new("p\"ss w0rd/!".to_owned()), Secret::new("abc".to_owned())])
    }

    #[test]
    fn a_secret_is_redacted_in_every_common_form() {
        let redactor = redactor();
        for form in forms("p\"ss w0rd/!") {
            let text = format!("x {form} y");
            assert_eq!(redactor.text(&text).as_deref(), Some("x [redacted] y"), "{form}");
        }
        assert_eq!(redactor.text("nothing here, abc"), None);
    }

    #[test]
    fn json_is_redacted_in_depth() {
        let mut value = json!({"a": ["p\"ss w0rd/!", 1], "p\"ss w0rd/!": true});
        redactor().value(&mut value);
        assert_eq!(value, json!({"a": ["[redacted]", 1], "[redacted]": true}));
    }
}

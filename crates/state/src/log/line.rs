//! What can be a line of the log.

use contract::record::{Event, Record};
use serde::Serialize;
use serde_json::Value;

/// What can be a line of the log: takes its number and time, and gives its canonical JSON
/// (RFC 8785).
pub trait Line {
    /// The line, without its line feed.
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>>;
}

impl Line for Record<'_> {
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>> {
        (self.sequence, self.time) = (sequence, time);
        if self.arguments.is_some_and(|arguments| has_fraction(arguments.0)) {
            return serde_json_canonicalizer::to_vec(self).map_err(std::io::Error::other);
        }
        // Already in canonical order; only fractions are written in a way of their own.
        serde_json::to_vec(self).map_err(std::io::Error::other)
    }
}

/// A record that was redacted.
impl Line for Value {
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>> {
        self["sequence"] = sequence.into();
        self["time"] = time.into();
        serde_json_canonicalizer::to_vec(self).map_err(std::io::Error::other)
    }
}

/// Whether a number in the value is not a whole one that both ways write alike.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_i64().is_none_or(|number| number.unsigned_abs() >= 1 << 53)
        }
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

/// The first line of a segment: which segments there were before it, and under which key it is
/// signed. The fields stand in canonical order.
#[derive(Debug, Serialize)]
pub(crate) struct Beginning {
    event: Event,
    key: String,
    segments: Vec<Named>,
    sequence: u64,
    server: String,
    time: String,
}

/// A segment as a later one knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub(crate) struct Named {
    /// Its file without folder and ending.
    pub(crate) name: String,
    /// How many of its lines `root` covers; none is said of a segment from before there was a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) records: Option<u64>,
    /// The root over them, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) root: Option<String>,
}

impl Beginning {
    pub(crate) fn new(key: String, segments: Vec<Named>, server: String) -> Self {
        let (sequence, time) = (0, String::new());
        Self { event: Event::Segment, key, segments, sequence, server, time }
    }
}

impl Line for Beginning {
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>> {
        (self.sequence, self.time) = (sequence, time);
        serde_json::to_vec(self).map_err(std::io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use contract::record::{Approved, Claimed, Decided, DecidedBy, Sorted};
    use contract::{Client, Principal, Proof, Target};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_canonical_whatever_it_holds() {
        let principal = Principal {
            actor: Some("a".into()),
            groups: vec!["g".into()],
            identity: "user:é".into(),
            proof: Proof::OsUser { uid: 7 },
            roles: vec!["b".into(), "a".into()],
            subject: "é\u{2028}\"\\".into(),
        };
        let claimed = Claimed { reason: Some("r".into()), ..Claimed::default() };
        let by = DecidedBy { identity: "i".into(), reason: "r".into(), subject: "s".into() };
        let approval = Approved { by: vec![by], id: "i".into(), level: "one".into() };
        let client = Client { name: "\u{7f}\u{1}\n".into(), ..Client::default() };
        let decided = Decided { allowed: true, rule: "r".into() };
        let target = Target::one("collection", "x");
        for arguments in [
            json!({"z": 1, "a": {"\u{fb33}": 1, "\u{1f600}": 2, "": [{"b": 1, "a": null}]}, "€": "\u{8}\u{c}\r\t\u{1b}"}),
            json!({"f": 1.0, "e": 1e30, "n": -0.5, "big": 18_446_744_073_709_551_615_u64}),
            json!({"edge": 9_007_199_254_740_991_i64, "over": 9_007_199_254_740_993_i64}),
        ] {
            let mut record = Record::new(Event::Call, "docs");
            record.principal = Some(&principal);
            record.client = Some(&client);
            record.decision = Some(&decided);
            record.target = Some(&target);
            record.arguments = Some(Sorted(&arguments));
            (record.call, record.tool, record.tool_digest) = ("c", "t", Some("d"));
            (record.detail, record.result_digest) = (Some("d"), Some("e"));
            (record.arguments_digest, record.policy) = (Some("a"), Some("p"));
            (record.approval, record.claimed) = (Some(&approval), Some(&claimed));
            (record.duration_us, record.result_bytes) = (Some(1), Some(2));
            let line = record.line(3, "now".into()).expect("a line");
            let canonical = serde_json_canonicalizer::to_vec(&record).expect("canonical");
            assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(&canonical));
        }
    }

    #[test]
    fn the_first_line_is_canonical_too() {
        let named = Named { name: "a".into(), records: Some(1), root: Some("r".into()) };
        let mut first = Beginning::new("k".into(), vec![named], "docs".into());
        let line = first.line(1, "now".into()).expect("a line");
        assert_eq!(line, serde_json_canonicalizer::to_vec(&first).expect("canonical"));
    }
}

//! One record as it is read. A log outlives the version that wrote it: fields and events that
//! this version does not know are no error, and neither are known fields of another type.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

/// A line of the log. Absent texts are empty.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Entry<'a> {
    pub(super) approval: Option<Approval<'a>>,
    #[serde(borrow)]
    pub(super) arguments_digest: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) call: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) claimed: Claimed<'a>,
    /// The claimed reason of records before `claimed` was a table.
    #[serde(borrow)]
    pub(super) claimed_reason: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) client: Client<'a>,
    pub(super) decision: Option<Decision<'a>>,
    #[serde(borrow)]
    pub(super) detail: Cow<'a, str>,
    pub(super) duration_us: Option<u64>,
    #[serde(borrow)]
    pub(super) error: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) event: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) outcome: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) policy: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) principal: Who<'a>,
    pub(super) result_bytes: Option<u64>,
    #[serde(borrow)]
    pub(super) result_digest: Cow<'a, str>,
    pub(super) sequence: u64,
    #[serde(borrow)]
    pub(super) server: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) target: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) time: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) tool: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) tool_digest: Cow<'a, str>,
}

/// The approval of a call.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Approval<'a> {
    pub(super) by: Vec<DecidedBy<'a>>,
    #[serde(borrow)]
    pub(super) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) level: Cow<'a, str>,
}

/// One person's decision.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DecidedBy<'a> {
    #[serde(borrow)]
    pub(super) identity: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) reason: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) subject: Cow<'a, str>,
}

/// What the client said, never checked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Claimed<'a> {
    #[serde(borrow)]
    pub(super) reason: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) trace: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) user_request: Cow<'a, str>,
}

/// The program on the other side.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Client<'a> {
    #[serde(borrow)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) transport: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) version: Cow<'a, str>,
}

/// What policy decided.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Decision<'a> {
    pub(super) allowed: bool,
    #[serde(borrow)]
    pub(super) rule: Cow<'a, str>,
}

/// The caller.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Who<'a> {
    #[serde(borrow)]
    pub(super) actor: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) identity: Cow<'a, str>,
    pub(super) roles: Vec<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) subject: Cow<'a, str>,
}

/// What [`contract::record::Claimed`] writes where the client said nothing.
const NOT_SUPPLIED: &str = "not supplied";

impl<'a> Entry<'a> {
    /// The record in a line; `None` where the line is no record: torn by a crash, or changed.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        // A sequence would do for the derived code.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        if let Ok(entry) = serde_json::from_slice(line) {
            return Some(entry);
        }
        let value: Value = serde_json::from_slice(line).ok()?;
        Some(Self::lenient(&value))
    }

    /// When, in milliseconds since 1970; `None` where the time is not one.
    pub(super) fn millis(&self) -> Option<u64> {
        super::time::millis(&self.time)
    }

    /// Why, as the model claimed; empty where nothing was claimed.
    pub(super) fn reason(&self) -> &str {
        match self.claimed.reason.as_ref() {
            "" | NOT_SUPPLIED => &self.claimed_reason,
            reason => reason,
        }
    }

    /// The person, or the credential where no person is known.
    pub(super) fn who(&self) -> &str {
        if self.principal.subject.is_empty() {
            &self.principal.identity
        } else {
            &self.principal.subject
        }
    }

    /// Whether a call ended here.
    pub(super) fn is_call(&self) -> bool {
        self.event == "call"
    }

    /// The identity of the approval; empty without one.
    pub(super) fn approval_id(&self) -> &str {
        self.approval.as_ref().map_or("", |approval| &approval.id)
    }

    /// A record with a known field of an unknown type: what has another type is shown as JSON.
    fn lenient(value: &Value) -> Entry<'static> {
        let approval = &value["approval"];
        let by = approval["by"].as_array().into_iter().flatten().map(|by| DecidedBy {
            identity: text(&by["identity"]),
            reason: text(&by["reason"]),
            subject: text(&by["subject"]),
        });
        let approval = approval.is_object().then(|| Approval {
            by: by.collect(),
            id: text(&approval["id"]),
            level: text(&approval["level"]),
        });
        let decision = &value["decision"];
        let decision = decision.is_object().then(|| Decision {
            allowed: decision["allowed"].as_bool().unwrap_or_default(),
            rule: text(&decision["rule"]),
        });
        let (claimed, client, who) = (&value["claimed"], &value["client"], &value["principal"]);
        Entry {
            approval,
            arguments_digest: text(&value["arguments_digest"]),
            call: text(&value["call"]),
            claimed: Claimed {
                reason: text(&claimed["reason"]),
                trace: text(&claimed["trace"]),
                user_request: text(&claimed["user_request"]),
            },
            claimed_reason: text(&value["claimed_reason"]),
            client: Client {
                name: text(&client["name"]),
                transport: text(&client["transport"]),
                version: text(&client["version"]),
            },
            decision,
            detail: text(&value["detail"]),
            duration_us: value["duration_us"].as_u64(),
            error: text(&value["error"]),
            event: text(&value["event"]),
            outcome: text(&value["outcome"]),
            policy: text(&value["policy"]),
            principal: Who {
                actor: text(&who["actor"]),
                identity: text(&who["identity"]),
                roles: who["roles"].as_array().into_iter().flatten().map(text).collect(),
                subject: text(&who["subject"]),
            },
            result_bytes: value["result_bytes"].as_u64(),
            result_digest: text(&value["result_digest"]),
            sequence: value["sequence"].as_u64().unwrap_or_default(),
            server: text(&value["server"]),
            target: text(&value["target"]),
            time: text(&value["time"]),
            tool: text(&value["tool"]),
            tool_digest: text(&value["tool_digest"]),
        }
    }
}

fn text(value: &Value) -> Cow<'static, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Owned(text.clone()),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use contract::record::{self, Event, Outcome, Record};
    use contract::{Principal, Proof, Target};

    use super::*;

    #[test]
    fn what_the_product_writes_is_what_is_read() {
        let principal = Principal {
            actor: Some("agent".into()),
            groups: vec!["g".into()],
            identity: "key:laptop".into(),
            proof: Proof::ApiKey { key: "laptop".into() },
            roles: vec!["reader".into()],
            subject: "ann \"the\" one".into(),
        };
        let target = Target::one("collection", "handbook");
        let claimed = record::Claimed { reason: Some("why".into()), ..Default::default() };
        let mut written = Record::new(Event::Call, "docs");
        (written.principal, written.target, written.tool) =
            (Some(&principal), Some(&target), "docs_search");
        (written.outcome, written.claimed) = (Some(Outcome::Done), Some(&claimed));
        written.time = "2026-11-22T10:00:00.001Z".to_owned();
        let line = serde_json::to_vec(&written).expect("JSON");
        let read: Entry<'_> = serde_json::from_slice(&line).expect("without leniency");
        assert_eq!((read.who(), read.tool.as_ref()), ("ann \"the\" one", "docs_search"));
        assert_eq!((read.reason(), read.target.as_ref()), ("why", "collection:handbook"));
        assert_eq!(read.claimed.trace, NOT_SUPPLIED);
        assert_eq!((read.outcome.as_ref(), read.is_call()), ("done", true));
        assert_eq!(read.millis(), Some(1_795_341_600_001));
    }

    fn check(line: &str, expected: Option<&str>) {
        let entry = Entry::parse(line.as_bytes());
        assert_eq!(entry.map(|entry| entry.tool.into_owned()), expected.map(str::to_owned));
    }

    #[test]
    fn a_log_of_another_version_is_read() {
        check(r#"{"tool":"a","field_of_the_future":{"x":[1]},"event":"dreamt"}"#, Some("a"));
        check(r#"{"tool":{"name":"a"},"event":7,"result_bytes":"many"}"#, Some("{\"name\":\"a\"}"));
        check(r#"{"tool":null,"approval":{"id":1,"by":[{"subject":2}]}}"#, Some(""));
        check("{}", Some(""));
    }

    #[test]
    fn what_is_no_record_is_none() {
        for line in ["", "{\"tool\":\"a", "[]", "7", "\u{0}", "{\"tool\":\"\u{1}\"}"] {
            check(line, None);
        }
    }
}

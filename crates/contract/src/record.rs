//! What the log keeps of one call. Written by the pipeline, read by auditors.

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{Client, Kind, Principal, Target};

/// Which event of a call a record tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The process began to serve.
    Started,
    /// The process stopped serving.
    Stopped,
    /// A call that does more than read is about to run.
    Intent,
    /// A call ended, however it ended.
    Call,
    /// A person is asked to approve a call.
    ApprovalAsked,
    /// A person said yes.
    ApprovalGiven,
    /// A person said no.
    ApprovalDenied,
    /// Somebody tried to decide who may not.
    ApprovalRefused,
    /// Nobody decided in time, or what was approved is not what would run any more.
    ApprovalExpired,
    /// The approved call is about to run: it cannot be used again.
    ApprovalRedeemed,
    /// A policy came into force.
    PolicyLoaded,
    /// A changed configuration was wrong: the policy before it stays in force.
    PolicyRefused,
    /// A request without a credential that counts.
    Unidentified,
    /// An API key was made.
    KeyMade,
    /// An API key was revoked.
    KeyRevoked,
    /// Somebody read the log.
    LogRead,
    /// The first line of a segment: names the segments before it.
    Segment,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Done,
    /// Policy said no.
    Denied,
    /// The arguments broke a rule.
    Invalid,
    /// A rate or in-flight limit was reached.
    Limited,
    /// It waits for a person.
    Pending,
    /// It failed.
    Failed,
    /// The caller cancelled it or went away.
    Abandoned,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Outcome; 7] = [
        Outcome::Done,
        Outcome::Denied,
        Outcome::Invalid,
        Outcome::Limited,
        Outcome::Pending,
        Outcome::Failed,
        Outcome::Abandoned,
    ];

    /// The word for it, the same in records, metrics and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Denied => "denied",
            Outcome::Invalid => "invalid",
            Outcome::Limited => "limited",
            Outcome::Pending => "pending",
            Outcome::Failed => "failed",
            Outcome::Abandoned => "abandoned",
        }
    }
}

/// The decision of policy, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Whether the call was allowed.
    pub allowed: bool,
    /// The rule that decided, with file and line.
    pub rule: String,
}

/// What the client said about a call, never checked: `None` is recorded as "not supplied".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Why, in the words of the model.
    pub reason: Option<String>,
    /// The W3C trace context of the request (`traceparent`).
    pub trace: Option<String>,
    /// What the person asked for, as the host passes it on.
    pub user_request: Option<String>,
}

impl Serialize for Claimed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let said = |text: &'_ Option<String>| text.clone().unwrap_or("not supplied".to_owned());
        serializer.collect_map([
            ("reason", said(&self.reason)),
            ("trace", said(&self.trace)),
            ("user_request", said(&self.user_request)),
        ])
    }
}

/// One person's decision about an approval, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecidedBy {
    /// The credential used.
    pub identity: String,
    /// Why, in the person's own words.
    pub reason: String,
    /// The person.
    pub subject: String,
}

/// The approval of a call, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approved {
    /// Who decided.
    pub by: Vec<DecidedBy>,
    /// SHA-256 of the stored call: the approval's identity.
    pub id: String,
    /// What was asked for: `confirm`, `one`, `two`.
    pub level: String,
}

/// One line of the log.
///
/// The fields, here and in what they hold, stand in the order of their names, so that plain
/// serialisation is already canonical (RFC 8785); a test compares the two.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// The approval of the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<&'a Approved>,
    /// The arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Sorted<'a>>,
    /// SHA-256 of the canonical arguments, where a rule keeps the arguments out of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_digest: Option<&'a str>,
    /// The call, the same for intent and outcome.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub call: &'a str,
    /// What the client said about the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<&'a Claimed>,
    /// From which program, as claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a Client>,
    /// What policy decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'a Decided>,
    /// What the operator should know about the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// How long the call took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// The kind of error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Kind>,
    /// The event.
    pub event: Event,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// SHA-256 of the policy in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<&'a str>,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a Principal>,
    /// The size of the answer in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// SHA-256 of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_digest: Option<&'a str>,
    /// The number in its segment, from 1; given by the log.
    pub sequence: u64,
    /// The server.
    pub server: &'a str,
    /// What the call touches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a Target>,
    /// When, in UTC (RFC 3339); given by the log.
    pub time: String,
    /// The tool or prompt asked for, as asked.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub tool: &'a str,
    /// SHA-256 of the tool's contract and schemas; absent for an unknown tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_digest: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// A record of `event` with every other field empty.
    pub fn new(event: Event, server: &'a str) -> Self {
        Self {
            approval: None,
            arguments: None,
            arguments_digest: None,
            call: "",
            claimed: None,
            client: None,
            decision: None,
            detail: None,
            duration_us: None,
            error: None,
            event,
            outcome: None,
            policy: None,
            principal: None,
            result_bytes: None,
            result_digest: None,
            sequence: 0,
            server,
            target: None,
            time: String::new(),
            tool: "",
            tool_digest: None,
        }
    }
}

/// JSON with the fields of objects in the order of their UTF-16 names (RFC 8785, 3.2.3).
#[derive(Clone, Copy, Debug)]
pub struct Sorted<'a>(pub &'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            Value::Object(fields) => {
                let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
                fields.sort_by(|left, right| left.0.encode_utf16().cmp(right.0.encode_utf16()));
                serializer
                    .collect_map(fields.into_iter().map(|(name, value)| (name, Sorted(value))))
            }
            plain => plain.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_the_same_name_in_records_and_in_metrics() {
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::to_value(outcome).expect("a string"), outcome.name());
        }
    }
}

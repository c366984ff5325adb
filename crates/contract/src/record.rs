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

/// The decision of policy, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// Whether the call was allowed.
    pub allowed: bool,
    /// The rule that decided, with file and line.
    pub rule: String,
}

/// One line of the log.
///
/// The fields, here and in what they hold, stand in the order of their names, so that plain
/// serialisation is already canonical (RFC 8785); a test compares the two.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// The arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Sorted<'a>>,
    /// The call, the same for intent and outcome.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub call: &'a str,
    /// Why, as claimed by the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_reason: Option<&'a str>,
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
            arguments: None,
            call: "",
            claimed_reason: None,
            client: None,
            decision: None,
            detail: None,
            duration_us: None,
            error: None,
            event,
            outcome: None,
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

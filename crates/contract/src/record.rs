//! What the log keeps of one call. Written by the pipeline, read by auditors.

use serde::Serialize;
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

/// One line of the log, before its sequence number and time.
#[derive(Clone, Debug, Serialize)]
pub struct Record<'a> {
    /// The event.
    pub event: Event,
    /// The server.
    pub server: &'a str,
    /// The call, the same for intent and outcome.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub call: &'a str,
    /// Who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<&'a Principal>,
    /// From which program, as claimed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<&'a Client>,
    /// The tool or prompt asked for, as asked.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub tool: &'a str,
    /// SHA-256 of the tool's contract and schemas; absent for an unknown tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_digest: Option<&'a str>,
    /// What the call touches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a Target>,
    /// The arguments, redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<&'a Value>,
    /// Why, as claimed by the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed_reason: Option<&'a str>,
    /// What policy decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<&'a Decided>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The kind of error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Kind>,
    /// What the operator should know about the error, redacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'a str>,
    /// How long the call took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// The size of the answer in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// SHA-256 of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_digest: Option<&'a str>,
}

impl<'a> Record<'a> {
    /// A record of `event` with every other field empty.
    pub fn new(event: Event, server: &'a str) -> Self {
        Self {
            event,
            server,
            call: "",
            principal: None,
            client: None,
            tool: "",
            tool_digest: None,
            target: None,
            arguments: None,
            claimed_reason: None,
            decision: None,
            outcome: None,
            error: None,
            detail: None,
            duration_us: None,
            result_bytes: None,
            result_digest: None,
        }
    }
}

//! What our facts are called outside: the one place that names metrics, labels and attributes.
//!
//! Names follow OpenTelemetry's conventions for MCP and generative AI (repository
//! `semantic-conventions-genai`, `docs/gen-ai/mcp.md`), which are still in development. In
//! Prometheus the same names are written as OpenTelemetry's compatibility rules say: dots become
//! underscores, the unit and `_total` are appended.
//!
//! Three deliberate differences. `error.type` is our kind of error, where the convention has
//! `tool_error` for every tool. A call that waits for a person is no error. Arguments, resource
//! addresses and people are left out: they are in the records, found by `suite.call.id`.

use std::time::Duration;

use contract::Kind;
use contract::record::Outcome;

/// The method of the protocol: `tools/call`, `resources/read`, `prompts/get`.
pub(crate) const METHOD: &str = "mcp.method.name";
/// The revision of the protocol.
pub(crate) const PROTOCOL: &str = "mcp.protocol.version";
/// The session, as a digest: its identifier is good for joining it.
pub(crate) const SESSION: &str = "mcp.session.id";
/// The identifier of the JSON-RPC request.
pub(crate) const REQUEST: &str = "jsonrpc.request.id";
/// The tool, of the catalogue.
pub(crate) const TOOL: &str = "gen_ai.tool.name";
/// The prompt, of the catalogue.
pub(crate) const PROMPT: &str = "gen_ai.prompt.name";
/// What is done, in the words of the conventions for agents.
pub(crate) const OPERATION: &str = "gen_ai.operation.name";
/// The only operation of a server of tools.
pub(crate) const EXECUTE_TOOL: &str = "execute_tool";
/// Why a call failed.
pub(crate) const ERROR: &str = "error.type";
/// `pipe` or `tcp`.
pub(crate) const TRANSPORT: &str = "network.transport";
/// `http`, where it is.
pub(crate) const NETWORK_PROTOCOL: &str = "network.protocol.name";
/// The call, as the records name it.
pub(crate) const CALL: &str = "suite.call.id";
/// How the call ended, as the records name it.
pub(crate) const OUTCOME: &str = "suite.outcome";
/// The size of the answer in bytes.
pub(crate) const RESULT_SIZE: &str = "suite.result.size";
/// What became of an approval.
pub(crate) const STEP: &str = "suite.approval.step";
/// What became of a changed policy.
pub(crate) const RESULT: &str = "suite.policy.result";
/// SHA-256 of the policy in force.
pub(crate) const POLICY: &str = "suite.policy.digest";
/// The version of this program.
pub(crate) const VERSION: &str = "service.version";
/// The server, in Prometheus; OTLP has it in `service.name`.
pub(crate) const SERVER: &str = "suite_server";

/// What stands for a tool or prompt that the catalogue does not have: callers cannot make labels.
pub(crate) const OTHER: &str = "_other";

/// How long calls take.
pub(crate) const DURATION: &str = "mcp.server.operation.duration";
/// What it is.
pub(crate) const DURATION_HELP: &str =
    "How long calls took, from the request to its recorded answer, waiting for a slot included";
/// Upper bounds of its buckets in seconds: those of the convention, and finer ones below, where
/// most of our calls are.
pub(crate) const BUCKETS: [f64; 19] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
    30.0, 60.0, 120.0, 300.0,
];

/// The methods that are calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Method {
    ToolsCall,
    ResourcesRead,
    PromptsGet,
}

impl Method {
    pub(crate) const ALL: [Method; 3] =
        [Method::ToolsCall, Method::ResourcesRead, Method::PromptsGet];

    /// By the pipeline's word for what was asked for.
    pub(crate) fn of(kind: &str) -> Self {
        match kind {
            "prompt" => Method::PromptsGet,
            "resource" => Method::ResourcesRead,
            _ => Method::ToolsCall,
        }
    }

    /// The protocol's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Method::ToolsCall => "tools/call",
            Method::ResourcesRead => "resources/read",
            Method::PromptsGet => "prompts/get",
        }
    }

    /// Under which name it says what it calls. Reading a resource is calling the tool behind it.
    pub(crate) const fn owner(self) -> &'static str {
        match self {
            Method::PromptsGet => PROMPT,
            Method::ToolsCall | Method::ResourcesRead => TOOL,
        }
    }
}

/// Why a call failed: our kind of error, or that nobody waited. `None`: it did not fail.
pub(crate) fn error_type(outcome: Outcome, error: Option<Kind>) -> Option<&'static str> {
    match outcome {
        Outcome::Done | Outcome::Pending => None,
        Outcome::Abandoned => Some("abandoned"),
        // What one may not call answers as not found; the operator sees what it was.
        Outcome::Denied => Some(Kind::Denied.name()),
        Outcome::Invalid | Outcome::Limited | Outcome::Failed => {
            Some(error.unwrap_or(Kind::Internal).name())
        }
    }
}

/// How a value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A time: counted in milliseconds, shown in seconds.
    Time,
    /// It is always 1: its labels are what it says.
    Information,
}

/// What a metric shows; `Numbers::read` answers each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Calls,
    Active,
    ResultSize,
    ResultTokens,
    ApprovalSteps,
    ApprovalsPending,
    Records,
    RecordsFailed,
    PolicyChanges,
    Unidentified,
    Policy,
    Build,
    Started,
    Uptime,
    Memory,
}

/// One metric beside the duration.
#[derive(Debug)]
pub(crate) struct Metric {
    pub(crate) fact: Fact,
    pub(crate) shape: Shape,
    /// Its name in OTLP.
    pub(crate) name: &'static str,
    /// Its unit in OTLP (UCUM).
    pub(crate) unit: &'static str,
    /// Its name in Prometheus without unit and `_total`, where it is not derived.
    pub(crate) prometheus: Option<&'static str>,
    pub(crate) help: &'static str,
}

impl Metric {
    const fn counter(
        fact: Fact,
        name: &'static str,
        unit: &'static str,
        help: &'static str,
    ) -> Self {
        Self { fact, shape: Shape::Counter, name, unit, prometheus: None, help }
    }

    const fn gauge(fact: Fact, name: &'static str, unit: &'static str, help: &'static str) -> Self {
        Self { fact, shape: Shape::Gauge, name, unit, prometheus: None, help }
    }

    const fn time(fact: Fact, name: &'static str, help: &'static str) -> Self {
        Self { fact, shape: Shape::Time, name, unit: "s", prometheus: None, help }
    }

    const fn information(fact: Fact, name: &'static str, help: &'static str) -> Self {
        Self { fact, shape: Shape::Information, name, unit: "", prometheus: None, help }
    }

    const fn in_prometheus(mut self, name: &'static str) -> Self {
        self.prometheus = Some(name);
        self
    }
}

/// Every metric beside the duration, in the order they are shown.
pub(crate) const METRICS: &[Metric] = &[
    Metric::counter(Fact::Calls, "suite.calls", "{call}", "Calls that ended, by how they ended"),
    Metric::gauge(Fact::Active, "suite.calls.active", "{call}", "Calls that have not ended yet"),
    Metric::counter(
        Fact::ResultSize,
        RESULT_SIZE,
        "By",
        "Bytes of text and media returned to callers, errors included",
    ),
    Metric::counter(
        Fact::ResultTokens,
        "suite.result.tokens",
        "{token}",
        "Model tokens returned to callers, counted as bytes / 2.5",
    ),
    Metric::counter(
        Fact::ApprovalSteps,
        "suite.approvals",
        "{step}",
        "Approvals asked for, given, denied, expired and redeemed since the state folder was made",
    ),
    Metric::gauge(
        Fact::ApprovalsPending,
        "suite.approvals.pending",
        "{approval}",
        "Approvals that wait for a person",
    ),
    Metric::counter(Fact::Records, "suite.records", "{record}", "Records written to the log"),
    Metric::counter(
        Fact::RecordsFailed,
        "suite.records.failed",
        "{record}",
        "Records that could not be written: their calls were refused",
    ),
    Metric::counter(
        Fact::PolicyChanges,
        "suite.policy.changes",
        "{change}",
        "Changed configurations that came into force or were refused",
    ),
    Metric::counter(
        Fact::Unidentified,
        "suite.unidentified",
        "{record}",
        "Records of requests without a credential that counts; one may tell of several requests",
    ),
    Metric::information(Fact::Policy, "suite.policy", "The policy in force; always 1"),
    Metric::information(Fact::Build, "suite.build", "This program; always 1"),
    Metric::time(Fact::Started, "suite.started", "When it started, since 1970")
        .in_prometheus("process_start_time"),
    Metric::time(Fact::Uptime, "process.uptime", "How long it has been running"),
    Metric::gauge(Fact::Memory, "process.memory.usage", "By", "Memory that is in use")
        .in_prometheus("process_resident_memory"),
];

/// Milliseconds as seconds, the unit of every time outside.
pub(crate) fn seconds(milliseconds: u64) -> f64 {
    Duration::from_millis(milliseconds).as_secs_f64()
}

/// A name as Prometheus writes it.
pub(crate) fn underscored(name: &str) -> String {
    name.replace(['.', '/'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(outcome: Outcome, error: Option<Kind>, expected: Option<&str>) {
        assert_eq!(error_type(outcome, error), expected, "{outcome:?} {error:?}");
    }

    #[test]
    fn an_error_type_is_the_kind_that_texts_and_records_name() {
        check(Outcome::Done, None, None);
        check(Outcome::Pending, Some(Kind::ApprovalNeeded), None);
        check(Outcome::Denied, Some(Kind::NotFound), Some("denied"));
        check(Outcome::Failed, Some(Kind::Timeout), Some("timeout"));
        check(Outcome::Failed, Some(Kind::NotFound), Some("not_found"));
        check(Outcome::Limited, Some(Kind::Limited), Some("limited"));
        check(Outcome::Abandoned, None, Some("abandoned"));
    }

    #[test]
    fn every_bound_of_the_convention_is_a_bound() {
        let convention =
            [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
        assert!(BUCKETS.is_sorted());
        assert!(convention.iter().all(|bound| BUCKETS.contains(bound)));
    }

    #[test]
    fn metrics_are_named_once_and_for_one_fact() {
        for (index, metric) in METRICS.iter().enumerate() {
            for other in &METRICS[..index] {
                assert_ne!(metric.name, other.name);
                assert_ne!(metric.fact, other.fact);
            }
            assert!(!metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}

//! A tool is one readable declaration: a [`Contract`] with every decision a reviewer must see,
//! typed arguments, a typed result, and one function.

use std::fmt;
use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Ctx, Output, Rendered, Server, Target, ToolError};

/// What a call of the tool does to the world. MCP annotations and policy both derive from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Reads and changes nothing.
    Reads,
    /// Writes something only this server keeps, such as a draft.
    Drafts,
    /// Runs something declared in advance, inside a sandbox.
    Runs,
    /// Changes the outside world.
    Commits,
}

impl Effect {
    /// Whether the tool changes nothing anywhere.
    pub fn is_reading(self) -> bool {
        self == Effect::Reads
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Effect::Reads => "reads",
            Effect::Drafts => "drafts",
            Effect::Runs => "runs",
            Effect::Commits => "commits",
        })
    }
}

/// Who must say yes before a call runs; ordered from the least to the most demanding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Nobody.
    None,
    /// The requester, to exactly this content.
    Confirm,
    /// One person with the approver role who is not the requester.
    One,
    /// Two different such persons.
    Two,
}

impl fmt::Display for Approval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Approval::None => "none",
            Approval::Confirm => "confirm",
            Approval::One => "one",
            Approval::Two => "two",
        })
    }
}

/// The length of time a [`Limit`] counts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Window {
    /// One second.
    Second,
    /// Sixty seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// A day in UTC. Counted on the disk: a restart does not begin it anew.
    Day,
}

impl Window {
    /// The window as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Window::Second => 1,
            Window::Minute => 60,
            Window::Hour => 3600,
            Window::Day => 86_400,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Window::Second => "second",
            Window::Minute => "minute",
            Window::Hour => "hour",
            Window::Day => "day",
        }
    }
}

/// How often one principal may call one tool: a burst of `calls`, refilled evenly over `per`; of a
/// day, `calls` from midnight to midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Calls allowed in one window.
    pub calls: NonZeroU32,
    /// The window.
    pub per: Window,
}

impl Limit {
    /// `calls` in any second.
    pub const fn per_second(calls: u32) -> Self {
        Self::new(calls, Window::Second)
    }

    /// `calls` in any minute.
    pub const fn per_minute(calls: u32) -> Self {
        Self::new(calls, Window::Minute)
    }

    /// `calls` from midnight to midnight UTC.
    pub const fn per_day(calls: u32) -> Self {
        Self::new(calls, Window::Day)
    }

    /// A limit. Fails to compile, in a `const`, when `calls` is 0.
    pub const fn new(calls: u32, per: Window) -> Self {
        match NonZeroU32::new(calls) {
            Some(calls) => Self { calls, per },
            None => panic!("a limit of 0 calls is written as `enabled = false`"),
        }
    }

    /// Parses `"60/minute"`.
    pub fn parse(text: &str) -> Option<Self> {
        let (calls, per) = text.split_once('/')?;
        let calls = NonZeroU32::new(calls.trim().parse().ok()?)?;
        let per = match per.trim() {
            "second" => Window::Second,
            "minute" => Window::Minute,
            "hour" => Window::Hour,
            "day" => Window::Day,
            _ => return None,
        };
        Some(Self { calls, per })
    }

    /// Whether `self` never allows more than `other`: neither a larger burst nor a faster refill.
    pub fn is_within(self, other: Limit) -> bool {
        let rate = |limit: Limit| f64::from(limit.calls.get()) / limit.per.duration().as_secs_f64();
        self.calls <= other.calls && rate(self) <= rate(other)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.calls, self.per.name())
    }
}

/// The largest result a tool returns, in model tokens counted as bytes / 2.5 (a safe bound over
/// the tokenizers in use). Longer results are cut at a line and say how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    tokens: u32,
}

impl Size {
    /// What hosts cut at, less a margin: nothing may exceed it.
    pub const CAP: Size = Size { tokens: 9_500 };

    /// A budget in tokens. Fails to compile, in a `const`, above [`Size::CAP`] or at 0.
    pub const fn tokens(tokens: u32) -> Self {
        assert!(tokens > 0 && tokens <= 9_500, "a result budget is 1 to 9,500 tokens");
        Self { tokens }
    }

    /// The budget in tokens.
    pub const fn get(self) -> u32 {
        self.tokens
    }

    /// The budget in bytes of UTF-8.
    pub const fn bytes(self) -> usize {
        self.tokens as usize * 5 / 2
    }
}

/// Everything a reviewer must know about a tool. All fields are required: a forgotten decision
/// does not compile. servers.toml may tighten a contract, never loosen it.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The name on the wire, `server_verb`.
    pub name: &'static str,
    /// A short title for people.
    pub title: &'static str,
    /// What it does and when to use it, in two sentences the model reads.
    pub purpose: &'static str,
    /// What a call does to the world.
    pub effect: Effect,
    /// The least approval that is ever asked.
    pub approval: Approval,
    /// How often one principal may call it.
    pub limit: Limit,
    /// How long one call may take.
    pub timeout: Duration,
    /// The largest result.
    pub size: Size,
    /// The tool that checks the real outcome; required for [`Effect::Commits`].
    pub verified_by: Option<&'static str>,
}

/// A tool of one server, known when the program is compiled.
///
/// Only the runtime's pipeline runs a tool; `cargo xtask tidy` looks for other callers.
pub trait Tool: Send + Sync + 'static {
    /// The server the tool belongs to.
    type Server: Server;
    /// The arguments: `deny_unknown_fields`, with bounds on every string, list and number.
    type Args: DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// How the result is shown.
    type Out: Output;
    /// Every decision about the tool.
    const CONTRACT: Contract;

    /// The system and object the call touches. Policy and audit both use it; a server with one
    /// object knows which a call means that names none.
    fn target(server: &Self::Server, args: &Self::Args) -> Target;

    /// What the records of the call say beside its arguments, such as the digest of what the
    /// arguments only name. An error takes its place in the record of the outcome.
    fn about(server: &Self::Server, args: &Self::Args) -> Option<String> {
        let _ = (server, args);
        None
    }

    /// What a person is shown who is asked to approve the call: everything that would leave, as
    /// it would leave, made from the arguments and never from the model's prose. `None` shows
    /// the arguments themselves. Made again before the approved call runs: a preview that came
    /// out different is a different call.
    fn preview(
        server: &Self::Server,
        ctx: &Ctx,
        args: &Self::Args,
    ) -> impl Future<Output = Result<Option<Preview>, ToolError>> + Send {
        let _ = (server, ctx, args);
        async { Ok(None) }
    }

    /// Does the work.
    fn call(
        server: &Self::Server,
        ctx: &Ctx,
        args: Self::Args,
    ) -> impl Future<Output = Result<Self::Out, ToolError>> + Send;
}

/// What a person is asked to approve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// One line that says what would happen, such as "File a ticket in acme/web".
    pub title: String,
    /// What it consists of, by label, in the order to be read.
    pub fields: Vec<(String, String)>,
    /// Digests of what is too large to show and must not change, by label.
    pub bound: Vec<(String, String)>,
}

/// A tool declared in configuration, such as a named query: the same contract, built from its
/// table. It lives as long as the process, so its texts may be leaked once with [`leak`].
pub trait Configured: Send + Sync + 'static {
    /// The server the tool belongs to.
    type Server: Server;

    /// Every decision about the tool.
    fn contract(&self) -> Contract;

    /// The JSON Schema (2020-12) of the arguments: an object that refuses unknown fields.
    fn schema(&self) -> Value;

    /// The system and object the call touches.
    fn target(&self, args: &Map<String, Value>) -> Target;

    /// What a person is shown who is asked to approve the call, as [`Tool::preview`].
    fn preview(
        &self,
        server: &Self::Server,
        ctx: &Ctx,
        args: &Map<String, Value>,
    ) -> impl Future<Output = Result<Option<Preview>, ToolError>> + Send {
        let _ = (server, ctx, args);
        async { Ok(None) }
    }

    /// Does the work with arguments that satisfy [`Configured::schema`].
    fn call(
        &self,
        server: &Self::Server,
        ctx: &Ctx,
        args: Map<String, Value>,
    ) -> impl Future<Output = Result<Rendered, ToolError>> + Send;
}

impl fmt::Display for Preview {
    /// One line a field; the further lines of a value are marked, so that no value can pass for
    /// another field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title.replace('\n', " "))?;
        for (label, value) in self.fields.iter().chain(&self.bound) {
            writeln!(f, "{label}: {}", value.replace('\n', "\n  | "))?;
        }
        Ok(())
    }
}

/// Turns a text from configuration into one that lives as long as the process.
pub fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// Why an acting call is made, as claimed by the model: required of every tool that does more
/// than read, and kept in its record.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reason(pub String);

impl JsonSchema for Reason {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Reason".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 10,
            "maxLength": 300
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_as_calls_per_window() {
        let limit = Limit::parse("60/minute").expect("a limit");
        assert_eq!(limit, Limit::per_minute(60));
        assert_eq!(limit.to_string(), "60/minute");
        for bad in ["", "60", "0/minute", "-1/minute", "60/fortnight", "x/second"] {
            assert_eq!(Limit::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_limit_within_another_allows_neither_more_nor_faster() {
        let base = Limit::per_minute(60);
        assert!(Limit::per_minute(60).is_within(base));
        assert!(Limit::per_second(1).is_within(base));
        assert!(!Limit::per_second(2).is_within(base));
        assert!(!Limit::per_minute(61).is_within(base));
        assert!(!Limit::new(61, Window::Hour).is_within(base));
    }
}

//! What every tracker can do, behind one trait.

pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod jira;
pub(crate) mod local;
pub(crate) mod rt;

use contract::ctx::BoxFuture;
use contract::{Finding, ToolError, Weight};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub(crate) use state::desk::delivery::{Found, Lost};

use crate::inert::Dialect;

/// Exactly what would leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    /// The title, one line; empty in a comment.
    pub(crate) title: String,
    /// The whole text with its last line, which holds the marker.
    pub(crate) body: String,
    /// The labels.
    pub(crate) labels: Vec<String>,
    /// Further fields by the tracker's name for them, in the tracker's shape.
    pub(crate) fields: Map<String, Value>,
    /// In whose name it is, as the last line of the body says.
    pub(crate) author: String,
    /// The reporter that the tracker is told of, where the project has one for all.
    pub(crate) reporter: Option<String>,
    /// The ticket it is a comment on.
    pub(crate) on: Option<String>,
    /// By which it is known again.
    pub(crate) marker: String,
}

/// What the tracker calls what has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    /// The ticket: `12`, `WEB-12`.
    pub(crate) ticket: String,
    /// The comment, where it is one.
    pub(crate) comment: Option<String>,
    /// Where a person finds it; empty where there is no such place.
    pub(crate) url: String,
}

/// A ticket as a list shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) ticket: String,
    pub(crate) title: String,
    pub(crate) state: String,
    pub(crate) labels: Vec<String>,
    /// When it was last changed, as the tracker writes it.
    pub(crate) changed: String,
}

/// Some hits, and whether there are more.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    pub(crate) hits: Vec<Hit>,
    pub(crate) has_more: bool,
}

/// A ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) hit: Hit,
    pub(crate) body: String,
    pub(crate) author: String,
    pub(crate) created: String,
    pub(crate) url: String,
    pub(crate) comments: Vec<Comment>,
    /// How many comments there are, where more than those.
    pub(crate) more: Option<u64>,
}

/// A comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Comment {
    pub(crate) id: String,
    pub(crate) author: String,
    pub(crate) created: String,
    pub(crate) body: String,
}

/// What to search for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    /// Words of the title or the text.
    pub(crate) text: &'a str,
    /// Only tickets in this state.
    pub(crate) state: Which,
    /// How many at most.
    pub(crate) most: usize,
}

/// What was seen of a credential.
#[derive(Debug)]
pub(crate) struct Remark {
    pub(crate) finding: Finding,
    /// Whether it may do more than it needs: a server with it does not serve.
    pub(crate) is_too_much: bool,
}

impl Remark {
    /// The credential may do more than it needs.
    pub(crate) fn too_much(what: impl Into<String>, remedy: &str) -> Self {
        Self { is_too_much: true, ..Self::fault(what, remedy) }
    }

    /// Something does not work.
    pub(crate) fn fault(what: impl Into<String>, remedy: &str) -> Self {
        let (what, remedy) = (what.into(), remedy.to_owned());
        let finding = Finding { weight: Weight::Fault, what, remedy };
        Self { finding, is_too_much: false }
    }

    /// A project that cannot be read.
    pub(crate) fn unread(at: &str, error: &ToolError) -> Self {
        let remedy = "check the address and the network, and that the credential reaches it";
        Self::fault(format!("{at} cannot be read: {}", error.message), remedy)
    }
}

/// Which tickets are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Open,
    Closed,
    All,
}

/// A tracker. `at` is what it calls the project.
pub(crate) trait Tracker: Send + Sync {
    /// What it is and where, for people: `GitHub, api.github.com`.
    fn place(&self) -> String;

    /// How it reads text.
    fn dialect(&self) -> Dialect;

    /// The text that [`Tracker::read`] gives of a body that was sent.
    fn as_read(&self, body: &str) -> String {
        same_lines(body)
    }

    /// Files a ticket, or adds a comment where `outgoing.on` names a ticket.
    fn send<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
    ) -> BoxFuture<'a, Result<Receipt, Lost>>;

    /// Looks for what was sent since `since`, in milliseconds since 1970.
    fn find<'a>(
        &'a self,
        at: &'a str,
        outgoing: &'a Outgoing,
        since: i64,
    ) -> BoxFuture<'a, Result<Found<Receipt>, ToolError>>;

    /// Reads a ticket, with comments from `skip` on.
    fn read<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        skip: u64,
    ) -> BoxFuture<'a, Result<Ticket, ToolError>>;

    /// Reads one comment.
    fn comment<'a>(
        &'a self,
        at: &'a str,
        ticket: &'a str,
        comment: &'a str,
    ) -> BoxFuture<'a, Result<Comment, ToolError>>;

    /// Searches tickets.
    fn search<'a>(
        &'a self,
        at: &'a str,
        wanted: &'a Wanted<'a>,
    ) -> BoxFuture<'a, Result<Hits, ToolError>>;

    /// What its operator should know of the credential and of these projects.
    fn examine<'a>(&'a self, at: &'a [String]) -> BoxFuture<'a, Vec<Remark>>;
}

/// A text without what trackers change by themselves: the kind of line ends, spaces at the ends of
/// lines, empty lines at the end.
pub(crate) fn same_lines(text: &str) -> String {
    let lines = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    lines.trim_end().to_owned()
}

/// How many comments are read at once.
pub(crate) const COMMENTS: u64 = 20;

/// How many comments there are, where more than those that were read.
pub(crate) fn more(skip: u64, read: usize, count: u64) -> Option<u64> {
    (skip + (read as u64) < count && read > 0).then_some(count)
}

/// A moment as RFC 3339 has it, from milliseconds since 1970; a minute earlier, since clocks
/// differ.
pub(crate) fn moment(since: i64) -> String {
    let seconds = u64::try_from(since / 1_000).unwrap_or_default().saturating_sub(60);
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The words of a text, without whatever a tracker's search could take for an operator.
pub(crate) fn words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    let operators = ["AND", "OR", "NOT", "and", "or", "not"];
    let kept = words.filter(|word| !word.is_empty() && !operators.contains(word));
    kept.take(12).map(|word| word.chars().take(40).collect()).collect()
}

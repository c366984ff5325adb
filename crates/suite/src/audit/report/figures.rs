//! What is counted, and how.
//!
//! A call counts once in every group of its dimension: its server, its tool, its day (UTC), and
//! each role its caller had.

use std::collections::BTreeMap;

use super::super::entry::Entry;
use super::super::time;
use super::approvals::{Approvals, Groups};
use super::spread::Spread;

/// Tools nobody has: agents may ask for any name, and each must not become a group of its own.
pub(super) const UNKNOWN_TOOLS: &str = "(unknown tools)";

/// Callers without a role.
const NO_ROLE: &str = "(no role)";

/// The ways in which what is counted can be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Dimension {
    Server,
    Tool,
    Role,
    Day,
}

impl Dimension {
    pub(super) const ALL: [Self; 4] = [Self::Server, Self::Tool, Self::Role, Self::Day];

    /// As people and JSON name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Tool => "tool",
            Self::Role => "role",
            Self::Day => "day",
        }
    }
}

/// Why something unsafe did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blocked {
    /// Policy said no.
    Policy,
    /// There is no such tool, or not for this caller.
    UnknownTool,
    /// The arguments broke a rule.
    InvalidArguments,
    /// A rate or in-flight limit was reached.
    Limited,
    /// A person said no.
    ApprovalDenied,
    /// Nobody said yes in time, or what was approved was no longer what would run.
    ApprovalExpired,
    /// Somebody tried to decide who may not.
    ApprovalRefused,
    /// A request without a credential that counts.
    Unidentified,
}

impl Blocked {
    pub(super) const ALL: [Self; 8] = [
        Self::Policy,
        Self::UnknownTool,
        Self::InvalidArguments,
        Self::Limited,
        Self::ApprovalDenied,
        Self::ApprovalExpired,
        Self::ApprovalRefused,
        Self::Unidentified,
    ];

    /// The key in JSON.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::UnknownTool => "unknown_tool",
            Self::InvalidArguments => "invalid_arguments",
            Self::Limited => "limited",
            Self::ApprovalDenied => "approval_denied",
            Self::ApprovalExpired => "approval_expired",
            Self::ApprovalRefused => "approval_refused",
            Self::Unidentified => "unidentified",
        }
    }

    /// As people read it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Policy => "denied by policy",
            Self::UnknownTool => "unknown tool",
            Self::InvalidArguments => "invalid arguments",
            Self::Limited => "over a limit",
            Self::ApprovalDenied => "approval denied",
            Self::ApprovalExpired => "approval expired",
            Self::ApprovalRefused => "decision not allowed",
            Self::Unidentified => "unidentified request",
        }
    }
}

/// The outcomes of calls, in the order in which they are shown.
pub(super) const OUTCOMES: [&str; 8] =
    ["done", "failed", "abandoned", "pending", "denied", "invalid", "limited", "other"];

/// What is known of a group of calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) calls: u64,
    outcomes: [u64; OUTCOMES.len()],
    blocked: [u64; Blocked::ALL.len()],
    pub(super) asked: u64,
    pub(super) given: u64,
    /// Of calls that ran, in microseconds.
    pub(super) latency: Spread,
    /// Of answers that were given, in bytes.
    pub(super) bytes: Spread,
    /// From the question to the decision that settled it, in milliseconds.
    pub(super) decided: Spread,
}

impl Figures {
    fn call(&mut self, entry: &Entry<'_>) {
        self.calls += 1;
        let outcome = OUTCOMES.iter().position(|name| *name == entry.outcome);
        self.outcomes[outcome.unwrap_or(OUTCOMES.len() - 1)] += 1;
        if let Some(blocked) = blocked(entry) {
            self.block(blocked, 1);
        }
        let ran = matches!(entry.outcome.as_ref(), "done" | "failed" | "abandoned");
        if let Some(micros) = entry.duration_us.filter(|_| ran) {
            self.latency.add(micros);
        }
        if let Some(bytes) = entry.result_bytes {
            self.bytes.add(bytes);
        }
    }

    pub(super) fn block(&mut self, kind: Blocked, times: u64) {
        self.blocked[kind as usize] += times;
    }

    pub(super) fn outcome(&self, name: &str) -> u64 {
        OUTCOMES.iter().position(|it| *it == name).map_or(0, |index| self.outcomes[index])
    }

    pub(super) fn blocked(&self, kind: Blocked) -> u64 {
        self.blocked[kind as usize]
    }

    pub(super) fn blocked_total(&self) -> u64 {
        self.blocked.iter().sum()
    }

    /// How many calls ran.
    pub(super) fn ran(&self) -> u64 {
        self.outcome("done") + self.outcome("failed") + self.outcome("abandoned")
    }

    /// Of the calls that ran, the share that succeeded.
    pub(super) fn success(&self) -> Option<f64> {
        share(self.outcome("done"), self.ran())
    }

    /// For how many calls a person was asked, as a share of all calls.
    pub(super) fn approval_frequency(&self) -> Option<f64> {
        share(self.asked, self.calls)
    }

    /// What a person had to decide, or an operator should look at: approvals asked, and all that
    /// was blocked but invalid arguments, which models correct themselves.
    pub(super) fn escalations(&self) -> u64 {
        self.asked + self.blocked_total() - self.blocked(Blocked::InvalidArguments)
    }

    fn join(&mut self, other: Self) {
        self.calls += other.calls;
        self.asked += other.asked;
        self.given += other.given;
        for (ours, theirs) in self.outcomes.iter_mut().zip(other.outcomes) {
            *ours += theirs;
        }
        for (ours, theirs) in self.blocked.iter_mut().zip(other.blocked) {
            *ours += theirs;
        }
        self.latency.join(other.latency);
        self.bytes.join(other.bytes);
        self.decided.join(other.decided);
    }
}

/// One number as a share of another; `None` of nothing.
fn share(part: u64, whole: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Why a call was blocked. One whose approval was denied is counted with the approval.
fn blocked(entry: &Entry<'_>) -> Option<Blocked> {
    match entry.outcome.as_ref() {
        "invalid" => Some(Blocked::InvalidArguments),
        "limited" => Some(Blocked::Limited),
        "denied" if entry.approval.is_some() => None,
        "denied" if is_unknown(entry) => Some(Blocked::UnknownTool),
        "denied" => Some(Blocked::Policy),
        _ => None,
    }
}

/// Whether a tool was asked for that nobody has.
fn is_unknown(entry: &Entry<'_>) -> bool {
    entry.tool_digest.is_empty()
        && entry.decision.is_none()
        && matches!(entry.outcome.as_ref(), "denied" | "invalid" | "limited")
}

/// Everything that is counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) total: Figures,
    pub(super) by: [BTreeMap<String, Figures>; Dimension::ALL.len()],
    /// By hour, such as `2026-11-22T10`.
    pub(super) hours: BTreeMap<String, Hour>,
    pub(super) approvals: Approvals,
    pub(super) records: u64,
    /// The time of the first and of the last record, in milliseconds since 1970.
    pub(super) span: Option<(u64, u64)>,
}

/// How the calls of an hour ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hour {
    pub(super) done: u64,
    /// Failed and abandoned.
    pub(super) failed: u64,
    pub(super) blocked: u64,
    /// Waiting for a person.
    pub(super) pending: u64,
}

impl Hour {
    pub(super) fn join(&mut self, other: Self) {
        self.done += other.done;
        self.failed += other.failed;
        self.blocked += other.blocked;
        self.pending += other.pending;
    }

    pub(super) fn total(&self) -> u64 {
        self.done + self.failed + self.blocked + self.pending
    }
}

impl Counted {
    /// Counts one record; `server` is the folder it stands in.
    pub(super) fn add(&mut self, server: &str, entry: &Entry<'_>) {
        self.records += 1;
        let millis = entry.millis();
        if let Some(millis) = millis {
            let (first, last) = self.span.unwrap_or((millis, millis));
            self.span = Some((first.min(millis), last.max(millis)));
        }
        let groups = || groups(server, entry, millis);
        match entry.event.as_ref() {
            "call" => {
                self.each(&groups(), |figures| figures.call(entry));
                self.hour(entry, millis);
            }
            "unidentified" => {
                self.each(&groups(), |figures| figures.block(Blocked::Unidentified, 1));
            }
            event if event.starts_with("approval_") => {
                self.approvals.add(event, entry.approval_id(), millis, groups);
            }
            _ => {}
        }
    }

    /// Does something to the whole and to each of these groups.
    pub(super) fn each(&mut self, groups: &Groups, change: impl Fn(&mut Figures)) {
        change(&mut self.total);
        for (names, by) in groups.iter().zip(&mut self.by) {
            for name in names {
                match by.get_mut(name) {
                    Some(figures) => change(figures),
                    None => change(by.entry(name.clone()).or_default()),
                }
            }
        }
    }

    fn hour(&mut self, entry: &Entry<'_>, millis: Option<u64>) {
        let Some(millis) = millis else { return };
        let name = time::rfc3339(millis)[..13].to_owned();
        let hour = self.hours.entry(name).or_default();
        match entry.outcome.as_ref() {
            "done" => hour.done += 1,
            "pending" => hour.pending += 1,
            "denied" | "invalid" | "limited" => hour.blocked += 1,
            _ => hour.failed += 1,
        }
    }

    /// Joins what several threads counted.
    pub(super) fn join(&mut self, other: Self) {
        self.records += other.records;
        self.total.join(other.total);
        for (ours, theirs) in self.by.iter_mut().zip(other.by) {
            for (name, figures) in theirs {
                ours.entry(name).or_default().join(figures);
            }
        }
        for (name, hour) in other.hours {
            self.hours.entry(name).or_default().join(hour);
        }
        self.approvals.join(other.approvals);
        self.span = match (self.span, other.span) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// Puts the approvals in their groups, when everything is joined.
    pub(super) fn finish(&mut self) {
        let approvals = std::mem::take(&mut self.approvals);
        approvals.settle(self);
    }
}

/// The groups of a record, in the order of [`Dimension::ALL`].
fn groups(server: &str, entry: &Entry<'_>, millis: Option<u64>) -> Groups {
    let tool = match entry.tool.as_ref() {
        "" => Vec::new(),
        _ if is_unknown(entry) => vec![UNKNOWN_TOOLS.to_owned()],
        tool => vec![tool.to_owned()],
    };
    let roles = match entry.principal.roles.as_slice() {
        [] => vec![NO_ROLE.to_owned()],
        roles => roles.iter().map(|role| role.clone().into_owned()).collect(),
    };
    let day = millis.map(|millis| time::rfc3339(millis)[..10].to_owned());
    [vec![server.to_owned()], tool, roles, day.into_iter().collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(lines: &[&str]) -> Counted {
        let mut counted = Counted::default();
        for line in lines {
            counted.add("docs", &Entry::parse(line.as_bytes()).expect("a record"));
        }
        counted.finish();
        counted
    }

    const DONE: &str = r#"{"duration_us":1000,"event":"call","outcome":"done","principal":{"roles":["a","b"],"subject":"ann"},"result_bytes":250,"time":"2026-11-22T08:00:00.000Z","tool":"docs_read","tool_digest":"d"}"#;
    const FAILED: &str = r#"{"duration_us":3000,"event":"call","outcome":"failed","principal":{"roles":["a"],"subject":"ann"},"time":"2026-11-23T09:00:00.000Z","tool":"docs_read","tool_digest":"d"}"#;

    #[test]
    fn calls_count_in_each_of_their_groups() {
        let counted = counted(&[DONE, DONE, FAILED]);
        assert_eq!((counted.total.calls, counted.total.ran()), (3, 3));
        assert_eq!(counted.total.success(), Some(2.0 / 3.0));
        let calls = |dimension: Dimension| -> Vec<(&str, u64)> {
            let by = &counted.by[dimension as usize];
            by.iter().map(|(name, figures)| (name.as_str(), figures.calls)).collect()
        };
        assert_eq!(calls(Dimension::Server), [("docs", 3)]);
        assert_eq!(calls(Dimension::Tool), [("docs_read", 3)]);
        assert_eq!(calls(Dimension::Role), [("a", 3), ("b", 2)]);
        assert_eq!(calls(Dimension::Day), [("2026-11-22", 2), ("2026-11-23", 1)]);
        assert_eq!((counted.total.bytes.total, counted.total.bytes.count()), (500, 2));
        assert_eq!(counted.hours["2026-11-23T09"], Hour { failed: 1, ..Hour::default() });
    }

    fn check(line: &str, expected: Option<Blocked>) {
        let counted = counted(&[line]);
        let found = Blocked::ALL.into_iter().find(|kind| counted.total.blocked(*kind) > 0);
        assert_eq!(found, expected, "{line}");
        assert_eq!(counted.total.blocked_total(), u64::from(expected.is_some()));
    }

    #[test]
    fn what_is_blocked_is_told_apart() {
        let call = |rest: &str| format!("{{\"event\":\"call\",\"tool\":\"t\",{rest}}}");
        check(&call(r#""outcome":"done""#), None);
        check(&call(r#""outcome":"limited","tool_digest":"d""#), Some(Blocked::Limited));
        check(&call(r#""outcome":"invalid","tool_digest":"d""#), Some(Blocked::InvalidArguments));
        check(&call(r#""outcome":"denied","tool_digest":"d""#), Some(Blocked::Policy));
        check(&call(r#""outcome":"denied","decision":{"allowed":false}"#), Some(Blocked::Policy));
        check(&call(r#""outcome":"denied""#), Some(Blocked::UnknownTool));
        check(&call(r#""outcome":"denied","approval":{"id":"a"}"#), None);
        check(r#"{"event":"unidentified"}"#, Some(Blocked::Unidentified));
        check(
            r#"{"event":"approval_denied","approval":{"id":"a"}}"#,
            Some(Blocked::ApprovalDenied),
        );
        check(r#"{"event":"approval_expired"}"#, Some(Blocked::ApprovalExpired));
        check(r#"{"event":"approval_refused"}"#, Some(Blocked::ApprovalRefused));
    }

    #[test]
    fn names_that_agents_make_up_are_one_group() {
        let lines: Vec<String> = (0..50)
            .map(|n| format!(r#"{{"event":"call","outcome":"denied","tool":"x{n}"}}"#))
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let tools = &counted(&lines).by[Dimension::Tool as usize];
        assert_eq!(tools.keys().collect::<Vec<_>>(), [UNKNOWN_TOOLS]);
    }

    #[test]
    fn joining_threads_is_counting_together() {
        let mut left = Counted::default();
        let mut right = Counted::default();
        left.add("docs", &Entry::parse(DONE.as_bytes()).expect("a record"));
        right.add("docs", &Entry::parse(FAILED.as_bytes()).expect("a record"));
        left.join(right);
        left.finish();
        let together = counted(&[DONE, FAILED]);
        for share in [0.5, 1.0] {
            let both = [&left, &together].map(|it| it.total.latency.quantile(share));
            assert_eq!(both[0], both[1]);
        }
        assert_eq!((left.total.calls, left.hours.len(), left.records), (2, 2, 2));
        let names =
            |it: &Counted| it.by.each_ref().map(|by| by.keys().cloned().collect::<Vec<_>>());
        assert_eq!((names(&left), left.span), (names(&together), together.span));
    }
}

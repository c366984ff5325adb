//! The verdict: what a run has shown, by its report and by how it ended, held against each other.
//!
//! Only [`Verdict::Passed`] says that the tests pass, and it takes everything: the program ended by
//! itself with code 0, the report is whole and of this run, its counts add up, something ran,
//! nothing failed, and what the program printed does not say otherwise.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::progress::Printed;
use crate::report::{Counts, Fault, FaultKind, Report};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// What ended a run, if it did not end by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// A limit, by its name, for instance "wall time of 60 s".
    Limit(String),
    /// Somebody cancelled it.
    Cancelled,
    /// Whoever ran it died or was stopped.
    Interrupted,
    /// It never began, for this reason.
    NotStarted(String),
}

/// How the report came out of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is there, written by this run, and whole.
    #[default]
    Whole,
    /// There is none.
    Missing,
    /// It is older than the run.
    Stale,
    /// It may be somebody else's, for this reason, which says what to do, too.
    Foreign(String),
    /// Not all of it was kept, or it is larger than may be.
    Cut,
    /// It is no ordinary file, or cannot be opened, for this reason.
    Unreadable(String),
}

/// What is known of a run besides its report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How the program ended; nothing if that is not known.
    pub exit: Option<Exit>,
    /// What ended it, if it did not end by itself.
    pub stopped: Option<Stopped>,
    /// How the report came out.
    pub delivery: Delivery,
    /// How many bytes of the report the program wrote, as whoever received them counted. A stream of
    /// events that ends between two packages has no other sign that something is missing.
    pub bytes: Option<u64>,
    /// The summary that the program printed, if one was seen.
    pub printed: Option<Printed>,
}

/// What a run has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Tests ran, and all evidence agrees that none failed.
    Passed,
    /// Tests failed, and the exit code agrees.
    Failed,
    /// No test ran.
    NothingRan,
    /// Every test was skipped.
    OnlySkipped,
    /// There is no report.
    ReportMissing,
    /// The report is older than the run, or may be somebody else's.
    ReportStale,
    /// The report is not whole.
    ReportTruncated,
    /// The report cannot be read as what it should be.
    ReportUnreadable,
    /// The report, the exit code and what was printed do not say the same.
    Disagree,
    /// The report counts what it does not hold, or holds what never ended.
    CountsWrong,
    /// A limit ended the run.
    Limited,
    /// Somebody cancelled the run.
    Cancelled,
    /// The run was interrupted from outside.
    Interrupted,
    /// The run never began.
    NotStarted,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 14] = [
        Self::Passed,
        Self::Failed,
        Self::NothingRan,
        Self::OnlySkipped,
        Self::ReportMissing,
        Self::ReportStale,
        Self::ReportTruncated,
        Self::ReportUnreadable,
        Self::Disagree,
        Self::CountsWrong,
        Self::Limited,
        Self::Cancelled,
        Self::Interrupted,
        Self::NotStarted,
    ];

    /// The name in results and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NothingRan => "nothing_ran",
            Self::OnlySkipped => "only_skipped",
            Self::ReportMissing => "report_missing",
            Self::ReportStale => "report_stale",
            Self::ReportTruncated => "report_truncated",
            Self::ReportUnreadable => "report_unreadable",
            Self::Disagree => "disagree",
            Self::CountsWrong => "counts_wrong",
            Self::Limited => "limited",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::NotStarted => "not_started",
        }
    }

    /// Whether the tests pass.
    pub fn is_passed(self) -> bool {
        self == Self::Passed
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, and what to do about it, in one sentence. It may quote the report.
    pub reason: String,
}

/// Judges a run. Of several things that are wrong, the one that says least can be known comes first.
pub fn judge(report: Option<&Report>, evidence: &Evidence) -> Judged {
    let found = report.map(|report| known(&report.counts)).unwrap_or_default();
    let judged = ended_otherwise(evidence, &found)
        .or_else(|| not_delivered(evidence))
        .or_else(|| report.is_none().then(|| missing(evidence)))
        .or_else(|| broken(report?, evidence, &found))
        .or_else(|| failing(report?, evidence))
        .or_else(|| contradicted(report?, evidence))
        .or_else(|| nothing_passed(report?));
    let (verdict, reason) = judged.unwrap_or_else(|| {
        let counts = report.map(|report| report.counts).unwrap_or_default();
        let all = match counts.ran() {
            1 => "The one test that ran".to_owned(),
            ran => format!("All {ran} tests that ran"),
        };
        (Verdict::Passed, format!("{all} passed{}.", beside(&counts)))
    });
    Judged { verdict, reason }
}

type Found = Option<(Verdict, String)>;

fn ended_otherwise(evidence: &Evidence, found: &str) -> Found {
    let judged = match (&evidence.stopped, evidence.exit) {
        (Some(Stopped::NotStarted(why)), _) => {
            let why = why.trim_end_matches('.');
            (Verdict::NotStarted, format!("The run did not begin: {why}."))
        }
        (Some(Stopped::Cancelled), _) => {
            let reason = format!("The run was cancelled{found}; run it again for a verdict.");
            (Verdict::Cancelled, reason)
        }
        (Some(Stopped::Limit(limit)), _) => {
            let reason = format!(
                "A limit ended the run ({limit}){found}; run fewer tests or have the limit raised."
            );
            (Verdict::Limited, reason)
        }
        (Some(Stopped::Interrupted), _) => {
            let reason = format!("The run was interrupted from outside{found}; run it again.");
            (Verdict::Interrupted, reason)
        }
        (None, None) => {
            let reason = format!("How the program ended is not known{found}; run it again.");
            (Verdict::Interrupted, reason)
        }
        (None, Some(_)) => return None,
    };
    Some(judged)
}

fn not_delivered(evidence: &Evidence) -> Found {
    match &evidence.delivery {
        Delivery::Whole => None,
        Delivery::Missing => Some(missing(evidence)),
        Delivery::Stale => {
            let reason = "The report is older than the run, so the run did not write it; see the log, \
                          and check the path that is declared.";
            Some((Verdict::ReportStale, reason.to_owned()))
        }
        Delivery::Foreign(why) => {
            let why = why.trim_end_matches('.');
            let reason = format!("Nothing shows that this run wrote the report: {why}.");
            Some((Verdict::ReportStale, reason))
        }
        Delivery::Cut => {
            let reason = "The report is larger than what may be kept, so a part of it is missing; run \
                          fewer tests or have the limit raised.";
            Some((Verdict::ReportTruncated, reason.to_owned()))
        }
        Delivery::Unreadable(why) => {
            let reason = format!("The report cannot be read: {why}; see the log.");
            Some((Verdict::ReportUnreadable, reason))
        }
    }
}

fn missing(evidence: &Evidence) -> (Verdict, String) {
    let ended = evidence.exit.map(|exit| format!(" ({exit})")).unwrap_or_default();
    let reason = format!(
        "The program ended{ended} and wrote no report; see the log for what kept it from the tests, \
         and check the path that is declared."
    );
    (Verdict::ReportMissing, reason)
}

/// A report that is not whole, so that nobody knows what it would have said.
fn broken(report: &Report, evidence: &Evidence, found: &str) -> Found {
    if report.counts.total() == 0 && report.has(FaultKind::Empty) {
        let reason = "The report is empty; see the log for what kept the program from writing it.";
        return Some((Verdict::ReportTruncated, reason.to_owned()));
    }
    if let Some(bytes) = evidence.bytes.filter(|bytes| *bytes != report.bytes) {
        let reason = format!(
            "Of the {bytes} bytes of the report {} were read{found}; run it again.",
            report.bytes
        );
        return Some((Verdict::ReportTruncated, reason));
    }
    let of = |kinds: &[FaultKind]| first(report, kinds);
    if let Some(fault) = of(&[FaultKind::Truncated, FaultKind::TooLarge, FaultKind::Empty]) {
        let reason = format!(
            "The report is not whole: {}{found}; see the log and run it again.",
            fault.detail
        );
        return Some((Verdict::ReportTruncated, reason));
    }
    let fault = of(&[FaultKind::Unparsed])?;
    let reason = format!(
        "The report cannot be read as {}: {}{found}; see the log, and check the format that is \
         declared.",
        report.format, fault.detail
    );
    Some((Verdict::ReportUnreadable, reason))
}

fn failing(report: &Report, evidence: &Evidence) -> Found {
    let counts = &report.counts;
    if counts.failing() == 0 {
        return None;
    }
    let failed = format!("{} of {} failed", counts.failing(), tests(counts.ran()));
    if evidence.exit == Some(Exit::Code(0)) {
        let reason = format!(
            "{failed}, but the program ended with exit code 0; fix what failed, and check what \
             hides its exit code."
        );
        return Some((Verdict::Disagree, reason));
    }
    let doubt = match miscounted(report, evidence) {
        Some(fault) => {
            format!("; there may be more, since the report does not add up ({})", fault.detail)
        }
        None => String::new(),
    };
    let them = if counts.failing() == 1 { "it" } else { "them" };
    Some((Verdict::Failed, format!("{failed}{}{doubt}; fix {them}.", beside(counts))))
}

/// No failure in the report, and something that says there should be.
fn contradicted(report: &Report, evidence: &Evidence) -> Found {
    let counts = &report.counts;
    if let Some(fault) = miscounted(report, evidence) {
        let reason =
            format!("The report does not add up: {}; see the log and run it again.", fault.detail);
        return Some((Verdict::CountsWrong, reason));
    }
    if let Some(printed) = evidence.printed {
        if printed.failed > 0 {
            let reason = format!(
                "The program printed that {} failed, and the report has no failure; see the log.",
                tests(printed.failed)
            );
            return Some((Verdict::Disagree, reason));
        }
        if printed.passed > counts.ran() {
            let reason = format!(
                "The program printed that {} passed, and the report has {}; check that all its \
                 report files are declared.",
                tests(printed.passed),
                counts.ran()
            );
            return Some((Verdict::CountsWrong, reason));
        }
    }
    match evidence.exit {
        Some(Exit::Code(0)) => None,
        // Many runners have an exit code of their own for that.
        _ if counts.total() == 0 => None,
        exit => {
            let ended = exit.map(|exit| exit.to_string()).unwrap_or_default();
            let reason = format!(
                "No test failed in the report, but the program ended with {ended}; see the log for \
                 what else failed."
            );
            Some((Verdict::Disagree, reason))
        }
    }
}

fn nothing_passed(report: &Report) -> Found {
    let counts = &report.counts;
    if counts.total() == 0 {
        let reason = "No test ran; check the filter, and that the suite has tests.";
        return Some((Verdict::NothingRan, reason.to_owned()));
    }
    if counts.ran() == 0 {
        let all = match counts.skipped {
            1 => "The only test was".to_owned(),
            skipped => format!("All {skipped} tests were"),
        };
        let reason =
            format!("{all} skipped, so nothing was shown; see why, and run with what it takes.");
        return Some((Verdict::OnlySkipped, reason));
    }
    None
}

/// The first thing that does not add up.
fn miscounted<'r>(report: &'r Report, evidence: &Evidence) -> Option<&'r Fault> {
    let kinds = [FaultKind::Counts, FaultKind::Unfinished, FaultKind::Duplicate];
    first(report, &kinds).or_else(|| {
        let fault = first(report, &[FaultKind::Doubtful])?;
        let is_explained = evidence.printed.is_some_and(|printed| {
            printed.failed == 0
                && printed.passed.saturating_add(printed.to_write) == report.counts.passed
        });
        (!is_explained).then_some(fault)
    })
}

fn first<'r>(report: &'r Report, kinds: &[FaultKind]) -> Option<&'r Fault> {
    report.faults.iter().find(|fault| kinds.contains(&fault.kind))
}

/// What is known of a run that did not end well.
fn known(counts: &Counts) -> String {
    match counts.failing() {
        0 => String::new(),
        failed => format!(" (at least {} failed)", tests(failed)),
    }
}

/// A number of tests.
fn tests(number: u64) -> String {
    format!("{number} test{}", if number == 1 { "" } else { "s" })
}

fn beside(counts: &Counts) -> String {
    let mut parts = Vec::new();
    if counts.flaky > 0 {
        parts.push(format!("{} only after a retry", counts.flaky));
    }
    if counts.skipped > 0 {
        let were = if counts.skipped == 1 { "was" } else { "were" };
        parts.push(format!("{} {were} skipped", counts.skipped));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests;

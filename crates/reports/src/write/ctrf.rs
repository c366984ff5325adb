//! CTRF by its schema, version 0.0.

use std::io::{self, Write};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::report::{Case, Report, Status};

/// What a document says of the run itself.
#[derive(Clone, Debug)]
pub struct CtrfRun<'a> {
    /// The name of the tool that ran the tests; not empty.
    pub tool: &'a str,
    /// When the run began, in milliseconds since 1970.
    pub start: u64,
    /// When it ended, in milliseconds since 1970.
    pub stop: u64,
}

/// Writes a report as CTRF.
///
/// The summary is that of the report, also of cases that it does not hold by name.
pub fn write_ctrf(report: &Report, run: &CtrfRun<'_>, out: &mut impl Write) -> io::Result<()> {
    let counts = &report.counts;
    let summary = Summary {
        tests: counts.total(),
        passed: counts.passed,
        failed: counts.failing(),
        skipped: counts.skipped,
        pending: 0,
        other: 0,
        flaky: counts.flaky,
        start: run.start,
        stop: run.stop,
    };
    let results = Results { tool: Tool { name: run.tool }, summary, tests: &report.cases };
    let document = Document { report_format: "CTRF", spec_version: "0.0.0", results };
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    report_format: &'static str,
    spec_version: &'static str,
    results: Results<'a>,
}

#[derive(Serialize)]
struct Results<'a> {
    tool: Tool<'a>,
    summary: Summary,
    #[serde(serialize_with = "tests")]
    tests: &'a [Case],
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Summary {
    tests: u64,
    passed: u64,
    failed: u64,
    skipped: u64,
    pending: u64,
    other: u64,
    flaky: u64,
    start: u64,
    stop: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Test<'a> {
    name: &'a str,
    status: &'static str,
    duration: u64,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    suite: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// Tells a test that errored from one that failed.
    raw_status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_path: Option<&'a str>,
    retries: u32,
    flaky: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stdout: Vec<&'a str>,
}

/// One after the other, so that a long list is not held twice.
fn tests<S: Serializer>(cases: &&[Case], serializer: S) -> Result<S::Ok, S::Error> {
    struct One<'a>(&'a Case);
    impl Serialize for One<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let suite = [&*self.0.suite];
            test(self.0, if suite[0].is_empty() { &[] } else { &suite }).serialize(serializer)
        }
    }
    serializer.collect_seq(cases.iter().map(One))
}

fn test<'a>(case: &'a Case, suite: &'a [&'a str]) -> Test<'a> {
    let failure = case.failure.as_deref();
    let said = |text: &'a str| (!text.is_empty()).then_some(text);
    let output = failure.map(|failure| failure.output.as_str()).unwrap_or_default();
    Test {
        name: if case.name.is_empty() { "(without a name)" } else { &case.name },
        status: match case.status {
            Status::Passed => "passed",
            Status::Failed | Status::Errored => "failed",
            Status::Skipped => "skipped",
        },
        duration: milliseconds(case.duration),
        suite,
        message: failure.and_then(|failure| said(&failure.message)).or(case.reason.as_deref()),
        trace: failure.and_then(|failure| said(&failure.text)),
        line: case.line,
        raw_status: case.status,
        file_path: case.file.as_deref(),
        retries: case.attempts.saturating_sub(1),
        flaky: case.is_flaky(),
        stdout: output.lines().collect(),
    }
}

fn milliseconds(duration: Option<Duration>) -> u64 {
    u64::try_from(duration.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

//! JUnit XML by the schema that Jenkins reads (`junit-10.xsd` of its xUnit plugin).
//!
//! The schema has no place for the file and the line of a case.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::report::{Case, Counts, Failure, Report, Status};

/// Writes a report as JUnit XML.
///
/// The counts of the root are those of the report, also of cases that it does not hold by name.
pub fn write_junit(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let counts = &report.counts;
    let suites = by_suite(&report.cases);
    writeln!(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>")?;
    let time = time(report.cases.iter());
    let (tests, failed, errored) = (counts.total(), counts.failed, counts.errored);
    writeln!(
        out,
        "<testsuites tests=\"{tests}\" failures=\"{failed}\" errors=\"{errored}\" time=\"{time}\">"
    )?;
    for (name, cases) in suites {
        write_suite(&name, &cases, out)?;
    }
    writeln!(out, "</testsuites>")
}

/// The cases of each suite, in the order in which the suites come first.
fn by_suite(cases: &[Case]) -> Vec<(Arc<str>, Vec<&Case>)> {
    let mut places = std::collections::HashMap::new();
    let mut suites: Vec<(Arc<str>, Vec<&Case>)> = Vec::new();
    for case in cases {
        let place = *places.entry(Arc::clone(&case.suite)).or_insert_with(|| {
            suites.push((Arc::clone(&case.suite), Vec::new()));
            suites.len() - 1
        });
        suites[place].1.push(case);
    }
    suites
}

fn write_suite(name: &str, cases: &[&Case], out: &mut impl Write) -> io::Result<()> {
    let mut counts = Counts::default();
    for case in cases {
        counts.add(case.status);
    }
    let Counts { failed, errored, skipped, .. } = counts;
    let (name, tests, time) = (escaped(name), cases.len(), time(cases.iter().copied()));
    writeln!(
        out,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\" errors=\"{errored}\" \
         skipped=\"{skipped}\" time=\"{time}\">"
    )?;
    for case in cases {
        write_case(case, out)?;
    }
    writeln!(out, "  </testsuite>")
}

fn write_case(case: &Case, out: &mut impl Write) -> io::Result<()> {
    let (name, class) = (escaped(&case.name), escaped(&case.suite));
    write!(out, "    <testcase name=\"{name}\" classname=\"{class}\"")?;
    if let Some(duration) = case.duration {
        write!(out, " time=\"{:.3}\"", duration.as_secs_f64())?;
    }
    writeln!(out, ">")?;
    let empty = Failure::default();
    let failure = case.failure.as_deref().unwrap_or(&empty);
    match case.status {
        Status::Failed => write_failure("failure", failure, out)?,
        Status::Errored => write_failure("error", failure, out)?,
        Status::Skipped => {
            let reason = escaped(case.reason.as_deref().unwrap_or_default());
            writeln!(out, "      <skipped message=\"{reason}\"/>")?;
        }
        Status::Passed => {}
    }
    let attempt = if case.status == Status::Passed { "flakyFailure" } else { "rerunFailure" };
    for index in 1..case.attempts.min(100) {
        // What is known of earlier attempts is known of one.
        let is_known = index == 1 && case.status == Status::Passed;
        write_failure(attempt, if is_known { failure } else { &empty }, out)?;
    }
    if case.is_failing() && !failure.output.is_empty() {
        writeln!(out, "      <system-out>{}</system-out>", escaped(&failure.output))?;
    }
    writeln!(out, "    </testcase>")
}

fn write_failure(element: &str, failure: &Failure, out: &mut impl Write) -> io::Result<()> {
    let (message, kind) = (escaped(&failure.message), escaped(&failure.kind));
    let text = escaped(&failure.text);
    writeln!(out, "      <{element} message=\"{message}\" type=\"{kind}\">{text}</{element}>")
}

/// All times together, in seconds.
fn time<'c>(cases: impl Iterator<Item = &'c Case>) -> String {
    let times = cases.filter_map(|case| case.duration);
    let sum = times.fold(Duration::ZERO, Duration::saturating_add);
    format!("{:.3}", sum.as_secs_f64())
}

/// Text for an element or an attribute; characters that XML 1.0 cannot hold are replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // As they are, a reader makes spaces of them, or drops one.
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            '\r' => escaped.push_str("&#13;"),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            _ => escaped.push(character),
        }
    }
    escaped
}

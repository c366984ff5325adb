//! The Common Test Report Format (ctrf.io): one JSON object with a summary and a list of tests.
//!
//! The list is read test by test, so that a long one is never held whole.

mod text;

use std::cell::RefCell;
use std::fmt;
use std::io::{BufReader, Read};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use crate::report::{Case, Collector, Counts, Failure, FaultKind, Status};
use text::{Guarded, Joined};

/// Reads one document.
pub(crate) fn read<R: Read>(input: R, collector: &mut Collector<'_>) {
    let (before, most) = (collector.report.counts, collector.bounds.line);
    let document = RefCell::new(Document { collector, before, summary: None, lists: 0, others: 0 });
    let buffered = BufReader::with_capacity(64 << 10, Guarded::new(input, most));
    let mut deserializer = serde_json::Deserializer::from_reader(buffered);
    let result = At { document: &document, place: Place::Root }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end());
    let mut document = document.into_inner();
    match result {
        Ok(()) => document.check(),
        Err(error) => {
            let kind = match error.classify() {
                Category::Eof => FaultKind::Truncated,
                Category::Io => FaultKind::TooLarge,
                Category::Syntax | Category::Data => FaultKind::Unparsed,
            };
            document.collector.fault(kind, error.to_string());
        }
    }
}

struct Document<'c, 'b> {
    collector: &'c mut Collector<'b>,
    /// What was counted before this document.
    before: Counts,
    summary: Option<Summary>,
    /// How many lists of tests there were.
    lists: usize,
    /// Tests of a status that says neither.
    others: u64,
}

#[derive(Deserialize)]
struct Summary {
    tests: Option<u64>,
    passed: Option<u64>,
    failed: Option<u64>,
    #[serde(default)]
    skipped: u64,
    #[serde(default)]
    pending: u64,
    #[serde(default)]
    other: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    #[serde(default)]
    name: String,
    #[serde(default)]
    status: String,
    duration: Option<f64>,
    /// A list of names; older writers give one name.
    #[serde(default)]
    suite: Joined,
    message: Option<String>,
    trace: Option<String>,
    line: Option<u64>,
    raw_status: Option<String>,
    file_path: Option<String>,
    retries: Option<u64>,
    #[serde(default)]
    stdout: Joined,
    #[serde(default)]
    stderr: Joined,
}

impl Document<'_, '_> {
    fn add(&mut self, test: Test) {
        let status = match test.status.as_str() {
            "passed" => Status::Passed,
            "failed" if matches!(test.raw_status.as_deref(), Some("errored" | "error")) => {
                Status::Errored
            }
            "failed" => Status::Failed,
            "skipped" | "pending" => Status::Skipped,
            // A writer that cannot say more calls it other; what it means is its raw status.
            "other" => {
                self.others += 1;
                other(test.raw_status.as_deref().unwrap_or_default())
            }
            unknown => {
                let detail = format!("{} has the unknown status {unknown:?}", test.name);
                self.collector.fault(FaultKind::Unparsed, detail);
                Status::Errored
            }
        };
        let suite = test.suite.with(" > ");
        let suite =
            if suite.is_empty() { test.file_path.clone().unwrap_or_default() } else { suite };
        let mut case = Case::new(&suite, &test.name, status);
        case.file = test.file_path.as_deref().map(Into::into);
        case.line = test.line.and_then(|line| u32::try_from(line).ok());
        case.duration =
            test.duration.and_then(|value| Duration::try_from_secs_f64(value / 1_000.0).ok());
        case.attempts =
            u32::try_from(test.retries.unwrap_or(0)).unwrap_or(u32::MAX).saturating_add(1);
        if case.is_failing() {
            let message = test.message.unwrap_or_default();
            let output = [test.stdout.with("\n"), test.stderr.with("\n")].join("\n");
            case.failure = Some(Box::new(Failure {
                message,
                text: test.trace.unwrap_or_default(),
                output: output.trim().to_owned(),
                ..Failure::default()
            }));
        } else if status == Status::Skipped {
            case.reason = test.message.map(Into::into);
        }
        self.collector.add(case);
    }

    fn check(&mut self) {
        if self.lists != 1 {
            let detail = format!("there are {} lists of tests where one should be", self.lists);
            self.collector.fault(FaultKind::Unparsed, detail);
        }
        let Some(summary) = self.summary.take() else {
            self.collector.fault(FaultKind::Counts, "there is no summary to check the tests by");
            return;
        };
        let (now, before) = (self.collector.report.counts, self.before);
        let passed = now.passed - before.passed;
        let failing = now.failing() - before.failing();
        let total = now.total() - before.total();
        let rest = total - passed - failing;
        let Summary { skipped, pending, other, .. } = summary;
        // What the summary calls other may be of any status here.
        let declared = [
            ("tests", summary.tests, total, 0),
            ("passed", summary.passed, passed, self.others),
            ("failed", summary.failed, failing, self.others),
            ("skipped, pending and other", Some(skipped + pending + other), rest, self.others),
        ];
        for (name, declared, found, slack) in declared {
            let Some(declared) = declared else {
                let detail = format!("the summary does not say how many {name}");
                self.collector.fault(FaultKind::Counts, detail);
                continue;
            };
            if declared.abs_diff(found) > slack {
                let detail = format!("the summary counts {declared} {name}, and {found} are there");
                self.collector.fault(FaultKind::Counts, detail);
            }
        }
        if self.others != other {
            let detail = format!("the summary counts {other} other, and {} are there", self.others);
            self.collector.fault(FaultKind::Counts, detail);
        }
    }
}

fn other(raw: &str) -> Status {
    match raw.to_ascii_lowercase().as_str() {
        "todo" | "disabled" | "ignored" | "focused" | "skipped" | "pending" => Status::Skipped,
        // Timed out, interrupted, or something that nobody knows: it did not pass.
        _ => Status::Errored,
    }
}

/// Where in the document something is.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Results,
    Tests,
}

/// Reads what is at a place into the document.
struct At<'d, 'c, 'b> {
    document: &'d RefCell<Document<'c, 'b>>,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for At<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.place {
            Place::Tests => deserializer.deserialize_seq(self),
            Place::Root | Place::Results => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for At<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.place {
            Place::Root => "a CTRF document",
            Place::Results => "an object with `summary` and `tests`",
            Place::Tests => "a list of tests",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let document = self.document;
        while let Some(key) = map.next_key::<String>()? {
            match (self.place, key.as_str()) {
                (Place::Root, "results") => {
                    map.next_value_seed(At { document, place: Place::Results })?;
                }
                (Place::Results, "tests") => {
                    document.borrow_mut().lists += 1;
                    map.next_value_seed(At { document, place: Place::Tests })?;
                }
                (Place::Results, "summary") => {
                    let summary = map.next_value()?;
                    document.borrow_mut().summary = Some(summary);
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(test) = list.next_element()? {
            self.document.borrow_mut().add(test);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

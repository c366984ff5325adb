//! The lines of libtest's text: `running 2 tests`, `test a ... ok`, `test result: ok. 2 passed; …`.

use std::collections::HashMap;

use super::{Run, Summary, failure};
use crate::report::{Case, Collector, Status};
use crate::text::{plain, push_clipped};

/// What was read of a binary, until it sums up.
#[derive(Default)]
pub(super) struct Reader {
    /// A test that prints before it ends: its result stands on a later line.
    open: Option<String>,
    /// Tests that failed; what they print stands beneath.
    failed: Vec<String>,
    /// What failed tests printed.
    printed: HashMap<String, String>,
    /// The test whose output these lines are.
    section: Option<String>,
    is_running: bool,
}

impl Reader {
    pub(super) fn take(&mut self, line: &str, run: &mut Run, collector: &mut Collector<'_>) {
        let line = &plain(line);
        if let Some(planned) = planned(line) {
            self.settle(run, collector);
            self.is_running = true;
            run.begin(planned, collector);
        } else if let Some(summary) = summary(line) {
            self.settle(run, collector);
            self.is_running = false;
            run.sum_up(summary, collector);
        } else if !self.is_running {
            // Cargo's own lines, between two binaries.
        } else if let Some(name) = section(line) {
            self.section = Some(name.to_owned());
        } else if line == "failures:" {
            self.section = None;
        } else if let Some(name) = &self.section {
            let text = self.printed.entry(name.clone()).or_default();
            push_clipped(text, line, collector.bounds.text);
            text.push('\n');
        } else {
            self.test(line, run, collector);
        }
    }

    fn test(&mut self, line: &str, run: &mut Run, collector: &mut Collector<'_>) {
        let ended = match line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) {
            Some((name, result)) => {
                self.open = Some(name.trim_end_matches(" - should panic").to_owned());
                result
            }
            None => line,
        };
        let (status, reason) = match ended.split_once(", ") {
            Some(("ignored", reason)) => (Some(Status::Skipped), Some(reason)),
            _ => (status(ended), None),
        };
        let Some(status) = status else { return };
        let Some(name) = self.open.take() else { return };
        if status == Status::Failed && self.failed.len() < collector.bounds.cases {
            self.failed.push(name);
            return;
        }
        let mut case = Case::new("", &name, status);
        case.reason = reason.map(Box::from);
        run.end(case, &name, false, collector);
    }

    /// Takes the failed tests in, now that what they printed is known.
    fn settle(&mut self, run: &mut Run, collector: &mut Collector<'_>) {
        for name in std::mem::take(&mut self.failed) {
            let mut case = Case::new("", &name, Status::Failed);
            let printed = self.printed.remove(&name).unwrap_or_default();
            case.failure = Some(Box::new(failure(printed)));
            run.end(case, &name, false, collector);
        }
        self.printed.clear();
        (self.open, self.section) = (None, None);
    }

    pub(super) fn finish(&mut self, run: &mut Run, collector: &mut Collector<'_>) {
        self.settle(run, collector);
    }
}

fn planned(line: &str) -> Option<u64> {
    let rest = line.strip_prefix("running ")?;
    let count = rest.strip_suffix(" tests").or(rest.strip_suffix(" test"))?;
    count.parse().ok()
}

fn section(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?;
    name.strip_suffix(" stdout ----").or(name.strip_suffix(" stderr ----"))
}

fn status(result: &str) -> Option<Status> {
    // With times reported, ` <0.001s>` follows.
    let result = result.split(" <").next().unwrap_or(result);
    match result {
        "ok" => Some(Status::Passed),
        "FAILED" => Some(Status::Failed),
        "ignored" => Some(Status::Skipped),
        _ if result.starts_with("bench:") => Some(Status::Passed),
        _ => None,
    }
}

fn summary(line: &str) -> Option<Summary> {
    let (result, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut summary = Summary { is_ok: result == "ok", ..Summary::default() };
    for part in counts.split("; ") {
        let Some((count, name)) = part.split_once(' ') else { continue };
        let field = match name {
            "passed" => &mut summary.passed,
            "failed" => &mut summary.failed,
            "ignored" => &mut summary.ignored,
            "measured" => &mut summary.measured,
            _ => continue,
        };
        *field = count.parse().ok()?;
    }
    Some(summary)
}

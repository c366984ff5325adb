//! What libtest prints: JSON by line (`--format json`, unstable, also by nextest) or text.
//!
//! A binary says how many tests it has, says of each how it ended, and sums up; one line may be of
//! either form, and lines that are neither are what tests print. Each binary's sums must be those
//! of its tests.

mod events;
mod plain;

use std::collections::HashMap;
use std::io::Read;
use std::time::Duration;

use crate::lines::Lines;
use crate::report::{Case, Collector, Counts, Failure, FaultKind, Status};
use crate::text::headline;

/// Reads what the binaries of one run print.
pub(crate) fn read<R: Read>(input: R, collector: &mut Collector<'_>) {
    let mut lines = Lines::new(input, collector.bounds.line);
    let mut run = Run::default();
    let mut text = plain::Reader::default();
    while let Some(line) = lines.next(collector) {
        if line.starts_with('{') {
            events::take(line, &mut run, collector);
        } else {
            text.take(line, &mut run, collector);
        }
    }
    text.finish(&mut run, collector);
    run.finish(collector);
}

/// What a binary says when it is done.
#[derive(Clone, Copy, Debug, Default)]
struct Summary {
    is_ok: bool,
    passed: u64,
    failed: u64,
    ignored: u64,
    measured: u64,
}

/// All binaries of a run, one after the other.
#[derive(Default)]
struct Run {
    /// How many tests the binary that runs has, if one runs.
    planned: Option<u64>,
    /// What ended in it.
    found: Counts,
    /// Its tests that began and did not end.
    running: HashMap<String, u64>,
    /// How many binaries began.
    binaries: u64,
    /// nextest writes a suite for each binary, but mixes them and counts what is ignored again and
    /// again; so there only the sums of all are held against each other.
    is_mixed: bool,
    summed: Summary,
    total: Counts,
}

impl Run {
    fn begin(&mut self, planned: u64, collector: &mut Collector<'_>) {
        if self.planned.is_some() && !self.is_mixed {
            let detail = "a test binary did not sum up before the next one began";
            collector.fault(FaultKind::Unfinished, detail);
            self.abandon(collector);
        }
        self.binaries += 1;
        self.planned = Some(planned);
        self.found = Counts::default();
    }

    fn start(&mut self, name: &str, collector: &mut Collector<'_>) {
        self.is_mixed |= name.contains('$');
        if self.running.len() < collector.bounds.cases {
            let count = self.running.entry(name.to_owned()).or_default();
            *count += 1;
            if *count > 1 {
                collector.fault(FaultKind::Duplicate, format!("{name} began twice"));
            }
        }
    }

    fn end(&mut self, case: Case, name: &str, is_announced: bool, collector: &mut Collector<'_>) {
        match self.running.get_mut(name) {
            Some(1) => {
                self.running.remove(name);
            }
            Some(count) => *count -= 1,
            None if is_announced => {
                collector.fault(FaultKind::Unfinished, format!("{name} ended and did not begin"));
            }
            None => {}
        }
        if self.planned.is_none() && !self.is_mixed {
            collector.fault(FaultKind::Unfinished, format!("{name} ended outside of a binary"));
        }
        self.found.add(case.status);
        self.total.add(case.status);
        collector.add(case);
    }

    fn sum_up(&mut self, summary: Summary, collector: &mut Collector<'_>) {
        let Some(planned) = self.planned.take() else {
            collector.fault(FaultKind::Unfinished, "a test binary summed up and did not begin");
            return;
        };
        let sum = &mut self.summed;
        sum.passed = sum.passed.saturating_add(summary.passed).saturating_add(summary.measured);
        sum.failed = sum.failed.saturating_add(summary.failed);
        if summary.is_ok != (summary.failed == 0) {
            collector
                .fault(FaultKind::Counts, "the result of a test binary is not that of its tests");
        }
        if self.is_mixed {
            return;
        }
        let Counts { passed, skipped, .. } = self.found;
        let failed = self.found.failing();
        let summed =
            [summary.passed.saturating_add(summary.measured), summary.failed, summary.ignored];
        if summed != [passed, failed, skipped] {
            let [sum_passed, sum_failed, sum_ignored] = summed;
            let detail = format!(
                "a test binary sums up {sum_passed} passed, {sum_failed} failed, {sum_ignored} \
                 ignored, and there are {passed}, {failed}, {skipped}"
            );
            collector.fault(FaultKind::Counts, detail);
        } else if planned != self.found.total() {
            let detail =
                format!("a test binary has {planned} tests, and {} ended", self.found.total());
            collector.fault(FaultKind::Counts, detail);
        }
        self.abandon(collector);
    }

    /// What runs will not end any more.
    fn abandon(&mut self, collector: &mut Collector<'_>) {
        let mut names: Vec<String> = self.running.drain().map(|(name, _)| name).collect();
        names.sort();
        for name in names {
            collector.fault(FaultKind::Unfinished, format!("{name} began and did not end"));
            let message = "it began and did not end: its process was killed or gave up";
            let failure = Failure { message: message.to_owned(), ..Failure::default() };
            let (suite, name) = parted(&name);
            let case = Case::new(suite, name, Status::Errored);
            collector.add(Case { failure: Some(Box::new(failure)), ..case });
        }
    }

    fn finish(&mut self, collector: &mut Collector<'_>) {
        if self.is_mixed {
            // nextest says that ignored tests begin, and not that they end.
            let (passed, failed) = (self.total.passed, self.total.failing());
            if (self.summed.passed, self.summed.failed) != (passed, failed) {
                let detail = format!(
                    "the binaries sum up {} passed and {} failed, and there are {passed} and {failed}",
                    self.summed.passed, self.summed.failed
                );
                collector.fault(FaultKind::Counts, detail);
            }
            let names: Vec<String> = self.running.drain().map(|(name, _)| name).collect();
            for name in names {
                let (suite, name) = parted(&name);
                collector.add(Case::new(suite, name, Status::Skipped));
            }
        }
        if self.planned.is_some() {
            collector.fault(FaultKind::Truncated, "the last test binary does not sum up");
            self.abandon(collector);
        }
        if self.binaries == 0 && collector.report.faults.is_empty() {
            collector.fault(FaultKind::Unparsed, "there is no line of libtest in it");
        }
    }
}

/// nextest writes `package::binary$name`.
fn parted(name: &str) -> (&str, &str) {
    name.split_once('$').unwrap_or(("", name))
}

fn failure(text: String) -> Failure {
    let message = headline(&text).to_owned();
    Failure { message, text, ..Failure::default() }
}

fn seconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value).ok()
}

#[cfg(test)]
mod tests;

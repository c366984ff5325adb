//! The steps of a run: announced, timed, and summed up at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::terminal::{Look, error, heading, paint, spoken};

/// What became of the steps so far.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

struct Line {
    step: String,
    outcome: Outcome,
}

enum Outcome {
    Passed { detail: String, took: Duration },
    Failed { took: Duration },
    Information(String),
}

impl Report {
    /// Runs a step. It returns what the summary says of it, or why it failed.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Result<String>) {
        heading(name);
        let start = Instant::now();
        let result = work();
        let took = start.elapsed();
        let outcome = match result {
            Ok(detail) => Outcome::Passed { detail, took },
            Err(reason) => {
                error(&format!("{name}: {reason:#}"));
                Outcome::Failed { took }
            }
        };
        self.lines.push(Line { step: name.to_owned(), outcome });
    }

    /// Adds what the reader should know and nobody has to act on.
    pub(crate) fn information(&mut self, subject: &str, text: &str) {
        let outcome = Outcome::Information(text.to_owned());
        self.lines.push(Line { step: subject.to_owned(), outcome });
    }

    /// Prints the summary; the exit code says whether all steps passed.
    pub(crate) fn close(&self) -> ExitCode {
        eprintln!();
        heading("Summary");
        for line in &self.lines {
            eprintln!("{}", line.text());
        }
        let failed: Vec<_> = self.failed().collect();
        if failed.is_empty() {
            eprintln!("{}", paint(Look::Good, "everything passed"));
            ExitCode::SUCCESS
        } else {
            eprintln!("{}", paint(Look::Bad, &format!("failed: {}", failed.join(", "))));
            ExitCode::FAILURE
        }
    }

    fn failed(&self) -> impl Iterator<Item = &str> {
        let is_failed = |line: &&Line| matches!(line.outcome, Outcome::Failed { .. });
        self.lines.iter().filter(is_failed).map(|line| line.step.as_str())
    }
}

impl Line {
    fn text(&self) -> String {
        let (look, verdict, rest) = match &self.outcome {
            Outcome::Passed { detail, took } => {
                (Look::Good, "ok", format!("{:<12} {detail}", spoken(*took)))
            }
            Outcome::Failed { took } => (Look::Bad, "FAILED", spoken(*took)),
            Outcome::Information(text) => (Look::Quiet, "-", text.clone()),
        };
        let verdict = paint(look, &format!("{verdict:<6}"));
        format!("    {:<14} {verdict} {rest}", self.step).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_but_does_not_stop_it() {
        let mut report = Report::default();
        report.step("first", || anyhow::bail!("broken"));
        report.step("second", || Ok("12 passed".to_owned()));
        report.information("tool", "not on PATH");
        assert_eq!(report.failed().collect::<Vec<_>>(), ["first"]);
        assert_eq!(report.lines.len(), 3);
        assert_eq!(report.close(), ExitCode::FAILURE);
    }

    #[test]
    fn information_is_not_a_failure() {
        let mut report = Report::default();
        report.information("tool", "not on PATH");
        assert_eq!(report.close(), ExitCode::SUCCESS);
    }
}

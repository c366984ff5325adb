//! What pytest prints: a fallback where it writes no JUnit XML.
//!
//! The last line counts everything, and what it counts is what is reported: names are known of what
//! did not pass, and of the rest only if pytest is verbose. Details of a failure are what stands
//! beneath its title.

mod line;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use crate::lines::Lines;
use crate::report::{Case, Collector, Failure, FaultKind, Status};
use crate::text::{plain, push_clipped};
use line::{Named, Summary, named, title};
pub(crate) use line::{collected, summary, while_it_runs};

/// Reads what was printed.
pub(crate) fn read<R: Read>(input: R, collector: &mut Collector<'_>) {
    let mut lines = Lines::new(input, collector.bounds.line);
    let mut session = Session::default();
    let mut sessions = 0_u64;
    let mut is_announced = false;
    while let Some(line) = lines.next(collector) {
        let line = plain(line);
        match summary(&line) {
            Some(summary) => {
                let is_of_another = session.is_begun && session.is_announced == is_announced;
                if sessions > 0 && !is_of_another {
                    collector.fault(FaultKind::Duplicate, "a second summary");
                }
                is_announced = session.is_announced;
                std::mem::take(&mut session).close(summary, collector);
                sessions += 1;
            }
            None => session.take(&line, collector),
        }
    }
    if sessions == 0 || session.is_begun {
        collector.fault(FaultKind::Truncated, "the summary at the end is missing");
        let named = std::mem::take(&mut session.named);
        for named in named {
            collector.add(session.case(named));
        }
    }
}

/// One run of pytest.
#[derive(Default)]
struct Session {
    is_begun: bool,
    /// Whether a headline says that it starts; quiet runs have none.
    is_announced: bool,
    /// How many tests it found, without those that were deselected.
    collected: Option<u64>,
    /// Tests by name and how they ended; a name stands once for each end.
    named: Vec<Named>,
    /// Whether the names are those at the end, which stand for all that did not pass.
    is_summing_up: bool,
    /// What is printed beneath a title.
    details: HashMap<String, String>,
    title: Option<String>,
}

impl Session {
    fn take(&mut self, line: &str, collector: &Collector<'_>) {
        if line.starts_with("===") {
            self.is_begun = true;
            self.is_announced |= line.contains(" test session starts ");
            self.title = None;
            if line.contains(" short test summary info ") {
                self.is_summing_up = true;
            }
        } else if let Some(title) = title(line) {
            self.title = (self.details.len() < collector.bounds.cases).then(|| title.to_owned());
        } else if let Some(count) = collected(line) {
            self.is_begun = true;
            self.collected = Some(count);
        } else if let Some(named) = named(line, self.is_summing_up) {
            self.is_begun = true;
            self.name(named, collector.bounds.cases);
        } else if let Some(title) = &self.title {
            let text = self.details.entry(title.clone()).or_default();
            push_clipped(text, line, collector.bounds.text);
            text.push('\n');
        } else if line.trim_end().ends_with("%]") {
            self.is_begun = true;
        }
    }

    /// A verbose run names a failure twice: when it happens, and at the end with its message.
    fn name(&mut self, named: Named, most: usize) {
        if self.is_summing_up && named.status != Status::Skipped {
            let same = |other: &&mut Named| other.name == named.name && other.end == named.end;
            if let Some(other) = self.named.iter_mut().filter(|other| !other.is_final).find(same) {
                *other = named;
                return;
            }
        }
        if self.named.len() < 2 * most {
            self.named.push(named);
        }
    }

    fn close(mut self, summary: Summary, collector: &mut Collector<'_>) {
        self.check(&summary, collector);
        let mut left = [
            (Status::Passed, summary.passed.saturating_add(summary.xpassed)),
            (Status::Failed, summary.failed),
            (Status::Errored, summary.errors),
            (Status::Skipped, summary.skipped.saturating_add(summary.xfailed)),
        ];
        for named in std::mem::take(&mut self.named) {
            let Some((_, left)) = left.iter_mut().find(|(status, _)| *status == named.status)
            else {
                continue;
            };
            if *left > 0 {
                *left -= 1;
            } else if named.status == Status::Failed || named.status == Status::Errored {
                let detail = format!("{} failed, and the summary does not count it", named.name);
                collector.fault(FaultKind::Counts, detail);
            } else {
                // One line for several that were skipped, or the same test twice.
                continue;
            }
            let case = self.case(named);
            collector.add(case);
        }
        for (status, count) in left {
            collector.add_unnamed(status, count);
        }
    }

    /// Everything that was found has ended, unless a failure kept the rest from running.
    fn check(&self, summary: &Summary, collector: &mut Collector<'_>) {
        let Some(collected) = self.collected else { return };
        let ended = summary.passed + summary.xpassed + summary.skipped + summary.xfailed;
        if summary.failed + summary.errors == 0 && ended != collected {
            let detail = format!("it found {collected} tests, and {ended} ended");
            collector.fault(FaultKind::Counts, detail);
        }
    }

    fn case(&mut self, named: Named) -> Case {
        let (file, rest) = named.name.split_once("::").unwrap_or((&named.name, ""));
        let (class, name) = rest.rsplit_once("::").unwrap_or(("", rest));
        let suite = if class.is_empty() { file.to_owned() } else { format!("{file}::{class}") };
        let name = if name.is_empty() { "(collection)" } else { name };
        let mut case = Case::new(&suite, name, named.status);
        case.file = Path::new(file).extension().is_some().then(|| file.into());
        if case.is_failing() {
            // The title of a subtest has its parameters, that of a broken module its file.
            let of_subtest = named.end.find(['(', '[']).map(|at| format!(" {}", &named.end[at..]));
            let key = if rest.is_empty() { file.to_owned() } else { rest.replace("::", ".") };
            let key = key + of_subtest.as_deref().unwrap_or_default();
            let text = self.details.remove(&key).unwrap_or_default();
            let said = text.lines().find_map(|line| line.strip_prefix("E  ")).map(str::trim);
            let message = said.map_or(named.said, str::to_owned);
            case.failure = Some(Box::new(Failure { message, text, ..Failure::default() }));
        } else if named.status == Status::Skipped && !named.said.is_empty() {
            case.reason = Some(named.said.into());
        }
        case
    }
}

#[cfg(test)]
mod tests;

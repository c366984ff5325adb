//! The Test Anything Protocol, versions 13 and 14 (testanything.org).
//!
//! A stream is whole if each level has one plan and as many test points as planned. A point that
//! stands for a subtest is no case of its own unless it fails without one of its own cases.

mod line;

use std::io::Read;
use std::time::Duration;

use crate::lines::Lines;
use crate::report::{Case, Collector, Failure, FaultKind, Status};
use crate::text::push_clipped;
use line::{Directive, Line, Point};

/// Reads one stream.
pub(crate) fn read<R: Read>(input: R, collector: &mut Collector<'_>) {
    let mut lines = Lines::new(input, collector.bounds.line);
    let mut stream = Stream::new();
    while let Some(line) = lines.next(collector) {
        stream.take(line, collector);
        if stream.is_over {
            break;
        }
    }
    stream.finish(collector);
}

/// Test points at one depth.
struct Level {
    indent: usize,
    /// What its cases belong to.
    name: String,
    plan: Option<u64>,
    points: u64,
    /// The point that stands for it, where that comes first: whether it passed.
    parent: Option<bool>,
    failed: bool,
}

impl Level {
    fn new(indent: usize, name: String) -> Self {
        Self { indent, name, plan: None, points: 0, parent: None, failed: false }
    }
}

/// One stream.
struct Stream {
    levels: Vec<Level>,
    /// The case of the last point, until it is clear that nothing more is said of it.
    last: Option<Case>,
    /// What the last comment said will follow.
    announced: Option<String>,
    /// The block of details that is open, by the indentation of its point.
    details: bool,
    /// What the closing comments of node:test say: tests, suites, failed.
    closing: [Option<u64>; 3],
    /// All points, those that stand for subtests included.
    points: u64,
    is_over: bool,
}

impl Stream {
    fn new() -> Self {
        Self {
            levels: vec![Level::new(0, String::new())],
            last: None,
            announced: None,
            details: false,
            closing: [None; 3],
            points: 0,
            is_over: false,
        }
    }

    fn take(&mut self, text: &str, collector: &mut Collector<'_>) {
        if self.details {
            self.detail(text, collector);
            return;
        }
        let indent = text.len() - text.trim_start_matches(' ').len();
        match line::read(text.trim()) {
            Line::Point(point) => self.point(indent, point, collector),
            Line::Plan(plan, directive) => self.plan(indent, plan, directive, collector),
            Line::Subtest(name) => self.announce(indent, name, collector),
            Line::Details if self.last.is_some() => self.details = true,
            Line::EndOfSubtest if self.levels.len() > 1 => {
                self.settle(collector);
                self.close(collector);
            }
            Line::BailOut(reason) => self.bail_out(reason, collector),
            Line::Comment(text) => self.comment(text, collector),
            Line::Details | Line::EndOfSubtest | Line::Other => {}
        }
    }

    /// The name of a subtest, at the depth of its parent or, in old streams, of its points.
    fn announce(&mut self, indent: usize, name: &str, collector: &mut Collector<'_>) {
        self.settle(collector);
        let is_deeper = self.levels.last().is_some_and(|level| indent > level.indent);
        let is_first = self.announced.is_none();
        if is_deeper && self.levels.len() < collector.bounds.depth {
            self.announced.get_or_insert_with(|| name.to_owned());
            self.open(indent);
        }
        if !(is_deeper && is_first) {
            self.announced = Some(name.to_owned());
        }
    }

    fn point(&mut self, indent: usize, point: Point<'_>, collector: &mut Collector<'_>) {
        self.settle(collector);
        self.points += 1;
        let beneath = self.close_to(indent, collector);
        let depth = collector.bounds.depth;
        if self.levels.last().is_some_and(|level| indent > level.indent) {
            if self.levels.len() >= depth {
                let detail = format!("subtests lie deeper than {depth} in each other");
                collector.fault(FaultKind::TooLarge, detail);
                self.is_over = true;
                return;
            }
            self.open(indent);
        }
        let Some(level) = self.levels.last_mut() else { return };
        level.points += 1;
        if let Some(number) = point.number.filter(|number| *number != level.points) {
            let detail = format!("test {number} stands where test {} should", level.points);
            collector.fault(FaultKind::Counts, detail);
            // The next one may well follow on it.
            level.points = level.points.max(number.min(1 << 40));
        }
        let is_failing = !point.is_ok && point.directive != Some(Directive::Todo);
        level.failed |= is_failing;
        let suite = level.name.clone();
        self.announced = None;
        if point.opens {
            let name = joined(&suite, point.name);
            let mut level = Level::new(indent + 4, name);
            level.parent = Some(point.is_ok || point.directive.is_some());
            self.levels.push(level);
        } else if let Some(failed_beneath) = beneath {
            // The point stands for what came before it.
            self.parent(&suite, &point, failed_beneath, collector);
        } else {
            self.last = Some(case(&suite, &point));
        }
    }

    /// A point that stands for a subtest.
    fn parent(
        &mut self,
        suite: &str,
        point: &Point<'_>,
        failed: bool,
        collector: &mut Collector<'_>,
    ) {
        let is_excused = point.directive == Some(Directive::Todo);
        if point.is_ok && failed && !is_excused {
            let detail = format!("{} is ok, and a test of it is not", point.name);
            collector.fault(FaultKind::Counts, detail);
        } else if !point.is_ok && !failed {
            self.last = Some(case(suite, point));
        }
    }

    fn plan(
        &mut self,
        indent: usize,
        plan: u64,
        directive: Option<&str>,
        collector: &mut Collector<'_>,
    ) {
        self.settle(collector);
        self.close_to(indent, collector);
        if self.levels.last().is_some_and(|level| indent > level.indent) {
            self.open(indent);
        }
        let Some(level) = self.levels.last_mut() else { return };
        if level.plan.is_some() {
            collector.fault(FaultKind::Duplicate, format!("a second plan, 1..{plan}"));
        }
        level.plan = Some(plan);
        if let (0, Some(reason)) = (plan, directive) {
            let name = if level.name.is_empty() { "(all)" } else { &level.name };
            let case = Case::new("", name, Status::Skipped);
            collector.add(Case { reason: Some(reason.into()), ..case });
        }
    }

    fn open(&mut self, indent: usize) {
        let name = self.announced.take().unwrap_or_default();
        let parent = self.levels.last().map(|level| level.name.as_str()).unwrap_or_default();
        self.levels.push(Level::new(indent, joined(parent, &name)));
    }

    /// Closes the levels that lie deeper; says whether something failed in the last one closed.
    fn close_to(&mut self, indent: usize, collector: &mut Collector<'_>) -> Option<bool> {
        let mut beneath = None;
        while self.levels.len() > 1 && self.levels.last().is_some_and(|level| level.indent > indent)
        {
            beneath = self.close(collector);
        }
        beneath
    }

    /// Closes the deepest level; says whether something failed in it, if it had points.
    fn close(&mut self, collector: &mut Collector<'_>) -> Option<bool> {
        let level = self.levels.pop()?;
        if level.points == 0 && level.plan.is_none() {
            return None;
        }
        check(&level, collector);
        match level.parent {
            Some(true) if level.failed => {
                let detail = format!("{} is ok, and a test of it is not", level.name);
                collector.fault(FaultKind::Counts, detail);
            }
            Some(false) if !level.failed => {
                let failure =
                    Failure { message: "its tests passed".to_owned(), ..Failure::default() };
                let case = Case::new("", &level.name, Status::Failed);
                collector.add(Case { failure: Some(Box::new(failure)), ..case });
            }
            _ => {}
        }
        (level.points > 0).then_some(level.failed)
    }

    fn detail(&mut self, text: &str, collector: &Collector<'_>) {
        if text.trim() == "..." {
            self.details = false;
            return;
        }
        let Some(case) = &mut self.last else { return };
        let said = text.trim();
        if let Some(value) = said.strip_prefix("duration_ms:") {
            case.duration = value.trim().parse().ok().and_then(milliseconds);
        }
        if let Some(failure) = &mut case.failure {
            for key in ["error:", "message:"] {
                let value = said.strip_prefix(key).map(|value| unquoted(value.trim()));
                if let Some(value) = value.filter(|value| !value.is_empty()) {
                    value.clone_into(&mut failure.message);
                }
            }
            // The value of a block begins on the line after its key.
            if failure.message.starts_with(['|', '>'])
                && !said.is_empty()
                && !said.ends_with(failure.message.as_str())
            {
                said.clone_into(&mut failure.message);
            }
            push_clipped(&mut failure.text, text, collector.bounds.text);
            failure.text.push('\n');
        }
    }

    fn comment(&mut self, text: &str, collector: &Collector<'_>) {
        let field = match text.split_once(' ') {
            Some(("tests", value)) => Some((0, value)),
            Some(("suites", value)) => Some((1, value)),
            Some(("fail" | "cancelled", value)) => Some((2, value)),
            _ => None,
        };
        if let Some((index, value)) = field
            && let Ok(value) = value.parse::<u64>()
        {
            self.closing[index] = Some(self.closing[index].unwrap_or(0).saturating_add(value));
        }
        if let Some(failure) = self.last.as_mut().and_then(|case| case.failure.as_mut()) {
            push_clipped(&mut failure.text, text, collector.bounds.text);
            failure.text.push('\n');
        }
    }

    fn bail_out(&mut self, reason: &str, collector: &mut Collector<'_>) {
        self.settle(collector);
        let message = if reason.is_empty() { "the runner gave up" } else { reason };
        let failure = Failure { message: message.to_owned(), ..Failure::default() };
        let case = Case::new("", "Bail out!", Status::Errored);
        collector.add(Case { failure: Some(Box::new(failure)), ..case });
        self.is_over = true;
    }

    /// Takes the last case in, since nothing more is said of it.
    fn settle(&mut self, collector: &mut Collector<'_>) {
        let Some(mut case) = self.last.take() else { return };
        if let Some(failure) = &mut case.failure
            && failure.message.is_empty()
        {
            crate::text::headline(&failure.text).clone_into(&mut failure.message);
        }
        collector.add(case);
    }

    fn finish(&mut self, collector: &mut Collector<'_>) {
        if self.details {
            collector.fault(FaultKind::Truncated, "the details of a test do not end");
        }
        self.settle(collector);
        if self.is_over {
            return;
        }
        while self.levels.len() > 1 {
            if let Some(level) = self.levels.last() {
                let detail = format!("the subtest {} does not end", level.name);
                collector.fault(FaultKind::Unfinished, detail);
            }
            self.close(collector);
        }
        if let Some(level) = self.levels.last() {
            check(level, collector);
        }
        self.check_closing(collector);
    }

    /// node:test says at the end how many tests and suites ran, whatever their depth.
    fn check_closing(&self, collector: &mut Collector<'_>) {
        let [Some(tests), Some(suites), failed] = self.closing else { return };
        if tests.saturating_add(suites) != self.points {
            let detail = format!(
                "the end says that {tests} tests and {suites} suites ran, and {} are there",
                self.points
            );
            collector.fault(FaultKind::Counts, detail);
        }
        if failed.is_some_and(|failed| failed > 0) && collector.report.counts.failing() == 0 {
            collector.fault(FaultKind::Counts, "the end says that tests failed, and none is there");
        }
    }
}

fn check(level: &Level, collector: &mut Collector<'_>) {
    let of = if level.name.is_empty() { String::new() } else { format!(" of {}", level.name) };
    match level.plan {
        None => {
            let detail = format!("the plan{of} is missing after {} tests", level.points);
            collector.fault(FaultKind::Truncated, detail);
        }
        Some(plan) if plan != level.points => {
            let detail = format!("the plan{of} has {plan} tests, and {} are there", level.points);
            collector.fault(FaultKind::Counts, detail);
        }
        Some(_) => {}
    }
}

fn case(suite: &str, point: &Point<'_>) -> Case {
    let status = match (point.is_ok, point.directive) {
        (_, Some(Directive::Todo)) | (true, Some(Directive::Skip)) => Status::Skipped,
        (true, None) => Status::Passed,
        (false, _) => Status::Failed,
    };
    let numbered = || format!("test {}", point.number.unwrap_or_default());
    let name = if point.name.is_empty() { numbered() } else { point.name.to_owned() };
    let mut case = Case::new(suite, &name, status);
    case.duration = point.milliseconds.and_then(milliseconds);
    if status == Status::Failed {
        case.failure = Some(Box::default());
    }
    if status == Status::Skipped && !point.reason.is_empty() {
        case.reason = Some(point.reason.into());
    }
    case
}

fn milliseconds(value: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(value / 1_000.0).ok()
}

fn joined(suite: &str, name: &str) -> String {
    if suite.is_empty() { name.to_owned() } else { format!("{suite} > {name}") }
}

fn unquoted(value: &str) -> &str {
    let quoted = |quote: char| value.strip_prefix(quote).map(|value| value.trim_end_matches(quote));
    quoted('"').or(quoted('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests;

//! What a report is once it is read, whatever format it had, and how it is filled within bounds.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::format::Format;
use crate::text::clip;

/// How much of a report is held. What goes beyond is counted or noted, never silently lost.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Bytes that are read of all inputs together; more is a [`FaultKind::TooLarge`].
    pub bytes: u64,
    /// Cases that are held by name. Beyond it those that passed or were skipped are only counted;
    /// those that failed are held up to as many again.
    pub cases: usize,
    /// Bytes of one text of a failure, a name excepted; the middle of a longer one is left out.
    pub text: usize,
    /// Bytes of the texts of all failures together. Beyond it a text is clipped to a headline.
    pub texts: usize,
    /// How deep elements, subtests and objects may lie in each other.
    pub depth: usize,
    /// Bytes of one line of a format that is read by line.
    pub line: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: 256 << 20,
            cases: 200_000,
            text: 16 << 10,
            texts: 32 << 20,
            depth: 100,
            line: 4 << 20,
        }
    }
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It ran and passed.
    Passed,
    /// It ran and what it demands does not hold.
    Failed,
    /// It could not run to its end: a panic outside of an assertion, a broken fixture, a crash.
    Errored,
    /// It did not count: skipped, ignored, disabled, or expected to fail.
    Skipped,
}

/// Why a case failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What the runner says in short; may have several lines.
    pub message: String,
    /// The kind of the failure, for instance the class of an exception; empty if unknown.
    pub kind: String,
    /// All that the runner says of it: differences, a trace. Clipped in its middle.
    pub text: String,
    /// What the test printed, if the report has it. Clipped in its middle.
    pub output: String,
}

impl Failure {
    /// At most so many lines of the text that belong to a message of one line and follow it there:
    /// what was there, and what was wanted instead.
    pub fn beneath(&self, most: usize) -> Vec<&str> {
        crate::text::beneath(&self.message, &self.text, most)
    }
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// The class, module, package or binary it belongs to.
    pub suite: Arc<str>,
    /// Its name within the suite.
    pub name: Box<str>,
    /// The file that defines it, as the runner writes it.
    pub file: Option<Arc<str>>,
    /// The line in that file, counted from 1.
    pub line: Option<u32>,
    /// How its last attempt ended.
    pub status: Status,
    /// How long it took, if the runner says so.
    pub duration: Option<Duration>,
    /// How often it was tried; more than 1 and passed is flaky.
    pub attempts: u32,
    /// Why it failed; of a flaky one, why an earlier attempt failed.
    pub failure: Option<Box<Failure>>,
    /// Why it was skipped.
    pub reason: Option<Box<str>>,
}

impl Case {
    /// A case that ended so, without anything else known.
    pub(crate) fn new(suite: &str, name: &str, status: Status) -> Self {
        Self {
            suite: Arc::from(suite),
            name: Box::from(name),
            file: None,
            line: None,
            status,
            duration: None,
            attempts: 1,
            failure: None,
            reason: None,
        }
    }

    /// Whether it failed or errored.
    pub fn is_failing(&self) -> bool {
        matches!(self.status, Status::Failed | Status::Errored)
    }

    /// Whether it passed, but not at the first attempt.
    pub fn is_flaky(&self) -> bool {
        self.status == Status::Passed && self.attempts > 1
    }
}

/// How many cases ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Passed, the flaky ones among them.
    pub passed: u64,
    /// Failed.
    pub failed: u64,
    /// Errored.
    pub errored: u64,
    /// Skipped.
    pub skipped: u64,
    /// Passed, but not at the first attempt.
    pub flaky: u64,
}

impl Counts {
    /// All cases.
    pub fn total(&self) -> u64 {
        self.ran() + self.skipped
    }

    /// All that were not skipped.
    pub fn ran(&self) -> u64 {
        self.passed + self.failing()
    }

    /// All that failed or errored.
    pub fn failing(&self) -> u64 {
        self.failed + self.errored
    }

    pub(crate) fn add(&mut self, status: Status) {
        match status {
            Status::Passed => self.passed += 1,
            Status::Failed => self.failed += 1,
            Status::Errored => self.errored += 1,
            Status::Skipped => self.skipped += 1,
        }
    }
}

/// What kind of thing is wrong with a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// It holds nothing at all.
    Empty,
    /// It stops before its end.
    Truncated,
    /// It goes beyond the [`Bounds`].
    TooLarge,
    /// Something in it cannot be read, or the input fails.
    Unparsed,
    /// What it counts and what it holds differ.
    Counts,
    /// The header and the list differ in a way that they also do when nothing is lost: pytest counts
    /// subtests that passed and does not list them, jest-junit lists what is still to be written
    /// and does not count it. What was printed decides.
    Doubtful,
    /// A test began and did not end, or ended and did not begin.
    Unfinished,
    /// The same is there twice.
    Duplicate,
}

/// Something in a report that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What kind of thing it is.
    pub kind: FaultKind,
    /// What it is, for a person; without a final full stop.
    pub detail: String,
}

/// One report, made of one input or of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// What it was read as.
    pub format: Format,
    /// The cases in the order of the report, within [`Bounds::cases`].
    pub cases: Vec<Case>,
    /// What does not fit together, the first [`MOST_FAULTS`] of it.
    pub faults: Vec<Fault>,
    /// All cases, also those that are not held by name.
    pub counts: Counts,
    /// Cases that are counted and not held by name.
    pub unnamed: u64,
    /// How many inputs it was made of.
    pub inputs: usize,
    /// How many bytes were read.
    pub bytes: u64,
}

/// As many faults are kept.
pub(crate) const MOST_FAULTS: usize = 50;
/// The bytes of a name that are kept.
const NAME: usize = 2_000;
/// The bytes of a message that are kept.
const MESSAGE: usize = 4_000;
/// The bytes of a text that are kept once there is no room any more.
const HEADLINE: usize = 200;

impl Report {
    /// The cases that failed or errored.
    pub fn failures(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(|case| case.is_failing())
    }

    /// Whether there is a fault of this kind.
    pub fn has(&self, kind: FaultKind) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }
}

/// Fills a report, within bounds.
pub(crate) struct Collector<'b> {
    pub(crate) bounds: &'b Bounds,
    pub(crate) report: Report,
    /// Names of suites and files, each held once.
    interned: HashSet<Arc<str>>,
    /// Room that is left for texts.
    room: usize,
}

impl<'b> Collector<'b> {
    pub(crate) fn new(format: Format, bounds: &'b Bounds) -> Self {
        let report = Report {
            format,
            cases: Vec::new(),
            faults: Vec::new(),
            counts: Counts::default(),
            unnamed: 0,
            inputs: 0,
            bytes: 0,
        };
        Self { bounds, report, interned: HashSet::new(), room: bounds.texts }
    }

    /// Takes a case in; its texts are clipped here.
    pub(crate) fn add(&mut self, mut case: Case) {
        self.report.counts.add(case.status);
        self.report.counts.flaky += u64::from(case.is_flaky());
        let held = if case.is_failing() { 2 * self.bounds.cases } else { self.bounds.cases };
        if self.report.cases.len() >= held {
            self.report.unnamed += 1;
            return;
        }
        case.suite = self.intern(&case.suite);
        case.file = case.file.as_deref().map(|file| self.intern(file));
        if case.name.len() > NAME {
            case.name = clip(&case.name, NAME).into();
        }
        if let Some(failure) = &mut case.failure {
            self.fit(&mut failure.message, MESSAGE);
            self.fit(&mut failure.kind, HEADLINE);
            self.fit(&mut failure.text, self.bounds.text);
            self.fit(&mut failure.output, self.bounds.text);
        }
        if let Some(reason) = &mut case.reason
            && reason.len() > HEADLINE
        {
            *reason = clip(reason, HEADLINE).into();
        }
        self.report.cases.push(case);
    }

    /// Counts cases that the report does not name.
    pub(crate) fn add_unnamed(&mut self, status: Status, count: u64) {
        let counts = &mut self.report.counts;
        let field = match status {
            Status::Passed => &mut counts.passed,
            Status::Failed => &mut counts.failed,
            Status::Errored => &mut counts.errored,
            Status::Skipped => &mut counts.skipped,
        };
        *field = field.saturating_add(count);
        self.report.unnamed = self.report.unnamed.saturating_add(count);
    }

    /// Notes what does not fit.
    pub(crate) fn fault(&mut self, kind: FaultKind, detail: impl Into<String>) {
        if self.report.faults.len() < MOST_FAULTS {
            let detail = clip(&detail.into(), 400);
            self.report.faults.push(Fault { kind, detail });
        } else if !self.report.has(kind) {
            // Of each kind there is one at least, since the verdict depends on the kinds.
            let detail = clip(&detail.into(), 400);
            self.report.faults[MOST_FAULTS - 1] = Fault { kind, detail };
        }
    }

    fn fit(&mut self, text: &mut String, most: usize) {
        let most = if self.room >= most { most } else { HEADLINE };
        if text.len() > most {
            *text = clip(text, most);
        }
        text.shrink_to_fit();
        self.room = self.room.saturating_sub(text.len());
    }

    fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some(held) = self.interned.get(name) {
            return Arc::clone(held);
        }
        let held: Arc<str> = if name.len() > NAME { clip(name, NAME).into() } else { name.into() };
        // As many as there are cases at most, so that the set is bounded as they are.
        self.interned.insert(Arc::clone(&held));
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collected(bounds: &Bounds, cases: impl IntoIterator<Item = Case>) -> Report {
        let mut collector = Collector::new(Format::Junit, bounds);
        for case in cases {
            collector.add(case);
        }
        collector.report
    }

    #[test]
    fn failures_are_held_beyond_the_bound_of_cases() {
        let bounds = Bounds { cases: 2, ..Bounds::default() };
        let ended =
            [Status::Passed, Status::Passed, Status::Passed, Status::Failed, Status::Failed];
        let ended = ended.into_iter().chain([Status::Failed]);
        let report = collected(&bounds, ended.map(|status| Case::new("suite", "name", status)));
        assert_eq!((report.cases.len(), report.failures().count()), (4, 2));
        assert_eq!((report.counts.passed, report.counts.failed, report.unnamed), (3, 3, 2));
    }

    #[test]
    fn texts_have_bounds_one_by_one_and_together() {
        let bounds = Bounds { text: 1_000, texts: 4_000, ..Bounds::default() };
        let failed = || {
            let failure = Failure { text: "x".repeat(5_000), ..Failure::default() };
            let failure = Some(Box::new(failure));
            Case { failure, ..Case::new("suite", "name", Status::Failed) }
        };
        let report = collected(&bounds, std::iter::repeat_with(failed).take(100));
        let lengths: Vec<_> =
            report.cases.iter().flat_map(|case| &case.failure).map(|why| why.text.len()).collect();
        assert!(lengths[0] > 900 && lengths[0] <= 1_000, "{}", lengths[0]);
        assert!(lengths[99] <= HEADLINE, "{}", lengths[99]);
    }

    #[test]
    fn every_kind_of_fault_is_kept() {
        let bounds = Bounds::default();
        let mut collector = Collector::new(Format::Junit, &bounds);
        for index in 0..1_000 {
            collector.fault(FaultKind::Counts, format!("{index}"));
        }
        collector.fault(FaultKind::Truncated, "late");
        assert_eq!(collector.report.faults.len(), MOST_FAULTS);
        assert!(collector.report.has(FaultKind::Truncated));
    }

    #[test]
    fn suites_are_held_once() {
        let cases = (0..3).map(|index| Case::new("suite", &index.to_string(), Status::Passed));
        let report = collected(&Bounds::default(), cases);
        assert!(Arc::ptr_eq(&report.cases[0].suite, &report.cases[2].suite));
    }
}

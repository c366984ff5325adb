//! The counts that headers of JUnit XML declare, against what is beneath them.
//!
//! Most count every case beneath; node:test counts the direct children of a suite, a suite among
//! them as one, and says in comments at the end what it ran. Which of the two it is must hold for
//! the whole document, so that no lost case hides behind the other.

use std::cmp::Ordering;

use crate::report::{Collector, FaultKind};
use crate::xml::Element;

/// What is beneath an element.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) cases: u64,
    /// Cases with a `failure`.
    pub(super) failures: u64,
    /// Cases with an `error`.
    pub(super) errors: u64,
    /// Cases that an attribute says failed.
    pub(super) stated: u64,
    /// Cases with a `skipped`.
    pub(super) skipped: u64,
    /// Cases that an attribute says are disabled.
    pub(super) disabled: u64,
    /// Cases that an attribute says did not run.
    pub(super) not_run: u64,
    /// Cases that failed, in whatever way it is written.
    pub(super) failing: u64,
    /// Suites, however deep.
    pub(super) suites: u64,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.failures += other.failures;
        self.errors += other.errors;
        self.stated += other.stated;
        self.skipped += other.skipped;
        self.disabled += other.disabled;
        self.not_run += other.not_run;
        self.failing += other.failing;
        self.suites += other.suites;
    }
}

/// What a header says; what is absent is not checked.
#[derive(Debug, Default)]
struct Declared {
    tests: Option<u64>,
    failing: Option<u64>,
    skipped: Option<u64>,
    disabled: u64,
}

/// A suite that is open.
#[derive(Debug, Default)]
struct Level {
    name: String,
    declared: Declared,
    /// Everything beneath.
    all: Found,
    /// Its own children, where a suite counts as one.
    children: Found,
}

/// What the comments of node:test at the end of a document say.
#[derive(Debug, Default)]
struct Closing {
    tests: Option<u64>,
    suites: Option<u64>,
    pass: Option<u64>,
    fail: Option<u64>,
    cancelled: Option<u64>,
    skipped: Option<u64>,
    todo: Option<u64>,
}

/// All headers of a document.
#[derive(Debug, Default)]
pub(super) struct Headers {
    open: Vec<Level>,
    /// Everything in the document.
    all: Found,
    /// What is wrong if a header counts everything beneath it.
    of_all: Vec<(FaultKind, String)>,
    /// What is wrong if it counts its children.
    of_children: Vec<(FaultKind, String)>,
    closing: Closing,
    is_counted: bool,
    /// Whether jest-junit wrote it.
    is_jest: bool,
    /// Whether node:test wrote it.
    is_node: bool,
}

/// As many differences are kept of each kind.
const MOST: usize = 10;

impl Headers {
    pub(super) fn open(&mut self, element: &Element) {
        let failures = element.number("failures");
        let errors = element.number("errors");
        let declared = Declared {
            tests: element.number("tests"),
            failing: failures
                .or(errors)
                .map(|_| failures.unwrap_or(0).saturating_add(errors.unwrap_or(0))),
            skipped: element.number("skipped").or(element.number("skips")),
            disabled: element.number("disabled").unwrap_or(0),
        };
        self.is_counted |= declared.tests.is_some();
        let name =
            format!("<{} name=\"{}\">", element.name, element.get("name").unwrap_or_default());
        self.is_jest |= name == "<testsuites name=\"jest tests\">";
        self.open.push(Level { name, declared, ..Level::default() });
    }

    pub(super) fn close(&mut self) {
        let Some(level) = self.open.pop() else { return };
        self.compare(&level);
        let mut all = level.all;
        all.suites += u64::from(level.name.starts_with("<testsuite "));
        let is_failing = u64::from(level.children.failing > 0);
        let as_child =
            Found { cases: 1, failures: is_failing, failing: is_failing, ..Found::default() };
        match self.open.last_mut() {
            Some(parent) => {
                parent.all.add(all);
                parent.children.add(as_child);
            }
            None => self.all.add(all),
        }
    }

    /// Takes in one case.
    pub(super) fn add(&mut self, mut case: Found) {
        case.failing = u64::from(case.failures + case.errors + case.stated > 0);
        match self.open.last_mut() {
            Some(level) => {
                level.all.add(case);
                level.children.add(case);
            }
            None => self.all.add(case),
        }
    }

    /// Takes in a comment, which may be one of the closing ones of node:test.
    pub(super) fn comment(&mut self, text: &str) {
        let Some((name, value)) = text.trim().split_once(' ') else { return };
        let field = match name {
            "tests" => &mut self.closing.tests,
            "suites" => &mut self.closing.suites,
            "pass" => &mut self.closing.pass,
            "fail" => &mut self.closing.fail,
            "cancelled" => &mut self.closing.cancelled,
            "skipped" => &mut self.closing.skipped,
            "todo" => &mut self.closing.todo,
            _ => return,
        };
        if let Ok(value) = value.parse() {
            *field = Some(value);
            self.is_node |= name == "tests";
        }
    }

    /// Notes that node:test wrote the document.
    pub(super) fn is_of_node(&mut self) {
        self.is_node = true;
    }

    /// Whether anything in the document says how many cases there are.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    fn compare(&mut self, level: &Level) {
        let doubt = match (level.name.contains("\"pytest\""), self.is_jest) {
            (true, _) => Some(Ordering::Greater),
            (_, true) => Some(Ordering::Less),
            _ => None,
        };
        for (found, into) in
            [(&level.all, &mut self.of_all), (&level.children, &mut self.of_children)]
        {
            for (kind, difference) in differences(&level.declared, found, doubt) {
                if into.len() < MOST {
                    into.push((kind, format!("{} {difference}", level.name)));
                }
            }
        }
    }

    /// Notes what does not add up. To be called at the end of a document, be it whole or not.
    pub(super) fn check(&mut self, collector: &mut Collector<'_>) {
        while !self.open.is_empty() {
            self.close();
        }
        let chosen = if self.is_node || (!self.of_all.is_empty() && self.of_children.is_empty()) {
            &mut self.of_children
        } else {
            &mut self.of_all
        };
        for (kind, detail) in chosen.drain(..) {
            collector.fault(kind, detail);
        }
        if self.is_node {
            self.check_closing(collector);
        }
    }

    /// node:test counts a test with subtests among the tests, and writes it as a suite.
    fn check_closing(&self, collector: &mut Collector<'_>) {
        let Closing { tests, suites, pass, fail, cancelled, skipped, todo } = self.closing;
        let said = (tests, suites, pass, fail, cancelled, skipped, todo);
        let (
            Some(tests),
            Some(suites),
            Some(pass),
            Some(fail),
            Some(cancelled),
            Some(skipped),
            Some(todo),
        ) = said
        else {
            collector
                .fault(FaultKind::Truncated, "the counts that node:test writes last are missing");
            return;
        };
        let failed = fail.saturating_add(cancelled);
        let ended = [pass, failed, skipped, todo].into_iter().fold(0, u64::saturating_add);
        let (ran, found) = (tests.saturating_add(suites), self.all.cases + self.all.suites);
        if ran != found || ended != tests {
            let detail =
                format!("the end says that {ran} tests and suites ran, and {found} are there");
            collector.fault(FaultKind::Counts, detail);
        }
        if failed > 0 && self.all.failing == 0 {
            let detail = format!("the end says that {failed} tests failed, and none is there");
            collector.fault(FaultKind::Counts, detail);
        }
    }
}

/// What differs between a header and what is beneath it.
///
/// In some dialects the count of a header may also differ in one direction when nothing is lost.
fn differences(
    declared: &Declared,
    found: &Found,
    doubt: Option<Ordering>,
) -> Vec<(FaultKind, String)> {
    let mut differences = Vec::new();
    if let Some(tests) = declared.tests.filter(|tests| *tests != found.cases) {
        let is_doubtful = doubt == Some(tests.cmp(&found.cases));
        let kind = if is_doubtful { FaultKind::Doubtful } else { FaultKind::Counts };
        differences.push((kind, format!("counts {tests} tests, and {} are there", found.cases)));
    }
    if let Some(failing) = declared.failing {
        // A case may have both a failure and an error.
        let both = found.failures + found.errors;
        if failing != found.failing && failing != both {
            let detail =
                format!("counts {failing} failures and errors, and {} are there", found.failing);
            differences.push((FaultKind::Counts, detail));
        }
    }
    if let Some(skipped) = declared.skipped {
        // Some count what is disabled among the skipped, some apart, and some write no element.
        let most = found.skipped + found.disabled + found.not_run;
        let is_within = (skipped..=skipped.saturating_add(declared.disabled))
            .contains(&found.skipped)
            || (found.skipped..=most).contains(&skipped);
        if !is_within {
            let detail = format!("counts {skipped} skipped tests, and {} are there", found.skipped);
            differences.push((FaultKind::Counts, detail));
        }
    }
    differences
}

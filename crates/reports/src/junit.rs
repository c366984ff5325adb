//! JUnit XML in the dialects of those who write it.
//!
//! There is no standard: the root is `testsuites` or one `testsuite`, suites lie in each other or
//! not, a header counts all cases beneath it or its own children, and some write no header. So a
//! case is taken wherever it is, and every count that a header gives is checked at the end (see
//! `headers`). Elements that are unknown are passed over.

mod headers;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use crate::report::{Case, Collector, Failure, FaultKind, Status};
use crate::text::{clip, headline, is_panic, push_clipped};
use crate::xml::{Element, Token, Xml};
use headers::{Found, Headers};

/// What is remembered from one input to the next.
#[derive(Default)]
pub(crate) struct Inputs {
    /// A digest of each input's cases and times.
    seen: HashSet<u64>,
}

impl Inputs {
    /// Reads one document.
    pub(crate) fn read<R: Read>(&mut self, input: R, collector: &mut Collector<'_>) {
        let xml = Xml::new(input, collector.bounds.text, collector.bounds.depth);
        let mut document = Document::new();
        document.read(xml, collector);
        let is_new = document.cases == 0 || self.seen.insert(document.digest.finish());
        if !is_new {
            let detail = format!("one input is there twice: {}", document.first);
            collector.fault(FaultKind::Duplicate, detail);
        }
    }
}

/// Which element is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Suites,
    Suite,
    Case,
    Outcome(Outcome),
    Output,
    Other,
}

/// What an element within a case says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Failure,
    Error,
    Skipped,
    /// An attempt before the last one that failed.
    Attempt,
}

/// A case that is being read.
struct OpenCase {
    case: Case,
    found: Found,
    failure: Failure,
    attempt: Failure,
    reason: String,
    output: String,
    is_todo: bool,
}

/// One document.
struct Document {
    open: Vec<Open>,
    /// The names of the suites that are open.
    suites: Vec<Arc<str>>,
    headers: Headers,
    case: Option<OpenCase>,
    roots: usize,
    /// Whether the root has no attributes, as that of node:test.
    is_bare: bool,
    cases: u64,
    /// The name of the first case, or of its suite.
    first: String,
    digest: DefaultHasher,
    /// Cases by name, and in which suite they were, to find what is there twice.
    names: HashMap<u64, u64>,
    /// How many suites began.
    suite: u64,
    /// Whether the root counts all cases.
    is_root_counted: bool,
    twice: Option<String>,
}

impl Document {
    fn new() -> Self {
        Self {
            open: Vec::new(),
            suites: Vec::new(),
            headers: Headers::default(),
            case: None,
            roots: 0,
            is_bare: false,
            cases: 0,
            first: String::new(),
            digest: DefaultHasher::new(),
            names: HashMap::new(),
            suite: 0,
            is_root_counted: false,
            twice: None,
        }
    }

    fn read<R: Read>(&mut self, mut xml: Xml<R>, collector: &mut Collector<'_>) {
        loop {
            match xml.next() {
                Ok(Token::Start(element)) => self.start(&element, xml.depth(), collector),
                Ok(Token::End) => self.end(collector),
                Ok(Token::Text(text)) => self.text(&text, collector),
                Ok(Token::Comment(text)) => self.headers.comment(&text),
                Ok(Token::Eof) => break,
                Err(broken) => {
                    collector.fault(broken.kind, broken.detail);
                    // What is known of a case that was cut may be its failure.
                    self.end_case(collector);
                    break;
                }
            }
        }
        if self.roots == 0 {
            collector.fault(FaultKind::Unparsed, "there is no <testsuites> or <testsuite>");
        }
        if let Some(name) = self.twice.take() {
            let detail = format!("{name} is there twice, and no header counts both");
            collector.fault(FaultKind::Duplicate, detail);
        }
        self.headers.check(collector);
    }

    fn start(&mut self, element: &Element, depth: usize, collector: &mut Collector<'_>) {
        if depth == 1 {
            self.roots += 1;
            self.is_root_counted = element.number("tests").is_some();
            self.is_bare = element.name == "testsuites" && element.names().next().is_none();
            if self.roots == 1 && !matches!(element.name.as_str(), "testsuites" | "testsuite") {
                let detail = format!("its root is <{}>, not <testsuites>", element.name);
                collector.fault(FaultKind::Unparsed, detail);
            }
            if self.roots == 2 {
                collector.fault(FaultKind::Unparsed, "there is a second root element");
            }
        }
        let is_in_case = self.case.is_some();
        let open = match element.name.as_str() {
            "testsuites" if !is_in_case => Open::Suites,
            "testsuite" if !is_in_case => Open::Suite,
            "testcase" if !is_in_case => Open::Case,
            "failure" if is_in_case => Open::Outcome(Outcome::Failure),
            "error" if is_in_case => Open::Outcome(Outcome::Error),
            "skipped" | "skip" if is_in_case => Open::Outcome(Outcome::Skipped),
            "rerunFailure" | "rerunError" | "flakyFailure" | "flakyError" if is_in_case => {
                Open::Outcome(Outcome::Attempt)
            }
            "system-out" | "system-err" if is_in_case => Open::Output,
            _ => Open::Other,
        };
        self.open.push(open);
        match open {
            Open::Suites => self.headers.open(element),
            Open::Suite => {
                self.suite += 1;
                self.suites.push(Arc::from(element.said("name").unwrap_or_default()));
                element.said("timestamp").hash(&mut self.digest);
                self.headers.open(element);
            }
            Open::Case => {
                if self.is_bare && element.get("classname") == Some("test") {
                    self.headers.is_of_node();
                }
                self.case = Some(self.begun(element));
            }
            Open::Outcome(outcome) => self.outcome(outcome, element),
            Open::Output | Open::Other => {}
        }
    }

    fn end(&mut self, collector: &mut Collector<'_>) {
        match self.open.pop() {
            Some(Open::Suites) => self.headers.close(),
            Some(Open::Suite) => {
                self.headers.close();
                self.suites.pop();
            }
            Some(Open::Case) => self.end_case(collector),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, collector: &mut Collector<'_>) {
        if self.open.is_empty() && self.roots > 0 && !text.trim().is_empty() {
            collector.fault(FaultKind::Unparsed, "there is text behind the root element");
            return;
        }
        let most = collector.bounds.text;
        let mut places = self.open.iter().rev();
        let (Some(case), Some(place)) = (&mut self.case, places.next()) else { return };
        let within = places.next();
        match (place, within) {
            (Open::Outcome(Outcome::Failure | Outcome::Error), _) => {
                push_clipped(&mut case.failure.text, text, most);
            }
            // The trace of an attempt may be an element within it, and so may be its output.
            (Open::Outcome(Outcome::Attempt), _)
            | (Open::Other, Some(Open::Outcome(Outcome::Attempt))) => {
                push_clipped(&mut case.attempt.text, text, most);
            }
            (Open::Outcome(Outcome::Skipped), _) => push_clipped(&mut case.reason, text, 1_000),
            (Open::Output, Some(Open::Case)) => push_clipped(&mut case.output, text, most),
            _ => {}
        }
    }

    fn begun(&self, element: &Element) -> OpenCase {
        let name = element.said("name").unwrap_or("(without a name)");
        let class = element.said("classname").or(element.said("class"));
        // node:test writes "test" for every class; jest-junit and ctest repeat the name.
        let class = class.filter(|class| !(self.is_bare && *class == "test") && *class != name);
        let suite = class.map_or_else(|| self.path(), str::to_owned);
        let mut case = Case::new(&suite, name, Status::Passed);
        case.file = element.said("file").map(Arc::from);
        case.line = element.number("line").and_then(|line| u32::try_from(line).ok());
        case.duration = element.said("time").and_then(seconds);
        let mut begun = OpenCase {
            case,
            found: Found { cases: 1, ..Found::default() },
            failure: Failure::default(),
            attempt: Failure::default(),
            reason: String::new(),
            output: String::new(),
            is_todo: false,
        };
        begun.stated(element);
        begun
    }

    /// The names of the suites that are open, without those that say nothing.
    fn path(&self) -> String {
        let names = self.suites.iter().filter(|name| !matches!(&***name, "" | "(empty)"));
        names.map(|name| &**name).collect::<Vec<_>>().join(" > ")
    }

    fn outcome(&mut self, outcome: Outcome, element: &Element) {
        let Some(case) = &mut self.case else { return };
        let message = element.said("message").unwrap_or_default();
        let kind = element.said("type").unwrap_or_default();
        match outcome {
            Outcome::Failure | Outcome::Error => {
                if outcome == Outcome::Failure {
                    case.found.failures = 1;
                } else {
                    case.found.errors = 1;
                }
                if case.failure.message.is_empty() {
                    message.clone_into(&mut case.failure.message);
                    kind.clone_into(&mut case.failure.kind);
                } else {
                    // googletest writes one element for each of several failures.
                    push_clipped(&mut case.failure.text, "\n", usize::MAX / 2);
                }
            }
            Outcome::Skipped => {
                case.found.skipped = 1;
                case.is_todo = kind == "todo";
                message.clone_into(&mut case.reason);
            }
            Outcome::Attempt => {
                case.case.attempts += 1;
                if case.attempt.message.is_empty() {
                    message.clone_into(&mut case.attempt.message);
                    kind.clone_into(&mut case.attempt.kind);
                }
            }
        }
    }

    fn end_case(&mut self, collector: &mut Collector<'_>) {
        let Some(open) = self.case.take() else { return };
        self.headers.add(open.found);
        let case = open.ended();
        if self.cases == 0 {
            self.first = format!("{} {}", case.suite, case.name);
        }
        self.cases += 1;
        (&case.suite, &case.name, case.duration).hash(&mut self.digest);
        if self.twice.is_none() && self.names.len() < collector.bounds.cases {
            self.look_for_twice(&case);
        }
        collector.add(case);
    }

    /// The same name twice is common, and no fault where a header counts both. A whole suite that is
    /// there twice brings its own header, so there the root must count.
    fn look_for_twice(&mut self, case: &Case) {
        let mut hasher = DefaultHasher::new();
        (&case.suite, &case.name, case.duration).hash(&mut hasher);
        let before = self.names.insert(hasher.finish(), self.suite);
        let is_twice =
            before.is_some_and(|suite| suite != self.suite || !self.headers.is_counted());
        if is_twice && !self.is_root_counted {
            self.twice = Some(clip(&case.name, 200));
        }
    }
}

impl OpenCase {
    /// What the attributes of the case itself say of its end.
    fn stated(&mut self, element: &Element) {
        // node:test repeats the message of a failure here.
        if let Some(message) = element.said("failure") {
            self.found.stated = 1;
            message.clone_into(&mut self.failure.message);
        }
        for name in ["status", "result"] {
            match element.said(name).map(str::to_ascii_lowercase).as_deref() {
                Some("fail" | "failed" | "failure" | "error" | "errored") => self.found.stated = 1,
                Some("disabled" | "suppressed") => self.found.disabled = 1,
                Some("notrun" | "skipped" | "ignored" | "pending") => self.found.not_run = 1,
                _ => {}
            }
        }
    }

    fn ended(mut self) -> Case {
        let Found { failures, errors, stated, skipped, disabled, not_run, .. } = self.found;
        let is_failing = failures + errors + stated > 0;
        let is_skipped = skipped + disabled + not_run > 0;
        // ctest writes a test whose program is missing as one that was skipped, and fails.
        let is_missing = not_run > 0 && self.reason.starts_with("Unable to find executable");
        self.case.status = if is_missing {
            self.failure.message = std::mem::take(&mut self.reason);
            Status::Errored
        } else if is_failing && !self.is_todo {
            if failures == 0 && errors > 0 { Status::Errored } else { Status::Failed }
        } else if is_skipped {
            Status::Skipped
        } else {
            Status::Passed
        };
        match self.case.status {
            Status::Failed | Status::Errored => {
                self.case.failure = Some(Box::new(self.explained()));
            }
            Status::Skipped if !self.reason.trim().is_empty() => {
                self.case.reason = Some(self.reason.trim().into());
            }
            Status::Passed if self.case.attempts > 1 => {
                self.failure = std::mem::take(&mut self.attempt);
                self.output.clear();
                self.case.failure = Some(Box::new(self.explained()));
            }
            Status::Skipped | Status::Passed => {}
        }
        self.case
    }

    /// The failure, with a message in any case.
    fn explained(&mut self) -> Failure {
        let mut failure = std::mem::take(&mut self.failure);
        if failure.text.trim().is_empty() && failure.message.is_empty() {
            // ctest has nothing but the output.
            failure.text = std::mem::take(&mut self.output);
        }
        failure.output = std::mem::take(&mut self.output);
        if failure.message.is_empty() || is_panic(&failure.message) {
            let said = headline(&failure.text);
            if !said.is_empty() {
                said.clone_into(&mut failure.message);
            }
        }
        failure
    }
}

/// A time in seconds, also as `1,234.5`, which Surefire writes.
fn seconds(time: &str) -> Option<Duration> {
    let seconds: f64 = time.replace(',', "").parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests;

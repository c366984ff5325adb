//! What `go test -json` prints (`go doc test2json`): one event by line, tests and packages alike.
//!
//! A package ends with an event of its own, which must fit its tests. The stream has no end: that a
//! whole package is missing shows only in the number of bytes (see
//! [`Evidence::bytes`](crate::Evidence)).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;
use std::time::Duration;

use serde::Deserialize;

use crate::lines::Lines;
use crate::report::{Case, Collector, Failure, FaultKind, Status};
use crate::text::push_clipped;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    action: String,
    #[serde(default)]
    package: String,
    #[serde(default)]
    test: String,
    elapsed: Option<f64>,
    #[serde(default)]
    output: String,
    /// The package that is built, in the events of a build.
    #[serde(default)]
    import_path: String,
    /// The package whose build failed, so that this one could not run.
    #[serde(default)]
    failed_build: String,
}

/// A package that has not ended.
#[derive(Default)]
struct Package {
    /// Its tests that run.
    running: HashMap<String, Running>,
    /// What the package itself has printed.
    output: String,
    failed: bool,
}

/// A test that has not ended.
#[derive(Default)]
struct Running {
    /// What it has printed.
    text: String,
    /// The result that stands in what it printed.
    result: Option<Status>,
}

#[derive(Default)]
struct Stream {
    open: HashMap<String, Package>,
    /// What builds have printed.
    builds: HashMap<String, String>,
    packages: u64,
    /// How many tests run and how many packages are open or were built.
    entries: usize,
    /// How much text of theirs is held.
    held: usize,
}

/// Reads one stream.
pub(crate) fn read<R: Read>(input: R, collector: &mut Collector<'_>) {
    let mut lines = Lines::new(input, collector.bounds.line);
    let mut stream = Stream::default();
    while let Some(line) = lines.next(collector) {
        if line.starts_with('{') {
            match serde_json::from_str(line) {
                Ok(event) => stream.take(event, collector),
                Err(error) => {
                    let detail = format!("an event cannot be read: {error}");
                    collector.fault(FaultKind::Unparsed, detail);
                }
            }
        } else if let Some(rest) = line.strip_prefix("FAIL\t") {
            stream.not_built(rest, collector);
        }
        if stream.entries > 2 * collector.bounds.cases {
            let detail = format!("more than {} tests run at once", 2 * collector.bounds.cases);
            collector.fault(FaultKind::TooLarge, detail);
            break;
        }
    }
    stream.finish(collector);
}

impl Stream {
    fn take(&mut self, event: Event, collector: &mut Collector<'_>) {
        match event.action.as_str() {
            "build-output" | "build-fail" => {
                self.entries += usize::from(!self.builds.contains_key(&event.import_path));
                let text = self.builds.entry(event.import_path).or_default();
                push_clipped(text, &event.output, collector.bounds.text);
            }
            "start" | "run" | "pause" | "cont" | "output" | "bench" | "attr" | "artifacts" => {
                self.go_on(event, collector);
            }
            "pass" if event.test.is_empty() => self.close(&event, Status::Passed, collector),
            "fail" if event.test.is_empty() => self.close(&event, Status::Failed, collector),
            "skip" if event.test.is_empty() => self.close(&event, Status::Skipped, collector),
            "pass" => self.end(&event, Status::Passed, collector),
            "fail" => self.end(&event, Status::Failed, collector),
            "skip" => self.end(&event, Status::Skipped, collector),
            other => {
                let detail = format!("an event has the unknown action {other}");
                collector.fault(FaultKind::Unparsed, detail);
            }
        }
    }

    /// What does not end anything.
    fn go_on(&mut self, event: Event, collector: &mut Collector<'_>) {
        let (most, most_held) = (collector.bounds.text, 2 * collector.bounds.texts);
        let package = match self.open.entry(event.package) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.entries += 1;
                entry.insert(Package::default())
            }
        };
        if event.action == "run" {
            self.entries += usize::from(!package.running.contains_key(&event.test));
            package.running.insert(event.test, Running::default());
            return;
        }
        let text = if event.test.is_empty() {
            &mut package.output
        } else {
            let Some(running) = package.running.get_mut(&event.test) else { return };
            if let Some(result) = printed(&event.output, &event.test) {
                running.result = Some(result);
            }
            &mut running.text
        };
        if self.held < most_held && !is_frame(&event.output) {
            let before = text.len();
            push_clipped(text, &event.output, most);
            self.held = (self.held + text.len()).saturating_sub(before);
        }
    }

    fn end(&mut self, event: &Event, status: Status, collector: &mut Collector<'_>) {
        let package = self.open.entry(event.package.clone()).or_default();
        let running = package.running.remove(&event.test);
        self.entries = self.entries.saturating_sub(usize::from(running.is_some()));
        let running = running.unwrap_or_else(|| {
            let detail = format!("{} {} ended and did not begin", event.package, event.test);
            collector.fault(FaultKind::Unfinished, detail);
            Running::default()
        });
        if running.result.is_some_and(|result| result != status) {
            let detail = format!("{} {} printed another result", event.package, event.test);
            collector.fault(FaultKind::Counts, detail);
        }
        let text = running.text;
        self.held = self.held.saturating_sub(text.len());
        package.failed |= status == Status::Failed;
        let mut case = case(event, status);
        match status {
            Status::Failed => case.failure = Some(Box::new(failure(text))),
            Status::Skipped => case.reason = Some(said(&text).into()),
            Status::Passed | Status::Errored => {}
        }
        collector.add(case);
    }

    /// The end of a package.
    fn close(&mut self, event: &Event, status: Status, collector: &mut Collector<'_>) {
        self.packages += 1;
        let mut package = self.open.remove(&event.package).unwrap_or_default();
        self.entries = self.entries.saturating_sub(1 + package.running.len());
        self.held = self.held.saturating_sub(package.output.len());
        let mut names: Vec<String> = package.running.keys().cloned().collect();
        names.sort();
        for name in names {
            let Running { text, .. } = package.running.remove(&name).unwrap_or_default();
            if status != Status::Failed {
                let detail = format!("{} {name} began and did not end", event.package);
                collector.fault(FaultKind::Unfinished, detail);
            }
            let mut case = Case::new(&event.package, &name, Status::Errored);
            let mut why = failure(text);
            "it did not end: its process was killed or gave up".clone_into(&mut why.message);
            case.failure = Some(Box::new(why));
            package.failed = true;
            collector.add(case);
        }
        if status == Status::Failed && !package.failed {
            let build = self.builds.remove(&event.failed_build).unwrap_or_default();
            let case = Case::new(&event.package, "(package)", Status::Errored);
            let why = failure(if build.is_empty() { package.output } else { build });
            collector.add(Case { failure: Some(Box::new(why)), ..case });
        } else if status != Status::Failed && package.failed {
            let detail = format!("{} did not fail, and a test of it did", event.package);
            collector.fault(FaultKind::Counts, detail);
        }
    }

    /// `package [build failed]`, which Go before 1.24 prints without an event.
    fn not_built(&mut self, rest: &str, collector: &mut Collector<'_>) {
        let Some((package, reason)) = rest.split_once(" [") else { return };
        self.packages += 1;
        let message = reason.trim_end_matches(']').to_owned();
        let case = Case::new(package, "(package)", Status::Errored);
        let failure = Failure { message, ..Failure::default() };
        collector.add(Case { failure: Some(Box::new(failure)), ..case });
    }

    fn finish(&mut self, collector: &mut Collector<'_>) {
        let mut names: Vec<String> = self.open.keys().cloned().collect();
        names.sort();
        for name in names {
            collector.fault(FaultKind::Truncated, format!("the package {name} does not end"));
            for test in self.open.remove(&name).unwrap_or_default().running.into_keys() {
                collector
                    .fault(FaultKind::Unfinished, format!("{name} {test} began and did not end"));
            }
        }
        if self.packages == 0 && collector.report.faults.is_empty() {
            collector.fault(FaultKind::Unparsed, "there is no event of go test in it");
        }
    }
}

fn case(event: &Event, status: Status) -> Case {
    let mut case = Case::new(&event.package, &event.test, status);
    case.duration = event.elapsed.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    case
}

fn failure(text: String) -> Failure {
    Failure { message: said(&text).to_owned(), text, ..Failure::default() }
}

/// The first line that the test itself said.
fn said(text: &str) -> &str {
    let lines = text.lines().map(str::trim);
    lines.into_iter().find(|line| !line.is_empty() && !is_frame(line)).unwrap_or("failed")
}

/// The result in a line like `--- PASS: TestOne (0.00s)`, if it is of this test.
fn printed(line: &str, test: &str) -> Option<Status> {
    let (result, rest) = line.trim().strip_prefix("--- ")?.split_once(": ")?;
    let (name, _) = rest.rsplit_once(" (")?;
    let status = match result {
        "PASS" => Status::Passed,
        "FAIL" => Status::Failed,
        "SKIP" => Status::Skipped,
        _ => return None,
    };
    (name == test).then_some(status)
}

/// Whether Go's own frame around a test's output.
fn is_frame(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("=== ") || line.starts_with("--- ") || line.trim_end() == "FAIL"
}

#[cfg(test)]
mod tests;

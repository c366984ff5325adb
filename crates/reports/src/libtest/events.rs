//! A line of libtest's JSON.

use serde::Deserialize;

use super::{Run, Summary, failure, parted, seconds};
use crate::report::{Case, Collector, FaultKind, Status};

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(rename = "event")]
    what: Option<String>,
    name: Option<String>,
    test_count: Option<u64>,
    #[serde(default)]
    passed: u64,
    #[serde(default)]
    failed: u64,
    #[serde(default)]
    ignored: u64,
    #[serde(default)]
    measured: u64,
    exec_time: Option<f64>,
    stdout: Option<String>,
    stderr: Option<String>,
    message: Option<String>,
    reason: Option<String>,
}

pub(super) fn take(line: &str, run: &mut Run, collector: &mut Collector<'_>) {
    let event: Event = match serde_json::from_str(line) {
        Ok(event) => event,
        Err(error) => {
            // Cargo's own messages are objects, too; none of them is broken.
            collector.fault(FaultKind::Unparsed, format!("an event cannot be read: {error}"));
            return;
        }
    };
    match (event.kind.as_deref(), event.what.as_deref()) {
        (Some("suite"), Some("started")) => run.begin(event.test_count.unwrap_or(0), collector),
        (Some("suite"), Some(result @ ("ok" | "failed"))) => {
            let Event { passed, failed, ignored, measured, .. } = event;
            let summary = Summary { is_ok: result == "ok", passed, failed, ignored, measured };
            run.sum_up(summary, collector);
        }
        (Some("test"), Some("started")) => {
            run.start(event.name.as_deref().unwrap_or_default(), collector);
        }
        (Some("test"), Some("ok")) | (Some("bench"), _) => {
            end(&event, Status::Passed, run, collector);
        }
        (Some("test"), Some("failed")) => end(&event, Status::Failed, run, collector),
        (Some("test"), Some("ignored")) => end(&event, Status::Skipped, run, collector),
        // A test that is slow goes on.
        (Some("test" | "suite"), result) if result != Some("timeout") => {
            collector.fault(FaultKind::Unparsed, "an event says nothing that is known");
        }
        _ => {}
    }
}

fn end(event: &Event, status: Status, run: &mut Run, collector: &mut Collector<'_>) {
    let full = event.name.as_deref().unwrap_or_default();
    let (suite, name) = parted(full);
    let mut case = Case::new(suite, name, status);
    case.duration = event.exec_time.and_then(seconds);
    match status {
        Status::Failed => {
            let said = [&event.reason, &event.message, &event.stdout, &event.stderr];
            let text: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
            case.failure = Some(Box::new(failure(text.join("\n"))));
        }
        Status::Skipped => case.reason = event.message.as_deref().map(Box::from),
        Status::Passed | Status::Errored => {}
    }
    run.end(case, full, true, collector);
}

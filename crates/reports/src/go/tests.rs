//! Streams of `go test -json`, whole and broken.

use crate::format::{Format, parse};
use crate::report::{Bounds, FaultKind, Report};

#[track_caller]
fn check(events: &[(&str, &str, &str)], counts: [u64; 4], faults: &[FaultKind]) -> Report {
    let lines = events.iter().map(|(action, test, output)| {
        let test = if test.is_empty() { String::new() } else { format!(",\"Test\":\"{test}\"") };
        format!("{{\"Action\":\"{action}\",\"Package\":\"p\"{test},\"Output\":\"{output}\"}}\n")
    });
    let text = lines.collect::<Vec<_>>().concat();
    let report = parse(Format::GoTest, [text.as_bytes()], &Bounds::default());
    let found = report.counts;
    assert_eq!([found.passed, found.failed, found.errored, found.skipped], counts, "{text}");
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, faults, "{text}: {:?}", report.faults);
    report
}

const RUN: (&str, &str, &str) = ("run", "T", "");
const PASS: (&str, &str, &str) = ("pass", "T", "");
const END: (&str, &str, &str) = ("pass", "", "");
const FAILED: (&str, &str, &str) = ("fail", "", "");

#[test]
fn every_event_must_be_there() {
    check(&[RUN, PASS, END], [1, 0, 0, 0], &[]);
    check(&[RUN, PASS], [1, 0, 0, 0], &[FaultKind::Truncated]);
    check(&[RUN, END], [0, 0, 1, 0], &[FaultKind::Unfinished, FaultKind::Counts]);
    check(&[PASS, END], [1, 0, 0, 0], &[FaultKind::Unfinished]);
    check(&[RUN, ("fail", "T", ""), END], [0, 1, 0, 0], &[FaultKind::Counts]);
    check(&[RUN, ("explode", "T", ""), PASS, END], [1, 0, 0, 0], &[FaultKind::Unparsed]);
}

#[test]
fn a_package_fails_for_itself() {
    let report = check(&[("output", "", "panic in init\\n"), FAILED], [0, 0, 1, 0], &[]);
    assert_eq!(report.cases[0].failure.as_ref().unwrap().message, "panic in init");
    check(&[RUN, PASS, FAILED], [1, 0, 1, 0], &[]);
    check(&[RUN, FAILED], [0, 0, 1, 0], &[]);
    check(&[("skip", "", "")], [0; 4], &[]);
}

#[test]
fn what_is_printed_must_be_what_is_said() {
    let printed = ("output", "T", "--- FAIL: T (0.00s)\\n");
    check(&[RUN, printed, PASS, END], [1, 0, 0, 0], &[FaultKind::Counts]);
    let of_another = ("output", "T", "--- FAIL: Other (0.00s)\\n");
    check(&[RUN, of_another, PASS, END], [1, 0, 0, 0], &[]);
}

#[test]
fn the_message_is_what_the_test_said() {
    let said = ("output", "T", "    a_test.go:3: no bread\\n");
    let report = check(
        &[RUN, ("output", "T", "=== RUN   T\\n"), said, ("fail", "T", ""), FAILED],
        [0, 1, 0, 0],
        &[],
    );
    assert_eq!(report.cases[0].failure.as_ref().unwrap().message, "a_test.go:3: no bread");
}

#[test]
fn builds_that_fail_are_errors() {
    let old = "FAIL\tp [build failed]\n";
    let new = "{\"ImportPath\":\"p [p.test]\",\"Action\":\"build-output\",\"Output\":\"a.go:1: undefined\\n\"}\n\
               {\"ImportPath\":\"p [p.test]\",\"Action\":\"build-fail\"}\n\
               {\"Action\":\"start\",\"Package\":\"p\"}\n\
               {\"Action\":\"fail\",\"Package\":\"p\",\"FailedBuild\":\"p [p.test]\"}\n";
    for (text, message) in [(old, "build failed"), (new, "a.go:1: undefined")] {
        let report = parse(Format::GoTest, [text.as_bytes()], &Bounds::default());
        assert_eq!((report.counts.errored, &report.faults[..]), (1, &[][..]), "{text}");
        assert_eq!(report.cases[0].failure.as_ref().unwrap().message, message);
    }
}

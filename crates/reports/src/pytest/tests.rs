//! What pytest prints, whole and broken.

use crate::format::{Format, parse};
use crate::report::{Bounds, FaultKind, Report};

#[track_caller]
fn check(text: &str, counts: [u64; 4], faults: &[FaultKind]) -> Report {
    let report = parse(Format::Pytest, [text.as_bytes()], &Bounds::default());
    let found = report.counts;
    assert_eq!([found.passed, found.failed, found.errored, found.skipped], counts, "{text}");
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, faults, "{text}: {:?}", report.faults);
    report
}

#[test]
fn the_last_line_counts() {
    check("..s   [100%]\n2 passed, 1 skipped in 0.01s\n", [2, 0, 0, 1], &[]);
    check("no tests ran in 0.01s\n", [0; 4], &[]);
    check("..s   [100%]\n", [0; 4], &[FaultKind::Truncated]);
    check("2 passed in 0.01s\n2 passed in 0.01s\n", [4, 0, 0, 0], &[FaultKind::Duplicate]);
}

#[test]
fn what_was_collected_must_have_ended() {
    check("collected 3 items\n=== 2 passed in 0.01s ===\n", [2, 0, 0, 0], &[FaultKind::Counts]);
    check("collected 3 items\n=== 1 failed in 0.01s ===\n", [0, 1, 0, 0], &[]);
}

#[test]
fn a_failure_that_is_not_counted_is_kept() {
    let text = "=== short test summary info ===\nFAILED a.py::t - E\n=== 1 passed in 0.01s ===\n";
    check(text, [1, 1, 0, 0], &[FaultKind::Counts]);
}

#[test]
fn details_stand_beneath_their_title() {
    let text = "=== FAILURES ===\n____ T.t ____\n\n>   assert 1 == 2\nE   assert 1 == 2\n\na.py:3: AssertionError\n\
                === short test summary info ===\nFAILED a.py::T::t - assert 1 == 2\n\
                === 1 failed in 0.01s ===\n";
    let report = check(text, [0, 1, 0, 0], &[]);
    let case = &report.cases[0];
    assert_eq!((&*case.suite, &*case.name, case.file.as_deref()), ("a.py::T", "t", Some("a.py")));
    let why = case.failure.as_ref().unwrap();
    assert_eq!(why.message, "assert 1 == 2");
    assert!(why.text.contains("a.py:3: AssertionError"), "{}", why.text);
}

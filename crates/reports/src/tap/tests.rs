//! Streams of TAP, whole and broken.

use crate::format::{Format, parse};
use crate::report::{Bounds, FaultKind, Report};

/// Passed, failed, errored, skipped; and the kinds of faults.
#[track_caller]
fn check(text: &str, counts: [u64; 4], faults: &[FaultKind]) -> Report {
    let report = parse(Format::Tap, [text.as_bytes()], &Bounds::default());
    let found = report.counts;
    assert_eq!([found.passed, found.failed, found.errored, found.skipped], counts, "{text}");
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, faults, "{text}: {:?}", report.faults);
    report
}

#[test]
fn plans_stand_first_or_last() {
    check("1..2\nok\nok 2\n", [2, 0, 0, 0], &[]);
    check("TAP version 14\nok 1\nnot ok 2 - x\n1..2\n", [1, 1, 0, 0], &[]);
    check("1..0 # SKIP no till\n", [0, 0, 0, 1], &[]);
    check("1..0\n", [0; 4], &[]);
}

#[test]
fn points_that_do_not_fit_the_plan_are_faults() {
    check("1..3\nok 1\nok 2\n", [2, 0, 0, 0], &[FaultKind::Counts]);
    check("1..1\nok 1\nok 2\n", [2, 0, 0, 0], &[FaultKind::Counts]);
    check("1..2\nok 1\nok 1\n", [2, 0, 0, 0], &[FaultKind::Counts]);
    check("1..3\nok 1\nok 3\n", [2, 0, 0, 0], &[FaultKind::Counts]);
    check("ok 1\nok 2\n", [2, 0, 0, 0], &[FaultKind::Truncated]);
    check("1..1\nok 1\n1..1\n", [1, 0, 0, 0], &[FaultKind::Duplicate]);
    check("1..1\nok 1", [1, 0, 0, 0], &[FaultKind::Truncated]);
}

#[test]
fn directives_excuse() {
    check("1..2\nok 1 # SKIP a\nok 2 # todo b\n", [0, 0, 0, 2], &[]);
    check("1..2\nnot ok 1 # todo a\nnot ok 2 # SKIP b\n", [0, 1, 0, 1], &[]);
}

#[test]
fn a_subtest_counts_by_its_tests() {
    let text =
        "1..2\n# Subtest: a\n    1..2\n    ok 1 - b\n    not ok 2 - c\nnot ok 1 - a\nok 2 - d\n";
    let report = check(text, [2, 1, 0, 0], &[]);
    assert_eq!((&*report.cases[1].suite, &*report.cases[1].name), ("a", "c"));
    // A subtest whose end fails: that failure is a case of its own.
    check("1..1\n    1..1\n    ok 1 - b\nnot ok 1 - a\n", [1, 1, 0, 0], &[]);
    check("1..1\n    1..1\n    not ok 1 - b\nok 1 - a\n", [0, 1, 0, 0], &[FaultKind::Counts]);
    check("1..1\n    ok 1 - b\nok 1 - a\n", [1, 0, 0, 0], &[FaultKind::Truncated]);
    check("1..1\nok 1 - a {\n    1..1\n    ok 1\n}\n", [1, 0, 0, 0], &[]);
    check("1..1\nnot ok 1 - a {\n    1..1\n    ok 1\n}\n", [1, 1, 0, 0], &[]);
    check("1..1\nok 1 - a {\n    1..1\n    not ok 1\n}\n", [0, 1, 0, 0], &[FaultKind::Counts]);
    check("1..1\nok 1 - a {\n    1..1\n    ok 1\n", [1, 0, 0, 0], &[FaultKind::Unfinished]);
}

#[test]
fn details_are_no_points() {
    let text =
        "1..2\nnot ok 1 - a\n  ---\n  message: \"why\"\n  got: |\nok 5 - no point\n  ...\nok 2\n";
    let report = check(text, [1, 1, 0, 0], &[]);
    let why = report.cases[0].failure.as_ref().unwrap();
    assert_eq!(why.message, "why");
    assert!(why.text.contains("no point"), "{}", why.text);
    check("1..1\nnot ok 1\n  ---\n", [0, 1, 0, 0], &[FaultKind::Truncated]);
}

#[test]
fn comments_behind_a_failure_are_its_text() {
    let report = check("1..1\nnot ok 1 - a\n# (in test file a.bats, line 3)\n", [0, 1, 0, 0], &[]);
    assert_eq!(report.cases[0].failure.as_ref().unwrap().message, "(in test file a.bats, line 3)");
}

#[test]
fn bailing_out_is_a_failure() {
    let report = check("1..2\nok 1\nBail out! no database\nok 2\n", [1, 0, 1, 0], &[]);
    assert_eq!(report.cases[1].failure.as_ref().unwrap().message, "no database");
}

#[test]
fn noise_is_passed_over() {
    check("starting\n1..1\nokay then\nnot okay\nok 1\ndone\n", [1, 0, 0, 0], &[]);
}

#[test]
fn depth_is_bounded() {
    let text: Vec<_> = (0..1_000).map(|depth| format!("{}ok", " ".repeat(depth))).collect();
    let report = parse(Format::Tap, [(text.join("\n") + "\n").as_bytes()], &Bounds::default());
    assert!(report.has(FaultKind::TooLarge), "{:?}", report.faults);
}

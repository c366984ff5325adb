//! What libtest prints, whole and broken.

use crate::format::{Format, parse};
use crate::report::{Bounds, FaultKind, Report};

#[track_caller]
fn check(text: &str, counts: [u64; 4], faults: &[FaultKind]) -> Report {
    let report = parse(Format::Libtest, [text.as_bytes()], &Bounds::default());
    let found = report.counts;
    assert_eq!([found.passed, found.failed, found.errored, found.skipped], counts, "{text}");
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, faults, "{text}: {:?}", report.faults);
    report
}

const BEGIN: &str = "{\"type\":\"suite\",\"event\":\"started\",\"test_count\":1}\n";
const START: &str = "{\"type\":\"test\",\"event\":\"started\",\"name\":\"a\"}\n";
const OK: &str = "{\"type\":\"test\",\"event\":\"ok\",\"name\":\"a\"}\n";
const END: &str = "{\"type\":\"suite\",\"event\":\"ok\",\"passed\":1,\"failed\":0,\"ignored\":0}\n";

#[test]
fn every_event_must_be_there() {
    check(&[BEGIN, START, OK, END].concat(), [1, 0, 0, 0], &[]);
    check(&["warning: unused\n", BEGIN, START, OK, "noise\n", END].concat(), [1, 0, 0, 0], &[]);
    check(&[BEGIN, START, OK].concat(), [1, 0, 0, 0], &[FaultKind::Truncated]);
    check(&[BEGIN, OK, END].concat(), [1, 0, 0, 0], &[FaultKind::Unfinished]);
    check(&[BEGIN, START, END].concat(), [0, 0, 1, 0], &[FaultKind::Counts, FaultKind::Unfinished]);
    check(
        &[START, OK, END].concat(),
        [1, 0, 0, 0],
        &[FaultKind::Unfinished, FaultKind::Unfinished],
    );
    let broken = &OK[..20];
    let faults = [FaultKind::Unparsed, FaultKind::Counts, FaultKind::Unfinished];
    check(&format!("{BEGIN}{START}{broken}\n{END}"), [0, 0, 1, 0], &faults);
}

#[test]
fn a_binary_that_died_leaves_its_tests() {
    let text = [BEGIN, START, BEGIN, START, OK, END].concat();
    let faults = [FaultKind::Unfinished, FaultKind::Unfinished];
    let report = check(&text, [1, 0, 1, 0], &faults);
    assert!(report.failures().next().unwrap().failure.is_some());
}

#[test]
fn text_is_read_as_well() {
    let text = "   Compiling shop\nrunning 3 tests\ntest a ... ok\ntest b - should panic ... FAILED\n\
                test c ... ignored, no till\n\nfailures:\n\n---- b stdout ----\nnote: it did not panic\n\n\
                failures:\n    b\n\ntest result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 \
                filtered out; finished in 0.00s\n\n";
    let report = check(text, [1, 1, 0, 1], &[]);
    let failed = report.failures().next().unwrap();
    assert_eq!(
        (&*failed.name, failed.failure.as_ref().unwrap().message.as_str()),
        ("b", "note: it did not panic")
    );
    let cut = text.find("test result").unwrap();
    check(&text[..cut], [1, 1, 0, 1], &[FaultKind::Truncated]);
    check(&text.replace("test a ... ok\n", ""), [0, 1, 0, 1], &[FaultKind::Counts]);
    check(
        &text.replace("b - should panic ... FAILED", "b ... ok"),
        [2, 0, 0, 1],
        &[FaultKind::Counts],
    );
}

#[test]
fn a_test_that_prints_ends_on_a_later_line() {
    let text = "running 1 test\ntest a ... hello\nworld\nok\n\ntest result: ok. 1 passed; 0 failed; \
                0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
    check(text, [1, 0, 0, 0], &[]);
}

#[test]
fn no_line_of_libtest_is_a_fault() {
    check("error: could not compile\n", [0; 4], &[FaultKind::Unparsed]);
}

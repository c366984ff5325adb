//! Every verdict, and which comes first.

use super::*;
use crate::format::{Format, parse};
use crate::report::{Bounds, Report};

fn report(tap: &str) -> Report {
    parse(Format::Tap, [tap.as_bytes()], &Bounds::default())
}

fn ended(code: i32) -> Evidence {
    Evidence { exit: Some(Exit::Code(code)), ..Evidence::default() }
}

#[track_caller]
fn check(tap: &str, evidence: &Evidence, expected: Verdict, says: &str) {
    let judged = judge(Some(&report(tap)), evidence);
    assert_eq!(judged.verdict, expected, "{judged:?}");
    assert!(judged.reason.contains(says), "{}", judged.reason);
    // One sentence that begins and ends as one.
    assert!(judged.reason.ends_with('.') && !judged.reason.contains(". "), "{}", judged.reason);
}

const PASSED: &str = "1..2\nok 1\nok 2 # SKIP x\n";
const FAILED: &str = "1..2\nok 1\nnot ok 2\n";

#[test]
fn a_report_and_an_exit_code_that_agree() {
    check(PASSED, &ended(0), Verdict::Passed, "The one test that ran passed (1 was skipped).");
    check(FAILED, &ended(1), Verdict::Failed, "1 of 2 tests failed");
}

#[test]
fn numbers_and_words_agree() {
    check("1..3\nok 1\nok 2\nok 3 # SKIP\n", &ended(0), Verdict::Passed, "All 2 tests that ran");
    check("1..1\nnot ok 1\n", &ended(1), Verdict::Failed, "1 of 1 test failed; fix it.");
    check(
        "1..2\nnot ok 1\nnot ok 2\n",
        &ended(1),
        Verdict::Failed,
        "2 of 2 tests failed; fix them.",
    );
    check("1..1\nok 1 # SKIP\n", &ended(0), Verdict::OnlySkipped, "The only test was skipped");
    let printed = |passed, failed| Evidence {
        printed: Some(Printed { passed, failed, to_write: 0 }),
        ..ended(0)
    };
    check(PASSED, &printed(0, 1), Verdict::Disagree, "1 test failed");
    check("1..0\n", &printed(1, 0), Verdict::CountsWrong, "1 test passed");
    let why = "the folder is missing: create it, or take it out".to_owned();
    let stopped = Some(Stopped::NotStarted(why));
    let evidence = Evidence { stopped, ..Evidence::default() };
    check(PASSED, &evidence, Verdict::NotStarted, "missing: create it, or take it out.");
}

#[test]
fn a_report_and_an_exit_code_that_disagree() {
    check(PASSED, &ended(1), Verdict::Disagree, "exit code 1");
    check(FAILED, &ended(0), Verdict::Disagree, "exit code 0");
    let killed = Evidence { exit: Some(Exit::Signal(9)), ..Evidence::default() };
    check(PASSED, &killed, Verdict::Disagree, "signal 9");
    check(FAILED, &killed, Verdict::Failed, "1 of 2");
}

#[test]
fn nothing_was_shown() {
    check("1..0\n", &ended(0), Verdict::NothingRan, "No test ran");
    check("1..0\n", &ended(5), Verdict::NothingRan, "No test ran");
    check("1..1\nok 1 # SKIP\n", &ended(0), Verdict::OnlySkipped, "skipped");
    check("1..0 # SKIP all\n", &ended(0), Verdict::OnlySkipped, "skipped");
}

#[test]
fn the_report_is_not_what_it_should_be() {
    check("", &ended(0), Verdict::ReportTruncated, "empty");
    check("ok 1\n", &ended(0), Verdict::ReportTruncated, "plan");
    check("not ok 1\n", &ended(1), Verdict::ReportTruncated, "at least 1 test failed");
    check("1..2\nok 1\n", &ended(0), Verdict::CountsWrong, "2 tests, and 1 are there");
    check("1..3\nok 1\nnot ok 2\n", &ended(1), Verdict::Failed, "there may be more");
    let judged = judge(None, &ended(0));
    assert_eq!(judged.verdict, Verdict::ReportMissing);
    let unreadable = parse(Format::Junit, [&b"<html/>"[..]], &Bounds::default());
    assert_eq!(judge(Some(&unreadable), &ended(0)).verdict, Verdict::ReportUnreadable);
}

#[test]
fn the_report_did_not_come_out() {
    for (delivery, expected) in [
        (Delivery::Missing, Verdict::ReportMissing),
        (Delivery::Stale, Verdict::ReportStale),
        (Delivery::Foreign("others write there.".to_owned()), Verdict::ReportStale),
        (Delivery::Cut, Verdict::ReportTruncated),
        (Delivery::Unreadable("it is a folder".to_owned()), Verdict::ReportUnreadable),
    ] {
        check(PASSED, &Evidence { delivery, ..ended(0) }, expected, "");
    }
    let fewer = Evidence { bytes: Some(100), ..ended(0) };
    check(PASSED, &fewer, Verdict::ReportTruncated, "Of the 100 bytes");
    let all = Evidence { bytes: Some(PASSED.len() as u64), ..ended(0) };
    check(PASSED, &all, Verdict::Passed, "");
}

#[test]
fn what_ended_the_run_comes_first() {
    for (stopped, expected) in [
        (Stopped::Limit("wall time of 60 s".to_owned()), Verdict::Limited),
        (Stopped::Cancelled, Verdict::Cancelled),
        (Stopped::Interrupted, Verdict::Interrupted),
        (Stopped::NotStarted("no such program.".to_owned()), Verdict::NotStarted),
    ] {
        for tap in [PASSED, FAILED, "", "1..0\n"] {
            let evidence = Evidence { stopped: Some(stopped.clone()), ..ended(0) };
            check(tap, &evidence, expected, "");
        }
    }
    check(PASSED, &Evidence::default(), Verdict::Interrupted, "not known");
}

#[test]
fn what_was_printed_may_only_deny() {
    let printed = |passed, failed| Some(Printed { passed, failed, to_write: 0 });
    let check =
        |printed, expected, says| check(PASSED, &Evidence { printed, ..ended(0) }, expected, says);
    check(printed(1, 0), Verdict::Passed, "");
    check(printed(0, 0), Verdict::Passed, "");
    check(printed(1, 2), Verdict::Disagree, "2 tests failed");
    check(printed(9, 0), Verdict::CountsWrong, "9 tests passed");
}

/// pytest counts subtests that passed and does not list them; what it printed decides.
#[test]
fn a_doubtful_header_is_decided_by_what_was_printed() {
    let text = crate::fixtures::bytes("junit/pytest-subtests.xml");
    let report = parse(Format::Junit, [text.as_slice()], &Bounds::default());
    for (printed, expected) in [
        (None, Verdict::CountsWrong),
        (Some(Printed { passed: 2, ..Printed::default() }), Verdict::Passed),
        (Some(Printed { passed: 3, ..Printed::default() }), Verdict::CountsWrong),
        (Some(Printed { passed: 2, failed: 1, ..Printed::default() }), Verdict::CountsWrong),
    ] {
        let judged = judge(Some(&report), &Evidence { printed, ..ended(0) });
        assert_eq!(judged.verdict, expected, "{printed:?} {}", judged.reason);
    }
}

#[test]
fn names_are_those_of_serde() {
    for verdict in Verdict::ALL {
        assert_eq!(serde_json::to_string(&verdict).unwrap(), format!("\"{verdict}\""));
        assert_eq!(verdict.is_passed(), verdict == Verdict::Passed);
    }
}

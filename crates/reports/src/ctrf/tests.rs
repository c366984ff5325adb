//! Documents of CTRF, whole and broken.

use crate::format::{Format, parse};
use crate::report::{Bounds, FaultKind, Report, Status};

#[track_caller]
fn check(summary: &str, tests: &str, counts: [u64; 4], faults: &[FaultKind]) -> Report {
    let text = format!(
        "{{\"reportFormat\":\"CTRF\",\"results\":{{\"tool\":{{\"name\":\"x\"}},\"tests\":[{tests}],\
         \"summary\":{summary}}},\"extra\":[[]]}}"
    );
    let report = parse(Format::Ctrf, [text.as_bytes()], &Bounds::default());
    let found = report.counts;
    assert_eq!([found.passed, found.failed, found.errored, found.skipped], counts, "{text}");
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, faults, "{text}: {:?}", report.faults);
    report
}

fn summary(tests: u64, passed: u64, failed: u64, skipped: u64, other: u64) -> String {
    format!(
        "{{\"tests\":{tests},\"passed\":{passed},\"failed\":{failed},\"skipped\":{skipped},\"pending\":0,\
         \"other\":{other},\"start\":0,\"stop\":1}}"
    )
}

fn test(status: &str) -> String {
    format!(
        "{{\"name\":\"a\",\"status\":\"{status}\",\"duration\":2.5,\"suite\":[\"s\",\"t\"],\"retries\":1}}"
    )
}

#[test]
fn the_summary_must_be_that_of_the_tests() {
    let report = check(&summary(1, 1, 0, 0, 0), &test("passed"), [1, 0, 0, 0], &[]);
    assert_eq!((&*report.cases[0].suite, report.cases[0].attempts), ("s > t", 2));
    let two = [FaultKind::Counts, FaultKind::Counts];
    check(&summary(2, 2, 0, 0, 0), &test("passed"), [1, 0, 0, 0], &two);
    check(&summary(1, 0, 1, 0, 0), &test("passed"), [1, 0, 0, 0], &two);
    check("{}", &test("passed"), [1, 0, 0, 0], &[FaultKind::Counts; 3]);
    check(&summary(0, 0, 0, 0, 0), "", [0; 4], &[]);
}

#[test]
fn other_is_what_its_raw_status_says() {
    let todo = "{\"name\":\"a\",\"status\":\"other\",\"rawStatus\":\"todo\",\"duration\":0}";
    check(&summary(1, 0, 0, 0, 1), todo, [0, 0, 0, 1], &[]);
    let report = check(&summary(1, 0, 0, 0, 1), &test("other"), [0, 0, 1, 0], &[]);
    assert_eq!(report.cases[0].status, Status::Errored);
    check(
        &summary(1, 1, 0, 0, 0),
        &test("fine"),
        [0, 0, 1, 0],
        &[FaultKind::Unparsed, FaultKind::Counts, FaultKind::Counts],
    );
}

#[test]
fn what_is_no_whole_document_is_a_fault() {
    for (text, kind) in [
        ("{\"results\":{\"tests\":[", FaultKind::Truncated),
        ("{\"results\":{\"tests\":[{}],\"summary\":{}}} x", FaultKind::Unparsed),
        ("{\"results\":{}}", FaultKind::Unparsed),
        ("[]", FaultKind::Unparsed),
        ("{}", FaultKind::Unparsed),
        ("{\"results\":{\"tests\":[],\"tests\":[],\"summary\":{}}}", FaultKind::Unparsed),
    ] {
        let report = parse(Format::Ctrf, [text.as_bytes()], &Bounds::default());
        assert!(report.has(kind), "{text}: {:?}", report.faults);
    }
    let deep = "[".repeat(100_000);
    let report = parse(Format::Ctrf, [format!("{{\"a\":{deep}").as_bytes()], &Bounds::default());
    assert!(!report.faults.is_empty());
}

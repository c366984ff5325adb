//! Dialects of JUnit XML, each with what is strange about it.

use super::*;
use crate::format::{Format, parse};
use crate::report::{Bounds, Report};

fn read(text: &str) -> Report {
    parse(Format::Junit, [text.as_bytes()], &Bounds::default())
}

/// Passed, failed, errored, skipped; and the kinds of faults.
#[track_caller]
fn check(text: &str, counts: [u64; 4], faults: &[FaultKind]) -> Report {
    let report = read(text);
    let found = report.counts;
    assert_eq!([found.passed, found.failed, found.errored, found.skipped], counts, "{text}");
    let kinds: Vec<_> = report.faults.iter().map(|fault| fault.kind).collect();
    assert_eq!(kinds, faults, "{text}: {:?}", report.faults);
    report
}

#[test]
fn a_root_is_testsuites_or_testsuite() {
    check(
        "<testsuites tests='1'><testsuite><testcase name='a'/></testsuite></testsuites>",
        [1, 0, 0, 0],
        &[],
    );
    check("<testsuite tests='1'><testcase name='a'/></testsuite>", [1, 0, 0, 0], &[]);
    check(
        "<x:testsuite xmlns:x='u' tests='1'><x:testcase name='a'/></x:testsuite>",
        [1, 0, 0, 0],
        &[],
    );
    check("<html><testcase name='a'/></html>", [1, 0, 0, 0], &[FaultKind::Unparsed]);
    check("<html/>", [0; 4], &[FaultKind::Unparsed]);
}

#[test]
fn surefire_has_times_with_commas_and_flaky_tests() {
    let report = check(
        "<testsuite name='s' tests='2' failures='1' errors='0' skipped='0' time='1,234.5'>\
         <testcase name='flaky' classname='c' time='1,234.5'><flakyFailure message='first' type='E'>\
         <stackTrace>at c.f(c.java:1)</stackTrace><system-out>o</system-out></flakyFailure></testcase>\
         <testcase name='never' classname='c'><failure type='E'>last</failure><rerunFailure type='E'>\
         again</rerunFailure></testcase></testsuite>",
        [1, 1, 0, 0],
        &[],
    );
    let [flaky, never] = &report.cases[..] else { panic!("{:?}", report.cases) };
    assert_eq!(flaky.duration, Some(Duration::from_millis(1_234_500)));
    assert!(flaky.is_flaky() && report.counts.flaky == 1);
    let why = flaky.failure.as_ref().unwrap();
    assert_eq!((why.message.as_str(), why.text.as_str()), ("first", "at c.f(c.java:1)"));
    assert_eq!((never.attempts, never.failure.as_ref().unwrap().message.as_str()), (2, "last"));
}

#[test]
fn gradle_writes_one_suite_with_its_output() {
    check(
        "<testsuite name='shop.ShopTest' tests='3' skipped='1' failures='1' errors='0' \
         timestamp='2026-11-23T05:43:04' hostname='h' time='0.03'><properties/>\
         <testcase name='a()' classname='shop.ShopTest' time='0.01'/><testcase name='b()' \
         classname='shop.ShopTest' time='0.01'><skipped/></testcase><testcase name='c()' \
         classname='shop.ShopTest' time='0.01'><failure message='m' type='t'>m\n\tat \
         shop.ShopTest.c(ShopTest.java:3)</failure></testcase><system-out><![CDATA[<testcase/>]]>\
         </system-out><system-err><![CDATA[]]></system-err></testsuite>",
        [1, 1, 0, 1],
        &[],
    );
}

#[test]
fn a_failure_is_found_however_it_is_written() {
    for case in [
        "<testcase name='a' status='failed'/>",
        "<testcase name='a' result='Error'/>",
        "<testcase name='a' failure='it broke'/>",
        "<testcase name='a'><skipped/><failure/></testcase>",
        "<testcase name='a'><failure/><error/></testcase>",
        "<testcase><failure>only text</failure></testcase>",
    ] {
        let text = format!("<testsuite tests='1' failures='1'>{case}</testsuite>");
        assert_eq!(read(&text).counts.failing(), 1, "{case}");
    }
}

#[test]
fn headers_that_do_not_fit_are_faults() {
    let with = |attributes: &str, cases: &str| {
        format!("<testsuites><testsuite name='s' {attributes}>{cases}</testsuite></testsuites>")
    };
    let one = "<testcase name='a'/>";
    check(&with("tests='2'", one), [1, 0, 0, 0], &[FaultKind::Counts]);
    check(&with("tests='0'", one), [1, 0, 0, 0], &[FaultKind::Counts]);
    check(&with("tests='1' failures='1'", one), [1, 0, 0, 0], &[FaultKind::Counts]);
    check(&with("tests='1' errors='1'", one), [1, 0, 0, 0], &[FaultKind::Counts]);
    check(&with("tests='1' skipped='1'", one), [1, 0, 0, 0], &[FaultKind::Counts]);
    check(&with("tests='1' failures='0' errors='0' skipped='0'", one), [1, 0, 0, 0], &[]);
    check(&with("", &one.repeat(2)), [2, 0, 0, 0], &[FaultKind::Duplicate]);
    check(&with("tests='2'", &one.repeat(2)), [2, 0, 0, 0], &[]);
}

#[test]
fn what_is_no_whole_document_is_a_fault() {
    let whole = "<testsuite tests='1'><testcase name='a'/></testsuite>";
    check(&format!("npm run test\n{whole}\n<!-- end -->\n"), [1, 0, 0, 0], &[]);
    check(&format!("{whole}{whole}"), [2, 0, 0, 0], &[FaultKind::Unparsed]);
    check(&format!("{whole}garbage"), [1, 0, 0, 0], &[FaultKind::Unparsed]);
    check(&format!("{whole}</testsuite>"), [1, 0, 0, 0], &[FaultKind::Unparsed]);
    check(&whole[..30], [0; 4], &[FaultKind::Truncated, FaultKind::Counts]);
    let cut = "<testsuite tests='1'><testcase name='a'><failure>bro";
    check(cut, [0, 1, 0, 0], &[FaultKind::Truncated]);
}

#[test]
fn entities_are_not_expanded() {
    let text = "<!DOCTYPE t [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'><!ENTITY f SYSTEM \
                'file:///etc/hostname'>]><testsuite tests='1' failures='1'><testcase name='&b;'>\
                <failure message='&f;'>&b;&f;&lt;&#x41;&#0;&#xD800;</failure></testcase></testsuite>";
    let report = check(text, [0, 1, 0, 0], &[]);
    let case = &report.cases[0];
    let why = case.failure.as_ref().unwrap();
    assert_eq!((&*case.name, why.message.as_str()), ("&b;", "&f;"));
    assert_eq!(why.text, "&b;&f;<A\u{fffd}\u{fffd}");
}

#[test]
fn depth_and_texts_are_bounded() {
    let deep = "<testsuite>".repeat(100_000);
    check(&deep, [0; 4], &[FaultKind::TooLarge]);
    let long = "x".repeat(1 << 20);
    let text = format!(
        "<testsuite tests='1' failures='1'><testcase name='{long}'><failure message='{long}'>{long}\
         </failure><system-out>{long}</system-out></testcase></testsuite>"
    );
    let report = check(&text, [0, 1, 0, 0], &[]);
    let case = &report.cases[0];
    let why = case.failure.as_ref().unwrap();
    assert!(case.name.len() < 3_000 && why.message.len() < 5_000 && why.text.len() < 20_000);
}

#[test]
fn the_same_file_twice_is_a_fault() {
    let text =
        b"<testsuite name='s' tests='1'><testcase name='a' time='0.1'/></testsuite>".as_slice();
    let report = parse(Format::Junit, [text, text], &Bounds::default());
    assert!(report.has(FaultKind::Duplicate), "{:?}", report.faults);
}

//! Reports that are broken on purpose, by the thousand and from a seed: a verdict of "passed" takes a
//! report that says of every test what the whole one said, and nothing ever panics.
//!
//! The exit code stays that of the real run, so that a report that was broken on its way is all
//! that is wrong.

use crate::fixtures::{FIXTURES, Fixture};
use crate::format::{Format, parse};
use crate::judge::{Evidence, Exit, Judged, Verdict, judge};
use crate::report::{Bounds, Counts, Report};

/// A small generator of numbers (`SplitMix64`); the same seed gives the same reports.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("fits");
        usize::try_from(self.next() % end).expect("fits")
    }
}

fn judged(format: Format, inputs: &[Vec<u8>], evidence: &Evidence) -> (Report, Judged) {
    let report = parse(format, inputs.iter().map(Vec::as_slice), &Bounds::default());
    let judged = judge(Some(&report), evidence);
    (report, judged)
}

/// How many ended how, with the flaky ones among those that passed.
fn ends(counts: &Counts) -> [u64; 4] {
    [counts.passed, counts.failed, counts.errored, counts.skipped]
}

/// The rule: whatever happened to the report, it passes only if the whole one does and all of its
/// tests are there as they were.
#[track_caller]
fn check(fixture: &Fixture, whole: &Report, broken: &[Vec<u8>], evidence: &Evidence, how: &str) {
    let (report, judged) = judged(fixture.format, broken, evidence);
    if judged.verdict != Verdict::Passed {
        return;
    }
    let file = fixture.files[0];
    assert_eq!(fixture.verdict, Verdict::Passed, "{file} {how}: {}", judged.reason);
    if file.contains("gotestsum") {
        // Its headers do not count what was skipped, so that a lost `skipped` is not seen.
        assert_eq!(report.counts.total(), whole.counts.total(), "{file} {how}");
        return;
    }
    if fixture.format == Format::Tap {
        // A subtest that is lost whole leaves the point that stands for it and says the same.
        assert!(report.counts.skipped <= whole.counts.skipped, "{file} {how}");
        return;
    }
    if file.contains("libtest/nextest") {
        // It counts what was ignored again and again, so only what ran can be checked.
        assert_eq!(report.counts.ran(), whole.counts.ran(), "{file} {how}");
        return;
    }
    assert_eq!(ends(&report.counts), ends(&whole.counts), "{file} {how}: {}", judged.reason);
}

/// The evidence of a run, with the bytes of the report where nothing else shows its end.
fn evidence(fixture: &Fixture, whole: &Report) -> Evidence {
    let bytes = is_endless(fixture.format).then_some(whole.bytes);
    Evidence { bytes, ..fixture.evidence() }
}

/// Whether a part of the report may look like a whole one: the packages of Go and the binaries of
/// libtest stand one after the other, and no line says how many there are.
fn is_endless(format: Format) -> bool {
    matches!(format, Format::GoTest | Format::Libtest)
}

/// Each report whole, and what was read of it.
fn whole() -> impl Iterator<Item = (&'static Fixture, Vec<Vec<u8>>, Report)> {
    FIXTURES.iter().map(|fixture| {
        let bytes = fixture.bytes();
        let (report, _) = judged(fixture.format, &bytes, &fixture.evidence());
        (fixture, bytes, report)
    })
}

/// The inputs with one of them put in the place of what it was.
fn with(inputs: &[Vec<u8>], index: usize, input: Vec<u8>) -> Vec<Vec<u8>> {
    let mut inputs = inputs.to_vec();
    inputs[index] = input;
    inputs
}

#[test]
fn a_report_cut_at_any_byte_never_passes_wrongly() {
    for (fixture, inputs, whole) in whole() {
        let evidence = evidence(fixture, &whole);
        for (index, input) in inputs.iter().enumerate() {
            // Every byte of a small one; in a large one every byte of its end, and many others.
            let step = (input.len() / 400).max(1);
            let end = input.len().saturating_sub(200);
            for at in (0..end).step_by(step).chain(end..input.len()) {
                let broken = with(&inputs, index, input[..at].to_vec());
                check(fixture, &whole, &broken, &evidence, &format!("cut at {at}"));
                if fixture.verdict == Verdict::Passed && !says_nothing(fixture.format, &input[at..])
                {
                    let (_, judged) = judged(fixture.format, &broken, &evidence);
                    let file = fixture.files[index];
                    assert_ne!(judged.verdict, Verdict::Passed, "{file} passed, cut at {at}");
                }
            }
        }
    }
}

/// Whether a report says the same without this end of it.
fn says_nothing(format: Format, end: &[u8]) -> bool {
    let mut lines = end.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    // A cut within a line is seen by the line that does not end.
    lines.all(|line| line.is_empty() || (format == Format::Tap && line.starts_with(b"#")))
}

/// Without the count of bytes an endless stream may still be cut only between two packages.
#[test]
fn an_endless_stream_is_cut_unseen_only_between_packages() {
    for (fixture, inputs, whole) in whole().filter(|(fixture, ..)| is_endless(fixture.format)) {
        if fixture.verdict != Verdict::Passed {
            continue;
        }
        for at in 0..inputs[0].len() {
            let broken = [inputs[0][..at].to_vec()];
            let (report, judged) = judged(fixture.format, &broken, &fixture.evidence());
            if judged.verdict == Verdict::Passed {
                assert!(ends(&report.counts) <= ends(&whole.counts));
                assert_eq!(inputs[0][at - 1], b'\n', "{} cut at {at}", fixture.files[0]);
            }
        }
    }
}

#[test]
fn a_report_that_lost_or_repeats_lines_never_passes_wrongly() {
    for (fixture, inputs, whole) in whole() {
        let evidence = evidence(fixture, &whole);
        for (index, input) in inputs.iter().enumerate() {
            let lines: Vec<&[u8]> = input.split_inclusive(|byte| *byte == b'\n').collect();
            for at in 0..lines.len() {
                for most in [1, 4] {
                    let end = (at + most).min(lines.len());
                    let dropped = [&lines[..at], &lines[end..]].concat().concat();
                    let how = format!("without lines {at} to {end}");
                    // What lost no byte of a test is judged by its counts; of an endless stream the
                    // bytes are not those of the program.
                    let unknown = Evidence { bytes: None, ..evidence.clone() };
                    let evidence = if most == 1 { &unknown } else { &evidence };
                    check(fixture, &whole, &with(&inputs, index, dropped), evidence, &how);
                    let repeated = [&lines[..end], &lines[at..]].concat().concat();
                    let how = format!("with lines {at} to {end} twice");
                    check(fixture, &whole, &with(&inputs, index, repeated), evidence, &how);
                }
            }
        }
    }
}

#[test]
fn a_report_that_lost_or_repeats_a_case_never_passes() {
    for (fixture, inputs, whole) in whole().filter(|(fixture, ..)| fixture.format == Format::Junit)
    {
        for (index, input) in inputs.iter().enumerate() {
            let text = String::from_utf8(input.clone()).expect("fixtures are UTF-8");
            for (at, _) in text.match_indices("<testcase ") {
                let rest = &text[at..];
                let tag = rest.find('>').expect("a tag ends") + 1;
                let is_empty = rest[..tag].ends_with("/>");
                let end =
                    if is_empty { tag } else { rest.find("</testcase>").expect("it ends") + 11 };
                for times in [0, 2] {
                    let case = rest[..end].repeat(times);
                    let broken = format!("{}{case}{}", &text[..at], &rest[end..]);
                    let broken = with(&inputs, index, broken.into_bytes());
                    let (_, judged) = judged(fixture.format, &broken, &fixture.evidence());
                    let file = fixture.files[index];
                    assert_ne!(
                        judged.verdict,
                        Verdict::Passed,
                        "{file}: a case {times} times at {at}"
                    );
                    check(fixture, &whole, &broken, &fixture.evidence(), "a case");
                }
            }
        }
    }
}

/// What says how a test ended, and what it is made to say.
const FLIPS: &[(&str, &str)] = &[
    ("<failure", "<skipped"),
    ("<failure", "<fail"),
    ("</failure>", ""),
    ("<error", "<property"),
    ("<skipped", "<property"),
    ("failures=\"", "failures=\"1"),
    ("tests=\"", "tests=\"1"),
    ("status=\"fail\"", "status=\"run\""),
    ("</testcase>", ""),
    ("</testsuite>", ""),
    ("<testsuite", "<testcase"),
    ("not ok", "ok"),
    ("ok", "not ok"),
    ("1..", "2.."),
    ("1..", "1..1"),
    ("\"fail\"", "\"pass\""),
    ("\"pass\"", "\"fail\""),
    ("\"skip\"", "\"pass\""),
    ("\"run\"", "\"pass\""),
    ("\"failed\"", "\"ok\""),
    ("\"failed\"", "\"passed\""),
    ("\"passed\"", "\"failed\""),
    ("\"ignored\"", "\"ok\""),
    ("\"pending\"", "\"passed\""),
    ("\"started\"", "\"ok\""),
    ("... FAILED", "... ok"),
    ("... ignored", "... ok"),
    ("result: FAILED", "result: ok"),
    (" failed", " passed"),
    (" skipped", " passed"),
    ("FAILED", "PASSED"),
];

#[test]
fn a_report_that_says_otherwise_in_one_place_never_passes_wrongly() {
    for (fixture, inputs, whole) in whole() {
        // The last line of pytest is all that counts, so who changes it changes the report.
        if fixture.format == Format::Pytest {
            continue;
        }
        let evidence = Evidence { bytes: None, ..evidence(fixture, &whole) };
        for (index, input) in inputs.iter().enumerate() {
            let text = String::from_utf8(input.clone()).expect("fixtures are UTF-8");
            for (from, to) in FLIPS {
                for (at, _) in text.match_indices(from) {
                    let broken = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
                    let how = format!("{from} made {to} at {at}");
                    let broken = with(&inputs, index, broken.into_bytes());
                    check(fixture, &whole, &broken, &evidence, &how);
                }
            }
        }
    }
}

#[test]
fn a_report_of_several_files_that_lost_or_repeats_one_never_passes_wrongly() {
    for (fixture, mut inputs, whole) in whole() {
        // Two scripts may well print the same TAP; a report of a class has times.
        if fixture.format != Format::Junit {
            continue;
        }
        inputs.push(inputs[0].clone());
        check(fixture, &whole, &inputs, &fixture.evidence(), "the first input twice");
        let (_, judged) = judged(fixture.format, &inputs, &fixture.evidence());
        assert_ne!(judged.verdict, Verdict::Passed, "{:?}", fixture.files);
    }
}

/// Pieces that mean something in one format or another.
const PIECES: &[&[u8]] = &[
    b"<",
    b">",
    b"\"",
    b"&",
    b"&#0;",
    b"&#x1F600;",
    b"&a;",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"<!DOCTYPE a [<!ENTITY a \"aaaaaaaa\">]>",
    b"<?xml version=\"1.0\" encoding=\"UTF-16\"?>",
    b"<testsuites tests=\"99999999999999999999\">",
    b"<testsuite tests=\"18446744073709551615\" failures=\"18446744073709551615\">",
    b"<testcase>",
    b"</testcase>",
    b"time=\"1,234.5\"",
    b"time=\"1e400\"",
    b"{",
    b"}",
    b"[[[[[[[[[[",
    b"\\u0000",
    b"\\ud800",
    b"18446744073709551615",
    b"-1",
    b"1e999",
    b"{\"Action\":\"pass\"}\n",
    b"{\"type\":\"suite\",\"event\":\"started\",\"test_count\":18446744073709551615}\n",
    b"ok 18446744073709551615\n",
    b"ok 1\n",
    b"1..18446744073709551615\n",
    b"1..0 # SKIP\n",
    b"                                                        ok\n",
    b"  ---\n",
    b"  ...\n",
    b"# tests 18446744073709551615\n# suites 18446744073709551615\n",
    b"Bail out!",
    b"running 18446744073709551615 tests\n",
    b"test result: ok. 18446744073709551615 passed\n",
    b"=== 18446744073709551615 passed in 1s ===\n",
    b"collected 18446744073709551615 items\n",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\0",
    b"\x1b[31m",
    b"\xc3",
    b"\xf0\x9f\xa5\x90",
    b"\r\n",
    b"\n",
];

fn mutated(input: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(200)).min(bytes.len());
        match numbers.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = PIECES[numbers.below(PIECES.len())];
                drop(bytes.splice(at..at, piece.iter().copied()));
            }
            2 => {
                let copied = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copied));
            }
            3 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            4 => bytes.truncate(at),
            _ => bytes[at..end].reverse(),
        }
    }
    bytes
}

/// The target of each parser: whatever the bytes are, a report comes of them, within its bounds.
fn target(format: Format, bytes: &[u8], bounds: &Bounds) -> Report {
    let report = parse(format, [bytes], bounds);
    assert!(report.bytes <= bounds.bytes);
    assert!(report.cases.len() <= 2 * bounds.cases);
    assert_eq!(report.counts.total(), report.cases.len() as u64 + report.unnamed);
    for case in &report.cases {
        let texts = case.failure.as_deref().map(|why| why.text.len().max(why.output.len()));
        assert!(texts.unwrap_or(0) <= bounds.text.max(200));
    }
    // Not a single verdict may depend on how the bytes are divided.
    let judged =
        judge(Some(&report), &Evidence { exit: Some(Exit::Code(0)), ..Evidence::default() });
    assert!(judged.reason.ends_with('.'), "{}", judged.reason);
    report
}

#[test]
fn random_mutations_never_panic_and_stay_bounded() {
    let bounds = Bounds { cases: 50, text: 500, texts: 5_000, depth: 20, ..Bounds::default() };
    let mut numbers = Numbers(8);
    for (fixture, inputs, _) in whole() {
        for _ in 0..60 {
            let broken = mutated(&inputs[0], &mut numbers);
            target(fixture.format, &broken, &bounds);
            let other = Format::ALL[numbers.below(Format::ALL.len())];
            target(other, &broken, &bounds);
        }
    }
}

#[test]
fn soup_never_panics() {
    let bounds = Bounds { cases: 20, depth: 10, ..Bounds::default() };
    let mut numbers = Numbers(88);
    for _ in 0..1_500 {
        let pieces = numbers.below(40);
        let soup: Vec<u8> =
            (0..pieces).flat_map(|_| PIECES[numbers.below(PIECES.len())].iter().copied()).collect();
        for format in Format::ALL {
            target(format, &soup, &bounds);
        }
    }
}

#[test]
fn random_mutations_of_what_failed_never_pass() {
    let mut numbers = Numbers(888);
    for (fixture, inputs, whole) in whole() {
        if fixture.verdict == Verdict::Passed {
            continue;
        }
        for _ in 0..60 {
            let broken = with(&inputs, 0, mutated(&inputs[0], &mut numbers));
            check(fixture, &whole, &broken, &fixture.evidence(), "mutated");
        }
    }
}

//! The target `report`: what reads the test reports of every format.
//!
//! Promises: any octets are read without a panic, within bounds; of a run whose tests failed, no
//! report that was changed on its way is judged as passed, whatever was cut, lost or repeated.

use reports::{Bounds, Evidence, Exit, Format, judge, parse};

use super::random::Random;
use super::{Tried, judged, promise};

/// Reports of real runs in which a test failed, with the exit code of each.
const WHOLE: &[(Format, i32, &str)] = &[
    (Format::Junit, 100, include_str!("../../../crates/reports/fixtures/junit/nextest.xml")),
    (Format::Junit, 1, include_str!("../../../crates/reports/fixtures/junit/pytest.xml")),
    (Format::Junit, 1, include_str!("../../../crates/reports/fixtures/junit/node.xml")),
    (Format::Junit, 8, include_str!("../../../crates/reports/fixtures/junit/ctest.xml")),
    (Format::Junit, 1, include_str!("../../../crates/reports/fixtures/junit/surefire-shop.xml")),
    (Format::Libtest, 101, include_str!("../../../crates/reports/fixtures/libtest/libtest.json")),
    (Format::GoTest, 1, include_str!("../../../crates/reports/fixtures/go/failed.json")),
    (Format::Tap, 1, include_str!("../../../crates/reports/fixtures/tap/node.tap")),
    (Format::Ctrf, 1, include_str!("../../../crates/reports/fixtures/ctrf/jest-ctrf.json")),
    (Format::Pytest, 1, include_str!("../../../crates/reports/fixtures/pytest/failed.txt")),
];

/// What breaks reports.
const PIECES: &[&[u8]] = &[
    b"\n",
    b"<",
    b">",
    b"\"",
    b"&amp;",
    b"&x;",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"<!DOCTYPE a [",
    b"<testcase name='t'/>",
    b"<testsuite>",
    b"</testsuite>",
    b"</testsuites>",
    b"<failure/>",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\\",
    b"1e999",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\0",
    b"ok 1\n",
    b"not ok 2\n",
    b"1..0\n",
    b"1..3\n",
    b"Bail out!\n",
    b"    ",
    b"# SKIP",
    b"# todo",
    b"\x1b[31m",
    b"99999999999999999999",
];

/// One iteration.
pub(super) fn attempt(random: &mut Random) -> Tried {
    let (format, code, whole) = *random.one_of(WHOLE);
    // Sometimes as what it is not.
    let format = if random.once_in(10) { *random.one_of(&Format::ALL) } else { format };
    let mut bytes = whole.as_bytes().to_vec();
    for _ in 0..random.below(4) {
        random.mutate(&mut bytes, PIECES);
    }
    let verdict = judged(|| {
        let bounds = Bounds::default();
        let report = parse(format, [bytes.as_slice()], &bounds);
        promise(report.cases.len() <= bounds.cases * 2, || "more cases than bounds".to_owned())?;
        let evidence = Evidence {
            exit: Some(Exit::Code(code)),
            bytes: Some(bytes.len() as u64),
            ..Evidence::default()
        };
        let judged = judge(Some(&report), &evidence);
        promise(!judged.verdict.is_passed(), || format!("passed: {}", judged.reason))?;
        Ok(judged.verdict == reports::Verdict::Failed)
    });
    Tried { input: bytes, verdict }
}

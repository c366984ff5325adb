//! Reports of real runs: the totals are those that the runner printed, and every failure is found.
//!
//! `fixtures/README.md` says which runner made each.

use std::path::PathBuf;

use crate::format::{Format, parse};
use crate::judge::{Evidence, Exit, Verdict, judge};
use crate::report::{Bounds, Report};

/// A report of a real run and what its runner said of it.
pub(crate) struct Fixture {
    pub(crate) format: Format,
    pub(crate) files: &'static [&'static str],
    /// The exit code of the run.
    pub(crate) code: i32,
    pub(crate) verdict: Verdict,
    /// Passed, failed, errored, skipped.
    counts: [u64; 4],
    /// The names of what failed, in the order of the report.
    failures: &'static [&'static str],
}

const fn fixture(
    format: Format,
    files: &'static [&'static str],
    (code, verdict): (i32, Verdict),
    counts: [u64; 4],
    failures: &'static [&'static str],
) -> Fixture {
    Fixture { format, files, code, verdict, counts, failures }
}

use Format::{Ctrf, GoTest, Junit, Libtest, Pytest, Tap};
use Verdict::{Failed, NothingRan, OnlySkipped, Passed};

/// All reports.
pub(crate) const FIXTURES: &[Fixture] = &[
    fixture(Junit, &["junit/nextest.xml"], (100, Failed), [5, 3, 0, 0], NEXTEST),
    fixture(Junit, &["junit/nextest-passed.xml"], (0, Passed), [2, 0, 0, 0], &[]),
    fixture(Junit, &["junit/nextest-abort.xml"], (100, Failed), [1, 1, 0, 0], &["aborts"]),
    fixture(Junit, &["junit/nextest-none.xml"], (4, NothingRan), [0, 0, 0, 0], &[]),
    fixture(Junit, &["junit/pytest.xml"], (1, Failed), [12, 5, 3, 3], PYTEST),
    fixture(Junit, &["junit/pytest-passed.xml"], (0, Passed), [5, 0, 0, 1], &[]),
    fixture(Junit, &["junit/pytest-none.xml"], (5, NothingRan), [0, 0, 0, 0], &[]),
    fixture(Junit, &["junit/node.xml"], (1, Failed), [8, 4, 0, 4], NODE_XML),
    fixture(Junit, &["junit/node-passed.xml"], (0, Passed), [4, 0, 0, 0], &[]),
    fixture(Junit, SUREFIRE, (1, Failed), [6, 3, 2, 2], SUREFIRE_FAILED),
    fixture(Junit, &["junit/surefire-good.xml"], (0, Passed), [2, 0, 0, 0], &[]),
    fixture(Junit, &["junit/gotestsum.xml"], (2, Failed), [7, 4, 0, 2], GOTESTSUM),
    fixture(Junit, &["junit/gotestsum-passed.xml"], (0, Passed), [3, 0, 0, 1], &[]),
    fixture(Junit, &["junit/ctest.xml"], (8, Failed), [1, 3, 1, 2], CTEST),
    fixture(Junit, &["junit/ctest-passed.xml"], (0, Passed), [1, 0, 0, 0], &[]),
    fixture(Junit, &["junit/ctest-skipped.xml"], (0, OnlySkipped), [0, 0, 0, 1], &[]),
    fixture(
        Junit,
        &["junit/gtest.xml"],
        (1, Failed),
        [3, 3, 0, 2],
        &["WrongSum", "Throws", "IsEven/2"],
    ),
    fixture(Junit, &["junit/gtest-passed.xml"], (0, Passed), [1, 0, 0, 0], &[]),
    fixture(Junit, &["junit/jest-junit.xml"], (1, Failed), [6, 3, 0, 1], JEST),
    fixture(Junit, &["junit/jest-junit-passed.xml"], (0, Passed), [3, 0, 0, 0], &[]),
    fixture(Junit, &["junit/jest-junit-broken.xml"], (1, Failed), [3, 1, 1, 0], JEST_BROKEN),
    fixture(Junit, &["junit/vitest.xml"], (1, Failed), [5, 4, 0, 2], VITEST),
    fixture(Junit, &["junit/vitest-passed.xml"], (0, Passed), [3, 0, 0, 0], &[]),
    fixture(Junit, &["junit/phpunit.xml"], (2, Failed), [3, 2, 2, 2], PHPUNIT),
    fixture(Junit, &["junit/phpunit-passed.xml"], (0, Passed), [1, 0, 0, 0], &[]),
    fixture(Libtest, &["libtest/libtest.json"], (101, Failed), [4, 4, 0, 2], TEXT),
    fixture(Libtest, &["libtest/libtest-passed.json"], (0, Passed), [1, 0, 0, 0], &[]),
    fixture(Libtest, &["libtest/text.txt"], (101, Failed), [4, 4, 0, 2], TEXT),
    fixture(Libtest, &["libtest/text-passed.txt"], (0, Passed), [2, 0, 0, 0], &[]),
    fixture(Libtest, &["libtest/nextest.json"], (100, Failed), [4, 4, 0, 2], LIBTEST),
    fixture(Libtest, &["libtest/nextest-passed.json"], (0, Passed), [3, 0, 0, 2], &[]),
    fixture(GoTest, &["go/failed.json"], (2, Failed), [7, 4, 1, 2], GO),
    fixture(GoTest, &["go/passed.json"], (0, Passed), [3, 0, 0, 1], &[]),
    fixture(Tap, &["tap/node.tap"], (1, Failed), [8, 4, 0, 4], NODE),
    fixture(Tap, &["tap/node-passed.tap"], (0, Passed), [4, 0, 0, 0], &[]),
    fixture(Tap, &["tap/perl.tap"], (2, Failed), [3, 2, 0, 4], PERL),
    fixture(Tap, &["tap/perl-passed.tap"], (0, Passed), [4, 0, 0, 0], &[]),
    fixture(Tap, &["tap/perl-bail.tap"], (255, Failed), [1, 0, 1, 0], &["Bail out!"]),
    fixture(Tap, &["tap/bats.tap"], (1, Failed), [1, 1, 0, 1], &["fails on Brötchen"]),
    fixture(Tap, &["tap/vitest.tap"], (1, Failed), [5, 4, 0, 2], VITEST_TAP),
    fixture(Tap, &["tap/vitest-flat.tap"], (1, Failed), [5, 4, 0, 2], VITEST_FLAT),
    fixture(Ctrf, &["ctrf/jest-ctrf.json"], (1, Failed), [2, 3, 0, 2], JEST),
    fixture(Ctrf, &["ctrf/jest-ctrf-passed.json"], (0, Passed), [3, 0, 0, 0], &[]),
    fixture(Pytest, &["pytest/failed.txt"], (1, Failed), [14, 5, 3, 3], PYTEST_TEXT),
    fixture(Pytest, &["pytest/verbose.txt"], (1, Failed), [9, 5, 2, 2], PYTEST_VERBOSE),
    fixture(Pytest, &["pytest/passed.txt"], (0, Passed), [5, 0, 0, 1], &[]),
    fixture(Pytest, &["pytest/subtests.txt"], (0, Passed), [2, 0, 0, 0], &[]),
];

const NEXTEST: &[&str] =
    &["tests::broken::returns_an_error", "tests::broken::overflows", "tests::broken::wrong_sum"];
const LIBTEST: &[&str] = &[
    "tests::broken::returns_an_error",
    "tests::broken::wrong_sum",
    "tests::broken::overflows",
    "second_time_lucky",
];
const TEXT: &[&str] = &[
    "tests::broken::returns_an_error",
    "tests::broken::overflows",
    "tests::broken::wrong_sum",
    "second_time_lucky",
];
const PYTEST: &[&str] = &[
    "test_uncollectable",
    "test_wrong_sum",
    "test_raises",
    "test_with_broken_fixture",
    "test_passes_then_breaks",
    "test_unexpectedly_fine",
    "test_method_fails",
    "test_subtests",
];
const PYTEST_TEXT: &[&str] = &[
    "test_wrong_sum",
    "test_raises",
    "test_unexpectedly_fine",
    "test_method_fails",
    "test_subtests",
    "(collection)",
    "test_with_broken_fixture",
    "test_passes_then_breaks",
];
const PYTEST_VERBOSE: &[&str] = &[
    "test_wrong_sum",
    "test_raises",
    "test_with_broken_fixture",
    "test_passes_then_breaks",
    "test_unexpectedly_fine",
    "test_method_fails",
    "test_subtests",
];
// Node 20 escapes a quotation mark twice.
const NODE_XML: &[&str] =
    &["wrong sum", "throws <a> & &quot;b&quot; ]]> 🥐", "rejects", "second fails"];
const NODE: &[&str] = &["wrong sum", "throws <a> & \"b\" ]]> 🥐", "rejects", "second fails"];
const SUREFIRE: &[&str] =
    &["junit/surefire-broken.xml", "junit/surefire-good.xml", "junit/surefire-shop.xml"];
const SUREFIRE_FAILED: &[&str] =
    &["shop.BrokenTest", "wrongSum", "raises", "secondTimeLucky", "even{int}[3]"];
const GOTESTSUM: &[&str] = &["TestWrongSum", "TestMany/none", "TestMany", "TestPanics"];
const GO: &[&str] = &["TestWrongSum", "TestMany/none", "TestMany", "(package)", "TestPanics"];
const CTEST: &[&str] = &["gtest", "fails_Brötchen", "missing_program", "takes_too_long"];
const JEST: &[&str] = &["wrong sum", "nested throws <a> & \"b\" ]]> 🥐", "nested deeper rejects"];
const JEST_BROKEN: &[&str] = &["broken.test.js", "broken.test.js"];
const VITEST: &[&str] = &[
    "broken.test.js",
    "wrong sum",
    "nested > throws <a> & \"b\" ]]> 🥐",
    "nested > deeper > rejects",
];
const VITEST_TAP: &[&str] =
    &["broken.test.js", "wrong sum", "throws <a> & \"b\" ]]> 🥐", "rejects"];
const VITEST_FLAT: &[&str] = &[
    "broken.test.js",
    "shop.test.js > wrong sum",
    "shop.test.js > nested > throws <a> & \"b\" ]]> 🥐",
    "shop.test.js > nested > deeper > rejects",
];
const PHPUNIT: &[&str] =
    &["testWrongSum", "testThrows", "testRisky", "testMany with data set \"zwölf\""];
const PERL: &[&str] = &["wrong sum of Brötchen", r"differs \# not a directive? \\\# no"];

impl Fixture {
    /// What the files hold.
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        self.files.iter().map(|file| bytes(file)).collect()
    }

    /// What is known of the run besides its report.
    pub(crate) fn evidence(&self) -> Evidence {
        Evidence { exit: Some(Exit::Code(self.code)), ..Evidence::default() }
    }

    fn report(&self) -> Report {
        let bytes = self.bytes();
        parse(self.format, bytes.iter().map(Vec::as_slice), &Bounds::default())
    }
}

/// A file of the folder of fixtures.
pub(crate) fn bytes(file: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(file);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn totals_are_those_of_the_runner() {
    for fixture in FIXTURES {
        let report = fixture.report();
        let counts = &report.counts;
        let found = [counts.passed, counts.failed, counts.errored, counts.skipped];
        assert_eq!(found, fixture.counts, "{:?} {:?}", fixture.files, report.faults);
    }
}

#[test]
fn every_failure_is_found_and_explained() {
    for fixture in FIXTURES {
        let report = fixture.report();
        let names: Vec<&str> = report.failures().map(|case| &*case.name).collect();
        assert_eq!(names, fixture.failures, "{:?}", fixture.files);
        for case in report.failures() {
            let failure = case.failure.as_ref();
            assert!(failure.is_some(), "{:?} {}", fixture.files, case.name);
        }
    }
}

#[test]
fn verdicts_are_those_of_the_runner() {
    for fixture in FIXTURES {
        let report = fixture.report();
        let judged = judge(Some(&report), &fixture.evidence());
        let says = (&judged.reason, &report.faults);
        assert_eq!(judged.verdict, fixture.verdict, "{:?} {says:?}", fixture.files);
    }
}

#[test]
fn every_report_file_is_used() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for format in ["junit", "libtest", "go", "tap", "ctrf", "pytest"] {
        for entry in std::fs::read_dir(folder.join(format)).unwrap() {
            let name = format!("{format}/{}", entry.unwrap().file_name().to_string_lossy());
            let is_used = FIXTURES.iter().any(|fixture| fixture.files.contains(&name.as_str()));
            assert!(
                is_used || name.contains("schema") || name == "junit/pytest-subtests.xml",
                "{name}"
            );
        }
    }
}

//! What runners print, from real runs.

use super::*;
use crate::fixtures::bytes;

/// Done, failed, total; passed and failed of the summary.
type Expected = (u64, u64, Option<u64>, Option<(u64, u64)>);

const RUNS: &[(&str, Expected)] = &[
    ("output/nextest.txt", (8, 3, Some(8), Some((5, 3)))),
    ("libtest/text.txt", (10, 4, Some(10), Some((4, 4)))),
    ("libtest/libtest.json", (10, 4, Some(10), None)),
    ("pytest/failed.txt", (23, 6, Some(22), Some((14, 8)))),
    ("pytest/verbose.txt", (17, 6, Some(16), Some((9, 7)))),
    ("pytest/passed.txt", (6, 0, Some(6), Some((5, 0)))),
    ("tap/node.tap", (21, 7, Some(8), Some((0, 5)))),
    ("tap/perl-passed.tap", (5, 0, Some(3), None)),
    ("tap/bats.tap", (3, 1, Some(3), None)),
    ("go/failed.json", (13, 4, None, None)),
    ("output/gotestsum.txt", (2, 2, None, Some((7, 5)))),
    ("output/ctest.txt", (7, 4, Some(7), Some((2, 4)))),
    ("output/maven.txt", (13, 5, None, Some((6, 5)))),
    ("output/jest.txt", (0, 0, None, Some((5, 3)))),
    ("output/vitest.txt", (0, 0, None, Some((5, 3)))),
    ("output/phpunit.txt", (9, 3, None, Some((3, 3)))),
    ("output/node.txt", (21, 8, None, Some((0, 5)))),
];

fn fed(bytes: &[u8], step: usize) -> Progress {
    let mut progress = Progress::default();
    for piece in bytes.chunks(step) {
        progress.feed(Stream::Out, piece);
    }
    progress
}

#[test]
fn progress_is_what_runners_print() {
    for (file, expected) in RUNS {
        for step in [1, 7, 1 << 20] {
            let progress = fed(&bytes(file), step);
            let printed = progress.printed().map(|printed| (printed.passed, printed.failed));
            let found = (progress.done(), progress.failed(), progress.total, printed);
            assert_eq!(found, *expected, "{file} by {step}");
        }
    }
}

#[test]
fn a_line_without_an_end_takes_no_memory() {
    let mut progress = Progress::default();
    for _ in 0..10_000 {
        progress.feed(Stream::Err, &[b'x'; 1_000]);
    }
    assert!(progress.open[1].capacity() <= 4 * LONGEST, "{}", progress.open[1].capacity());
    progress.feed(Stream::Out, b"1..2\nok 1 - a\n");
    assert_eq!((progress.done(), progress.last()), (1, Some("a")));
}

#[test]
fn streams_are_apart() {
    let mut progress = Progress::default();
    progress.feed(Stream::Out, b"1..1\no");
    progress.feed(Stream::Err, b"noise\n");
    progress.feed(Stream::Out, b"k 1\n");
    assert_eq!(progress.done(), 1);
}

#[test]
fn another_runners_line_within_a_test_counts_nothing() {
    let mut progress = Progress::default();
    progress.feed(Stream::Out, b"collected 2 items\ntest a ... ok\nok 7 - b\n");
    assert_eq!((progress.done(), progress.total()), (0, Some(2)));
}

#[test]
fn jest_says_what_is_still_to_be_written() {
    assert_eq!(
        fed(&bytes("output/jest.txt"), 64).printed().map(|printed| printed.to_write),
        Some(1)
    );
}

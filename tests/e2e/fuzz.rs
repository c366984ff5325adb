//! The fuzz targets, bounded; `cargo xtask fuzz` runs them for as long as one likes.

use tests::fuzz::{Bound, Target, run};

/// The same inputs in every run: what is new is for `cargo xtask fuzz` to find.
fn check(target: Target, iterations: u64) {
    let report = run(target, Bound::Iterations(iterations), 1);
    let report = report.unwrap_or_else(|finding| panic!("{finding}"));
    // Neither all nor almost none: both sides of the promise are tried.
    let share = report.accepted * 100 / iterations;
    assert!((2..=98).contains(&share), "{target}: {share} % are well-formed");
}

#[test]
fn the_reader_of_lines_keeps_its_promises() {
    check(Target::Line, 20_000);
}

#[test]
fn the_validator_and_the_pipeline_keep_their_promises() {
    check(Target::Arguments, 5_000);
}

#[test]
fn what_makes_text_safe_keeps_its_promises() {
    check(Target::Text, 20_000);
}

#[test]
fn what_reads_mail_keeps_its_promises() {
    check(Target::Message, 10_000);
}

#[test]
fn what_reads_reports_never_calls_a_failed_run_passed() {
    check(Target::Report, 5_000);
}

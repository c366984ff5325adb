//! How long it takes to find something in the log, against reading the same files.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::Effort;
use super::measures::row;
use super::numbers::{count, median};
use super::report::Row;
use crate::corpus::{self, NEEDLE};
use crate::harness;

/// A log of a month, searched and reported.
pub(super) fn audit(effort: Effort) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let written = corpus::write(folder.path(), effort.records)?;
    let servers = ["--server", "docs,mail,sql,tickets"];
    let questions: [(&str, &[&str]); 5] = [
        ("a text that occurs once", &["search", "--text", NEEDLE]),
        ("the last 100 failures", &["search", "--outcome", "failed"]),
        (
            "one person's denied calls, counted",
            &["search", "--count", "--who", "ann", "--outcome", "denied"],
        ),
        (
            "one day, counted",
            &["search", "--count", "--since", "2026-11-01", "--until", "2026-11-02"],
        ),
        ("report of the month", &["report"]),
    ];
    let mut floor = Vec::new();
    let mut times = vec![Vec::new(); questions.len()];
    for round in 0..=effort.rounds {
        let began = Instant::now();
        let lines = read(&written)?;
        ensure!(lines == written.records, "{lines} lines");
        let took = began.elapsed();
        // The first round warms up.
        if round > 0 {
            floor.push(took.as_secs_f64() * 1e3);
        }
        for ((_, question), times) in questions.iter().zip(&mut times) {
            let began = Instant::now();
            ask(folder.path(), question, &servers)?;
            if round > 0 {
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let size = format!("{} records", effort.records);
    let floor = median(&floor);
    let mut rows: Vec<Row> = questions
        .iter()
        .zip(&times)
        .map(|((what, _), times)| {
            row(format!("audit, {size}: {what}"), "ms", median(times), Some(floor), &[])
        })
        .collect();
    let records = count(usize::try_from(written.records)?);
    let rate = |millis: f64| records / millis * 1e3 / 1e6;
    let search = rate(median(&times[0]));
    let what = format!("audit, {size}: search rate");
    rows.push(row(what, "M records/s", search, Some(rate(floor)), &[]));
    Ok(rows)
}

/// The floor: reads every byte once on one thread, and counts the lines.
fn read(written: &corpus::Written) -> Result<u64> {
    let mut lines = 0;
    let mut buffer = vec![0; 1 << 20];
    for path in &written.segments {
        let mut file = std::fs::File::open(path)?;
        loop {
            let length = file.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            lines += memchr::memchr_iter(b'\n', &buffer[..length]).count() as u64;
        }
    }
    Ok(lines)
}

fn ask(state: &Path, question: &[&str], servers: &[&str]) -> Result<()> {
    let mut command = Command::new(harness::suite());
    command.arg("audit").args(question).args(servers).arg("--state").arg(state);
    let output = command.stderr(Stdio::null()).output().context("suite runs")?;
    ensure!(output.status.success() && !output.stdout.is_empty(), "{question:?} finds nothing");
    Ok(())
}

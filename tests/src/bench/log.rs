//! What writing the log costs, and verifying it, in this process and on one disk.
//!
//! The floor of writing is one `write` of the same bytes for each record; the floor of verifying
//! is SHA-256 over the same bytes, already in memory, on as many threads.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use contract::record::{Decided, Event, Outcome, Record, Sorted};
use contract::{Client, Principal, Proof, Target};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use state::Log;
use state::verify::{Request, verify};

use super::Effort;
use super::measures::row;
use super::report::{Limit, Row};

/// How many records are written durably; each waits for the disk.
const DURABLE: u64 = 500;

/// How many lines the floor of writing writes: enough to measure, little enough to hold.
const PLAIN: usize = 200_000;

/// Writing and verifying `effort.records` records of calls.
pub(super) fn log(effort: Effort) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let records = folder.path().join("docs/records");
    let log = Log::open(&records)?;
    let mut rows = Vec::new();
    let took = seconds(|| write(&log, effort.records))?;
    let durable = seconds(|| write_durably(&log, DURABLE))?;
    drop(log);
    let lines = lines(&records)?;
    let plain = seconds(|| copy(&lines, &folder.path().join("plain"), false))?;
    let few = &lines[..lines.len().min(usize::try_from(DURABLE)?)];
    let plain_durable = seconds(|| copy(few, &folder.path().join("durable"), true))?;
    let what = |what: &str| format!("log of {} records: {what}", effort.records);
    let rate = |count: u64, seconds: f64| float(count) / seconds;
    let plain = plain / float(lines.len() as u64);
    let pair = (rate(effort.records, took), 1.0 / plain);
    rows.push(row(what("written"), "/s", pair.0, Some(pair.1), &[Limit::AtLeastTimes(0.15)]));
    let each = (took * 1e6 / float(effort.records), plain * 1e6);
    rows.push(row(what("a record"), "µs", each.0, Some(each.1), &[Limit::Most(10.0)]));
    let pair = (rate(DURABLE, durable), rate(few.len() as u64, plain_durable));
    rows.push(row(what("written durably"), "/s", pair.0, Some(pair.1), &[]));
    drop(lines);

    let request = Request {
        servers: vec![("docs".to_owned(), folder.path().join("docs"))],
        is_whole: true,
        ..Request::default()
    };
    let mut verified = None;
    let took = seconds(|| {
        verified = Some(verify(&request, &|_| ())?);
        Ok(())
    })?;
    let report = verified.context("verified")?;
    ensure!(report.findings.is_empty(), "the log is not sound: {:?}", report.findings);
    ensure!(report.covered == report.records, "{report:?}");
    let hashed = seconds(|| hash(usize::try_from(report.bytes)?))?;
    let pair = (rate(report.bytes, took) / 1e6, rate(report.bytes, hashed) / 1e6);
    let limits = [Limit::AtLeastTimes(0.15)];
    rows.push(row(what("verified"), "/s", rate(report.records, took), None, &[]));
    rows.push(row(what("verified"), "MB/s", pair.0, Some(pair.1), &limits));
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn float(number: u64) -> f64 {
    number as f64
}

fn seconds(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64())
}

/// What a record of a call is about.
struct Example {
    principal: Principal,
    client: Client,
    target: Target,
    decision: Decided,
    arguments: serde_json::Value,
}

impl Example {
    fn new() -> Self {
        Self {
            principal: Principal {
                actor: None,
                groups: Vec::new(),
                identity: "user:ann".to_owned(),
                proof: Proof::OsUser { uid: 1000 },
                roles: vec!["reader".to_owned()],
                subject: "ann".to_owned(),
            },
            client: Client {
                name: "bench".to_owned(),
                protocol: "2026-07-28".to_owned(),
                transport: "stdio",
                version: "1".to_owned(),
            },
            target: Target::one("collection", "handbook"),
            decision: Decided { allowed: true, rule: "roles.reader (servers.toml:9:1)".to_owned() },
            arguments: json!({"query": "parental leave", "limit": 5}),
        }
    }

    fn record<'a>(&'a self, event: Event, call: &'a str) -> Record<'a> {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        let mut record = Record::new(event, "docs");
        (record.call, record.tool, record.tool_digest) = (call, "docs_search", Some(digest));
        record.principal = Some(&self.principal);
        record.client = Some(&self.client);
        record.target = Some(&self.target);
        record.decision = Some(&self.decision);
        record.arguments = Some(Sorted(&self.arguments));
        record.outcome = Some(Outcome::Done);
        (record.duration_us, record.result_bytes) = (Some(421), Some(1623));
        record.result_digest = Some(digest);
        record
    }
}

fn write(log: &Log, count: u64) -> Result<()> {
    let example = Example::new();
    for number in 0..count {
        log.append(&mut example.record(Event::Call, &format!("5f0c1a2b3c4d-{number}")))?;
    }
    Ok(())
}

fn write_durably(log: &Log, count: u64) -> Result<()> {
    let example = Example::new();
    for number in 0..count {
        let call = format!("6f0c1a2b3c4d-{number}");
        log.append_durable(&mut example.record(Event::Intent, &call))?;
        log.append(&mut example.record(Event::Call, &call))?;
    }
    Ok(())
}

/// The first lines of the log, with their line feeds.
fn lines(records: &Path) -> Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for segment in state::read::segments(records)? {
        let mut lines = state::read::Lines::open(&segment)?;
        while all.len() < PLAIN
            && let Some(line) = lines.next_line()?
        {
            all.push([line.bytes, b"\n"].concat());
        }
    }
    Ok(all)
}

/// Writes lines, one `write` each.
fn copy(lines: &[Vec<u8>], to: &Path, is_durable: bool) -> Result<()> {
    let mut file = File::options().append(true).create(true).open(to)?;
    for line in lines {
        file.write_all(line)?;
        if is_durable {
            file.sync_data()?;
        }
    }
    Ok(())
}

/// Hashes so many bytes, on as many threads as verifying takes.
fn hash(bytes: usize) -> Result<()> {
    let threads = std::thread::available_parallelism()?.get();
    let part = vec![7u8; 1 << 20];
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut hash = Sha256::new();
                for _ in 0..bytes / threads / part.len() {
                    hash.update(&part);
                }
                std::hint::black_box(hash.finalize());
            });
        }
    });
    Ok(())
}

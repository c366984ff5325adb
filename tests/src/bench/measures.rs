//! What is measured, and within which limits.

use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::http::{CONNECTIONS, load, request};
use super::numbers::{count, median, micros, percentile};
use super::process::{Process, Session, Subject, legacy, line, modern};
use super::report::{Limit, Row};
use super::{Effort, audit, governance, log, mail, redaction, repo, sql, testrun, tickets};
use crate::harness::{Folder, repository};

/// A group of figures.
type Measure = fn(Effort) -> Result<Vec<Row>>;

/// All of them, in the order in which they are measured.
const MEASURES: [(&str, Measure); 14] = [
    ("start", start),
    ("call", call),
    ("http", http),
    ("governance", governance::governance),
    ("memory", memory),
    ("docs", docs),
    ("sql", sql::sql),
    ("repo", repo::repo),
    ("tickets", tickets::tickets),
    ("mail", mail::mail),
    ("testrun", testrun::testrun),
    ("redaction", redaction::redact),
    ("audit", audit::audit),
    ("log", log::log),
];

/// The names by which figures can be asked for.
pub const NAMES: [&str; MEASURES.len()] = {
    let mut names = [""; MEASURES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = MEASURES[index].0;
        index += 1;
    }
    names
};

/// Measures what is named, all without names; tells `progress` what it does.
pub fn run(names: &[String], effort: Effort, progress: impl Fn(&str)) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, measure) in MEASURES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            progress(name);
            rows.extend(measure(effort).with_context(|| format!("measuring {name}"))?);
        }
    }
    Ok(rows)
}

pub(super) fn row(
    what: impl Into<String>,
    unit: &'static str,
    ours: f64,
    floor: Option<f64>,
    limits: &[Limit],
) -> Row {
    Row { what: what.into(), unit, ours, floor, limits: limits.to_vec() }
}

pub(super) fn echo() -> Value {
    json!({"name": "test_echo", "arguments": {"text": "hello"}})
}

/// The product with one trivial tool, which everybody may call.
fn one_tool() -> Folder {
    Folder::new(
        "[people]\n\"*\" = [\"all\"]\n[roles.all]\ntools = [\"*\"]\n\
         [servers.trivial]\npurpose = \"Be measured.\"\nowner = \"tests\"\n",
    )
}

/// The documentation of this repository, for everybody.
fn documentation() -> Folder {
    let path = repository().join("docs").display().to_string();
    Folder::new(&format!(
        "[people]\n\"*\" = [\"reader\"]\n[roles.reader]\ntools = [\"docs_*\"]\n\
         [servers.docs]\npurpose = \"Be measured.\"\nowner = \"tests\"\n\
         [[servers.docs.collections]]\nname = \"suite\"\npath = {}\n",
        json!(path)
    ))
}

/// Cold start and idle memory: from the start of the process to its first answer.
fn start(effort: Effort) -> Result<Vec<Row>> {
    let (fixture, docs) = (one_tool(), documentation());
    let subjects = [Subject::bare(), Subject::trivial(&fixture), Subject::docs(&docs)];
    let first = line(&modern("tools/list", json!({})));
    let mut times = [const { Vec::new() }; 3];
    let mut memories = [const { Vec::new() }; 3];
    // The first start of each makes its state, and its index.
    let search = line(&modern(
        "tools/call",
        json!({"name": "docs_search", "arguments": {"query": "records"}}),
    ));
    let mut session = subjects[2].start()?;
    session.exchange(&search)?;
    session.close()?;
    for round in 0..effort.starts + 3 {
        for (index, subject) in subjects.iter().enumerate() {
            let began = std::time::Instant::now();
            let mut session = subject.start()?;
            session.exchange(&first)?;
            let took = began.elapsed();
            let memory = session.process.memory()?;
            session.close()?;
            if round >= 3 {
                times[index].push(micros(took) / 1e3);
                memories[index].push(memory);
            }
        }
    }
    let mut session = subjects[2].start()?;
    session.exchange(&search)?;
    let used = session.process.memory()?;
    session.close()?;
    let [bare, fixture, docs] = times.map(|times| median(&times));
    let [bare_memory, fixture_memory, docs_memory] = memories.map(|memories| median(&memories));
    let time = [Limit::Times(3.0), Limit::Most(15.0)];
    let memory = [Limit::Times(3.0), Limit::Most(25.0)];
    Ok(vec![
        row("cold start to first answer: one trivial tool", "ms", fixture, Some(bare), &time),
        row("cold start to first answer: docs, index exists", "ms", docs, Some(bare), &time),
        row("idle memory: one trivial tool", "MiB", fixture_memory, Some(bare_memory), &memory),
        // The ratio is for like with like; a search engine is more program than one tool.
        row("idle memory: docs", "MiB", docs_memory, Some(bare_memory), &memory[1..]),
        row("memory after a search: docs", "MiB", used, Some(bare_memory), &[]),
    ])
}

/// What rounds of calls showed of one server.
#[derive(Default)]
struct Rounds {
    p50: Vec<f64>,
    p99: Vec<f64>,
    rate: Vec<f64>,
    cpu: f64,
    calls: usize,
}

impl Rounds {
    fn add(&mut self, times: &[Duration], cpu: f64) {
        let times: Vec<f64> = times.iter().copied().map(micros).collect();
        self.p50.push(median(&times));
        self.p99.push(percentile(&times, 99));
        self.cpu += cpu;
        self.calls += times.len();
    }

    fn cpu_per_call(&self) -> f64 {
        self.cpu / count(self.calls)
    }
}

fn exchange(session: &mut Session, line: &str, calls: usize) -> Result<(Vec<Duration>, f64)> {
    let before = session.process.cpu()?;
    let times = (0..calls).map(|_| session.exchange(line)).collect::<Result<Vec<_>>>()?;
    Ok((times, session.process.cpu()? - before))
}

/// Keeps this thread, and the processes it starts, on one processor while it lives: whether two
/// processes that take turns meet on one or on two is chance, and worth several times what is
/// measured.
pub(super) struct OnOneProcessor(CpuSet);

impl OnOneProcessor {
    /// From now on.
    pub(super) fn begin() -> Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        let mut one = CpuSet::new();
        let first = (0..CpuSet::count()).find(|cpu| before.is_set(*cpu).unwrap_or(false));
        one.set(first.context("no processor")?)?;
        sched_setaffinity(Pid::from_raw(0), &one)?;
        Ok(Self(before))
    }
}

impl Drop for OnOneProcessor {
    fn drop(&mut self) {
        // The rest is measured on all of them; at worst on one.
        let _ = sched_setaffinity(Pid::from_raw(0), &self.0);
    }
}

/// A trivial call on standard input and output, one after the other.
fn call(effort: Effort) -> Result<Vec<Row>> {
    let _one = OnOneProcessor::begin()?;
    let mut rows = Vec::new();
    for (era, is_modern) in [("2026-07-28", true), ("2025-11-25", false)] {
        let folder = one_tool();
        let mut sessions = [Subject::bare().start()?, Subject::trivial(&folder).start()?];
        let message = if is_modern { modern } else { legacy }("tools/call", echo());
        let message = line(&message);
        for session in &mut sessions {
            if !is_modern {
                session.open()?;
            }
            exchange(session, &message, effort.calls / 5)?;
        }
        let mut rounds = [Rounds::default(), Rounds::default()];
        for _ in 0..effort.rounds {
            for (session, rounds) in sessions.iter_mut().zip(&mut rounds) {
                let (times, cpu) = exchange(session, &message, effort.calls)?;
                rounds.add(&times, cpu);
            }
        }
        let [floor, ours] = &rounds;
        let what = |figure: &str| format!("stdio call on one processor, {era}: {figure}");
        let limits = [Limit::Adds(60.0)];
        rows.push(row(what("p50"), "µs", median(&ours.p50), Some(median(&floor.p50)), &limits));
        rows.push(row(what("p99"), "µs", median(&ours.p99), Some(median(&floor.p99)), &[]));
        let cpu = (ours.cpu_per_call(), floor.cpu_per_call());
        rows.push(row(what("processor time"), "µs", cpu.0, Some(cpu.1), &[]));
    }
    Ok(rows)
}

/// A trivial call over HTTP, on many connections at a time.
fn http(effort: Effort) -> Result<Vec<Row>> {
    let folder = one_tool();
    let servers = [Subject::bare().start_http()?, Subject::trivial(&folder).start_http()?];
    let mut rows = Vec::new();
    for (era, body) in
        [("2026-07-28", modern("tools/call", echo())), ("2025-11-25", legacy("tools/call", echo()))]
    {
        let mut rounds = [Rounds::default(), Rounds::default()];
        for round in 0..=effort.rounds {
            for ((process, address), rounds) in servers.iter().zip(&mut rounds) {
                let before = process.cpu()?;
                let load =
                    load(*address, &request(*address, &body, None), effort.calls, CONNECTIONS)?;
                // The first round warms up.
                if round > 0 {
                    rounds.rate.push(load.rate);
                    rounds.add(&load.times, process.cpu()? - before);
                }
            }
        }
        let [floor, ours] = &rounds;
        let what = |figure: &str| format!("HTTP, {CONNECTIONS} connections, {era}: {figure}");
        let limits = [Limit::AtLeastTimes(0.6)];
        let rate = (median(&ours.rate), median(&floor.rate));
        rows.push(row(what("throughput"), "/s", rate.0, Some(rate.1), &limits));
        rows.push(row(what("p50"), "µs", median(&ours.p50), Some(median(&floor.p50)), &[]));
        rows.push(row(what("p99"), "µs", median(&ours.p99), Some(median(&floor.p99)), &[]));
        let cpu = (ours.cpu_per_call(), floor.cpu_per_call());
        rows.push(row(what("processor time"), "µs", cpu.0, Some(cpu.1), &[]));
    }
    Ok(rows)
}

/// Whether memory stays flat over many calls.
fn memory(effort: Effort) -> Result<Vec<Row>> {
    let (early, late) = (effort.endurance / 10, effort.endurance - effort.endurance / 10);
    let message = modern("tools/call", echo());
    let over_pipes = |subject: &Subject| -> Result<f64> {
        let mut session = subject.start()?;
        exchange(&mut session, &line(&message), early)?;
        let before = session.process.memory()?;
        exchange(&mut session, &line(&message), late)?;
        Ok(session.process.memory()? - before)
    };
    let over_http = |subject: &Subject| -> Result<f64> {
        let (process, address): (Process, _) = subject.start_http()?;
        load(address, &request(address, &message, None), early, CONNECTIONS)?;
        let before = process.memory()?;
        load(address, &request(address, &message, None), late, CONNECTIONS)?;
        Ok(process.memory()? - before)
    };
    let folder = one_tool();
    let (bare, fixture) = (Subject::bare(), Subject::trivial(&folder));
    let what =
        |transport: &str| format!("memory from call {early} to {}: {transport}", early + late);
    let limits = [Limit::Most(2.0)];
    Ok(vec![
        row(what("stdio"), "MiB", over_pipes(&fixture)?, Some(over_pipes(&bare)?), &limits),
        row(what("HTTP"), "MiB", over_http(&fixture)?, Some(over_http(&bare)?), &limits),
    ])
}

/// What `suite docs` takes for its own work, on the documentation of this repository.
fn docs(effort: Effort) -> Result<Vec<Row>> {
    let queries =
        ["records", "how do roles work", "\"state folder\"", "host configuration", "limit"];
    let searches =
        queries.map(|query| json!({"name": "docs_search", "arguments": {"query": query}}));
    let read = json!({"name": "docs_read", "arguments": {"collection": "suite", "path": "configuration.md"}});
    let folder = documentation();
    let mut rows = Vec::new();
    for (what, calls) in [("docs_search", searches.to_vec()), ("docs_read", vec![read])] {
        let lines: Vec<String> =
            calls.into_iter().map(|call| line(&modern("tools/call", call))).collect();
        let mut session = Subject::docs(&folder).start()?;
        let mut times = Vec::new();
        // Within the tools' own limit of calls a minute.
        for round in 0..(effort.calls / 40).min(500) {
            let took = session.exchange(&lines[round % lines.len()])?;
            if round >= 20 {
                times.push(micros(took));
            }
        }
        anyhow::ensure!(session.answer().contains("suite"), "nothing found: {}", session.answer());
        session.close()?;
        rows.push(row(format!("{what}, this documentation: p50"), "µs", median(&times), None, &[]));
        let late = percentile(&times, 99);
        rows.push(row(format!("{what}, this documentation: p99"), "µs", late, None, &[]));
    }
    Ok(rows)
}

//! What `suite repo` costs beside git's own command line, in the same run and in turns: processor
//! time and p50 of a call against the time of the command.
//!
//! The repository: `BENCH_REPO`, or one that is generated. It is measured as it is, and once more
//! in a copy with a commit-graph. A call is one of a server that runs; where it says `cold`, the
//! first of a server that has just started.

mod git;
mod questions;
mod world;

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Effort;
use super::measures::row;
use super::numbers::{self, median, micros};
use super::process::{Session, Subject, line, modern};
use super::report::{Limit, Row};
use questions::Question;
use world::World;

/// All figures of `suite repo`.
pub(super) fn repo(effort: Effort) -> Result<Vec<Row>> {
    let world = World::find()?;
    let questions = Question::all(&world)?;
    let mut session = Subject::repo(&world.folder).start()?;
    let mut rows = vec![row("repo: commits of the repository", "", world.commits, None, &[])];
    for question in &questions {
        rows.extend(ask(&mut session, &world, question, effort.rounds)?);
        if question.is_also_cold {
            rows.extend(cold(&world, question, effort.rounds)?);
        }
    }
    let most = settled(&session)?;
    let (list, log) = tokens(&mut session)?;
    session.close()?;
    rows.push(row("repo: memory after all of it", "MiB", most, None, &[Limit::Most(60.0)]));
    rows.push(start(&world, effort)?);
    rows.push(row("repo: tools/list", "tokens", list, None, &[Limit::Most(1_100.0)]));
    rows.push(row("repo: the answer of log -20", "tokens", log, None, &[Limit::Most(600.0)]));
    Ok(rows)
}

/// What some runs of one thing took, in microseconds.
#[derive(Default)]
struct Taken {
    processor: Vec<f64>,
    time: Vec<f64>,
}

impl Taken {
    fn add(&mut self, (processor, time): (f64, f64)) {
        self.processor.push(processor);
        self.time.push(time);
    }
}

/// The same questions to a server that runs and to git, in turns; the first round warms up.
fn ask(
    session: &mut Session,
    world: &World,
    question: &Question,
    rounds: usize,
) -> Result<Vec<Row>> {
    let (mut ours, mut floor) = (Taken::default(), Taken::default());
    for round in 0..=rounds {
        for (call, command) in &question.pairs {
            let taken = call_once(session, question.repository, question.tool, call)?;
            let of_git = git::run(world.folder_of(question.repository), command)?;
            if round > 0 {
                ours.add(taken);
                floor.add(of_git);
            }
        }
    }
    Ok(rows(&question.what, &ours, &floor, question.limit))
}

/// The first question to a server that has just answered `tools/list`.
fn cold(world: &World, question: &Question, rounds: usize) -> Result<Vec<Row>> {
    let (mut ours, mut floor) = (Taken::default(), Taken::default());
    for (call, command) in question.pairs.iter().cycle().take(rounds.max(5)) {
        let mut session = Subject::repo(&world.folder).start()?;
        session.exchange(&line(&modern("tools/list", json!({}))))?;
        ours.add(call_once(&mut session, question.repository, question.tool, call)?);
        session.close()?;
        floor.add(git::run(world.folder_of(question.repository), command)?);
    }
    Ok(rows(&format!("{}, cold", question.what), &ours, &floor, 0.5))
}

fn rows(what: &str, ours: &Taken, floor: &Taken, limit: f64) -> Vec<Row> {
    let limits = [Limit::Times(limit)];
    let one = |figure: &str, ours: &[f64], floor: &[f64]| {
        let (ours, floor) = (median(ours) / 1e3, median(floor) / 1e3);
        row(format!("repo: {what}: {figure}"), "ms", ours, Some(floor), &limits)
    };
    vec![
        one("processor time", &ours.processor, &floor.processor),
        one("p50", &ours.time, &floor.time),
    ]
}

/// One call: its processor time and its time, in microseconds.
fn call_once(
    session: &mut Session,
    repository: &str,
    tool: &str,
    args: &Value,
) -> Result<(f64, f64)> {
    let mut args = args.clone();
    args["repo"] = json!(repository);
    let request = line(&modern("tools/call", json!({"name": tool, "arguments": args})));
    let before = session.process.processor()?;
    let waited = micros(session.exchange(&request)?);
    let spent = session.process.processor()? - before;
    let answer: Value = serde_json::from_str(session.answer())?;
    let is_done = answer["result"]["isError"] != true && answer["result"]["content"].is_array();
    ensure!(is_done, "{tool} {args}: {answer}");
    Ok((spent, waited))
}

/// Cold start with these repositories.
fn start(world: &World, effort: Effort) -> Result<Row> {
    let first = line(&modern("tools/list", json!({})));
    let mut times = Vec::new();
    for _ in 0..effort.starts {
        let began = Instant::now();
        let mut session = Subject::repo(&world.folder).start()?;
        session.exchange(&first)?;
        times.push(micros(began.elapsed()) / 1e3);
        session.close()?;
    }
    let what = "repo: cold start to first answer";
    Ok(row(what, "ms", median(&times), None, &[Limit::Most(15.0)]))
}

/// What a process holds once it does nothing any more: the least within two seconds.
fn settled(session: &Session) -> Result<f64> {
    let began = Instant::now();
    let mut least = session.process.memory()?;
    while began.elapsed() < std::time::Duration::from_secs(2) {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        least = least.min(session.process.memory()?);
    }
    Ok(least)
}

/// The tokens of `tools/list`, and of the whole answer of `log -20`.
fn tokens(session: &mut Session) -> Result<(f64, f64)> {
    session.exchange(&line(&modern("tools/list", json!({}))))?;
    let listed: Value = serde_json::from_str(session.answer())?;
    let tools = listed["result"]["tools"].to_string();
    let args = json!({"repo": world::PLAIN});
    session
        .exchange(&line(&modern("tools/call", json!({"name": "repo_log", "arguments": args}))))?;
    let answer: Value = serde_json::from_str(session.answer())?;
    let content = answer["result"]["content"].as_array().context("content")?;
    let text: String = content.iter().filter_map(|part| part["text"].as_str()).collect();
    ensure!(text.lines().count() > 20, "twenty commits: {text}");
    Ok((numbers::tokens(&tools), numbers::tokens(&text)))
}

//! What `suite sql` costs over bare sqlx on the same real servers, in the same run: one value, a
//! thousand rows, a scan under a limit, schemas, many callers, a start, and tokens.
//!
//! The floor of a call is the same read-only transaction by sqlx in this process, on a connection
//! that is open: no protocol, no policy, no record.

mod floor;
mod schemas;
mod world;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Effort;
use super::http::{load, request};
use super::measures::{OnOneProcessor, row};
use super::numbers::{self, median, micros, percentile};
use super::process::{Session, Subject, line, modern};
use super::report::{Limit, Row};
use crate::harness::Folder;
use floor::Floor;
use world::World;

/// Callers at a time, where many share few connections.
const CALLERS: usize = 50;

/// All figures of `suite sql`.
pub(super) fn sql(effort: Effort) -> Result<Vec<Row>> {
    let mut rows = calls(effort)?;
    let world = World::make()?;
    rows.extend(scan(&world, effort)?);
    rows.extend(schemas::schemas()?);
    rows.extend(callers(&world, effort)?);
    rows.extend(start(&world, effort)?);
    rows.push(tokens(&world)?);
    Ok(rows)
}

/// A call of `sql_query`.
fn query(database: &str, statement: &str, limit: u32) -> Value {
    let args = json!({"database": database, "statement": statement, "limit": limit});
    modern("tools/call", json!({"name": "sql_query", "arguments": args}))
}

/// One value and a thousand rows, one call after the other, in turns with the floor; everything
/// on one processor, the databases, too.
fn calls(effort: Effort) -> Result<Vec<Row>> {
    let _one = OnOneProcessor::begin()?;
    let world = &World::make()?;
    let mut rows = Vec::new();
    let mut session = Subject::sql(&world.folder).start()?;
    for engine in floor::ENGINES {
        let mut floor = Floor::connect(world, engine)?;
        for (what, statement, fetched, limit) in [
            ("SELECT 1", "SELECT 1", 1, Limit::Times(2.0)),
            ("1,000 rows", world::THOUSAND, 1_000, Limit::Times(1.3)),
        ] {
            let asked = line(&query(engine.id(), statement, 1_000));
            let calls = (effort.calls / if fetched == 1 { 20 } else { 100 }).max(50);
            let mut ours = Vec::new();
            let mut bare = Vec::new();
            for round in 0..=effort.rounds {
                let taken = exchange(&mut session, &asked, calls)?;
                let floor = floor.run(statement, fetched, calls)?;
                if round > 0 {
                    ours.push(median(&taken));
                    bare.push(median(&floor));
                }
            }
            let what = format!("{}, {what}, on one processor: p50", engine.name());
            rows.push(row(what, "µs", median(&ours), Some(median(&bare)), &[limit]));
        }
    }
    session.close()?;
    Ok(rows)
}

/// How long each of some calls took, in microseconds.
fn exchange(session: &mut Session, asked: &str, calls: usize) -> Result<Vec<f64>> {
    (0..calls).map(|_| Ok(micros(session.exchange(asked)?))).collect()
}

/// Ten million rows that a statement would return: what the limit lets pass costs no memory.
fn scan(world: &World, effort: Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for engine in floor::ENGINES {
        let mut session = Subject::sql(&world.folder).start()?;
        exchange(&mut session, &line(&query(engine.id(), "SELECT 1", 10)), 20)?;
        let before = session.process.memory()?;
        let asked = line(&query(engine.id(), floor::MILLIONS, 1_000));
        let taken = exchange(&mut session, &asked, effort.rounds)?;
        let grown = session.process.memory()? - before;
        let name = engine.name();
        let what = format!("{name}, 1,000 of 10 million rows: p50");
        rows.push(row(what, "ms", median(&taken) / 1e3, None, &[]));
        let what = format!("{name}, memory after 10 million rows");
        rows.push(row(what, "MiB", grown, None, &[Limit::Most(8.0)]));
        session.close()?;
    }
    Ok(rows)
}

/// Fifty callers on five connections, and eight over HTTP.
fn callers(world: &World, effort: Effort) -> Result<Vec<Row>> {
    let (_process, address) = Subject::sql(&world.folder).start_http()?;
    let asked = request(address, &query("postgres", "SELECT 1", 10), None);
    load(address, &asked, 1_000, 8)?;
    let mut rates = Vec::new();
    for _ in 0..effort.rounds {
        rates.push(load(address, &asked, effort.calls / 2, 8)?.rate);
    }
    let many = load(address, &asked, effort.calls / 2, CALLERS)?;
    let times: Vec<f64> = many.times.into_iter().map(micros).collect();
    let (half, most) = (median(&times), percentile(&times, 99));
    Ok(vec![
        row(
            "PostgreSQL over HTTP, SELECT 1, 8 connections",
            "/s",
            median(&rates),
            None,
            &[Limit::Least(8_000.0)],
        ),
        // Where turns are fair, nobody waits much longer than most do.
        row(
            format!("{CALLERS} callers on 5 connections: p99 over p50"),
            "ms",
            most / 1e3,
            Some(half / 1e3),
            &[Limit::Times(4.0)],
        ),
    ])
}

/// Cold start with three databases, and what it holds in memory.
fn start(world: &World, effort: Effort) -> Result<Vec<Row>> {
    let first = line(&modern("tools/list", json!({})));
    let mut times = Vec::new();
    let mut memories = Vec::new();
    for _ in 0..effort.starts {
        let began = std::time::Instant::now();
        let mut session = Subject::sql(&world.folder).start()?;
        session.exchange(&first)?;
        times.push(micros(began.elapsed()) / 1e3);
        if memories.len() < effort.rounds.min(5) {
            memories.push(settled(&session)?);
        }
        session.close()?;
    }
    let mut session = Subject::sql(&world.folder).start()?;
    for engine in floor::ENGINES {
        exchange(&mut session, &line(&query(engine.id(), world::THOUSAND, 1_000)), 100)?;
    }
    let used = session.process.memory()?;
    session.exchange(&first)?;
    let listed: Value = serde_json::from_str(session.answer())?;
    let tools = listed["result"]["tools"].to_string();
    session.close()?;
    Ok(vec![
        row("sql: cold start to first answer", "ms", median(&times), None, &[Limit::Most(10.0)]),
        row("sql: idle memory", "MiB", median(&memories), None, &[Limit::Most(20.0)]),
        row("sql: memory after 100 answers of each engine", "MiB", used, None, &[]),
        row("sql: tools/list", "tokens", numbers::tokens(&tools), None, &[Limit::Most(900.0)]),
    ])
}

/// What a process holds once it does nothing any more: the least within two seconds.
fn settled(session: &Session) -> Result<f64> {
    let began = std::time::Instant::now();
    let mut least = session.process.memory()?;
    while began.elapsed() < std::time::Duration::from_secs(2) {
        std::thread::park_timeout(std::time::Duration::from_millis(50));
        least = least.min(session.process.memory()?);
    }
    Ok(least)
}

/// A thousand rows of ten columns, as they are shown and as JSON objects.
fn tokens(world: &World) -> Result<Row> {
    let mut session = Subject::sql(&world.folder).start()?;
    let mut shown = String::new();
    let mut objects: Vec<Value> = Vec::new();
    let mut cursor = Value::Null;
    while objects.len() < 1_000 {
        let mut args =
            json!({"database": "postgres", "statement": world::THOUSAND, "limit": 1_000});
        if !cursor.is_null() {
            args["cursor"] = cursor.take();
        }
        let asked = modern("tools/call", json!({"name": "sql_query", "arguments": args}));
        session.exchange(&line(&asked))?;
        let answer: Value = serde_json::from_str(session.answer())?;
        let content = answer["result"]["content"].as_array().context("content")?;
        let text: String = content.iter().filter_map(|part| part["text"].as_str()).collect();
        let before = objects.len();
        world::objects(&text, &mut objects)?;
        ensure!(objects.len() > before, "no further rows: {text}");
        cursor = world::cursor(&text);
        shown.push_str(&text);
    }
    session.close()?;
    let floor = numbers::tokens(&Value::from(objects).to_string());
    let what = "sql: 1,000 rows of 10 columns, over JSON objects";
    Ok(row(what, "tokens", numbers::tokens(&shown), Some(floor), &[Limit::Times(0.62)]))
}

/// servers.toml of databases that everybody may read.
fn servers(databases: &str) -> Folder {
    Folder::new(&format!(
        "[people]\n\"*\" = [\"analyst\"]\n[roles.analyst]\ntools = [\"sql_*\"]\n\
         [servers.sql]\npurpose = \"Be measured.\"\nowner = \"tests\"\n{databases}"
    ))
}

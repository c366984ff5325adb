//! What `suite tickets` costs: a draft over a trivial call, a search among a thousand tickets, a
//! start, and tokens.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Effort;
use super::measures::{echo, row};
use super::numbers::{self, median, micros};
use super::process::{Subject, line, modern};
use super::report::{Limit, Row};
use crate::harness::Folder;

/// How many drafts one session makes: as many as its limit lets it at once, less the first.
const DRAFTS: usize = 50;
/// How many tickets there are.
const TICKETS: usize = 1_000;

pub(super) fn tickets(effort: Effort) -> Result<Vec<Row>> {
    let folder = Folder::tickets("[servers.tickets.projects.web]\nlabels = [\"bug\"]\n");
    let trivial = Folder::new(
        "[people]\n\"*\" = [\"all\"]\n[roles.all]\ntools = [\"*\"]\n\
         [servers.trivial]\npurpose = \"Be measured.\"\nowner = \"tests\"\n",
    );
    let (mut drafts, mut searches, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    fill(&folder)?;
    for _ in 0..effort.rounds {
        floor.push(calls(&Subject::trivial(&trivial), &echo())?);
        drafts.push(calls(&Subject::tickets(&folder), &draft())?);
        let search = json!({"name": "ticket_search", "arguments": {"text": "cents order"}});
        searches.push(calls(&Subject::tickets(&folder), &search)?);
    }
    let floor = median(&floor);
    let adds = [Limit::Adds(1_000.0)];
    let mut rows = vec![
        row("tickets: draft, kept and compared: p50", "µs", median(&drafts), Some(floor), &adds),
        row("tickets: search of 1,000: p50", "µs", median(&searches), Some(floor), &[]),
    ];
    rows.extend(start(&folder, effort)?);
    Ok(rows)
}

/// A ticket as agents write them.
fn draft() -> Value {
    json!({"name": "ticket_draft", "arguments": {
        "title": "Cents are lost in orders of three lines",
        "body": "An order of **three** lines loses a cent.\n\n- one\n- two\n\n```python\ntotal()\n```\n",
        "labels": ["bug"],
        "reason": "to measure what a draft costs"
    }})
}

/// The median of one session's calls, in microseconds; the first is not counted.
fn calls(subject: &Subject, call: &Value) -> Result<f64> {
    let mut session = subject.start()?;
    let request = line(&modern("tools/call", call.clone()));
    session.exchange(&request)?;
    let mut times = Vec::new();
    for _ in 0..DRAFTS {
        times.push(micros(session.exchange(&request)?));
    }
    session.close()?;
    Ok(median(&times))
}

/// Puts tickets into the tracker of this machine.
fn fill(folder: &Folder) -> Result<()> {
    let mut session = Subject::tickets(folder).start()?;
    let search = json!({"name": "ticket_search", "arguments": {"text": "anything"}});
    session.exchange(&line(&modern("tools/call", search)))?;
    session.close()?;
    let mut script = "BEGIN;".to_owned();
    for nth in 1..=TICKETS {
        let title = format!("Report {nth} about words{}", nth % 97);
        let body = format!("Nothing is lost here, order {nth} of {}.", nth % 13);
        script.push_str(&format!(
            "INSERT INTO tickets (project, number, title, body, labels, fields, author, created, changed, marker)
             VALUES ('web', {nth}, '{title}', '{body}', '[]', '{{}}', 'a', '2026-01-01', '2026-01-01', 'm{nth}');
             INSERT INTO words (rowid, title, body) VALUES (last_insert_rowid(), '{title}', '{body}');"
        ));
    }
    script.push_str("COMMIT;");
    folder.write("fill.sql", &script);
    let (file, script) = (folder.path("state/tickets/tickets.db"), folder.path("fill.sql"));
    let script = std::fs::File::open(script)?;
    let done = Command::new("sqlite3").arg(file).stdin(script).status()?;
    ensure!(done.success(), "the tickets cannot be written");
    Ok(())
}

fn start(folder: &Folder, effort: Effort) -> Result<Vec<Row>> {
    let first = line(&modern("tools/list", json!({})));
    let mut times = Vec::new();
    for _ in 0..effort.starts {
        let began = std::time::Instant::now();
        let mut session = Subject::tickets(folder).start()?;
        session.exchange(&first)?;
        times.push(micros(began.elapsed()) / 1e3);
        session.close()?;
    }
    let mut session = Subject::tickets(folder).start()?;
    session.exchange(&first)?;
    let listed: Value = serde_json::from_str(session.answer())?;
    let tools = listed["result"]["tools"].to_string();
    let memory = session.process.memory()?;
    session.close()?;
    let most = [Limit::Most(15.0)];
    Ok(vec![
        row("tickets: cold start to first answer", "ms", median(&times), None, &most),
        row("tickets: memory", "MiB", memory, None, &[]),
        row("tickets: tools/list", "tokens", numbers::tokens(&tools), None, &[Limit::Most(700.0)]),
    ])
}

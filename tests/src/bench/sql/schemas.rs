//! What a large schema costs to look at, in tokens and in time.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use servers::postgres;

use super::super::measures::row;
use super::super::numbers::tokens;
use super::super::numbers::{median, micros};
use super::super::process::{Session, Subject, line, modern};
use super::super::report::{Limit, Row};
use crate::harness::Folder;

/// The overview and everything of 200 tables, and how fast 1,000 are described.
pub(super) fn schemas() -> Result<Vec<Row>> {
    let folder = described(200);
    let mut session = Subject::sql(&folder).start()?;
    let overview = all(&mut session, &json!({"database": "schema200"}))?;
    let whole = all(&mut session, &json!({"database": "schema200", "pattern": "*"}))?;
    session.close()?;
    let folder = described(1_000);
    let mut times = Vec::new();
    for _ in 0..7 {
        // A fresh process: nothing is kept from the look before.
        let mut session = Subject::sql(&folder).start()?;
        session.exchange(&line(&modern(
            "tools/call",
            json!({"name": "sql_query", "arguments": {"database": "schema1000", "statement": "SELECT 1"}}),
        )))?;
        times.push(micros(session.exchange(&ask(&json!({"database": "schema1000"})))?) / 1e3);
        session.close()?;
    }
    Ok(vec![
        row(
            "sql: overview of 200 tables",
            "tokens",
            tokens(&overview),
            None,
            &[Limit::Most(450.0)],
        ),
        row(
            "sql: everything about 200 tables",
            "tokens",
            tokens(&whole),
            None,
            &[Limit::Most(13_000.0)],
        ),
        row(
            "sql: overview of 1,000 tables, connected",
            "ms",
            median(&times),
            None,
            &[Limit::Most(50.0)],
        ),
    ])
}

/// servers.toml of one database with so many tables.
fn described(tables: usize) -> Folder {
    let server = postgres::shared();
    let name = format!("schema{tables}");
    server.database(&name, &sql(tables));
    // As a database is some minutes later: else the server tidies up while it is measured.
    server.psql(&name, "VACUUM ANALYZE");
    let folder = super::servers(&format!(
        "[servers.sql.databases.{name}]\nurl = \"{}\"\npassword = {{ file = \"pg\" }}\n\
         tls = {{ ca = \"{}\" }}\n",
        server.url(postgres::READER, &name),
        server.authority().display()
    ));
    folder.write("pg", postgres::PASSWORD);
    folder
}

fn ask(args: &Value) -> String {
    line(&modern("tools/call", json!({"name": "sql_schema", "arguments": args})))
}

/// All pages of an answer.
fn all(session: &mut Session, args: &Value) -> Result<String> {
    let mut args = args.clone();
    let mut whole = String::new();
    loop {
        session.exchange(&ask(&args))?;
        let answer: Value = serde_json::from_str(session.answer())?;
        let content = answer["result"]["content"].as_array().context("content")?;
        let text: String = content.iter().filter_map(|part| part["text"].as_str()).collect();
        let cursor = super::world::cursor(&text);
        whole.push_str(&text);
        if cursor.is_null() {
            return Ok(whole);
        }
        args["cursor"] = cursor;
    }
}

/// Tables of a business, eleven to twelve columns each, with keys between them.
fn sql(tables: usize) -> String {
    const AREAS: [&str; 10] = [
        "sales", "stock", "billing", "people", "support", "web", "fleet", "legal", "ledger",
        "plant",
    ];
    const THINGS: [&str; 10] = [
        "orders", "items", "events", "accounts", "notes", "targets", "returns", "prices", "links",
        "audits",
    ];
    let name = |number: usize| {
        let (area, thing) = (AREAS[number % 10], THINGS[number / 10 % 10]);
        match number / 100 {
            0 => format!("{area}_{thing}"),
            more => format!("{area}_{thing}_{more}"),
        }
    };
    let mut sql = String::new();
    for number in 0..tables {
        let reference = match number {
            0 => String::new(),
            _ => format!(", parent_id bigint REFERENCES {}", name(number / 2)),
        };
        sql.push_str(&format!(
            "CREATE TABLE {} (id bigint PRIMARY KEY, name text NOT NULL, status varchar(20) NOT NULL, \
             amount numeric(12,2), quantity integer, created_at timestamptz NOT NULL, \
             updated_at timestamptz, is_active boolean NOT NULL, country char(2), details jsonb, \
             external_ref uuid{reference});\n",
            name(number)
        ));
    }
    sql
}

//! The engine against real servers.

mod cancelled;
mod connected;
mod credential;
mod described;
mod explained;
mod limits;
mod sessions;
mod types;

use std::time::{Duration, Instant};

use contract::{Secret, ToolError};
use servers::postgres::{PASSWORD, READER, shared as server};

use super::Postgres;
use crate::engine::{Cell, Column, Engine, Layers, Param, Rules, Run, Setup, Sink};
use crate::settings::{Accept, Tls};

/// Keeps what comes: the cells as words, NULL as `␀`, and what was cut as `…3`.
#[derive(Debug, Default)]
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    limit: Option<usize>,
}

impl Sink for Answer {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        assert!(self.columns.is_empty() && self.rows.is_empty(), "once, and first");
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        if self.limit.is_some_and(|limit| self.rows.len() >= limit) {
            return Ok(false);
        }
        let words = cells.iter().map(|cell| match cell {
            Cell::Null => "␀".to_owned(),
            Cell::Text { text, cut: 0 } => (*text).to_owned(),
            Cell::Text { text, cut } => format!("{text}…{cut}"),
        });
        self.rows.push(words.collect());
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        self.horizon().unwrap_or(1_000)
    }

    fn horizon(&self) -> Option<u64> {
        self.limit.map(|limit| (limit - self.rows.len()) as u64 + 1)
    }
}

/// How an engine is set up for the shared server: the right role, over TLS, all layers.
fn setup(database: &str) -> Setup {
    Setup {
        id: database.to_owned(),
        urls: vec![server().url(READER, database)],
        password: Some(Secret::new(PASSWORD.to_owned())),
        tls: Tls { ca: Some(server().authority()), ..Tls::default() },
        connections: 3,
        time: std::time::Duration::from_mins(1),
        rules: Rules::default(),
        accept: Vec::new(),
        layers: Layers::ALL,
    }
}

/// The engine for a new database of this name, made from SQL.
fn database(name: &str, sql: &str) -> Postgres {
    server().database(name, sql);
    engine(setup(name))
}

fn engine(setup: Setup) -> Postgres {
    Postgres::new(setup).expect("right settings")
}

/// A statement with the defaults of a test.
fn run(statement: &str) -> Run<'_> {
    Run {
        statement,
        params: &[],
        session: &[],
        skip: 0,
        cell: 2_000,
        deadline: Instant::now() + Duration::from_secs(20),
    }
}

async fn rows(engine: &Postgres, run: Run<'_>) -> Result<Answer, ToolError> {
    let mut rows = Answer::default();
    engine.run(&run, &mut rows).await?;
    Ok(rows)
}

/// The rows of a statement, a line each, with `|` between the cells.
async fn ask(engine: &Postgres, statement: &str) -> String {
    match rows(engine, run(statement)).await {
        Ok(rows) => lines(&rows),
        Err(error) => error.text(),
    }
}

fn lines(rows: &Answer) -> String {
    rows.rows.iter().map(|row| row.join("|")).collect::<Vec<_>>().join("\n")
}

/// Waits for what the server tells about itself, asked as the superuser.
fn until(sql: &str, expected: &str) {
    until_at(server(), sql, expected);
}

fn until_at(server: &servers::postgres::Postgres, sql: &str, expected: &str) {
    let began = Instant::now();
    loop {
        let answer = server.psql("postgres", sql);
        if answer == expected {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{sql}: {answer}");
    }
}

#[tokio::test]
async fn a_statement_is_answered() {
    let engine =
        database("answered", "CREATE TABLE t AS SELECT n, n * 2 AS m FROM generate_series(1, 3) n");
    assert_eq!(ask(&engine, "SELECT * FROM t ORDER BY n").await, "1|2\n2|4\n3|6");
    assert_eq!(ask(&engine, "SELECT m FROM t ORDER BY n; ").await, "2\n4\n6");
    let params = [Param::Integer(2)];
    let asked = Run { params: &params, ..run("SELECT m FROM t WHERE n = $1") };
    assert_eq!(lines(&rows(&engine, asked).await.expect("a row")), "4");
}

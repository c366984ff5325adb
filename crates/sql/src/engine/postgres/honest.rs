//! Honest questions all run, and are answered to the last digit as psql answers them.

use std::time::{Duration, Instant};

use contract::{Secret, ToolError};
use servers::postgres::{PASSWORD, READER, shared as server};

use super::Postgres;
use crate::engine::{Cell, Column, Engine, Kind, Layers, Rules, Run, Setup, Sink};
use crate::settings::Tls;

/// Rows as psql prints them, unaligned.
#[derive(Default)]
struct Lines {
    kinds: Vec<Kind>,
    lines: Vec<String>,
}

impl Sink for Lines {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        self.kinds = columns.iter().map(|column| column.kind).collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        let words = cells.iter().zip(&self.kinds).map(|(cell, kind)| match (cell, kind) {
            (Cell::Null, _) => "␀",
            (Cell::Text { text: "true", .. }, Kind::Bool) => "t",
            (Cell::Text { text: "false", .. }, Kind::Bool) => "f",
            (Cell::Text { text, .. }, _) => text,
        });
        self.lines.push(words.collect::<Vec<_>>().join("|"));
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        1_000
    }
}

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("honest").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn questions() -> Vec<String> {
    let text = file("postgres.txt");
    let blocks = text.split("\n\n").map(str::trim);
    let is_question =
        |block: &&str| !block.is_empty() && !block.starts_with("## ") && !block.starts_with("--");
    blocks.filter(is_question).map(str::to_owned).collect()
}

fn engine() -> Postgres {
    Postgres::new(Setup {
        id: "honest".to_owned(),
        urls: vec![server().url(READER, "honest")],
        password: Some(Secret::new(PASSWORD.to_owned())),
        tls: Tls { ca: Some(server().authority()), ..Tls::default() },
        connections: 2,
        time: std::time::Duration::from_mins(1),
        rules: Rules::default(),
        accept: Vec::new(),
        layers: Layers::ALL,
    })
    .expect("right settings")
}

async fn answer(engine: &Postgres, statement: &str) -> Result<String, ToolError> {
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut lines = Lines::default();
    let run = Run { statement, params: &[], session: &[], skip: 0, cell: 20_000, deadline };
    engine.run(&run, &mut lines).await?;
    Ok(lines.lines.join("\n"))
}

#[tokio::test]
async fn honest_questions_run_and_are_right_to_the_last_digit() {
    server().database("honest", &file("postgres.fixture.sql"));
    let engine = engine();
    let mut wrong = Vec::new();
    for question in questions() {
        let reference = format!("\\pset null ␀\nSET TIME ZONE 'UTC';\n{question};");
        let expected = server().psql("honest", &reference);
        match answer(&engine, &question).await {
            Ok(answer) if answer.trim_end() == expected => {}
            Ok(answer) => wrong.push(format!("{question}\n  psql: {expected}\n  here: {answer}")),
            Err(error) => {
                let log = error.log.clone().unwrap_or_default();
                wrong.push(format!("{question}\n  {} {log}", error.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
    let plans = [
        "EXPLAIN SELECT * FROM orders",
        "EXPLAIN ANALYZE SELECT count(*) FROM orders JOIN lineitem ON l_orderkey = o_orderkey",
        "EXPLAIN (ANALYZE, BUFFERS, VERBOSE) (SELECT 1) UNION (SELECT 2)",
        "EXPLAIN (SELECT o_orderkey FROM orders)",
        "explain analyze verbose /* why */ WITH q AS (TABLE region) SELECT * FROM q;",
    ];
    for plan in plans {
        let lines = answer(&engine, plan).await.expect("a plan");
        assert!(!lines.is_empty(), "{plan}");
    }
}

#[test]
fn there_are_enough_questions() {
    assert!(questions().len() >= 110);
}

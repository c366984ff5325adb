//! Tests of the engine as a whole, on real files.

mod attacks;
mod describing;
mod ending;
mod files;
mod honest;
mod reading;
mod rules;
mod sample;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use contract::ToolError;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::Sqlite;
use crate::engine::{Cell, Column, Engine as _, Layers, Param, Rules, Run, Setup, Sink};
use crate::settings::{Mask, Tls};

/// A file in a folder of its own.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    /// Makes a database of a script.
    async fn of(script: &str) -> Self {
        super::raw::bound_memory();
        let file = Self { folder: tempfile::tempdir().expect("a folder") };
        let mut connection = file.owner().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned()))
            .execute(&mut connection)
            .await
            .expect("the script runs");
        sqlx::Connection::close(connection).await.expect("it closes");
        file
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    /// A connection that may write.
    async fn owner(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path()).create_if_missing(true);
        options.connect().await.expect("it opens")
    }

    /// Writes to the file.
    async fn write(&self, script: &str) {
        let mut connection = self.owner().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(script.to_owned()))
            .execute(&mut connection)
            .await
            .expect("the script runs");
        sqlx::Connection::close(connection).await.expect("it closes");
    }

    fn engine(&self) -> Sqlite {
        self.engine_with(Rules::default(), Layers::ALL)
    }

    fn engine_with(&self, rules: Rules, layers: Layers) -> Sqlite {
        engine(&self.path(), rules, layers)
    }
}

fn engine(path: &Path, rules: Rules, layers: Layers) -> Sqlite {
    Sqlite::new(setup(&format!("sqlite:{}", path.display()), rules, layers)).expect("an engine")
}

fn setup(url: &str, rules: Rules, layers: Layers) -> Setup {
    Setup {
        id: "shop".to_owned(),
        urls: vec![url.to_owned()],
        password: None,
        tls: Tls::default(),
        connections: 1,
        time: std::time::Duration::from_mins(1),
        rules,
        accept: Vec::new(),
        layers,
    }
}

/// Rules that deny tables and mask columns.
fn rules(deny: &[&str], masks: &[(&str, Mask)]) -> Rules {
    Rules {
        deny: deny.iter().map(|pattern| (*pattern).to_owned()).collect(),
        mask: masks.iter().map(|(column, mask)| ((*column).to_owned(), *mask)).collect(),
        ..Rules::default()
    }
}

/// What a statement answered.
#[derive(Debug, Default, PartialEq)]
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
    /// Bytes that were cut off.
    cut: u64,
    has_more: bool,
}

impl Answer {
    /// Rows as lines, cells divided by `|`, NULL as `NULL`.
    fn lines(&self) -> String {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        let line = |row: &Vec<Option<String>>| row.iter().map(cell).collect::<Vec<_>>().join("|");
        self.rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Collects so many rows.
struct Collector {
    answer: Answer,
    most: usize,
}

impl Sink for Collector {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        assert!(self.answer.columns.is_empty(), "columns come once");
        self.answer.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.answer.rows.len() == self.most {
            return Ok(false);
        }
        let mut row = Vec::new();
        for cell in cells {
            row.push(match cell {
                Cell::Null => None,
                Cell::Text { text, cut } => {
                    self.answer.cut += cut;
                    Some((*text).to_owned())
                }
            });
        }
        self.answer.rows.push(row);
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        (self.most + 1).saturating_sub(self.answer.rows.len()) as u64
    }

    fn horizon(&self) -> Option<u64> {
        Some(self.appetite())
    }
}

/// A statement as the tests ask it.
struct Ask<'a> {
    statement: &'a str,
    params: &'a [Param],
    skip: u64,
    most: usize,
    cell: usize,
    time: Duration,
}

impl<'a> Ask<'a> {
    fn new(statement: &'a str) -> Self {
        let time = Duration::from_secs(30);
        Self { statement, params: &[], skip: 0, most: 1000, cell: 2000, time }
    }

    async fn of(&self, engine: &Sqlite) -> Result<Answer, ToolError> {
        let run = Run {
            statement: self.statement,
            params: self.params,
            session: &[],
            skip: self.skip,
            cell: self.cell,
            deadline: Instant::now() + self.time,
        };
        let mut collector = Collector { answer: Answer::default(), most: self.most };
        let has_more = engine.run(&run, &mut collector).await?;
        Ok(Answer { has_more, ..collector.answer })
    }
}

/// Asks a statement with nothing special about it.
async fn ask(engine: &Sqlite, statement: &str) -> Result<Answer, ToolError> {
    Ask::new(statement).of(engine).await
}

/// Asserts what a statement answers, as lines.
async fn check(engine: &Sqlite, statement: &str, expected: &str) {
    let answer =
        ask(engine, statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    assert_eq!(answer.lines(), expected, "{statement}");
}

/// Asserts that a statement is refused, and why.
async fn refused(engine: &Sqlite, statement: &str, because: &str) {
    match ask(engine, statement).await {
        Ok(answer) => panic!("{statement} answered {:?}", answer.lines()),
        Err(error) => assert!(error.message.contains(because), "{statement}: {error}"),
    }
}

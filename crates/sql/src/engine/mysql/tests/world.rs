//! What the tests share: an engine for a database of the private server, and a sink that keeps
//! what it is given.

use std::time::{Duration, Instant};

use contract::{Secret, ToolError};
use servers::mariadb::{Mariadb, PASSWORD};

use crate::engine::mysql::Mysql;
use crate::engine::{Cell, Column, Engine as _, Layers, Param, Plan, Rules, Run, Setup, Sink};
use crate::settings::{Tls, TlsMode};

/// A setup over the unix socket, without TLS.
pub(super) fn setup(server: &Mariadb, user: &str, database: &str) -> Setup {
    Setup {
        id: "test".to_owned(),
        urls: vec![server.socket_url(user, database)],
        password: Some(Secret::new(PASSWORD.to_owned())),
        tls: Tls { mode: TlsMode::Off, ..Tls::default() },
        connections: 3,
        time: std::time::Duration::from_mins(1),
        rules: Rules::default(),
        accept: Vec::new(),
        layers: Layers::ALL,
    }
}

/// Keeps rows as text.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Option<String>>>,
    /// Bytes that were cut off.
    pub(super) cut: u64,
    /// How many rows are taken.
    pub(super) most: usize,
    pub(super) is_more: bool,
}

impl Sink for Kept {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.rows.len() >= self.most {
            return Ok(false);
        }
        let row = cells.iter().map(|cell| match cell {
            Cell::Null => None,
            Cell::Text { text, cut } => {
                self.cut += cut;
                Some((*text).to_owned())
            }
        });
        self.rows.push(row.collect());
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        self.most as u64
    }
}

/// One statement with everything that may be said about it.
pub(super) struct Ask<'a> {
    pub(super) statement: &'a str,
    pub(super) params: &'a [Param],
    pub(super) session: &'a [(String, String)],
    pub(super) skip: u64,
    pub(super) cell: usize,
    pub(super) most: usize,
    pub(super) time: Duration,
}

impl<'a> Ask<'a> {
    pub(super) fn new(statement: &'a str) -> Self {
        Self {
            statement,
            params: &[],
            session: &[],
            skip: 0,
            cell: 2_000,
            most: 1_000,
            time: Duration::from_secs(20),
        }
    }

    fn run(&self) -> Run<'a> {
        Run {
            statement: self.statement,
            params: self.params,
            session: self.session,
            skip: self.skip,
            cell: self.cell,
            deadline: Instant::now() + self.time,
        }
    }

    pub(super) async fn of(&self, engine: &Mysql) -> Result<Kept, ToolError> {
        let mut kept = Kept { most: self.most, ..Kept::default() };
        kept.is_more = engine.run(&self.run(), &mut kept).await?;
        Ok(kept)
    }

    pub(super) async fn plan(&self, engine: &Mysql, analyze: bool) -> Result<Plan, ToolError> {
        engine.explain(&self.run(), analyze).await
    }
}

/// The rows of a statement, with NULL as such.
pub(super) async fn rows(engine: &Mysql, statement: &str) -> Vec<Vec<Option<String>>> {
    let kept = Ask::new(statement).of(engine).await;
    kept.unwrap_or_else(|error| panic!("{statement}: {error}")).rows
}

/// The one value of a statement.
pub(super) async fn value(engine: &Mysql, statement: &str) -> String {
    let rows = rows(engine, statement).await;
    let value = rows.into_iter().next().and_then(|row| row.into_iter().next());
    value.unwrap_or_else(|| panic!("{statement}: no row")).unwrap_or_else(|| "NULL".to_owned())
}

/// The error of a statement.
pub(super) async fn error(engine: &Mysql, statement: &str) -> ToolError {
    match Ask::new(statement).of(engine).await {
        Ok(kept) => panic!("{statement}: answered with {:?}", kept.rows),
        Err(error) => error,
    }
}

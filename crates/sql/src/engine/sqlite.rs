//! SQLite: a file that is opened for reading, and a connection that may do nothing else.
//!
//! The four layers are these. *Credential*: the file is opened read-only, so the kernel refuses
//! every write; that the operating system's user may write to it is normal for its owner, and no
//! excess. *Session*: `query_only`, `trusted_schema = OFF`, SQLite's limits and defensive
//! switches, nothing in temporary files, the clock looked at every thousand steps. *Statement*: the tokens, cut as SQLite cuts them (one statement, kinds, functions,
//! names), and after SQLite's own parser `sqlite3_stmt_readonly`. *Engine*: the authorizer,
//! which is asked for every table, column and function as SQLite resolves them.
//!
//! Three things stand beside the layers: `prepare` compiles the first statement of a text only, so
//! nothing stacked ever runs; the deadline interrupts from outside; and the memory of a statement
//! is bounded.

mod address;
mod authorizer;
mod catalogue;
mod cell;
mod comments;
mod computing;
mod connection;
mod failure;
mod fetch;
mod functions;
mod lexer;
mod masks;
mod plan;
mod pool;
mod raw;
mod relations;
mod sources;
mod statement;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use contract::ctx::BoxFuture;
use contract::{StartError, ToolError};
use tokio::sync::mpsc;

use super::{Engine, Plan, Run, Setup, Sink, Vetted};
use crate::schema::Schema;
use address::Address;
use failure::stopped;
use fetch::{Outlet, Piece, Query};
use pool::{Pool, Taken};
use raw::Stop;

/// Most bytes of one statement.
const LONGEST: usize = 100_000;

/// How many rows are computed first, until their width is known.
const FIRST: u64 = 128;

/// A database of SQLite.
pub(crate) struct Sqlite {
    pool: Arc<Pool>,
}

impl Sqlite {
    /// Checks the settings; opens nothing.
    pub(crate) fn new(setup: Setup) -> Result<Self, StartError> {
        let key = |key: &str, what: &str| {
            StartError::new(format!("servers.sql.databases.{}.{key}: {what}", setup.id))
        };
        let url = setup.urls.first().map(String::as_str).unwrap_or_default();
        let address = Address::parse(&setup.id, url)?;
        if setup.urls.len() > 1 {
            return Err(key("replicas", "a file of SQLite has none"));
        }
        if setup.password.is_some() {
            return Err(key(
                "password",
                "SQLite knows none: the file's permissions are the credential",
            ));
        }
        if setup.rules.cost.is_some() {
            return Err(key("cost", "SQLite's planner tells no cost: set `seconds` instead"));
        }
        for pattern in setup.rules.allow.iter().chain(&setup.rules.deny) {
            if !is_pattern(pattern, 1) {
                return Err(key(
                    "allow, deny",
                    &format!("`{pattern}`: write main.orders or main.*"),
                ));
            }
        }
        for pattern in setup.rules.mask.keys() {
            if !is_pattern(pattern, 2) {
                return Err(key("mask", &format!("`{pattern}`: write main.customers.email")));
            }
        }
        Ok(Self { pool: Arc::new(Pool::new(setup, address)) })
    }

    fn query(&self, run: &Run<'_>) -> Result<Query, ToolError> {
        if !run.session.is_empty() {
            return Err(ToolError::invalid(
                "SQLite has no row-level security, so session variables would protect nothing: the operator must take `session` away.",
            ));
        }
        if run.statement.len() > LONGEST {
            let message = format!("The statement is longer than {LONGEST} bytes.");
            return Err(ToolError::invalid(message));
        }
        Ok(Query {
            text: run.statement.to_owned(),
            params: run.params.to_vec(),
            skip: run.skip,
            cell: run.cell,
            layers: self.pool.layers(),
            further: self.pool.rules().functions.clone(),
        })
    }

    async fn stream(&self, run: &Run<'_>, sink: &mut dyn Sink) -> Result<bool, ToolError> {
        let query = self.query(run)?;
        let taken = self.pool.take(run.deadline).await?;
        let piece = sink.horizon().filter(|_| statement::is_light(&query.text)).and_then(|most| {
            let check = |_: &Piece| self.pool.still_is(taken.connection.mode).is_ok();
            let glance = |connection: &_| fetch::glance(connection, &query, most).filter(check);
            self.pool.at_once(&taken, glance)
        });
        let Some(piece) = piece else {
            return self.stream_from_thread(taken, query, run, sink).await;
        };
        self.pool.give_back(taken);
        let columns = piece.columns.unwrap_or_default();
        sink.columns(&columns)?;
        let has_room = piece.batch.rows(columns.len(), |cells| sink.row(cells))?;
        Ok(!(has_room && piece.is_last))
    }

    async fn stream_from_thread(
        &self,
        taken: Taken,
        query: Query,
        run: &Run<'_>,
        sink: &mut dyn Sink,
    ) -> Result<bool, ToolError> {
        let appetite = Arc::new(AtomicU64::new(sink.appetite().min(FIRST)));
        let (send, mut pieces) = mpsc::channel::<Piece>(1);
        let (pool, wanted) = (Arc::clone(&self.pool), Arc::clone(&appetite));
        let work = self.pool.begin(taken, run.deadline, move |connection| {
            let check = || pool.still_is(connection.mode);
            let has_sent = Cell::new(false);
            let outlet = Outlet { appetite: &wanted, pieces: &send, has_sent: &has_sent };
            let fetch = || fetch::fetch(connection, &query, &outlet, check);
            connection.with_virtual_tables(fetch, || !has_sent.get())
        });
        let mut width = 0;
        loop {
            let piece = tokio::time::timeout_at(run.deadline.into(), pieces.recv()).await;
            let Some(piece) = piece.map_err(|_| stopped(Stop::Deadline))? else { break };
            if let Some(columns) = &piece.columns {
                width = columns.len();
                sink.columns(columns)?;
            }
            if !piece.batch.rows(width, |cells| sink.row(cells))? {
                return Ok(true);
            }
            if piece.is_last {
                return Ok(false);
            }
            appetite.store(sink.appetite(), Ordering::Relaxed);
        }
        // No last piece came: there is a reason.
        work.finish(run.deadline).await.map(|()| false)
    }
}

/// Whether a pattern speaks of `main`, and has so many dots.
fn is_pattern(pattern: &str, dots: usize) -> bool {
    let schema = pattern.split('.').next().unwrap_or_default();
    let is_main = schema.eq_ignore_ascii_case("main") || schema.contains('*');
    is_main && pattern.matches('.').count() >= dots
}

impl Engine for Sqlite {
    fn vet(&self) -> BoxFuture<'_, Result<Vetted, ToolError>> {
        Box::pin(self.pool.vet())
    }

    fn run<'a>(
        &'a self,
        run: &'a Run<'a>,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(self.stream(run, sink))
    }

    fn explain<'a>(
        &'a self,
        run: &'a Run<'a>,
        analyze: bool,
    ) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async move {
            let query = self.query(run)?;
            let work = self
                .pool
                .start(run.deadline, move |connection| plan::explain(connection, &query, analyze));
            work.await?.finish(run.deadline).await
        })
    }

    fn schema(&self, deadline: Instant) -> BoxFuture<'_, Result<Schema, ToolError>> {
        Box::pin(self.pool.schema(deadline))
    }
}

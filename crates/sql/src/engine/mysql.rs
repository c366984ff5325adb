//! MySQL and MariaDB.
//!
//! The four layers here: the account may only read ([`vet`]); the session is a read-only
//! transaction with limits ([`session`]); the statement is divided, parsed and judged
//! ([`statement`]); and the engine's own switch is the prepared protocol, which takes one
//! statement and no more. sqlx always asks for multiple statements in the text protocol, so a
//! caller's text never goes there; with the `engine` layer off, which only tests do, it does.

mod advice;
mod catalogue;
mod cells;
mod describe;
mod failure;
mod functions;
mod geometry;
mod lexer;
mod pattern;
mod plan;
mod pool;
mod relations;
mod session;
mod statement;
#[cfg(test)]
mod tests;
mod translation;
mod vet;
mod walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use contract::ctx::BoxFuture;
use contract::{StartError, ToolError};
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::mysql::{MySql, MySqlArguments, MySqlRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Decode, Either, Executor as _, Row as _, Statement as _,
};
use tokio::time::timeout_at;

use self::catalogue::Catalogue;
use self::cells::{Reader, Wire};
use self::pool::{Connection, Lease, Pool};
use self::relations::{Home, Whole};
use self::session::Flavor;
use self::statement::Statement;
use super::{Engine, Param, Plan, Run, Setup, Sink, Vetted};
use crate::schema::Schema;
use crate::settings::Mask;

/// A database of MySQL and MariaDB.
pub(crate) struct Mysql {
    setup: Setup,
    /// The database that names without one mean.
    home: Option<String>,
    /// What hashes of masked columns are salted with; no caller can name it.
    salt: Option<String>,
    pool: Arc<Pool>,
    catalogue: Catalogue,
}

/// A statement that is ready to be sent.
struct Ready<'p> {
    text: String,
    params: Vec<&'p Param>,
    explain: Option<statement::Explain>,
    /// The tables it names, for advice.
    tables: Vec<Whole>,
}

impl Mysql {
    pub(crate) fn new(setup: Setup) -> Result<Self, StartError> {
        let home = setup.urls.last().and_then(|url| pool::home(url));
        if let Some(home) = home.as_deref().filter(|home| relations::is_system(home)) {
            return Err(StartError::new(format!(
                "servers.sql.databases.{}.url: {home} is the server's own database; name yours",
                setup.id
            )));
        }
        let is_hashed = setup.rules.mask.values().any(|mask| *mask == Mask::Hash);
        let salt = if is_hashed { Some(salt()?) } else { None };
        let pool = Arc::new(Pool::new(setup.clone())?);
        Ok(Self { setup, home, salt, pool, catalogue: Catalogue::default() })
    }

    /// Reads a statement; `None` where the statement layer is off.
    fn read(&self, text: &str) -> Result<Option<Statement>, ToolError> {
        if !self.setup.layers.statement {
            return Ok(None);
        }
        Statement::read(text, self.home.as_deref(), &self.setup.rules.functions).map(Some)
    }

    /// Begins a call on a connection; a connection that died while it was idle is replaced.
    async fn begin(&self, run: &Run<'_>) -> Result<(Lease, Vec<(String, String)>), ToolError> {
        let variables = session::variables(run.session, self.salt.as_deref());
        let mut lease = self.pool.lease().await?;
        loop {
            let connection = lease.connection()?;
            let is_used = connection.is_used;
            let text = pool::begin(connection, &self.setup, run.remaining(), &variables);
            let begun = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection.link).await;
            match begun {
                Ok(_) => return Ok((lease, variables)),
                Err(error) if is_used && !matches!(error, sqlx::Error::Database(_)) => {
                    lease.renew().await?;
                }
                Err(error) => return Err(failure::of(&error)),
            }
        }
    }

    /// Decides what the statement may read, and makes the text that is sent.
    async fn admit<'p>(
        &self,
        connection: &mut Connection,
        statement: Option<Statement>,
        run: &Run<'p>,
    ) -> Result<Ready<'p>, ToolError> {
        let Some(mut statement) = statement else {
            let params = run.params.iter().collect();
            let text = run.statement.to_owned();
            return Ok(Ready { text, params, explain: None, tables: Vec::new() });
        };
        let server = Arc::clone(&connection.server);
        let home = Home { database: self.home.as_deref(), folds_case: server.folds_case };
        let rules = &self.setup.rules;
        self.catalogue.judge(&mut connection.link, &mut statement, rules, home).await?;
        let params = statement.place(run.params)?;
        let explain = statement.explain;
        let tables = statement.found.relations.iter().filter_map(|relation| {
            let schema = relation.schema.clone().or_else(|| self.home.clone())?;
            (!relation.is_expression).then(|| (schema, relation.name.clone()))
        });
        let tables = tables.collect();
        Ok(Ready { text: statement.text(), params, explain, tables })
    }

    /// Refuses what the planner expects to cost too much, where a rule asks.
    async fn price(&self, connection: &mut Connection, ready: &Ready<'_>) -> Result<(), ToolError> {
        let Some(most) = self.setup.rules.cost else { return Ok(()) };
        let plan = plan::ask(connection, &ready.text, arguments(&ready.params)?, false).await?;
        match plan.cost {
            Some(cost) if cost > most => Err(failure::denied(format!(
                "the planner expects a cost of {cost:.0}, and {most:.0} is the most here: filter \
                 by an indexed column, or look at the plan with sql_explain",
            ))),
            _ => Ok(()),
        }
    }

    async fn run_on(
        &self,
        lease: &mut Lease,
        statement: Option<Statement>,
        run: &Run<'_>,
        sink: &mut dyn Sink,
    ) -> Result<bool, ToolError> {
        let connection = lease.connection()?;
        let mut ready = self.admit(connection, statement, run).await?;
        if ready.explain.is_none_or(|explain| explain.is_analyze) {
            self.price(connection, &ready).await?;
        }
        if let Some(explain) = ready.explain {
            let is_mariadb = connection.server.flavor == Flavor::Mariadb;
            ready.text = plan::asking(&ready.text, explain, is_mariadb);
        }
        let result = if self.setup.layers.engine {
            prepared(connection, &ready, run, sink).await
        } else {
            unprepared(connection, &ready, run, sink).await
        };
        match result {
            Err(error) => {
                let rules = &self.setup.rules;
                Err(advice::improve(connection, error, &ready.tables, rules).await)
            }
            result => result,
        }
    }

    /// Does something with a connection in a read-only transaction, and leaves the connection as
    /// it was.
    async fn call<T>(
        &self,
        run: &Run<'_>,
        work: impl AsyncFnOnce(&mut Lease) -> Result<T, ToolError>,
    ) -> Result<T, ToolError> {
        let is_begun = AtomicBool::new(false);
        let whole = async {
            let (mut lease, variables) = self.begin(run).await?;
            is_begun.store(true, Ordering::Relaxed);
            let result = work(&mut lease).await;
            let is_alive =
                !matches!(&result, Err(error) if error.kind == contract::Kind::Unavailable);
            // Without its layer a session is not ended either, so that tests see what stays.
            let end = match self.setup.layers.session {
                true if is_alive && session::is_traceless(run.statement) => {
                    Some(session::end(&variables))
                }
                true => None,
                false => Some("DO 0".to_owned()),
            };
            lease.finish(end);
            result
        };
        match timeout_at(run.deadline.into(), whole).await {
            Ok(result) => result,
            Err(_) if is_begun.into_inner() => Err(failure::too_late()),
            Err(_) => Err(failure::busy()),
        }
    }
}

impl Engine for Mysql {
    fn vet(&self) -> BoxFuture<'_, Result<Vetted, ToolError>> {
        Box::pin(self.pool.vet())
    }

    fn run<'a>(
        &'a self,
        run: &'a Run<'a>,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(async move {
            let statement = self.read(run.statement)?;
            self.call(run, async |lease| self.run_on(lease, statement, run, sink).await).await
        })
    }

    fn explain<'a>(
        &'a self,
        run: &'a Run<'a>,
        analyze: bool,
    ) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async move {
            let statement = self.read(run.statement)?;
            let analyze = analyze
                || statement
                    .as_ref()
                    .and_then(|statement| statement.explain)
                    .is_some_and(|explain| explain.is_analyze);
            self.call(run, async |lease| {
                let connection = lease.connection()?;
                let ready = self.admit(connection, statement, run).await?;
                if analyze {
                    self.price(connection, &ready).await?;
                }
                plan::ask(connection, &ready.text, arguments(&ready.params)?, analyze).await
            })
            .await
        })
    }

    fn schema(&self, deadline: Instant) -> BoxFuture<'_, Result<Schema, ToolError>> {
        Box::pin(async move {
            let run = Run {
                statement: "SELECT",
                params: &[],
                session: &[],
                skip: 0,
                cell: usize::MAX,
                deadline,
            };
            self.call(&run, async |lease| {
                let connection = lease.connection()?;
                describe::schema(connection, &self.setup.rules, self.home.as_deref()).await
            })
            .await
        })
    }
}

/// Runs a statement by the prepared protocol.
async fn prepared(
    connection: &mut Connection,
    ready: &Ready<'_>,
    run: &Run<'_>,
    sink: &mut dyn Sink,
) -> Result<bool, ToolError> {
    let text = AssertSqlSafe(ready.text.clone());
    let query = sqlx::query_with(text, arguments(&ready.params)?).persistent(false);
    let mut rows = query.fetch(&mut connection.link);
    let mut flow = Flow::new(run, Wire::Binary);
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| failure::of(&error))?;
        if !flow.take(&row, sink)? {
            return Ok(true);
        }
    }
    drop(rows);
    if flow.reader.is_none() {
        empty(connection, ready, sink).await?;
    }
    Ok(false)
}

/// Runs a text by the text protocol, as tests do to see what the other layers hold.
async fn unprepared(
    connection: &mut Connection,
    ready: &Ready<'_>,
    run: &Run<'_>,
    sink: &mut dyn Sink,
) -> Result<bool, ToolError> {
    let mut rows =
        sqlx::raw_sql(AssertSqlSafe(ready.text.clone())).fetch_many(&mut connection.link);
    let mut flow = Flow::new(run, Wire::Text);
    while let Some(row) = rows.try_next().await.map_err(|error| failure::of(&error))? {
        if let Either::Right(row) = row
            && !flow.take(&row, sink)?
        {
            return Ok(true);
        }
    }
    drop(rows);
    if flow.reader.is_none() {
        empty(connection, ready, sink).await?;
    }
    Ok(false)
}

/// A result without rows still has columns: they are asked for.
async fn empty(
    connection: &mut Connection,
    ready: &Ready<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ToolError> {
    let text = AssertSqlSafe(ready.text.clone());
    let columns = match connection.link.prepare(sqlx::SqlSafeStr::into_sql_str(text)).await {
        Ok(statement) => cells::columns(statement.columns()),
        Err(sqlx::Error::Database(_)) => Vec::new(),
        Err(error) => return Err(failure::of(&error)),
    };
    sink.columns(&columns)
}

/// Where the rows of one result go.
struct Flow {
    wire: Wire,
    cell: usize,
    skip: u64,
    reader: Option<Reader>,
}

impl Flow {
    fn new(run: &Run<'_>, wire: Wire) -> Self {
        Self { wire, cell: run.cell, skip: run.skip, reader: None }
    }

    /// Hands a row on; `false` where no further one is wanted.
    fn take(&mut self, row: &MySqlRow, sink: &mut dyn Sink) -> Result<bool, ToolError> {
        let reader = if let Some(reader) = &mut self.reader {
            reader
        } else {
            sink.columns(&cells::columns(row.columns()))?;
            self.reader.insert(Reader::new(row.columns(), self.wire, self.cell))
        };
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(true);
        }
        reader.read(row, |cells| sink.row(cells))
    }
}

/// The values to bind.
fn arguments(params: &[&Param]) -> Result<MySqlArguments, ToolError> {
    let mut arguments = MySqlArguments::default();
    for param in params {
        let added = match param {
            Param::Null => arguments.add(None::<&str>),
            Param::Bool(value) => arguments.add(*value),
            Param::Integer(value) => arguments.add(*value),
            Param::Number(text) | Param::Text(text) => arguments.add(text.as_str()),
        };
        added.map_err(|error| ToolError::internal(error.to_string()))?;
    }
    Ok(arguments)
}

/// A column of one of our own questions, as text; nothing for NULL.
fn text_of(row: &MySqlRow, index: usize) -> String {
    let raw = row.try_get_raw(index).ok();
    let bytes = raw.and_then(|raw| <&[u8] as Decode<MySql>>::decode(raw).ok());
    bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}

/// Thirty-two hexadecimal digits that nobody knows.
fn salt() -> Result<String, StartError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StartError::new(error.to_string()))?;
    let mut salt = String::with_capacity(32);
    cells::hexadecimal(&bytes, &mut salt);
    Ok(salt)
}

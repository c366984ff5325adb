//! PostgreSQL: one statement, admitted, behind a cursor in a read-only transaction that is rolled
//! back, in a session that is clean for the next one.

mod cancel;
mod catalogue;
mod cells;
mod connect;
mod cursor;
mod describe;
mod errors;
mod explain;
mod gate;
mod session;
mod vet;
mod visible;

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::ctx::BoxFuture;
use contract::error::Kind as ErrorKind;
use contract::{StartError, ToolError};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor as _};
use tokio::sync::Mutex;

use super::{Engine, Plan, Run, Setup, Sink, Vetted};
use crate::schema::Schema;
use catalogue::Catalogue;
use cells::Types;
use cursor::Outcome;
use errors::{Fault, Statement};
use gate::{Admitted, Reading, Readings};
use session::{Lease, Leaves, Pool};

/// How long what was found out about the credential counts for further connections.
const VETTED: Duration = Duration::from_mins(1);
/// How much earlier than the call the statement ends, so that the server itself can say so and
/// the connection is kept.
const AHEAD: Duration = Duration::from_millis(50);

/// A database of PostgreSQL.
pub(crate) struct Postgres {
    setup: Setup,
    pool: Arc<Pool>,
    types: Types,
    readings: Readings,
    memory: Catalogue,
    /// When the credential was last found to be right. Held while the database is asked: whoever
    /// else wants to know waits for that answer.
    vetted: Mutex<Option<Instant>>,
}

impl Postgres {
    /// Reads the settings; connects to nothing.
    pub(crate) fn new(setup: Setup) -> Result<Self, StartError> {
        let servers = connect::Servers::new(&setup)?;
        let pool = Pool::new(servers, setup.connections, setup.layers);
        Ok(Self {
            setup,
            pool,
            types: Types::default(),
            readings: Readings::default(),
            memory: Catalogue::new(),
            vetted: Mutex::new(None),
        })
    }

    /// Lends a session with an open transaction; connects again where the connection died while
    /// nobody used it.
    async fn begin(
        &self,
        deadline: Instant,
        variables: &[(String, String)],
    ) -> Result<Lease, ToolError> {
        let mut lease = self.pool.lend(deadline).await?;
        loop {
            match self.prepare(&mut lease, deadline, variables).await {
                Ok(()) => return Ok(lease),
                Err(fault) if fault.is_lost() && lease.is_reused() => {
                    lease.renew(deadline).await?;
                }
                Err(fault) => return Err(end(lease, fault)),
            }
        }
    }

    async fn prepare(
        &self,
        lease: &mut Lease,
        deadline: Instant,
        variables: &[(String, String)],
    ) -> Result<(), Fault> {
        if !lease.is_checked() {
            self.check_credential(lease.connection()?).await?;
            lease.set_checked();
        }
        let opening = self.opening(deadline, lease.is_raw());
        let connection = lease.connection()?;
        if self.types.are_stale() {
            self.types.learn(connection).await?;
        }
        connection.execute(sqlx::raw_sql(AssertSqlSafe(opening))).await?;
        if !variables.is_empty() {
            set(connection, variables).await?;
        }
        Ok(())
    }

    /// What a transaction begins with. The session's own time-out is that of a whole call.
    fn opening(&self, deadline: Instant, is_raw: bool) -> String {
        // Bytes that are no UTF-8 would end the statement otherwise.
        let raw = if is_raw { "; SET LOCAL client_encoding = 'SQL_ASCII'" } else { "" };
        if !self.setup.layers.session {
            return format!("BEGIN{raw}");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left + AHEAD >= self.setup.time {
            return format!("BEGIN READ ONLY{raw}");
        }
        let milliseconds = left.saturating_sub(AHEAD).as_millis().max(1);
        format!("BEGIN READ ONLY; SET LOCAL statement_timeout = {milliseconds}{raw}")
    }

    /// Refuses a credential that may do too much, asked whenever a connection is new and the last
    /// answer is old.
    async fn check_credential(&self, connection: &mut PgConnection) -> Result<(), Fault> {
        if !self.setup.layers.credential {
            return Ok(());
        }
        let mut last = self.vetted.lock().await;
        if last.is_none_or(|at| at.elapsed() > VETTED) {
            vet::enforce(&vet::vet(connection).await?, &self.setup.accept)?;
            *last = Some(Instant::now());
        }
        Ok(())
    }

    /// Lends a session with an open transaction, and reads the statement while the server answers.
    async fn ready(&self, run: &Run<'_>) -> Result<(Lease, Option<Arc<Reading>>), ToolError> {
        let reading = async {
            if !self.setup.layers.statement {
                return Ok(None);
            }
            self.readings.read(run.statement, run.params).await.map(Some)
        };
        match tokio::join!(self.begin(run.deadline, run.session), reading) {
            (Ok(lease), Ok(reading)) => Ok((lease, reading)),
            (Ok(lease), Err(refused)) => {
                lease.finish(Leaves::Anything);
                Err(refused)
            }
            (Err(error), _) => Err(error),
        }
    }

    async fn admit(
        &self,
        connection: &mut PgConnection,
        run: &Run<'_>,
        reading: Option<&Reading>,
    ) -> Result<Admitted, ToolError> {
        match reading {
            Some(reading) => {
                gate::admit(connection, reading, &self.setup.rules, &self.memory).await
            }
            None => Ok(Admitted::unread(run.statement)),
        }
    }

    async fn rows(&self, run: &Run<'_>, sink: &mut dyn Sink) -> Result<bool, ToolError> {
        let (mut lease, reading) = self.ready(run).await?;
        match self.rows_in(&mut lease, run, reading.as_deref(), sink).await {
            Ok(Outcome { has_more, is_drained: true, leaves }) => {
                lease.finish(leaves);
                Ok(has_more)
            }
            // Too much is still on its way: the lease cancels it as it is dropped.
            Ok(Outcome { has_more, is_drained: false, .. }) => Ok(has_more),
            Err(fault) => Err(end(lease, fault)),
        }
    }

    async fn rows_in(
        &self,
        lease: &mut Lease,
        run: &Run<'_>,
        reading: Option<&Reading>,
        sink: &mut dyn Sink,
    ) -> Result<Outcome, Fault> {
        let connection = lease.connection()?;
        let admitted = self.admit(connection, run, reading).await?;
        let Admitted { ref sql, explain, .. } = admitted;
        let statement = Statement { written: run.statement, sql, params: run.params };
        if explain.is_none_or(|explain| explain.analyze) {
            self.bound(connection, &statement).await?;
        }
        if let Some(explain) = explain {
            explain::lines(connection, &statement, run, explain.analyze, sink).await?;
            return Ok(Outcome { has_more: false, is_drained: true, leaves: Leaves::Anything });
        }
        let outcome = if self.setup.layers.engine {
            cursor::rows(connection, run, &statement, &admitted, &self.types, sink).await?
        } else {
            cursor::bare(connection, run, sql, &self.types, sink).await?
        };
        if !self.setup.layers.session && outcome.is_drained {
            connection.execute(sqlx::raw_sql("COMMIT")).await?;
        }
        Ok(outcome)
    }

    /// Refuses what costs too much before it runs, where there is a rule for it.
    async fn bound(
        &self,
        connection: &mut PgConnection,
        statement: &Statement<'_>,
    ) -> Result<(), Fault> {
        match self.setup.rules.cost {
            Some(most) => explain::bound(connection, statement, most).await,
            None => Ok(()),
        }
    }

    async fn plan(&self, run: &Run<'_>, analyze: bool) -> Result<Plan, ToolError> {
        let (mut lease, reading) = self.ready(run).await?;
        match self.plan_in(&mut lease, run, reading.as_deref(), analyze).await {
            Ok(plan) => {
                lease.finish(Leaves::Anything);
                Ok(plan)
            }
            Err(fault) => Err(end(lease, fault)),
        }
    }

    async fn plan_in(
        &self,
        lease: &mut Lease,
        run: &Run<'_>,
        reading: Option<&Reading>,
        analyze: bool,
    ) -> Result<Plan, Fault> {
        let connection = lease.connection()?;
        let Admitted { sql, explain, .. } = self.admit(connection, run, reading).await?;
        let statement = Statement { written: run.statement, sql: &sql, params: run.params };
        let analyze = analyze || explain.is_some_and(|explain| explain.analyze);
        if analyze {
            self.bound(connection, &statement).await?;
        }
        explain::plan(connection, &statement, analyze).await
    }

    async fn tables(&self, deadline: Instant) -> Result<Schema, ToolError> {
        let mut lease = self.begin(deadline, &[]).await?;
        let outcome = async {
            let connection = lease.connection()?;
            describe::schema(connection, &self.setup.rules).await
        };
        match outcome.await {
            Ok(schema) => {
                lease.finish(Leaves::Anything);
                Ok(schema)
            }
            Err(fault) => Err(end(lease, fault)),
        }
    }

    async fn inspect(&self) -> Result<Vetted, ToolError> {
        let mut lease = self.pool.lend(Instant::now() + PATIENCE).await?;
        loop {
            let mut last = self.vetted.lock().await;
            let outcome = async { vet::vet(lease.connection()?).await }.await;
            match outcome {
                Ok(vetted) => {
                    if vet::enforce(&vetted, &self.setup.accept).is_ok() {
                        *last = Some(Instant::now());
                        lease.set_checked();
                    }
                    lease.finish(Leaves::Anything);
                    return Ok(vetted);
                }
                Err(fault) if fault.is_lost() && lease.is_reused() => {
                    lease.renew(Instant::now() + PATIENCE).await?;
                }
                Err(fault) => return Err(end(lease, fault)),
            }
        }
    }
}

/// How long a look at the credential may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Engine for Postgres {
    fn vet(&self) -> BoxFuture<'_, Result<Vetted, ToolError>> {
        Box::pin(within(Instant::now() + PATIENCE, self.inspect()))
    }

    fn is_vetted(&self) -> bool {
        let vetted = self.vetted.try_lock();
        vetted.is_ok_and(|last| last.is_some_and(|at| at.elapsed() < VETTED))
    }

    fn run<'a>(
        &'a self,
        run: &'a Run<'a>,
        sink: &'a mut dyn Sink,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(within(run.deadline, self.rows(run, sink)))
    }

    fn explain<'a>(
        &'a self,
        run: &'a Run<'a>,
        analyze: bool,
    ) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(within(run.deadline, self.plan(run, analyze)))
    }

    fn schema(&self, deadline: Instant) -> BoxFuture<'_, Result<Schema, ToolError>> {
        Box::pin(within(deadline, self.tables(deadline)))
    }
}

/// Ends work at its deadline; dropping it cancels it at the server.
async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    match tokio::time::timeout_at(deadline.into(), work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ToolError::new(
            ErrorKind::Timeout,
            "the time for the statement is over, and it was cancelled at the database: narrow it \
             by WHERE, or ask sql_explain what takes long",
        )),
    }
}

/// Gives a session back after a failure, and says what the caller is told.
fn end(lease: Lease, fault: Fault) -> ToolError {
    if fault.is_lost() {
        lease.discard();
    } else {
        lease.recover();
    }
    fault.tell()
}

/// Sets session variables for this transaction. Only names with a dot: those without one are the
/// server's own settings.
async fn set(connection: &mut PgConnection, variables: &[(String, String)]) -> Result<(), Fault> {
    let calls: Vec<String> = (0..variables.len())
        .map(|at| format!("pg_catalog.set_config(${}, ${}, true)", 2 * at + 1, 2 * at + 2))
        .collect();
    let mut query = sqlx::query(AssertSqlSafe(format!("SELECT {}", calls.join(", "))));
    for (name, value) in variables {
        if !name.contains('.') {
            let log = format!("session.{name}: write a name with a dot, such as app.{name}");
            return Err(ToolError::internal(log).into());
        }
        query = query.bind(name.clone()).bind(value.clone());
    }
    connection.execute(query).await?;
    Ok(())
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod honest;

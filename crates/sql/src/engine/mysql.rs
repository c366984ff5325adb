//! MySQL and MariaDB.
//!
//! The four layers here: the account may only read ([`vet`]); the session is a read-only
//! transaction with limits ([`session`]); the statement is divided, parsed and judged
//! ([`statement`]); and the engine's own switch is the prepared protocol, which takes one
//! statement and no more. sqlx always asks for multiple statements in the text protocol, so a
//! caller's text never goes there; with the `engine` layer off, which only tests do, it does.

mod advice;
mod answer;
mod catalogue;
mod cells;
mod describe;
mod failure;
mod functions;
mod geometry;
mod lexer;
mod moment;
mod pattern;
mod plan;
mod pool;
mod readings;
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
use std::time::{Duration, Instant};

use contract::ctx::BoxFuture;
use contract::{StartError, ToolError};
use sqlx::mysql::{MySql, MySqlRow};
use sqlx::{AssertSqlSafe, Decode, Row as _};
use tokio::time::timeout_at;

use self::answer::Ready;
use self::catalogue::Catalogue;
use self::pool::{Connection, Lease, Pool};
use self::readings::Readings;
use self::relations::Home;
use self::session::Flavor;
use self::statement::Statement;
use super::{Engine, Plan, Run, Setup, Sink, Vetted};
use crate::schema::Schema;
use crate::settings::Mask;

/// What is done with a connection in one transaction; done once more where the connection turns
/// out to be dead.
trait Job: Send {
    type Answer;

    fn on<'a>(
        &'a mut self,
        engine: &'a Mysql,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Self::Answer, ToolError>>;
}

/// Runs a statement.
struct Fetch<'a> {
    statement: Option<Statement>,
    run: &'a Run<'a>,
    sink: &'a mut dyn Sink,
}

impl Job for Fetch<'_> {
    type Answer = bool;

    fn on<'a>(
        &'a mut self,
        engine: &'a Mysql,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<bool, ToolError>> {
        Box::pin(engine.run_on(lease, self.statement.clone(), self.run, self.sink))
    }
}

/// Explains a statement.
struct Explain<'a> {
    statement: Option<Statement>,
    run: &'a Run<'a>,
    analyze: bool,
}

impl Job for Explain<'_> {
    type Answer = Plan;

    fn on<'a>(
        &'a mut self,
        engine: &'a Mysql,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Plan, ToolError>> {
        Box::pin(async {
            let connection = lease.connection()?;
            let ready = engine.admit(connection, self.statement.clone(), self.run).await?;
            if self.analyze {
                engine.price(connection, &ready).await?;
            }
            plan::ask(connection, &ready, self.analyze).await
        })
    }
}

/// Describes the schema.
struct Describe;

impl Job for Describe {
    type Answer = Schema;

    fn on<'a>(
        &'a mut self,
        engine: &'a Mysql,
        lease: &'a mut Lease,
    ) -> BoxFuture<'a, Result<Schema, ToolError>> {
        Box::pin(async {
            let connection = lease.connection()?;
            describe::schema(connection, &engine.setup.rules, engine.home.as_deref()).await
        })
    }
}

/// Within what time a connection that died while it was idle says so; a statement that brings a
/// server down, or that its administrator ends, takes longer, and is not asked again.
const AT_ONCE: Duration = Duration::from_millis(20);

/// A database of MySQL and MariaDB.
pub(crate) struct Mysql {
    setup: Setup,
    /// The database that names without one mean.
    home: Option<String>,
    /// What hashes of masked columns are salted with; no caller can name it.
    salt: Option<String>,
    pool: Arc<Pool>,
    catalogue: Catalogue,
    readings: Readings,
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
        Ok(Self {
            setup,
            home,
            salt,
            pool,
            catalogue: Catalogue::default(),
            readings: Readings::default(),
        })
    }

    /// Reads a statement; `None` where the statement layer is off.
    fn read(&self, text: &str) -> Result<Option<Statement>, ToolError> {
        if !self.setup.layers.statement {
            return Ok(None);
        }
        let read = || Statement::read(text, self.home.as_deref(), &self.setup.rules.functions);
        self.readings.of(text, read).map(Some)
    }

    /// Begins a call on a connection; a connection that died while it was idle is replaced.
    async fn begin(
        &self,
        lease: &mut Lease,
        run: &Run<'_>,
        variables: &[(String, String)],
    ) -> Result<(), ToolError> {
        loop {
            let connection = lease.connection()?;
            let is_used = connection.is_used;
            let text = pool::begin(connection, &self.setup, run.remaining(), variables);
            let Some(text) = text else { return Ok(()) };
            let begun = sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection.link).await;
            match begun {
                Ok(_) => return Ok(()),
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
            return Ok(Ready::unread(run));
        };
        let server = Arc::clone(&connection.server);
        let home = Home { database: self.home.as_deref(), folds_case: server.folds_case };
        let rules = &self.setup.rules;
        let has_view =
            self.catalogue.judge(&mut connection.link, &mut statement, rules, home).await?;
        let params = statement.place(run.params)?;
        let explain = statement.explain;
        let tables = statement.found.relations.iter().filter_map(|relation| {
            let schema = relation.schema.clone().or_else(|| self.home.clone())?;
            (!relation.is_expression).then(|| (schema, relation.name.clone()))
        });
        let tables = tables.collect();
        let is_plain = statement.is_plain() && !has_view;
        let (text, is_kept) = answer::keep(connection, statement.text(), is_plain);
        Ok(Ready { text, params, explain, tables, is_kept })
    }

    /// Refuses what the planner expects to cost too much, where a rule asks.
    async fn price(&self, connection: &mut Connection, ready: &Ready<'_>) -> Result<(), ToolError> {
        let Some(most) = self.setup.rules.cost else { return Ok(()) };
        let plan = plan::ask(connection, ready, false).await?;
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
            answer::prepared(connection, &ready, run, sink).await
        } else {
            answer::unprepared(connection, &ready, run, sink).await
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
    async fn call<T>(&self, run: &Run<'_>, mut job: impl Job<Answer = T>) -> Result<T, ToolError> {
        let is_begun = AtomicBool::new(false);
        let whole = async {
            let variables = session::variables(run.session, self.salt.as_deref());
            let mut lease = self.pool.lease().await?;
            self.begin(&mut lease, run, &variables).await?;
            is_begun.store(true, Ordering::Relaxed);
            let began = Instant::now();
            let mut result = job.on(self, &mut lease).await;
            if is_lost(&result) && !lease.connection()?.is_certain && began.elapsed() < AT_ONCE {
                lease.renew().await?;
                self.begin(&mut lease, run, &variables).await?;
                result = job.on(self, &mut lease).await;
            }
            let is_alive = !is_lost(&result);
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
            self.call(run, Fetch { statement, run, sink }).await
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
            self.call(run, Explain { statement, run, analyze }).await
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
            self.call(&run, Describe).await
        })
    }
}

/// Whether the connection may be gone.
fn is_lost<T>(result: &Result<T, ToolError>) -> bool {
    matches!(result, Err(error) if error.kind == contract::Kind::Unavailable)
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

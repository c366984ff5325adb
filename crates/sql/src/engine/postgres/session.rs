//! The sessions of one database: a few connections, lent to one call at a time in the order of
//! asking, and clean when they come back.
//!
//! A call ends in one of three ways. It is *finished*: what cleans up is sent and not waited for,
//! and the next call reads its answer. It *failed*: the session is cleaned in the background, and
//! thrown away where that fails. It was *dropped*, by its caller or by its deadline: the statement
//! is cancelled at the server, and the connection is thrown away.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use contract::ToolError;
use contract::error::Kind;
use futures_util::Stream;
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::cancel;
use super::connect::{Opened, Servers};
use super::errors::Fault;
use crate::engine::Layers;

/// How long a connection is used: after that a changed role, address or certificate is seen.
const AGE: Duration = Duration::from_mins(30);
/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_mins(5);
/// How long cleaning may take before the connection is thrown away.
const CLEANING: Duration = Duration::from_secs(5);

/// Ends the transaction, and with it whatever one query behind a cursor can leave: settings and
/// roles, cursors, subscriptions. Only advisory locks outlive it. RESET ALL is for what nobody
/// thought of.
const CLEAN: &str = "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all(); RESET ALL";

/// What a statement leaves in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Its transaction has ended, and that was all there was.
    Nothing,
    /// Its transaction.
    Transaction,
    /// Whatever [`CLEAN`] is for.
    Anything,
}

/// The same after statements that may have ended the transaction themselves, and after failures.
const CLEAN_ALL: &str = "ROLLBACK; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; \
     UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// The sessions of one database.
pub(crate) struct Pool {
    servers: Servers,
    /// One for each connection that may be open; given out in the order of asking.
    permits: Arc<Semaphore>,
    connections: u32,
    idle: Mutex<Vec<Session>>,
    /// What ends a transaction. Without the session layer it is committed: then the other layers
    /// must hold.
    end: &'static str,
    /// What cleans a session.
    clean: &'static str,
}

/// An open session.
pub(crate) struct Session {
    pub(crate) connection: PgConnection,
    pub(crate) backend: i32,
    pub(crate) server: usize,
    /// Its credential was looked at.
    is_checked: bool,
    /// The database has no encoding: whatever bytes it holds come as they are.
    is_raw: bool,
    opened: Instant,
    used: Instant,
}

impl From<Opened> for Session {
    fn from(Opened { connection, backend, server, is_raw }: Opened) -> Self {
        let now = Instant::now();
        Self { connection, backend, server, is_raw, is_checked: false, opened: now, used: now }
    }
}

impl Pool {
    pub(crate) fn new(servers: Servers, connections: u32, layers: Layers) -> Arc<Self> {
        let (end, clean) = match (layers.session, layers.engine) {
            (true, true) => ("ROLLBACK", CLEAN),
            (true, false) => ("ROLLBACK", CLEAN_ALL),
            (false, _) => ("COMMIT", "COMMIT"),
        };
        Arc::new(Self {
            servers,
            permits: Arc::new(Semaphore::new(connections as usize)),
            connections,
            idle: Mutex::new(Vec::new()),
            end,
            clean,
        })
    }

    /// Lends a session; connects if none is idle.
    pub(crate) async fn lend(self: &Arc<Self>, deadline: Instant) -> Result<Lease, ToolError> {
        let waiting = Arc::clone(&self.permits).acquire_owned();
        let permit = match tokio::time::timeout_at(deadline.into(), waiting).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(closed)) => return Err(ToolError::internal(closed)),
            Err(_) => return Err(self.busy()),
        };
        if let Some(session) = self.idle_one() {
            return Ok(Lease::new(self, session, permit, true));
        }
        let session = self.servers.open(deadline).await?.into();
        Ok(Lease::new(self, session, permit, false))
    }

    fn busy(&self) -> ToolError {
        let text = format!(
            "all {} connections to the database were busy until the time was over",
            self.connections
        );
        ToolError::new(Kind::Unavailable, text).retry_after(Duration::from_secs(1))
    }

    /// The session that was used last: what stays unused grows old and goes.
    fn idle_one(&self) -> Option<Session> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|session| now < session.opened + AGE && now < session.used + IDLE);
        idle.pop()
    }

    /// Takes an idle session of one server, so that it can cancel what another one runs.
    pub(crate) fn idle_at(&self, server: usize) -> Option<Session> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let index = idle.iter().position(|session| session.server == server)?;
        Some(idle.swap_remove(index))
    }

    /// Opens a session beyond the number of those that are lent: to cancel.
    pub(crate) async fn extra(&self, server: usize, until: Instant) -> Result<Session, ToolError> {
        self.servers.open_at(server, until).await.map(Session::from)
    }

    /// Takes a clean session back; closes it where there are enough. Whoever calls it holds a
    /// permit for a session that is no longer in use.
    pub(crate) fn keep(&self, mut session: Session) {
        session.used = Instant::now();
        let most = self.connections as usize;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let lent = most.saturating_sub(self.permits.available_permits());
        if idle.len() + lent <= most {
            idle.push(session);
        }
    }
}

/// A session that is lent to one call. Dropped without a word, what it runs is cancelled.
pub(crate) struct Lease {
    pool: Arc<Pool>,
    /// There until the lease ends.
    session: Option<Session>,
    permit: Option<OwnedSemaphorePermit>,
    is_reused: bool,
}

impl Lease {
    fn new(
        pool: &Arc<Pool>,
        session: Session,
        permit: OwnedSemaphorePermit,
        is_reused: bool,
    ) -> Self {
        Self { pool: Arc::clone(pool), session: Some(session), permit: Some(permit), is_reused }
    }

    /// Whether somebody had it before: then its connection may have died meanwhile.
    pub(crate) fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Whether the credential was looked at on this connection.
    pub(crate) fn is_checked(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_checked)
    }

    /// Says that the credential was looked at.
    pub(crate) fn set_checked(&mut self) {
        if let Some(session) = &mut self.session {
            session.is_checked = true;
        }
    }

    /// Whether the database has no encoding.
    pub(crate) fn is_raw(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_raw)
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, Fault> {
        match &mut self.session {
            Some(session) => Ok(&mut session.connection),
            None => Err(Fault::Tool(ToolError::internal("the session was given back"))),
        }
    }

    /// Replaces a dead connection by a new one.
    pub(crate) async fn renew(&mut self, deadline: Instant) -> Result<(), ToolError> {
        self.session = None;
        self.session = Some(self.pool.servers.open(deadline).await?.into());
        self.is_reused = false;
        Ok(())
    }

    /// The call is over and all of its answers were read. What cleans up goes out at once, and
    /// the next call, or nobody, waits for it.
    pub(crate) fn finish(mut self, leaves: Leaves) {
        let Some(mut session) = self.session.take() else { return };
        let clean = match leaves {
            Leaves::Nothing => None,
            Leaves::Transaction => Some(self.pool.end),
            Leaves::Anything => Some(self.pool.clean),
        };
        if let Some(clean) = clean {
            post(&mut session.connection, clean);
            if session.connection.should_flush() {
                // It did not fit into the socket's buffer: wait for it, in the background.
                self.session = Some(session);
                return self.recover();
            }
        }
        self.pool.keep(session);
    }

    /// The call failed at the database, and the connection is still good: it is cleaned in the
    /// background before anybody has it again.
    pub(crate) fn recover(mut self) {
        let (Some(mut session), permit) = (self.session.take(), self.permit.take()) else { return };
        let pool = Arc::clone(&self.pool);
        spawn(async move {
            let cleaning = session.connection.execute(sqlx::raw_sql(CLEAN_ALL));
            let outcome = tokio::time::timeout(CLEANING, cleaning).await;
            if matches!(outcome, Ok(Ok(_))) {
                pool.keep(session);
            }
            drop(permit);
        });
    }

    /// The connection is of no use any more.
    pub(crate) fn discard(mut self) {
        self.session = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
            // The permit waits for the end of the statement: a server that is busy with what
            // nobody wants any more does not get more of it.
            spawn(async move {
                cancel::cancel(&pool, session).await;
                drop(permit);
            });
        }
    }
}

/// Runs something to its end, without anybody who waits. After the runtime has ended there is
/// nobody to run it, and the sockets close with the process.
fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(work);
    }
}

/// Sends constant statements without waiting for the answers: the connection reads them before
/// whatever it is asked next.
///
/// One look at the stream writes the message into the socket, for the connection owes no answer;
/// where it could not, `should_flush` tells.
fn post(connection: &mut PgConnection, sql: &'static str) {
    let mut answers = connection.fetch_many(sqlx::raw_sql(sql));
    let mut context = Context::from_waker(Waker::noop());
    let _ = Pin::new(&mut answers).poll_next(&mut context);
}

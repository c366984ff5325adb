//! Connections: few, opened on first use, vetted when opened, and clean or thrown away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use contract::{StartError, ToolError};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::session::{self, Flavor, IDENTITY, Server};
use super::{failure, text_of, vet};
use crate::engine::{Setup, Vetted};
use crate::settings::TlsMode;

/// How long one server may take to answer before the next is asked.
const PATIENCE: Duration = Duration::from_secs(4);
/// How old a connection becomes: what its account may do is asked again with each new one.
const AGE: Duration = Duration::from_mins(10);
/// How long what is left of a result is read away before the connection is thrown away instead.
const DRAIN: Duration = Duration::from_millis(200);
/// How long a transaction is begun in advance: callers that come one after the other save the
/// asking, and nobody leaves a transaction open. Also how long one is taken for alive unasked.
const REST: Duration = Duration::from_secs(1);
/// From how many prepared statements on those of a connection are closed, all at once.
const PREPARED: usize = 24;
/// More than there ever are: what one call prepares comes on top.
const CAPACITY: usize = PREPARED + 8;

/// The connections of one database.
pub(super) struct Pool {
    setup: Setup,
    /// Where to connect to, the preferred first.
    servers: Vec<MySqlConnectOptions>,
    idle: Mutex<Idle>,
    permits: Arc<Semaphore>,
}

/// The connections that nobody uses, the one that was used last at the end.
#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Whether somebody sees to it that they rest.
    is_watched: bool,
}

/// One connection.
pub(super) struct Connection {
    pub(super) link: MySqlConnection,
    pub(super) server: Arc<Server>,
    /// Its number at the server.
    id: u64,
    /// Which of the servers it leads to.
    place: usize,
    born: Instant,
    /// Whether it was used before: then it may be dead without our knowing.
    pub(super) is_used: bool,
    /// Whether the transaction of the next call is begun, and since when.
    begun: Option<Instant>,
    /// Whether the server has said anything in this call: then it is not dead.
    pub(super) is_certain: bool,
    /// The seconds that the server gives a statement, as it was told last.
    seconds: Option<u64>,
    /// Counts the texts that must not be found prepared.
    pub(super) serial: u8,
}

impl Connection {
    /// Ends a call, and begins the transaction of the next; closes what was prepared where it has
    /// become much. Returns whether it is clean.
    async fn clean(&mut self, mut text: String, begins: bool) -> bool {
        if begins {
            text.push_str("; ");
            text.push_str(session::BEGIN);
        }
        let clean = async {
            if self.link.cached_statements_size() >= PREPARED {
                self.link.clear_cached_statements().await?;
            }
            sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut self.link).await
        };
        let is_clean = matches!(timeout(DRAIN, clean).await, Ok(Ok(_)));
        self.begun = (begins && is_clean).then(Instant::now);
        is_clean
    }
}

/// Ends transactions that were begun for calls that do not come.
async fn watch(pool: Weak<Pool>) {
    loop {
        sleep(REST).await;
        let Some(pool) = pool.upgrade() else { return };
        let Some(tired) = pool.tired() else { return };
        for (mut connection, permit) in tired {
            if connection.clean("ROLLBACK".to_owned(), false).await {
                pool.keep(connection);
            }
            drop(permit);
        }
    }
}

impl Pool {
    pub(super) fn new(setup: Setup) -> Result<Self, StartError> {
        let servers = setup.urls.iter().map(|url| options(url, &setup));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let permits = Arc::new(Semaphore::new(setup.connections.max(1) as usize));
        Ok(Self { setup, servers, idle: Mutex::default(), permits })
    }

    /// Takes a connection, in the order of asking; opens one where none is idle.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, ToolError> {
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(ToolError::internal)?;
        let kept = loop {
            let kept = self.idle().connections.pop();
            match kept {
                Some(old) if old.born.elapsed() > AGE => drop(old),
                other => break other,
            }
        };
        let connection = match kept {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        Ok(Lease { connection: Some(connection), permit: Some(permit), pool: Arc::clone(self) })
    }

    /// Connects to the first server that answers.
    async fn connect(&self) -> Result<Connection, ToolError> {
        let mut last = failure::busy();
        for place in 0..self.servers.len() {
            let attempt = timeout(PATIENCE, self.connect_to(place)).await;
            last = match attempt {
                Ok(Ok(connection)) => {
                    self.refuse_excess(&connection.1)?;
                    return Ok(connection.0);
                }
                Ok(Err(error)) => failure::lost(&error),
                Err(_) => ToolError::unavailable(
                    "the database does not answer in time; nothing was changed",
                    format!("{}: no answer within {PATIENCE:?}", self.setup.id),
                ),
            };
            tracing::warn!(
                database = %self.setup.id,
                place,
                "a server of database {} does not answer: {}",
                self.setup.id,
                last.log.as_deref().unwrap_or_default(),
            );
        }
        Err(last)
    }

    async fn connect_to(&self, place: usize) -> Result<(Connection, Vetted), sqlx::Error> {
        let options = self.servers.get(place).ok_or(sqlx::Error::PoolClosed)?;
        let mut link = options.connect().await?;
        let row = sqlx::raw_sql(IDENTITY).fetch_one(&mut link).await?;
        let server = Server::new(&text_of(&row, 0), &text_of(&row, 2), &text_of(&row, 3));
        let id = text_of(&row, 1).parse().unwrap_or_default();
        sqlx::raw_sql(AssertSqlSafe(server.pin())).execute(&mut link).await?;
        if self.setup.layers.session {
            limit(&mut link, &server).await?;
        }
        let vetted = if self.setup.layers.credential {
            vet::vet(&mut link, &server, &self.setup).await?
        } else {
            Vetted::default()
        };
        let server = Arc::new(server);
        let born = Instant::now();
        let connection = Connection {
            link,
            server,
            id,
            place,
            born,
            is_used: false,
            begun: None,
            is_certain: true,
            seconds: None,
            serial: 0,
        };
        Ok((connection, vetted))
    }

    /// Asks what the account may do, on a connection of its own, which is used later where the
    /// account may be.
    pub(super) async fn vet(self: &Arc<Self>) -> Result<Vetted, ToolError> {
        let mut last = failure::busy();
        for place in 0..self.servers.len() {
            match timeout(PATIENCE, self.connect_to(place)).await {
                Ok(Ok((connection, vetted))) => {
                    if place == 0 && self.refuse_excess(&vetted).is_ok() {
                        self.keep(connection);
                    }
                    return Ok(vetted);
                }
                Ok(Err(error)) => last = failure::lost(&error),
                Err(_) => {}
            }
        }
        Err(last)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a connection that is clean for the next call.
    fn keep(self: &Arc<Self>, mut connection: Connection) {
        connection.is_used = true;
        let mut idle = self.idle();
        if idle.connections.len() >= self.setup.connections.max(1) as usize {
            return;
        }
        let is_begun = connection.begun.is_some();
        idle.connections.push(connection);
        if is_begun && !std::mem::replace(&mut idle.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self)));
        }
    }

    /// Takes out connections whose transactions were begun in advance and not used. `None` where
    /// no transaction is begun at all: then nobody watches any more.
    fn tired(&self) -> Option<Vec<(Connection, OwnedSemaphorePermit)>> {
        let mut idle = self.idle();
        idle.is_watched = idle.connections.iter().any(|connection| connection.begun.is_some());
        if !idle.is_watched {
            return None;
        }
        let is_tired = |connection: &mut Connection| {
            connection.begun.is_some_and(|begun| begun.elapsed() >= REST)
        };
        let mut tired = Vec::new();
        while let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            let Some(at) = idle.connections.iter_mut().position(is_tired) else { break };
            tired.push((idle.connections.remove(at), permit));
        }
        Some(tired)
    }

    /// An account that may do too much runs nothing.
    fn refuse_excess(&self, vetted: &Vetted) -> Result<(), ToolError> {
        let accept = &self.setup.accept;
        let excess: Vec<String> = vetted
            .excess
            .iter()
            .filter(|excess| !accept.contains(&excess.kind))
            .map(|excess| format!("{} ({})", excess.what, excess.kind))
            .collect();
        if excess.is_empty() {
            return Ok(());
        }
        let message = "nothing is run: the database's account may do more than read. The operator \
                       must give it less, or accept it by name; the log has the details.";
        let log = format!(
            "{}: the account may do too much: {}. A right one:\n{}",
            self.setup.id,
            excess.join("; "),
            vetted.remedy
        );
        Err(failure::denied(message).with_log(log))
    }

    /// Ends a connection at its server, from another one.
    async fn kill(&self, place: usize, id: u64) {
        let Some(options) = self.servers.get(place) else { return };
        let end = async {
            let mut link = options.clone().connect().await?;
            sqlx::raw_sql(AssertSqlSafe(format!("KILL {id}"))).execute(&mut link).await?;
            link.close().await
        };
        match timeout(PATIENCE, end).await {
            Ok(Ok(())) => {}
            // It had ended by itself.
            Ok(Err(error)) if failure::number(&error) == Some(1094) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a statement could not be ended: {error}"),
            Err(_) => tracing::warn!("a statement could not be ended in time"),
        }
    }
}

/// A connection in use. Dropped without [`Lease::finish`], what runs on it is ended at the
/// server.
pub(super) struct Lease {
    connection: Option<Connection>,
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
}

impl Lease {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut Connection, ToolError> {
        self.connection.as_mut().ok_or_else(|| ToolError::internal("a lease without connection"))
    }

    /// Opens another connection in the place of one that turned out to be dead.
    pub(super) async fn renew(&mut self) -> Result<(), ToolError> {
        self.connection = None;
        // The others are as old or older.
        self.pool.idle().connections.clear();
        self.connection = Some(self.pool.connect().await?);
        Ok(())
    }

    /// Ends the call on the connection, after the answer is on its way. `text` is told to the
    /// server first where the connection is kept; without one it is thrown away.
    pub(super) fn finish(mut self, text: Option<String>) {
        let (Some(mut connection), Some(permit)) = (self.connection.take(), self.permit.take())
        else {
            return;
        };
        let pool = Arc::clone(&self.pool);
        tokio::spawn(async move {
            // The answer goes first.
            tokio::task::yield_now().await;
            let is_clean = match text {
                Some(text) => connection.clean(text, pool.setup.layers.session).await,
                None => false,
            };
            if is_clean {
                pool.keep(connection);
            } else {
                let (place, id) = (connection.place, connection.id);
                drop(connection);
                pool.kill(place, id).await;
            }
            drop(permit);
        });
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
        runtime.spawn(async move {
            let (place, id) = (connection.place, connection.id);
            drop(connection);
            pool.kill(place, id).await;
            drop(permit);
        });
    }
}

/// Tells a new session its limits; a version that does not know one goes without.
async fn limit(link: &mut MySqlConnection, server: &Server) -> Result<(), sqlx::Error> {
    for limit in server.limits() {
        match sqlx::raw_sql(limit).execute(&mut *link).await {
            Err(sqlx::Error::Database(error)) => tracing::debug!("{limit}: {error}"),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
    }
    Ok(())
}

/// How to connect to an address.
fn options(url: &str, setup: &Setup) -> Result<MySqlConnectOptions, StartError> {
    let key = format!("servers.sql.databases.{}.url", setup.id);
    let wrong = |why: &str| StartError::new(format!("{key}: {why}"));
    let parsed: MySqlConnectOptions = url
        .replacen("mariadb://", "mysql://", 1)
        .parse()
        .map_err(|_| wrong("write it as mysql://user@host:3306/database"))?;
    let is_socket = parsed.get_socket().is_some();
    let is_near = is_socket || matches!(parsed.get_host(), "localhost" | "127.0.0.1" | "[::1]");
    let mode = match setup.tls.mode {
        // Nobody stands between the ends of a socket.
        TlsMode::Verify if !is_socket => MySqlSslMode::VerifyIdentity,
        TlsMode::Off if !is_near => {
            return Err(wrong(
                "without TLS only this machine is reached: remove tls.mode = \"off\"",
            ));
        }
        _ => MySqlSslMode::Disabled,
    };
    let mut options = parsed
        .ssl_mode(mode)
        .charset("utf8mb4")
        .timezone(Some("+00:00".to_owned()))
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .statement_cache_capacity(CAPACITY)
        .disable_statement_logging();
    if let Some(password) = &setup.password {
        options = options.password(password.expose());
    }
    if let Some(ca) = &setup.tls.ca {
        options = options.ssl_ca(ca);
    }
    if let (Some(certificate), Some(key)) = (&setup.tls.certificate, &setup.tls.key) {
        options = options.ssl_client_cert(certificate).ssl_client_key(key);
    }
    Ok(options)
}

/// The database that an address names.
pub(super) fn home(url: &str) -> Option<String> {
    let parsed: MySqlConnectOptions = url.replacen("mariadb://", "mysql://", 1).parse().ok()?;
    parsed.get_database().map(str::to_owned)
}

/// What is told before a statement; nothing where the connection is ready for it.
pub(super) fn begin(
    connection: &mut Connection,
    setup: &Setup,
    time: Duration,
    variables: &[(String, String)],
) -> Option<String> {
    if !setup.layers.session {
        return Some(session::bare(variables));
    }
    let seconds = Some(session::seconds(time));
    let is_told = connection.seconds == seconds;
    connection.seconds = seconds;
    let is_begun = connection.begun.take().is_some_and(|begun| begun.elapsed() < REST);
    let text = connection.server.begin(is_begun, seconds.filter(|_| !is_told), variables);
    connection.is_certain = text.is_some();
    text
}

/// Whether the server is MariaDB.
pub(super) fn is_mariadb(connection: &Connection) -> bool {
    connection.server.flavor == Flavor::Mariadb
}

//! The way to a server: addresses, TLS, and what every session begins with.

use std::path::Path;
use std::str::FromStr as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contract::{Secret, StartError, ToolError};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Row as _, ValueRef as _};

use super::AHEAD;
use super::errors::{disconnected, tell};
use crate::engine::Setup;
use crate::settings::{Tls, TlsMode};

/// How long one server of several may take to answer before the next one is asked.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a server that did not answer is asked last.
const AVOIDED: Duration = Duration::from_secs(30);

/// What a session writes like, whatever the role's or the database's own settings are: the
/// statement layer reads strings by the standard, and bytes are shown in one way.
const FORMS: [(&str, &str); 7] = [
    ("standard_conforming_strings", "on"),
    ("bytea_output", "hex"),
    ("client_min_messages", "error"),
    ("row_security", "on"),
    // Rows are read to the end far more often than not, and a limit is ours, not the planner's.
    ("cursor_tuple_fraction", "1.0"),
    ("default_transaction_isolation", "read committed"),
    // Compiling takes longer than most questions, and cannot be cancelled.
    ("jit", "off"),
];

/// The session layer's start-up options: they hold before the first statement, and RESET ALL
/// comes back to them.
const SESSION: [(&str, &str); 3] = [
    ("default_transaction_read_only", "on"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "70s"),
];

/// A server looks from time to time whether its client is still there, where it knows how to.
const WATCH: (&str, &str) = ("client_connection_check_interval", "1s");

/// One server of a database.
pub(crate) struct Server {
    options: PgConnectOptions,
    /// It does not know [`WATCH`].
    is_old: AtomicBool,
    /// Until when others are asked before it.
    avoided: Mutex<Option<Instant>>,
}

/// The servers of a database, in the order of preference.
pub(crate) struct Servers {
    all: Vec<Server>,
    password: Option<Secret>,
    is_session_checked: bool,
}

/// A connection that is open and knows who it is.
pub(crate) struct Opened {
    pub(crate) connection: PgConnection,
    /// The process at the server, which can be asked to cancel.
    pub(crate) backend: i32,
    /// Which server it is.
    pub(crate) server: usize,
    /// The database has no encoding.
    pub(crate) is_raw: bool,
}

impl Servers {
    /// Reads the addresses; connects to nothing.
    pub(crate) fn new(setup: &Setup) -> Result<Self, StartError> {
        let all = setup.urls.iter().map(|url| server(url, setup)).collect::<Result<_, _>>()?;
        Ok(Self { all, password: setup.password.clone(), is_session_checked: setup.layers.session })
    }

    /// Connects to the first server that answers.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<Opened, ToolError> {
        let mut first = None;
        for index in self.order() {
            match self.open_at(index, deadline).await {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    tracing::warn!(server = index, "{}", error.log.as_deref().unwrap_or("refused"));
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| ToolError::internal("no address")))
    }

    /// Connects to one server.
    pub(crate) async fn open_at(&self, index: usize, until: Instant) -> Result<Opened, ToolError> {
        let Some(server) = self.all.get(index) else {
            return Err(ToolError::internal("no such server"));
        };
        let limit = match self.all.len() {
            1 => until,
            _ => until.min(Instant::now() + PATIENCE),
        };
        let attempt = async {
            let mut connection = server.connect(self.password.as_ref()).await?;
            let row = sqlx::raw_sql(GREETING).fetch_one(&mut connection).await?;
            let text = |at: usize| -> Result<String, sqlx::Error> {
                let value = row.try_get_raw(at)?;
                let text = if value.is_null() { Ok("") } else { value.as_str() };
                Ok(text.map_err(sqlx::Error::Decode)?.to_owned())
            };
            let backend =
                text(0)?.parse().map_err(|_| sqlx::Error::Protocol("a pid".to_owned()))?;
            let is_raw = text(2)? == "SQL_ASCII";
            Ok((Opened { connection, backend, server: index, is_raw }, text(1)? == "on"))
        };
        let outcome: Result<_, sqlx::Error> =
            match tokio::time::timeout_at(limit.into(), attempt).await {
                Ok(outcome) => outcome,
                Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
            };
        server.avoid(outcome.is_err());
        match outcome {
            Ok((opened, is_read_only)) if is_read_only || !self.is_session_checked => Ok(opened),
            Ok(_) => Err(ToolError::unavailable(
                "the database does not keep the session read-only",
                "the options of the session did not arrive: connect to PostgreSQL itself, or to \
                 a pooler that passes start-up options on",
            )),
            Err(error @ sqlx::Error::Database(_)) => Err(refused(&error)),
            Err(error) => Err(disconnected(&error)),
        }
    }

    /// The order in which servers are asked: as configured, but those that lately did not answer
    /// come last.
    fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.all.len()).collect();
        order.sort_by_key(|&index| self.all.get(index).is_some_and(Server::is_avoided));
        order
    }
}

/// Who the session is, whether its start-up options arrived, and how its text is written.
const GREETING: &str = "\
    SELECT pg_catalog.pg_backend_pid(), \
           pg_catalog.current_setting('default_transaction_read_only'), \
           pg_catalog.current_setting('server_encoding')";

/// A server that answers and refuses the session.
fn refused(error: &sqlx::Error) -> ToolError {
    let told = tell(error, None);
    let log = told.log.clone().unwrap_or_else(|| told.message.clone());
    ToolError::unavailable("the database refuses the connection", log)
        .retry_after(Duration::from_secs(5))
}

impl Server {
    async fn connect(&self, password: Option<&Secret>) -> Result<PgConnection, sqlx::Error> {
        let mut options = self.options.clone();
        if let Some(password) = password {
            options = options.password(password.expose());
        }
        if self.is_old.load(Ordering::Relaxed) {
            return options.connect().await;
        }
        match options.clone().options([WATCH]).connect().await {
            Err(error) if is_unknown_setting(&error) => {
                self.is_old.store(true, Ordering::Relaxed);
                options.connect().await
            }
            outcome => outcome,
        }
    }

    fn avoid(&self, failed: bool) {
        let until = failed.then(|| Instant::now() + AVOIDED);
        *self.avoided.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = until;
    }

    fn is_avoided(&self) -> bool {
        let until = *self.avoided.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

/// A setting that the server has not, or cannot do on its operating system.
fn is_unknown_setting(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("42704" | "22023"))
}

fn server(url: &str, setup: &Setup) -> Result<Server, StartError> {
    let fault =
        |text: String| StartError::new(format!("servers.sql.databases.{}: {text}", setup.id));
    let mut options = PgConnectOptions::from_str(url)
        .map_err(|error| fault(format!("the address is not understood: {error}")))?
        .disable_statement_logging();
    if options.get_application_name().is_none() {
        options = options.application_name("suite sql");
    }
    let is_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
    if is_socket {
        // A socket is this machine's own: PostgreSQL offers no TLS there.
        options = options.ssl_mode(PgSslMode::Disable);
    } else {
        let is_local = is_local(options.get_host());
        options = protect(options, &setup.tls, is_local).map_err(fault)?;
    }
    options = options.options(FORMS);
    if setup.layers.session {
        let time = setup.time.saturating_sub(AHEAD).as_millis().max(1).to_string();
        options = options.options(SESSION).options([("statement_timeout", time)]);
    }
    Ok(Server { options, is_old: AtomicBool::new(false), avoided: Mutex::new(None) })
}

fn protect(
    options: PgConnectOptions,
    tls: &Tls,
    is_local: bool,
) -> Result<PgConnectOptions, String> {
    if tls.mode == TlsMode::Off {
        return if is_local {
            Ok(options.ssl_mode(PgSslMode::Disable))
        } else {
            Err("tls.mode = \"off\" is for this machine only: remove it".to_owned())
        };
    }
    let mut options = options.ssl_mode(PgSslMode::VerifyFull);
    if let Some(ca) = &tls.ca {
        options = options.ssl_root_cert(readable(ca)?);
    }
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => {
            Ok(options.ssl_client_cert(readable(certificate)?).ssl_client_key(readable(key)?))
        }
        (None, None) => Ok(options),
        _ => Err("tls.certificate and tls.key belong together: give both or none".to_owned()),
    }
}

/// The same path, once it can be read: a wrong one is told at the start, not at the first call.
fn readable(path: &Path) -> Result<&Path, String> {
    match std::fs::File::open(path) {
        Ok(_) => Ok(path),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

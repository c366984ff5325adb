//! The database of one server: approvals, effects that must happen once, and counts per day.
//!
//! One SQLite file, `state.db`, opened at first use: a server whose tools only read never pays for
//! it. The server and `suite approvals` open it at the same time; every decision is one
//! transaction.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};
use tokio::sync::OnceCell;

use crate::StateError;

/// How long one process waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS approvals (
    id TEXT PRIMARY KEY,
    binding TEXT NOT NULL,
    requester TEXT NOT NULL,
    state TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    stored TEXT NOT NULL,
    call TEXT,
    why TEXT,
    outcome TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS approvals_by_binding ON approvals (binding, created);
CREATE INDEX IF NOT EXISTS approvals_by_state ON approvals (state, created);
CREATE TABLE IF NOT EXISTS decisions (
    approval TEXT NOT NULL REFERENCES approvals (id),
    subject TEXT NOT NULL,
    identity TEXT NOT NULL,
    yes INTEGER NOT NULL,
    reason TEXT NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (approval, subject)
) STRICT;
CREATE TABLE IF NOT EXISTS effects (
    requester TEXT NOT NULL,
    tool TEXT NOT NULL,
    key TEXT NOT NULL,
    arguments TEXT NOT NULL,
    call TEXT NOT NULL,
    began INTEGER NOT NULL,
    outcome TEXT,
    PRIMARY KEY (requester, tool, key)
) STRICT;
CREATE TABLE IF NOT EXISTS days (
    subject TEXT NOT NULL,
    what TEXT NOT NULL,
    day TEXT NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (subject, what, day)
) STRICT;
";

/// The database of one server.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    pool: OnceCell<SqlitePool>,
}

/// What became of the claim to be the one call that has an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This call is the one: it must run.
    Ours,
    /// Another call was the one; its outcome as it was settled, `None` while it runs or when it
    /// was interrupted.
    Taken {
        /// The call.
        call: String,
        /// What it ended with.
        outcome: Option<String>,
    },
    /// The key belongs to a call with other arguments.
    Foreign,
}

impl Store {
    /// The database in `folder`; nothing is opened yet.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("state.db"), pool: OnceCell::new() }
    }

    /// Whether the database was ever used.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    pub(crate) fn fault(&self) -> impl FnOnce(sqlx::Error) -> StateError + '_ {
        |error| StateError { path: self.path.clone(), source: std::io::Error::other(error) }
    }

    pub(crate) async fn pool(&self) -> Result<&SqlitePool, StateError> {
        self.pool.get_or_try_init(|| connected(&self.path, SCHEMA)).await.map_err(self.fault())
    }

    /// A transaction that is the only one that writes, from its first statement on.
    pub(crate) async fn begin(&self) -> Result<Transaction<'_, Sqlite>, StateError> {
        self.pool().await?.begin_with("BEGIN IMMEDIATE").await.map_err(self.fault())
    }

    /// Counts one use of `what` by `subject` on `day` (such as 2026-07-28), unless `most` are
    /// counted already. What is counted is on the disk.
    pub async fn count_day(
        &self,
        subject: &str,
        what: &str,
        day: &str,
        most: u32,
    ) -> Result<bool, StateError> {
        let counted = sqlx::query(
            "INSERT INTO days (subject, what, day, calls) VALUES (?, ?, ?, 1)
             ON CONFLICT (subject, what, day) DO UPDATE SET calls = calls + 1 WHERE calls < ?",
        )
        .bind(subject)
        .bind(what)
        .bind(day)
        .bind(i64::from(most));
        let done = counted.execute(self.pool().await?).await.map_err(self.fault())?;
        Ok(done.rows_affected() == 1)
    }

    /// What became of an earlier call with this key; `None` where there was none.
    pub async fn effect(
        &self,
        requester: &str,
        tool: &str,
        key: &str,
        arguments: &str,
    ) -> Result<Option<Claim>, StateError> {
        let found = sqlx::query(
            "SELECT arguments, call, outcome FROM effects
             WHERE requester = ? AND tool = ? AND key = ?",
        )
        .bind(requester)
        .bind(tool)
        .bind(key);
        let row = found.fetch_optional(self.pool().await?).await.map_err(self.fault())?;
        Ok(row.map(|row| {
            if row.get::<String, _>("arguments") == arguments {
                Claim::Taken { call: row.get("call"), outcome: row.get("outcome") }
            } else {
                Claim::Foreign
            }
        }))
    }

    /// Claims to be the one call with this key that has an effect. `arguments` is their digest.
    pub async fn claim(
        &self,
        requester: &str,
        tool: &str,
        key: &str,
        arguments: &str,
        call: &str,
    ) -> Result<Claim, StateError> {
        let claimed = sqlx::query(
            "INSERT INTO effects (requester, tool, key, arguments, call, began)
             VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(requester)
        .bind(tool)
        .bind(key)
        .bind(arguments)
        .bind(call)
        .bind(now());
        let done = claimed.execute(self.pool().await?).await.map_err(self.fault())?;
        if done.rows_affected() == 1 {
            return Ok(Claim::Ours);
        }
        let earlier = self.effect(requester, tool, key, arguments).await?;
        Ok(earlier.unwrap_or(Claim::Foreign))
    }

    /// Keeps how the call ended that claimed an effect; `None` gives the key back, since nothing
    /// was done.
    pub async fn settle(&self, call: &str, outcome: Option<&str>) -> Result<(), StateError> {
        let pool = self.pool().await?;
        let settled = match outcome {
            Some(outcome) => sqlx::query("UPDATE effects SET outcome = ? WHERE call = ?")
                .bind(outcome)
                .bind(call),
            None => sqlx::query("DELETE FROM effects WHERE call = ?").bind(call),
        };
        settled.execute(pool).await.map(drop).map_err(self.fault())
    }
}

/// A database with this schema in the file, made where there is none: one SQLite file that only its
/// owner may read. Several processes may open it at the same time; the schema may be there already.
pub async fn connected(path: &Path, schema: &'static str) -> Result<SqlitePool, sqlx::Error> {
    private_file(path).map_err(sqlx::Error::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        // A confined process has no folder for temporary files, which a large statement wants.
        .pragma("temp_store", "MEMORY")
        .foreign_keys(true);
    let began = Instant::now();
    loop {
        // Two processes that make the database at once: SQLite does not wait for the other one
        // while it changes the journal.
        match connect(options.clone(), schema).await {
            Err(error) if is_busy(&error) && began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected,
        }
    }
}

async fn connect(
    options: SqliteConnectOptions,
    schema: &'static str,
) -> Result<SqlitePool, sqlx::Error> {
    // One connection for good. Nothing need be closed in time, and the pool's own task, which would
    // look for it, can spin for ever (sqlx 0.9).
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = pool.connect_with(options).await?;
    sqlx::raw_sql(schema).execute(&pool).await?;
    Ok(pool)
}

/// `SQLITE_BUSY` and `SQLITE_LOCKED`, with whatever extension.
fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| matches!(code & 0xff, 5 | 6))
}

/// Only the owner may read the file; its companions take the same mode.
fn private_file(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_day_is_counted_over_restarts() {
        let folder = tempfile::tempdir().expect("a folder");
        let count = async |day: &str| {
            let store = Store::new(folder.path());
            store.count_day("ann", "mail_send", day, 2).await.expect("counted")
        };
        assert!(count("2026-07-28").await && count("2026-07-28").await);
        assert!(!count("2026-07-28").await, "the third");
        assert!(count("2026-07-29").await, "another day");
    }

    #[tokio::test]
    async fn a_key_has_its_effect_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path());
        let claim = async |arguments: &str, call: &str| {
            store.claim("ann", "send", "k", arguments, call).await.expect("an answer")
        };
        assert_eq!(claim("a", "1").await, Claim::Ours);
        assert_eq!(claim("a", "2").await, Claim::Taken { call: "1".into(), outcome: None });
        assert_eq!(claim("b", "3").await, Claim::Foreign);
        store.settle("1", Some("sent")).await.expect("settled");
        let taken = Claim::Taken { call: "1".into(), outcome: Some("sent".into()) };
        assert_eq!(claim("a", "4").await, taken);
        store.settle("1", None).await.expect("given back");
        assert_eq!(claim("b", "5").await, Claim::Ours);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_processes_may_make_it_at_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let tasks: Vec<_> = (0..16)
            .map(|_| {
                let store = Store::new(folder.path());
                tokio::spawn(async move { store.count_day("ann", "t", "d", 100).await })
            })
            .collect();
        for task in tasks {
            assert!(task.await.expect("ran").expect("counted"));
        }
    }

    #[tokio::test]
    async fn the_database_is_its_owners() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path());
        store.count_day("a", "b", "c", 1).await.expect("counted");
        for name in ["state.db", "state.db-wal"] {
            let mode = std::fs::metadata(folder.path().join(name)).expect(name).permissions();
            assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
        }
    }
}

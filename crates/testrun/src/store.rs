//! Runs, on the disk: what was asked, how it ended, and how each test fared.
//!
//! One SQLite file, `testrun.db`, opened at first use. Several processes may serve the same folder:
//! a run belongs to the process that started it, which holds a lock for as long as it lives. A run
//! that did not end and whose lock is free was interrupted.

mod cases;
mod stage;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use contract::ToolError;
use contract::text::hex;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqlitePool};
use tokio::sync::OnceCell;

pub(crate) use cases::{Fared, Record};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    suite TEXT NOT NULL,
    owner TEXT NOT NULL,
    is_over INTEGER NOT NULL,
    created INTEGER NOT NULL,
    facts TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS runs_by_suite ON runs (suite, number);
CREATE TABLE IF NOT EXISTS tests (
    number INTEGER PRIMARY KEY,
    suite TEXT NOT NULL,
    class TEXT NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (suite, class, name)
) STRICT;
CREATE TABLE IF NOT EXISTS cases (
    run INTEGER NOT NULL,
    test INTEGER NOT NULL,
    status INTEGER NOT NULL,
    flaky INTEGER NOT NULL,
    milliseconds INTEGER,
    PRIMARY KEY (run, test)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cases_by_test ON cases (test, run);
CREATE TABLE IF NOT EXISTS declarations (
    suite TEXT PRIMARY KEY,
    digest TEXT NOT NULL
) STRICT;
";

/// All that is known of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub(crate) struct Run {
    /// Its id: the suite's, `-`, eight hexadecimal digits.
    pub(crate) id: String,
    /// The suite.
    pub(crate) suite: String,
    /// SHA-256 of the suite's declaration.
    pub(crate) digest: String,
    /// What was tested.
    pub(crate) source: Source,
    /// The values of the inputs.
    pub(crate) values: BTreeMap<String, String>,
    /// Whether they are those of the whole suite.
    pub(crate) is_whole: bool,
    /// The run whose failures it runs again.
    pub(crate) again: Option<String>,
    /// Who asked for it.
    pub(crate) requester: String,
    /// When it was asked for, in milliseconds since 1970.
    pub(crate) created: i64,
    /// When it was over, in milliseconds since 1970.
    pub(crate) ended: Option<i64>,
    /// What came of it.
    pub(crate) result: Option<Finish>,
    /// How far it is, in words, where it was looked up and is not over.
    #[serde(skip)]
    pub(crate) stage: Option<String>,
}

/// What was tested.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
pub(crate) struct Source {
    /// Whether it is a clean export of `commit`; otherwise the working tree.
    pub(crate) is_export: bool,
    /// The commit; of a working tree the one that is checked out.
    pub(crate) commit: Option<String>,
    /// The tree of that commit.
    pub(crate) tree: Option<String>,
    /// SHA-256 over the tracked files that differ from the commit; none differs, if empty; not
    /// known, if absent.
    pub(crate) changes: Option<String>,
    /// How many tracked files differ.
    pub(crate) changed: usize,
}

/// What came of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
pub(crate) struct Finish {
    /// The verdict, one word.
    pub(crate) verdict: String,
    /// Why, and what to do; it may quote the report where `faults` has something.
    pub(crate) why: String,
    /// The tier that held; empty where nothing was started.
    pub(crate) tier: String,
    /// The layers that held.
    pub(crate) held: Vec<String>,
    /// The exit code or signal, in words.
    pub(crate) exit: String,
    /// How many tests passed.
    pub(crate) passed: u64,
    /// How many failed.
    pub(crate) failed: u64,
    /// How many could not run to their end.
    pub(crate) errored: u64,
    /// How many were skipped.
    pub(crate) skipped: u64,
    /// How many passed at a later attempt.
    pub(crate) flaky: u64,
    /// How many failures are kept in full.
    pub(crate) kept: usize,
    /// How long it took, in milliseconds.
    pub(crate) wall: u64,
    /// Processor time, in milliseconds.
    pub(crate) cpu: u64,
    /// The most memory, in bytes.
    pub(crate) peak: Option<u64>,
    /// SHA-256 over the report files.
    pub(crate) report: Option<String>,
    /// What of the report does not fit together.
    pub(crate) faults: Vec<String>,
    /// Lines that are covered, and all of them.
    pub(crate) coverage: Option<(u64, u64)>,
    /// Why there is none, where it is declared.
    #[serde(default)]
    pub(crate) uncovered: Option<String>,
    /// Whether this could not be kept: this process alone knows it.
    #[serde(skip)]
    pub(crate) is_unkept: bool,
}

impl Finish {
    /// How many tests the report has.
    pub(crate) fn total(&self) -> u64 {
        self.passed + self.failed + self.errored + self.skipped
    }
}

/// The verdict of a run whose process ended before it did.
pub(crate) const INTERRUPTED: &str = "interrupted";
/// The verdict of a run that never began.
pub(crate) const NOT_STARTED: &str = "not_started";
/// The verdict of a run that says so of every test.
pub(crate) const PASSED: &str = "passed";

/// The store of runs.
#[derive(Debug)]
pub(crate) struct Runs {
    folder: PathBuf,
    pool: OnceCell<SqlitePool>,
    /// Who this process is among those of the folder, and the lock that says it lives.
    owner: OnceCell<(String, File)>,
    /// Runs of this process whose ends could not be kept.
    unkept: Mutex<HashMap<String, Run>>,
}

impl Runs {
    /// The store in a folder; nothing is opened yet.
    pub(crate) fn new(folder: &Path) -> Self {
        let (pool, owner) = (OnceCell::new(), OnceCell::new());
        Self { folder: folder.to_owned(), pool, owner, unkept: Mutex::default() }
    }

    /// The folder of a run's files.
    pub(crate) fn folder(&self, run: &str) -> PathBuf {
        self.folder.join("runs").join(run)
    }

    async fn pool(&self) -> Result<&SqlitePool, ToolError> {
        let path = self.folder.join("testrun.db");
        let open = async || state::connected(&path, SCHEMA).await;
        self.pool.get_or_try_init(open).await.map_err(unkept)
    }

    /// The name of this process; its lock is held from now on.
    async fn owner(&self) -> Result<&str, ToolError> {
        let open = async || {
            let name = random(8)?;
            let file = std::fs::create_dir_all(self.locks()).and_then(|()| {
                let file = File::create(self.locks().join(&name))?;
                file.lock()?;
                Ok(file)
            });
            Ok((name, file.map_err(unkept)?))
        };
        self.owner.get_or_try_init(open).await.map(|(name, _)| name.as_str())
    }

    fn locks(&self) -> PathBuf {
        self.folder.join("locks")
    }

    /// Keeps a new run, which belongs to this process.
    pub(crate) async fn begin(&self, run: &Run) -> Result<(), ToolError> {
        let owner = self.owner().await?;
        let kept = sqlx::query(
            "INSERT INTO runs (id, suite, owner, is_over, created, facts) VALUES (?, ?, ?, 0, ?, ?)",
        )
        .bind(&run.id)
        .bind(&run.suite)
        .bind(owner)
        .bind(run.created)
        .bind(facts(run)?);
        kept.execute(self.pool().await?).await.map(drop).map_err(unkept)
    }

    /// The declaration of a suite that ran last, or that runs for the first time. One whose runs
    /// did not even start is none.
    pub(crate) async fn last_digest(&self, suite: &str) -> Result<Option<String>, ToolError> {
        let found = sqlx::query_scalar(
            "SELECT coalesce((SELECT digest FROM declarations WHERE suite = ?1),
             (SELECT facts ->> '$.digest' FROM runs WHERE suite = ?1 AND is_over = 0 LIMIT 1))",
        );
        found.bind(suite).fetch_one(self.pool().await?).await.map_err(unkept)
    }

    /// Keeps how a run ended, once; `fared` says how each test did.
    pub(crate) async fn end(&self, run: &Run, fared: &[Fared]) -> Result<(), ToolError> {
        let begun = self.pool().await?.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(unkept)?;
        let ended = sqlx::query_scalar::<_, i64>(
            "UPDATE runs SET is_over = 1, facts = ? WHERE id = ? AND is_over = 0 RETURNING number",
        );
        let ended = ended.bind(facts(run)?).bind(&run.id).fetch_optional(&mut *transaction).await;
        if let Some(number) = ended.map_err(unkept)? {
            if run.result.as_ref().is_some_and(|result| result.verdict != NOT_STARTED) {
                let accepted = sqlx::query("INSERT OR REPLACE INTO declarations VALUES (?, ?)");
                let accepted = accepted.bind(&run.suite).bind(&run.digest);
                accepted.execute(&mut *transaction).await.map_err(unkept)?;
            }
            cases::keep(&mut transaction, number, &run.suite, fared).await.map_err(unkept)?;
        }
        transaction.commit().await.map_err(unkept)
    }

    /// Remembers how a run ended as long as this process lives, as that could not be kept.
    pub(crate) fn remember(&self, run: &Run) {
        let mut run = run.clone();
        if let Some(result) = &mut run.result {
            result.is_unkept = true;
        }
        self.unkept().insert(run.id.clone(), run);
    }

    fn unkept(&self) -> MutexGuard<'_, HashMap<String, Run>> {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Run>, ToolError> {
        let found = sqlx::query("SELECT * FROM runs WHERE id = ?").bind(id);
        match found.fetch_optional(self.pool().await?).await.map_err(unkept)? {
            Some(row) => {
                let mut run = self.settled(&row).await?;
                if run.result.is_none() {
                    run.stage = Some(self.stage(&row).await?);
                }
                Ok(Some(run))
            }
            None => Ok(None),
        }
    }

    /// The last runs of a suite, the newest first.
    pub(crate) async fn last(&self, suite: &str, most: u32) -> Result<Vec<Run>, ToolError> {
        let found = sqlx::query("SELECT * FROM runs WHERE suite = ? ORDER BY number DESC LIMIT ?");
        let found = found.bind(suite).bind(most).fetch_all(self.pool().await?).await;
        let mut runs = Vec::new();
        for row in found.map_err(unkept)? {
            runs.push(self.settled(&row).await?);
        }
        Ok(runs)
    }

    /// A run as it is: one whose process died is interrupted, and that is kept.
    async fn settled(&self, row: &SqliteRow) -> Result<Run, ToolError> {
        let mut run: Run = serde_json::from_str(row.get("facts")).map_err(ToolError::internal)?;
        let is_over: bool = row.get("is_over");
        if let Some(ended) = self.unkept().get(&run.id).filter(|_| !is_over) {
            return Ok(ended.clone());
        }
        if is_over || !self.is_dead(row.get("owner")) {
            return Ok(run);
        }
        run.ended = Some(now());
        run.result = Some(Finish {
            verdict: INTERRUPTED.to_owned(),
            why: "The server ended before the run did, which ended the run; run it again."
                .to_owned(),
            exit: "how it ended is not known".to_owned(),
            ..Finish::default()
        });
        self.end(&run, &[]).await?;
        Ok(run)
    }

    /// Whether a process lives no more: nobody else holds its lock.
    fn is_dead(&self, owner: &str) -> bool {
        if self.owner.get().is_some_and(|(own, _)| own == owner) {
            return false;
        }
        match File::open(self.locks().join(owner)) {
            Ok(file) => {
                let is_dead = file.try_lock().is_ok();
                if is_dead {
                    // The runs that it left name it until each is settled: no lock is a free one.
                    let _ = std::fs::remove_file(self.locks().join(owner));
                }
                is_dead
            }
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Drops runs that ended before `oldest`, or beyond the last `most` of a suite, with their
    /// files.
    pub(crate) async fn prune(&self, suite: &str, oldest: i64, most: u32) -> Result<(), ToolError> {
        let dropped = sqlx::query_as::<_, (i64, String)>(
            "DELETE FROM runs WHERE suite = ?1 AND is_over = 1 AND (created < ?2 OR number NOT IN
             (SELECT number FROM runs WHERE suite = ?1 ORDER BY number DESC LIMIT ?3))
             RETURNING number, id",
        );
        let pool = self.pool().await?;
        let dropped = dropped.bind(suite).bind(oldest).bind(most).fetch_all(pool).await;
        let dropped = dropped.map_err(unkept)?;
        if dropped.is_empty() {
            return Ok(());
        }
        for (number, id) in dropped {
            let cases = sqlx::query("DELETE FROM cases WHERE run = ?").bind(number);
            cases.execute(pool).await.map_err(unkept)?;
            let _ = std::fs::remove_dir_all(self.folder(&id));
        }
        // Names may hold parameters: there is no end of those that no run has any more.
        let names = sqlx::query(
            "DELETE FROM tests WHERE suite = ? AND NOT EXISTS
             (SELECT 1 FROM cases WHERE test = tests.number)",
        );
        names.bind(suite).execute(pool).await.map(drop).map_err(unkept)
    }

    /// A name for a new run.
    pub(crate) fn name(suite: &str) -> Result<String, ToolError> {
        Ok(format!("{suite}-{}", random(4)?))
    }
}

fn facts(run: &Run) -> Result<String, ToolError> {
    serde_json::to_string(run).map_err(ToolError::internal)
}

fn random(bytes: usize) -> Result<String, ToolError> {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).map_err(ToolError::internal)?;
    Ok(hex(&random))
}

/// What of the store cannot be read or written.
fn unkept(error: impl std::fmt::Display) -> ToolError {
    ToolError::unavailable("the runs cannot be kept or read; the operator's log says why.", error)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    state::now()
}

#[cfg(test)]
mod tests;

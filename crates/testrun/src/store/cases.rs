//! How each test fared in each run: numbers only, as every test of every run is kept.

use contract::ToolError;
use reports::Status;
use serde_json::json;
use sqlx::{Row as _, Sqlite, Transaction};

use super::{Runs, unkept};

/// How a test fared in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fared {
    /// The class, module or binary.
    pub(crate) class: String,
    /// The name.
    pub(crate) name: String,
    /// How it ended.
    pub(crate) status: Status,
    /// Whether it passed, but at a later attempt.
    pub(crate) flaky: bool,
    /// How long it took.
    pub(crate) milliseconds: Option<i64>,
}

/// How a test fared over several runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The id of the run.
    pub(crate) run: String,
    /// How it fared there.
    pub(crate) fared: Fared,
}

/// How many are written by one statement.
const CHUNK: usize = 5_000;

const STATUSES: [Status; 4] = [Status::Passed, Status::Failed, Status::Errored, Status::Skipped];

/// Keeps how tests fared. Of those with the same name the worst counts.
pub(super) async fn keep(
    transaction: &mut Transaction<'_, Sqlite>,
    run: i64,
    suite: &str,
    fared: &[Fared],
) -> Result<(), sqlx::Error> {
    for some in fared.chunks(CHUNK) {
        let status = |one: &Fared| STATUSES.iter().position(|status| *status == one.status);
        let row = |one: &Fared| {
            json!([one.class, one.name, status(one), i32::from(one.flaky), one.milliseconds])
        };
        let rows = some.iter().map(row).collect::<serde_json::Value>().to_string();
        let named = sqlx::query(
            "INSERT INTO tests (suite, class, name)
             SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
             ON CONFLICT DO NOTHING",
        );
        named.bind(suite).bind(&rows).execute(&mut **transaction).await?;
        // CROSS: the rows come first, and each finds its test by the index.
        let kept = sqlx::query(
            "INSERT INTO cases (run, test, status, flaky, milliseconds)
             SELECT ?1, tests.number, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?3)
             CROSS JOIN tests ON suite = ?2 AND class = value ->> 0 AND name = value ->> 1 WHERE true
             ON CONFLICT (run, test) DO UPDATE SET status = excluded.status
             WHERE excluded.status IN (1, 2)",
        );
        kept.bind(run).bind(suite).bind(&rows).execute(&mut **transaction).await?;
    }
    Ok(())
}

impl Runs {
    /// How each test of a run fared.
    pub(crate) async fn fared(&self, run: &str) -> Result<Vec<Fared>, ToolError> {
        let found = sqlx::query(
            "SELECT class, name, status, flaky, milliseconds, '' AS run FROM cases
             JOIN tests ON tests.number = test
             WHERE run = (SELECT number FROM runs WHERE id = ?) ORDER BY test",
        );
        let rows = found.bind(run).fetch_all(self.pool().await?).await.map_err(unkept)?;
        Ok(rows.iter().map(|row| read(row).fared).collect())
    }

    /// How tests fared in these runs, test by test and the newest run first; of one test, where
    /// `only` names it.
    pub(crate) async fn records(
        &self,
        runs: &[String],
        only: Option<&str>,
    ) -> Result<Vec<Record>, ToolError> {
        let runs = serde_json::to_string(runs).map_err(ToolError::internal)?;
        let found = sqlx::query(
            "SELECT class, name, status, flaky, milliseconds, runs.id AS run FROM runs
             JOIN cases ON cases.run = runs.number JOIN tests ON tests.number = test
             WHERE runs.id IN (SELECT value FROM json_each(?1))
             AND (?2 IS NULL OR name = ?2 OR class || ' ' || name = ?2)
             ORDER BY test, runs.number DESC",
        );
        let rows = found.bind(runs).bind(only).fetch_all(self.pool().await?).await;
        Ok(rows.map_err(unkept)?.iter().map(read).collect())
    }
}

fn read(row: &sqlx::sqlite::SqliteRow) -> Record {
    let status = usize::try_from(row.get::<i64, _>("status")).unwrap_or(2);
    let fared = Fared {
        class: row.get("class"),
        name: row.get("name"),
        status: STATUSES.get(status).copied().unwrap_or(Status::Errored),
        flaky: row.get("flaky"),
        milliseconds: row.get("milliseconds"),
    };
    Record { run: row.get("run"), fared }
}

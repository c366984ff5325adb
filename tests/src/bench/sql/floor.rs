//! The floor: the same read-only transactions by sqlx alone.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use futures_util::TryStreamExt as _;
use servers::{mariadb, postgres};
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection, PgConnection,
    SqliteConnection,
};
use tokio::runtime::Runtime;

use super::super::numbers::micros;
use super::World;

/// The engines.
#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    Postgres,
    Mariadb,
    Sqlite,
}

/// All of them.
pub(super) const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::Mariadb, Engine::Sqlite];

impl Engine {
    /// The database's id in servers.toml.
    pub(super) fn id(self) -> &'static str {
        match self {
            Engine::Postgres => "postgres",
            Engine::Mariadb => "mariadb",
            Engine::Sqlite => "sqlite",
        }
    }

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Engine::Postgres => "PostgreSQL",
            Engine::Mariadb => "MariaDB",
            Engine::Sqlite => "SQLite",
        }
    }
}

/// A statement that would return ten million rows.
pub(super) const MILLIONS: &str = "SELECT a.n, b.n, c.n FROM numbers a CROSS JOIN numbers b \
    CROSS JOIN numbers c WHERE c.n < 10";

/// An open connection.
pub(super) struct Floor {
    runtime: Runtime,
    connection: Connected,
}

enum Connected {
    Postgres(PgConnection),
    Mariadb(MySqlConnection),
    Sqlite(SqliteConnection),
}

impl Floor {
    /// Connects as the product does: with TLS where there is a network.
    pub(super) fn connect(world: &World, engine: Engine) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(async {
            anyhow::Ok(match engine {
                Engine::Postgres => {
                    let url = world.postgres.url(postgres::READER, "bench");
                    let options = url.parse::<PgConnectOptions>()?;
                    let options = options
                        .password(postgres::PASSWORD)
                        .ssl_mode(PgSslMode::VerifyFull)
                        .ssl_root_cert(world.postgres.authority());
                    Connected::Postgres(options.connect().await?)
                }
                Engine::Mariadb => {
                    let url = world.mariadb.url(mariadb::READER, "bench");
                    let options = url.parse::<MySqlConnectOptions>()?;
                    let options = options
                        .password(mariadb::PASSWORD)
                        .ssl_mode(MySqlSslMode::VerifyIdentity)
                        .ssl_ca(world.mariadb.authority());
                    Connected::Mariadb(options.connect().await?)
                }
                Engine::Sqlite => {
                    let path = world.folder.path("bench.db");
                    let options = SqliteConnectOptions::new().filename(path).read_only(true);
                    Connected::Sqlite(options.connect().await?)
                }
            })
        })?;
        Ok(Self { runtime, connection })
    }

    /// How long each of some transactions took, in microseconds.
    pub(super) fn run(&mut self, statement: &str, rows: usize, calls: usize) -> Result<Vec<f64>> {
        let Self { runtime, connection } = self;
        runtime.block_on(async {
            let mut times = Vec::with_capacity(calls);
            for _ in 0..calls {
                let began = Instant::now();
                let fetched = transact(connection, statement).await?;
                times.push(micros(began.elapsed()));
                ensure!(fetched == rows, "{fetched} rows instead of {rows}");
            }
            Ok(times)
        })
    }
}

/// One read-only transaction; how many rows came.
async fn transact(connection: &mut Connected, statement: &str) -> Result<usize> {
    Ok(match connection {
        // A cursor, whose rows come as text, as the product fetches them.
        Connected::Postgres(connection) => {
            let declare = format!("DECLARE c NO SCROLL CURSOR FOR {statement}");
            sqlx::raw_sql("BEGIN READ ONLY").execute(&mut *connection).await?;
            sqlx::query(AssertSqlSafe(declare)).execute(&mut *connection).await?;
            let rows = count(sqlx::raw_sql("FETCH 1000 FROM c").fetch(&mut *connection)).await?;
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
            rows
        }
        Connected::Mariadb(connection) => {
            sqlx::raw_sql("START TRANSACTION READ ONLY").execute(&mut *connection).await?;
            let query = sqlx::query(AssertSqlSafe(statement.to_owned()));
            let rows = count(query.fetch(&mut *connection)).await?;
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
            rows
        }
        Connected::Sqlite(connection) => {
            let mut transaction = connection.begin().await?;
            let query = sqlx::query(AssertSqlSafe(statement.to_owned()));
            let rows = count(query.fetch(&mut *transaction)).await?;
            transaction.rollback().await?;
            rows
        }
    })
}

async fn count<T>(
    mut rows: impl futures_util::Stream<Item = Result<T, sqlx::Error>> + Unpin,
) -> Result<usize> {
    let mut counted = 0;
    while rows.try_next().await?.is_some() {
        counted += 1;
    }
    Ok(counted)
}

/// A SQLite file from SQL.
pub(super) fn make_sqlite(path: &Path, sql: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
        let mut connection = options.connect().await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    })
}

//! What a superuser sees of the database and of the server, to be compared.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use servers::postgres::{PASSWORD, Postgres as Server};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

/// How long what a call leaves behind may take to be cleaned up.
const PATIENCE: Duration = Duration::from_secs(4);

/// Tables with every row that matters, and what is asked of each.
const WHOLE: &[&str] = &[
    "public.customers",
    "public.orders",
    "public.audit",
    "public.docs",
    "tenant2.secrets",
    "public.hidden",
    "public.people",
    "pg_authid",
    "pg_auth_members",
    "pg_db_role_setting",
    "pg_namespace",
    "pg_extension",
    "pg_largeobject",
    "pg_largeobject_metadata",
    "pg_foreign_server",
    "pg_user_mapping",
    "pg_publication",
    "pg_subscription",
    "pg_policy",
    "pg_event_trigger",
    "pg_replication_origin",
    "pg_seclabel",
];

/// Other things, as a name and an expression.
const OTHER: &[(&str, &str)] = &[
    (
        "relations",
        "(SELECT md5(string_agg(concat_ws(',', oid, relname, relfilenode, relacl, relowner, \
         reltuples), '|' ORDER BY oid)) FROM pg_class)",
    ),
    ("sequence counter", "(SELECT concat(last_value, is_called) FROM counter)"),
    ("sequence of audit", "(SELECT concat(last_value, is_called) FROM audit_at_seq)"),
    ("functions", "(SELECT count(*) || '/' || max(oid) FROM pg_proc)"),
    ("types", "(SELECT count(*) || '/' || max(oid) FROM pg_type)"),
    ("triggers", "(SELECT count(*) FROM pg_trigger)"),
    ("rules", "(SELECT count(*) FROM pg_rewrite)"),
    ("comments", "(SELECT count(*) FROM pg_description)"),
    ("constraints", "(SELECT count(*) FROM pg_constraint)"),
    ("collations", "(SELECT count(*) FROM pg_collation)"),
    ("databases", "(SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database)"),
    ("pending entries of the index", "(SELECT p::text FROM pgstatginindex('docs_words') p)"),
    ("transaction numbers", "(SELECT pg_snapshot_xmax(pg_current_snapshot()))"),
    (
        "settings",
        "(SELECT md5(string_agg(name || '=' || setting, '|' ORDER BY name)) FROM pg_settings \
         WHERE source NOT IN ('session', 'client', 'override'))",
    ),
    (
        "settings' files",
        "(SELECT md5(string_agg(f::text, '|' ORDER BY seqno)) FROM pg_file_settings f)",
    ),
    ("server's start", "pg_postmaster_start_time()"),
    ("replication slots", "(SELECT count(*) FROM pg_replication_slots)"),
    ("prepared transactions", "(SELECT count(*) FROM pg_prepared_xacts)"),
    ("files", "(SELECT string_agg(f, ',' ORDER BY f) FROM pg_ls_dir('.') f)"),
    ("canary.txt", "pg_read_file('canary.txt')"),
    ("messages", "pg_notification_queue_usage()"),
    (
        "statistics",
        "(SELECT md5(string_agg(stats_reset::text, '|' ORDER BY datname)) FROM pg_stat_database)",
    ),
    ("replica", "pg_is_in_recovery()"),
];

/// Whether a call left anything running, locked or listening. `$1` is the pid of the bystander.
const LEFT: &str = "
    SELECT concat_ws(', ',
        (SELECT 'lock ' || string_agg(DISTINCT mode, '/') FROM pg_locks
            WHERE pid <> pg_backend_pid() AND locktype <> 'virtualxid'
            HAVING count(*) > 0),
        (SELECT 'busy session' FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), $1)
                AND (state <> 'idle' OR backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)
            LIMIT 1),
        (SELECT 'connection left' FROM pg_stat_activity
            WHERE backend_type = 'client backend' HAVING count(*) > 4))";

/// A superuser's connection, and another caller's who must not be disturbed.
pub(super) struct Witness {
    superuser: PgConnection,
    bystander: PgConnection,
    pid: i32,
    options: PgConnectOptions,
    seen: BTreeMap<String, Option<String>>,
}

impl Witness {
    pub(super) async fn new(server: &Server, user: &str) -> Self {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(server.folder())
            .port(server.port())
            .username("postgres")
            .password(PASSWORD)
            .ssl_mode(PgSslMode::Disable)
            .database("attacked")
            .disable_statement_logging();
        let superuser = options.connect().await.expect("the superuser connects");
        let options = options.username(user);
        let (bystander, pid) = bystander(&options).await;
        let mut witness = Self { superuser, bystander, pid, options, seen: BTreeMap::new() };
        witness.seen = witness.look().await;
        witness
    }

    /// The other caller's process.
    pub(super) fn bystander(&self) -> i32 {
        self.pid
    }

    /// What is not as it was when last asked.
    pub(super) async fn changes(&mut self) -> Vec<String> {
        let mut changes = self.left().await;
        if self.bystander.ping().await.is_err() {
            changes.push("another connection ended".to_owned());
            (self.bystander, self.pid) = bystander(&self.options).await;
        }
        let now = self.look().await;
        let differing: Vec<&str> = now
            .iter()
            .filter(|(name, value)| self.seen.get(*name) != Some(value))
            .map(|(name, _)| name.as_str())
            .collect();
        if !differing.is_empty() {
            changes.push(format!("changes {}", differing.join(", ")));
        }
        self.seen = now;
        changes
    }

    /// What a call left behind, where it does not go away by itself.
    async fn left(&mut self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let asked = sqlx::query_as(LEFT).bind(self.pid);
            let (left,): (String,) = asked.fetch_one(&mut self.superuser).await.expect("a row");
            if left.is_empty() {
                return Vec::new();
            }
            if began.elapsed() > PATIENCE {
                self.clear().await;
                return vec![format!("leaves {left}")];
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Ends every session but these two, so that what one statement left is not blamed on others.
    async fn clear(&mut self) {
        let ended = sqlx::query(
            "SELECT pg_terminate_backend(pid, 4000) FROM pg_stat_activity \
             WHERE backend_type = 'client backend' AND pid NOT IN (pg_backend_pid(), $1)",
        );
        ended.bind(self.pid).execute(&mut self.superuser).await.expect("sessions end");
    }

    async fn look(&mut self) -> BTreeMap<String, Option<String>> {
        let whole = WHOLE.iter().map(|table| {
            format!(
                "SELECT '{table}', (SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t)"
            )
        });
        let other = OTHER.iter().map(|(name, expression)| {
            format!("SELECT '{}', ({expression})::text", name.replace('\'', "''"))
        });
        let all: Vec<String> = whole.chain(other).collect();
        let asked = sqlx::query_as(AssertSqlSafe(all.join(" UNION ALL ")));
        let rows: Vec<(String, Option<String>)> =
            asked.fetch_all(&mut self.superuser).await.expect("the superuser looks");
        rows.into_iter().collect()
    }
}

async fn bystander(options: &PgConnectOptions) -> (PgConnection, i32) {
    let mut connection = options.connect().await.expect("another caller connects");
    let asked = sqlx::query_as("SELECT pg_backend_pid()");
    let (pid,) = asked.fetch_one(&mut connection).await.expect("its process");
    (connection, pid)
}

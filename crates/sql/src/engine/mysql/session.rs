//! The session layer: what a connection is told when it is made, before and after a statement.

use std::fmt::Write as _;
use std::time::Duration;

use super::lexer::{lex, quote, quote_name};
use super::relations::SALT;

/// Modes that would make the server divide a statement otherwise than [`lex`] does, or that are
/// other databases' dialects.
const LEXICAL: &[&str] = &[
    "ANSI",
    "ANSI_QUOTES",
    "DB2",
    "IGNORE_SPACE",
    "MAXDB",
    "MSSQL",
    "MYSQL323",
    "MYSQL40",
    "NO_BACKSLASH_ESCAPES",
    "ORACLE",
    "POSTGRESQL",
];

/// Which of the two servers it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavor {
    Mariadb,
    Mysql,
}

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) flavor: Flavor,
    /// Such as `MariaDB 10.11.14`.
    pub(super) title: String,
    /// Whether names of tables that differ in case are one.
    pub(super) folds_case: bool,
    /// The modes of all sessions, as the operator has set them.
    pub(super) modes: String,
}

/// Asks what [`Server`] and the connection's number are.
pub(super) const IDENTITY: &str = "SELECT VERSION(), CAST(CONNECTION_ID() AS CHAR), \
     @@GLOBAL.sql_mode, CAST(@@lower_case_table_names AS CHAR)";

impl Server {
    /// From the version and the rest of [`IDENTITY`].
    pub(super) fn new(version: &str, modes: &str, cases: &str) -> Self {
        let flavor = if version.contains("MariaDB") { Flavor::Mariadb } else { Flavor::Mysql };
        let number = version.split('-').next().unwrap_or_default();
        let name = if flavor == Flavor::Mariadb { "MariaDB" } else { "MySQL" };
        let kept = modes.split(',').filter(|mode| !LEXICAL.contains(mode));
        Self {
            flavor,
            title: format!("{name} {number}"),
            folds_case: cases != "0",
            modes: kept.collect::<Vec<_>>().join(","),
        }
    }

    /// What a new connection is told first, whatever the layers are: how statements are read.
    pub(super) fn pin(&self) -> String {
        format!("SET SESSION sql_mode = {}", quote(&self.modes))
    }

    /// The limits of a session. Each is told apart, since not every version knows all.
    pub(super) fn limits(&self) -> Vec<&'static str> {
        let mut limits = vec![
            "SET SESSION TRANSACTION READ ONLY",
            "SET SESSION lock_wait_timeout = 5",
            "SET SESSION innodb_lock_wait_timeout = 2",
            "SET SESSION wait_timeout = 900",
            "SET SESSION net_write_timeout = 60",
            // MySQL's own limit of 1,024 cuts results without a word.
            "SET SESSION group_concat_max_len = 1048576",
            "SET SESSION sql_safe_updates = 1",
        ];
        if self.flavor == Flavor::Mariadb {
            limits.extend([
                "SET SESSION idle_transaction_timeout = 120",
                "SET SESSION max_session_mem_used = 268435456",
                "SET SESSION max_tmp_session_space_usage = 2147483648",
                // A comparison of rows that is pushed into a grouped subquery ends some servers,
                // 10.11.14 among them, with everybody's connections.
                "SET SESSION optimizer_switch = 'condition_pushdown_for_derived=off'",
            ]);
        }
        limits
    }

    /// The time that the server itself gives every statement from now on, in seconds.
    fn patience(&self, seconds: u64) -> String {
        match self.flavor {
            Flavor::Mariadb => format!("max_statement_time = {seconds}"),
            Flavor::Mysql => format!("max_execution_time = {}", seconds.saturating_mul(1000)),
        }
    }

    /// What begins a call: its time, where that is not the one of the last, who asks, and a
    /// transaction that only reads, where it is not begun. Nothing, where all is so already.
    pub(super) fn begin(
        &self,
        is_begun: bool,
        seconds: Option<u64>,
        variables: &[(String, String)],
    ) -> Option<String> {
        let patience = seconds.map(|seconds| self.patience(seconds));
        let set: Vec<String> = patience.into_iter().chain(variables.iter().map(set)).collect();
        let set = (!set.is_empty()).then(|| format!("SET {}", set.join(", ")));
        let begin = (!is_begun).then(|| BEGIN.to_owned());
        let text: Vec<String> = set.into_iter().chain(begin).collect();
        (!text.is_empty()).then(|| text.join("; "))
    }
}

/// Begins a transaction that only reads. What it sees is decided by its first statement.
pub(super) const BEGIN: &str = "START TRANSACTION READ ONLY";

/// Whole seconds, none of them too few: the call's own deadline is exact, and what the server is
/// told is for when nobody can tell it to stop.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0 || time.is_zero())
}

fn set((name, value): &(String, String)) -> String {
    format!("@{} = {}", quote_name(name), quote(value))
}

/// What begins a call where the session layer is off: only who asks.
pub(super) fn bare(variables: &[(String, String)]) -> String {
    let all: Vec<String> = variables.iter().map(set).collect();
    if all.is_empty() { "DO 0".to_owned() } else { format!("SET {}", all.join(", ")) }
}

/// What ends a call: nothing of it stays.
pub(super) fn end(variables: &[(String, String)]) -> String {
    let mut text = "ROLLBACK; DO RELEASE_ALL_LOCKS()".to_owned();
    for (name, _) in variables {
        let _ = write!(text, "; SET @{} = NULL", quote_name(name));
    }
    text
}

/// The variables of one call: who asks, and the salt where hashes are shown.
pub(super) fn variables(session: &[(String, String)], salt: Option<&str>) -> Vec<(String, String)> {
    let salt = salt.map(|salt| (SALT.to_owned(), salt.to_owned()));
    session.iter().cloned().chain(salt).collect()
}

/// Whether a text can leave nothing behind in a session, judged by its words alone and not by
/// what the statement layer thought of it. After any other the connection is thrown away.
pub(super) fn is_traceless(text: &str) -> bool {
    let Ok(lexed) = lex(text) else { return false };
    let begins = match lexed.word(0).as_deref() {
        Some("SELECT" | "WITH" | "VALUES" | "TABLE" | "EXPLAIN" | "ANALYZE") => true,
        Some(_) => false,
        None => text.trim_start().starts_with('('),
    };
    let leaves = |word: &str| {
        word.contains("LOCK")
            || word.contains("INSERT_ID")
            || matches!(word, "INTO" | "NEXTVAL" | "SETVAL" | "LASTVAL" | "SQL_CALC_FOUND_ROWS")
    };
    let words = (0..lexed.tokens.len()).filter_map(|index| lexed.word(index));
    begins && !words.into_iter().any(|word| leaves(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_that_change_how_a_statement_is_read_are_left_out() {
        let server = Server::new("11.4.2-MariaDB-log", "STRICT_ALL_TABLES,ANSI_QUOTES,ORACLE", "0");
        assert_eq!(server.pin(), "SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
        assert_eq!(server.title, "MariaDB 11.4.2");
    }

    #[test]
    fn nothing_is_told_twice() {
        let server = Server::new("11.4.2-MariaDB", "", "0");
        assert_eq!(
            server.begin(false, Some(10), &[]).as_deref(),
            Some("SET max_statement_time = 10; START TRANSACTION READ ONLY")
        );
        assert_eq!(server.begin(false, None, &[]).as_deref(), Some(BEGIN));
        assert_eq!(server.begin(true, None, &[]), None);
        let tenant = [("tenant".to_owned(), "a".to_owned())];
        assert_eq!(server.begin(true, None, &tenant).as_deref(), Some("SET @`tenant` = 'a'"));
        let server = Server::new("8.4.2", "", "0");
        assert_eq!(
            server.begin(true, Some(10), &[]).as_deref(),
            Some("SET max_execution_time = 10000")
        );
    }

    #[test]
    fn the_end_takes_everything_back() {
        assert_eq!(end(&[]), "ROLLBACK; DO RELEASE_ALL_LOCKS()");
    }

    #[test]
    fn the_server_is_told_no_less_time_than_there_is() {
        let told = |millis| seconds(Duration::from_millis(millis));
        assert_eq!([told(0), told(1), told(1_000), told(9_999)], [1, 1, 1, 10]);
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let variables = [("tenant".to_owned(), "a', @x = '\\".to_owned())];
        assert_eq!(bare(&variables), "SET @`tenant` = 'a'', @x = ''\\\\'");
    }

    #[test]
    fn only_plain_queries_leave_no_trace() {
        for text in ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", " (SELECT 'a@b.c')"] {
            assert!(is_traceless(text), "{text}");
        }
        for text in [
            "SELECT @a := 1",
            "SELECT GET_LOCK('a', 1)",
            "SELECT LAST_INSERT_ID(7)",
            "SET @a = 1",
            "CREATE TEMPORARY TABLE t (a INT)",
            "SELECT 1; SELECT 2",
            "USE mysql",
            "/*! SET @a = 1 */",
        ] {
            assert!(!is_traceless(text), "{text}");
        }
    }
}

//! What goes wrong, for the caller: the database's own words, shortened, and what to do next.

use std::time::Duration;

use contract::error::causes;
use contract::{Kind, ToolError};

/// Longest part of a database's message that the caller reads, in characters.
const LENGTH: usize = 400;
/// After how long a lost database may be asked again.
const WAIT: Duration = Duration::from_secs(2);

/// The statement breaks a rule of the language, or cannot be understood.
pub(super) fn invalid(message: impl Into<String>) -> ToolError {
    ToolError::invalid(message)
}

/// The statement asks for what is not allowed.
pub(super) fn denied(message: impl Into<String>) -> ToolError {
    ToolError::new(Kind::Denied, message)
}

/// The time is up; the statement was ended at the server.
pub(super) fn too_late() -> ToolError {
    ToolError::new(
        Kind::Timeout,
        "the statement ran out of time and was ended at the server: ask for less, filter by an \
         indexed column, or look at its plan with sql_explain",
    )
}

/// All connections are in use.
pub(super) fn busy() -> ToolError {
    let mut error = ToolError::new(
        Kind::Unavailable,
        "all connections to the database were in use until the deadline",
    );
    error.retry_after = Some(WAIT);
    error
}

/// What sqlx reports while a statement runs.
pub(super) fn of(error: &sqlx::Error) -> ToolError {
    let sqlx::Error::Database(reported) = error else { return lost(error) };
    let number = number(error).unwrap_or_default();
    let message = short(reported.message());
    match number {
        // The time the session gives a statement (MariaDB, MySQL), and KILL QUERY.
        1969 | 3024 | 1317 => too_late(),
        1205 | 1213 => ToolError::new(
            Kind::Unavailable,
            format!("the database waited for a lock that others hold: {message}"),
        )
        .retry_after(WAIT),
        1690 if message.contains(super::functions::GUARD) => denied(format!(
            "REPEAT, SPACE, LPAD and RPAD make at most {} characters here",
            super::functions::LONGEST
        )),
        1290 if message.contains("max-session-mem-used") => ToolError::new(
            Kind::TooLarge,
            "the statement needs more memory than a session may use: ask for less",
        ),
        1142 | 1143 | 1044 | 1370 | 1227 | 1792 => {
            denied(format!("the database refuses: {message}"))
        }
        1040 | 1053 | 1203 | 1226 | 2006 | 2013 | 1927 => lost(error),
        _ => invalid(format!("the database refuses the statement ({number}): {message}")),
    }
}

/// The connection is gone, or there never was one.
pub(super) fn lost(error: &sqlx::Error) -> ToolError {
    let message = match number(error) {
        Some(1044 | 1045 | 1698) => {
            "the database refuses the account or its password; the operator's log has the details"
        }
        Some(1049) => "the database does not exist at the server; the operator must name another",
        _ if matches!(error, sqlx::Error::Tls(_)) => {
            "the connection cannot be protected by TLS; the operator's log has the details"
        }
        _ => "the database does not answer; nothing was changed, and the same call may succeed",
    };
    ToolError::unavailable(message, causes(error)).retry_after(WAIT)
}

/// The server's number of an error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let sqlx::Error::Database(reported) = error else { return None };
    Some(reported.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?.number())
}

/// Without the manual's phrase and cut to what helps.
fn short(message: &str) -> String {
    let message = message
        .replace("; check the manual that corresponds to your MariaDB server version for the right syntax to use", "")
        .replace("; check the manual that corresponds to your MySQL server version for the right syntax to use", "");
    match message.char_indices().nth(LENGTH) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message,
    }
}

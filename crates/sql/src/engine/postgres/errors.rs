//! What the caller is told when the database refuses or does not answer.

use std::time::Duration;

use contract::ToolError;
use contract::error::{Kind, causes};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use super::cursor::OVERSIZED;
use crate::engine::Param;

/// The most characters of a database's message that are passed on.
const MESSAGE: usize = 500;

/// What sqlx says of a message that PostgreSQL cut amidst a character, as `to_date` does: the
/// connection is of no further use, but the statement is at fault.
const UNREADABLE: &str = "non-UTF-8 string for its error message";

/// Why work on a connection ended early.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The database or the way to it.
    Database(sqlx::Error),
    /// Whatever the caller should read as it is.
    Tool(ToolError),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<ToolError> for Fault {
    fn from(error: ToolError) -> Self {
        Self::Tool(error)
    }
}

impl Fault {
    /// Whether the connection is of no further use.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Database(error) => Self::is_connection(error),
            Self::Tool(_) => false,
        }
    }

    fn is_connection(error: &sqlx::Error) -> bool {
        match error {
            sqlx::Error::Database(error) => {
                is_connection_code(error.code().as_deref().unwrap_or_default())
            }
            _ => true,
        }
    }

    /// The same, with the place in the caller's text where the database's message names one:
    /// `before` characters were sent before the statement.
    pub(crate) fn placed(self, statement: &Statement<'_>, before: usize) -> Self {
        match self {
            Self::Database(error) if !Self::is_connection(&error) => {
                Self::Tool(tell(&error, Some((statement, before))))
            }
            other => other,
        }
    }

    /// What the caller is told.
    pub(crate) fn tell(self) -> ToolError {
        match self {
            Self::Tool(error) => error,
            Self::Database(error) => tell(&error, None),
        }
    }
}

/// An admitted statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    /// What the caller wrote.
    pub(crate) written: &'a str,
    /// What is sent of it.
    pub(crate) sql: &'a str,
    /// The values of its placeholders.
    pub(crate) params: &'a [Param],
}

/// What the caller is told of an error of the database.
pub(crate) fn tell(error: &sqlx::Error, sent: Option<(&Statement<'_>, usize)>) -> ToolError {
    let sqlx::Error::Database(database) = error else { return disconnected(error) };
    let Some(error) = database.try_downcast_ref::<PgDatabaseError>() else {
        return ToolError::internal(causes(error));
    };
    let code = error.code();
    let message = message(error, sent);
    match code {
        "57014" if error.message().contains("statement timeout") => ToolError::new(
            Kind::Timeout,
            "the statement took longer than it may, and was ended at the database: narrow it by \
             WHERE, aggregate less, or ask sql_explain what takes long",
        ),
        "57014" => unavailable("the statement was ended at the database by somebody else", error),
        "55P03" => unavailable("a table is locked by somebody else", error),
        "40001" | "40P01" => unavailable("the database ended the statement for others", error),
        "25006" => ToolError::new(
            Kind::Denied,
            format!("{message}. Everything is read-only here: SELECT is allowed"),
        ),
        "42501" => ToolError::new(
            Kind::Denied,
            format!(
                "{message}. The database does not let this credential; sql_schema lists what may be read"
            ),
        ),
        "22P02" if error.message().contains(OVERSIZED) => oversized(error.message()),
        _ if is_connection_code(code) => disconnected(&sqlx::Error::Protocol(message)),
        _ if code.starts_with("53") => ToolError::new(
            Kind::TooLarge,
            format!("{message}. The statement needs more than the database has: narrow it"),
        ),
        // Damaged files. What else PostgreSQL calls internal is what it did not expect of a
        // statement.
        "XX001" | "XX002" => ToolError::internal(message),
        _ => ToolError::invalid(message),
    }
}

/// The way to the database is broken, or it is not there.
pub(crate) fn disconnected(error: &sqlx::Error) -> ToolError {
    let log = causes(error);
    if log.contains(UNREADABLE) {
        return ToolError::invalid(
            "the statement failed at the database, whose message is cut amidst a character: look \
             at values that are converted, as by to_date",
        );
    }
    let is_distrusted = matches!(error, sqlx::Error::Tls(_)) || log.contains("certificate");
    let text = if is_distrusted {
        "the database cannot be reached: its certificate is not trusted, or TLS fails otherwise"
    } else {
        "the database cannot be reached"
    };
    ToolError::unavailable(text, log).retry_after(Duration::from_secs(5))
}

fn unavailable(text: &str, error: &PgDatabaseError) -> ToolError {
    ToolError::unavailable(text, error.message()).retry_after(Duration::from_secs(5))
}

/// Classes and codes after which a connection is dead or was never there.
fn is_connection_code(code: &str) -> bool {
    code.starts_with("08")
        || code.starts_with("28")
        || ["57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "53300", "3D000"].contains(&code)
}

fn oversized(message: &str) -> ToolError {
    let bytes: String = message.chars().filter(char::is_ascii_digit).collect();
    ToolError::new(
        Kind::TooLarge,
        format!(
            "a row has {bytes} bytes, more than the {} that may leave the database: name fewer \
             columns, or shorten long ones, as with left(column, 1000)",
            super::cursor::ROW
        ),
    )
}

/// The database's words on one line, with its hint and the place in the caller's text.
fn message(error: &PgDatabaseError, sent: Option<(&Statement<'_>, usize)>) -> String {
    let mut text = shorten(error.message());
    if let (Some(PgErrorPosition::Original(position)), Some((statement, before))) =
        (error.position(), sent)
        && let Some(place) = place(position, statement, before)
    {
        text.push_str(&place);
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!(". {}", shorten(hint).trim_end_matches('.')));
    }
    text
}

/// ` (line 2, at "…")`, where the position is in what the caller wrote: what was rewritten on the
/// way has other positions.
fn place(position: usize, statement: &Statement<'_>, before: usize) -> Option<String> {
    let start = statement.written.find(statement.sql)?;
    let offset = position.checked_sub(before + 1)?;
    let (at, _) = statement.sql.char_indices().nth(offset)?;
    let (above, rest) = statement.written.split_at_checked(start + at)?;
    let line = above.matches('\n').count() + 1;
    let near: String = rest.chars().take_while(|&c| c != '\n').take(30).collect();
    Some(format!(" (line {line}, at \"{}\")", near.trim_end()))
}

fn shorten(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_the_callers_own_text() {
        let written = "-- ü\nSELECT 1,\n  nme FROM t;";
        let told = |position, sql| place(position, &Statement { written, sql, params: &[] }, 10);
        let sent = "SELECT 1,\n  nme FROM t";
        assert_eq!(told(10 + 13, sent).as_deref(), Some(" (line 3, at \"nme FROM t;\")"));
        assert_eq!(told(5, sent), None, "in what was added before");
        assert_eq!(told(99, sent), None, "in what was added behind");
        assert_eq!(told(10 + 13, "SELECT 2,\n  nme FROM t"), None, "in what was rewritten");
    }

    #[test]
    fn a_message_is_one_line_and_short() {
        assert_eq!(shorten("a\n  b"), "a b");
        assert_eq!(shorten(&"é".repeat(600)).chars().count(), MESSAGE + 1);
    }
}

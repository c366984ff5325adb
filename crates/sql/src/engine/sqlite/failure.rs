//! What SQLite says, as the caller should read it.

use std::time::Duration;

use contract::{Kind, ToolError};
use libsqlite3_sys as ffi;

use super::lexer;
use super::masks;
use super::raw::{Failure, Handle, Stop};

/// How soon a lock or a change may be over.
const SOON: Duration = Duration::from_secs(1);

/// What is said of a file that cannot be opened or read.
pub(super) const UNREADABLE: &str = "The database file cannot be read as it is: a program may have left its journal or its WAL behind. Opening it once with a program that may write settles that.";

/// The caller's error for what went wrong with `statement`.
pub(super) fn error(handle: &Handle, failure: &Failure, statement: &str) -> ToolError {
    if let Some(stop) = handle.stopped() {
        return stopped(stop);
    }
    match failure.primary() {
        ffi::SQLITE_AUTH => {
            let refusal = handle.refusal().unwrap_or_else(|| failure.message.clone());
            ToolError::new(Kind::Denied, refusal)
        }
        ffi::SQLITE_INTERRUPT => stopped(Stop::Cancelled),
        ffi::SQLITE_NOMEM => stopped(Stop::Memory),
        ffi::SQLITE_TOOBIG => ToolError::new(
            Kind::TooLarge,
            "A value or the statement is longer than this server handles (16 MiB): ask for length(column) instead of the column, or make shorter values.",
        ),
        ffi::SQLITE_READONLY if failure.code == ffi::SQLITE_READONLY => {
            ToolError::new(Kind::Denied, "The database is open for reading only.")
        }
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_SCHEMA => ToolError::unavailable(
            "Another program is writing to the database file.",
            &failure.message,
        )
        .retry_after(SOON),
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_READONLY | ffi::SQLITE_IOERR | ffi::SQLITE_PERM => {
            ToolError::unavailable(UNREADABLE, format!("{} ({})", failure.message, failure.code))
        }
        ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB => ToolError::unavailable(
            "The file is damaged, or no SQLite database. Its owner can ask PRAGMA integrity_check.",
            &failure.message,
        ),
        // What a refused function leaves is an ordinary error with SQLite's own words.
        _ => match handle.refusal() {
            Some(refusal) => ToolError::new(Kind::Denied, refusal),
            None => ToolError::invalid(explained(handle, failure, statement)),
        },
    }
}

/// What is said of a statement that this server ended.
pub(super) fn stopped(stop: Stop) -> ToolError {
    match stop {
        Stop::Cancelled => ToolError::new(Kind::Timeout, "The statement was cancelled."),
        Stop::Deadline => ToolError::new(
            Kind::Timeout,
            "The statement took longer than it may, and was stopped. Ask for fewer rows, or let sql_explain show where an index is missing.",
        ),
        Stop::Memory => ToolError::new(
            Kind::TooLarge,
            "The statement needed more memory than it may have (256 MiB), and was stopped. Sort, group or join fewer rows.",
        ),
    }
}

/// SQLite's message, with the place, and the nearest name for one that does not exist.
fn explained(handle: &Handle, failure: &Failure, statement: &str) -> String {
    let own = handle.relations().own.clone();
    let message =
        if own.is_empty() { failure.message.clone() } else { failure.message.replace(&own, "") };
    let mut text = format!("SQLite: {message}");
    if let Some(place) = failure.offset.and_then(|at| place(statement, at)) {
        text.push_str(&place);
    }
    text.push('.');
    if let Some(nearest) = nearest(handle, &message, statement) {
        text.push_str(&format!(" Did you mean `{nearest}`?"));
    } else if message.starts_with("no such table") {
        text.push_str(" sql_schema lists what there is.");
    }
    text
}

/// ` at "…"` with what stands at a byte.
fn place(statement: &str, at: usize) -> Option<String> {
    let rest = statement.get(at..)?;
    let start: String = rest.chars().take(30).collect();
    (!start.trim().is_empty()).then(|| format!(", at byte {at}: `{}`", start.trim_end()))
}

/// The name that comes nearest to the one that SQLite does not know.
fn nearest(handle: &Handle, message: &str, statement: &str) -> Option<String> {
    let unknown = |prefix: &str| message.strip_prefix(prefix).map(str::trim);
    let (name, candidates) = if let Some(name) = unknown("no such table:") {
        (name, tables(handle))
    } else if let Some(name) = unknown("no such column:") {
        (name, columns(handle, statement))
    } else {
        return None;
    };
    let name = name.rsplit('.').next().unwrap_or(name).to_lowercase();
    let scored = candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&name, &candidate.to_lowercase()), candidate));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 > 0.8).then_some(best.1)
}

/// The tables that may be read.
fn tables(handle: &Handle) -> Vec<String> {
    const LIST: &str = "SELECT name FROM main.sqlite_schema WHERE type IN ('table', 'view') \
        AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' LIMIT 5000";
    let names = texts(handle, LIST, 0);
    let relations = handle.relations();
    names.into_iter().filter(|name| !relations.is_hidden(&name.to_ascii_lowercase())).collect()
}

/// The columns of the tables that the statement names, as far as they may be read.
fn columns(handle: &Handle, statement: &str) -> Vec<String> {
    let named: Vec<String> =
        lexer::tokens(statement).iter().filter_map(lexer::Token::name).collect();
    let mut found = Vec::new();
    for table in tables(handle) {
        if !named.contains(&table.to_ascii_lowercase()) {
            continue;
        }
        let query = format!("PRAGMA main.table_info({})", masks::quoted(&table));
        let relations = handle.relations();
        let masked = relations.get(&table.to_ascii_lowercase()).map(|relation| &relation.masks);
        let dropped = |column: &str| {
            let lower = column.to_ascii_lowercase();
            masked.is_some_and(|masks| masks.get(&lower) == Some(&crate::settings::Mask::Drop))
        };
        let columns = texts(handle, &query, 1);
        found.extend(columns.into_iter().filter(|column| !dropped(column)));
    }
    found
}

/// One column of a statement of this server's own; nothing where it fails.
fn texts(handle: &Handle, query: &str, column: usize) -> Vec<String> {
    handle.trusted(|handle| {
        let mut found = Vec::new();
        let Ok((Some(mut statement), _)) = handle.prepare(query) else { return found };
        while statement.step().unwrap_or(false) {
            found.push(statement.text(column));
        }
        found
    })
}

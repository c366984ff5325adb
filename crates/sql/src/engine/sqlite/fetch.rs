//! One statement on SQLite's thread: checked, prepared, run, its rows sent on in batches.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::{Kind as ErrorKind, ToolError};
use tokio::sync::mpsc;

use super::cell::{Batch, Seen};
use super::connection::Connection;
use super::failure;
use super::raw::{Statement, Value};
use super::statement::{self, Admitted};
use crate::engine::{Column, Layers, Param};

/// About how many bytes travel at once.
const BATCH: usize = 64 << 10;

/// What is asked.
pub(super) struct Query {
    pub(super) text: String,
    pub(super) params: Vec<Param>,
    pub(super) skip: u64,
    pub(super) cell: usize,
    pub(super) layers: Layers,
    pub(super) further: Vec<String>,
}

/// What comes of it, piece by piece.
pub(super) struct Piece {
    /// The columns, with the first piece.
    pub(super) columns: Option<Vec<Column>>,
    pub(super) batch: Batch,
    /// Whether it is the last.
    pub(super) is_last: bool,
}

/// Where the rows go.
pub(super) struct Outlet<'a> {
    /// How many rows are wanted at once.
    pub(super) appetite: &'a AtomicU64,
    pub(super) pieces: &'a mpsc::Sender<Piece>,
    /// Set when the first piece goes.
    pub(super) has_sent: &'a Cell<bool>,
}

/// The statement layer: what may be prepared. The text as it is, where tests switch it off.
pub(super) fn admit(connection: &Connection, query: &Query) -> Result<Admitted, ToolError> {
    if !query.layers.statement {
        return Ok(Admitted { text: query.text.clone(), body: 0 });
    }
    statement::admit(&query.text, &connection.handle.relations(), &query.further)
}

/// Prepares a text that was admitted, and gives its placeholders their values.
pub(super) fn prepare<'c>(
    connection: &'c Connection,
    text: &str,
    query: &Query,
) -> Result<Statement<'c>, ToolError> {
    let fail = |failure| failure::error(&connection.handle, &failure, text);
    let (statement, taken) = connection.handle.prepare(text).map_err(fail)?;
    let Some(mut statement) = statement else {
        return Err(ToolError::invalid("There is no statement: send a SELECT, VALUES or WITH."));
    };
    if query.layers.statement {
        let rest = text.get(taken..).unwrap_or_default();
        let is_alone = super::lexer::tokens(rest)
            .iter()
            .all(|token| token.kind == super::lexer::Kind::Comment || token.is_sign(";"));
        if !is_alone {
            return Err(ToolError::invalid("One statement at a time."));
        }
        if !statement.is_reading() || statement.columns() == 0 {
            let message = "SQLite says that this statement writes; this server only reads.";
            return Err(ToolError::new(ErrorKind::Denied, message));
        }
    }
    bind(&mut statement, &query.params)?.map_err(fail)?;
    Ok(statement)
}

/// Gives placeholders their values, by place; `$2` and `?2` say theirs.
fn bind(
    statement: &mut Statement<'_>,
    params: &[Param],
) -> Result<Result<(), super::raw::Failure>, ToolError> {
    let mut most = 0;
    let mut places = Vec::new();
    for place in 1..=statement.parameters() {
        let name = statement.parameter(place);
        // `?3` alone makes three placeholders, of which the first two have no name.
        let number = name.as_deref().and_then(|name| name.strip_prefix(['$', '?'])?.parse().ok());
        let number: usize = number.unwrap_or(place);
        most = most.max(number);
        places.push((place, number));
    }
    if most != params.len() {
        return Err(ToolError::invalid(format!(
            "The statement has {most} placeholders, and {} parameters were given: one for each `?`, in order.",
            params.len()
        )));
    }
    for (place, number) in places {
        let Some(param) = number.checked_sub(1).and_then(|index| params.get(index)) else {
            return Err(ToolError::invalid("Placeholders are counted from 1."));
        };
        let value = match param {
            Param::Null => Value::Null,
            Param::Bool(value) => Value::Integer(i64::from(*value)),
            Param::Integer(value) => Value::Integer(*value),
            Param::Number(digits) => Value::Real(digits.parse().map_err(|_| {
                ToolError::invalid(format!("The parameter {number} is no number."))
            })?),
            Param::Text(text) => Value::Text(text.as_bytes()),
        };
        if let Err(failure) = statement.bind(place, value) {
            return Ok(Err(failure));
        }
    }
    Ok(Ok(()))
}

/// Runs the statement and sends its rows, until nobody takes them. `check` is asked before the
/// last ones are sent.
pub(super) fn fetch(
    connection: &Connection,
    query: &Query,
    outlet: &Outlet<'_>,
    check: impl Fn() -> Result<(), ToolError>,
) -> Result<(), ToolError> {
    let admitted = admit(connection, query)?;
    let mut statement = prepare(connection, &admitted.text, query)?;
    let text = &admitted.text;
    let fail = |failure| failure::error(&connection.handle, &failure, text);
    let width = statement.columns();
    // A plan names the views of masks, and those names are nobody's business.
    let own = connection.handle.relations().own.clone();
    let own = if statement.is_explaining() { own } else { String::new() };
    let mut has_row = true;
    for _ in 0..query.skip {
        has_row = statement.step().map_err(fail)?;
        if !has_row {
            break;
        }
    }
    let mut seen = Some(vec![Seen::default(); width]);
    loop {
        let most = outlet.appetite.load(Ordering::Relaxed).max(1);
        let mut batch = Batch::default();
        while has_row && batch.size() < BATCH && (batch.rows as u64) < most {
            has_row = statement.step().map_err(fail)?;
            if !has_row {
                break;
            }
            for column in 0..width {
                let value = statement.value(column);
                batch.push(value, query.cell);
                if let Some(seen) = seen.as_mut().and_then(|seen| seen.get_mut(column)) {
                    seen.see(value);
                }
            }
            batch.rows += 1;
        }
        if !has_row {
            check()?;
        }
        let columns = seen.take().map(|seen| described(&statement, &seen));
        let piece = Piece { columns, batch: batch.without(&own), is_last: !has_row };
        outlet.has_sent.set(true);
        if outlet.pieces.blocking_send(piece).is_err() || !has_row {
            return Ok(());
        }
    }
}

fn described(statement: &Statement<'_>, seen: &[Seen]) -> Vec<Column> {
    let columns = seen.iter().enumerate();
    columns
        .map(|(index, seen)| seen.column(statement.name(index), statement.declared(index)))
        .collect()
}

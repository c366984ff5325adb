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
/// The most bytes of an answer that a quick look may have.
const GLANCE: usize = 256 << 10;

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
            Param::Text(text) | Param::Date(text) | Param::Time(text) => {
                Value::Text(text.as_bytes())
            }
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
    let mut rows = Rows::of(connection, &admitted.text, query)?;
    rows.skip(query.skip)?;
    loop {
        let most = outlet.appetite.load(Ordering::Relaxed).max(1);
        let piece = rows.next(most, BATCH)?;
        let is_last = piece.is_last;
        if is_last {
            check()?;
        }
        outlet.has_sent.set(true);
        if outlet.pieces.blocking_send(piece).is_err() || is_last {
            return Ok(());
        }
    }
}

/// All rows that are wanted, at most `most`, of a statement that is nothing but a quick look into
/// tables. `None` for any other, and where anything goes wrong: then a thread does it, and says
/// what.
pub(super) fn glance(connection: &Connection, query: &Query, most: u64) -> Option<Piece> {
    let admitted = admit(connection, query).ok()?;
    let mut rows = Rows::of(connection, &admitted.text, query).ok()?;
    if connection.handle.has_called() {
        return None;
    }
    rows.skip(query.skip).ok()?;
    let piece = rows.next(most, GLANCE).ok()?;
    (piece.is_last || piece.batch.rows as u64 == most).then_some(piece)
}

/// The rows of a statement that runs.
struct Rows<'c> {
    connection: &'c Connection,
    text: &'c str,
    statement: Statement<'c>,
    /// Most bytes of a cell.
    cell: usize,
    /// What the columns have shown; nothing once they are described.
    seen: Option<Vec<Seen>>,
    /// A plan names the views of masks, and those names are nobody's business.
    own: String,
    has_row: bool,
}

impl<'c> Rows<'c> {
    fn of(connection: &'c Connection, text: &'c str, query: &Query) -> Result<Self, ToolError> {
        let statement = prepare(connection, text, query)?;
        let own = connection.handle.relations().own.clone();
        let own = if statement.is_explaining() { own } else { String::new() };
        let seen = Some(vec![Seen::default(); statement.columns()]);
        let cell = query.cell;
        Ok(Self { connection, text, statement, cell, seen, own, has_row: true })
    }

    /// Passes over the rows before the first that is wanted.
    fn skip(&mut self, rows: u64) -> Result<(), ToolError> {
        for _ in 0..rows {
            if !self.step()? {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<bool, ToolError> {
        let stepped = self.statement.step();
        self.has_row = stepped
            .map_err(|failure| failure::error(&self.connection.handle, &failure, self.text))?;
        Ok(self.has_row)
    }

    /// So many rows, and about so many bytes.
    fn next(&mut self, most: u64, bytes: usize) -> Result<Piece, ToolError> {
        let mut batch = Batch::default();
        while self.has_row && batch.size() < bytes && (batch.rows as u64) < most {
            if !self.step()? {
                break;
            }
            for column in 0..self.statement.columns() {
                let value = self.statement.value(column);
                batch.push(value, self.cell);
                if let Some(seen) = self.seen.as_mut().and_then(|seen| seen.get_mut(column)) {
                    seen.see(value);
                }
            }
            batch.rows += 1;
        }
        let columns = self.seen.take().map(|seen| described(&self.statement, &seen));
        Ok(Piece { columns, batch: batch.without(&self.own), is_last: !self.has_row })
    }
}

fn described(statement: &Statement<'_>, seen: &[Seen]) -> Vec<Column> {
    let columns = seen.iter().enumerate();
    columns
        .map(|(index, seen)| seen.column(statement.name(index), statement.declared(index)))
        .collect()
}

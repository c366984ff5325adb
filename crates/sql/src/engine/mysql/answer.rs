//! Sends a statement that is ready, and reads its rows as they come.

use contract::ToolError;
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::mysql::{MySql, MySqlArguments, MySqlRow};
use sqlx::query::Query;
use sqlx::{Arguments as _, AssertSqlSafe, Either, Executor as _, Row as _, Statement as _};

use super::cells::{self, Reader, Wire};
use super::pool::Connection;
use super::relations::Whole;
use super::{failure, statement};
use crate::engine::{Param, Run, Sink};

/// The longest text that stays prepared after its call, in bytes.
const LONGEST: usize = 4_000;

/// A statement that is ready to be sent.
pub(super) struct Ready<'p> {
    pub(super) text: String,
    pub(super) params: Vec<&'p Param>,
    pub(super) explain: Option<statement::Explain>,
    /// The tables it names, for advice.
    pub(super) tables: Vec<Whole>,
    /// Whether it may stay prepared after its call.
    pub(super) is_kept: bool,
}

impl<'p> Ready<'p> {
    /// A statement as the caller wrote it, where nothing judges it.
    pub(super) fn unread(run: &Run<'p>) -> Self {
        let params = run.params.iter().collect();
        let text = run.statement.to_owned();
        Self { text, params, explain: None, tables: Vec::new(), is_kept: false }
    }

    /// A question about its text, or the text itself, with its values.
    pub(super) fn query(
        &self,
        text: String,
    ) -> Result<Query<'static, MySql, MySqlArguments>, ToolError> {
        let arguments = arguments(&self.params)?;
        Ok(sqlx::query_with(AssertSqlSafe(text), arguments).persistent(self.is_kept))
    }
}

/// A text as a connection prepares it, and whether it stays prepared there until others are
/// closed with it.
///
/// Closed at once, it would hold up what is said next: nobody answers to the closing, so the
/// kernel keeps the next small packet back until the server acknowledges, forty milliseconds
/// later. That it is still prepared is made use of for plain statements only: MariaDB had wrong
/// answers from the second execution of others on, so their texts are made to differ.
pub(super) fn keep(
    connection: &mut Connection,
    mut text: String,
    is_plain: bool,
) -> (String, bool) {
    if text.len() > LONGEST {
        return (text, false);
    }
    if !is_plain {
        connection.serial = connection.serial.wrapping_add(1);
        let serial = connection.serial;
        let bits = (0..u8::BITS).map(|bit| if serial >> bit & 1 == 0 { ' ' } else { '\t' });
        text.extend(bits);
    }
    (text, true)
}

/// Runs a statement by the prepared protocol.
pub(super) async fn prepared(
    connection: &mut Connection,
    ready: &Ready<'_>,
    run: &Run<'_>,
    sink: &mut dyn Sink,
) -> Result<bool, ToolError> {
    let query = ready.query(ready.text.clone())?;
    let mut rows = query.fetch(&mut connection.link);
    let mut flow = Flow::new(run, Wire::Binary);
    while let Some(row) = rows.next().await {
        let row = row.map_err(|error| failure::of(&error))?;
        connection.is_certain = true;
        if !flow.take(&row, sink)? {
            return Ok(true);
        }
    }
    drop(rows);
    if flow.reader.is_none() {
        empty(connection, ready, sink).await?;
    }
    Ok(false)
}

/// Runs a text by the text protocol, as tests do to see what the other layers hold.
pub(super) async fn unprepared(
    connection: &mut Connection,
    ready: &Ready<'_>,
    run: &Run<'_>,
    sink: &mut dyn Sink,
) -> Result<bool, ToolError> {
    let mut rows =
        sqlx::raw_sql(AssertSqlSafe(ready.text.clone())).fetch_many(&mut connection.link);
    let mut flow = Flow::new(run, Wire::Text);
    while let Some(row) = rows.try_next().await.map_err(|error| failure::of(&error))? {
        connection.is_certain = true;
        if let Either::Right(row) = row
            && !flow.take(&row, sink)?
        {
            return Ok(true);
        }
    }
    drop(rows);
    if flow.reader.is_none() {
        empty(connection, ready, sink).await?;
    }
    Ok(false)
}

/// A result without rows still has columns: they are asked for.
async fn empty(
    connection: &mut Connection,
    ready: &Ready<'_>,
    sink: &mut dyn Sink,
) -> Result<(), ToolError> {
    let text = AssertSqlSafe(ready.text.clone());
    let columns = match connection.link.prepare(sqlx::SqlSafeStr::into_sql_str(text)).await {
        Ok(statement) => cells::columns(statement.columns()),
        Err(sqlx::Error::Database(_)) => Vec::new(),
        Err(error) => return Err(failure::of(&error)),
    };
    sink.columns(&columns)
}

/// Where the rows of one result go.
struct Flow {
    wire: Wire,
    cell: usize,
    skip: u64,
    reader: Option<Reader>,
}

impl Flow {
    fn new(run: &Run<'_>, wire: Wire) -> Self {
        Self { wire, cell: run.cell, skip: run.skip, reader: None }
    }

    /// Hands a row on; `false` where no further one is wanted.
    fn take(&mut self, row: &MySqlRow, sink: &mut dyn Sink) -> Result<bool, ToolError> {
        let reader = if let Some(reader) = &mut self.reader {
            reader
        } else {
            sink.columns(&cells::columns(row.columns()))?;
            self.reader.insert(Reader::new(row.columns(), self.wire, self.cell))
        };
        if self.skip > 0 {
            self.skip -= 1;
            return Ok(true);
        }
        reader.read(row, |cells| sink.row(cells))
    }
}

/// The values to bind.
fn arguments(params: &[&Param]) -> Result<MySqlArguments, ToolError> {
    let mut arguments = MySqlArguments::default();
    for param in params {
        let added = match param {
            Param::Null => arguments.add(None::<&str>),
            Param::Bool(value) => arguments.add(*value),
            Param::Integer(value) => arguments.add(*value),
            Param::Number(text) | Param::Text(text) | Param::Date(text) | Param::Time(text) => {
                arguments.add(text.as_str())
            }
        };
        added.map_err(|error| ToolError::internal(error.to_string()))?;
    }
    Ok(arguments)
}

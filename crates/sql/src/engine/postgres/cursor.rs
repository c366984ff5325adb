//! One statement behind a cursor: the server itself takes nothing but one query there, and rows
//! are fetched as they are wanted.
//!
//! The statement goes by the extended protocol, which knows one statement and bound values only.
//! Rows come by the simple protocol, in constant text of ours, since there every type is the
//! server's own text.

use contract::ToolError;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::{AssertSqlSafe, Either, Executor as _, Row as _};

use super::cells::{Types, read};
use super::errors::{Fault, Statement};
use super::gate::Admitted;
use super::session::Leaves;
use crate::engine::{Column, Param, Run, Sink};

/// The most bytes of one row that leave the database: a driver holds a row as a whole, and so
/// this bounds the memory of a call.
pub(crate) const ROW: usize = 8 * 1024 * 1024;
/// What the server is made to say of a row that is larger.
pub(crate) const OVERSIZED: &str = "suite: oversized row of";
/// Rows that are stored in fewer bytes cannot be larger than [`ROW`]: the compressions of
/// PostgreSQL write at most 255 bytes for one.
const SMALL: usize = ROW / 256;

/// How many rows are asked for first: enough for a page, and the width of the others'
/// rows is known then.
const FIRST: u64 = 128;
/// How many bytes are asked for at once after that, about.
const BATCH: u64 = 256 * 1024;
/// The most rows that are asked for at once.
const MOST: u64 = 10_000;
/// How much is read to the end, unseen, once the sink is full; where more is on its way the
/// connection is thrown away instead.
const LEFTOVER: usize = 1024 * 1024;

/// What is left of a statement that gave its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// There are rows that the sink did not take.
    pub(crate) has_more: bool,
    /// Every answer was read, or is a few bytes that are on their way: the connection may be used
    /// again.
    pub(crate) is_drained: bool,
    /// What is left of it in the session.
    pub(crate) leaves: Leaves,
}

/// What opens the cursor.
const DECLARE: &str = "DECLARE suite_rows NO SCROLL CURSOR WITHOUT HOLD FOR ";
/// What stands between that and a statement whose rows are measured.
const MEASURED: &str = "SELECT * FROM (SELECT * FROM (\n";

/// The text that opens the cursor, and how many bytes of it stand before the statement.
struct Declared {
    text: String,
    prefix: usize,
}

/// The statement behind a cursor. Unless its rows are small anyway, it raises an error instead of
/// a row that is too large: the size is asked of the row as it is stored, and exactly only where
/// that is not clearly small.
///
/// `OFFSET 0` keeps the statement as it is: without it, its expressions would be computed a
/// second time to be measured. `suite_row.*` is the row, whatever columns are called.
fn declaration(sql: &str, is_plain: bool) -> Declared {
    let sql = unterminated(sql);
    if is_plain {
        return Declared { text: format!("{DECLARE}{sql}"), prefix: DECLARE.len() };
    }
    let text = format!(
        "{DECLARE}{MEASURED}{sql}\n) AS suite_statement OFFSET 0) AS suite_row WHERE CASE \
         WHEN pg_catalog.pg_column_size(suite_row.*) <= {SMALL} THEN true \
         WHEN pg_catalog.octet_length((suite_row.*)::pg_catalog.text) <= {ROW} THEN true \
         ELSE ('{OVERSIZED} ' || pg_catalog.octet_length((suite_row.*)::pg_catalog.text))\
         ::pg_catalog.int4 = 0 END"
    );
    Declared { text, prefix: DECLARE.len() + MEASURED.len() }
}

/// The statement without the semicolon at its end.
pub(crate) fn unterminated(sql: &str) -> &str {
    sql.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace())
}

/// Opens the cursor and hands its rows to the sink.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    run: &Run<'_>,
    statement: &Statement<'_>,
    admitted: &Admitted,
    types: &Types,
    sink: &mut dyn Sink,
) -> Result<Outcome, Fault> {
    let Declared { text, prefix } = declaration(statement.sql, admitted.is_plain);
    // A statement that is repeated is parsed by the server once for each connection.
    let declared = bound(text, statement.params).persistent(admitted.is_repeated);
    let declared = connection.execute(declared).await;
    declared.map_err(|error| Fault::from(error).placed(statement, prefix))?;
    let mut pump = Pump { types, limit: run.cell, seen: 0, size: 0, leftover: 0 };
    let mut ask = FIRST.min(sink.appetite()).max(1);
    let mut skip = match run.skip {
        0 => String::new(),
        rows => format!("MOVE FORWARD {rows} IN suite_rows; "),
    };
    let leaves = if admitted.is_plain { Leaves::Transaction } else { Leaves::Anything };
    loop {
        // The last rows of a plain statement end its transaction in the same message.
        let is_last = admitted.is_plain && sink.horizon().is_some_and(|most| ask >= most);
        let end = if is_last { "; ROLLBACK" } else { "" };
        let leaves = if is_last { Leaves::Nothing } else { leaves };
        let answered = if skip.is_empty() { 1 } else { 2 };
        let text = format!("{skip}FETCH FORWARD {ask} FROM suite_rows{end}");
        skip.clear();
        let answers = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(text)));
        let batch = pump.drink(answers, answered, sink).await?;
        if pump.seen == 0 {
            if is_last {
                connection.execute(sqlx::raw_sql("BEGIN READ ONLY")).await?;
            }
            sink.columns(&describe(connection, statement, types).await?)?;
            return Ok(Outcome { has_more: false, is_drained: true, leaves: Leaves::Anything });
        }
        match batch {
            Batch::Refused { is_drained } => {
                return Ok(Outcome { has_more: true, is_drained, leaves });
            }
            Batch::Taken(count) if count < ask || is_last => {
                return Ok(Outcome { has_more: false, is_drained: true, leaves });
            }
            Batch::Taken(_) => ask = pump.next(sink.appetite()),
        }
    }
}

/// The rows of whatever text the caller wrote, without a cursor: what is left when the engine's
/// own switch is off, which it is in tests only.
pub(crate) async fn bare(
    connection: &mut PgConnection,
    run: &Run<'_>,
    sql: &str,
    types: &Types,
    sink: &mut dyn Sink,
) -> Result<Outcome, Fault> {
    if !run.params.is_empty() {
        return Err(ToolError::invalid("the simple protocol binds no parameters").into());
    }
    let mut pump = Pump { types, limit: run.cell, seen: 0, size: 0, leftover: 0 };
    let answers = connection.fetch_many(sqlx::raw_sql(AssertSqlSafe(sql.to_owned())));
    let batch = pump.drink(answers, usize::MAX, sink).await?;
    if pump.seen == 0 {
        sink.columns(&[])?;
    }
    let leaves = Leaves::Anything;
    match batch {
        Batch::Refused { is_drained } => Ok(Outcome { has_more: true, is_drained, leaves }),
        Batch::Taken(_) => Ok(Outcome { has_more: false, is_drained: true, leaves }),
    }
}

/// A statement with its values: all of them are bound as text, and what they are is written in
/// the statement.
pub(crate) fn bound(
    sql: String,
    params: &[Param],
) -> sqlx::query::Query<'static, Postgres, sqlx::postgres::PgArguments> {
    let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
    for param in params {
        query = query.bind(match param {
            Param::Null => None,
            Param::Bool(value) => Some(value.to_string()),
            Param::Integer(value) => Some(value.to_string()),
            Param::Number(text) | Param::Text(text) | Param::Date(text) | Param::Time(text) => {
                Some(text.clone())
            }
        });
    }
    query
}

/// The columns of a statement that has no rows: a row of NULLs has the same ones, and comes the
/// same way.
async fn describe(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
    types: &Types,
) -> Result<Vec<Column>, Fault> {
    let text = format!(
        "DECLARE suite_columns NO SCROLL CURSOR FOR SELECT suite_row.* FROM (SELECT 1) AS suite_one LEFT JOIN \
         (SELECT * FROM (\n{}\n) AS suite_statement LIMIT 0) AS suite_row ON true",
        unterminated(statement.sql)
    );
    connection.execute(bound(text, statement.params)).await?;
    let row = connection.fetch_one(sqlx::raw_sql("FETCH FROM suite_columns")).await?;
    Ok(types.columns(row.columns()))
}

/// Carries rows from the server into the sink.
struct Pump<'a> {
    types: &'a Types,
    limit: usize,
    /// Rows so far, and their bytes.
    seen: u64,
    size: u64,
    /// Bytes that came after the sink was full.
    leftover: usize,
}

enum Batch {
    /// The sink took all of them: so many.
    Taken(u64),
    /// The sink is full.
    Refused { is_drained: bool },
}

impl Pump<'_> {
    /// Takes the rows up to the end of so many commands; what else is answered is left for
    /// whoever asks next.
    async fn drink(
        &mut self,
        mut answers: impl Stream<
            Item = Result<Either<sqlx::postgres::PgQueryResult, PgRow>, sqlx::Error>,
        > + Unpin,
        mut commands: usize,
        sink: &mut dyn Sink,
    ) -> Result<Batch, Fault> {
        let mut count = 0;
        while let Some(answer) = answers.try_next().await? {
            match answer {
                Either::Right(row) if self.pour(&row, sink)? => count += 1,
                Either::Right(_) => return self.drain(answers).await,
                Either::Left(_) => commands -= 1,
            }
            if commands == 0 {
                break;
            }
        }
        Ok(Batch::Taken(count))
    }

    /// Hands on one row; whether it was taken.
    fn pour(&mut self, row: &PgRow, sink: &mut dyn Sink) -> Result<bool, ToolError> {
        if self.seen == 0 {
            sink.columns(&self.types.columns(row.columns()))?;
        }
        let (taken, size) = read(row, self.limit, |cells| sink.row(cells));
        self.seen += 1;
        self.size += size as u64;
        taken
    }

    /// Reads what was asked for and is not wanted any more.
    async fn drain(
        &mut self,
        mut answers: impl Stream<
            Item = Result<Either<sqlx::postgres::PgQueryResult, PgRow>, sqlx::Error>,
        > + Unpin,
    ) -> Result<Batch, Fault> {
        while let Some(answer) = answers.next().await {
            if let Either::Right(row) = answer? {
                self.leftover += read(&row, 0, |_| ()).1;
            }
            if self.leftover > LEFTOVER {
                return Ok(Batch::Refused { is_drained: false });
            }
        }
        Ok(Batch::Refused { is_drained: true })
    }

    /// How many rows to ask for next.
    fn next(&self, appetite: u64) -> u64 {
        let width = (self.size / self.seen.max(1)).max(1);
        (BATCH / width).clamp(1, MOST).min(appetite).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_at_the_end_is_left_out() {
        assert_eq!(unterminated("SELECT 1 ;\n; "), "SELECT 1");
        assert_eq!(unterminated("SELECT ';'"), "SELECT ';'");
    }
}

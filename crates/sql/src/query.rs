//! `sql_query`: the rows of one statement.

use std::fmt::Write as _;
use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Sql;
use crate::database::{Ask, Database};
use crate::param::{Param, Scalar, params};
use crate::saved::{FileFormat, Wanted};
use crate::writer::{Format, Writer, Written};

/// Runs one statement.
pub(crate) const CONTRACT: Contract = Contract {
    name: "sql_query",
    title: "Query a database",
    purpose: "Runs one read-only statement. CSV: nothing is NULL, \"\" is empty.",
    effect: Effect::Reads,
    approval: Approval::None,
    // What is scarce are connections, which are shared fairly; servers.toml may set a rate.
    limit: Limit::per_second(20_000),
    timeout: Duration::from_secs(90),
    size: Size::CAP,
    verified_by: None,
};

/// How many rows are shown unless asked otherwise.
const PAGE: u32 = 100;
/// What the fence and the trailer may take of the size, in bytes.
const FRAME: usize = 700;

pub(crate) struct Query;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    database: Option<String>,
    #[schemars(length(min = 1, max = 20_000))]
    statement: String,
    /// Values of `$1` or `?`.
    #[schemars(length(max = 50))]
    params: Option<Vec<Scalar>>,
    /// Rows; 100 if absent.
    #[schemars(range(min = 1, max = 10_000))]
    limit: Option<u32>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
    format: Option<Format>,
    /// All rows, for `sql_result`.
    save: Option<FileFormat>,
}

impl Tool for Query {
    type Server = Sql;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Sql, args: &Args) -> Target {
        server.databases.target(args.database.as_deref())
    }

    async fn call(server: &Sql, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let database = server.databases.named(ctx, args.database.as_deref())?;
        let params = params(args.params);
        if let Some(format) = args.save {
            if args.cursor.is_some() {
                return Err(ToolError::invalid(
                    "`save` keeps all rows; call again without `cursor`.",
                ));
            }
            let wanted = Wanted {
                statement: &args.statement,
                params: &params,
                rows: args.limit.map(u64::from),
                format,
            };
            return server.results.save(ctx, database, wanted).await;
        }
        let page = Page {
            statement: &args.statement,
            params: &params,
            skip: position(ctx, args.cursor.as_deref())?,
            limit: u64::from(args.limit.unwrap_or(PAGE)),
            format: args.format.unwrap_or_default(),
        };
        page.answer(ctx, database).await
    }
}

/// A part of the rows of a statement.
pub(crate) struct Page<'a> {
    pub(crate) statement: &'a str,
    pub(crate) params: &'a [Param],
    /// Rows before it.
    pub(crate) skip: u64,
    /// The most rows of it that are wanted.
    pub(crate) limit: u64,
    pub(crate) format: Format,
}

impl Page<'_> {
    /// Runs the statement and shows the page.
    pub(crate) async fn answer(&self, ctx: &Ctx, database: &Database) -> Result<Text, ToolError> {
        let Page { statement, params, skip, limit, format } = *self;
        let budget = ctx.size().bytes().saturating_sub(FRAME);
        let mut writer = Writer::new(format, budget, limit.min(database.limits.rows));
        let ask = Ask { statement, params, skip, cell: database.limits.cell };
        let has_more = database.run(ctx, ask, &mut writer).await?;
        let written = writer.finish();
        let trailer = self.trailer(ctx, database, &written, has_more);
        let source = format!("sql://{}", database.id);
        let rows = Part::Untrusted { source, text: written.text };
        Ok(Text { parts: vec![rows, Part::Text(trailer)], more: Some("ask for less with `limit`") })
    }

    /// `rows 1-100; more: cursor=…`, on one line.
    fn trailer(&self, ctx: &Ctx, database: &Database, written: &Written, has_more: bool) -> String {
        let to = self.skip + written.rows;
        let mut line = match written.rows {
            0 if self.skip == 0 => "0 rows".to_owned(),
            0 => format!("no rows after {}", self.skip),
            _ if has_more => format!("rows {}-{to}", self.skip + 1),
            _ => format!("rows {}-{to} of {to}", self.skip + 1),
        };
        if written.cut > 0 {
            let values = if written.cut == 1 { "value" } else { "values" };
            let _ = write!(line, "; {} {values} cut: see the rest with substr()", written.cut);
        }
        if has_more {
            if self.limit > database.limits.rows && written.rows == database.limits.rows {
                let _ = write!(line, "; {} rows are the most here", database.limits.rows);
            }
            let cursor = ctx.seal_cursor(&json!({ "from": to }));
            let _ = write!(line, "; more: cursor={cursor}");
            if self.skip == 0 && !is_ordered(self.statement) {
                line.push_str(" (it runs again: ORDER BY something unique)");
            }
        }
        line
    }
}

/// Whether the order of rows is likely the caller's own.
fn is_ordered(statement: &str) -> bool {
    let words: Vec<String> = statement.split_whitespace().map(str::to_lowercase).collect();
    words.windows(2).any(|pair| pair[0].ends_with("order") && pair[1] == "by")
}

/// How many rows come before the page of a cursor; none without one.
pub(crate) fn position(ctx: &Ctx, cursor: Option<&str>) -> Result<u64, ToolError> {
    let Some(cursor) = cursor else { return Ok(0) };
    let position = ctx.open_cursor(cursor)?;
    position
        .get("from")
        .and_then(Value::as_u64)
        .ok_or_else(|| ToolError::invalid("the cursor is of another tool; call again without it."))
}

#[cfg(test)]
mod tests;

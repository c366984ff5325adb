//! Names that were nearly right: what was meant.

use contract::ToolError;
use sqlx::AssertSqlSafe;

use super::lexer::quote;
use super::pool::Connection;
use super::relations::{Whole, mask_of};
use super::text_of;
use crate::engine::Rules;
use crate::settings::Mask;

/// Adds to an error about an unknown name the nearest that there is.
pub(super) async fn improve(
    connection: &mut Connection,
    mut error: ToolError,
    tables: &[Whole],
    rules: &Rules,
) -> ToolError {
    let quoted = |message: &str| Some(message.split('\'').nth(1)?.rsplit('.').next()?.to_owned());
    let Some(wrong) = quoted(&error.message) else { return error };
    let known = if error.message.contains("(1054)") {
        columns(connection, tables, rules).await
    } else if error.message.contains("(1146)") {
        names(connection, tables, rules).await
    } else {
        return error;
    };
    match nearest(&wrong, &known) {
        Some(right) => error.message.push_str(&format!("; did you mean {right}?")),
        None => error.message.push_str("; sql_schema lists tables and columns"),
    }
    error
}

/// The columns of the tables that a statement names, as far as they may be seen.
async fn columns(connection: &mut Connection, tables: &[Whole], rules: &Rules) -> Vec<String> {
    let mut known = Vec::new();
    for (schema, table) in tables {
        let sql = format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            quote(schema),
            quote(table)
        );
        let masks = rules.masks(schema, table);
        let mut found = ask(connection, sql).await;
        found.retain(|column| mask_of(&masks, column) != Some(Mask::Drop));
        known.append(&mut found);
    }
    known
}

/// The tables beside those that a statement names, as far as they may be seen.
async fn names(connection: &mut Connection, tables: &[Whole], rules: &Rules) -> Vec<String> {
    let mut known = Vec::new();
    for (schema, _) in tables {
        let sql = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}",
            quote(schema)
        );
        let mut found = ask(connection, sql).await;
        found.retain(|table| rules.permit(schema, table, false));
        known.append(&mut found);
    }
    known
}

/// The answers as text; none where the question fails, since it is only about advice.
async fn ask(connection: &mut Connection, sql: String) -> Vec<String> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection.link).await;
    rows.unwrap_or_default().iter().map(|row| text_of(row, 0)).collect()
}

fn nearest<'a>(wrong: &str, known: &'a [String]) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let distance = |name: &String| strsim::damerau_levenshtein(&wrong, &name.to_lowercase());
    let best = known.iter().min_by_key(|name| distance(name))?;
    (distance(best) <= (wrong.chars().count() / 3).max(1)).then_some(best)
}

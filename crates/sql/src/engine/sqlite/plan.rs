//! EXPLAIN QUERY PLAN as a tree, and the two sentences that matter about it.

use std::time::Instant;

use contract::ToolError;

use super::catalogue;
use super::connection::Connection;
use super::failure;
use super::fetch::{self, Query};
use super::lexer::{self, Kind, Token};
use super::raw::Statement;
use crate::engine::Plan;

/// From how many rows on reading all of a table is worth a remark.
const MANY_ROWS: u64 = 10_000;

/// The plan of a statement; with `is_run` the time it takes, too.
pub(super) fn explain(
    connection: &Connection,
    query: &Query,
    is_run: bool,
) -> Result<Plan, ToolError> {
    let admitted = fetch::admit(connection, query)?;
    let text = admitted.text.get(admitted.body..).unwrap_or_default();
    let fail = |failure| failure::error(&connection.handle, &failure, text);
    let mut steps = Vec::new();
    {
        let explaining = format!("EXPLAIN QUERY PLAN {text}");
        let mut statement = fetch::prepare(connection, &explaining, query)?;
        while statement.step().map_err(fail)? {
            steps.push(Step::of(&statement, &connection.handle.relations().own));
        }
    }
    let mut plan = Plan { text: tree(&steps), ..Plan::default() };
    plan.remarks = remarks(connection, text, &steps);
    if is_run {
        let mut statement = fetch::prepare(connection, text, query)?;
        let began = Instant::now();
        let mut rows = 0_u32;
        while statement.step().map_err(fail)? {
            rows = rows.saturating_add(1);
        }
        plan.ran = Some(began.elapsed().as_secs_f64() * 1000.0);
        plan.rows = Some(f64::from(rows));
    }
    Ok(plan)
}

/// One line of the plan.
struct Step {
    id: i64,
    parent: i64,
    detail: String,
}

impl Step {
    fn of(statement: &Statement<'_>, own: &str) -> Self {
        let detail = statement.text(3);
        let detail = if own.is_empty() { detail } else { detail.replace(own, "") };
        Self { id: statement.integer(0), parent: statement.integer(1), detail }
    }
}

/// The steps as lines, each indented below the step that it is a part of.
fn tree(steps: &[Step]) -> String {
    let mut depths: Vec<(i64, usize)> = Vec::new();
    let mut text = String::new();
    for step in steps {
        let above = depths.iter().rev().find(|(id, _)| *id == step.parent);
        let depth = above.map_or(0, |(_, depth)| depth + 1);
        depths.push((step.id, depth));
        text.push_str(&"  ".repeat(depth));
        text.push_str(&step.detail);
        text.push('\n');
    }
    text
}

/// At most two sentences, the most important first.
fn remarks(connection: &Connection, text: &str, steps: &[Step]) -> Vec<String> {
    let tokens = lexer::tokens(text);
    let mut scans: Vec<(u64, String)> =
        steps.iter().filter_map(|step| scan(connection, &tokens, &step.detail)).collect();
    scans.sort_by_key(|(rows, _)| std::cmp::Reverse(*rows));
    let automatic = steps.iter().find_map(|step| automatic(&step.detail));
    let sorted = steps.iter().find_map(|step| sorted(&step.detail));
    let scan = scans.into_iter().next().map(|(_, remark)| remark);
    [scan, automatic, sorted].into_iter().flatten().take(2).collect()
}

/// A large table that is read as a whole.
fn scan(connection: &Connection, tokens: &[Token<'_>], detail: &str) -> Option<(u64, String)> {
    let rest = detail.strip_prefix("SCAN ")?;
    let shown = rest.split(" USING ").next().unwrap_or(rest).trim();
    let table = relation(connection, tokens, shown)?;
    let rows = catalogue::estimate(&connection.handle, &table).filter(|rows| *rows >= MANY_ROWS)?;
    Some((
        rows,
        format!(
            "Every row of `{table}` is read (about {rows}): a condition on an indexed column would read fewer."
        ),
    ))
}

/// The table behind what the plan shows, which is its alias where there is one.
fn relation(connection: &Connection, tokens: &[Token<'_>], shown: &str) -> Option<String> {
    let lower = shown.to_ascii_lowercase();
    let before = |index: usize| index.checked_sub(1).and_then(|index| tokens.get(index));
    let aliased = tokens.iter().enumerate().find_map(|(index, token)| {
        let is_alias = matches!(token.kind, Kind::Word | Kind::Quoted) && token.name()? == lower;
        let name = before(index)
            .filter(|name| !name.is("as"))
            .or_else(|| before(index.checked_sub(1)?))?;
        let is_named = is_alias && matches!(name.kind, Kind::Word | Kind::Quoted);
        let name = name.name().filter(|_| is_named)?;
        catalogue::is_table(&connection.handle, &name).then_some(name)
    });
    aliased.or_else(|| catalogue::is_table(&connection.handle, &lower).then_some(lower))
}

fn automatic(detail: &str) -> Option<String> {
    let (table, index) = detail.split_once(" USING AUTOMATIC ")?;
    let table = table.strip_prefix("SEARCH ").unwrap_or(table);
    let columns = index.split_once('(').map_or("", |(_, columns)| columns.trim_end_matches(')'));
    let columns = columns.replace("=?", "").replace(" AND ", ", ");
    Some(format!(
        "SQLite builds an index on `{table}` ({columns}) for this statement alone: a lasting one would save that."
    ))
}

fn sorted(detail: &str) -> Option<String> {
    let purpose = detail.strip_prefix("USE TEMP B-TREE FOR ")?;
    Some(format!(
        "Rows are sorted in memory for {purpose}: an index in that order would save that."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_indented_below_what_they_are_a_part_of() {
        let step = |id, parent, detail: &str| Step { id, parent, detail: detail.to_owned() };
        let steps = [step(2, 0, "COMPOUND QUERY"), step(3, 2, "LEFT"), step(5, 3, "SCAN t")];
        assert_eq!(tree(&steps), "COMPOUND QUERY\n  LEFT\n    SCAN t\n");
    }

    #[test]
    fn an_automatic_index_is_named_by_table_and_columns() {
        let remark = automatic("SEARCH b USING AUTOMATIC COVERING INDEX (x=? AND y=?)");
        assert!(remark.is_some_and(|remark| remark.contains("`b` (x, y)")));
    }
}

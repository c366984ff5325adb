//! What matters about a plan: at most two sentences, the most important first.

use sqlx::postgres::PgConnection;

use super::{Node, short};
use crate::engine::postgres::cells::text;
use crate::engine::postgres::errors::Fault;

/// The most remarks.
const MOST: usize = 2;
/// Fewer rows than this are read in no time, whatever the plan.
const MANY: f64 = 10_000.0;
/// How far an expectation may be off.
const OFF: f64 = 10.0;

/// The remarks on a plan.
pub(super) async fn remarks(
    connection: &mut PgConnection,
    plan: &Node,
) -> Result<Vec<String>, Fault> {
    let mut nodes = Vec::new();
    gather(plan, &mut nodes);
    let mut remarks: Vec<String> = Vec::new();
    remarks.extend(nodes.iter().find_map(|node| product(node)));
    remarks.extend(nodes.iter().find_map(|node| loops(node)));
    if remarks.len() < MOST {
        remarks.extend(scan(connection, &nodes).await?);
    }
    remarks.extend(nodes.iter().find_map(|node| surprise(node)));
    remarks.extend(nodes.iter().find_map(|node| spill(node)));
    remarks.truncate(MOST);
    Ok(remarks)
}

fn gather<'a>(node: &'a Node, nodes: &mut Vec<&'a Node>) {
    nodes.push(node);
    for below in &node.plans {
        gather(below, nodes);
    }
}

/// Two inputs that nothing joins.
fn product(node: &Node) -> Option<String> {
    let (outer, inner) = joined(node)?;
    let is_joined =
        node.join_filter.is_some() || any(inner, &|node| node.index_condition.is_some());
    let is_plain = node.join.as_deref() == Some("Inner");
    if !is_plain || is_joined || outer.rows <= 1.0 || inner.rows <= 1.0 || node.rows < MANY {
        return None;
    }
    Some(format!(
        "Nothing joins {} with {}: every row of one meets every row of the other ({} rows); add \
         the condition that joins them.",
        name(outer)?,
        name(inner)?,
        short(node.rows)
    ))
}

/// Rows that are each compared with all rows of another table.
fn loops(node: &Node) -> Option<String> {
    let (outer, inner) = joined(node)?;
    let is_whole = ["Seq Scan", "Materialize"].contains(&inner.kind.as_str());
    if !is_whole || node.join_filter.is_none() || outer.rows * inner.rows < 100.0 * MANY {
        return None;
    }
    Some(format!(
        "Each of {} rows of {} is compared with each of {} rows of {}; a join by equality, or an \
         index on what joins them, would avoid that.",
        short(outer.rows),
        name(outer)?,
        short(inner.rows),
        name(inner)?
    ))
}

fn joined(node: &Node) -> Option<(&Node, &Node)> {
    match node.plans.as_slice() {
        [outer, inner] if node.kind == "Nested Loop" => Some((outer, inner)),
        _ => None,
    }
}

/// What a side of a join is called: the first table that it reads.
fn name(node: &Node) -> Option<String> {
    node.place().or_else(|| node.plans.iter().find_map(name))
}

fn any(node: &Node, test: &dyn Fn(&Node) -> bool) -> bool {
    test(node) || node.plans.iter().any(|below| any(below, test))
}

/// Many rows read so that few are kept.
async fn scan(connection: &mut PgConnection, nodes: &[&Node]) -> Result<Option<String>, Fault> {
    let scans = nodes.iter().filter(|node| node.kind == "Seq Scan" && node.filter.is_some());
    let Some(node) = scans.max_by(|a, b| a.cost.total_cmp(&b.cost)) else { return Ok(None) };
    let (Some(schema), Some(relation)) = (&node.schema, &node.relation) else { return Ok(None) };
    let query = sqlx::query(
        "SELECT GREATEST(c.reltuples, 0)::float8::text, a.attname::text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid \
         WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped",
    );
    let rows = query.bind(schema.clone()).bind(relation.clone()).fetch_all(connection).await?;
    let field = |row, at| text(row, at).unwrap_or_default().into_owned();
    let expected = rows.first().and_then(|row| field(row, 0).parse::<f64>().ok()).unwrap_or(0.0);
    let all = expected.max(node.removed.unwrap_or(0.0) * node.loops.unwrap_or(1.0));
    let kept = node.actual_rows.unwrap_or(node.rows);
    if all < MANY || kept * OFF > all {
        return Ok(None);
    }
    let filter = node.filter.as_deref().unwrap_or_default();
    let columns: Vec<String> = rows.iter().map(|row| field(row, 1)).collect();
    let used: Vec<&str> =
        columns.iter().map(String::as_str).filter(|name| mentions(filter, name)).take(2).collect();
    let table = node.table().unwrap_or_default();
    let remedy = match used.as_slice() {
        [] => String::new(),
        used => format!("; an index on {table} ({}) would help", used.join(", ")),
    };
    Ok(Some(format!(
        "All {} rows of {table} are read to keep {}{remedy}.",
        short(all),
        short(kept)
    )))
}

/// Whether an expression names a column.
fn mentions(expression: &str, column: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '\'';
    expression.match_indices(column).any(|(at, _)| {
        let before = expression.get(..at).and_then(|text| text.chars().next_back());
        let after = expression.get(at + column.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Rows that the planner did not see coming.
fn surprise(node: &Node) -> Option<String> {
    let came = node.actual_rows?;
    if node.loops? == 0.0 || (came - node.rows).abs() < MANY / OFF {
        return None;
    }
    let is_off = came > node.rows.max(1.0) * OFF || node.rows > came.max(1.0) * OFF;
    let at = name(node)?;
    is_off.then(|| {
        format!(
            "{} rows were expected of {} on {at}, {} came: the plan may be a wrong one; ANALYZE \
             by an administrator renews the statistics.",
            short(node.rows),
            node.kind,
            short(came)
        )
    })
}

/// A sort or a hash that went to the disk.
fn spill(node: &Node) -> Option<String> {
    let is_sort = node.sort_space.as_deref() == Some("Disk");
    if !is_sort && node.hash_batches.is_none_or(|batches| batches <= 1.0) {
        return None;
    }
    let size = node
        .sort_kilobytes
        .map_or(String::new(), |kilobytes| format!(" ({:.0} MB)", kilobytes / 1024.0));
    Some(format!(
        "The {} does not fit into work_mem and goes to the disk{size}: select fewer rows or \
         narrower columns.",
        node.kind.to_lowercase()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_named_as_a_word() {
        assert!(mentions("(t.id = 5)", "id"));
        assert!(mentions("(id = 5)", "id"));
        assert!(!mentions("(paid = 5)", "id"));
        assert!(!mentions("(name = 'id')", "id"));
    }
}

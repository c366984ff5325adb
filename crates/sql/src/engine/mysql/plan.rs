//! The plan of a statement, from the server's JSON.

use std::fmt::Write as _;
use std::time::Instant;

use contract::ToolError;
use serde_json::{Map, Value};

use super::answer::Ready;
use super::pool::{Connection, is_mariadb};
use super::statement::Explain;
use super::{failure, text_of};
use crate::engine::Plan;

/// From how many rows on a scan of all of a table is worth a remark.
const MANY: f64 = 10_000.0;
/// From how many rows on an intermediate result is worth a remark.
const EXPLOSION: f64 = 10_000_000.0;

/// The text that asks for a plan as the caller wants it.
pub(super) fn asking(query: &str, explain: Explain, is_mariadb: bool) -> String {
    let format = if explain.is_json { "FORMAT=JSON " } else { "" };
    match (explain.is_analyze, is_mariadb) {
        (true, true) => format!("ANALYZE {format}{query}"),
        (true, false) => format!("EXPLAIN ANALYZE {query}"),
        (false, _) => format!("EXPLAIN {format}{query}"),
    }
}

/// Asks for the plan; with `analyze` the statement is run.
pub(super) async fn ask(
    connection: &mut Connection,
    ready: &Ready<'_>,
    analyze: bool,
) -> Result<Plan, ToolError> {
    let is_mariadb = is_mariadb(connection);
    // MySQL measures in its tree format only, and its JSON has no measurements.
    let is_json = is_mariadb || !analyze;
    let text = asking(&ready.text, Explain { is_analyze: analyze, is_json }, is_mariadb);
    let began = Instant::now();
    let rows = ready.query(text)?.fetch_all(&mut connection.link).await;
    let rows = rows.map_err(|error| failure::of(&error))?;
    let took = began.elapsed().as_secs_f64() * 1_000.0;
    let text = rows.first().map(|row| text_of(row, 0)).unwrap_or_default();
    let mut plan = match serde_json::from_str::<Value>(&text) {
        Ok(json) => read(&json),
        Err(_) => Plan { text, ..Plan::default() },
    };
    if is_mariadb && plan.cost.is_none() {
        plan.cost = last_cost(connection).await?.or(plan.rows);
    }
    plan.ran = analyze.then_some(took);
    Ok(plan)
}

/// What the optimizer of an older MariaDB says of its last plan; nothing for a plan of parts.
async fn last_cost(connection: &mut Connection) -> Result<Option<f64>, ToolError> {
    let rows = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Last_query_cost'")
        .fetch_all(&mut connection.link)
        .await
        .map_err(|error| failure::of(&error))?;
    let cost = rows.first().and_then(|row| text_of(row, 1).parse::<f64>().ok());
    Ok(cost.filter(|cost| *cost > 0.0))
}

/// What is found on the way through a plan.
#[derive(Default)]
struct Reading {
    text: String,
    cost: f64,
    /// The rows of the whole, as the product within a block and the sum of blocks.
    rows: f64,
    remarks: Vec<(u8, String)>,
}

fn read(json: &Value) -> Plan {
    let mut reading = Reading::default();
    if let Some(block) = json.get("query_block").and_then(Value::as_object) {
        reading.block(block, 0);
    }
    reading.remarks.sort_by_key(|(weight, _)| *weight);
    let remarks = reading.remarks.into_iter().map(|(_, remark)| remark).take(2).collect();
    Plan {
        cost: (reading.cost > 0.0).then_some(reading.cost),
        rows: (reading.rows > 0.0).then_some(reading.rows),
        text: reading.text.trim_end().to_owned(),
        remarks,
        ran: None,
    }
}

impl Reading {
    /// One SELECT: its tables in the order of the join.
    fn block(&mut self, block: &Map<String, Value>, depth: usize) {
        self.cost += number(block, "cost").unwrap_or_default();
        let cost = block.get("cost_info").and_then(Value::as_object);
        self.cost += cost.and_then(|cost| number(cost, "query_cost")).unwrap_or_default();
        let mut rows = 1.0;
        self.parts(block, depth, &mut rows);
        if rows > EXPLOSION {
            let remark = format!(
                "The tables are joined to about {rows:.0} rows: a condition that joins them by \
                 an indexed column is missing.",
            );
            self.remarks.push((0, remark));
        }
        self.rows += rows;
    }

    fn parts(&mut self, part: &Map<String, Value>, depth: usize, rows: &mut f64) {
        for (key, value) in part {
            match value {
                Value::Object(inside) if key == "table" => self.table(inside, depth, rows),
                Value::Object(inside) if key == "query_block" => {
                    self.line(depth, "subquery");
                    self.block(inside, depth + 1);
                }
                Value::Object(inside) => {
                    let is_step = matches!(
                        key.as_str(),
                        "filesort"
                            | "temporary_table"
                            | "block-nl-join"
                            | "union_result"
                            | "materialized"
                            | "expression_cache"
                            | "window_functions_computation"
                            | "recursive_union"
                            | "grouping_operation"
                            | "ordering_operation"
                            | "duplicates_removal"
                            | "read_sorted_file"
                    );
                    if is_step {
                        self.line(depth, &key.replace(['_', '-'], " "));
                        if key == "filesort"
                            && number(inside, "r_sort_passes").is_some_and(|n| n > 0.0)
                        {
                            let remark = "The sort did not fit in memory and used the disk: sort \
                                          fewer rows or columns.";
                            self.remarks.push((2, remark.to_owned()));
                        }
                    }
                    self.parts(inside, depth + usize::from(is_step), rows);
                }
                Value::Array(list) => {
                    for inside in list.iter().filter_map(Value::as_object) {
                        self.parts(inside, depth, rows);
                    }
                }
                _ => {}
            }
        }
    }

    fn table(&mut self, table: &Map<String, Value>, depth: usize, rows: &mut f64) {
        let text = |key| table.get(key).and_then(Value::as_str).unwrap_or_default();
        let name = text("table_name");
        let read = number(table, "rows").or(number(table, "rows_examined_per_scan"));
        let filtered = number(table, "filtered").unwrap_or(100.0);
        let access = text("access_type");
        let mut line = match access {
            "ALL" => format!("{name}: all rows"),
            "" => name.to_owned(),
            other => format!("{name}: {other}"),
        };
        if !text("key").is_empty() {
            let _ = write!(line, " by {}", text("key"));
        }
        if let Some(read) = read {
            let _ = write!(line, ", {read:.0} rows");
            *rows *= (read * filtered / 100.0).max(1.0);
        }
        if let Some(real) = number(table, "r_rows") {
            let _ = write!(line, " (in fact {real:.0})");
            self.misjudged(name, read.unwrap_or_default(), real);
        }
        if let Some(condition) = table.get("attached_condition").and_then(Value::as_str) {
            let _ = write!(line, ", where {condition}");
        }
        self.line(depth, &line);
        if access == "ALL" && read.is_some_and(|read| read >= MANY) && !name.starts_with('<') {
            self.scanned(name, read.unwrap_or_default(), table.contains_key("attached_condition"));
        }
        // Subqueries that are made into tables.
        self.parts(table, depth + 1, &mut 1.0);
    }

    fn scanned(&mut self, name: &str, rows: f64, is_filtered: bool) {
        let advice = if is_filtered {
            "an index on the columns of its condition would help"
        } else {
            "nothing filters it"
        };
        self.remarks.push((1, format!("All {rows:.0} rows of {name} are read: {advice}.")));
    }

    fn misjudged(&mut self, name: &str, expected: f64, real: f64) {
        let (low, high) = (expected.min(real).max(1.0), expected.max(real));
        if high >= 1_000.0 && high / low >= 100.0 {
            let remark = format!(
                "The planner expected {expected:.0} rows of {name} and met {real:.0}: ANALYZE \
                 TABLE by the database's administrator would correct its statistics.",
            );
            self.remarks.push((2, remark));
        }
    }

    fn line(&mut self, depth: usize, text: &str) {
        let _ = writeln!(self.text, "{:width$}{text}", "", width = 2 * depth);
    }
}

/// A number, which MySQL writes as text here and there.
fn number(of: &Map<String, Value>, key: &str) -> Option<f64> {
    let value = of.get(key)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_of_a_large_table_is_remarked() {
        let json = serde_json::json!({"query_block": {"select_id": 1, "cost": 12.5, "nested_loop": [
            {"table": {"table_name": "orders", "access_type": "ALL", "rows": 200_000,
                       "filtered": 10.0, "attached_condition": "orders.note = 'x'"}},
            {"table": {"table_name": "customers", "access_type": "eq_ref", "key": "PRIMARY",
                       "rows": 1, "filtered": 100.0}},
        ]}});
        let plan = read(&json);
        assert_eq!(plan.cost, Some(12.5));
        assert_eq!(plan.rows, Some(20_000.0));
        assert_eq!(
            plan.text,
            "orders: all rows, 200000 rows, where orders.note = 'x'\ncustomers: eq_ref by \
             PRIMARY, 1 rows"
        );
        assert_eq!(
            plan.remarks,
            [
                "All 200000 rows of orders are read: an index on the columns of its condition would help."
            ]
        );
    }
}

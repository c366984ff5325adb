//! Plans: as the server's own lines, as its cost, and as short lines with the remarks that matter.

mod remarks;

use contract::ToolError;
use contract::error::Kind as ErrorKind;
use serde::Deserialize;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Row as _, ValueRef as _};

use super::cells::Shown;
use super::cursor;
use super::errors::{Fault, Statement};
use crate::engine::{Cell, Column, Kind, Plan, Run, Sink};

/// A node of a plan, of which what is shown or remarked upon.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    #[serde(rename = "Node Type")]
    kind: String,
    #[serde(rename = "Join Type")]
    join: Option<String>,
    #[serde(rename = "Parent Relationship")]
    parent: Option<String>,
    #[serde(rename = "Subplan Name")]
    subplan: Option<String>,
    schema: Option<String>,
    #[serde(rename = "Relation Name")]
    relation: Option<String>,
    alias: Option<String>,
    #[serde(rename = "Index Name")]
    index: Option<String>,
    #[serde(rename = "CTE Name")]
    cte: Option<String>,
    #[serde(rename = "Function Name")]
    function: Option<String>,
    #[serde(rename = "Index Cond")]
    index_condition: Option<String>,
    #[serde(rename = "Hash Cond")]
    hash_condition: Option<String>,
    #[serde(rename = "Merge Cond")]
    merge_condition: Option<String>,
    #[serde(rename = "Join Filter")]
    join_filter: Option<String>,
    filter: Option<String>,
    #[serde(rename = "Total Cost")]
    cost: f64,
    #[serde(rename = "Plan Rows")]
    rows: f64,
    #[serde(rename = "Actual Rows")]
    actual_rows: Option<f64>,
    #[serde(rename = "Actual Loops")]
    loops: Option<f64>,
    #[serde(rename = "Actual Total Time")]
    time: Option<f64>,
    #[serde(rename = "Rows Removed by Filter")]
    removed: Option<f64>,
    #[serde(rename = "Sort Key")]
    sort_key: Vec<String>,
    #[serde(rename = "Sort Space Type")]
    sort_space: Option<String>,
    #[serde(rename = "Sort Space Used")]
    sort_kilobytes: Option<f64>,
    #[serde(rename = "Hash Batches")]
    hash_batches: Option<f64>,
    plans: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Explained {
    #[serde(rename = "Plan")]
    plan: Node,
    #[serde(rename = "Execution Time")]
    ran: Option<f64>,
}

/// The plan of an admitted statement; with `analyze` it is run.
pub(super) async fn plan(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
    analyze: bool,
) -> Result<Plan, Fault> {
    let Explained { plan, ran } = ask(connection, statement, analyze).await?;
    let remarks = remarks::remarks(connection, &plan).await?;
    let mut text = String::new();
    draw(&plan, 0, &mut text);
    Ok(Plan { cost: Some(plan.cost), rows: Some(plan.rows), text, remarks, ran })
}

/// Refuses a statement of which the planner expects a higher cost than the rule allows.
pub(super) async fn bound(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
    most: f64,
) -> Result<(), Fault> {
    let cost = ask(connection, statement, false).await?.plan.cost;
    if cost <= most {
        return Ok(());
    }
    let text = format!(
        "the planner expects a cost of {cost:.0}, and at most {most:.0} is allowed here: narrow \
         it by WHERE on indexed columns or with fewer joins; sql_explain shows where the cost is"
    );
    Err(ToolError::new(ErrorKind::TooLarge, text).into())
}

/// The lines of the server's own EXPLAIN, as rows.
pub(super) async fn lines(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
    run: &Run<'_>,
    analyze: bool,
    sink: &mut dyn Sink,
) -> Result<(), Fault> {
    let prefix = if analyze { "EXPLAIN (ANALYZE) " } else { "EXPLAIN " };
    let text = format!("{prefix}{}", cursor::unterminated(statement.sql));
    let rows = cursor::bound(text, statement.params).fetch_all(connection).await;
    let rows = rows.map_err(|error| Fault::from(error).placed(statement, prefix.len()))?;
    let column =
        Column { name: "QUERY PLAN".to_owned(), type_name: "text".to_owned(), kind: Kind::Text };
    sink.columns(&[column])?;
    for row in &rows {
        let Shown { text, cut } = Shown::of(bytes(row)?, run.cell);
        if !sink.row(&[Cell::Text { text: &text, cut }])? {
            break;
        }
    }
    Ok(())
}

async fn ask(
    connection: &mut PgConnection,
    statement: &Statement<'_>,
    analyze: bool,
) -> Result<Explained, Fault> {
    let prefix = if analyze {
        "EXPLAIN (FORMAT JSON, VERBOSE, ANALYZE) "
    } else {
        "EXPLAIN (FORMAT JSON, VERBOSE) "
    };
    let text = format!("{prefix}{}", cursor::unterminated(statement.sql));
    let row = cursor::bound(text, statement.params).fetch_one(connection).await;
    let row = row.map_err(|error| Fault::from(error).placed(statement, prefix.len()))?;
    let explained: Result<[Explained; 1], _> = serde_json::from_slice(bytes(&row)?);
    match explained {
        Ok([explained]) => Ok(explained),
        Err(error) => Err(ToolError::new(
            ErrorKind::TooLarge,
            "the plan is nested too deeply to be shown: explain a part of the statement",
        )
        .with_log(error)
        .into()),
    }
}

fn bytes(row: &PgRow) -> Result<&[u8], sqlx::Error> {
    let value = row.try_get_raw(0)?;
    if value.is_null() { Ok(b"") } else { value.as_bytes().map_err(sqlx::Error::Decode) }
}

/// One line per node, and one per condition below it.
fn draw(node: &Node, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}{}{}\n", node.title(), node.figures()));
    let conditions = [
        ("index", &node.index_condition),
        ("on", &node.hash_condition),
        ("on", &node.merge_condition),
        ("on", &node.join_filter),
        ("filter", &node.filter),
    ];
    for (label, condition) in conditions {
        if let Some(condition) = condition {
            text.push_str(&format!("{indent}  {label}: {}\n", shorten(condition)));
        }
    }
    if !node.sort_key.is_empty() {
        text.push_str(&format!("{indent}  by: {}\n", shorten(&node.sort_key.join(", "))));
    }
    for below in &node.plans {
        draw(below, depth + 1, text);
    }
}

impl Node {
    fn title(&self) -> String {
        let mut text = match &self.join {
            Some(join) if join != "Inner" => format!("{} ({join})", self.kind),
            _ => self.kind.clone(),
        };
        if let Some(index) = &self.index {
            text.push_str(&format!(" using {index}"));
        }
        if let Some(name) = self.place() {
            text.push_str(&format!(" on {name}"));
        }
        if let Some(name) = &self.subplan {
            text = format!("{name}: {text}");
        }
        text
    }

    /// What it reads, with its alias where that is another name.
    fn place(&self) -> Option<String> {
        let name = self.table().or_else(|| self.cte.clone()).or_else(|| self.function.clone())?;
        let alias = self.alias.as_ref().filter(|alias| !name.ends_with(alias.as_str()));
        Some(alias.map_or(name.clone(), |alias| format!("{name} {alias}")))
    }

    /// The table it reads.
    fn table(&self) -> Option<String> {
        let relation = self.relation.as_ref()?;
        match self.schema.as_deref() {
            None | Some("public") => Some(relation.clone()),
            Some(schema) => Some(format!("{schema}.{relation}")),
        }
    }

    fn figures(&self) -> String {
        let mut text = format!("  (cost {}, rows {}", short(self.cost), short(self.rows));
        if let (Some(rows), Some(loops)) = (self.actual_rows, self.loops) {
            if loops == 0.0 {
                return text + "; never run)";
            }
            text.push_str(&format!("; came {}", short(rows * loops)));
            if loops > 1.0 {
                text.push_str(&format!(" in {} loops", short(loops)));
            }
            if let Some(time) = self.time {
                text.push_str(&format!(", {:.1} ms", time * loops));
            }
        }
        text + ")"
    }
}

/// Whole numbers, and two digits where they are small.
fn short(number: f64) -> String {
    if number.fract() == 0.0 || number >= 100.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.2}")
    }
}

/// Conditions of hundreds of values say no more than their beginning.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

//! `sql_explain`: how the database would run a statement, and what matters about it.
//!
//! The engine judges the statement before it plans it, just as before running it: what may not be
//! run is not analysed either.

use std::fmt::Write as _;
use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Sql;
use crate::database::Ask;
use crate::engine::Plan;
use crate::overview::short;
use crate::param::{Scalar, params};

/// Explains statements.
pub(crate) const CONTRACT: Contract = Contract {
    name: "sql_explain",
    title: "Explain SQL",
    purpose: "A statement's plan, cost, and what makes it slow.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(120),
    timeout: Duration::from_mins(1),
    size: Size::tokens(4_000),
    verified_by: None,
};

/// What the fence and our own words may take of the size, in bytes.
const FRAME: usize = 1_200;

pub(crate) struct Explain;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    database: Option<String>,
    #[schemars(length(max = 20_000))]
    statement: String,
    #[schemars(length(max = 50))]
    params: Option<Vec<Scalar>>,
    /// Run it.
    analyze: Option<bool>,
}

impl Tool for Explain {
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
        let ask = Ask { statement: &args.statement, params: &params, skip: 0, cell: 0 };
        let analyze = args.analyze.unwrap_or_default();
        let plan = database.explain(ctx, ask, analyze).await?;
        let room = ctx.size().bytes().saturating_sub(FRAME);
        Ok(shown(&plan, &format!("sql://{}", database.id), room))
    }
}

/// The figures and remarks in our words, then the plan in the database's.
fn shown(plan: &Plan, source: &str, room: usize) -> Text {
    let mut figures = Vec::new();
    figures.extend(plan.cost.map(|cost| format!("cost {}", number(cost))));
    figures.extend(plan.rows.map(|rows| format!("{} rows expected", number(rows))));
    figures.extend(plan.ran.map(|ran| format!("ran {ran:.1} ms")));
    let mut parts = Vec::new();
    if !figures.is_empty() {
        parts.push(Part::Text(figures.join(", ")));
    }
    let (text, left_out) = head(&plan.text, room);
    let remarks: Vec<&str> = plan.remarks.iter().take(2).map(String::as_str).collect();
    // A remark names tables, columns and conditions as the database writes them.
    let foreign =
        if remarks.is_empty() { text } else { format!("{}\n\n{text}", remarks.join("\n")) };
    parts.push(Part::Untrusted { source: source.to_owned(), text: foreign });
    let mut end = String::new();
    if remarks.is_empty() {
        end.push_str("nothing about the plan stands out");
    }
    if left_out > 0 {
        let comma = if end.is_empty() { "" } else { "; " };
        let _ = write!(end, "{comma}{left_out} more lines of the plan are left out");
    }
    if !end.is_empty() {
        parts.push(Part::Text(end));
    }
    Text { parts, more: Some("explain a part of the statement") }
}

/// The first lines that fit, and how many do not.
fn head(text: &str, room: usize) -> (String, usize) {
    let mut kept = String::new();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 && kept.len() + line.len() + 1 > room {
            return (kept, lines.len() - index);
        }
        if index > 0 {
            kept.push('\n');
        }
        kept.push_str(line);
    }
    (kept, 0)
}

/// A planner's estimate: large ones in short.
fn number(value: f64) -> String {
    if value < 10_000.0 {
        return format!("{value:.1}").trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; what is beyond the range is shown as the greatest number"
    )]
    let whole = value as u64;
    short(whole)
}

#[cfg(test)]
mod tests {
    use contract::Output as _;
    use serde_json::json;

    use super::*;
    use crate::testing::{Fake, call, server, shown as visible};

    fn plan() -> Plan {
        Plan {
            cost: Some(1234.5),
            rows: Some(2_000_000.0),
            text: "Seq Scan on events\n  Filter: (kind = 'x')\n".to_owned(),
            remarks: vec!["It reads all of events.".to_owned()],
            ran: None,
        }
    }

    fn check(plan: &Plan, room: usize, expected: &str) {
        assert_eq!(visible(super::shown(plan, "sql://shop", room).render()), expected);
    }

    #[test]
    fn figures_remarks_and_the_plan_are_shown() {
        check(
            &plan(),
            1_000,
            "cost 1234.5, 2M rows expected\n<sql://shop>\nIt reads all of events.\n\nSeq Scan on \
             events\n  Filter: (kind = 'x')",
        );
        let ran = Plan { ran: Some(1.25), remarks: Vec::new(), cost: None, ..plan() };
        check(
            &ran,
            20,
            "2M rows expected, ran 1.2 ms\n<sql://shop>\nSeq Scan on events\nnothing about the \
             plan stands out; 1 more lines of the plan are left out",
        );
        let bare = Plan { text: "SCAN t".to_owned(), ..Plan::default() };
        check(&bare, 100, "<sql://shop>\nSCAN t\nnothing about the plan stands out");
    }

    #[test]
    fn estimates_are_short() {
        let shown = [0.0, 0.5, 12.0, 9_999.94, 10_000.0, 1e9, 1e30].map(number);
        assert_eq!(shown, ["0", "0.5", "12", "9999.9", "10k", "1G", "18446744T"]);
    }

    #[tokio::test]
    async fn the_engine_is_asked_with_the_callers_statement() {
        let fake = Fake::default();
        let sql = server(&["shop"], &fake, std::path::Path::new("unused"));
        let args = json!({"statement": "SELECT $1", "params": [7], "analyze": true});
        let text = call::<Explain>(&sql, args).await;
        assert_eq!(text, "<sql://shop>\n\nnothing about the plan stands out");
        assert_eq!(fake.heard.lock().expect("no panic")[0], "SELECT $1 [Integer(7)] []");
    }
}

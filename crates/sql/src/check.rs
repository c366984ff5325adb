//! `sql_check`: whether data are as somebody expects, with evidence. The tool that verifies what
//! others have done.

mod decimal;
mod expectation;

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind as ErrorKind, Limit, Record, Size, Target, Tool,
    ToolError, Untrusted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::decimal::Decimal;
use self::expectation::{Expectation, is_true};
use crate::Sql;
use crate::database::Ask;
use crate::engine::{Cell, Column, Kind, Sink};
use crate::writer::{Format, Writer};

/// Checks expectations.
pub(crate) const CONTRACT: Contract = Contract {
    name: "sql_check",
    title: "Check data",
    purpose: "Whether data are as expected, with evidence.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(300),
    timeout: Duration::from_mins(1),
    size: Size::tokens(1_500),
    verified_by: None,
};

/// How many rows are shown.
const EVIDENCE: u64 = 5;
/// The most bytes of them; JSON may write every one of them as two.
const ROOM: usize = 1_500;
/// The most bytes of one value that is only shown.
const SHOWN: usize = 200;
/// The most bytes of a value that is compared.
const COMPARED: usize = 20_000;

pub(crate) struct Check;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    database: Option<String>,
    #[schemars(length(max = 20_000))]
    statement: String,
    /// `empty`, `not_empty`, `rows 1..10`; first column: `value >= 9.99`, `true` in all rows.
    #[schemars(length(max = 500))]
    expect: String,
}

// No doc comments: they would be sent with the schema.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Verdict {
    holds: bool,
    because: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Untrusted<String>>,
}

impl Tool for Check {
    type Server = Sql;
    type Args = Args;
    type Out = Record<Verdict>;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Sql, args: &Args) -> Target {
        server.databases.target(args.database.as_deref())
    }

    async fn call(server: &Sql, ctx: &Ctx, args: Args) -> Result<Record<Verdict>, ToolError> {
        let database = server.databases.named(ctx, args.database.as_deref())?;
        let expectation = Expectation::parse(&args.expect)?;
        let is_value = matches!(expectation, Expectation::Value { .. });
        let cell = if is_value { COMPARED } else { SHOWN };
        let ask = Ask { statement: &args.statement, params: &[], skip: 0, cell };
        let mut judge = Judge::new(expectation);
        database.run(ctx, ask, &mut judge).await?;
        Ok(Record(judge.verdict(&format!("sql://{}", database.id))))
    }
}

/// Looks at the rows as they come, and keeps those that are evidence.
struct Judge {
    expectation: Expectation,
    kind: Kind,
    rows: u64,
    /// Rows that are not as expected.
    offending: u64,
    /// What was found where one value is compared, and whether it is as expected.
    compared: Option<(Option<String>, bool)>,
    evidence: Writer,
    is_over: bool,
}

impl Judge {
    fn new(expectation: Expectation) -> Self {
        Self {
            expectation,
            kind: Kind::Text,
            rows: 0,
            offending: 0,
            compared: None,
            evidence: Writer::new(Format::Csv, ROOM, EVIDENCE),
            is_over: false,
        }
    }

    /// Compares the only value.
    fn compare(&mut self, cell: Cell<'_>) -> Result<(), ToolError> {
        if self.rows > 1 {
            return Err(ToolError::invalid(
                "`value` is of one row, and the statement gives more; aggregate, add LIMIT 1, or \
                 expect `true` of every row.",
            ));
        }
        let found = match cell {
            Cell::Null => None,
            Cell::Text { cut: 1.., .. } => {
                return Err(ToolError::new(
                    ErrorKind::TooLarge,
                    format!("the value is longer than {COMPARED} bytes; compare it in SQL."),
                ));
            }
            Cell::Text { text, .. } => Some(text),
        };
        if let Expectation::Value { operator, operand } = &self.expectation {
            let holds = operator.holds(found, self.kind, operand)?;
            self.compared = Some((found.map(str::to_owned), holds));
        }
        Ok(())
    }

    /// Whether the last row is to be shown.
    fn look(&mut self, first: Cell<'_>) -> Result<bool, ToolError> {
        match self.expectation {
            Expectation::Empty | Expectation::NotEmpty | Expectation::Rows { .. } => Ok(true),
            Expectation::Value { .. } => self.compare(first).map(|()| true),
            Expectation::True => {
                let text = match first {
                    Cell::Null => None,
                    Cell::Text { text, .. } => Some(text),
                };
                let offends = !is_true(text);
                self.offending += u64::from(offends);
                Ok(offends)
            }
        }
    }

    /// Whether more rows could change the verdict or add to the evidence.
    fn is_settled(&self) -> bool {
        match self.expectation {
            Expectation::Empty => self.rows > EVIDENCE,
            Expectation::NotEmpty => self.rows >= 1,
            Expectation::True => self.offending > EVIDENCE,
            Expectation::Rows { min, max } => match max {
                Some(max) => self.rows > max,
                None => self.rows >= min.max(1),
            },
            Expectation::Value { .. } => false,
        }
    }

    fn verdict(self, source: &str) -> Verdict {
        let (holds, because) = self.judgement();
        let Self { evidence, offending, rows, expectation, .. } = self;
        let shown = evidence.finish();
        let is_shown = match expectation {
            Expectation::True => offending > 0,
            _ => rows > 0,
        };
        let evidence = is_shown.then(|| Untrusted { source: source.to_owned(), value: shown.text });
        Verdict { holds, because, evidence }
    }

    fn judgement(&self) -> (bool, String) {
        let Self { rows, offending, .. } = *self;
        let least = if self.is_over { "at least " } else { "" };
        let found = format!("{least}{}", counted(rows));
        match &self.expectation {
            Expectation::Empty => (rows == 0, found),
            Expectation::NotEmpty => (rows > 0, found),
            Expectation::True if rows == 0 => (false, "no row, so nothing is true".to_owned()),
            Expectation::True if offending == 0 => (true, format!("{found}, each of them true")),
            Expectation::True => {
                let first = if self.is_over { "the first " } else { "" };
                (false, format!("{offending} of {first}{} not true", counted(rows)))
            }
            Expectation::Rows { min, max } => {
                let holds = rows >= *min && max.is_none_or(|max| rows <= max);
                let expected = match max {
                    Some(max) if max == min => format!("{min}"),
                    Some(max) => format!("{min} to {max}"),
                    None => format!("{min} or more"),
                };
                (holds, format!("{found}, expected {expected}"))
            }
            Expectation::Value { operator, operand } => match &self.compared {
                None => (false, "no row, so no value".to_owned()),
                Some((found, holds)) => {
                    // A number can say nothing but itself; other values stand in the evidence.
                    let found = match found {
                        None => "NULL".to_owned(),
                        Some(text) if Decimal::parse(text).is_some() && text.len() < 60 => {
                            text.clone()
                        }
                        Some(_) => "the text below".to_owned(),
                    };
                    (*holds, format!("found {found}, expected {operator} {operand}"))
                }
            },
        }
    }
}

fn counted(rows: u64) -> String {
    match rows {
        0 => "no rows".to_owned(),
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    }
}

impl Sink for Judge {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        let Some(first) = columns.first() else {
            return Err(ToolError::invalid("the statement has no columns to look at."));
        };
        self.kind = first.kind;
        self.evidence.columns(columns)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.is_settled() {
            self.is_over = true;
            return Ok(false);
        }
        self.rows += 1;
        if self.look(cells.first().copied().unwrap_or(Cell::Null))? {
            // Where there is no more room the count goes on.
            self.evidence.row(cells)?;
        }
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        match self.expectation {
            Expectation::Empty => EVIDENCE + 1,
            Expectation::NotEmpty | Expectation::Value { .. } => 2,
            Expectation::True => 500,
            Expectation::Rows { min, max } => {
                (max.unwrap_or(min) + 2).saturating_sub(self.rows).min(500)
            }
        }
    }
}

#[cfg(test)]
mod tests;

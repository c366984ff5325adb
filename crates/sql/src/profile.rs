//! `sql_profile`: what the values of a table or result are like, a line for each column.
//!
//! The database computes the figures; only they leave it.

mod statement;

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Size, Table, Target, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use self::statement::everything;
use self::statement::{Measure, SAMPLE, Source};
use crate::Sql;
use crate::database::{Ask, Database};
use crate::describe;
use crate::engine::Column;
use crate::overview::short;
use crate::rows::Rows;
use crate::schema::TableKind;

/// Summarises columns.
pub(crate) const CONTRACT: Contract = Contract {
    name: "sql_profile",
    title: "Profile data",
    purpose: "NULLs, distinct values, range, mean, lengths, top values of a table or result.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(1),
    size: Size::tokens(5_000),
    verified_by: None,
};

/// The most columns of one answer.
const COLUMNS: usize = 30;
/// How many columns one statement measures.
const CHUNK: usize = 10;
/// The most bytes of one value.
const CELL: usize = 60;
/// The most bytes of a column's most frequent values.
const TOP: usize = 160;

pub(crate) struct Profile;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    database: Option<String>,
    #[schemars(length(max = 200))]
    table: Option<String>,
    #[schemars(length(max = 20_000))]
    statement: Option<String>,
    #[schemars(length(max = COLUMNS), inner(length(max = 200)))]
    columns: Option<Vec<String>>,
}

impl Tool for Profile {
    type Server = Sql;
    type Args = Args;
    type Out = Table;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Sql, args: &Args) -> Target {
        server.databases.target(args.database.as_deref())
    }

    async fn call(server: &Sql, ctx: &Ctx, args: Args) -> Result<Table, ToolError> {
        let database = server.databases.named(ctx, args.database.as_deref())?;
        let ways = match (&args.table, &args.statement) {
            (Some(table), None) => of_table(database, ctx, table).await?,
            (None, Some(statement)) => {
                let statement = statement::bare(statement).to_owned();
                vec![Measured { statement, rows: None, is_spread: false }]
            }
            _ => return Err(ToolError::invalid("give either `table` or `statement`.")),
        };
        let look = Look { database, ctx };
        let (measured, columns) = look.columns(ways).await?;
        let places = chosen(&columns, args.columns.as_deref())?;
        let statement = &measured.statement;
        let source = Source { family: database.family, statement, columns: &columns };
        let figures = look.measure(source, &places).await?;
        Ok(figures.table(&columns, &places, &format!("sql://{}", database.id), &measured))
    }
}

/// What is measured, and what is known of it.
struct Measured {
    statement: String,
    /// How many rows the database thinks there are.
    rows: Option<u64>,
    /// Whether the rows are from all over the table, not the first ones.
    is_spread: bool,
}

/// The statements that read a table, the best first: of a large one a part from all over it.
async fn of_table(
    database: &Database,
    ctx: &Ctx,
    wanted: &str,
) -> Result<Vec<Measured>, ToolError> {
    let schema = database.described(ctx).await?;
    let table = describe::table(&schema, wanted)
        .ok_or_else(|| describe::unknown(&schema, &database.id, wanted))?;
    let all = everything(database.family, table);
    let is_stored = matches!(table.kind, TableKind::Table | TableKind::Materialized);
    let spread = table.rows.filter(|_| is_stored).and_then(|rows| {
        let statement = statement::spread(database.family, &all, rows)?;
        Some(Measured { statement, rows: table.rows, is_spread: true })
    });
    let first = Measured { statement: all, rows: table.rows, is_spread: false };
    Ok(spread.into_iter().chain([first]).collect())
}

/// The places of the columns that are wanted: the first ones, if none is named.
fn chosen(columns: &[Column], wanted: Option<&[String]>) -> Result<Vec<usize>, ToolError> {
    let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) else {
        return Ok((0..columns.len().min(COLUMNS)).collect());
    };
    let mut places = Vec::new();
    for name in wanted {
        let exact = columns.iter().position(|column| column.name == *name);
        let near = || columns.iter().position(|one| one.name.eq_ignore_ascii_case(name));
        let place = exact.or_else(near).ok_or_else(|| {
            let mut known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            known.sort_by_key(|other| std::cmp::Reverse(likeness(other, name)));
            known.truncate(8);
            let unknown = contract::schema::unknown(name, &known);
            ToolError::not_found(format!("column {unknown}.").replace("?.", "?"))
        })?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    Ok(places)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1")]
fn likeness(a: &str, b: &str) -> u32 {
    (strsim::jaro_winkler(a, b) * 1_000.0) as u32
}

fn is_refused(error: &ToolError) -> bool {
    matches!(error.kind, Kind::Invalid | Kind::Denied)
}

/// One caller's look at one database.
struct Look<'a> {
    database: &'a Database,
    ctx: &'a Ctx,
}

/// What was found out about each column, by its place.
#[derive(Debug, Default)]
struct Figures {
    rows: u64,
    measured: Vec<(usize, Measure, Option<String>)>,
    top: Vec<(usize, Vec<(String, String)>)>,
}

impl Look<'_> {
    async fn rows(&self, statement: &str, most: usize) -> Result<Rows, ToolError> {
        let mut rows = Rows::new(most);
        let ask = Ask { statement, params: &[], skip: 0, cell: CELL };
        self.database.run(self.ctx, ask, &mut rows).await?;
        Ok(rows)
    }

    /// The first statement that may run, and its columns: masked tables cannot be read in part.
    async fn columns(&self, ways: Vec<Measured>) -> Result<(Measured, Vec<Column>), ToolError> {
        let mut refused = ToolError::internal("nothing to measure");
        for measured in ways {
            match self.rows(&statement::columns_of(&measured.statement), 1).await {
                Ok(rows) => return Ok((measured, rows.columns)),
                Err(error) if measured.is_spread && is_refused(&error) => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    /// Asks for the figures, some columns at a time.
    async fn measure(&self, source: Source<'_>, places: &[usize]) -> Result<Figures, ToolError> {
        let mut figures = Figures::default();
        for chunk in places.chunks(CHUNK) {
            let measuring = source.measuring(chunk);
            let rows = self.rows(&measuring.statement, 1).await?.taken;
            let mut values = rows.into_iter().next().unwrap_or_default().into_iter();
            let count = values.next().flatten().and_then(|count| count.parse().ok());
            figures.rows = count.unwrap_or_default();
            let measured = measuring.measures.into_iter().zip(values);
            figures
                .measured
                .extend(measured.map(|((place, measure), value)| (place, measure, value)));
            let repeating: Vec<usize> =
                chunk.iter().copied().filter(|&place| figures.repeats(place, &source)).collect();
            if !repeating.is_empty() {
                let most = repeating.len() * statement::TOP;
                let rows = self.rows(&source.top(&repeating), most).await?.taken;
                figures.take_top(rows);
            }
        }
        Ok(figures)
    }
}

impl Figures {
    fn value(&self, place: usize, measure: Measure) -> Option<&str> {
        let found = self.measured.iter().find(|one| (one.0, one.1) == (place, measure));
        found.and_then(|(_, _, value)| value.as_deref())
    }

    fn count(&self, place: usize, measure: Measure) -> u64 {
        self.value(place, measure).and_then(|value| value.parse().ok()).unwrap_or_default()
    }

    /// Whether some values occur more than once.
    fn repeats(&self, place: usize, source: &Source<'_>) -> bool {
        source.columns.get(place).is_some_and(statement::has_top)
            && self.count(place, Measure::Distinct) < self.count(place, Measure::Present)
    }

    /// Takes rows of place, value and count, the most frequent first.
    fn take_top(&mut self, rows: Vec<Vec<Option<String>>>) {
        for row in rows {
            let [Some(place), Some(value), Some(times)] = row.as_slice() else { continue };
            let Ok(place) = place.parse() else { continue };
            let seen = (value.clone(), times.clone());
            match self.top.iter_mut().find(|(other, _)| *other == place) {
                Some((_, values)) => values.push(seen),
                None => self.top.push((place, vec![seen])),
            }
        }
        for (_, values) in &mut self.top {
            values.sort_by_key(|(_, times)| std::cmp::Reverse(times.parse::<u64>().unwrap_or(0)));
        }
    }

    fn table(
        &self,
        columns: &[Column],
        places: &[usize],
        source: &str,
        measured: &Measured,
    ) -> Table {
        let rows = places.iter().filter_map(|&place| Some(self.line(place, columns.get(place)?)));
        let mut trailer = self.counted(measured);
        if places.len() < columns.len() {
            trailer.push_str(&format!(
                "; {} of {} columns: name others in `columns`",
                places.len(),
                columns.len()
            ));
        }
        let header = ["column", "type", "nulls", "distinct", "min", "max", "mean", "length", "top"];
        Table {
            columns: header.map(str::to_owned).to_vec(),
            rows: rows.collect(),
            source: Some(source.to_owned()),
            trailer,
        }
    }

    /// How many rows the figures are of, and whether there are others.
    fn counted(&self, measured: &Measured) -> String {
        let rows = self.rows;
        let all = match measured.rows.filter(|all| *all > rows) {
            Some(all) => format!(" of ~{}", short(all)),
            None => String::new(),
        };
        let others = "count exactly with sql_query";
        match (measured.is_spread, rows < SAMPLE) {
            (true, _) => format!("figures of {rows} rows from all over the table{all}: {others}"),
            (false, true) => format!("{rows} rows"),
            (false, false) => format!(
                "figures of the first {SAMPLE} rows{all}, which may differ from the rest: {others}"
            ),
        }
    }

    fn line(&self, place: usize, column: &Column) -> Vec<Option<String>> {
        let present = self.count(place, Measure::Present);
        let text = |measure| self.value(place, measure).map(str::to_owned);
        let length = match (text(Measure::Shortest), text(Measure::Longest)) {
            (Some(shortest), Some(longest)) if shortest == longest => Some(shortest),
            (Some(shortest), Some(longest)) => Some(format!("{shortest}-{longest}")),
            _ => None,
        };
        vec![
            Some(column.name.clone()),
            // What SQLite says of a column that is computed.
            Some(column.type_name.clone()).filter(|name| !name.eq_ignore_ascii_case("null")),
            Some(self.rows.saturating_sub(present).to_string()),
            text(Measure::Distinct),
            text(Measure::Least),
            text(Measure::Greatest),
            text(Measure::Mean).map(|mean| rounded(&mean)),
            length,
            self.top.iter().find(|(other, _)| *other == place).map(|(_, values)| listed(values)),
        ]
    }
}

/// A mean without digits that say nothing: at most four behind the point.
fn rounded(mean: &str) -> String {
    let Some((whole, fraction)) = mean.split_once('.') else { return mean.to_owned() };
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return mean.to_owned();
    }
    let is_small = whole.trim_start_matches('-') == "0";
    let zeros = fraction.len() - fraction.trim_start_matches('0').len();
    let kept = if is_small { zeros + 4 } else { 4 };
    let fraction = fraction.get(..kept).unwrap_or(fraction).trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// `paid ×120, new ×3`.
fn listed(values: &[(String, String)]) -> String {
    let mut text = String::new();
    for (value, times) in values {
        let value: String = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let value = if value.is_empty() { "''".to_owned() } else { value };
        let one = format!("{value} ×{times}");
        if !text.is_empty() && text.len() + one.len() > TOP {
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(&one);
    }
    text
}

#[cfg(test)]
mod tests;

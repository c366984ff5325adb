//! What is looked up about tables while a statement is judged: the columns of masked tables, and
//! what views really read and call. Kept for a short while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::ToolError;
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlConnection;

use super::lexer::{lex, quote};
use super::relations::{Home, Whole, decide, mask_of, substitute};
use super::statement::Statement;
use super::{failure, functions};
use crate::engine::Rules;

/// How long an answer counts.
const LIFETIME: Duration = Duration::from_mins(1);
/// Most tables that are remembered.
const MOST: usize = 2_000;
/// How many views may stand on each other.
const DEPTH: usize = 8;

/// What is known of one table or view.
#[derive(Clone, Debug)]
struct Known {
    until: Instant,
    columns: Arc<Vec<String>>,
    /// The text of a view; empty where the account may not see it.
    definition: Option<Arc<str>>,
}

/// What is remembered of the tables of one database.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    known: Mutex<BTreeMap<Whole, Known>>,
}

impl Catalogue {
    /// Decides on everything that a statement reads, and masks what is masked. Returns whether
    /// it reads a view.
    pub(super) async fn judge(
        &self,
        connection: &mut MySqlConnection,
        statement: &mut Statement,
        rules: &Rules,
        home: Home<'_>,
    ) -> Result<bool, ToolError> {
        let tables = decide(&statement.found.relations, rules, home)?;
        let mut names: Vec<Whole> = tables.iter().map(|(whole, _)| whole.clone()).collect();
        names.sort();
        names.dedup();
        let has_view = self.views(connection, names, rules, home).await?;
        for (whole, relation) in &tables {
            let masks = rules.masks(&whole.0, &whole.1);
            if masks.is_empty() {
                continue;
            }
            let known = self.look_up(connection, std::slice::from_ref(whole)).await?;
            let Some(known) = known.first() else { continue };
            if known.columns.iter().all(|column| mask_of(&masks, column).is_none()) {
                // Also for a table that does not exist: the server says so.
                continue;
            }
            substitute(statement, whole, relation, &masks, &known.columns)?;
            if !relation.has_alias {
                unqualify(statement, whole);
            }
        }
        Ok(has_view)
    }

    /// Views run as who made them: what they call is judged as if the statement called it, and
    /// they may not show what is masked or denied. Returns whether there is any.
    async fn views(
        &self,
        connection: &mut MySqlConnection,
        names: Vec<Whole>,
        rules: &Rules,
        home: Home<'_>,
    ) -> Result<bool, ToolError> {
        let (mut names, mut are_any) = (names, false);
        for _ in 0..DEPTH {
            if names.is_empty() {
                return Ok(are_any);
            }
            let known = self.look_up(connection, &names).await?;
            let mut below = Vec::new();
            for (whole, known) in names.iter().zip(known) {
                if let Some(definition) = known.definition {
                    are_any = true;
                    below.append(&mut view(whole, &definition, rules, home)?);
                }
            }
            below.sort();
            below.dedup();
            names = below;
        }
        Err(failure::denied("views stand more than eight deep on each other"))
    }

    /// What is known of tables, in their order.
    async fn look_up(
        &self,
        connection: &mut MySqlConnection,
        names: &[Whole],
    ) -> Result<Vec<Known>, ToolError> {
        let now = Instant::now();
        let missing: Vec<&Whole> = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let is_known = |name: &&Whole| known.get(*name).is_some_and(|known| known.until > now);
            names.iter().filter(|name| !is_known(name)).collect()
        };
        if !missing.is_empty() {
            let found = ask(connection, &missing).await?;
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() + found.len() > MOST {
                known.clear();
            }
            known.extend(found);
        }
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(names.iter().filter_map(|name| known.get(name).cloned()).collect())
    }
}

/// Asks for columns and for the texts of views in one round trip.
async fn ask(
    connection: &mut MySqlConnection,
    names: &[&Whole],
) -> Result<Vec<(Whole, Known)>, ToolError> {
    // A constant schema and table in each part: only then does the server open no other table.
    let part = |(index, (schema, table)): (usize, &&Whole)| {
        let place =
            format!("WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}", quote(schema), quote(table));
        format!(
            "SELECT {index} AS n, ORDINAL_POSITION AS p, COLUMN_NAME AS text \
             FROM information_schema.COLUMNS {place} UNION ALL \
             SELECT {index}, 0, VIEW_DEFINITION FROM information_schema.VIEWS {place}"
        )
    };
    let parts: Vec<String> = names.iter().enumerate().map(part).collect();
    let sql = format!("{} ORDER BY n, p", parts.join(" UNION ALL "));
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection).await;
    let rows = rows.map_err(|error| failure::of(&error))?;
    let until = Instant::now() + LIFETIME;
    let mut found: Vec<(Whole, Vec<String>, Option<Arc<str>>)> =
        names.iter().map(|name| ((*name).clone(), Vec::new(), None)).collect();
    for row in rows {
        let text = |index| super::text_of(&row, index);
        let (number, position) = (text(0), text(1));
        let Some(entry) = number.parse().ok().and_then(|at: usize| found.get_mut(at)) else {
            continue;
        };
        match position.as_str() {
            "0" => entry.2 = Some(text(2).into()),
            _ => entry.1.push(text(2)),
        }
    }
    let known = |(name, columns, definition): (Whole, Vec<String>, _)| {
        (name, Known { until, columns: Arc::new(columns), definition })
    };
    Ok(found.into_iter().map(known).collect())
}

/// Judges a view by its text; returns what it reads.
fn view(
    (schema, name): &Whole,
    definition: &str,
    rules: &Rules,
    home: Home<'_>,
) -> Result<Vec<Whole>, ToolError> {
    let refuse = |why: &str| {
        failure::denied(format!(
            "the view {schema}.{name} is refused: {why}. Read the tables themselves, as far as \
             sql_schema lists them.",
        ))
    };
    // Where the operator names the view itself, what it shows is meant to be seen.
    let is_named = rules.allow.iter().any(|rule| *rule == format!("{schema}.{name}"));
    if definition.is_empty() {
        let is_limited = rules.are_any() && !is_named;
        return if is_limited {
            Err(refuse("what it reads cannot be seen (the account lacks SHOW VIEW)"))
        } else {
            Ok(Vec::new())
        };
    }
    let lexed = lex(definition).map_err(|_| refuse("its text is not understood"))?;
    // The names that its text gives to columns of expressions do not look like calls.
    functions::check(&lexed, Some(schema), &rules.functions, |_| false)
        .map_err(|error| refuse(&error.message))?;
    let read = match Statement::read(definition, Some(schema), &rules.functions) {
        Ok(read) => read,
        Err(_) if !rules.are_any() || is_named => return Ok(Vec::new()),
        Err(_) => return Err(refuse("its text is not understood")),
    };
    let home = Home { database: Some(schema), ..home };
    let tables = decide(&read.found.relations, rules, home);
    let tables = match tables {
        Ok(tables) => tables,
        Err(_) if is_named => return Ok(Vec::new()),
        Err(error) => return Err(refuse(&error.message)),
    };
    let names: Vec<Whole> = tables.into_iter().map(|(whole, _)| whole).collect();
    let is_masked = |(schema, table): &Whole| !rules.masks(schema, table).is_empty();
    if !is_named && names.iter().any(is_masked) {
        return Err(refuse("it reads a table with masked columns, as its owner"));
    }
    Ok(names)
}

/// Takes the database off names such as `shop.customers.id`: what stands in the place of the
/// table has its name only.
fn unqualify(statement: &mut Statement, (schema, table): &Whole) {
    let of_table = |name: &&super::walk::Qualified| {
        name.schema.eq_ignore_ascii_case(schema) && name.table.eq_ignore_ascii_case(table)
    };
    let places: Vec<_> =
        statement.found.qualified.iter().filter(of_table).map(|name| name.at.clone()).collect();
    statement.found.qualified.retain(|name| !of_table(&name));
    for place in places {
        statement.replace(place, String::new());
    }
}

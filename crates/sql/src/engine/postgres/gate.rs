//! The statement layer: what may run, and how it is written when it does.
//!
//! 1. The statement is parsed with PostgreSQL's own grammar (`reading`, `grammar`, `tree`): one,
//!    made of kinds of nodes that are known to be harmless (`kinds`), of values of reasonable
//!    size (`bounds`). What it names is collected (`mentions`).
//! 2. The names are looked up in the database's catalogue as the server resolves them
//!    (`admission`): functions and operators count by their volatility (`functions`) and by what
//!    is in them (`bodies`), relations by the rules (`relations`).
//! 3. Masked relations, the types of parameters and guards of sizes are written into the text
//!    (`splice`).
//!
//! What it does not see: which of several candidates of one name the server picks. All of them
//! must be harmless.

mod admission;
mod bodies;
mod bounds;
mod functions;
mod grammar;
mod kinds;
mod mentions;
mod narrow;
mod reading;
mod relations;
mod splice;
mod tree;

use contract::ToolError;
use pg_query::protobuf::Token;

pub(crate) use self::reading::{Reading, Readings};

use self::grammar::Lexeme;
use self::splice::Source;
use self::tree::{Node, Tree};
use super::catalogue::{Catalogue, failed};
use crate::engine::Rules;

/// A statement that may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// What is sent to the server: masks and the types of parameters are in it. Parameters are
    /// bound as text.
    pub(crate) sql: String,
    /// The caller asked for the plan of `sql`, not for its rows.
    pub(crate) explain: Option<Explain>,
    /// Columns and constants of plain tables, and a few functions of PostgreSQL's own: no row can
    /// be large, and nothing can be left in the session.
    pub(crate) is_plain: bool,
    /// It was asked before, and may be so again.
    pub(crate) is_repeated: bool,
}

impl Admitted {
    /// A statement that nobody looked at, as tests of the other layers have it run.
    pub(crate) fn unread(statement: &str) -> Self {
        let sql = statement.to_owned();
        Self { sql, explain: None, is_plain: false, is_repeated: false }
    }
}

/// How a plan is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explain {
    /// The statement is run and timed.
    pub(crate) analyze: bool,
}

/// Lets a statement through, or says why not and what would be allowed.
///
/// It asks the catalogue on `conn`, inside the transaction that will run the statement; what it
/// learns is kept in `memory`. A database error leaves the transaction to be rolled back.
pub(crate) async fn admit(
    conn: &mut sqlx::PgConnection,
    reading: &Reading,
    rules: &Rules,
    memory: &Catalogue,
) -> Result<Admitted, ToolError> {
    let Reading { text, tokens, start, end, explain, mentions, .. } = reading;
    let mut request = admission::Request { conn, rules, memory };
    let found = request.admit(mentions).await?;
    let substitutions = request.substitutions(&found);
    if substitutions.iter().any(|substitution| substitution.needs_key) {
        request.set_key().await?;
    }
    let is_plain =
        reading.is_narrow && substitutions.is_empty() && request.is_plain(mentions, &found).await?;
    let source = Source { text, tokens };
    let mut edits = reading.edits.clone();
    for substitution in substitutions {
        if let Some(relation) = mentions.relations.get(substitution.mention) {
            edits.push(source.substitute(relation, |only| substitution.query(only))?);
        }
        for column in &mentions.long_columns {
            if column.table == substitution.table() && column.schema == substitution.schema() {
                edits.push(source.shorten(column)?);
            }
        }
    }
    Ok(Admitted {
        sql: source.edited(*start, *end, edits)?,
        explain: *explain,
        is_plain,
        is_repeated: reading.is_repeated(),
    })
}

fn single(statements: &[Tree]) -> Result<&Tree, ToolError> {
    match statements {
        [statement] => Ok(statement),
        [] => Err(ToolError::invalid(format!("there is no statement. {}", kinds::ALLOWED))),
        several => Err(ToolError::invalid(format!(
            "One statement at a time: this is {}. Send them one by one.",
            several.len()
        ))),
    }
}

/// The query, and how its plan is asked for where that is what the statement does.
fn query(statement: &Tree) -> Result<(&Tree, Option<Explain>), ToolError> {
    let strange = || ToolError::invalid(format!("this is not a query. {}", kinds::ALLOWED));
    let node = statement.node().ok_or_else(strange)?;
    let (query, explain) = match node.kind {
        "ExplainStmt" => (node.get("query"), Some(Explain { analyze: analyzes(node) })),
        _ => (statement, None),
    };
    match query.node() {
        Some(select) if select.kind == "SelectStmt" => Ok((query, explain)),
        Some(other) => Err(kinds::refusal(other.kind)),
        None => Err(strange()),
    }
}

fn analyzes(explain: &Node) -> bool {
    explain.get("options").items().iter().filter_map(Tree::node).any(|option| {
        let value = option.get("arg").node();
        let is_off = value.is_some_and(|value| match value.kind {
            "String" => matches!(
                value.text("sval").to_ascii_lowercase().as_str(),
                "off" | "false" | "0" | "no"
            ),
            "Integer" => value.int("ival") == 0,
            "Boolean" => !value.is("boolval"),
            _ => false,
        });
        option.text("defname") == "analyze" && !is_off
    })
}

/// The number of the first token behind EXPLAIN and its options.
fn behind_explain(explain: &Node, tokens: &[Lexeme]) -> usize {
    let is = |at: usize, token: Token| tokens.get(at).is_some_and(|lexeme| lexeme.is(token));
    if explain.get("options").is_nothing() {
        return 1;
    }
    if !is(1, Token::Ascii40) {
        let is_option = |at: &usize| {
            is(*at, Token::Analyze) || is(*at, Token::Analyse) || is(*at, Token::Verbose)
        };
        return (1..tokens.len()).find(|at| !is_option(at)).unwrap_or(1);
    }
    let mut depth = 0_i32;
    for (at, lexeme) in tokens.iter().enumerate() {
        depth += i32::from(lexeme.is(Token::Ascii40)) - i32::from(lexeme.is(Token::Ascii41));
        if at > 0 && depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests;

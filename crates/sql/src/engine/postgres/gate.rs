//! The statement layer: what may run, and how it is written when it does.
//!
//! 1. The statement is parsed with PostgreSQL's own grammar (`grammar`, `tree`): one statement,
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
mod relations;
mod splice;
mod tree;

use contract::ToolError;
use pg_query::protobuf::Token;

use self::grammar::{Lexeme, Parsed};
use self::mentions::Mentions;
use self::splice::{Edit, Source};
use self::tree::{Node, Tree};
use super::catalogue::{Catalogue, failed};
use crate::engine::{Param, Rules};

/// The longest statement, in bytes.
const LONGEST: usize = 200_000;

/// A statement that may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Admitted {
    /// What is sent to the server: masks and the types of parameters are in it. Parameters are
    /// bound as text.
    pub(crate) sql: String,
    /// The caller asked for the plan of `sql`, not for its rows.
    pub(crate) explain: Option<Explain>,
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
    statement: &str,
    params: &[Param],
    rules: &Rules,
    memory: &Catalogue,
) -> Result<Admitted, ToolError> {
    let Read { text, tokens, start, end, explain, mentions, mut edits } =
        read(statement, params).await?;
    let mut request = admission::Request { conn, rules, memory };
    let substitutions = request.admit(&mentions).await?;
    let source = Source { text: &text, tokens: &tokens };
    if substitutions.iter().any(|substitution| substitution.needs_key) {
        request.set_key().await?;
    }
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
    Ok(Admitted { sql: source.edited(start, end, edits)?, explain })
}

/// What the text of a statement says by itself.
struct Read {
    text: String,
    tokens: Vec<Lexeme>,
    /// Where the query begins and ends, without EXPLAIN, comments around it and semicolons.
    start: usize,
    end: usize,
    explain: Option<Explain>,
    mentions: Mentions,
    edits: Vec<Edit>,
}

/// Everything that needs no database.
async fn read(statement: &str, params: &[Param]) -> Result<Read, ToolError> {
    if statement.len() > LONGEST {
        return Err(ToolError::invalid(format!(
            "the statement has {} bytes; at most {LONGEST} are taken",
            statement.len()
        )));
    }
    let text = statement.to_owned();
    let params = params.to_vec();
    grammar::on_its_thread(move || {
        let Parsed { statements, mut tokens } = grammar::parse(&text)?;
        let statement = single(&statements)?;
        while tokens.last().is_some_and(|token| token.is(Token::Ascii59)) {
            tokens.pop();
        }
        let (query, explain) = query(statement)?;
        let guards = bounds::check(query, &params)?;
        let mentions = mentions::collect(query)?;
        let first = match statement.as_kind("ExplainStmt") {
            Some(explain) => behind_explain(explain, &tokens),
            None => 0,
        };
        let start = tokens.get(first).map(|token| token.start).unwrap_or_default();
        let end = tokens.last().map(|token| token.end).unwrap_or_default();
        let source = Source { text: &text, tokens: &tokens };
        let bound = mentions.params.iter().map(|placeholder| source.bind(*placeholder, &params));
        let mut edits = bound.collect::<Result<Vec<_>, _>>()?;
        for guard in guards {
            edits.extend(source.guard(guard)?);
        }
        Ok(Read { text, tokens, start, end, explain, mentions, edits })
    })
    .await
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

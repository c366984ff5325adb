//! What the text of a statement says by itself, and a short memory of it: a statement that is
//! asked page by page, or again with other rows, is parsed once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use contract::ToolError;
use pg_query::protobuf::Token;

use super::grammar::{self, Lexeme, Parsed};
use super::mentions::{self, Mentions};
use super::splice::{Edit, Source};
use super::{Explain, behind_explain, bounds, narrow, query, single};
use crate::engine::Param;

/// The longest statement, in bytes.
const LONGEST: usize = 200_000;
/// How many statements are remembered, and the longest of them, in bytes.
const REMEMBERED: usize = 64;
const REMEMBERED_LENGTH: usize = 4_000;

/// A statement that was parsed, and what it names. Nothing here depends on a database.
pub(crate) struct Reading {
    pub(super) text: String,
    pub(super) tokens: Vec<Lexeme>,
    /// Where the query begins and ends, without EXPLAIN, comments around it and semicolons.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) explain: Option<Explain>,
    pub(super) mentions: Mentions,
    pub(super) edits: Vec<Edit>,
    /// Its rows are small where its relations' are.
    pub(super) is_narrow: bool,
    params: Vec<Param>,
    is_repeated: AtomicBool,
}

impl Reading {
    /// Whether it was asked before.
    pub(super) fn is_repeated(&self) -> bool {
        self.is_repeated.load(Ordering::Relaxed)
    }
}

/// The statements that were read last, the latest first.
#[derive(Default)]
pub(crate) struct Readings {
    kept: Mutex<VecDeque<Arc<Reading>>>,
}

impl Readings {
    /// Reads a statement; refuses what cannot be let through whatever the database says.
    pub(crate) async fn read(
        &self,
        statement: &str,
        params: &[Param],
    ) -> Result<Arc<Reading>, ToolError> {
        if let Some(reading) = self.kept(statement, params) {
            return Ok(reading);
        }
        if statement.len() > LONGEST {
            return Err(ToolError::invalid(format!(
                "the statement has {} bytes; at most {LONGEST} are taken",
                statement.len()
            )));
        }
        let (text, params) = (statement.to_owned(), params.to_vec());
        let reading = grammar::deeply(statement.len(), move || read(&text, &params)).await?;
        let reading = Arc::new(reading);
        if statement.len() <= REMEMBERED_LENGTH {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(REMEMBERED - 1);
            kept.push_front(Arc::clone(&reading));
        }
        Ok(reading)
    }

    fn kept(&self, statement: &str, params: &[Param]) -> Option<Arc<Reading>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|one| one.text == statement && one.params == params)?;
        let reading = kept.remove(at)?;
        reading.is_repeated.store(true, Ordering::Relaxed);
        kept.push_front(Arc::clone(&reading));
        Some(reading)
    }
}

/// Parses a statement; to be called where the stack is deep.
fn read(text: &str, params: &[Param]) -> Result<Reading, ToolError> {
    let Parsed { statements, mut tokens } = grammar::parse(text)?;
    let statement = single(&statements)?;
    while tokens.last().is_some_and(|token| token.is(Token::Ascii59)) {
        tokens.pop();
    }
    let (query, explain) = query(statement)?;
    let guards = bounds::check(query, params)?;
    let mentions = mentions::collect(query)?;
    let is_narrow = narrow::is_narrow(query);
    let first = match statement.as_kind("ExplainStmt") {
        Some(explain) => behind_explain(explain, &tokens),
        None => 0,
    };
    let start = tokens.get(first).map(|token| token.start).unwrap_or_default();
    let end = tokens.last().map(|token| token.end).unwrap_or_default();
    let source = Source { text, tokens: &tokens };
    let bound = mentions.params.iter().map(|placeholder| source.bind(*placeholder, params));
    let mut edits = bound.collect::<Result<Vec<_>, _>>()?;
    for guard in guards {
        edits.extend(source.guard(guard)?);
    }
    let is_repeated = AtomicBool::new(false);
    Ok(Reading {
        text: text.to_owned(),
        tokens,
        start,
        end,
        explain,
        mentions,
        edits,
        is_narrow,
        params: params.to_vec(),
        is_repeated,
    })
}

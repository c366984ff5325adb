//! The statement layer: a text becomes one query that only reads, or is refused with the reason.
//!
//! MySQL publishes no grammar to embed, so two readings must agree: the tokens, divided exactly
//! as the server divides them ([`super::lexer`]), are looked through for what is never allowed
//! and for every call; and the same tokens are parsed by sqlparser, of whose tree only known
//! nodes pass ([`super::walk`]).

use std::any::TypeId;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use contract::ToolError;
use sqlparser::ast::Query;
use sqlparser::dialect::{Dialect, MySqlDialect};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::failure::{denied, invalid};
use super::functions;
use super::lexer::{Lexed, bytes, lex};
use super::walk::{Found, locking, writing_into};
use crate::engine::Param;

/// Up to how many tokens a statement is read on the stack of the caller.
const FEW: usize = 24;
/// The stack on which longer ones are read, in bytes; only what is used of it takes memory.
const STACK: usize = 64 << 20;

/// A statement that may be run, once its relations are decided on.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    lexed: Arc<Lexed>,
    /// Where the query itself begins, behind EXPLAIN and its options.
    start: usize,
    /// What is asked about it.
    pub(super) explain: Option<Explain>,
    /// What it names.
    pub(super) found: Found,
    edits: Vec<(Range<usize>, String)>,
}

/// What EXPLAIN asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Explain {
    /// Whether the query is run and measured.
    pub(super) is_analyze: bool,
    /// Whether the plan is wanted as JSON.
    pub(super) is_json: bool,
}

impl Statement {
    /// Reads a text; `home` is the database that names without one mean, and `allowed` what the
    /// operator lets be called.
    pub(super) fn read(
        text: &str,
        home: Option<&str>,
        allowed: &[String],
    ) -> Result<Self, ToolError> {
        let lexed = lex(text)?;
        if lexed.tokens.len() <= FEW {
            return Self::judge(lexed, home, allowed);
        }
        // The parser and the dropping of its tree recur: the more tokens, the deeper.
        let judge = || Self::judge(lexed, home, allowed);
        catch_unwind(AssertUnwindSafe(|| stacker::grow(STACK, judge)))
            .unwrap_or_else(|_| Err(ToolError::internal("the parser panicked")))
    }

    fn judge(lexed: Lexed, home: Option<&str>, allowed: &[String]) -> Result<Self, ToolError> {
        let (first, explain) = explained(&lexed)?;
        kind(&lexed, first)?;
        forbidden(&lexed)?;
        let query = parse(&lexed, first)?;
        let mut found = Found::default();
        found.query(&query)?;
        functions::check(&lexed, home, allowed, |at| found.declared.contains(&at))?;
        let start = lexed.tokens.get(first).map_or(0, |token| bytes(token.span).start);
        let mut statement =
            Self { lexed: Arc::new(lexed), start, explain, found, edits: Vec::new() };
        statement.bound_lengths()?;
        Ok(statement)
    }

    /// Whether it is one SELECT of tables, as plain as SQL has them.
    pub(super) fn is_plain(&self) -> bool {
        let is_kind = |word: &String| {
            let kinds = ["SELECT", "WITH", "VALUES", "TABLE", "ROLLUP", "OVER", "JSON_TABLE"];
            kinds.contains(&word.as_str())
        };
        let words = (0..self.lexed.tokens.len()).filter_map(|index| self.lexed.word(index));
        let mut kinds = words.filter(is_kind);
        kinds.next().is_some_and(|kind| kind == "SELECT") && kinds.next().is_none()
    }

    /// Puts `text` in the place of a part.
    pub(super) fn replace(&mut self, at: Range<usize>, text: String) {
        self.edits.push((at, text));
    }

    /// Puts exact numbers and points in time into the places of their placeholders; the others are
    /// left for binding and returned in their order.
    pub(super) fn place<'p>(&mut self, params: &'p [Param]) -> Result<Vec<&'p Param>, ToolError> {
        let tokens = self.lexed.tokens.iter();
        let places: Vec<Range<usize>> = tokens
            .filter(|token| matches!(token.token, Token::Placeholder(_)))
            .map(|token| bytes(token.span))
            .collect();
        if places.len() != params.len() {
            return Err(invalid(format!(
                "the statement has {} placeholders (?) and {} parameters were given",
                places.len(),
                params.len(),
            )));
        }
        let mut bound = Vec::new();
        for (place, param) in places.into_iter().zip(params) {
            match param {
                Param::Number(digits) => {
                    if !is_number(digits) {
                        return Err(invalid(format!("{digits:?} is not a number")));
                    }
                    self.edits.push((place, format!("({digits})")));
                }
                Param::Text(text) | Param::Date(text) | Param::Time(text) => {
                    match super::moment::literal(text)? {
                        Some(literal) => self.edits.push((place, literal)),
                        None => bound.push(param),
                    }
                }
                other => bound.push(other),
            }
        }
        Ok(bound)
    }

    /// The query as the server gets it.
    pub(super) fn text(mut self) -> String {
        self.edits.sort_by_key(|(at, _)| (at.start, at.end));
        let mut text = String::with_capacity(self.lexed.text.len() + 64);
        let mut end = self.start;
        for (at, new) in &self.edits {
            text.push_str(self.lexed.text.get(end..at.start).unwrap_or_default());
            text.push_str(new);
            end = at.end;
        }
        text.push_str(self.lexed.text.get(end..).unwrap_or_default());
        text
    }

    /// Lets functions that repeat make no more than so many characters: a constant is checked
    /// here, and what is computed is made to overflow where it is larger.
    fn bound_lengths(&mut self) -> Result<(), ToolError> {
        for (name, at) in std::mem::take(&mut self.found.counting) {
            let Some(argument) = functions::counting_argument(&name) else { continue };
            let Some(place) = self.argument(at, argument) else { continue };
            let text = self.lexed.text.get(place.clone()).unwrap_or_default().trim();
            match text.parse::<i64>() {
                Ok(count) if count <= functions::LONGEST => {}
                Ok(count) => {
                    return Err(denied(format!(
                        "{} of {count} characters is refused: at most {} may be made",
                        name.to_uppercase(),
                        functions::LONGEST,
                    )));
                }
                Err(_) => {
                    let (before, after) = (place.start..place.start, place.end..place.end);
                    self.edits.push((before, format!("(({} + CAST((", functions::GUARD)));
                    self.edits.push((after, format!(") AS SIGNED)) - {})", functions::GUARD)));
                }
            }
        }
        Ok(())
    }

    /// Where an argument of the call stands whose name begins at `at`.
    fn argument(&self, at: usize, number: usize) -> Option<Range<usize>> {
        let tokens = &self.lexed.tokens;
        let name = tokens.iter().position(|token| bytes(token.span).start == at)?;
        let (mut depth, mut commas, mut start) = (0, 0, None);
        for token in tokens.get(name + 1..)? {
            let place = bytes(token.span);
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            let is_end = depth == 0 || (depth == 1 && token.token == Token::Comma);
            if is_end {
                if let (Some(start), true) = (start, commas == number) {
                    return Some(start..place.start);
                }
                commas += 1;
                start = None;
            } else if start.is_none() && !(depth == 1 && token.token == Token::LParen) {
                start = Some(place.start);
            }
            if depth == 0 {
                return None;
            }
        }
        None
    }
}

/// Where the query begins, and what EXPLAIN asks about it.
fn explained(lexed: &Lexed) -> Result<(usize, Option<Explain>), ToolError> {
    let mut explain = match lexed.word(0).as_deref() {
        Some("EXPLAIN" | "DESCRIBE" | "DESC") => Explain { is_analyze: false, is_json: false },
        Some("ANALYZE") => Explain { is_analyze: true, is_json: false },
        _ => return Ok((0, None)),
    };
    let mut next = 1;
    loop {
        match lexed.word(next).as_deref() {
            Some("ANALYZE") => explain.is_analyze = true,
            Some("EXTENDED" | "PARTITIONS") => {}
            Some("FORMAT") => {
                let format = lexed.word(next + 2).unwrap_or_default();
                explain.is_json = format == "JSON";
                if !matches!(format.as_str(), "JSON" | "TRADITIONAL" | "TREE") {
                    return Err(invalid("EXPLAIN FORMAT is JSON, TREE or TRADITIONAL"));
                }
                next += 2;
            }
            _ => break,
        }
        next += 1;
    }
    let is_query = matches!(lexed.word(next).as_deref(), Some("SELECT" | "WITH" | "VALUES"))
        || lexed.tokens.get(next).is_some_and(|token| token.token == Token::LParen);
    if is_query {
        return Ok((next, Some(explain)));
    }
    Err(denied("EXPLAIN is answered for a SELECT; sql_schema describes tables"))
}

/// Only queries pass.
fn kind(lexed: &Lexed, first: usize) -> Result<(), ToolError> {
    let Some(word) = lexed.word(first) else {
        let opens = lexed.tokens.get(first).is_some_and(|token| token.token == Token::LParen);
        return if opens { Ok(()) } else { Err(invalid("a statement begins with SELECT or WITH")) };
    };
    match word.as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(()),
        "SHOW" | "HELP" => Err(denied(
            "SHOW is refused: sql_schema describes databases, tables, columns, keys and indexes",
        )),
        _ => Err(denied(format!(
            "only queries are run (SELECT, WITH, VALUES, TABLE and EXPLAIN of these): {word} is \
             not one, or changes something",
        ))),
    }
}

/// Words that no query that only reads has outside of quotes.
fn forbidden(lexed: &Lexed) -> Result<(), ToolError> {
    for index in 0..lexed.tokens.len() {
        let Some(word) = lexed.word(index) else { continue };
        let next = || lexed.word(index + 1).unwrap_or_default();
        match word.as_str() {
            "INTO" | "OUTFILE" | "DUMPFILE" => return Err(writing_into()),
            "PROCEDURE" => return Err(denied("PROCEDURE is refused: leave it out")),
            "FOR" if matches!(next().as_str(), "UPDATE" | "SHARE") => return Err(locking()),
            "LOCK" if next() == "IN" => return Err(locking()),
            "VALUE" if next() == "FOR" => {
                return Err(denied("sequences are refused: NEXT VALUE FOR changes the sequence"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn parse(lexed: &Lexed, first: usize) -> Result<Box<Query>, ToolError> {
    let tokens = super::translation::translate(lexed.tokens.get(first..).unwrap_or_default());
    let mut parser = Parser::new(&Grammar).with_tokens_with_locations(tokens);
    let query = parser.parse_query().map_err(|error| not_understood(&error, &lexed.text))?;
    let left = parser.peek_token();
    if left.token != Token::EOF {
        let place = bytes(left.span);
        let rest = lexed.text.get(place.start..).unwrap_or_default();
        let rest: String = rest.chars().take(40).collect();
        return Err(invalid(format!("the query is not understood from here on: {rest}")));
    }
    Ok(query)
}

fn not_understood(error: &ParserError, text: &str) -> ToolError {
    let (ParserError::ParserError(message) | ParserError::TokenizerError(message)) = error else {
        return invalid("the statement is nested too deeply: use common table expressions (WITH)");
    };
    let place = message.split_once(" at Line: ").and_then(|(what, place)| {
        let column: usize = place.rsplit_once("Column: ")?.1.trim().parse().ok()?;
        Some((what, text.get(column.checked_sub(1)?..)?))
    });
    match place {
        Some((what, rest)) => {
            let rest: String = rest.chars().take(40).collect();
            invalid(format!("the query is not understood: {what}, at: {rest}"))
        }
        None => invalid(format!("the query is not understood: {message}")),
    }
}

/// An exact or approximate number as SQL writes it.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_mantissa = match mantissa.split_once('.') {
        Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
        None => is_digits(mantissa),
    };
    let is_exponent = exponent
        .is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    is_mantissa && is_exponent && text.len() <= 200
}

/// sqlparser's MySQL, with what both servers know beyond it.
#[derive(Debug)]
struct Grammar;

impl Dialect for Grammar {
    fn dialect(&self) -> TypeId {
        TypeId::of::<MySqlDialect>()
    }
    fn is_identifier_start(&self, char: char) -> bool {
        MySqlDialect {}.is_identifier_start(char)
    }
    fn is_identifier_part(&self, char: char) -> bool {
        MySqlDialect {}.is_identifier_part(char)
    }
    fn is_table_factor_alias(
        &self,
        explicit: bool,
        keyword: &sqlparser::keywords::Keyword,
        parser: &mut Parser,
    ) -> bool {
        MySqlDialect {}.is_table_factor_alias(explicit, keyword, parser)
    }
    fn parse_infix(
        &self,
        parser: &mut Parser,
        value: &sqlparser::ast::Expr,
        precedence: u8,
    ) -> Option<Result<sqlparser::ast::Expr, ParserError>> {
        MySqlDialect {}.parse_infix(parser, value, precedence)
    }
    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
    fn supports_string_literal_concatenation(&self) -> bool {
        true
    }
    fn supports_numeric_prefix(&self) -> bool {
        true
    }
    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }
    fn require_interval_qualifier(&self) -> bool {
        true
    }
    fn supports_limit_comma(&self) -> bool {
        true
    }
    fn supports_table_hints(&self) -> bool {
        true
    }
    fn supports_match_against(&self) -> bool {
        true
    }
    fn supports_select_modifiers(&self) -> bool {
        true
    }
    fn supports_data_type_signed_suffix(&self) -> bool {
        true
    }
    fn supports_cross_join_constraint(&self) -> bool {
        true
    }
    fn supports_double_ampersand_operator(&self) -> bool {
        true
    }
    fn supports_binary_kw_as_cast(&self) -> bool {
        true
    }
    fn supports_group_by_with_modifier(&self) -> bool {
        true
    }
    fn supports_left_associative_joins_without_parens(&self) -> bool {
        false
    }
    fn supports_parens_around_table_factor(&self) -> bool {
        true
    }
    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }
    fn supports_bang_not_operator(&self) -> bool {
        true
    }
    fn supports_table_versioning(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(statement: &str, expected: &str) {
        let read = Statement::read(statement, Some("shop"), &[]).expect(statement);
        assert_eq!(read.text(), expected, "{statement}");
    }

    fn refused(statement: &str, reason: &str) {
        let error = Statement::read(statement, Some("shop"), &[]).expect_err(statement);
        assert!(error.message.contains(reason), "{statement}: {error}");
    }

    #[test]
    fn a_query_passes_as_it_is() {
        check("SELECT a, b FROM t WHERE c = 'd' -- e", "SELECT a, b FROM t WHERE c = 'd'");
        check("(SELECT 1) UNION ALL (SELECT 2) LIMIT 1", "(SELECT 1) UNION ALL (SELECT 2) LIMIT 1");
    }

    #[test]
    fn what_writes_is_refused() {
        refused("DELETE FROM t", "only queries are run");
        refused("WITH a AS (SELECT 1) DELETE FROM t", "");
        refused("SELECT 1 INTO OUTFILE '/tmp/x'", "INTO");
        refused("SELECT * FROM t FOR UPDATE", "FOR UPDATE");
        refused("SELECT * FROM t LOCK IN SHARE MODE", "FOR UPDATE");
        refused("SELECT NEXT VALUE FOR s", "sequences");
        refused("SELECT sleep(1)", "the function sleep");
    }

    #[test]
    fn lengths_are_bounded() {
        check("SELECT REPEAT('a', 10)", "SELECT REPEAT('a', 10)");
        refused("SELECT REPEAT('a', 1000000)", "at most 65536");
        let guard = functions::GUARD;
        check(
            "SELECT RPAD(f(1, 2), n + 1, 'x')".replace("f(", "COALESCE(").as_str(),
            &format!(
                "SELECT RPAD(COALESCE(1, 2), (({guard} + CAST((n + 1) AS SIGNED)) - {guard}), 'x')"
            ),
        );
        check(
            "SELECT SPACE((2))",
            &format!("SELECT SPACE((({guard} + CAST(((2)) AS SIGNED)) - {guard}))"),
        );
    }

    #[test]
    fn exact_numbers_are_placed_and_others_bound() {
        let mut read = Statement::read("SELECT ? + ?", None, &[]).expect("a query");
        let params = [Param::Number("-1.50".to_owned()), Param::Integer(2)];
        assert_eq!(read.place(&params).expect("two"), [&params[1]]);
        assert_eq!(read.text(), "SELECT (-1.50) + ?");
        let mut read = Statement::read("SELECT ?", None, &[]).expect("a query");
        assert!(read.place(&[]).is_err());
        assert!(read.place(&[Param::Number("1 OR 1".to_owned())]).is_err());
    }

    #[test]
    fn explain_is_taken_off() {
        let read = Statement::read("EXPLAIN FORMAT=JSON SELECT 1", None, &[]).expect("a plan");
        assert_eq!(read.explain, Some(Explain { is_analyze: false, is_json: true }));
        assert_eq!(read.text(), "SELECT 1");
        let read = Statement::read("ANALYZE SELECT 1", None, &[]).expect("a plan");
        assert_eq!(read.explain, Some(Explain { is_analyze: true, is_json: false }));
        refused("EXPLAIN DELETE FROM t", "EXPLAIN is answered");
        refused("DESC t", "sql_schema");
        refused("EXPLAIN FOR CONNECTION 3", "EXPLAIN is answered");
    }
}

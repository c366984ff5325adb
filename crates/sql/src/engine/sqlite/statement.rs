//! The statement layer: what can be said of a statement from its tokens alone, before SQLite
//! sees it. One statement, of a kind that reads, calling functions that only compute, naming
//! nothing of the engine's own.
//!
//! SQLite's own parser and authorizer say the same again, and say it better; this layer is there
//! so that nothing hangs on them alone.

use contract::{Kind as ErrorKind, ToolError};

use super::functions;
use super::lexer::{self, Kind, Token};
use super::relations::{self, Relations};
use super::sources;

/// A statement that may be prepared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    /// The text; `main.` before a masked table has become `temp.`, where its mask is.
    pub(super) text: String,
    /// Where the statement begins behind an EXPLAIN QUERY PLAN.
    pub(super) body: usize,
}

/// Words that stand before parentheses and are no functions.
const BEFORE_PARENTHESES: &[&str] = &[
    "all",
    "and",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "cross",
    "distinct",
    "else",
    "escape",
    "except",
    "exists",
    "filter",
    "from",
    "glob",
    "group",
    "having",
    "in",
    "inner",
    "intersect",
    "is",
    "isnull",
    "join",
    "like",
    "limit",
    "match",
    "materialized",
    "not",
    "notnull",
    "offset",
    "on",
    "or",
    "order",
    "over",
    "recursive",
    "regexp",
    "select",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "with",
    "within",
];

/// Verbs that change something, and what they are called in the refusal.
const WRITING: &[&str] = &["insert", "update", "delete", "replace"];

/// The longest text that may be a quick look, in bytes.
const LIGHT: usize = 2_000;

/// Whether a text may be no more than a quick look into tables: one short SELECT without calls.
pub(super) fn is_light(text: &str) -> bool {
    if text.len() > LIGHT {
        return false;
    }
    let tokens = lexer::tokens(text);
    let is_call = |pair: &[Token<'_>]| {
        let [name, next] = pair else { return false };
        next.is_sign("(")
            && matches!(name.kind, Kind::Word | Kind::Quoted)
            && !name.is_any(BEFORE_PARENTHESES)
    };
    tokens.first().is_some_and(|first| first.is("select"))
        && tokens.iter().filter(|token| token.is("select")).count() == 1
        && !tokens.windows(2).any(is_call)
}

/// Checks a statement.
pub(super) fn admit(
    text: &str,
    relations: &Relations,
    further: &[String],
) -> Result<Admitted, ToolError> {
    if let Some(at) = text.find('\0') {
        let message =
            format!("The statement has a NUL character at byte {at}, where SQLite stops reading.");
        return Err(ToolError::invalid(message));
    }
    let all: Vec<Token<'_>> =
        lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let tokens = one_statement(&all)?;
    if let Some(token) = tokens.iter().find(|token| token.kind == Kind::Illegal) {
        let start: String = token.text.chars().take(20).collect();
        let message = format!("SQLite cannot read `{start}` at byte {}: an open quote?", token.at);
        return Err(ToolError::invalid(message));
    }
    reading_kind(tokens)?;
    calls(tokens, further)?;
    names(tokens, relations)?;
    let body = body(tokens);
    Ok(Admitted { text: redirected(text, relations), body })
}

/// The tokens of the only statement, without the semicolon behind it.
fn one_statement<'s, 'a>(all: &'s [Token<'a>]) -> Result<&'s [Token<'a>], ToolError> {
    let begin = all.iter().position(|token| !token.is_sign(";")).unwrap_or(all.len());
    let rest = all.get(begin..).unwrap_or_default();
    let end = rest.iter().position(|token| token.is_sign(";")).unwrap_or(rest.len());
    let (statement, behind) = rest.split_at(end);
    if let Some(second) = behind.iter().find(|token| !token.is_sign(";")) {
        return Err(ToolError::invalid(format!(
            "One statement at a time: a second one begins with `{}` at byte {}. Send them one by one.",
            shortened(second.text),
            second.at
        )));
    }
    if statement.is_empty() {
        return Err(ToolError::invalid("There is no statement: send a SELECT, VALUES or WITH."));
    }
    Ok(statement)
}

fn shortened(text: &str) -> String {
    text.chars().take(30).collect()
}

/// SELECT, VALUES, WITH of these, and EXPLAIN QUERY PLAN of these.
fn reading_kind(tokens: &[Token<'_>]) -> Result<(), ToolError> {
    let mut rest = tokens;
    if let [explain, query, plan, inner @ ..] = tokens
        && explain.is("explain")
        && query.is("query")
        && plan.is("plan")
    {
        rest = inner;
    } else if tokens.first().is_some_and(|token| token.is("explain")) {
        let message =
            "EXPLAIN shows the engine's inner program: ask for EXPLAIN QUERY PLAN, or sql_explain.";
        return Err(ToolError::invalid(message));
    }
    let verb = match rest.first() {
        Some(first) if first.is("with") => main_verb(rest),
        first => first,
    };
    match verb {
        Some(verb) if verb.is_any(&["select", "values"]) => Ok(()),
        Some(verb) if verb.is_sign("(") => Err(ToolError::invalid(
            "SQLite takes no parentheses around a whole SELECT: leave them out, or write SELECT * FROM (…).",
        )),
        Some(verb) => Err(ToolError::new(ErrorKind::Denied, kind_refusal(verb.text))),
        None => {
            Err(ToolError::invalid("The statement ends too early: send a SELECT, VALUES or WITH."))
        }
    }
}

/// The verb behind the common table expressions of WITH.
fn main_verb<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<&'t Token<'a>> {
    let mut depth = 0_i64;
    let mut before: Option<&Token<'_>> = None;
    for token in tokens {
        let is_verb = token.is_any(&["select", "values"]) || token.is_any(WRITING);
        // A table expression may be called `replace`: its name stands behind WITH or a comma.
        let is_name = before
            .is_some_and(|before| before.is_any(&["with", "recursive"]) || before.is_sign(","));
        if depth == 0 && is_verb && !is_name {
            return Some(token);
        }
        depth += i64::from(token.is_sign("(")) - i64::from(token.is_sign(")"));
        before = Some(token);
    }
    None
}

/// What is said of a statement that is no query.
fn kind_refusal(verb: &str) -> String {
    let verb = shortened(verb).to_ascii_uppercase();
    let hint = match verb.as_str() {
        "PRAGMA" | "DESCRIBE" | "DESC" | "SHOW" => {
            " sql_schema describes tables, columns and indexes."
        }
        "ATTACH" | "DETACH" => " One database file is open, and stays the only one.",
        "VACUUM" | "ANALYZE" | "REINDEX" => " Maintenance is for the file's owner.",
        "BEGIN" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "END" => {
            " Every statement is a transaction of its own."
        }
        _ => "",
    };
    format!(
        "`{verb}` is refused, because this server only reads: SELECT, VALUES, WITH and EXPLAIN QUERY PLAN may run.{hint}"
    )
}

/// The byte at which the statement itself begins.
fn body(tokens: &[Token<'_>]) -> usize {
    let is_explaining = tokens.first().is_some_and(|token| token.is("explain"));
    let first = tokens.get(if is_explaining { 3 } else { 0 });
    first.map_or(0, |token| token.at)
}

/// Every name before an opening parenthesis is a function that is allowed, or no function.
fn calls(tokens: &[Token<'_>], further: &[String]) -> Result<(), ToolError> {
    for (index, token) in tokens.iter().enumerate() {
        let Some(next) = tokens.get(index + 1) else { break };
        if !next.is_sign("(") || !matches!(token.kind, Kind::Word | Kind::Quoted) {
            continue;
        }
        let name = token.name().unwrap_or_default();
        if token.is_any(BEFORE_PARENTHESES) || functions::is_allowed(&name, further) {
            continue;
        }
        if is_table_expression(tokens, index) {
            continue;
        }
        let message = format!("At byte {}: {}.", token.at, functions::refusal(&name));
        return Err(ToolError::new(ErrorKind::Denied, message));
    }
    Ok(())
}

/// Whether `name (…)` at this place is the head of `WITH name (…) AS (…)`.
fn is_table_expression(tokens: &[Token<'_>], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|index| tokens.get(index));
    if !before.is_some_and(|before| before.is_any(&["with", "recursive"]) || before.is_sign(",")) {
        return false;
    }
    let mut depth = 0_i64;
    let mut rest = tokens.get(index + 1..).unwrap_or_default().iter();
    for token in rest.by_ref() {
        depth += i64::from(token.is_sign("(")) - i64::from(token.is_sign(")"));
        if depth == 0 {
            break;
        }
    }
    let is_as = rest.next().is_some_and(|token| token.is("as"));
    let mut rest = rest.skip_while(|token| token.is_any(&["not", "materialized"]));
    is_as && rest.next().is_some_and(|token| token.is_sign("("))
}

/// No relation is named that rules or the engine keep to themselves.
fn names(tokens: &[Token<'_>], relations: &Relations) -> Result<(), ToolError> {
    let expressions = table_expressions(tokens);
    for (index, token) in tokens.iter().enumerate() {
        let Some(name) = token.name() else { continue };
        let before = index.checked_sub(1).and_then(|index| tokens.get(index));
        let is_placed = before.is_some_and(|before| {
            before.is_any(&["from", "join", "in"])
                || [".", ",", "("].iter().any(|sign| before.is_sign(sign))
        });
        // A string is a name only where nothing but a name can stand.
        if token.kind == Kind::Text && !is_placed {
            continue;
        }
        if relations.is_reserved(&name) {
            return Err(denied(relations::reserved_refusal(&name)));
        }
    }
    for source in sources::of(tokens) {
        let is_expression = !source.is_qualified && expressions.contains(&source.name);
        if !is_expression && relations.is_hidden(&source.name) {
            return Err(denied(relations::hidden_refusal(&source.name)));
        }
    }
    Ok(())
}

fn denied(message: String) -> ToolError {
    ToolError::new(ErrorKind::Denied, message)
}

/// The names that WITH defines.
fn table_expressions(tokens: &[Token<'_>]) -> Vec<String> {
    let heads = tokens.iter().enumerate().filter(|(index, _)| {
        let is_first = index
            .checked_sub(1)
            .and_then(|before| tokens.get(before))
            .is_some_and(|before| before.is_any(&["with", "recursive"]) || before.is_sign(","));
        let is_plain = tokens.get(index + 1).is_some_and(|next| next.is("as"));
        is_first && (is_plain || is_table_expression(tokens, *index))
    });
    heads.filter_map(|(_, token)| token.name()).collect()
}

/// The text with `main.t` turned into `temp.t` for every table whose mask stands in its place.
pub(super) fn redirected(text: &str, relations: &Relations) -> String {
    if !relations.has_masks() {
        return text.to_owned();
    }
    let tokens: Vec<Token<'_>> =
        lexer::tokens(text).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let mut written = String::with_capacity(text.len());
    let mut copied = 0;
    for window in tokens.windows(3) {
        let [schema, dot, table] = window else { continue };
        let is_main = schema.name().is_some_and(|name| name == "main") && dot.is_sign(".");
        if is_main && table.name().is_some_and(|name| relations.is_replaced(&name)) {
            written.push_str(text.get(copied..schema.at).unwrap_or_default());
            written.push_str("temp");
            copied = schema.at + schema.text.len();
        }
    }
    written.push_str(text.get(copied..).unwrap_or_default());
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Rules;
    use crate::settings::Mask;

    use super::super::relations::Relation;

    fn relations() -> Relations {
        let mut rules = Rules { deny: vec!["main.secrets".to_owned()], ..Rules::default() };
        rules.mask.insert("main.people.email".to_owned(), Mask::Hash);
        let relation = |name: &str| Relation {
            name: name.to_owned(),
            columns: vec!["email".to_owned()],
            ..Relation::default()
        };
        Relations::new(&rules, vec![relation("people"), relation("secrets")], "n")
    }

    fn refused(text: &str, because: &str) {
        let error = admit(text, &relations(), &[]).expect_err(text);
        assert!(error.message.contains(because), "{text}: {}", error.message);
    }

    fn admitted(text: &str, expected: &str) {
        let admitted =
            admit(text, &relations(), &[]).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(admitted.text, expected);
    }

    #[test]
    fn one_statement_that_reads() {
        for text in [
            "SELECT 1",
            " ; select 1 ;; -- done; really",
            "VALUES (1), (2)",
            "WITH t(a) AS (SELECT 1) SELECT a FROM t",
            "WITH RECURSIVE t(a, b) AS NOT MATERIALIZED (SELECT 1, 2) SELECT * FROM t",
            "WITH replace AS (SELECT 1) SELECT * FROM replace",
            "EXPLAIN QUERY PLAN SELECT 1",
            "SELECT replace('a;b', ';', ','), count(*) FILTER (WHERE 1) OVER (ORDER BY 1)",
            "SELECT ';' AS \"INSERT\", [a;b], x'00' FROM t /* ; */",
            "SELECT a FROM t WHERE a IN (1, 2) AND EXISTS (SELECT 1) AND b NOT IN (3)",
        ] {
            admitted(text, text);
        }
        refused("SELECT 1; DELETE FROM t", "One statement at a time");
        refused("SELECT 1;/**/;;SELECT 2", "One statement at a time");
        refused("", "no statement");
        refused("-- nothing", "no statement");
        refused("SELECT 'a", "open quote");
        refused("SELECT 1\0; DROP TABLE t", "NUL");
    }

    #[test]
    fn a_quick_look_calls_nothing() {
        for text in ["SELECT 1", "select a, b FROM t WHERE a IN (1, 2) AND (b > ?) LIMIT 3"] {
            assert!(is_light(text), "{text}");
        }
        for text in [
            "SELECT count(*) FROM t",
            "SELECT \"abs\" (1)",
            "SELECT (SELECT 1)",
            "SELECT 1 UNION SELECT 2",
            "WITH t AS (VALUES (1)) SELECT * FROM t",
            "VALUES (1)",
            &format!("SELECT '{}'", "x".repeat(LIGHT)),
        ] {
            assert!(!is_light(text), "{text}");
        }
    }

    #[test]
    fn other_kinds_are_refused_by_name() {
        refused("INSERT INTO t VALUES (1)", "`INSERT`");
        refused("WITH x AS (SELECT 1) DELETE FROM t", "`DELETE`");
        refused("WITH x(a) AS (SELECT 1), y AS (SELECT 2) REPLACE INTO t VALUES (1)", "`REPLACE`");
        refused("PRAGMA user_version = 1", "sql_schema");
        refused("EXPLAIN SELECT 1", "EXPLAIN QUERY PLAN");
        refused("EXPLAIN QUERY PLAN INSERT INTO t VALUES (1)", "`INSERT`");
        refused("(SELECT 1) UNION (SELECT 2)", "parentheses");
        refused("WITH", "ends too early");
    }

    #[test]
    fn functions_and_the_engines_own_names_are_looked_at() {
        refused("SELECT load_extension('x')", "loads code");
        refused("SELECT \"load_extension\" /**/ ('x')", "loads code");
        refused("SELECT 1, load_extension('x') AS materialized", "loads code");
        refused("SELECT * FROM pragma_table_info('t')", "PRAGMA");
        refused("SELECT * FROM pragma_database_list", "engine's own");
        refused("SELECT * FROM 'sqlite_temp_master'", "engine's own");
        refused("SELECT * FROM main.[dbstat]", "engine's own");
        refused("SELECT * FROM suite_mask_n_0", "engine's own");
        admitted("SELECT 'dbstat' AS a", "SELECT 'dbstat' AS a");
    }

    #[test]
    fn hidden_tables_are_refused_and_masked_ones_redirected() {
        refused("SELECT * FROM secrets", "keep `secrets`");
        refused("SELECT * FROM t JOIN main.\"Secrets\" s", "keep `secrets`");
        admitted(
            "WITH secrets AS (SELECT 1) SELECT * FROM secrets",
            "WITH secrets AS (SELECT 1) SELECT * FROM secrets",
        );
        admitted("SELECT secrets FROM t", "SELECT secrets FROM t");
        admitted(
            "SELECT main.people.email FROM \"Main\" . people",
            "SELECT temp.people.email FROM temp . people",
        );
    }
}

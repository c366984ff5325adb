//! Which names of a statement stand where only a table can: behind FROM, JOIN, IN, and behind the
//! commas and parentheses of a FROM clause.

use super::lexer::{Kind, Token};

/// A table that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// In lower case, without quotes.
    pub(super) name: String,
    /// Whether a schema stands before it.
    pub(super) is_qualified: bool,
}

/// What is known at one depth of parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Whether it is inside a FROM clause, where a comma brings another table.
    is_from: bool,
    /// Whether the next name is a table's.
    is_table: bool,
}

/// Words behind which a FROM clause is over.
const ENDS: &[&str] = &[
    "except",
    "group",
    "having",
    "intersect",
    "limit",
    "order",
    "returning",
    "select",
    "union",
    "values",
    "where",
    "window",
];

/// The tables that these tokens name, comments left out.
pub(super) fn of(tokens: &[Token<'_>]) -> Vec<Source> {
    let mut found = Vec::new();
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    let mut schema: Option<usize> = None;
    for (index, token) in tokens.iter().enumerate() {
        if token.is_sign("(") {
            let is_list = index
                .checked_sub(1)
                .and_then(|index| tokens.get(index))
                .is_some_and(|token| token.is("in"));
            let is_table = level.is_table && !is_list;
            let inner = Level { is_from: is_table, is_table };
            level.is_table = false;
            outer.push(level);
            level = inner;
        } else if token.is_sign(")") {
            level = outer.pop().unwrap_or_default();
        } else if token.is_sign(",") {
            level.is_table = level.is_from;
        } else if token.is_any(&["from", "join"]) && !is_comparison(tokens, index) {
            level = Level { is_from: true, is_table: true };
        } else if token.is("in") {
            level.is_table = true;
        } else if token.is_any(ENDS) {
            level = Level::default();
        } else if level.is_table && matches!(token.kind, Kind::Word | Kind::Quoted | Kind::Text) {
            if tokens.get(index + 1).is_some_and(|next| next.is_sign(".")) {
                schema = Some(index);
                continue;
            }
            let is_qualified = schema.is_some_and(|schema| schema + 2 == index);
            found.extend(token.name().map(|name| Source { name, is_qualified }));
            level.is_table = false;
        } else if !token.is_sign(".") {
            level.is_table = false;
        }
    }
    found
}

/// Whether this FROM belongs to `IS DISTINCT FROM`.
fn is_comparison(tokens: &[Token<'_>], index: usize) -> bool {
    let before = |back: usize| index.checked_sub(back).and_then(|index| tokens.get(index));
    before(1).is_some_and(|token| token.is("distinct"))
        && before(2).is_some_and(|token| token.is_any(&["is", "not"]))
}

#[cfg(test)]
mod tests {
    use super::super::lexer;
    use super::*;

    fn check(text: &str, expected: &str) {
        let names: Vec<String> = of(&lexer::tokens(text))
            .into_iter()
            .map(
                |source| {
                    if source.is_qualified { format!(".{}", source.name) } else { source.name }
                },
            )
            .collect();
        assert_eq!(names.join(" "), expected, "{text}");
    }

    #[test]
    fn tables_are_found_wherever_one_can_stand() {
        check(
            "SELECT a, b FROM t, main.U AS x, \"v\" JOIN w ON x.a = w.b, y WHERE a IN z",
            "t .u v w y z",
        );
        check(
            "SELECT * FROM (t, u) NATURAL JOIN ((v)) LEFT JOIN (SELECT a, b FROM w) ON 1",
            "t u v w",
        );
        check("SELECT (SELECT max(a, b) FROM t), c FROM u", "t u");
        check("SELECT f(a, b), c FROM json_each(d, e), t", "json_each t");
        check("SELECT a IS NOT DISTINCT FROM b, c FROM t GROUP BY d, e", "t");
        check("WITH x AS (SELECT * FROM t) SELECT * FROM x UNION SELECT a, b FROM u", "t x u");
        check("SELECT a FROM 't' WHERE a IN (b, c) OR a IN main.d", "t .d");
        check("VALUES (1, 2)", "");
    }
}

//! Whether a statement can neither make large rows nor leave anything in the session, by its text:
//! then its rows need not be measured, and ending its transaction is all there is to clean.
//!
//! A SELECT from relations by name, of columns, constants, and a few functions and operators
//! whose values are no larger than their arguments. Whatever gathers, repeats or joins values,
//! every subquery and every type with a length is not narrow.

use super::tree::{Node, Tree};

/// Kinds of nodes that make no value larger.
const KINDS: &[&str] = &[
    "AConst",
    "AExpr",
    "AStar",
    "Alias",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "ColumnRef",
    "Float",
    "FuncCall",
    "Integer",
    "JoinExpr",
    "List",
    "NullTest",
    "ParamRef",
    "RangeVar",
    "ResTarget",
    "SelectStmt",
    "SortBy",
    "SqlValueFunction",
    "String",
    "TypeCast",
    "TypeName",
    "WindowDef",
];

/// Operators that make no value larger.
const OPERATORS: &[&str] =
    &["!=", "!~~", "!~~*", "%", "*", "+", "-", "/", "<", "<=", "<>", "=", ">", ">=", "~~", "~~*"];

/// Functions of PostgreSQL's own that make no value larger.
const FUNCTIONS: &[&str] = &[
    "abs",
    "avg",
    "ceil",
    "count",
    "date_part",
    "date_trunc",
    "dense_rank",
    "extract",
    "floor",
    "length",
    "lower",
    "max",
    "min",
    "now",
    "rank",
    "round",
    "row_number",
    "sum",
    "upper",
];

/// What the text says; whether the relations' rows are small is the catalogue's to say.
pub(super) fn is_narrow(query: &Tree) -> bool {
    match query {
        Tree::Node(node) => is_narrow_node(node),
        Tree::List(items) => items.iter().all(is_narrow),
        Tree::Nothing | Tree::Bool | Tree::Int(_) | Tree::Text(_) => true,
    }
}

fn is_narrow_node(node: &Node) -> bool {
    let is_known = |names: &[&str], field: &str| match node.get(field).names().as_slice() {
        [name] | ["pg_catalog", name] => names.binary_search(name).is_ok(),
        _ => false,
    };
    let is_harmless = match node.kind {
        "AExpr" => is_known(OPERATORS, "name"),
        "FuncCall" => is_known(FUNCTIONS, "funcname"),
        "TypeName" => node.get("typmods").is_nothing(),
        kind => KINDS.binary_search(&kind).is_ok(),
    };
    is_harmless && node.fields.iter().all(|(_, tree)| is_narrow(tree))
}

#[cfg(test)]
mod tests {
    use super::super::grammar;
    use super::*;

    async fn narrow(statement: &'static str) -> bool {
        let work = move || grammar::parse(statement).map(|parsed| is_narrow(&parsed.statements[0]));
        grammar::deeply(statement.len(), work).await.expect("it parses")
    }

    #[test]
    fn names_are_in_order() {
        for names in [KINDS, OPERATORS, FUNCTIONS] {
            assert!(names.is_sorted(), "{names:?}");
        }
    }

    #[tokio::test]
    async fn whatever_makes_values_is_measured() {
        for statement in [
            "SELECT 1",
            "SELECT id, name FROM t WHERE total > 5 AND name LIKE 'a%' ORDER BY id LIMIT 10",
            "SELECT country, count(*), sum(total) FROM t GROUP BY 1 ORDER BY 2 DESC",
            "SELECT t.*, date_trunc('month', placed) FROM t JOIN u USING (id)",
            "SELECT CASE WHEN a THEN b ELSE coalesce(c, 0) END, total::text FROM t",
        ] {
            assert!(narrow(statement).await, "{statement}");
        }
        for statement in [
            "SELECT string_agg(name, ',') FROM t",
            "SELECT array_agg(id) FROM t",
            "SELECT name || name FROM t",
            "SELECT repeat(name, 9) FROM t",
            "SELECT name::char(10000000) FROM t",
            "SELECT s, s FROM (SELECT t, t FROM t) s",
            "WITH s AS (SELECT t, t FROM t) SELECT s, s FROM s",
            "SELECT ARRAY(SELECT id FROM t)",
            "SELECT to_json(t) FROM t",
            "SELECT x FROM generate_series(1, 9) x",
            "SELECT public.count(*) FROM t",
        ] {
            assert!(!narrow(statement).await, "{statement}");
        }
    }
}

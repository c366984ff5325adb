//! Which kinds of nodes may be in a statement, and how the others are refused.

use contract::ToolError;
use contract::error::Kind;

/// Every kind of node that a query without side effects is made of. A kind that is not here is
/// refused, also one that a later grammar brings.
const HARMLESS: &[&str] = &[
    "AArrayExpr",
    "AConst",
    "AExpr",
    "AIndices",
    "AIndirection",
    "AStar",
    "Alias",
    "BitString",
    "BoolExpr",
    "Boolean",
    "BooleanTest",
    "CaseExpr",
    "CaseWhen",
    "CoalesceExpr",
    "CollateClause",
    "ColumnDef",
    "ColumnRef",
    "CommonTableExpr",
    "CteCycleClause",
    "CteSearchClause",
    "Float",
    "FuncCall",
    "GroupingFunc",
    "GroupingSet",
    "Integer",
    "JoinExpr",
    "JsonAggConstructor",
    "JsonArgument",
    "JsonArrayAgg",
    "JsonArrayConstructor",
    "JsonArrayQueryConstructor",
    "JsonBehavior",
    "JsonFormat",
    "JsonFuncExpr",
    "JsonIsPredicate",
    "JsonKeyValue",
    "JsonObjectAgg",
    "JsonObjectConstructor",
    "JsonOutput",
    "JsonParseExpr",
    "JsonReturning",
    "JsonScalarExpr",
    "JsonSerializeExpr",
    "JsonTable",
    "JsonTableColumn",
    "JsonTablePathSpec",
    "JsonValueExpr",
    "List",
    "MinMaxExpr",
    "NamedArgExpr",
    "NullTest",
    "ParamRef",
    "RangeFunction",
    "RangeSubselect",
    "RangeTableFunc",
    "RangeTableFuncCol",
    "RangeTableSample",
    "RangeVar",
    "ResTarget",
    "RowExpr",
    "SelectStmt",
    "SortBy",
    "SqlValueFunction",
    "String",
    "SubLink",
    "TypeCast",
    "TypeName",
    "WindowDef",
    "WithClause",
    "XmlExpr",
    "XmlSerialize",
];

/// What statements may be, said wherever one is none of it.
pub(super) const ALLOWED: &str =
    "Allowed is one SELECT, VALUES, TABLE or WITH … SELECT, or EXPLAIN of one.";

/// Refuses what is not known to be harmless.
pub(super) fn check(kind: &str) -> Result<(), ToolError> {
    if HARMLESS.binary_search(&kind).is_ok() { Ok(()) } else { Err(refusal(kind)) }
}

/// Why a kind of node is refused.
pub(super) fn refusal(kind: &str) -> ToolError {
    let message = match kind {
        "IntoClause" => "SELECT … INTO creates a table; leave INTO out.".to_owned(),
        "LockingClause" => {
            "FOR UPDATE and FOR SHARE lock rows; leave them out, reading needs none.".to_owned()
        }
        "InsertStmt" | "UpdateStmt" | "DeleteStmt" | "MergeStmt" => {
            format!("{} changes data, also inside WITH. {ALLOWED}", command(kind))
        }
        "VariableShowStmt" => format!(
            "SHOW does not run here; SELECT current_setting('TimeZone') reads harmless settings. \
             {ALLOWED}"
        ),
        _ if kind.ends_with("Stmt") => {
            format!("{} is not a query. {ALLOWED}", command(kind))
        }
        _ => format!("{kind} is not known to be harmless. {ALLOWED}"),
    };
    ToolError::new(Kind::Denied, message)
}

/// The command that a kind of statement is written as.
fn command(kind: &str) -> String {
    let known = match kind {
        "VariableSetStmt" => "SET",
        "TransactionStmt" => "A command of transactions",
        "CopyStmt" => "COPY",
        "DoStmt" => "DO",
        "ClosePortalStmt" => "CLOSE",
        "CreateTableAsStmt" => "CREATE TABLE AS",
        "CreateStmt" => "CREATE TABLE",
        "ViewStmt" => "CREATE VIEW",
        "IndexStmt" => "CREATE INDEX",
        "RefreshMatViewStmt" => "REFRESH MATERIALIZED VIEW",
        "AlterSystemStmt" => "ALTER SYSTEM",
        "DeclareCursorStmt" => "DECLARE",
        _ => "",
    };
    if !known.is_empty() {
        return known.to_owned();
    }
    let mut words = String::new();
    for letter in kind.trim_end_matches("Stmt").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_uppercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_that_the_search_needs() {
        assert!(HARMLESS.is_sorted());
    }

    #[test]
    fn refusals_name_the_command() {
        assert!(refusal("VacuumStmt").message.starts_with("VACUUM is not a query"));
        assert!(refusal("AlterRoleSetStmt").message.starts_with("ALTER ROLE SET is not"));
    }
}

//! The functions that statements may call: an allow-list, since SQLite's catalogue says of no
//! function whether it changes something.

/// Scalar, aggregate, window and table-valued functions that only compute.
const ALLOWED: &[&str] = &[
    // Operators that are functions inside.
    "->",
    "->>",
    "glob",
    "like",
    "match",
    // Values.
    "abs",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "format",
    "glob",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "length",
    "likelihood",
    "likely",
    "lower",
    "ltrim",
    "max",
    "min",
    "nullif",
    "octet_length",
    "printf",
    "quote",
    "random",
    "randomblob",
    "replace",
    "round",
    "rtrim",
    "sign",
    "soundex",
    "substr",
    "substring",
    "subtype",
    "trim",
    "typeof",
    "unhex",
    "unicode",
    "unistr",
    "unistr_quote",
    "unlikely",
    "upper",
    "zeroblob",
    // What this SQLite is.
    "sqlite_compileoption_get",
    "sqlite_compileoption_used",
    "sqlite_source_id",
    "sqlite_version",
    // Time.
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "julianday",
    "strftime",
    "time",
    "timediff",
    "unixepoch",
    // Mathematics.
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "ceiling",
    "cos",
    "cosh",
    "degrees",
    "exp",
    "floor",
    "ln",
    "log",
    "log10",
    "log2",
    "mod",
    "pi",
    "pow",
    "power",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    // Aggregates and windows.
    "avg",
    "count",
    "cume_dist",
    "dense_rank",
    "first_value",
    "group_concat",
    "lag",
    "last_value",
    "lead",
    "median",
    "nth_value",
    "ntile",
    "percent_rank",
    "percentile",
    "percentile_cont",
    "percentile_disc",
    "rank",
    "row_number",
    "string_agg",
    "sum",
    "total",
    // JSON; `json_patch` is missing, because it takes the square of its input's length.
    "json",
    "json_array",
    "json_array_length",
    "json_each",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_tree",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_each",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "jsonb_tree",
    // Full text and geometry.
    "bm25",
    "highlight",
    "matchinfo",
    "offsets",
    "snippet",
];

/// Functions that no setting allows: they load code, write files, pass pointers or never end.
const NEVER: &[&str] = &[
    "edit",
    "fts3_tokenizer",
    "fts5",
    "json_patch",
    "jsonb_patch",
    "load_extension",
    "optimize",
    "readfile",
    "sqlite_log",
    "writefile",
];

/// Virtual tables that exist without being created and only compute.
const TABLES: &[&str] = &["json_each", "json_tree", "jsonb_each", "jsonb_tree"];

/// Whether a statement may call this function, given those that the operator allows.
pub(super) fn is_allowed(name: &str, further: &[String]) -> bool {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    if NEVER.iter().any(|known| is(known)) {
        return false;
    }
    ALLOWED.iter().any(|known| is(known)) || further.iter().any(|known| is(unqualified(known)))
}

/// Whether it is a table that computes its rows from its arguments.
pub(super) fn is_table(name: &str) -> bool {
    TABLES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Why it is refused, and what would do instead.
pub(super) fn refusal(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let (why, instead) = match lower.as_str() {
        "load_extension" | "fts3_tokenizer" => ("loads code", ""),
        "edit" | "readfile" | "writefile" => ("reaches files or programs", ""),
        "json_patch" | "jsonb_patch" => {
            ("takes the square of its input's length", "; use json_set and json_remove")
        }
        "changes" | "total_changes" | "last_insert_rowid" => {
            ("speaks of writing, which nothing here does", "")
        }
        "sqlite_log" | "optimize" => ("writes", ""),
        _ if lower.starts_with("pragma_") => ("is a PRAGMA", "; sql_schema describes tables"),
        _ => (
            "is not among those that are known to only compute",
            "; the operator can name it under `functions`",
        ),
    };
    format!("the function `{name}` {why}, so it is refused{instead}")
}

fn unqualified(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_computes_is_allowed_in_any_case() {
        for name in ["sum", "Json_Extract", "->>", "strftime", "row_number"] {
            assert!(is_allowed(name, &[]), "{name}");
        }
        for name in ["load_extension", "WRITEFILE", "fts3_tokenizer", "mine", "pragma_table_info"] {
            assert!(!is_allowed(name, &[]), "{name}");
        }
    }

    #[test]
    fn the_operator_adds_functions_but_not_dangerous_ones() {
        let further = ["main.mine".to_owned(), "load_extension".to_owned()];
        assert!(is_allowed("MINE", &further));
        assert!(!is_allowed("load_extension", &further));
    }
}

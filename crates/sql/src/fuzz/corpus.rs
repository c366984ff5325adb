//! A public corpus of SQL statements: `corpus/sqlglot`, which its SOURCE describes, and whatever
//! folder `SUITE_CORPUS` names.

use std::path::Path;

use super::catalogue::Dialect;
use super::{How, Question};

/// The columns of the corpus's tables with their types.
const TABLES: &str = include_str!("../../corpus/sqlglot/tables.json");

/// Parts that every database is asked.
const FOR_ALL: [&str; 4] = [
    include_str!("../../corpus/sqlglot/identity.json"),
    include_str!("../../corpus/sqlglot/optimizer.json"),
    include_str!("../../corpus/sqlglot/tpc-h.json"),
    include_str!("../../corpus/sqlglot/tpc-ds.json"),
];
const POSTGRES: &str = include_str!("../../corpus/sqlglot/postgres.json");
const MYSQL: &str = include_str!("../../corpus/sqlglot/mysql.json");
const SQLITE: &str = include_str!("../../corpus/sqlglot/sqlite.json");

/// Tables that statements of parsers are about, without saying what they are.
const PLAIN: &[&str] =
    &["x", "y", "z", "t", "t1", "t2", "foo", "bar", "test", "tbl", "tab", "temporal"];
/// Their columns.
const PLAIN_COLUMNS: &[&str] = &[
    "a", "b", "c", "d", "e", "i", "j", "k", "n", "x", "y", "z", "id", "col", "col1", "foo", "bar",
];

/// The statements for a database.
pub(crate) fn statements(dialect: Dialect) -> Vec<Question> {
    let own = match dialect {
        Dialect::Postgres => POSTGRES,
        Dialect::Mysql => MYSQL,
        Dialect::Sqlite => SQLITE,
    };
    let parts = FOR_ALL.iter().chain([&own]);
    let parse = |part: &&str| serde_json::from_str::<Vec<String>>(part).expect("a list of texts");
    let vendored = parts.flat_map(parse);
    let folder = std::env::var_os("SUITE_CORPUS");
    let more = folder.iter().flat_map(|folder| in_folder(Path::new(folder)));
    let question = |text| Question { text, how: How::Run, is_ruled: false };
    vendored.chain(more).map(question).collect()
}

/// The statements that make the corpus's tables, with a few rows each. Tables that are there
/// already get the columns.
pub(crate) fn schema(dialect: Dialect, present: &[&str]) -> String {
    let tables: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(TABLES).expect("an object");
    let mut script = String::new();
    for (table, columns) in &tables {
        let columns = columns.as_object().expect("columns");
        let typed: Vec<(&str, &str)> = columns
            .iter()
            .map(|(name, type_name)| (name.as_str(), column_type(dialect, type_name)))
            .collect();
        if present.contains(&table.as_str()) {
            for (name, type_name) in typed {
                script.push_str(&format!("ALTER TABLE {table} ADD COLUMN {name} {type_name};\n"));
            }
        } else {
            make(&mut script, table, &typed);
        }
    }
    let plain: Vec<(&str, &str)> = PLAIN_COLUMNS.iter().map(|name| (*name, "int")).collect();
    for table in PLAIN {
        make(&mut script, table, &plain);
    }
    script
}

fn column_type(dialect: Dialect, type_name: &serde_json::Value) -> &'static str {
    match (type_name.as_str().expect("a type"), dialect) {
        ("string", Dialect::Mysql) => "varchar(100)",
        ("string", _) => "text",
        ("double", _) => "decimal(12,2)",
        _ => "bigint",
    }
}

fn make(script: &mut String, table: &str, columns: &[(&str, &str)]) {
    let typed: Vec<String> =
        columns.iter().map(|(name, type_name)| format!("{name} {type_name}")).collect();
    script.push_str(&format!("CREATE TABLE {table} ({});\n", typed.join(", ")));
    for row in 1..=3 {
        let value = |(place, (name, type_name)): (usize, &(&str, &str))| match *type_name {
            text if text == "text" || text.starts_with("varchar") => {
                // Dates are texts in the corpus's own tables.
                if name.ends_with("date") {
                    format!("'1998-0{row}-05'")
                } else {
                    format!("'v{row}'")
                }
            }
            _ => (row * (place % 3 + 1)).to_string(),
        };
        let values: Vec<String> = columns.iter().enumerate().map(value).collect();
        script.push_str(&format!("INSERT INTO {table} VALUES ({});\n", values.join(", ")));
    }
}

/// The statements of the `.sql` files of a folder, in the order of names.
fn in_folder(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sql"));
    paths.sort();
    let read = |path: std::path::PathBuf| {
        split(&String::from_utf8_lossy(&std::fs::read(path).expect("a file")))
    };
    paths.into_iter().flat_map(read).collect()
}

/// The statements of a script, without psql's own commands and the data of COPY.
pub(crate) fn split(script: &str) -> Vec<String> {
    let mut statements = Vec::new();
    let mut current = String::new();
    let mut rest = script;
    while let Some(first) = rest.chars().next() {
        let is_start = current.trim().is_empty();
        let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
        let taken = match first {
            '\\' if is_start => {
                rest = &rest[line..];
                continue;
            }
            '\'' | '"' => quoted(rest, &first.to_string()),
            '$' => dollar(rest).map_or(1, |tag| quoted(rest, tag)),
            '-' if rest.starts_with("--") => line,
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            ';' => {
                let done = std::mem::take(&mut current);
                rest = &rest[1..];
                if done.to_lowercase().trim_end().ends_with("from stdin") {
                    rest = rest.split_once("\n\\.").map_or(rest, |(_, after)| after);
                }
                statements.push(done.trim().to_owned());
                continue;
            }
            other => other.len_utf8(),
        };
        let (part, after) = rest.split_at(taken);
        current.push_str(part);
        rest = after;
    }
    statements.push(current.trim().to_owned());
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// The bytes of what begins and ends with `mark`.
fn quoted(text: &str, mark: &str) -> usize {
    let inside = &text[mark.len()..];
    inside.find(mark).map_or(text.len(), |end| mark.len() * 2 + end)
}

/// The mark of a dollar-quoted text, if one begins here.
fn dollar(text: &str) -> Option<&str> {
    let end = 1 + text[1..].find('$')?;
    let tag = &text[..=end];
    let is_tag = tag[1..end].chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (is_tag && !tag[1..].starts_with(|letter: char| letter.is_ascii_digit())).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_split_at_its_semicolons() {
        let script = "\\set x 1\nSELECT ';', $$a;b$$, $a$;$a$ -- ;\n/* ; */;COPY t FROM stdin;\n1;2\n\\.\n\nSELECT \"a;\"";
        let statements = split(script);
        assert_eq!(statements.len(), 3, "{statements:?}");
        assert_eq!(statements[2], "SELECT \"a;\"");
    }

    #[test]
    fn there_are_statements_and_tables() {
        for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
            assert!(statements(dialect).len() > 3_000);
            assert!(
                schema(dialect, &["orders"]).contains("ALTER TABLE orders ADD COLUMN o_custkey")
            );
        }
    }
}

//! The statements that measure columns, in the dialect of each family.
//!
//! The caller's statement stands in them once, whole; everything else is ours. They run like any other statement: judged, masked, limited.

use std::fmt::Write as _;

use crate::database::Family;
use crate::engine::{Column, Kind};
use crate::schema::Table;

/// How many rows are looked at.
pub(crate) const SAMPLE: u64 = 50_000;
/// How many of the most frequent values are shown.
pub(crate) const TOP: usize = 5;

/// One figure about one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// How many values are not NULL.
    Present,
    /// How many different ones there are.
    Distinct,
    Least,
    Greatest,
    Mean,
    Shortest,
    Longest,
}

/// A statement that measures, and what its columns mean after the first, the count of rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Measuring {
    pub(crate) statement: String,
    /// The place of a column in the source, and what was measured.
    pub(crate) measures: Vec<(usize, Measure)>,
}

/// What is measured: a statement and its columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) family: Family,
    pub(crate) statement: &'a str,
    pub(crate) columns: &'a [Column],
}

/// The statement that reads all of a table, as far as it is described: the credential may have
/// the right to some of its columns only.
pub(crate) fn everything(family: Family, table: &Table) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| quoted(family, &column.name)).collect();
    let columns = if columns.is_empty() { "*".to_owned() } else { columns.join(", ") };
    format!(
        "SELECT {columns} FROM {}.{}",
        quoted(family, &table.schema),
        quoted(family, &table.name)
    )
}

/// The statement that reads a part from all over a large table, given how many rows there are;
/// `None` where the table is not large, or the family has no such statement.
pub(crate) fn spread(family: Family, everything: &str, rows: u64) -> Option<String> {
    if family != Family::Postgres || rows <= 2 * SAMPLE {
        return None;
    }
    // Millionths of the table; the same ones each time.
    let part = (u128::from(SAMPLE) * 100_000_000 / u128::from(rows)).max(1);
    let (whole, millionths) = (part / 1_000_000, part % 1_000_000);
    Some(format!("{everything} TABLESAMPLE SYSTEM ({whole}.{millionths:06}) REPEATABLE (1)"))
}

/// The statement that gives the columns of another, and no row.
pub(crate) fn columns_of(statement: &str) -> String {
    format!("SELECT * FROM (\n{statement}\n) AS suite_source LIMIT 0")
}

/// A statement without the semicolon at its end.
pub(crate) fn bare(statement: &str) -> &str {
    statement.trim_end_matches(|c: char| c == ';' || c.is_whitespace())
}

/// A name that cannot be read as anything else.
fn quoted(family: Family, name: &str) -> String {
    match family {
        Family::Mysql => format!("`{}`", name.replace('`', "``")),
        Family::Postgres | Family::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

impl Source<'_> {
    /// The figures of some columns, by their places.
    pub(crate) fn measuring(&self, places: &[usize]) -> Measuring {
        let mut statement = self.sample(places);
        statement.push_str("SELECT count(*)");
        let mut measures = Vec::new();
        for &place in places {
            let Some(column) = self.columns.get(place) else { continue };
            for measure in ALL {
                if let Some(expression) = self.expression(place, column, measure) {
                    let _ = write!(statement, ", {expression}");
                    measures.push((place, measure));
                }
            }
        }
        statement.push_str(" FROM suite_sample");
        Measuring { statement, measures }
    }

    /// The most frequent values of some columns: rows of place, value and count.
    pub(crate) fn top(&self, places: &[usize]) -> String {
        let mut statement = self.sample(places);
        for (index, &place) in places.iter().enumerate() {
            let text = self.text(&name(place));
            let union = if index > 0 { " UNION ALL " } else { "" };
            let _ = write!(
                statement,
                "{union}SELECT * FROM (SELECT {place} AS place, {text} AS seen, count(*) AS times \
                 FROM suite_sample WHERE {} IS NOT NULL GROUP BY {text} ORDER BY times DESC, seen \
                 LIMIT {TOP}) AS top_{place}",
                name(place)
            );
        }
        statement
    }

    /// The rows that are looked at, as `suite_sample` with the columns `c0`, `c1` and so on: names
    /// of a source may repeat.
    fn sample(&self, places: &[usize]) -> String {
        let all: Vec<String> = (0..self.columns.len()).map(name).collect();
        let wanted: Vec<String> = places.iter().map(|&place| name(place)).collect();
        format!(
            "WITH suite_source({}) AS (\n{}\n), suite_sample AS (SELECT {} FROM suite_source \
             LIMIT {SAMPLE}) ",
            all.join(", "),
            self.statement,
            wanted.join(", ")
        )
    }

    /// How a figure is computed; `None` where the type has none.
    fn expression(&self, place: usize, column: &Column, measure: Measure) -> Option<String> {
        let name = name(place);
        let traits = Traits::of(self.family, column);
        let expression = match measure {
            Measure::Present => format!("count({name})"),
            Measure::Distinct if traits.is_comparable => format!("count(DISTINCT {name})"),
            Measure::Distinct => format!("count(DISTINCT {})", self.text(&name)),
            Measure::Least if traits.is_ordered => format!("min({name})"),
            Measure::Greatest if traits.is_ordered => format!("max({name})"),
            Measure::Mean if self.family == Family::Sqlite => {
                format!("avg(CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} END)")
            }
            Measure::Mean if traits.is_number => format!("avg({name})"),
            Measure::Shortest if traits.has_length => {
                format!("min({})", self.length(&name, column))
            }
            Measure::Longest if traits.has_length => format!("max({})", self.length(&name, column)),
            _ => return None,
        };
        Some(expression)
    }

    fn text(&self, name: &str) -> String {
        let text = if self.family == Family::Mysql { "CHAR" } else { "text" };
        format!("CAST({name} AS {text})")
    }

    fn length(&self, name: &str, column: &Column) -> String {
        match (self.family, column.kind) {
            // SQLite's values have types of their own, whatever the column says.
            (Family::Sqlite, _) => {
                format!("CASE WHEN typeof({name}) IN ('text', 'blob') THEN length({name}) END")
            }
            (Family::Postgres, Kind::Bytes) => format!("octet_length({name})"),
            (Family::Mysql, kind) if kind != Kind::Bytes => format!("char_length({name})"),
            _ => format!("length({name})"),
        }
    }
}

const ALL: [Measure; 7] = [
    Measure::Present,
    Measure::Distinct,
    Measure::Least,
    Measure::Greatest,
    Measure::Mean,
    Measure::Shortest,
    Measure::Longest,
];

fn name(place: usize) -> String {
    format!("c{place}")
}

/// Whether the values of a column are short enough to be counted one by one.
pub(crate) fn has_top(column: &Column) -> bool {
    !matches!(column.kind, Kind::Bytes | Kind::Json)
}

/// What can be asked of a type.
#[expect(clippy::struct_excessive_bools, reason = "each answers another question")]
struct Traits {
    /// Values can be told apart.
    is_comparable: bool,
    /// There is a least and a greatest one.
    is_ordered: bool,
    is_number: bool,
    has_length: bool,
}

/// PostgreSQL's texts, by both of their names.
const TEXTS: [&str; 8] =
    ["text", "varchar", "character varying", "char", "character", "bpchar", "name", "citext"];
/// PostgreSQL's other types with a least and a greatest value.
const ORDERED: [&str; 11] = [
    "date",
    "timestamp",
    "timestamptz",
    "time",
    "timetz",
    "interval",
    "inet",
    "money",
    "oid",
    "xid8",
    "pg_lsn",
];

impl Traits {
    fn of(family: Family, column: &Column) -> Self {
        let is_number = matches!(column.kind, Kind::Integer | Kind::Float | Kind::Decimal);
        let is_plain = !matches!(column.kind, Kind::Json | Kind::Bytes);
        if family != Family::Postgres {
            let has_length = matches!(column.kind, Kind::Text | Kind::Bytes);
            return Self { is_comparable: true, is_ordered: is_plain, is_number, has_length };
        }
        let lower = column.type_name.to_ascii_lowercase();
        let base = lower.split(['(', ' ']).next().unwrap_or_default();
        let is_scalar = !lower.ends_with("[]") && !lower.starts_with('_');
        let is_text = is_scalar && (TEXTS.contains(&base) || TEXTS.contains(&lower.as_str()));
        let is_ordered = is_number || is_text || (is_scalar && ORDERED.contains(&base));
        Self {
            is_comparable: is_ordered || matches!(base, "uuid" | "bool" | "boolean" | "bytea"),
            is_ordered,
            is_number,
            has_length: is_text || column.kind == Kind::Bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{column, table};

    fn columns() -> Vec<Column> {
        let of = |name: &str, type_name: &str, kind| Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            kind,
        };
        vec![
            of("n", "numeric", Kind::Decimal),
            of("n", "varchar", Kind::Text),
            of("p", "point", Kind::Text),
            of("b", "bytea", Kind::Bytes),
        ]
    }

    fn check(family: Family, expected: &str) {
        let columns = columns();
        let source = Source { family, statement: "SELECT 1", columns: &columns };
        let Measuring { statement, measures } = source.measuring(&[0, 1, 2, 3]);
        let (head, list) = statement.split_once("SELECT count(*), ").expect("a list");
        assert_eq!(
            head,
            "WITH suite_source(c0, c1, c2, c3) AS (\nSELECT 1\n), suite_sample AS (SELECT c0, c1, \
             c2, c3 FROM suite_source LIMIT 50000) "
        );
        assert_eq!(list, format!("{expected} FROM suite_sample"));
        // No expression has a comma but the one that parts it from the next.
        let depth = |text: &str| text.replace("', '", "").matches(", ").count();
        assert_eq!(measures.len(), depth(expected) + 1);
    }

    #[test]
    fn each_family_is_asked_in_its_own_words() {
        check(
            Family::Postgres,
            "count(c0), count(DISTINCT c0), min(c0), max(c0), avg(c0), count(c1), count(DISTINCT \
             c1), min(c1), max(c1), min(length(c1)), max(length(c1)), count(c2), count(DISTINCT \
             CAST(c2 AS text)), count(c3), count(DISTINCT c3), min(octet_length(c3)), \
             max(octet_length(c3))",
        );
        check(
            Family::Mysql,
            "count(c0), count(DISTINCT c0), min(c0), max(c0), avg(c0), count(c1), count(DISTINCT \
             c1), min(c1), max(c1), min(char_length(c1)), max(char_length(c1)), count(c2), \
             count(DISTINCT c2), min(c2), max(c2), min(char_length(c2)), max(char_length(c2)), \
             count(c3), count(DISTINCT c3), min(length(c3)), max(length(c3))",
        );
        let mean = |name: &str| {
            format!("avg(CASE WHEN typeof({name}) IN ('integer', 'real') THEN {name} END)")
        };
        let lengths = |name: &str| {
            let length =
                format!("CASE WHEN typeof({name}) IN ('text', 'blob') THEN length({name}) END");
            format!("min({length}), max({length})")
        };
        let counts = |name: &str| format!("count({name}), count(DISTINCT {name})");
        let range = |name: &str| format!("min({name}), max({name})");
        let parts = [
            format!("{}, {}, {}", counts("c0"), range("c0"), mean("c0")),
            format!("{}, {}, {}, {}", counts("c1"), range("c1"), mean("c1"), lengths("c1")),
            format!("{}, {}, {}, {}", counts("c2"), range("c2"), mean("c2"), lengths("c2")),
            format!("{}, {}, {}", counts("c3"), mean("c3"), lengths("c3")),
        ];
        check(Family::Sqlite, &parts.join(", "));
    }

    #[test]
    fn frequent_values_are_asked_of_all_columns_at_once() {
        let columns = columns();
        let source = Source { family: Family::Mysql, statement: "S", columns: &columns };
        let statement = source.top(&[1, 2]);
        let (_, list) = statement.split_once("LIMIT 50000) ").expect("a sample");
        let part = |place: u8| {
            format!(
                "SELECT * FROM (SELECT {place} AS place, CAST(c{place} AS CHAR) AS seen, count(*) \
                 AS times FROM suite_sample WHERE c{place} IS NOT NULL GROUP BY CAST(c{place} AS \
                 CHAR) ORDER BY times DESC, seen LIMIT 5) AS top_{place}"
            )
        };
        assert_eq!(list, format!("{} UNION ALL {}", part(1), part(2)));
    }

    #[test]
    fn a_part_of_a_large_table_is_as_large_as_the_sample() {
        let sample = |rows| spread(Family::Postgres, "SELECT * FROM t", rows);
        assert_eq!(sample(2 * SAMPLE), None);
        assert_eq!(spread(Family::Sqlite, "SELECT * FROM t", 10 * SAMPLE), None);
        let ten = "SELECT * FROM t TABLESAMPLE SYSTEM (10.000000) REPEATABLE (1)";
        assert_eq!(sample(10 * SAMPLE).as_deref(), Some(ten));
        let few = "SELECT * FROM t TABLESAMPLE SYSTEM (0.000005) REPEATABLE (1)";
        assert_eq!(sample(1_000_000_000_000).as_deref(), Some(few));
    }

    #[test]
    fn names_cannot_break_out() {
        let mut odd = table("a\"b", "c;d");
        assert_eq!(everything(Family::Postgres, &odd), "SELECT * FROM \"a\"\"b\".\"c;d\"");
        odd.columns = vec![column("e`", "text", true), column("f", "text", true)];
        assert_eq!(everything(Family::Mysql, &odd), "SELECT `e```, `f` FROM `a\"b`.`c;d`");
        assert_eq!(bare("SELECT 1 ;\n; "), "SELECT 1");
    }
}

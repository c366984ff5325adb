//! A table on one line: `orders(id bigint#,customer_id bigint!>customers,note text)`.

use std::fmt::Write as _;

use crate::overview::{qualified, quoted};
use crate::schema::{ForeignKey, Schema, Table, TableColumn, TableKind};

/// What the marks mean, for the trailer.
pub(crate) const LEGEND: &str = "# primary key, ! not null, > references, ~ masked";

/// The longest type on a line, in bytes; an enumeration written out may be longer.
const TYPE: usize = 40;

/// A table with all of its columns.
pub(crate) fn of(schema: &Schema, table: &Table) -> String {
    with(schema, table, |_| true)
}

/// A table with those of its columns that are wanted, and how many others there are.
pub(crate) fn with(
    schema: &Schema,
    table: &Table,
    is_wanted: impl Fn(&TableColumn) -> bool,
) -> String {
    let mut line = qualified(&schema.home, &table.schema, &table.name);
    line.push_str(match table.kind {
        TableKind::Table => "(",
        TableKind::View => " view(",
        TableKind::Materialized => " materialized view(",
        TableKind::Foreign => " foreign table(",
    });
    let wanted: Vec<&TableColumn> = table.columns.iter().filter(|one| is_wanted(one)).collect();
    for (index, column) in wanted.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(line, "{comma}{}", shown(schema, table, column));
    }
    let others = table.columns.len() - wanted.len();
    if others > 0 {
        let comma = if wanted.is_empty() { "" } else { "," };
        let _ = write!(line, "{comma}+{others}");
    }
    for key in table.foreign.iter().filter(|key| key.columns.len() > 1) {
        let columns: Vec<String> = key.columns.iter().map(|name| quoted(name)).collect();
        let _ = write!(line, ",({})>{}", columns.join(" "), target(schema, key));
    }
    line.push(')');
    line
}

/// A column: its name, type and marks.
fn shown(schema: &Schema, table: &Table, column: &TableColumn) -> String {
    let mut text = quoted(&column.name);
    let kind = lean(&column.type_name);
    if !kind.is_empty() {
        let _ = write!(text, " {kind}");
    }
    if table.primary.contains(&column.name) {
        text.push('#');
    } else if !column.is_nullable {
        text.push('!');
    }
    if column.is_masked {
        text.push('~');
    }
    if let Some(key) = table.foreign.iter().find(|key| key.columns == [column.name.as_str()]) {
        let _ = write!(text, ">{}", target(schema, key));
    }
    text
}

/// What a foreign key points to: the table, and its columns where they are not its primary key.
pub(crate) fn target(schema: &Schema, key: &ForeignKey) -> String {
    let (to_schema, to_name) = &key.to;
    let mut text = qualified(&schema.home, to_schema, to_name);
    let is_primary = schema
        .tables
        .iter()
        .find(|table| (&table.schema, &table.name) == (to_schema, to_name))
        .is_none_or(|table| table.primary == key.to_columns);
    if !is_primary && !key.to_columns.is_empty() {
        let columns: Vec<String> = key.to_columns.iter().map(|name| quoted(name)).collect();
        let _ = write!(text, ".{}", columns.join("+"));
    }
    text
}

/// A type by its short name, without the lengths of texts and numbers.
pub(crate) fn lean(type_name: &str) -> String {
    let type_name = type_name.trim();
    for (long, short) in SHORTER {
        let head = type_name.get(..long.len()).filter(|head| head.eq_ignore_ascii_case(long));
        let rest = head.and_then(|_| type_name.get(long.len()..));
        let Some(rest) = rest.filter(|rest| !rest.starts_with(is_word)) else { continue };
        return clipped(&format!("{short}{}", without_length(rest)));
    }
    clipped(type_name)
}

/// What is written shorter.
const SHORTER: [(&str, &str); 15] = [
    ("character varying", "varchar"),
    ("varchar", "varchar"),
    ("character", "char"),
    ("timestamp with time zone", "timestamptz"),
    ("timestamp without time zone", "timestamp"),
    ("time with time zone", "timetz"),
    ("time without time zone", "time"),
    ("double precision", "float8"),
    ("integer", "int"),
    ("int", "int"),
    ("bigint", "bigint"),
    ("boolean", "bool"),
    ("char", "char"),
    ("numeric", "numeric"),
    ("decimal", "decimal"),
];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What follows the name of a type, without a length in parentheses: no statement needs it.
fn without_length(rest: &str) -> &str {
    let after = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    after.map_or(rest, |(_, after)| after)
}

fn clipped(text: &str) -> String {
    if text.len() <= TYPE {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TYPE)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{column, large, table};

    fn check_type(long: &str, expected: &str) {
        assert_eq!(lean(long), expected);
    }

    #[test]
    fn types_are_short() {
        check_type("character varying(255)", "varchar");
        check_type("character varying(20)[]", "varchar[]");
        check_type("varchar(255)", "varchar");
        check_type("VARCHAR(10)", "varchar");
        check_type("character(2)", "char");
        check_type("timestamp with time zone", "timestamptz");
        check_type("numeric(12,2)", "numeric");
        check_type("vector(1536)", "vector(1536)");
        check_type("bigint(20) unsigned", "bigint unsigned");
        check_type("integer[]", "int[]");
        check_type("int(11)", "int");
        check_type("int4range", "int4range");
        check_type("Character_State", "Character_State");
        check_type("", "");
        check_type(
            &format!("enum({})", "'x',".repeat(30)),
            "enum('x','x','x','x','x','x','x','x','x'…",
        );
    }

    #[test]
    fn a_line_has_the_keys_and_the_marks() {
        let mut orders = table("public", "orders");
        orders.columns = vec![
            column("id", "bigint", false),
            column("customer_id", "bigint", false),
            column("e mail", "text", true),
            column("a", "integer", true),
            column("b", "integer", true),
        ];
        orders.columns[2].is_masked = true;
        orders.primary = vec!["id".into()];
        let to = |name: &str| ("public".to_owned(), name.to_owned());
        let columns = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        orders.foreign = vec![
            ForeignKey {
                columns: columns(&["customer_id"]),
                to: to("customers"),
                to_columns: columns(&["id"]),
            },
            ForeignKey {
                columns: columns(&["a", "b"]),
                to: ("geo".into(), "grid".into()),
                to_columns: columns(&["x", "y"]),
            },
        ];
        let mut customers = table("public", "customers");
        customers.primary = columns(&["id"]);
        let schema = Schema {
            home: "public".into(),
            tables: vec![customers, orders.clone()],
            enums: Vec::new(),
        };
        assert_eq!(
            of(&schema, &orders),
            "orders(id bigint#,customer_id bigint!>customers,\"e mail\" text~,a int,b int,(a \
             b)>geo.grid)"
        );
        orders.foreign[0].to_columns = columns(&["code"]);
        orders.foreign.truncate(1);
        assert_eq!(
            with(&schema, &orders, |column| column.name == "customer_id"),
            "orders(customer_id bigint!>customers.code,+4)"
        );
        orders.kind = TableKind::View;
        orders.schema = "sales".into();
        assert_eq!(with(&schema, &orders, |_| false), "sales.orders view(+5)");
    }

    #[test]
    fn everything_about_two_hundred_tables_is_within_the_budget() {
        // The bound counts 3.9 bytes a token; of o200k they are fewer.
        let schema = large();
        let columns: usize = schema.tables.iter().map(|table| table.columns.len()).sum();
        assert_eq!((schema.tables.len(), columns), (200, 2_335));
        let lines: usize = schema.tables.iter().map(|table| of(&schema, table).len() + 1).sum();
        assert!(lines * 10 / 39 <= 12_800, "{lines} bytes");
    }
}

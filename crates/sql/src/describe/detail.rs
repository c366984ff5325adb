//! Everything about chosen tables: a line for each column, key and index, and the labels of the
//! enumerations that occur.

use std::fmt::Write as _;

use super::line::target;
use crate::overview::{name, qualified, quoted, short};
use crate::schema::{Enumeration, Schema, Table, TableColumn, TableKind};

/// The longest comment of a table or column, in bytes.
const COMMENT: usize = 300;
/// The longest default, in bytes.
const DEFAULT: usize = 80;
/// The longest type, in bytes: MySQL writes the labels of an enumeration in it.
const TYPE: usize = 1_000;
/// The most keys of other tables that are named.
const REFERENCES: usize = 20;
/// The most labels of an enumeration.
const LABELS: usize = 100;

/// The lines about one table; the first is its name.
pub(crate) fn of(schema: &Schema, table: &Table) -> Vec<String> {
    let mut lines = vec![heading(schema, table)];
    lines.extend(table.columns.iter().map(|column| format!("  {}", line(table, column))));
    if table.primary.len() > 1 {
        lines.push(format!("  primary key ({})", list(&table.primary)));
    }
    for key in &table.foreign {
        lines.push(format!("  foreign key ({}) > {}", list(&key.columns), target(schema, key)));
    }
    for index in &table.indexes {
        let kind = if index.is_unique { "unique index" } else { "index" };
        // Columns may be expressions: they are shown as the database writes them.
        lines.push(format!("  {kind} {} ({})", quoted(&index.name), index.columns.join(", ")));
    }
    lines.extend(referenced(schema, table));
    for enumeration in enumerations(schema, table) {
        lines.push(format!("  enum {}", labels(schema, enumeration)));
    }
    lines
}

fn heading(schema: &Schema, table: &Table) -> String {
    let kind = match table.kind {
        TableKind::Table => "table",
        TableKind::View => "view",
        TableKind::Materialized => "materialized view",
        TableKind::Foreign => "foreign table",
    };
    let mut text = format!("{} {kind}", name(schema, table));
    if let Some(rows) = table.rows {
        let _ = write!(text, ", ~{} rows", short(rows));
    }
    comment(&mut text, table.comment.as_deref());
    text
}

fn line(table: &Table, column: &TableColumn) -> String {
    let mut text = format!("{} {}", quoted(&column.name), clip(&column.type_name, TYPE));
    if table.primary == [column.name.as_str()] {
        text.push_str(" primary key");
    } else if !column.is_nullable {
        text.push_str(" not null");
    }
    if let Some(default) = &column.default {
        let _ = write!(text, " default {}", clip(default, DEFAULT));
    }
    if column.is_masked {
        text.push_str(" (masked)");
    }
    comment(&mut text, column.comment.as_deref());
    text
}

fn comment(text: &mut String, comment: Option<&str>) {
    if let Some(comment) = comment.filter(|comment| !comment.trim().is_empty()) {
        let _ = write!(text, " -- {}", clip(comment, COMMENT));
    }
}

/// The foreign keys of other tables that point here.
fn referenced(schema: &Schema, table: &Table) -> Option<String> {
    let keys: Vec<String> = schema
        .tables
        .iter()
        .flat_map(|other| other.foreign.iter().map(move |key| (other, key)))
        .filter(|(_, key)| key.to.0 == table.schema && key.to.1 == table.name)
        .map(|(other, key)| format!("{} ({})", name(schema, other), list(&key.columns)))
        .collect();
    let more = keys.len().saturating_sub(REFERENCES);
    let shown = keys.get(..REFERENCES.min(keys.len()))?.join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!shown.is_empty()).then(|| format!("  referenced by {shown}{more}"))
}

/// The enumerations that are the types of columns, also as arrays.
fn enumerations<'a>(schema: &'a Schema, table: &'a Table) -> impl Iterator<Item = &'a Enumeration> {
    schema.enums.iter().filter(|one| {
        table.columns.iter().any(|column| {
            let type_name = column.type_name.trim_end_matches("[]").replace('"', "");
            type_name == one.name || type_name == format!("{}.{}", one.schema, one.name)
        })
    })
}

fn labels(schema: &Schema, one: &Enumeration) -> String {
    let more = one.labels.len().saturating_sub(LABELS);
    let shown: Vec<String> =
        one.labels.iter().take(LABELS).map(|label| format!("'{}'", one_line(label))).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let name = qualified(&schema.home, &one.schema, &one.name);
    format!("{name}: {}{more}", shown.join(", "))
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// On one line, and cut where it is too long.
pub(crate) fn clip(text: &str, bytes: usize) -> String {
    let text = one_line(text);
    if text.len() <= bytes {
        return text;
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes)])
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{column, table};
    use crate::schema::{ForeignKey, Index};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn sample() -> Schema {
        let mut orders = table("public", "orders");
        orders.rows = Some(12_345);
        orders.comment = Some("what was\nordered".to_owned());
        orders.columns = vec![
            TableColumn { default: Some("nextval('o')".into()), ..column("id", "bigint", false) },
            column("customer", "bigint", false),
            TableColumn {
                comment: Some("how far it is".into()),
                ..column("state", "state[]", true)
            },
            TableColumn { is_masked: true, ..column("e mail", "text", true) },
        ];
        orders.primary = names(&["id"]);
        orders.foreign.push(ForeignKey {
            columns: names(&["customer"]),
            to: ("crm".into(), "customer".into()),
            to_columns: names(&["code"]),
        });
        orders.indexes.push(Index {
            name: "by state".into(),
            columns: names(&["lower(state)", "id"]),
            is_unique: true,
        });
        let mut lines = table("public", "lines");
        lines.primary = names(&["order_id", "line"]);
        lines.foreign.push(ForeignKey {
            columns: names(&["order_id"]),
            to: ("public".into(), "orders".into()),
            to_columns: names(&["id"]),
        });
        let mut customer = table("crm", "customer");
        customer.primary = names(&["id"]);
        let state = Enumeration {
            schema: "public".into(),
            name: "state".into(),
            labels: names(&["new", "paid"]),
        };
        Schema { home: "public".into(), tables: vec![customer, lines, orders], enums: vec![state] }
    }

    fn check(table: usize, expected: &str) {
        let schema = sample();
        assert_eq!(of(&schema, &schema.tables[table]).join("\n"), expected);
    }

    #[test]
    fn a_table_is_described_with_all_there_is() {
        check(
            2,
            "orders table, ~12k rows -- what was ordered\n  \
               id bigint primary key default nextval('o')\n  \
               customer bigint not null\n  \
               state state[] -- how far it is\n  \
               \"e mail\" text (masked)\n  \
               foreign key (customer) > crm.customer.code\n  \
               unique index \"by state\" (lower(state), id)\n  \
               referenced by lines (order_id)\n  \
               enum state: 'new', 'paid'",
        );
        check(1, "lines table\n  primary key (order_id, line)\n  foreign key (order_id) > orders");
        check(0, "crm.customer table\n  referenced by orders (customer)");
    }

    #[test]
    fn long_texts_are_cut_and_long_lists_counted() {
        assert_eq!(clip("größe", 4), "grö…");
        let mut schema = sample();
        schema.enums[0].labels = (0..120).map(|n| format!("l{n}")).collect();
        let line = labels(&schema, &schema.enums[0]);
        assert!(line.ends_with("'l99' and 20 more"), "{line}");
        let lines = schema.tables[1].clone();
        schema.tables.extend(std::iter::repeat_n(lines, 24));
        let line = referenced(&schema, &schema.tables[2]).expect("keys");
        assert!(line.ends_with("lines (order_id) and 5 more"), "{line}");
    }
}

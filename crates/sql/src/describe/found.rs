//! Finding tables by the names and patterns that callers write.

use contract::ToolError;

use crate::overview::name;
use crate::schema::{Schema, Table};

/// How many names are offered where one is unknown.
const NEAREST: usize = 3;
/// How alike a name must be to be offered.
const ALIKE: f64 = 0.7;

/// The table of a name, with or without its schema; a name in any case where only one fits.
pub(crate) fn table<'a>(schema: &'a Schema, wanted: &str) -> Option<&'a Table> {
    let plain = unquoted(wanted);
    let full = |table: &Table| format!("{}.{}", table.schema, table.name);
    let home = |table: &Table| table.schema == schema.home;
    let tables = || schema.tables.iter();
    tables()
        .find(|table| home(table) && table.name == plain)
        .or_else(|| tables().find(|table| full(table) == plain))
        .or_else(|| only(tables().filter(|table| table.name == plain)))
        .or_else(|| {
            only(tables().filter(|table| {
                same(&full(table), &plain) || (home(table) && same(&table.name, &plain))
            }))
        })
        .or_else(|| only(tables().filter(|table| same(&table.name, &plain))))
}

/// The tables that a pattern fits: `*` stands for any characters, `?` for one. A pattern without
/// a dot is of names, one with a dot of `schema.table`.
pub(crate) fn matching<'a>(
    schema: &'a Schema,
    pattern: &str,
) -> impl Iterator<Item = &'a Table> + use<'a> {
    let pattern: Vec<char> = unquoted(pattern).to_lowercase().chars().collect();
    let has_dot = pattern.contains(&'.');
    schema.tables.iter().filter(move |table| {
        let name = table.name.to_lowercase();
        fits(&pattern, &name)
            || (has_dot && fits(&pattern, &format!("{}.{name}", table.schema.to_lowercase())))
    })
}

/// That there is no such table, and which are called alike.
pub(crate) fn unknown(schema: &Schema, database: &str, wanted: &str) -> ToolError {
    let plain = unquoted(wanted);
    let last = plain.rsplit('.').next().unwrap_or_default().replace(['*', '?'], "").to_lowercase();
    let alike = |table: &Table| strsim::jaro_winkler(&table.name.to_lowercase(), &last);
    let mut near: Vec<(f64, String)> = schema
        .tables
        .iter()
        .map(|table| (alike(table), name(schema, table)))
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let near: Vec<String> = near.into_iter().take(NEAREST).map(|(_, name)| name).collect();
    let hint = if near.is_empty() {
        "find it by `words`, or call with `database` alone for all names".to_owned()
    } else {
        format!("nearest: {}", near.join(", "))
    };
    ToolError::not_found(format!("no table `{wanted}` in {database}; {hint}."))
}

/// A name without the quotes of a statement.
fn unquoted(name: &str) -> String {
    name.trim().replace(['"', '`'], "")
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// The one, where there is no other.
fn only<'a>(mut tables: impl Iterator<Item = &'a Table>) -> Option<&'a Table> {
    let first = tables.next();
    if tables.next().is_some() { None } else { first }
}

/// Whether the pattern fits the whole text, in time linear in both for one `*`, and at most in
/// their product.
fn fits(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    // Where the last `*` was, and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(from) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(wanted) if wanted == c || *wanted == '?' => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((place, reach)) = star else { return false };
                star = Some((place, reach + 1));
                at = place + 1;
                from = reach + 1;
            }
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples;

    fn sample() -> Schema {
        let tables = [
            ("crm", "lead"),
            ("crm", "orders"),
            ("hr", "lead"),
            ("public", "Mixed"),
            ("public", "order_items"),
            ("public", "orders"),
        ];
        let tables = tables.iter().map(|(schema, name)| samples::table(schema, name)).collect();
        Schema { home: "public".into(), tables, enums: Vec::new() }
    }

    fn check(wanted: &str, expected: Option<&str>) {
        let schema = sample();
        let found = table(&schema, wanted).map(|table| format!("{}.{}", table.schema, table.name));
        assert_eq!(found.as_deref(), expected, "{wanted}");
    }

    #[test]
    fn a_name_is_found_where_it_means_one_table() {
        check("orders", Some("public.orders"));
        check("crm.orders", Some("crm.orders"));
        check("\"crm\".\"orders\"", Some("crm.orders"));
        check("ORDERS", Some("public.orders"));
        check("mixed", Some("public.Mixed"));
        check("CRM.Lead", Some("crm.lead"));
        check("lead", None);
        check("nothing", None);
    }

    fn check_pattern(pattern: &str, expected: &[&str]) {
        let schema = sample();
        let found: Vec<String> =
            matching(&schema, pattern).map(|table| name(&schema, table)).collect();
        assert_eq!(found, expected, "{pattern}");
    }

    #[test]
    fn patterns_are_of_names_or_of_schemas_and_names() {
        check_pattern("order*", &["crm.orders", "order_items", "orders"]);
        check_pattern("crm.*", &["crm.lead", "crm.orders"]);
        check_pattern("*.l??d", &["crm.lead", "hr.lead"]);
        check_pattern("MIX*", &["Mixed"]);
        check_pattern("*d*r*s", &["crm.orders", "order_items", "orders"]);
        check_pattern("orders?", &[]);
        check_pattern(
            "*",
            &["crm.lead", "crm.orders", "hr.lead", "Mixed", "order_items", "orders"],
        );
    }

    #[test]
    fn an_unknown_name_suggests_the_nearest() {
        let text = |wanted: &str| unknown(&sample(), "shop", wanted).text();
        assert_eq!(
            text("oders"),
            "not_found: no table `oders` in shop; nearest: crm.orders, orders."
        );
        assert_eq!(
            text("zzz"),
            "not_found: no table `zzz` in shop; find it by `words`, or call with `database` alone \
             for all names."
        );
    }
}

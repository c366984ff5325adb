//! Which relations may be read, and what is read in their stead.

use contract::ToolError;
use contract::error::Kind;

use super::functions::is_restricted;
use crate::engine::Rules;
use crate::engine::postgres::catalogue::facts::{Attribute, Relation};
use crate::settings::Mask;

/// Relations of `pg_catalog` that say what a database holds and nothing about who uses it.
const HARMLESS_CATALOG: &[&str] = &[
    "pg_am",
    "pg_attrdef",
    "pg_attribute",
    "pg_class",
    "pg_collation",
    "pg_constraint",
    "pg_depend",
    "pg_description",
    "pg_enum",
    "pg_extension",
    "pg_index",
    "pg_indexes",
    "pg_inherits",
    "pg_language",
    "pg_matviews",
    "pg_namespace",
    "pg_operator",
    "pg_partitioned_table",
    "pg_range",
    "pg_sequence",
    "pg_sequences",
    "pg_stat_all_indexes",
    "pg_stat_all_tables",
    "pg_stat_user_indexes",
    "pg_stat_user_tables",
    "pg_statio_user_indexes",
    "pg_statio_user_tables",
    "pg_stats",
    "pg_tables",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_type",
    "pg_views",
];

/// The same of `information_schema`.
const HARMLESS_INFORMATION: &[&str] = &[
    "attributes",
    "check_constraints",
    "collations",
    "column_domain_usage",
    "columns",
    "constraint_column_usage",
    "constraint_table_usage",
    "domain_constraints",
    "domains",
    "element_types",
    "key_column_usage",
    "parameters",
    "referential_constraints",
    "schemata",
    "sequences",
    "sql_features",
    "table_constraints",
    "tables",
    "view_column_usage",
    "view_table_usage",
    "views",
];

fn denied<T>(message: String) -> Result<T, ToolError> {
    Err(ToolError::new(Kind::Denied, message))
}

/// Refuses a relation that the rules hide, or that tells of more than this database's data.
pub(super) fn check(relation: &Relation, rules: &Rules) -> Result<(), ToolError> {
    let title = relation.title();
    match relation.schema.as_str() {
        "pg_catalog" | "information_schema" => return catalogue(relation, rules),
        schema if schema.starts_with("pg_") => {
            return denied(format!(
                "{title} belongs to the server; only tables and views are read"
            ));
        }
        _ => {}
    }
    let names: Vec<String> =
        relation.family().iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
    let family = || std::iter::once(&title).chain(&names);
    if family().any(|name| is_any(&rules.deny, name)) {
        return denied(format!("{title} is not to be read here (deny)"));
    }
    if !rules.allow.is_empty() && !family().any(|name| is_any(&rules.allow, name)) {
        return denied(format!(
            "{title} is not among what may be read here (allow): {}",
            rules.allow.join(", ")
        ));
    }
    foreign(relation, rules)?;
    view(relation, rules)
}

/// A foreign table goes where its wrapper sends it: to another server, to a file, to a program.
/// The operator must have named it in full.
fn foreign(relation: &Relation, rules: &Rules) -> Result<(), ToolError> {
    let title = relation.title();
    let mut names = relation.foreign().iter().map(|(schema, name)| format!("{schema}.{name}"));
    match names.find(|name| !rules.allow.contains(name) && !rules.allow.contains(&title)) {
        Some(name) => denied(format!(
            "{name} is a foreign table, which reads what is outside of this database; the operator \
             may allow {name:?} by its full name"
        )),
        None => Ok(()),
    }
}

/// A view reads as its owner, so it may show what is hidden: it must be named itself.
fn view(relation: &Relation, rules: &Rules) -> Result<(), ToolError> {
    let title = relation.title();
    let is_named = rules.allow.contains(&title)
        || rules.mask.keys().any(|key| key.starts_with(&format!("{title}.")));
    let hidden = relation.beneath().iter().find(|(schema, name)| {
        let name = format!("{schema}.{name}");
        is_any(&rules.deny, &name) || rules.mask.keys().any(|key| matches(table(key), &name))
    });
    match hidden {
        Some((schema, name)) if !is_named => denied(format!(
            "the view {title} reads {schema}.{name}, of which not everything may be seen; query \
             {schema}.{name} itself, or ask the operator to allow {title:?} by its full name"
        )),
        _ => Ok(()),
    }
}

fn catalogue(relation: &Relation, rules: &Rules) -> Result<(), ToolError> {
    let title = relation.title();
    let name = relation.name.as_str();
    if is_restricted(rules) {
        return denied(format!(
            "{title}: the server's own catalogue is not read here, since some relations are \
             hidden; the schema tool describes what may be seen"
        ));
    }
    let harmless =
        if relation.schema == "pg_catalog" { HARMLESS_CATALOG } else { HARMLESS_INFORMATION };
    if harmless.contains(&name) {
        return Ok(());
    }
    denied(format!(
        "{title} tells about the server, its users or its sessions; of the catalogue only what \
         describes tables may be read, such as pg_class or information_schema.columns"
    ))
}

/// The masks of a relation's columns; nothing where it has none.
pub(super) fn masks<'a>(relation: &'a Relation, rules: &Rules) -> Vec<(&'a Attribute, Mask)> {
    let names: Vec<String> =
        relation.family().iter().map(|(schema, name)| format!("{schema}.{name}")).collect();
    let title = relation.title();
    let mut masked = Vec::new();
    for column in relation.columns() {
        let found = std::iter::once(&title).chain(&names).flat_map(|table| {
            let full = format!("{table}.{}", column.name);
            rules.mask.iter().filter(move |(key, _)| matches(key, &full)).map(|(_, mask)| *mask)
        });
        if let Some(mask) = found.max_by_key(|mask| strength(*mask)) {
            masked.push((column, mask));
        }
    }
    masked
}

/// Which of two masks of one column hides more.
fn strength(mask: Mask) -> u8 {
    match mask {
        Mask::Last4 => 0,
        Mask::Hash => 1,
        Mask::Null => 2,
        Mask::Drop => 3,
    }
}

/// The query that is read in the stead of a masked relation.
pub(super) fn substitute(relation: &Relation, masked: &[(&Attribute, Mask)], only: bool) -> String {
    let mut columns = Vec::new();
    for column in relation.columns() {
        let name = quoted(&column.name);
        let mask =
            masked.iter().find(|(known, _)| known.name == column.name).map(|(_, mask)| *mask);
        columns.push(match mask {
            None => name,
            Some(Mask::Drop) => continue,
            Some(Mask::Null) => format!("NULL::{} AS {name}", column.type_name),
            Some(Mask::Last4) => {
                let dots = if relation.is_unicode { "…" } else { "..." };
                format!(
                    "'{dots}'::pg_catalog.text OPERATOR(pg_catalog.||) \
                     pg_catalog.right({name}::pg_catalog.text, 4) AS {name}"
                )
            }
            Some(Mask::Hash) => format!("{} AS {name}", hash(&name)),
        });
    }
    let only = if only { "ONLY " } else { "" };
    let table = format!("{}.{}", quoted(&relation.schema), quoted(&relation.name));
    format!("(SELECT {} FROM {only}{table})", columns.join(", "))
}

/// The setting that holds the key of hashes while a statement runs.
pub(super) const KEY: &str = "suite.mask_key";

fn hash(column: &str) -> String {
    format!(
        "pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(\
         pg_catalog.current_setting('{KEY}') OPERATOR(pg_catalog.||) {column}::pg_catalog.text, \
         pg_catalog.getdatabaseencoding()::pg_catalog.name)), 'hex'), 16)"
    )
}

/// An identifier as SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The pattern of the table in a pattern of a column.
fn table(key: &str) -> &str {
    key.rsplit_once('.').map_or(key, |(table, _)| table)
}

fn is_any(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, name))
}

/// Whether a pattern, in which `*` is any text, is the whole of a name. A pattern without a schema
/// is about every schema.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains('.') {
        let bare = name.split_once('.').map_or(name, |(_, bare)| bare);
        return glob(pattern.as_bytes(), bare.as_bytes());
    }
    glob(pattern.as_bytes(), name.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, from));
                at += 1;
            }
            Some(byte) if text.get(from) == Some(byte) => {
                at += 1;
                from += 1;
            }
            _ => match retry {
                Some((star, start)) => {
                    retry = Some((star, start + 1));
                    at = star + 1;
                    from = start + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_whole_names_with_stars() {
        for (pattern, name, expected) in [
            ("public.orders", "public.orders", true),
            ("public.orders", "public.orders_old", false),
            ("public.*", "public.orders", true),
            ("*.orders", "sales.orders", true),
            ("orders", "sales.orders", true),
            ("*a*b*", "public.xaybz", true),
            ("*.salary", "public.staff.salary", true),
            ("public.*x", "public.abcx", true),
            ("public.*x", "public.abc", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

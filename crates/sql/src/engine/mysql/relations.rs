//! Which tables a statement may read, and what it reads instead of masked ones.
//!
//! A mask stands in the place of the table itself: `FROM customers` becomes
//! `FROM (SELECT id, RIGHT(…) AS phone FROM shop.customers) AS customers`. So every use of the
//! column, whatever the statement does with it, sees the mask only.

use contract::ToolError;

use super::failure::{denied, invalid};
use super::lexer::quote_name;
use super::pattern;
use super::statement::Statement;
use super::walk::Relation;
use crate::engine::Rules;
use crate::settings::Mask;

/// The session variable with the salt of hashes: no statement can name it, and no plan shows it.
pub(super) const SALT: &str = "suite_salt";

/// What of the server's own description is harmless.
const DESCRIBING: &[&str] = &[
    "character_sets",
    "check_constraints",
    "collations",
    "columns",
    "engines",
    "key_column_usage",
    "keywords",
    "partitions",
    "referential_constraints",
    "schemata",
    "sql_functions",
    "st_geometry_columns",
    "statistics",
    "table_constraints",
    "tables",
    "views",
];

/// The session in which names are resolved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home<'a> {
    /// The database that names without one mean.
    pub(super) database: Option<&'a str>,
    /// Whether the server holds names that differ in case for one.
    pub(super) folds_case: bool,
}

/// A table by its whole name.
pub(super) type Whole = (String, String);

impl Rules {
    /// Whether anything says what may be seen.
    pub(super) fn are_any(&self) -> bool {
        !(self.allow.is_empty() && self.deny.is_empty() && self.mask.is_empty())
    }

    /// Whether a table may be read, by the patterns alone. Denied are all spellings; allowed is
    /// the one that is written, where the server tells them apart.
    pub(super) fn permit(&self, schema: &str, table: &str, folds_case: bool) -> bool {
        let name = format!("{schema}.{table}");
        let lower = name.to_lowercase();
        let is_denied = self.deny.iter().any(|rule| pattern::matches(&rule.to_lowercase(), &lower));
        let is_allowed = self.allow.is_empty()
            || self.allow.iter().any(|rule| {
                pattern::matches(rule, &name)
                    || folds_case && pattern::matches(&rule.to_lowercase(), &lower)
            });
        is_allowed && !is_denied
    }

    /// The masks of a table: patterns of column names in lower case, and what is shown.
    pub(super) fn masks(&self, schema: &str, table: &str) -> Vec<(String, Mask)> {
        let lower = format!("{schema}.{table}").to_lowercase();
        let of_table = |(rule, mask): (&String, &Mask)| {
            let (of, column) = rule.rsplit_once('.')?;
            let is_of_table = pattern::matches(&of.to_lowercase(), &lower);
            is_of_table.then(|| (column.to_lowercase(), *mask))
        };
        self.mask.iter().filter_map(of_table).collect()
    }
}

/// The mask of a column, if it has one.
pub(super) fn mask_of(masks: &[(String, Mask)], column: &str) -> Option<Mask> {
    let lower = column.to_lowercase();
    masks.iter().find(|(rule, _)| pattern::matches(rule, &lower)).map(|(_, mask)| *mask)
}

/// Whether a database is the server's own.
pub(super) fn is_system(schema: &str) -> bool {
    let lower = schema.to_lowercase();
    matches!(
        lower.as_str(),
        "information_schema" | "mysql" | "performance_schema" | "sys" | "ndbinfo"
    )
}

/// Refuses relations that may not be read. Returns the tables that are left, by their whole
/// names and as the statement has them.
pub(super) fn decide(
    relations: &[Relation],
    rules: &Rules,
    home: Home<'_>,
) -> Result<Vec<(Whole, Relation)>, ToolError> {
    let mut tables = Vec::new();
    for relation in relations {
        if relation.is_expression {
            continue;
        }
        let is_dual = relation.schema.is_none() && relation.name.eq_ignore_ascii_case("dual");
        let schema = match (relation.schema.as_deref(), home.database) {
            (Some(schema), _) => schema,
            (None, _) if is_dual => continue,
            (None, Some(home)) => home,
            (None, None) => {
                return Err(invalid(format!(
                    "{} needs its database in front: write `database.{}`",
                    relation.name, relation.name
                )));
            }
        };
        if is_system(schema) {
            system(schema, &relation.name, rules)?;
            continue;
        }
        if !rules.permit(schema, &relation.name, home.folds_case) {
            return Err(denied(format!(
                "the table {schema}.{} may not be read here; sql_schema lists those that may",
                relation.name
            )));
        }
        tables.push(((schema.to_owned(), relation.name.clone()), relation.clone()));
    }
    Ok(tables)
}

fn system(schema: &str, table: &str, rules: &Rules) -> Result<(), ToolError> {
    if rules.are_any() {
        return Err(denied(format!(
            "{schema}.{table} is refused: what may be seen of this database is limited; \
             sql_schema describes it",
        )));
    }
    let is_describing = schema.eq_ignore_ascii_case("information_schema")
        && DESCRIBING.contains(&table.to_lowercase().as_str());
    if is_describing {
        return Ok(());
    }
    Err(denied(format!(
        "{schema}.{table} is refused: it tells of the server, its accounts or what others run. \
         information_schema.tables, .columns, .statistics and .key_column_usage may be read.",
    )))
}

/// Puts what is shown into the place of a masked table. `columns` are all it has.
pub(super) fn substitute(
    statement: &mut Statement,
    (schema, table): &Whole,
    relation: &Relation,
    masks: &[(String, Mask)],
    columns: &[String],
) -> Result<(), ToolError> {
    if !relation.is_plain {
        return Err(denied(format!(
            "{schema}.{table} has masked columns: read it as SELECT … FROM {table}, without \
             partitions, index hints and versions",
        )));
    }
    let shown: Vec<String> =
        columns.iter().filter_map(|column| expression(column, mask_of(masks, column))).collect();
    if shown.is_empty() {
        return Err(denied(format!("no column of {schema}.{table} may be read here")));
    }
    let (schema, name) = (quote_name(schema), quote_name(table));
    let mut text = format!("(SELECT {} FROM {schema}.{name})", shown.join(", "));
    if !relation.has_alias {
        text.push_str(" AS ");
        text.push_str(&name);
    }
    statement.replace(relation.at.clone(), text);
    Ok(())
}

/// What is selected in the place of a column.
fn expression(column: &str, mask: Option<Mask>) -> Option<String> {
    let name = quote_name(column);
    Some(match mask {
        None => name,
        Some(Mask::Drop) => return None,
        // It keeps the type of the column.
        Some(Mask::Null) => format!("NULLIF({name}, {name}) AS {name}"),
        Some(Mask::Last4) => format!("CONCAT('…', RIGHT({name}, 4)) AS {name}"),
        Some(Mask::Hash) => format!("LEFT(SHA2(CONCAT(@{SALT}, {name}), 256), 16) AS {name}"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn rules(allow: &[&str], deny: &[&str]) -> Rules {
        let owned = |list: &[&str]| list.iter().map(|rule| (*rule).to_owned()).collect();
        Rules { allow: owned(allow), deny: owned(deny), ..Rules::default() }
    }

    fn check(statement: &str, rules: &Rules, is_allowed: bool) {
        let read = Statement::read(statement, Some("shop"), &[]).expect(statement);
        let home = Home { database: Some("shop"), folds_case: false };
        let result = decide(&read.found.relations, rules, home);
        assert_eq!(result.is_ok(), is_allowed, "{statement}: {result:?}");
    }

    #[test]
    fn names_are_resolved_before_they_are_judged() {
        let deny = rules(&[], &["shop.salaries"]);
        check("SELECT * FROM orders", &deny, true);
        for name in ["salaries", "shop.salaries", "`Shop`.`SALARIES`", "orders, salaries"] {
            check(&format!("SELECT * FROM {name}"), &deny, false);
        }
        check("SELECT (SELECT MAX(pay) FROM salaries)", &deny, false);
        check("TABLE salaries", &deny, false);
        let allow = rules(&["shop.orders"], &[]);
        check("SELECT * FROM shop.orders", &allow, true);
        check("SELECT * FROM ORDERS", &allow, false);
        check("SELECT * FROM other.orders", &allow, false);
    }

    #[test]
    fn a_common_table_expression_hides_a_table_only_where_it_is_in_force() {
        let deny = rules(&[], &["shop.salaries"]);
        check("WITH salaries AS (SELECT 1) SELECT * FROM salaries", &deny, true);
        check("WITH salaries AS (SELECT * FROM salaries) SELECT * FROM salaries", &deny, false);
        check(
            "(WITH salaries AS (SELECT 1 a) SELECT a FROM salaries) UNION SELECT pay FROM salaries",
            &deny,
            false,
        );
        check(
            "WITH a AS (SELECT * FROM salaries), salaries AS (SELECT 1) SELECT * FROM a",
            &deny,
            false,
        );
        check("WITH salaries AS (SELECT 1) SELECT * FROM shop.salaries", &deny, false);
        check(
            "WITH RECURSIVE salaries AS (SELECT 1 UNION ALL SELECT * FROM salaries) SELECT * FROM salaries",
            &deny,
            true,
        );
    }

    #[test]
    fn the_servers_own_tables_are_refused() {
        let none = Rules::default();
        check("SELECT * FROM information_schema.tables", &none, true);
        check("SELECT * FROM INFORMATION_SCHEMA.PROCESSLIST", &none, false);
        check("SELECT * FROM mysql.user", &none, false);
        check("SELECT * FROM `sys`.x", &none, false);
        check("SELECT * FROM information_schema.tables", &rules(&["shop.*"], &[]), false);
        check("SELECT 1 FROM DUAL", &rules(&["shop.*"], &[]), true);
    }

    #[test]
    fn masked_columns_are_replaced() {
        let mask = BTreeMap::from([
            ("shop.customers.email".to_owned(), Mask::Hash),
            ("shop.*.phone".to_owned(), Mask::Last4),
            ("shop.customers.card".to_owned(), Mask::Drop),
        ]);
        let rules = Rules { mask, ..Rules::default() };
        let mut read = Statement::read("SELECT c.* FROM customers c", None, &[]).expect("a query");
        let relation = read.found.relations[0].clone();
        let whole = ("shop".to_owned(), "customers".to_owned());
        let columns = ["id", "email", "phone", "card"].map(str::to_owned);
        substitute(&mut read, &whole, &relation, &rules.masks("shop", "customers"), &columns)
            .expect("it is replaced");
        assert_eq!(
            read.text(),
            "SELECT c.* FROM (SELECT `id`, LEFT(SHA2(CONCAT(@suite_salt, `email`), 256), 16) AS \
             `email`, CONCAT('…', RIGHT(`phone`, 4)) AS `phone` FROM `shop`.`customers`) c"
        );
    }
}

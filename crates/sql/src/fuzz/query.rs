//! Queries: what they read, how they join, group, order and combine it.

use super::catalogue::{Dialect, Relation};
use super::grammar::{Field, Grammar};

impl<'a> Grammar<'a> {
    /// The columns of a relation under an alias.
    pub(crate) fn fields(relation: &'a Relation, alias: &str) -> Vec<Field<'a>> {
        let field = |(name, type_name): &'a (String, String)| Field {
            text: format!("{alias}.{name}"),
            type_name,
        };
        relation.columns.iter().map(field).collect()
    }

    /// A whole statement that reads.
    pub(crate) fn query(&mut self, depth: usize) -> String {
        let types = self.types();
        let mut body = match self.random.weighted(&[70, 12, 8, 10]) {
            0 => self.select(&[], &types, depth, true),
            1 => self.combination(&types, depth),
            2 => self.values(&types),
            _ => self.recursion(),
        };
        if self.random.chance(25) && !body.starts_with("WITH") {
            body = self.with(&body, depth);
        }
        match (self.random.chance(8), self.offer.dialect) {
            (true, Dialect::Postgres) => {
                let how = ["EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN (VERBOSE, COSTS OFF)"];
                format!("{} {body}", self.random.word(&how))
            }
            (true, Dialect::Mysql) => format!("EXPLAIN {body}"),
            (true, Dialect::Sqlite) => format!("EXPLAIN QUERY PLAN {body}"),
            (false, _) => body,
        }
    }

    /// The types of a query's columns.
    fn types(&mut self) -> Vec<&'a str> {
        let count = 1 + self.random.below(3);
        (0..count).map(|_| self.any_type()).collect()
    }

    /// One SELECT with these columns; an order and a limit where it stands alone.
    pub(crate) fn select(
        &mut self,
        outer: &[Field<'a>],
        types: &[&'a str],
        depth: usize,
        is_whole: bool,
    ) -> String {
        let (from, mut scope) = self.from(depth);
        scope.extend(outer.iter().cloned());
        let is_grouped = self.random.chance(25);
        let keys: Vec<Field<'a>> = match self.random.maybe(&scope) {
            Some(field) if is_grouped => vec![field.clone()],
            _ => Vec::new(),
        };
        let mut columns = Vec::new();
        for wanted in types {
            let key = keys.iter().find(|key| key.type_name == *wanted);
            let value = match (key, is_grouped) {
                (Some(key), true) => key.text.clone(),
                (None, true) => self.aggregate(&scope, wanted),
                _ if self.random.chance(10) => self.window(&scope, wanted),
                _ => self.expression(&scope, wanted, depth),
            };
            columns.push(format!("{value} AS c{}", columns.len() + 1));
        }
        let distinct = if self.random.chance(8) { "DISTINCT " } else { "" };
        let mut text = format!("SELECT {distinct}{} FROM {from}", columns.join(", "));
        if self.random.chance(50) {
            text.push_str(&format!(" WHERE {}", self.condition(&scope, depth)));
        }
        if let [key] = keys.as_slice() {
            text.push_str(&format!(" GROUP BY {}", key.text));
            if self.random.chance(25) {
                text.push_str(" HAVING count(*) > 1");
            }
        }
        if is_whole {
            text.push_str(&self.tail(types.len()));
        }
        text
    }

    fn tail(&mut self, columns: usize) -> String {
        let mut text = String::new();
        if self.random.chance(40) {
            let way = self.random.word(&["", " DESC"]);
            text.push_str(&format!(" ORDER BY {}{way}", 1 + self.random.below(columns)));
        }
        if self.random.chance(50) {
            text.push_str(&format!(" LIMIT {}", 1 + self.random.below(30)));
            if self.random.chance(20) {
                text.push_str(&format!(" OFFSET {}", self.random.below(10)));
            }
        }
        text
    }

    /// What is read, and the columns that this brings.
    fn from(&mut self, depth: usize) -> (String, Vec<Field<'a>>) {
        let (mut text, mut scope) = self.source(&[], depth);
        for _ in 0..self.random.weighted(&[55, 35, 10]) {
            let is_lateral = self.offer.dialect == Dialect::Postgres && self.random.chance(15);
            let outer = if is_lateral { scope.clone() } else { Vec::new() };
            let (source, fields) = self.source(&outer, depth);
            scope.extend(fields);
            let lateral = if is_lateral && source.starts_with('(') { "LATERAL " } else { "" };
            if self.random.chance(15) {
                text.push_str(&format!(" CROSS JOIN {lateral}{source}"));
            } else {
                let way = self.random.word(&["JOIN", "LEFT JOIN", "INNER JOIN"]);
                let condition = self.condition(&scope, 0);
                text.push_str(&format!(" {way} {lateral}{source} ON {condition}"));
            }
        }
        (text, scope)
    }

    fn source(&mut self, outer: &[Field<'a>], depth: usize) -> (String, Vec<Field<'a>>) {
        if depth > 0 && self.random.chance(25) {
            let types = self.types();
            let alias = self.name("q");
            let query = self.select(outer, &types, depth - 1, true);
            return (format!("({query}) AS {alias}"), Self::numbered(&types, &alias));
        }
        if self.offer.dialect == Dialect::Postgres && self.random.chance(8) {
            let alias = self.name("g");
            let field = Field { text: format!("{alias}.n"), type_name: "int4" };
            return (format!("generate_series(1, 9) AS {alias}(n)"), vec![field]);
        }
        let relation = self.relation();
        let alias = self.name("t");
        (format!("{} AS {alias}", relation.name), Self::fields(relation, &alias))
    }

    fn numbered(types: &[&'a str], alias: &str) -> Vec<Field<'a>> {
        let numbered = types.iter().enumerate();
        numbered
            .map(|(place, type_name)| Field { text: format!("{alias}.c{}", place + 1), type_name })
            .collect()
    }

    fn combination(&mut self, types: &[&'a str], depth: usize) -> String {
        let depth = depth.saturating_sub(1);
        let mut text = self.select(&[], types, depth, false);
        for _ in 0..=self.random.below(2) {
            let word = self.random.word(&["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
            let arm = self.select(&[], types, depth, false);
            text.push_str(&format!(" {word} {arm}"));
        }
        text + &self.tail(types.len())
    }

    fn values(&mut self, types: &[&'a str]) -> String {
        let rows: Vec<String> = (0..2)
            .map(|_| {
                let row: Vec<String> =
                    types.iter().map(|wanted| self.expression(&[], wanted, 1)).collect();
                format!("({})", row.join(", "))
            })
            .collect();
        format!("VALUES {}", rows.join(", "))
    }

    fn recursion(&mut self) -> String {
        let relation = self.relation();
        let mut scope = Self::fields(relation, "t");
        let whole = if self.offer.dialect == Dialect::Postgres { "int4" } else { "int" };
        scope.push(Field { text: "r.n".to_owned(), type_name: whole });
        let value = self.expression(&scope, whole, 1);
        let condition = self.condition(&scope, 0);
        format!(
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9) \
             SELECT {value} FROM r LEFT JOIN {} AS t ON {condition}",
            relation.name
        )
    }

    /// The statement behind a common table expression, which it reads now and then.
    fn with(&mut self, body: &str, depth: usize) -> String {
        let types = self.types();
        let name = self.name("w");
        let query = self.select(&[], &types, depth.saturating_sub(1), true);
        let scope = Self::numbered(&types, &name);
        if self.random.chance(50) {
            let value = self.expression(&scope, types[0], 1);
            return format!("WITH {name} AS ({query}) SELECT {value} FROM {name}");
        }
        format!("WITH {name} AS ({query}) {body}")
    }
}

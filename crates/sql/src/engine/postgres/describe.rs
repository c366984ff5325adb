//! The schema, from the catalogue in one statement: what the credential may select and the rules
//! let be seen.
//!
//! Partitions are left out: what there is to know is said of the table they are parts of.

use std::collections::HashMap;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};

use super::cells::text;
use super::errors::Fault;
use super::visible::{is_visible, mask};
use crate::engine::Rules;
use crate::schema::{Enumeration, ForeignKey, Index, Schema, Table, TableColumn, TableKind};
use crate::settings::Mask;

/// Everything in one statement, so that what may be read is asked once; every row begins with what
/// it is about. An index of expressions is told by its definitions, one a line.
const QUESTION: &str = "\
    WITH c AS MATERIALIZED ( \
      SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples, \
        pg_catalog.has_table_privilege(c.oid, 'SELECT') AS whole \
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition \
        AND n.nspname NOT IN ('pg_catalog', 'information_schema') \
        AND n.nspname !~ '^pg_(toast|temp)' \
        AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
        AND (pg_catalog.has_table_privilege(c.oid, 'SELECT') \
          OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'))), \
    d AS (SELECT objoid, objsubid, description FROM pg_catalog.pg_description \
      WHERE classoid = 'pg_catalog.pg_class'::regclass) \
    SELECT 'home', pg_catalog.current_schema()::text, \
      NULL, NULL, NULL::text, NULL::text, NULL::text, NULL::text \
    UNION ALL (SELECT 'table', c.oid::text, c.nspname, c.relname, c.relkind::text, d.description, \
        (CASE WHEN c.relkind = 'p' AND c.reltuples <= 0 \
          THEN (SELECT pg_catalog.sum(p.reltuples) FROM pg_catalog.pg_partition_tree(c.oid) t \
                JOIN pg_catalog.pg_class p ON p.oid = t.relid AND p.reltuples >= 0) \
          ELSE c.reltuples END)::float8::text, NULL \
      FROM c LEFT JOIN d ON d.objoid = c.oid AND d.objsubid = 0 \
      ORDER BY c.nspname COLLATE \"C\", c.relname COLLATE \"C\") \
    UNION ALL (SELECT 'column', c.oid::text, a.attnum::text, a.attname, \
        pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull::text, \
        CASE WHEN a.attidentity <> '' THEN 'identity' \
             WHEN a.atthasdef THEN (SELECT pg_catalog.pg_get_expr(f.adbin, f.adrelid) \
               FROM pg_catalog.pg_attrdef f \
               WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum) END, \
        d.description \
      FROM c JOIN pg_catalog.pg_attribute a \
        ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
      LEFT JOIN d ON d.objoid = c.oid AND d.objsubid = a.attnum \
      WHERE c.whole OR pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') \
      ORDER BY a.attrelid, a.attnum) \
    UNION ALL (SELECT CASE k.contype WHEN 'p' THEN 'primary' ELSE 'foreign' END, c.oid::text, \
        k.conkey::text, k.confrelid::text, k.confkey::text, NULL, NULL, NULL \
      FROM c JOIN pg_catalog.pg_constraint k \
        ON k.conrelid = c.oid AND k.contype IN ('p', 'f') AND k.conparentid = 0 \
      ORDER BY k.conname) \
    UNION ALL (SELECT 'index', c.oid::text, x.relname, i.indisunique::text, i.indkey::text, \
        i.indnkeyatts::text, \
        CASE WHEN i.indexprs IS NOT NULL THEN \
          (SELECT pg_catalog.string_agg( \
             pg_catalog.pg_get_indexdef(i.indexrelid, p, true), E'\\n' ORDER BY p) \
           FROM pg_catalog.generate_series(1, i.indnkeyatts) p) END, NULL \
      FROM c JOIN pg_catalog.pg_index i \
        ON i.indrelid = c.oid AND i.indisvalid AND NOT i.indisprimary \
      JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid \
      ORDER BY x.relname) \
    UNION ALL (SELECT 'enum', n.nspname, t.typname, e.enumlabel, NULL, NULL, NULL, NULL \
      FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace \
      JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid \
      WHERE pg_catalog.has_schema_privilege(n.oid, 'USAGE') \
        AND pg_catalog.has_type_privilege(t.oid, 'USAGE') \
      ORDER BY n.nspname COLLATE \"C\", t.typname COLLATE \"C\", e.enumsortorder)";

/// Reads the schema.
pub(super) async fn schema(connection: &mut PgConnection, rules: &Rules) -> Result<Schema, Fault> {
    let mut reading = Reading::new(rules);
    let mut rows = sqlx::raw_sql(QUESTION).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        reading.take(&row);
    }
    Ok(reading.schema)
}

/// The schema as it is read, and where its parts are.
struct Reading<'a> {
    rules: &'a Rules,
    schema: Schema,
    /// Where a table is in the list, by its number in the catalogue.
    tables: HashMap<u32, usize>,
    /// The names of the columns that are shown, by table and number.
    columns: HashMap<(u32, i16), String>,
}

impl<'a> Reading<'a> {
    fn new(rules: &'a Rules) -> Self {
        Self { rules, schema: Schema::default(), tables: HashMap::new(), columns: HashMap::new() }
    }

    fn take(&mut self, row: &PgRow) {
        let field = Fields(row);
        match field.word(0).as_str() {
            "home" => self.schema.home = field.word(1),
            "table" => self.table(&field),
            "column" => self.column(&field),
            "primary" => self.primary(&field),
            "foreign" => self.foreign(&field),
            "index" => self.index(&field),
            _ => self.label(&field),
        }
    }

    fn table(&mut self, field: &Fields<'_>) {
        let (schema, name) = (field.word(2), field.word(3));
        if !is_visible(self.rules, &schema, &name) {
            return;
        }
        let kind = match field.word(4).as_str() {
            "v" => TableKind::View,
            "m" => TableKind::Materialized,
            "f" => TableKind::Foreign,
            _ => TableKind::Table,
        };
        self.tables.insert(field.number(1), self.schema.tables.len());
        self.schema.tables.push(Table {
            schema,
            name,
            kind,
            comment: field.text(5),
            rows: if kind == TableKind::View { None } else { field.estimate(6) },
            columns: Vec::new(),
            primary: Vec::new(),
            foreign: Vec::new(),
            indexes: Vec::new(),
        });
    }

    fn of(&mut self, oid: u32) -> Option<&mut Table> {
        let at = *self.tables.get(&oid)?;
        self.schema.tables.get_mut(at)
    }

    fn column(&mut self, field: &Fields<'_>) {
        let (oid, name) = (field.number(1), field.word(3));
        let rules = self.rules;
        let Some(table) = self.of(oid) else { return };
        let mask = mask(rules, &table.schema, &table.name, &name);
        if mask == Some(Mask::Drop) {
            return;
        }
        table.columns.push(TableColumn {
            name: name.clone(),
            type_name: field.word(4),
            is_nullable: field.word(5) != "true",
            default: field.text(6),
            comment: field.text(7),
            is_masked: mask.is_some(),
        });
        self.columns.insert((oid, field.small(2)), name);
    }

    /// The names of columns by their numbers; `None` where one of them is not shown.
    fn names(&self, oid: u32, numbers: &[i16]) -> Option<Vec<String>> {
        numbers.iter().map(|&number| self.columns.get(&(oid, number)).cloned()).collect()
    }

    fn primary(&mut self, field: &Fields<'_>) {
        let oid = field.number(1);
        let names = self.names(oid, &field.numbers(2));
        if let (Some(names), Some(table)) = (names, self.of(oid)) {
            table.primary = names;
        }
    }

    fn foreign(&mut self, field: &Fields<'_>) {
        let (oid, other) = (field.number(1), field.number(3));
        let columns = self.names(oid, &field.numbers(2));
        let to_columns = self.names(other, &field.numbers(4));
        let to = self.of(other).map(|table| (table.schema.clone(), table.name.clone()));
        if let (Some(columns), Some(to_columns), Some(to)) = (columns, to_columns, to)
            && let Some(table) = self.of(oid)
        {
            table.foreign.push(ForeignKey { columns, to, to_columns });
        }
    }

    /// An expression could name a column that is not shown: where there is one, it is left out.
    fn index(&mut self, field: &Fields<'_>) {
        let oid = field.number(1);
        let mut numbers = field.numbers(4);
        numbers.truncate(usize::from(field.small(5).unsigned_abs()));
        let columns = match field.text(6) {
            Some(_) if self.hides(oid) => return,
            Some(expressions) => Some(expressions.lines().map(str::to_owned).collect()),
            None => self.names(oid, &numbers),
        };
        let index = columns.map(|columns| Index {
            name: field.word(2),
            columns,
            is_unique: field.word(3) == "true",
        });
        if let (Some(index), Some(table)) = (index, self.of(oid)) {
            table.indexes.push(index);
        }
    }

    /// Whether the rules touch columns of a table.
    fn hides(&mut self, oid: u32) -> bool {
        !self.rules.mask.is_empty() && self.of(oid).is_some()
    }

    fn label(&mut self, field: &Fields<'_>) {
        let (schema, name, label) = (field.word(1), field.word(2), field.word(3));
        match self.schema.enums.last_mut() {
            Some(last) if last.schema == schema && last.name == name => last.labels.push(label),
            _ => self.schema.enums.push(Enumeration { schema, name, labels: vec![label] }),
        }
    }
}

/// The fields of a row of the catalogue.
struct Fields<'a>(&'a PgRow);

impl Fields<'_> {
    fn text(&self, at: usize) -> Option<String> {
        text(self.0, at).map(std::borrow::Cow::into_owned)
    }

    fn word(&self, at: usize) -> String {
        self.text(at).unwrap_or_default()
    }

    fn number(&self, at: usize) -> u32 {
        self.word(at).parse().unwrap_or_default()
    }

    fn small(&self, at: usize) -> i16 {
        self.word(at).parse().unwrap_or_default()
    }

    /// The numbers of an array or a vector: `{1,2}` or `1 2`.
    fn numbers(&self, at: usize) -> Vec<i16> {
        let word = self.word(at);
        let parts = word.split(['{', '}', ',', ' ']).filter(|part| !part.is_empty());
        parts.map(|part| part.parse().unwrap_or_default()).collect()
    }

    /// A count that the database may never have made, which it says by -1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate of rows, checked to be no less than zero"
    )]
    fn estimate(&self, at: usize) -> Option<u64> {
        let rows: f64 = self.text(at)?.parse().ok()?;
        (rows >= 0.0).then_some(rows as u64)
    }
}

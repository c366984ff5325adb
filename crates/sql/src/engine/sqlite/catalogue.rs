//! The schema of the file, by statements of this server's own.

use std::collections::HashMap;

use super::comments::{self, Comments};
use super::masks::quoted;
use super::raw::{Failure, Handle, Statement, Value};
use super::relations;
use crate::engine::Rules;
use crate::schema::{ForeignKey, Index, Schema, Table, TableColumn, TableKind};
use crate::settings::Mask;

/// The only schema of a file.
const MAIN: &str = "main";

/// Everything that the rules let be seen.
pub(super) fn schema(handle: &Handle, rules: &Rules) -> Result<Schema, Failure> {
    handle.trusted(|handle| {
        let mut reader = Reader::new(handle, rules)?;
        let mut tables = Vec::new();
        for found in list(handle)? {
            if relations::may_read(rules, &found.name) {
                tables.push(reader.table(found)?);
            }
        }
        tables.sort_by(|one: &Table, other| one.name.cmp(&other.name));
        Ok(Schema { home: MAIN.to_owned(), tables, enums: Vec::new() })
    })
}

/// How many rows a table has, roughly and at once: what ANALYZE counted, or else its highest row
/// number.
pub(super) fn estimate(handle: &Handle, table: &str) -> Option<u64> {
    handle.trusted(|handle| {
        let counts = counted(handle);
        let count = counts.get(&table.to_ascii_lowercase()).copied();
        count.or_else(|| highest(handle, table))
    })
}

/// Whether there is such a table, no view.
pub(super) fn is_table(handle: &Handle, lower: &str) -> bool {
    const LOOK: &str = "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND lower(name) = ?1";
    handle.trusted(|handle| {
        let Ok((Some(mut statement), _)) = handle.prepare(LOOK) else { return false };
        statement.bind(1, Value::Text(lower.as_bytes())).is_ok()
            && statement.step().unwrap_or(false)
    })
}

/// A relation of the list.
struct Found {
    name: String,
    is_view: bool,
    has_rowid: bool,
    sql: String,
    has_indexes: bool,
}

/// Tables and views but for SQLite's own and for the storage of virtual tables.
fn list(handle: &Handle) -> Result<Vec<Found>, Failure> {
    const LIST: &str = "SELECT l.name, l.type, l.wr, s.sql, i.tbl_name IS NOT NULL \
        FROM pragma_table_list l JOIN main.sqlite_schema s \
          ON s.name = l.name AND s.type IN ('table', 'view') \
        LEFT JOIN (SELECT DISTINCT tbl_name FROM main.sqlite_schema WHERE type = 'index') i \
          ON i.tbl_name = l.name \
        WHERE l.schema = 'main' AND l.type <> 'shadow' \
          AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut found = Vec::new();
    if let (Some(mut statement), _) = handle.prepare(LIST)? {
        while statement.step()? {
            let kind = statement.text(1);
            found.push(Found {
                name: statement.text(0),
                is_view: kind == "view",
                has_rowid: kind == "table" && statement.integer(2) == 0,
                sql: statement.text(3),
                has_indexes: statement.integer(4) != 0,
            });
        }
    }
    Ok(found)
}

/// The rows of each table, as ANALYZE counted them, by name in lower case.
fn counted(handle: &Handle) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    // Without ANALYZE there is no such table, and the statement does not compile.
    let read = handle.prepare("SELECT tbl, stat FROM main.sqlite_stat1");
    if let Ok((Some(mut statement), _)) = read {
        while statement.step().unwrap_or(false) {
            let stat = statement.text(1);
            let first = stat.split(' ').next().unwrap_or_default();
            if let Ok(count) = first.parse::<u64>() {
                let name = statement.text(0).to_ascii_lowercase();
                let most = counts.entry(name).or_insert(0);
                *most = count.max(*most);
            }
        }
    }
    counts
}

fn highest(handle: &Handle, table: &str) -> Option<u64> {
    let (statement, _) =
        handle.prepare(&format!("SELECT max(rowid) FROM main.{}", quoted(table))).ok()?;
    let mut statement = statement?;
    let has_row = statement.step().ok()?;
    has_row.then(|| u64::try_from(statement.integer(0)).unwrap_or_default())
}

/// Reads one relation after the other with statements that are prepared once.
struct Reader<'a> {
    handle: &'a Handle,
    rules: &'a Rules,
    counts: HashMap<String, u64>,
    columns: Statement<'a>,
    foreign: Statement<'a>,
    indexes: Statement<'a>,
}

impl<'a> Reader<'a> {
    fn new(handle: &'a Handle, rules: &'a Rules) -> Result<Self, Failure> {
        let prepare = |text: &str| match handle.prepare(text)? {
            (Some(statement), _) => Ok(statement),
            (None, _) => unreachable!("the text has a statement"),
        };
        Ok(Self {
            handle,
            rules,
            counts: counted(handle),
            columns: prepare(
                "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo(?1, 'main') \
                 WHERE hidden <> 1",
            )?,
            foreign: prepare(
                "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1, 'main') \
                 ORDER BY id, seq",
            )?,
            indexes: prepare(
                "SELECT l.name, l.\"unique\", x.name FROM pragma_index_list(?1, 'main') l, \
                 pragma_index_xinfo(l.name, 'main') x WHERE x.key = 1 AND l.origin <> 'pk' \
                 ORDER BY l.name, x.seqno",
            )?,
        })
    }

    fn table(&mut self, found: Found) -> Result<Table, Failure> {
        let comments = comments::of(&found.sql);
        let (columns, primary) = self.columns(&found.name, &comments);
        let has_foreign = found.sql.to_ascii_lowercase().contains("references");
        let foreign = if has_foreign { self.foreign(&found.name)? } else { Vec::new() };
        let indexes = if found.has_indexes { self.indexes(&found.name)? } else { Vec::new() };
        let counted = self.counts.get(&found.name.to_ascii_lowercase()).copied();
        let rows = match counted {
            None if found.has_rowid => highest(self.handle, &found.name),
            counted => counted,
        };
        let kind = if found.is_view { TableKind::View } else { TableKind::Table };
        Ok(Table {
            schema: MAIN.to_owned(),
            name: found.name,
            kind,
            comment: comments.table,
            rows,
            columns,
            primary,
            foreign,
            indexes,
        })
    }

    /// The columns, and the names of those that make the primary key.
    fn columns(&mut self, table: &str, comments: &Comments) -> (Vec<TableColumn>, Vec<String>) {
        let (mut columns, mut primary) = (Vec::new(), Vec::new());
        let rules = self.rules;
        let Some(statement) = started(&mut self.columns, table) else {
            return (columns, Vec::new());
        };
        // A view that is broken has no columns: that is what there is to say about it.
        while statement.step().unwrap_or(false) {
            let name = statement.text(0);
            let mask = relations::mask_of(rules, table, &name);
            if mask == Some(Mask::Drop) {
                continue;
            }
            let key = statement.integer(4);
            if key > 0 {
                primary.push((key, name.clone()));
            }
            let type_name = statement.text(1);
            let default = statement.text(3);
            columns.push(TableColumn {
                comment: comments.columns.get(&name.to_ascii_lowercase()).cloned(),
                type_name: if type_name.is_empty() { "any".to_owned() } else { type_name },
                // A key that is the row's number is never NULL.
                is_nullable: statement.integer(2) == 0 && key == 0,
                default: Some(default).filter(|default| !default.is_empty()),
                is_masked: mask.is_some(),
                name,
            });
        }
        primary.sort();
        (columns, primary.into_iter().map(|(_, name)| name).collect())
    }

    fn foreign(&mut self, table: &str) -> Result<Vec<ForeignKey>, Failure> {
        let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
        let rules = self.rules;
        let Some(statement) = started(&mut self.foreign, table) else { return Ok(Vec::new()) };
        while statement.step()? {
            let (id, to) = (statement.integer(0), statement.text(1));
            if keys.last().is_none_or(|(last, _)| *last != id) {
                let to = (MAIN.to_owned(), to);
                keys.push((id, ForeignKey { columns: Vec::new(), to, to_columns: Vec::new() }));
            }
            if let Some((_, key)) = keys.last_mut() {
                key.columns.push(statement.text(2));
                // Without a column it is the other table's primary key.
                key.to_columns.extend(Some(statement.text(3)).filter(|to| !to.is_empty()));
            }
        }
        keys.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        let visible = keys.into_iter().map(|(_, key)| key).filter(|key| {
            let is_dropped =
                |column: &String| relations::mask_of(rules, table, column) == Some(Mask::Drop);
            relations::may_read(rules, &key.to.1) && !key.columns.iter().any(is_dropped)
        });
        let mut visible: Vec<ForeignKey> = visible.collect();
        for key in &mut visible {
            if key.to_columns.is_empty() {
                let nothing = Comments::default();
                key.to_columns = self.columns(&key.to.1, &nothing).1;
            }
        }
        Ok(visible)
    }

    fn indexes(&mut self, table: &str) -> Result<Vec<Index>, Failure> {
        let mut indexes: Vec<Index> = Vec::new();
        let rules = self.rules;
        let Some(statement) = started(&mut self.indexes, table) else { return Ok(indexes) };
        while statement.step()? {
            let (name, is_unique) = (statement.text(0), statement.integer(1) != 0);
            if indexes.last().is_none_or(|last| last.name != name) {
                indexes.push(Index { name, columns: Vec::new(), is_unique });
            }
            let column = statement.text(2);
            let column = if column.is_empty() { "(expression)".to_owned() } else { column };
            if let Some(index) = indexes.last_mut() {
                index.columns.push(column);
            }
        }
        indexes.retain(|index| {
            let mut columns = index.columns.iter();
            !columns.any(|column| relations::mask_of(rules, table, column) == Some(Mask::Drop))
        });
        Ok(indexes)
    }
}

/// The statement, ready to be stepped with the table's name.
fn started<'s, 'a>(statement: &'s mut Statement<'a>, table: &str) -> Option<&'s mut Statement<'a>> {
    statement.reset();
    statement.bind(1, Value::Text(table.as_bytes())).ok()?;
    Some(statement)
}

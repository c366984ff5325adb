//! The schema, from `information_schema`: four questions, whatever there is of tables.

use std::collections::BTreeMap;

use contract::ToolError;
use sqlx::AssertSqlSafe;
use sqlx::mysql::MySqlRow;

use super::pool::Connection;
use super::relations::mask_of;
use super::{failure, text_of};
use crate::engine::Rules;
use crate::schema::{ForeignKey, Index, Schema, Table, TableColumn, TableKind};
use crate::settings::Mask;

/// The server's own databases.
const OTHERS: &str =
    "TABLE_SCHEMA NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys')";

/// Everything that the account may read and the rules let be seen.
pub(super) async fn schema(
    connection: &mut Connection,
    rules: &Rules,
    home: Option<&str>,
) -> Result<Schema, ToolError> {
    let folds_case = connection.server.folds_case;
    let mut tables = BTreeMap::new();
    let text = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_COMMENT, TABLE_ROWS \
         FROM information_schema.TABLES WHERE {OTHERS}"
    );
    for row in ask(connection, text).await? {
        let (schema, name) = (text_of(&row, 0), text_of(&row, 1));
        if rules.permit(&schema, &name, folds_case)
            && let Some(table) = table(&row, &schema, &name)
        {
            tables.insert((schema, name), table);
        }
    }
    columns(connection, rules, &mut tables).await?;
    indexes(connection, &mut tables).await?;
    foreign(connection, &mut tables).await?;
    Ok(Schema {
        home: home.unwrap_or_default().to_owned(),
        tables: tables.into_values().collect(),
        enums: Vec::new(),
    })
}

type Tables = BTreeMap<(String, String), Table>;

fn table(row: &MySqlRow, schema: &str, name: &str) -> Option<Table> {
    let kind = match text_of(row, 2).as_str() {
        "VIEW" => TableKind::View,
        // A sequence is read by what changes it.
        "SEQUENCE" => return None,
        _ => TableKind::Table,
    };
    // The server says VIEW in the place of a view's comment.
    let comment = text_of(row, 3);
    let is_said = !comment.is_empty() && kind == TableKind::Table;
    Some(Table {
        schema: schema.to_owned(),
        name: name.to_owned(),
        kind,
        comment: is_said.then_some(comment),
        rows: text_of(row, 4).parse().ok(),
        columns: Vec::new(),
        primary: Vec::new(),
        foreign: Vec::new(),
        indexes: Vec::new(),
    })
}

async fn columns(
    connection: &mut Connection,
    rules: &Rules,
    tables: &mut Tables,
) -> Result<(), ToolError> {
    let text = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, \
         COLUMN_DEFAULT, COLUMN_COMMENT, EXTRA, ORDINAL_POSITION \
         FROM information_schema.COLUMNS WHERE {OTHERS} \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    );
    for row in ask(connection, text).await? {
        let key = (text_of(&row, 0), text_of(&row, 1));
        let Some(table) = tables.get_mut(&key) else { continue };
        let name = text_of(&row, 2);
        let mask = mask_of(&rules.masks(&key.0, &key.1), &name);
        if mask == Some(Mask::Drop) {
            continue;
        }
        let (default, extra, comment) = (text_of(&row, 5), text_of(&row, 7), text_of(&row, 6));
        let default =
            if extra.contains("auto_increment") { "auto_increment".to_owned() } else { default };
        table.columns.push(TableColumn {
            name,
            type_name: text_of(&row, 3),
            is_nullable: text_of(&row, 4) == "YES",
            default: Some(default).filter(|default| !default.is_empty() && default != "NULL"),
            comment: Some(comment).filter(|comment| !comment.is_empty()),
            is_masked: mask.is_some(),
        });
    }
    Ok(())
}

async fn indexes(connection: &mut Connection, tables: &mut Tables) -> Result<(), ToolError> {
    let text = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, NON_UNIQUE, SEQ_IN_INDEX \
         FROM information_schema.STATISTICS WHERE {OTHERS} \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    );
    for row in ask(connection, text).await? {
        let Some(table) = tables.get_mut(&(text_of(&row, 0), text_of(&row, 1))) else { continue };
        let (name, column) = (text_of(&row, 2), text_of(&row, 3));
        let column = if column.is_empty() { "(expression)".to_owned() } else { column };
        // A hidden column is not named by an index either.
        if !table.columns.iter().any(|known| known.name == column) && column != "(expression)" {
            continue;
        }
        if name == "PRIMARY" {
            table.primary.push(column);
            continue;
        }
        match table.indexes.last_mut().filter(|last| last.name == name) {
            Some(last) => last.columns.push(column),
            None => table.indexes.push(Index {
                name,
                columns: vec![column],
                is_unique: text_of(&row, 4) == "0",
            }),
        }
    }
    Ok(())
}

async fn foreign(connection: &mut Connection, tables: &mut Tables) -> Result<(), ToolError> {
    let text = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, \
         REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME, ORDINAL_POSITION \
         FROM information_schema.KEY_COLUMN_USAGE \
         WHERE {OTHERS} AND REFERENCED_TABLE_NAME IS NOT NULL \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION"
    );
    let mut last = None;
    for row in ask(connection, text).await? {
        let key = (text_of(&row, 0), text_of(&row, 1));
        let to = (text_of(&row, 4), text_of(&row, 5));
        let is_seen = tables.contains_key(&to);
        let Some(table) = tables.get_mut(&key) else { continue };
        let (column, to_column) = (text_of(&row, 3), text_of(&row, 6));
        if !is_seen || !table.columns.iter().any(|known| known.name == column) {
            continue;
        }
        let constraint = (key, text_of(&row, 2));
        if last.as_ref() == Some(&constraint)
            && let Some(key) = table.foreign.last_mut()
        {
            key.columns.push(column);
            key.to_columns.push(to_column);
        } else {
            let (columns, to_columns) = (vec![column], vec![to_column]);
            table.foreign.push(ForeignKey { columns, to, to_columns });
        }
        last = Some(constraint);
    }
    Ok(())
}

async fn ask(connection: &mut Connection, text: String) -> Result<Vec<MySqlRow>, ToolError> {
    let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut connection.link).await;
    rows.map_err(|error| failure::of(&error))
}

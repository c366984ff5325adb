//! Masks: for every masked table a view of the same name stands in the connection's own schema,
//! which SQLite looks into first. The view reads the table through a second one whose name is
//! random, and the authorizer lets that one alone read what is masked.

use std::fmt::Write as _;
use std::sync::Arc;

use ring::hmac;

use super::lexer::{self, Kind};
use super::raw::{Arguments, Failure, Handle, Output, Value};
use super::relations::{Relation, Relations};
use super::statement;
use crate::engine::Rules;
use crate::settings::Mask;

/// The key of hashed values: made when the process starts, and never shown.
pub(super) type Salt = Arc<hmac::Key>;

/// Reads which relations there are and applies the rules to them.
pub(super) fn relations(handle: &Handle, rules: &Rules, nonce: &str) -> Result<Relations, Failure> {
    Ok(Relations::new(rules, found(handle)?, nonce))
}

fn found(handle: &Handle) -> Result<Vec<Relation>, Failure> {
    const LIST: &str = "SELECT l.name, l.type, s.sql FROM pragma_table_list l \
        LEFT JOIN sqlite_schema s ON s.name = l.name AND s.type IN ('table', 'view') \
        WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    const COLUMNS: &str = "SELECT name FROM pragma_table_xinfo(?1) WHERE schema = 'main'";
    let (mut found, mut kinds) = (Vec::new(), Vec::new());
    if let (Some(mut list), _) = handle.prepare(LIST)? {
        while list.step()? {
            let kind = list.text(1);
            let view = (kind == "view").then(|| list.text(2));
            found.push(Relation { name: list.text(0), view, ..Relation::default() });
            kinds.push(kind);
        }
    }
    if let (Some(mut columns), _) = handle.prepare(COLUMNS)? {
        for relation in &mut found {
            columns.reset();
            columns.bind(1, Value::Text(relation.name.as_bytes()))?;
            // A view that is broken has no columns; reading it fails with SQLite's own words.
            while columns.step().unwrap_or(false) {
                relation.columns.push(columns.text(0));
            }
        }
    }
    let owners: Vec<String> = owners(&found, &kinds);
    for (relation, kind) in found.iter_mut().zip(&kinds) {
        if kind == "shadow" {
            let owner = owners.iter().filter(|owner| {
                relation.name.strip_prefix(owner.as_str()).is_some_and(|rest| rest.starts_with('_'))
            });
            relation.shadows = owner.max_by_key(|owner| owner.len()).cloned();
        }
    }
    Ok(found)
}

fn owners(found: &[Relation], kinds: &[String]) -> Vec<String> {
    let all = found.iter().zip(kinds).filter(|(_, kind)| *kind == "virtual");
    all.map(|(relation, _)| relation.name.clone()).collect()
}

/// Makes the views, and the functions that they use. The connection may still write to its own
/// schema, and asks nobody.
pub(super) fn install(handle: &Handle, relations: &Relations, salt: &Salt) -> Result<(), Failure> {
    if !relations.has_masks() {
        return Ok(());
    }
    let own = &relations.own;
    let salt = Arc::clone(salt);
    handle.define(&format!("{own}hash"), 1, move |arguments| hash(&salt, arguments))?;
    handle.define(&format!("{own}last4"), 1, last4)?;
    for (number, relation) in relations.sorted().into_iter().enumerate() {
        if !relation.is_replaced() {
            continue;
        }
        let inner = format!("{own}{number}");
        let stored = format!("{own}{number}_view");
        if let Some(view) = &relation.view {
            let name = if relation.masks.is_empty() { &relation.name } else { &stored };
            // A view that this cannot write again is read as it is, as far as that is allowed.
            let Some(text) = renamed(view, name, relations) else { continue };
            handle.execute(&text)?;
        }
        if relation.masks.is_empty() {
            continue;
        }
        let source = match relation.view {
            Some(_) => format!("temp.{}", quoted(&stored)),
            None => format!("main.{}", quoted(&relation.name)),
        };
        let shown = masked_columns(relation, own);
        let name = quoted(&relation.name);
        handle.execute(&format!("CREATE TEMP VIEW \"{inner}\" AS SELECT {shown} FROM {source}"))?;
        handle.execute(&format!("CREATE TEMP VIEW {name} AS SELECT * FROM temp.\"{inner}\""))?;
    }
    Ok(())
}

/// Takes away the views that were made for an older schema.
pub(super) fn remove(handle: &Handle) -> Result<(), Failure> {
    let mut names = Vec::new();
    if let (Some(mut list), _) =
        handle.prepare("SELECT name FROM temp.sqlite_schema WHERE type = 'view'")?
    {
        while list.step()? {
            names.push(list.text(0));
        }
    }
    for name in names {
        handle.execute(&format!("DROP VIEW temp.{}", quoted(&name)))?;
    }
    Ok(())
}

/// The list of what is shown of a masked table.
fn masked_columns(relation: &Relation, own: &str) -> String {
    let mut list = String::new();
    for column in &relation.columns {
        let name = quoted(column);
        let shown = match relation.masks.get(&column.to_ascii_lowercase()) {
            None => name.clone(),
            Some(Mask::Drop) => continue,
            Some(Mask::Null) => format!("NULL AS {name}"),
            Some(Mask::Hash) => format!("\"{own}hash\"({name}) AS {name}"),
            Some(Mask::Last4) => format!("\"{own}last4\"({name}) AS {name}"),
        };
        let comma = if list.is_empty() { "" } else { ", " };
        let _ = write!(list, "{comma}{shown}");
    }
    if list.is_empty() { "NULL AS \"nothing\"".to_owned() } else { list }
}

/// A view's text as a view of the connection's own, so that it reads the masks. SQLite keeps
/// such texts as `CREATE VIEW name…`.
fn renamed(view: &str, name: &str, relations: &Relations) -> Option<String> {
    let tokens: Vec<_> =
        lexer::tokens(view).into_iter().filter(|token| token.kind != Kind::Comment).collect();
    let [create, of, old, rest @ ..] = tokens.as_slice() else { return None };
    if !create.is("create") || !of.is("view") || old.name().is_none() || rest.is_empty() {
        return None;
    }
    let body = view.get(old.at + old.text.len()..)?;
    let body = statement::redirected(body, relations);
    Some(format!("CREATE TEMP VIEW {}{body}", quoted(name)))
}

/// A name in quotes.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Sixteen hexadecimal digits of the keyed hash of a value's text.
fn hash(salt: &hmac::Key, arguments: &Arguments<'_>) -> Output {
    if arguments.is_null(0) {
        return Output::Null;
    }
    let value = if arguments.is_blob(0) { arguments.blob(0) } else { arguments.text(0) };
    let tag = hmac::sign(salt, value);
    let start = tag.as_ref().get(..8).unwrap_or_default();
    Output::Text(digits(start).into_bytes())
}

/// Bytes as hexadecimal digits.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// The last four characters behind an ellipsis; of a shorter value no more than a half.
fn last4(arguments: &Arguments<'_>) -> Output {
    if arguments.is_null(0) {
        return Output::Null;
    }
    let text = String::from_utf8_lossy(arguments.text(0));
    let count = text.chars().count();
    let shown: String = text.chars().skip(count - 4.min(count / 2)).collect();
    Output::Text(format!("…{shown}").into_bytes())
}

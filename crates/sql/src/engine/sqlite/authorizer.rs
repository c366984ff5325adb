//! The engine layer: SQLite asks this for everything that a statement would do, with the names
//! as it has resolved them. What is not allowed here does not compile there.

use libsqlite3_sys as ffi;

use super::functions;
use super::relations::{self, Relations};

/// One question of SQLite's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// `SQLITE_READ` and the like.
    pub(super) action: i32,
    pub(super) first: &'a str,
    pub(super) second: &'a str,
    /// The schema, where there is one.
    pub(super) schema: &'a str,
    /// The innermost view or table expression that asks. A caller can choose the name of an
    /// expression; the names of this server's views cannot be guessed.
    pub(super) context: &'a str,
}

/// Answers a question; `Err` says why not, and what would be allowed.
pub(super) fn answer(
    question: Question<'_>,
    relations: &Relations,
    further: &[String],
) -> Result<(), String> {
    match question.action {
        ffi::SQLITE_SELECT | ffi::SQLITE_RECURSIVE => Ok(()),
        ffi::SQLITE_FUNCTION => function(question, relations, further),
        ffi::SQLITE_READ => read(question, relations),
        // Full text asks it of its own tables before it reads them.
        ffi::SQLITE_PRAGMA if question.first.eq_ignore_ascii_case("data_version") => Ok(()),
        action => Err(format!("{} is refused, because this server only reads.", named(action))),
    }
}

/// Whether the question comes from one of this server's own views.
fn is_own(question: Question<'_>, relations: &Relations) -> bool {
    !relations.own.is_empty() && question.context.starts_with(&relations.own)
}

fn function(
    question: Question<'_>,
    relations: &Relations,
    further: &[String],
) -> Result<(), String> {
    let name = question.second;
    let is_mask = !relations.own.is_empty() && name.starts_with(&relations.own);
    if functions::is_allowed(name, further) || (is_mask && is_own(question, relations)) {
        return Ok(());
    }
    let refusal = functions::refusal(name);
    Err(refusal.strip_prefix("the").map_or_else(|| refusal.clone(), |rest| format!("The{rest}.")))
}

/// Reading a column, or with an empty column a table of which none is read.
fn read(question: Question<'_>, relations: &Relations) -> Result<(), String> {
    let Question { first: table, second: column, .. } = question;
    let lower = table.to_ascii_lowercase();
    if !relations.own.is_empty() && table.starts_with(&relations.own) {
        return Ok(());
    }
    let is_temporary = question.schema.eq_ignore_ascii_case("temp");
    if relations.is_reserved(&lower) || (is_temporary && relations::is_catalogue(&lower)) {
        return Err(relations::reserved_refusal(table));
    }
    let Some(relation) = relations.get(&lower) else {
        // With rules only what is known may be read; with no column it is a table expression.
        let is_unknown = relations.is_restricted && !column.is_empty();
        return if is_unknown && !functions::is_table(&lower) {
            Err(relations::hidden_refusal(table))
        } else {
            Ok(())
        };
    };
    if !relation.is_allowed {
        return Err(relations::hidden_refusal(table));
    }
    // In the connection's own schema stand the masks' views alone.
    let is_stored = !is_temporary && relation.masks.contains_key(&column.to_ascii_lowercase());
    if is_stored && !is_own(question, relations) {
        return Err(format!(
            "`{table}.{column}` is masked: read it as `{table}` without a schema before it, so that its mask applies."
        ));
    }
    Ok(())
}

/// What an action is called where a person reads it.
fn named(action: i32) -> &'static str {
    match action {
        ffi::SQLITE_INSERT => "INSERT",
        ffi::SQLITE_UPDATE => "UPDATE",
        ffi::SQLITE_DELETE => "DELETE",
        ffi::SQLITE_ATTACH => "ATTACH",
        ffi::SQLITE_DETACH => "DETACH",
        ffi::SQLITE_PRAGMA => "PRAGMA",
        ffi::SQLITE_TRANSACTION | ffi::SQLITE_SAVEPOINT => "a transaction of one's own",
        ffi::SQLITE_ANALYZE => "ANALYZE",
        ffi::SQLITE_REINDEX => "REINDEX",
        ffi::SQLITE_ALTER_TABLE => "ALTER TABLE",
        ffi::SQLITE_CREATE_VTABLE | ffi::SQLITE_DROP_VTABLE => "a virtual table of one's own",
        _ => "changing the schema",
    }
}

#[cfg(test)]
mod tests {
    use super::super::relations::Relation;
    use super::*;
    use crate::engine::Rules;
    use crate::settings::Mask;

    fn relations() -> Relations {
        let mut rules = Rules { deny: vec!["main.secrets".to_owned()], ..Rules::default() };
        rules.mask.insert("main.people.email".to_owned(), Mask::Hash);
        let relation = |name: &str, column: &str| Relation {
            name: name.to_owned(),
            columns: vec!["id".to_owned(), column.to_owned()],
            ..Relation::default()
        };
        let found = vec![relation("People", "Email"), relation("secrets", "word")];
        Relations::new(&rules, found, "1234")
    }

    fn check(action: i32, first: &str, second: &str, context: &str, expected: bool) {
        let question = Question { action, first, second, schema: "main", context };
        let answer = answer(question, &relations(), &[]);
        assert_eq!(answer.is_ok(), expected, "{question:?}: {answer:?}");
    }

    #[test]
    fn reading_is_all_there_is() {
        check(ffi::SQLITE_SELECT, "", "", "", true);
        check(ffi::SQLITE_RECURSIVE, "", "", "", true);
        for action in 1..=33 {
            let is_reading =
                [ffi::SQLITE_SELECT, ffi::SQLITE_RECURSIVE, ffi::SQLITE_READ].contains(&action);
            check(action, "x", "", "", is_reading);
        }
        check(ffi::SQLITE_PRAGMA, "data_version", "", "", true);
    }

    #[test]
    fn denied_tables_and_unknown_ones_are_refused() {
        check(ffi::SQLITE_READ, "SECRETS", "word", "", false);
        check(ffi::SQLITE_READ, "secrets", "", "", false);
        check(ffi::SQLITE_READ, "elsewhere", "a", "", false);
        check(ffi::SQLITE_READ, "an_expression", "", "", true);
        check(ffi::SQLITE_READ, "json_each", "value", "", true);
        check(ffi::SQLITE_READ, "sqlite_master", "sql", "", false);
    }

    #[test]
    fn a_masked_column_is_read_by_its_mask_alone() {
        check(ffi::SQLITE_READ, "people", "id", "", true);
        check(ffi::SQLITE_READ, "people", "email", "", false);
        check(ffi::SQLITE_READ, "PEOPLE", "EMAIL", "people", false);
        check(ffi::SQLITE_READ, "people", "email", "suite_mask_other_1", false);
        check(ffi::SQLITE_READ, "people", "email", "suite_mask_1234_1", true);
        check(ffi::SQLITE_FUNCTION, "", "suite_mask_1234_hash", "", false);
        check(ffi::SQLITE_FUNCTION, "", "suite_mask_1234_hash", "suite_mask_1234_1", true);
    }
}

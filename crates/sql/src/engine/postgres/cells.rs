//! Values as the server writes them: exact, cut where they are long, visible where they are no
//! text.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError, RwLock};

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgColumn, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Column as _, Row as _, TypeInfo as _, ValueRef as _};

use crate::engine::{Cell, Column, Kind};

/// The names of the database's types, by the number it gives them.
#[derive(Debug, Default)]
pub(crate) struct Types {
    /// `None` until they are learnt.
    known: RwLock<Option<HashMap<u32, String>>>,
    /// Those that were seen and are not known: made since, or beyond the [`MOST`].
    unknown: Mutex<BTreeSet<u32>>,
}

/// The most types that are learnt at once.
const MOST: usize = 5_000;

/// The names of all types but domains, of which a result has what they are made of. Those that
/// were asked for come first, and the rows of tables last.
fn question(asked: &BTreeSet<u32>) -> String {
    let asked: Vec<String> = asked.iter().map(u32::to_string).collect();
    let asked = if asked.is_empty() { "0".to_owned() } else { asked.join(", ") };
    format!(
        "SELECT t.oid::text, \
           CASE WHEN pg_catalog.pg_type_is_visible(n.oid) THEN '' \
                ELSE pg_catalog.quote_ident(s.nspname) || '.' END \
           || n.typname || CASE WHEN n.oid = t.oid THEN '' ELSE '[]' END \
         FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type n ON n.oid = \
           CASE WHEN t.typcategory = 'A' AND t.typelem <> 0 THEN t.typelem ELSE t.oid END \
         JOIN pg_catalog.pg_namespace s ON s.oid = n.typnamespace \
         WHERE n.typtype <> 'd' AND (n.typtype <> 'c' OR t.oid >= 16384) \
         ORDER BY t.oid IN ({asked}) DESC, n.typtype = 'c', t.oid LIMIT {MOST}"
    )
}

impl Types {
    /// Whether some should be learnt before the next statement.
    pub(crate) fn are_stale(&self) -> bool {
        let is_empty = self.known.read().unwrap_or_else(PoisonError::into_inner).is_none();
        is_empty || !self.unknown.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Reads them from the catalogue.
    pub(crate) async fn learn(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let asked =
            std::mem::take(&mut *self.unknown.lock().unwrap_or_else(PoisonError::into_inner));
        // What is not in the catalogue, either, is not asked for again.
        let mut known: HashMap<u32, String> =
            asked.iter().map(|oid| (*oid, format!("type {oid}"))).collect();
        let mut rows = sqlx::raw_sql(AssertSqlSafe(question(&asked))).fetch(connection);
        while let Some(row) = rows.try_next().await? {
            let oid = text(&row, 0).and_then(|text| text.parse().ok());
            if let (Some(oid), Some(name)) = (oid, text(&row, 1)) {
                known.insert(oid, name.into_owned());
            }
        }
        let mut all = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match all.as_mut().filter(|all| all.len() < 2 * MOST) {
            Some(all) => all.extend(known),
            None => *all = Some(known),
        }
        Ok(())
    }

    /// The columns of a result.
    pub(crate) fn columns(&self, columns: &[PgColumn]) -> Vec<Column> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let described = columns.iter().map(|column| {
            let info = column.type_info();
            let oid = info.oid().map_or(0, |oid| oid.0);
            let type_name = match known.as_ref().and_then(|known| known.get(&oid)) {
                Some(name) => name.clone(),
                None => self.guess(oid, info.name()),
            };
            Column { name: column.name().to_owned(), type_name, kind: kind(oid) }
        });
        described.collect()
    }

    /// The name of a type that is learnt for the next time.
    fn guess(&self, oid: u32, driver: &str) -> String {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).insert(oid);
        if driver == "?" { format!("type {oid}") } else { driver.to_lowercase() }
    }
}

/// How the text of a type reads. The numbers are fixed in the server's catalogue.
fn kind(oid: u32) -> Kind {
    match oid {
        16 => Kind::Bool,
        17 => Kind::Bytes,
        20 | 21 | 23 | 26 => Kind::Integer,
        114 | 3802 => Kind::Json,
        700 | 701 => Kind::Float,
        1700 => Kind::Decimal,
        _ => Kind::Text,
    }
}

/// The text of one column of a row that the simple protocol brought; `None` is NULL.
pub(crate) fn text(row: &PgRow, at: usize) -> Option<Cow<'_, str>> {
    bytes(row, at).map(String::from_utf8_lossy)
}

fn bytes(row: &PgRow, at: usize) -> Option<&[u8]> {
    let value = row.try_get_raw(at).ok()?;
    if value.is_null() { None } else { value.as_bytes().ok() }
}

/// Hands the cells of a row to `take`, each cut to `limit` bytes; returns the row's whole size.
pub(crate) fn read<T>(
    row: &PgRow,
    limit: usize,
    take: impl FnOnce(&[Cell<'_>]) -> T,
) -> (T, usize) {
    let mut size = 0;
    let shown: Vec<Option<Shown<'_>>> = (0..row.len())
        .map(|at| {
            let bytes = bytes(row, at)?;
            size += bytes.len();
            Some(Shown::of(bytes, limit))
        })
        .collect();
    let cells: Vec<Cell<'_>> = shown
        .iter()
        .map(|shown| match shown {
            Some(Shown { text, cut }) => Cell::Text { text, cut: *cut },
            None => Cell::Null,
        })
        .collect();
    (take(&cells), size)
}

/// The text of a value as it is shown.
pub(crate) struct Shown<'a> {
    /// What is left of it.
    pub(crate) text: Cow<'a, str>,
    /// The bytes that were cut off.
    pub(crate) cut: u64,
}

impl<'a> Shown<'a> {
    /// At most `limit` bytes of a value.
    pub(crate) fn of(bytes: &'a [u8], limit: usize) -> Self {
        let kept = if bytes.len() <= limit {
            bytes
        } else {
            bytes.get(..boundary(bytes, limit)).unwrap_or_default()
        };
        let cut = (bytes.len() - kept.len()) as u64;
        match std::str::from_utf8(kept) {
            Ok(text) => Self { text: Cow::Borrowed(text), cut },
            Err(_) => visible(kept, bytes.len(), limit),
        }
    }
}

/// Where to cut so that no character is cut in two.
fn boundary(bytes: &[u8], limit: usize) -> usize {
    if bytes.len() <= limit {
        return bytes.len();
    }
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    // A character has at most four bytes; bytes that are no text are cut anywhere.
    (limit.saturating_sub(3)..=limit).rev().find(|&at| !is_inside(at)).unwrap_or(limit)
}

/// Bytes that are no UTF-8, as a database without an encoding may hold them: what is none is
/// written as `\x` and two digits, and what no longer fits is cut.
fn visible(kept: &[u8], whole: usize, limit: usize) -> Shown<'static> {
    let mut text = String::with_capacity(limit);
    let mut used = 0;
    'all: for chunk in kept.utf8_chunks() {
        for character in chunk.valid().chars() {
            if text.len() + character.len_utf8() > limit {
                break 'all;
            }
            text.push(character);
            used += character.len_utf8();
        }
        for byte in chunk.invalid() {
            if text.len() + 4 > limit {
                break 'all;
            }
            let _ = write!(text, "\\x{byte:02x}");
            used += 1;
        }
    }
    Shown { text: Cow::Owned(text), cut: (whole - used) as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], limit: usize, text: &str, cut: u64) {
        let shown = Shown::of(bytes, limit);
        assert_eq!((shown.text.as_ref(), shown.cut), (text, cut), "{bytes:?}");
        assert!(shown.text.len() <= limit);
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        check(b"abcdef", 6, "abcdef", 0);
        check(b"abcdef", 4, "abcd", 2);
        check("añb".as_bytes(), 2, "a", 3);
        check("a😀".as_bytes(), 4, "a", 4);
        check("a😀".as_bytes(), 5, "a😀", 0);
    }

    #[test]
    fn what_is_no_text_is_visible() {
        check(b"a\xffb", 20, "a\\xffb", 0);
        check(b"a\xff\xfeb", 6, "a\\xff", 2);
        check(b"\x80\x80\x80\x80\x80", 8, "\\x80\\x80", 3);
        check(b"caf\xe9", 20, "caf\\xe9", 0);
    }
}

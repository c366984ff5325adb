//! JSON as one object of columns and rows, a row a line. Whatever a number of JSON could lose is
//! a string: decimals, and whole numbers beyond 2^53.

use serde::de::IgnoredAny;

use super::shown;
use crate::engine::{Cell, Kind};

/// What stands after the last row.
pub(super) const END: &str = "\n]}\n";

/// The greatest whole number up to which every one is a number of JSON for every reader.
const EXACT: u64 = 1 << 53;

/// Writes what stands before the first row.
pub(super) fn header<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) {
    out.push_str("{\"columns\":[");
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, &contract::text::visible(name));
    }
    out.push_str("],\"rows\":[");
}

/// Writes a row; returns how many values are cut.
pub(super) fn row(
    out: &mut String,
    cells: &[Cell<'_>],
    kinds: &[Kind],
    widest: usize,
    is_first: bool,
) -> u64 {
    let mut marked = 0;
    out.push_str(if is_first { "\n[" } else { ",\n[" });
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match *cell {
            Cell::Null => out.push_str("null"),
            Cell::Text { text, cut } => {
                let kind = kinds.get(index).copied().unwrap_or(Kind::Text);
                let (text, is_cut) = shown(text, cut, widest);
                match plain(&text, kind).filter(|_| !is_cut) {
                    Some(plain) => out.push_str(plain),
                    None => string(out, &text),
                }
                marked += u64::from(is_cut);
            }
        }
    }
    out.push(']');
    marked
}

/// A value that is JSON as it stands.
fn plain(text: &str, kind: Kind) -> Option<&str> {
    match kind {
        Kind::Integer => is_exact(text).then_some(text),
        Kind::Float => is_number(text).then_some(text),
        Kind::Bool => match text {
            "t" | "true" | "TRUE" | "1" => Some("true"),
            "f" | "false" | "FALSE" | "0" => Some("false"),
            _ => None,
        },
        Kind::Json => {
            let is_whole = serde_json::from_str::<IgnoredAny>(text).is_ok();
            is_whole.then_some(text)
        }
        Kind::Decimal | Kind::Bytes | Kind::Text => None,
    }
}

fn is_exact(text: &str) -> bool {
    let value: Option<i64> = text.parse().ok();
    value.is_some_and(|value| value.unsigned_abs() <= EXACT && !text.starts_with('+'))
        && is_number(text)
}

/// Whether a text is a number of JSON: `NaN`, `1.` and `007` are not.
fn is_number(text: &str) -> bool {
    text.ends_with(|last: char| last.is_ascii_digit())
        && serde_json::from_str::<serde_json::Number>(text).is_ok()
}

fn string(out: &mut String, text: &str) {
    // Strings always have a form in JSON.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

//! CSV (RFC 4180, lines end with a line feed): NULL is an empty field, the empty string is `""`.

use super::shown;
use crate::engine::Cell;

/// Writes the names of columns; names that repeat stay.
pub(super) fn header<'a>(out: &mut String, names: impl Iterator<Item = &'a str>) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(',');
        }
        field(out, &contract::text::visible(name));
    }
    out.push('\n');
}

/// Writes a row; returns how many values are cut.
pub(super) fn row(out: &mut String, cells: &[Cell<'_>], widest: usize) -> u64 {
    let mut marked = 0;
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Cell::Text { text, cut } = *cell {
            if cut == 0 && text.len() <= widest && is_bare(text) {
                out.push_str(text);
                continue;
            }
            let (text, is_cut) = shown(text, cut, widest);
            field(out, &text);
            marked += u64::from(is_cut);
        }
    }
    out.push('\n');
    marked
}

/// Whether a value is written as it is: ASCII that is seen, and nothing that CSV quotes.
fn is_bare(text: &str) -> bool {
    let is_bare = |byte: u8| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'"';
    !text.is_empty() && text.bytes().fold(true, |all, byte| all & is_bare(byte))
}

/// Writes one value that is not NULL.
pub(crate) fn field(out: &mut String, text: &str) {
    let is_plain =
        !text.is_empty() && !text.bytes().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'));
    if is_plain {
        out.push_str(text);
        return;
    }
    out.push('"');
    for (index, piece) in text.split('"').enumerate() {
        if index > 0 {
            out.push_str("\"\"");
        }
        out.push_str(piece);
    }
    out.push('"');
}

//! Plain text: no headings, paragraphs are passages.

use super::{Page, number, rows_of};

/// Parses plain text.
pub(super) fn parse(source: &str) -> Page {
    let rows = rows_of(source);
    Page { lines: number(rows.len()), text: source.to_owned(), rows, ..Page::default() }
}

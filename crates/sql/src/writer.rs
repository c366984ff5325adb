//! Rows as text, as far as an answer has room: whole rows, and a count of what is not there.

mod csv;
mod json;

use contract::text::visible;
use contract::{Kind as ErrorKind, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use csv::field;

use crate::engine::{Cell, Column, Kind, Sink};

// How rows are written. No doc comment: it would be sent with the schema.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// RFC 4180, with NULL as nothing and the empty string as `""`.
    #[default]
    Csv,
    /// `{"columns":[…],"rows":[[…]]}`.
    Json,
}

/// Takes rows until there is no room for a further one.
pub(crate) struct Writer {
    format: Format,
    /// The most bytes of text.
    budget: usize,
    /// The most rows.
    limit: u64,
    kinds: Vec<Kind>,
    text: String,
    /// Where the rows begin in the text.
    body: usize,
    rows: u64,
    cut: u64,
    /// The row that is tried.
    row: String,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The text, complete in its format.
    pub(crate) text: String,
    /// How many rows it holds.
    pub(crate) rows: u64,
    /// How many values are not whole.
    pub(crate) cut: u64,
}

impl Writer {
    /// A writer of at most `limit` rows and `budget` bytes.
    pub(crate) fn new(format: Format, budget: usize, limit: u64) -> Self {
        Self {
            format,
            budget,
            limit,
            kinds: Vec::new(),
            text: String::new(),
            body: 0,
            rows: 0,
            cut: 0,
            row: String::new(),
        }
    }

    /// Ends the text.
    pub(crate) fn finish(mut self) -> Written {
        if self.format == Format::Json && !self.text.is_empty() {
            self.text.push_str(json::END);
        }
        Written { text: self.text, rows: self.rows, cut: self.cut }
    }

    /// Writes the row that is tried; returns how many of its values are cut.
    fn try_row(&mut self, cells: &[Cell<'_>], widest: usize) -> u64 {
        self.row.clear();
        match self.format {
            Format::Csv => csv::row(&mut self.row, cells, widest),
            Format::Json => json::row(&mut self.row, cells, &self.kinds, widest, self.rows == 0),
        }
    }

    fn has_room(&self) -> bool {
        let end = if self.format == Format::Json { json::END.len() } else { 0 };
        self.text.len() + self.row.len() + end <= self.budget
    }
}

impl Sink for Writer {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        self.kinds = columns.iter().map(|column| column.kind).collect();
        let names = columns.iter().map(|column| column.name.as_str());
        match self.format {
            Format::Csv => csv::header(&mut self.text, names),
            Format::Json => json::header(&mut self.text, names),
        }
        self.body = self.text.len();
        if self.text.len() > self.budget / 2 {
            let message = format!(
                "the names of the {} columns alone take too much room; select fewer.",
                columns.len()
            );
            return Err(ToolError::new(ErrorKind::TooLarge, message));
        }
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.rows >= self.limit {
            return Ok(false);
        }
        let mut cut = self.try_row(cells, usize::MAX);
        if !self.has_room() {
            if self.rows > 0 {
                return Ok(false);
            }
            // One row at least, or there would be no way to go on.
            cut = self.narrow(cells)?;
        }
        self.text.push_str(&self.row);
        self.rows += 1;
        self.cut += cut;
        Ok(true)
    }

    fn horizon(&self) -> Option<u64> {
        Some((self.limit - self.rows).saturating_add(1))
    }

    fn appetite(&self) -> u64 {
        let rows = (self.limit - self.rows).saturating_add(1);
        let room = self.budget.saturating_sub(self.text.len());
        // Of the first row nothing is known but its columns.
        let guess = self.kinds.len().saturating_mul(3).max(1);
        let width = usize::try_from(self.rows)
            .ok()
            .and_then(|rows| (self.text.len() - self.body).checked_div(rows))
            .unwrap_or(guess);
        let fitting = u64::try_from(room / width.max(1)).unwrap_or(u64::MAX);
        rows.min(fitting.saturating_add(2))
    }
}

impl Writer {
    /// Writes the row with shorter and shorter values until it fits.
    fn narrow(&mut self, cells: &[Cell<'_>]) -> Result<u64, ToolError> {
        let mut widest = self.budget / cells.len().max(1);
        loop {
            let cut = self.try_row(cells, widest);
            if self.has_room() {
                return Ok(cut);
            }
            if widest == 0 {
                let message =
                    format!("a row of {} columns has no room; select fewer.", cells.len());
                return Err(ToolError::new(ErrorKind::TooLarge, message));
            }
            widest /= 2;
        }
    }
}

/// A value as it is shown: at most `widest` bytes of it, and a mark that counts the others.
fn shown(text: &str, cut: u64, widest: usize) -> (std::borrow::Cow<'_, str>, bool) {
    let kept = &text[..text.floor_char_boundary(widest.min(text.len()))];
    let missing = cut + u64::try_from(text.len() - kept.len()).unwrap_or(u64::MAX);
    let kept = visible(kept);
    if missing == 0 { (kept, false) } else { (format!("{kept}…[+{missing} bytes]").into(), true) }
}

#[cfg(test)]
mod tests;

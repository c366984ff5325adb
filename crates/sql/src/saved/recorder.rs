//! Takes rows into a file, and keeps count.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::ToolError;

use super::arrow::Arrow;
use super::partial::Partial;
use super::{FileFormat, unwritten};
use crate::engine::{Cell, Column, Sink};
use crate::writer::{Format, Writer, field};

/// The most rows asked of the database at once.
const BATCH: u64 = 1_000;
/// What the caller sees of the result at once: rows, and bytes.
const HEAD: (u64, usize) = (3, 1_000);

/// Takes rows into a file.
pub(super) struct Recorder {
    partial: Partial,
    format: FileFormat,
    arrow: Option<Arrow>,
    /// The first rows, for the answer.
    head: Option<Writer>,
    /// The most rows.
    limit: u64,
    /// The most bytes.
    room: u64,
    rows: u64,
    cut: u64,
    /// The same count, for who looks from elsewhere.
    counted: Arc<AtomicU64>,
    line: String,
}

/// What was saved.
pub(super) struct Kept {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// How many values are not whole.
    pub(super) cut: u64,
    /// The first rows as CSV.
    pub(super) head: String,
}

impl Recorder {
    pub(super) fn new(
        partial: Partial,
        format: FileFormat,
        limit: u64,
        room: u64,
        counted: Arc<AtomicU64>,
    ) -> Self {
        Self {
            partial,
            format,
            arrow: None,
            head: Some(Writer::new(Format::Csv, HEAD.1, HEAD.0)),
            limit,
            room,
            rows: 0,
            cut: 0,
            counted,
            line: String::new(),
        }
    }

    /// Ends the file and gives it its name. Dropped half-way, nothing is left.
    pub(super) async fn finish(mut self) -> io::Result<Kept> {
        if let Some(arrow) = self.arrow.take() {
            arrow.finish(&mut self.partial)?;
        }
        let bytes = self.partial.written();
        let mut partial = self.partial;
        // The disk may take its time; other calls go on.
        let settled = tokio::task::spawn_blocking(move || partial.settle().map(|()| partial));
        settled.await.map_err(io::Error::other)??.publish()?;
        let head = self.head.map(Writer::finish).map(|written| written.text).unwrap_or_default();
        Ok(Kept { rows: self.rows, bytes, cut: self.cut, head })
    }

    fn csv(&mut self, cells: &[Cell<'_>]) {
        self.line.clear();
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.line.push(',');
            }
            if let Cell::Text { text, .. } = *cell {
                field(&mut self.line, text);
            }
        }
        self.line.push('\n');
    }
}

impl Sink for Recorder {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        // Names too many to be shown at once are in the file all the same.
        if self.head.as_mut().is_some_and(|head| head.columns(columns).is_err()) {
            self.head = None;
        }
        match self.format {
            FileFormat::Csv => {
                let names = columns.iter().map(|column| &column.name);
                let names: Vec<Cell<'_>> = names.map(|text| Cell::Text { text, cut: 0 }).collect();
                self.csv(&names);
                self.partial.write_all(self.line.as_bytes()).map_err(unwritten)
            }
            FileFormat::Arrow => {
                let arrow = Arrow::begin(columns, &mut self.partial).map_err(unwritten)?;
                self.arrow = Some(arrow);
                Ok(())
            }
        }
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.rows >= self.limit {
            return Ok(false);
        }
        if let Some(arrow) = &mut self.arrow {
            if self.partial.written() + arrow.pending() >= self.room {
                return Ok(false);
            }
            arrow.row(cells)?;
            if arrow.is_full() {
                arrow.flush(&mut self.partial).map_err(unwritten)?;
            }
        } else {
            self.csv(cells);
            let bytes = u64::try_from(self.line.len()).unwrap_or(u64::MAX);
            if self.partial.written().saturating_add(bytes) > self.room {
                return Ok(false);
            }
            self.partial.write_all(self.line.as_bytes()).map_err(unwritten)?;
        }
        if let Some(head) = &mut self.head {
            head.row(cells)?;
        }
        self.rows += 1;
        self.counted.store(self.rows, Ordering::Relaxed);
        let is_cut = |cell: &&Cell<'_>| matches!(cell, Cell::Text { cut, .. } if *cut > 0);
        self.cut += u64::try_from(cells.iter().filter(is_cut).count()).unwrap_or(0);
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        (self.limit - self.rows).saturating_add(1).min(BATCH)
    }
}

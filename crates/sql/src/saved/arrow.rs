//! The file format of Apache Arrow IPC, written batch by batch: the memory it takes is that of
//! one batch. Specification: <https://arrow.apache.org/docs/format/Columnar.html>.
//!
//! Written here and not by the `arrow` crates, which bring their arrays, kernels and a calendar
//! with them, several times the size of this server's own code. What a number of 64 bits or a
//! float cannot hold is text: decimals and times. A field's metadata has the database's type.

mod column;
mod message;

use std::io::{self, Write};

use contract::ToolError;

use self::column::Values;
use self::message::Block;
use crate::engine::{Cell, Column};

/// The first and last bytes of a file.
const MAGIC: &[u8] = b"ARROW1";
/// The bytes of values at which a batch is written.
const BATCH: usize = 1 << 20;
/// The rows at which a batch is written.
const ROWS: usize = 1 << 16;

/// A file on its way.
pub(super) struct Arrow {
    columns: Vec<Column>,
    values: Vec<Values>,
    rows: usize,
    /// About how many bytes wait to be written.
    pending: usize,
    /// Where the next message begins.
    offset: u64,
    blocks: Vec<Block>,
}

impl Arrow {
    /// Writes what stands before the first batch.
    pub(super) fn begin(columns: &[Column], out: &mut impl Write) -> io::Result<Self> {
        let mut start = MAGIC.to_vec();
        start.extend([0, 0]);
        start.extend(message::schema(columns));
        out.write_all(&start)?;
        Ok(Self {
            columns: columns.to_vec(),
            values: columns.iter().map(|column| Values::of(column.kind)).collect(),
            rows: 0,
            pending: 0,
            offset: length(&start),
            blocks: Vec::new(),
        })
    }

    /// Takes one row.
    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), ToolError> {
        for ((values, column), cell) in self.values.iter_mut().zip(&self.columns).zip(cells) {
            let taken = match *cell {
                Cell::Null => values.push(None),
                Cell::Text { text, .. } => values.push(Some(text)),
            };
            self.pending += taken.map_err(|expected| {
                ToolError::invalid(format!(
                    "column `{}` has a value that is {expected}; save it as csv, or cast the \
                     column to text.",
                    column.name
                ))
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Whether a batch should be written.
    pub(super) fn is_full(&self) -> bool {
        self.pending >= BATCH || self.rows >= ROWS
    }

    /// About how many bytes wait to be written.
    pub(super) fn pending(&self) -> u64 {
        u64::try_from(self.pending).unwrap_or(u64::MAX)
    }

    /// Writes the rows that wait as a batch.
    pub(super) fn flush(&mut self, out: &mut impl Write) -> io::Result<()> {
        let (nodes, buffers): (Vec<_>, Vec<_>) = self.values.iter_mut().map(Values::take).unzip();
        let (message, body) = message::batch(self.rows, &nodes, &buffers.concat());
        out.write_all(&message)?;
        out.write_all(&body)?;
        let block = Block { offset: self.offset, metadata: length(&message), body: length(&body) };
        self.offset += block.metadata + block.body;
        self.blocks.push(block);
        (self.rows, self.pending) = (0, 0);
        Ok(())
    }

    /// Writes the last batch and what stands behind it.
    pub(super) fn finish(mut self, out: &mut impl Write) -> io::Result<()> {
        if self.rows > 0 {
            self.flush(out)?;
        }
        let footer = message::footer(&self.columns, &self.blocks);
        out.write_all(message::END)?;
        out.write_all(&footer)?;
        out.write_all(&u32::try_from(footer.len()).map_err(io::Error::other)?.to_le_bytes())?;
        out.write_all(MAGIC)
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

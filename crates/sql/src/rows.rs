//! A few rows, held whole: what our own statements give.

use contract::ToolError;

use crate::engine::{Cell, Column, Sink};

/// Takes the first rows of a result.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    most: usize,
    /// The columns of the result.
    pub(crate) columns: Vec<Column>,
    /// The rows; what was cut off a value is shown as `…`.
    pub(crate) taken: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// Takes at most so many rows.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, ..Self::default() }
    }
}

impl Sink for Rows {
    fn columns(&mut self, columns: &[Column]) -> Result<(), ToolError> {
        self.columns = columns.to_vec();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> Result<bool, ToolError> {
        if self.taken.len() >= self.most {
            return Ok(false);
        }
        let value = |cell: &Cell<'_>| match cell {
            Cell::Null => None,
            Cell::Text { text, cut: 0 } => Some((*text).to_owned()),
            Cell::Text { text, .. } => Some(format!("{text}…")),
        };
        self.taken.push(cells.iter().map(value).collect());
        Ok(true)
    }

    fn appetite(&self) -> u64 {
        u64::try_from(self.most - self.taken.len()).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rows_are_taken_with_their_nulls_and_cuts() {
        let mut rows = Rows::new(1);
        let cells = [Cell::Null, Cell::Text { text: "", cut: 0 }, Cell::Text { text: "a", cut: 9 }];
        assert!(rows.row(&cells).expect("taken"));
        assert!(!rows.row(&cells).expect("not taken"));
        assert_eq!(rows.taken, [[None, Some(String::new()), Some("a…".to_owned())]]);
    }
}

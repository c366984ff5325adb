//! Statements that were read before: what is made of a text depends on nothing else, so the pages
//! of one result and a named query are read once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use contract::ToolError;

use super::statement::Statement;

/// How many are remembered.
const MOST: usize = 32;
/// The longest text that is remembered, in bytes: its tokens take some twenty times as much.
const LONGEST: usize = 2_000;

/// The statements that were read last, the latest first.
#[derive(Debug, Default)]
pub(super) struct Readings {
    kept: Mutex<VecDeque<(Box<str>, Statement)>>,
}

impl Readings {
    /// The statement of a text, which `read` reads where it is not known. A refusal is not kept.
    pub(super) fn of(
        &self,
        text: &str,
        read: impl FnOnce() -> Result<Statement, ToolError>,
    ) -> Result<Statement, ToolError> {
        if let Some(known) = self.known(text) {
            return Ok(known);
        }
        let statement = read()?;
        if text.len() <= LONGEST {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.truncate(MOST - 1);
            kept.push_front((text.into(), statement.clone()));
        }
        Ok(statement)
    }

    fn known(&self, text: &str) -> Option<Statement> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let index = kept.iter().position(|(known, _)| **known == *text)?;
        let found = kept.remove(index)?;
        let statement = found.1.clone();
        kept.push_front(found);
        Some(statement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Statement, ToolError> {
        Statement::read(text, None, &[])
    }

    #[test]
    fn a_text_is_read_once_and_the_oldest_is_forgotten() {
        let readings = Readings::default();
        let text = |number: usize| format!("SELECT {number}");
        for number in 0..MOST {
            readings.of(&text(number), || read(&text(number))).expect("a query");
        }
        let known = readings.of(&text(0), || panic!("it is read twice")).expect("a query");
        assert_eq!(known.text(), "SELECT 0");
        readings.of("SELECT 'new'", || read("SELECT 'new'")).expect("a query");
        assert!(readings.known(&text(0)).is_some());
        assert!(readings.known(&text(1)).is_none());
    }

    #[test]
    fn what_is_refused_or_long_is_not_kept() {
        let readings = Readings::default();
        assert!(readings.of("DELETE FROM t", || read("DELETE FROM t")).is_err());
        let long = format!("SELECT '{}'", "x".repeat(LONGEST));
        readings.of(&long, || read(&long)).expect("a query");
        assert!(readings.known("DELETE FROM t").is_none() && readings.known(&long).is_none());
    }
}

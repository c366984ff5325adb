//! Coverage, by lcov and by Cobertura: totals and the worst files.

mod cobertura;
mod lcov;

use std::collections::BTreeMap;
use std::io::Read;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::decode::{Decoded, Tally};
use crate::report::Bounds;

/// What coverage is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CoverageFormat {
    /// The trace files of lcov (geninfo(1)).
    Lcov,
    /// The XML of Cobertura (coverage-04.dtd).
    Cobertura,
}

/// Why coverage is not known. A part of it would be a wrong number, so there is none then.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CoverageError {
    /// The file is not whole, or has something that cannot be read.
    #[error("the coverage cannot be read: {0}")]
    Unreadable(String),
    /// It goes beyond the bounds.
    #[error("the coverage has {0}")]
    TooLarge(String),
    /// It has no line that could be covered.
    #[error("the coverage names no lines")]
    Empty,
}

/// What is covered of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileCoverage {
    /// The file, as the tool writes it.
    pub file: String,
    /// Lines that can be run.
    pub lines: u64,
    /// Lines that were.
    pub lines_hit: u64,
    /// Branches that can be taken.
    pub branches: u64,
    /// Branches that were.
    pub branches_hit: u64,
}

impl FileCoverage {
    /// Lines that were never run.
    pub fn missed(&self) -> u64 {
        self.lines - self.lines_hit
    }

    /// The part of the lines that was run, from 0 to 1; 1 if there are none.
    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no more than 52 bits")]
        let rate = self.lines_hit as f64 / self.lines as f64;
        if self.lines == 0 { 1.0 } else { rate }
    }
}

/// The coverage of all files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// All files together; its name is empty.
    pub total: FileCoverage,
    /// Each file, by name.
    pub files: Vec<FileCoverage>,
}

impl Coverage {
    /// The files with most lines that were never run, the worst first.
    pub fn worst(&self, most: usize) -> Vec<&FileCoverage> {
        let mut files: Vec<_> = self.files.iter().filter(|file| file.missed() > 0).collect();
        files.sort_by(|a, b| b.missed().cmp(&a.missed()).then_with(|| a.file.cmp(&b.file)));
        files.truncate(most);
        files
    }
}

/// Reads coverage; several inputs are put together, line by line.
pub fn coverage<R: Read>(
    format: CoverageFormat,
    inputs: impl IntoIterator<Item = R>,
    bounds: &Bounds,
) -> Result<Coverage, CoverageError> {
    let mut lines = Lines { most: bounds.cases.saturating_mul(20), ..Lines::default() };
    let mut read = 0;
    for input in inputs {
        let tally = Tally::new(bounds.bytes.saturating_sub(read));
        let decoded = Decoded::new(input, &tally);
        let result = match format {
            CoverageFormat::Lcov => lcov::read(decoded, bounds, &mut lines),
            CoverageFormat::Cobertura => cobertura::read(decoded, bounds, &mut lines),
        };
        read += tally.bytes();
        if tally.is_over() {
            return Err(CoverageError::TooLarge(format!("more than {} bytes", bounds.bytes)));
        }
        result?;
    }
    lines.summed()
}

/// How often each line and branch was run, by file.
#[derive(Default)]
struct Lines {
    files: BTreeMap<String, File>,
    count: usize,
    most: usize,
}

#[derive(Default)]
struct File {
    lines: BTreeMap<u32, bool>,
    /// By line and number within it.
    branches: BTreeMap<(u32, u32), bool>,
}

impl Lines {
    fn file(&mut self, name: &str) {
        if !self.files.contains_key(name) {
            self.files.insert(name.to_owned(), File::default());
        }
    }

    fn line(&mut self, file: &str, line: u32, is_hit: bool) -> Result<(), CoverageError> {
        let Some(file) = self.files.get_mut(file) else { return Ok(()) };
        let before = file.lines.len();
        *file.lines.entry(line).or_default() |= is_hit;
        self.count += file.lines.len() - before;
        self.bounded()
    }

    fn branch(&mut self, file: &str, place: (u32, u32), is_hit: bool) -> Result<(), CoverageError> {
        let Some(file) = self.files.get_mut(file) else { return Ok(()) };
        let before = file.branches.len();
        *file.branches.entry(place).or_default() |= is_hit;
        self.count += file.branches.len() - before;
        self.bounded()
    }

    fn bounded(&self) -> Result<(), CoverageError> {
        if self.count <= self.most {
            return Ok(());
        }
        Err(CoverageError::TooLarge(format!("more than {} lines and branches", self.most)))
    }

    fn summed(self) -> Result<Coverage, CoverageError> {
        let mut coverage = Coverage::default();
        for (name, file) in self.files {
            let hit =
                |hits: &mut dyn Iterator<Item = &bool>| hits.filter(|hit| **hit).count() as u64;
            let file = FileCoverage {
                file: name,
                lines: file.lines.len() as u64,
                lines_hit: hit(&mut file.lines.values()),
                branches: file.branches.len() as u64,
                branches_hit: hit(&mut file.branches.values()),
            };
            coverage.total.lines += file.lines;
            coverage.total.lines_hit += file.lines_hit;
            coverage.total.branches += file.branches;
            coverage.total.branches_hit += file.branches_hit;
            coverage.files.push(file);
        }
        if coverage.total.lines == 0 {
            return Err(CoverageError::Empty);
        }
        Ok(coverage)
    }
}

#[cfg(test)]
mod tests;

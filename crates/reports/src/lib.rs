//! Test reports of every format that runners write: parsed tolerantly, cross-checked and judged.
//!
//! A report is a claim. [`parse`] reads it, keeps every failure, and notes as a [`Fault`] whatever
//! does not fit together: a header that counts more than there is, a test that never ended, a file
//! that stops in the middle. [`judge`] holds the report against the [`Evidence`] of the run and
//! says [`Verdict::Passed`] only if all of it agrees.
//!
//! What it deliberately does not do: it opens no file and starts no program (it takes `Read` and
//! text), and it guards nobody against what a test prints; texts are clipped, not made harmless.
//!
//! Start with [`report`], then `junit`, the format with most dialects, then [`judge`](mod@judge).

mod decode;
mod format;
mod lines;
mod report;
mod text;

mod ctrf;
mod go;
mod junit;
mod libtest;
mod pytest;
mod tap;
mod xml;

mod coverage;
mod frames;
mod judge;
mod progress;
mod write;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod fuzz;

pub use coverage::{Coverage, CoverageError, CoverageFormat, FileCoverage, coverage};
pub use format::{Format, parse};
pub use frames::{Frame, ours};
pub use judge::{Delivery, Evidence, Exit, Judged, Stopped, Verdict, judge};
pub use progress::{Printed, Progress, Stream};
pub use report::{Bounds, Case, Counts, Failure, Fault, FaultKind, Report, Status};
pub use write::{CtrfRun, write_ctrf, write_junit};

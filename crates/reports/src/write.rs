//! Writes reports as JUnit XML and as CTRF, valid by their published schemas, so that what was read
//! in any dialect can be given on.

mod ctrf;
mod junit;

pub use ctrf::{CtrfRun, write_ctrf};
pub use junit::write_junit;

#[cfg(test)]
mod tests;

//! The benchmarks: what the product costs over a bare rmcp server with one trivial tool.
//!
//! Both are measured in the same run and in turns, so that a busy machine is busy for both; what
//! is compared is the median of the rounds. Absolute times are those of one machine, ratios hold
//! on others.
//!
//! Where to start reading: [`measures`] (what is measured, and within which limits), then
//! [`report`].

mod audit;
mod governance;
mod http;
mod log;
mod mail;
pub mod measures;
mod numbers;
mod process;
mod redaction;
mod repo;
pub mod report;
mod sql;
pub mod testrun;
mod tickets;

pub use measures::{NAMES, run};
pub use report::{Report, Row};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds of ours and of the floor in turns.
    pub rounds: usize,
    /// Process starts of each.
    pub starts: usize,
    /// Calls of a round.
    pub calls: usize,
    /// Calls over which memory must stay flat; a tenth of them come first.
    pub endurance: usize,
    /// Records of the logs that are read.
    pub records: u64,
}

impl Effort {
    /// What a claim rests on.
    pub const FULL: Self =
        Self { rounds: 7, starts: 60, calls: 20_000, endurance: 100_000, records: 200_000 };
    /// A first impression.
    pub const QUICK: Self =
        Self { rounds: 3, starts: 12, calls: 3_000, endurance: 20_000, records: 200_000 };
}

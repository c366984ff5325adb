//! How a run ended.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Tier;

/// How a run ended. When it is given, no process of the run exists any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// How the program ended; absent where it did not start, or was ended with its tree.
    pub exit: Option<Exit>,
    /// What ended it before its time.
    pub by: Option<Stop>,
    /// The tier that was asked for.
    pub tier: Tier,
    /// The layers that held, for people to read.
    pub held: Vec<String>,
    /// From the start to the end, by the clock.
    pub wall: Duration,
    /// Of the processors, all processes together.
    pub cpu: Duration,
    /// The most bytes of memory seen at one time, all processes together.
    pub peak: Option<u64>,
    /// What was kept of standard output.
    pub stdout: Kept,
    /// What was kept of standard error.
    pub stderr: Kept,
    /// The files that were asked for, in that order.
    pub collected: Vec<Collected>,
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this number.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What ended a run before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// It used more than it may.
    Limit(Limit),
    /// Whoever started it wished so, or is gone.
    Cancelled,
    /// The program did not start: why, and what to do.
    NotStarted(String),
    /// The sandbox itself failed after the start: why. What the program did is unknown.
    Lost(String),
}

/// What a run used too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Limit {
    /// [`crate::Limits::wall`]
    Wall,
    /// [`crate::Limits::cpu`]
    Cpu,
    /// [`crate::Limits::memory`]
    Memory,
    /// [`crate::Limits::processes`]
    Processes,
    /// [`crate::Limits::disk`]
    Disk,
}

/// What was kept of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Bytes that were printed.
    pub total: u64,
    /// Bytes of them that the file has; the line that tells of the others is not counted.
    pub kept: u64,
    /// Whether the file could not be written; then `kept` is what was.
    pub broken: bool,
}

/// A file that was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Collected {
    /// Where it was inside; the pattern, where nothing fits it.
    pub inside: PathBuf,
    /// Its copy outside, where there is one.
    pub outside: Option<PathBuf>,
    /// Its size.
    pub bytes: u64,
    /// Whether it was last written after the run had started.
    pub written_after_start: bool,
    /// What was found.
    pub found: Found,
}

/// What was found where a file was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// The file, and it was copied.
    Found,
    /// Nothing.
    Missing,
    /// A file larger than asked for, or more files than are taken; not copied.
    TooLarge,
    /// Something else: a folder, a pipe, a symbolic link, or a link on the way.
    NotAFile,
    /// A file that could not be read, or its copy not written.
    Unreadable,
}

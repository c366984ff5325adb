//! Fuzz targets: the parts that read what strangers write, fed with mutated inputs.
//!
//! Every iteration has a seed of its own and shares nothing with the one before, so a finding is
//! repeated by its seed alone. The inputs are mutated by structure (JSON values, lines, hidden
//! characters), not by bytes only.
//!
//! Where to start reading: [`run`], then [`line`], [`arguments`], [`text`],
//! [`message`] and [`report`].

pub mod arguments;
mod json;
pub mod line;
pub mod message;
pub(crate) mod random;
pub mod report;
pub mod text;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use random::Random;

/// What is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The reader of lines on standard input.
    Line,
    /// The validator of arguments, and the pipeline behind it.
    Arguments,
    /// What makes text safe to show.
    Text,
    /// What reads mail that strangers wrote.
    Message,
    /// What reads the reports of test runs.
    Report,
}

impl Target {
    /// All targets.
    pub const ALL: [Target; 5] =
        [Target::Line, Target::Arguments, Target::Text, Target::Message, Target::Report];
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Target::Line => "line",
            Target::Arguments => "arguments",
            Target::Text => "text",
            Target::Message => "message",
            Target::Report => "report",
        })
    }
}

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// After so many iterations.
    Iterations(u64),
    /// After so much time.
    Time(Duration),
}

/// A run without a finding.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// How many inputs were tried.
    pub iterations: u64,
    /// How many of them were well-formed: messages, valid arguments, texts without hidden
    /// characters. A run in which none or all are tests little.
    pub accepted: u64,
}

/// An input that broke a promise.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Where.
    pub target: Target,
    /// The seed that makes this input again, in one iteration.
    pub seed: u64,
    /// The input.
    pub input: Vec<u8>,
    /// Which promise.
    pub broken: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = String::from_utf8_lossy(&self.input).chars().take(2_000).collect();
        write!(
            f,
            "{}: {}\nagain: cargo xtask fuzz {} --seed {} --iterations 1\ninput ({} bytes): {shown:?}",
            self.target,
            self.broken,
            self.target,
            self.seed,
            self.input.len()
        )
    }
}

/// What one iteration did: the input, for a finding, and whether it was well-formed, or which
/// promise it broke.
struct Tried {
    input: Vec<u8>,
    verdict: Result<bool, String>,
}

/// A target made ready: takes the random numbers of one iteration.
type Attempt = Box<dyn FnMut(&mut Random) -> Tried>;

/// Feeds a target; the first seed is `seed`, each iteration's is one more.
pub fn run(target: Target, bound: Bound, seed: u64) -> Result<Report, Finding> {
    let mut attempt: Attempt = match target {
        Target::Line => Box::new(line::attempt),
        Target::Arguments => arguments::attempt(),
        Target::Text => Box::new(text::attempt),
        Target::Message => Box::new(message::attempt),
        Target::Report => Box::new(report::attempt),
    };
    let began = Instant::now();
    let mut report = Report { iterations: 0, accepted: 0 };
    loop {
        let is_over = match bound {
            Bound::Iterations(most) => report.iterations >= most,
            Bound::Time(most) => began.elapsed() >= most,
        };
        if is_over {
            return Ok(report);
        }
        let seed = seed.wrapping_add(report.iterations);
        let tried = attempt(&mut Random::new(seed));
        report.iterations += 1;
        match tried.verdict {
            Ok(accepted) => report.accepted += u64::from(accepted),
            Err(broken) => return Err(Finding { target, seed, input: tried.input, broken }),
        }
    }
}

/// Runs a check; a panic breaks a promise like any other.
fn judged(check: impl FnOnce() -> Result<bool, String>) -> Result<bool, String> {
    catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("it panicked: {}", text.unwrap_or_default()))
    })
}

/// An error unless the promise is kept.
fn promise(is_kept: bool, broken: impl FnOnce() -> String) -> Result<(), String> {
    if is_kept { Ok(()) } else { Err(broken()) }
}

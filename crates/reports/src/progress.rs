//! How far a run is, from what the runner prints while it runs, and the summary that it prints.
//!
//! The lines of many runners are known by sight, so nobody need say which one runs. Progress is
//! what it looks like and no evidence; a summary is, and [`judge`](crate::judge()) uses it against a
//! report, never for one.

mod line;

use serde::{Deserialize, Serialize};

use crate::text::{clip, plain};
use line::{Runner, Seen, seen};

/// Which stream of a program something was printed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What a runner sums up at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Printed {
    /// Tests that passed, as far as the runner counts like its report; else 0.
    pub passed: u64,
    /// Tests that failed or errored.
    pub failed: u64,
    /// Tests that are still to be written, which some reports list like those that passed.
    #[serde(default)]
    pub to_write: u64,
}

/// Fed with what a program prints, it says how far the run is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The unfinished line of each stream.
    open: [Vec<u8>; 2],
    /// Whether the line is too long to be of a runner, of each stream.
    is_long: [bool; 2],
    done: u64,
    failed: u64,
    total: Option<u64>,
    last: Option<String>,
    runner: Option<Runner>,
    printed: Option<Printed>,
    /// Whether the failures are listed again.
    is_over: bool,
}

/// No runner's line is longer, events of Go and libtest excepted, which begin with what counts.
const LONGEST: usize = 8_192;

impl Progress {
    /// Takes in what was printed, in pieces of any size.
    pub fn feed(&mut self, stream: Stream, mut bytes: &[u8]) {
        let index = usize::from(stream == Stream::Err);
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            self.hold(index, &bytes[..end]);
            self.end_line(index);
            bytes = &bytes[end + 1..];
        }
        self.hold(index, bytes);
    }

    /// Tests that have ended.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Of those the ones that failed, retries that are still to come included.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// How many tests there are, if the runner has said so.
    pub fn total(&self) -> Option<u64> {
        self.total.map(|total| total.max(self.done))
    }

    /// The test that ended last, as the runner writes it; untrusted like all output.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// The summary, once it was printed.
    pub fn printed(&self) -> Option<Printed> {
        self.printed
    }

    fn hold(&mut self, index: usize, bytes: &[u8]) {
        let line = &mut self.open[index];
        let room = LONGEST.saturating_sub(line.len());
        self.is_long[index] |= bytes.len() > room;
        line.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_line(&mut self, index: usize) {
        let bytes = std::mem::take(&mut self.open[index]);
        let is_long = std::mem::take(&mut self.is_long[index]);
        if !is_long || bytes.starts_with(b"{") {
            let text = plain(&String::from_utf8_lossy(&bytes));
            // The last picture of a line that is drawn again and again.
            let text = text.trim_end();
            let text = text.rsplit('\r').next().unwrap_or(text);
            if let Some((runner, what)) = seen(text) {
                self.take(runner, what);
            }
        }
        // The buffer is used again.
        self.open[index] = bytes;
        self.open[index].clear();
    }

    fn take(&mut self, runner: Runner, what: Seen<'_>) {
        // What a test prints may look like another runner's line.
        let is_strange = self.runner.is_some_and(|known| known != runner);
        if let Seen::Printed(printed) = what {
            let is_summed = matches!(runner, Runner::Cargo | Runner::Maven) && !is_strange;
            let before = self.printed.filter(|_| is_summed).unwrap_or_default();
            self.printed = Some(Printed {
                passed: before.passed.saturating_add(printed.passed),
                failed: before.failed.saturating_add(printed.failed),
                to_write: before.to_write.saturating_add(printed.to_write),
            });
            // nextest lists its failures again.
            self.is_over |= runner == Runner::Nextest;
            return;
        }
        if is_strange || self.is_over {
            return;
        }
        self.runner = Some(runner);
        match what {
            Seen::Total(total) => self.total = Some(total),
            Seen::More(more) => self.total = Some(self.total.unwrap_or(0).saturating_add(more)),
            Seen::Ended { failed, name } => self.end(1, u64::from(failed), name),
            Seen::Many { done, failed } => self.end(done, failed, ""),
            Seen::At { done, total, failed, name } => {
                self.end(done.saturating_sub(self.done), u64::from(failed), name);
                self.total = Some(total);
            }
            Seen::ListedAgain => self.is_over = true,
            Seen::Printed(_) => {}
        }
    }

    fn end(&mut self, done: u64, failed: u64, name: &str) {
        self.done = self.done.saturating_add(done);
        self.failed = self.failed.saturating_add(failed);
        if !name.is_empty() {
            self.last = Some(clip(name, 300));
        }
    }
}

#[cfg(test)]
mod tests;

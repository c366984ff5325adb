//! Reading blocks on all processors.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;

use super::segments::{Block, Segment};

/// How many blocks may be read ahead of the one that is waited for.
const AHEAD: usize = 32;

/// Reads the blocks on all processors; `take` gets the results in the order of the blocks, until
/// it breaks. Returns the state of each thread.
pub(super) fn work<S: Send, R: Send>(
    segments: &[Segment],
    blocks: &[Block],
    progress: &dyn Fn(u64, u64),
    make: impl Fn() -> S + Sync,
    step: impl Fn(&mut S, &Block, &[u8]) -> R + Sync,
    mut take: impl FnMut(usize, R) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<Vec<S>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (queue, make, step) = (&Queue::default(), &make, &step);
    std::thread::scope(|scope| {
        let (sender, results) = channel();
        let mut workers = Vec::new();
        for _ in 0..threads.min(blocks.len()) {
            let sender = sender.clone();
            workers.push(scope.spawn(move || {
                let mut state = make();
                let mut reader = Reader::default();
                while let Some(index) = queue.claim(blocks.len()) {
                    let _alarm = Alarm(queue);
                    let block = &blocks[index];
                    let bytes = reader.read(&segments[block.segment].path, block);
                    let result = bytes.map(|bytes| step(&mut state, block, bytes));
                    if sender.send((index, result)).is_err() {
                        break;
                    }
                }
                state
            }));
        }
        drop(sender);
        let total = blocks.iter().map(Block::length).sum();
        let mut done = 0;
        let ended = deliver(results, |index, result| {
            let flow = take(index, result?);
            done += blocks[index].length();
            progress(done, total);
            queue.deliver(index + 1, matches!(flow, Ok(ControlFlow::Continue(()))));
            flow
        });
        // Whoever still waits for a place in the queue need not any more.
        queue.stop();
        ended?;
        let joined = workers.into_iter().map(std::thread::ScopedJoinHandle::join);
        let joined: Result<Vec<S>, _> = joined.collect();
        joined.map_err(|_| anyhow::anyhow!("reading the log failed unexpectedly"))
    })
}

/// Puts results in their order.
fn deliver<R>(
    results: Receiver<(usize, R)>,
    mut take: impl FnMut(usize, R) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (index, result) in results {
        early.insert(index, result);
        while let Some(result) = early.remove(&next) {
            if take(next, result)?.is_break() {
                return Ok(());
            }
            next += 1;
        }
    }
    Ok(())
}

/// Who works on what.
#[derive(Default)]
struct Queue {
    state: Mutex<Progress>,
    moved: Condvar,
}

#[derive(Default)]
struct Progress {
    claimed: usize,
    delivered: usize,
    stop: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next block to read, once it is not too far ahead; `None` at the end.
    fn claim(&self, blocks: usize) -> Option<usize> {
        let is_ahead = |state: &mut Progress| {
            !state.stop && state.claimed < blocks && state.claimed >= state.delivered + AHEAD
        };
        let state = self.moved.wait_while(self.lock(), is_ahead);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let index = state.claimed;
        state.claimed += 1;
        (!state.stop && index < blocks).then_some(index)
    }

    fn deliver(&self, delivered: usize, go_on: bool) {
        let mut state = self.lock();
        state.delivered = delivered;
        state.stop |= !go_on;
        self.moved.notify_all();
    }

    fn stop(&self) {
        self.lock().stop = true;
        self.moved.notify_all();
    }
}

/// Stops everybody when the thread that holds it panics: nobody waits for what never comes.
struct Alarm<'a>(&'a Queue);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

/// One thread's open segment and its buffer.
#[derive(Default)]
struct Reader {
    open: Option<(usize, File)>,
    buffer: Vec<u8>,
}

impl Reader {
    fn read(&mut self, path: &Path, block: &Block) -> anyhow::Result<&[u8]> {
        let at = || path.display().to_string();
        let length = usize::try_from(block.length())?;
        if self.buffer.len() < length {
            self.buffer.resize(length, 0);
        }
        let file = match self.open.take() {
            Some((segment, file)) if segment == block.segment => file,
            _ => File::open(path).with_context(at)?,
        };
        let buffer = &mut self.buffer[..length];
        file.read_exact_at(buffer, block.bytes.start).with_context(at)?;
        self.open = Some((block.segment, file));
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block for each number, all of the same one-byte file.
    fn run(
        count: usize,
        step: impl Fn(u64) -> u64 + Sync,
        take: impl FnMut(usize, u64) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<Vec<()>> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "x").expect("written");
        let path = file.path().to_owned();
        let segment = Segment { server: "a".into(), path, length: 1, torn: false };
        let block = |number| Block { segment: 0, bytes: 0..1, earliest: number, latest: 0 };
        let blocks: Vec<Block> = (0..count as u64).map(block).collect();
        let step = |(): &mut (), block: &Block, _: &[u8]| step(block.earliest);
        work(&[segment], &blocks, &|_, _| {}, || (), step, take)
    }

    #[test]
    fn results_come_in_order_however_fast_they_are() {
        let mut seen = Vec::new();
        let slow = |number: u64| (0..(number % 7) * 10_000).fold(number, |sum, _| sum);
        let take = |index, number| {
            seen.push((index as u64, number));
            Ok(ControlFlow::Continue(()))
        };
        run(500, slow, take).expect("all");
        assert!(seen.iter().enumerate().all(|(at, it)| *it == (at as u64, at as u64)));
        assert_eq!(seen.len(), 500);
    }

    #[test]
    fn whoever_has_enough_stops_everybody() {
        let mut seen = 0;
        let take = |_, _| {
            seen += 1;
            Ok(if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        run(10_000, |number| number, take).expect("stopped");
        assert_eq!(seen, 3);
        let failed = run(10_000, |number| number, |_, _| anyhow::bail!("no more"));
        assert_eq!(failed.expect_err("failed").to_string(), "no more");
    }

    #[test]
    fn a_panic_is_an_error_and_not_a_hang() {
        let panics = |number: u64| if number == 40 { panic!("on purpose") } else { number };
        let error = run(10_000, panics, |_, _| Ok(ControlFlow::Continue(())));
        assert!(error.is_err());
    }
}

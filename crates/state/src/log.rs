//! The record log: append-only segments of canonical JSON lines (RFC 8785), one writer each, one
//! `write` a record.
//!
//! A record is in the operating system's hands before its call is answered, so no death of the
//! process loses it; it is on the disk within [`SYNC`], or at once where [`Log::append_durable`]
//! is asked. Each segment is a Merkle tree (RFC 6962) whose leaves are its lines; a signed
//! checkpoint of it stands beside it, at most [`SEAL`] behind while records are written, and is
//! copied to places of the operator's choice every [`COPY`].
//!
//! Where to start reading: [`Log::append`], then `Shared::work`, which does everything that a
//! call does not wait for.

mod chain;
mod copies;
mod line;
mod sealed;
mod segment;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::StateError;
use crate::note::SigningKey;

pub(crate) use chain::First;
pub use copies::{Copies, Destination};

pub use line::Line;
use sealed::{Sealer, Unsealed};
pub(crate) use sealed::{checkpoint_path, hashes_path, origin};
use segment::{Behind, Segment};

/// The longest time a record waits for the disk.
const SYNC: Duration = Duration::from_millis(100);

/// The time between checkpoints of a log that is written to.
const SEAL: Duration = Duration::from_secs(1);

/// The time between copies of checkpoints, and before what failed is tried again.
const COPY: Duration = Duration::from_secs(10);

/// The log of one server process.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    worker: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
    settled: Condvar,
    key: Arc<SigningKey>,
}

#[derive(Debug)]
struct State {
    segment: Segment,
    due: Due,
    is_closing: bool,
    /// How often [`Log::settle`] was asked for, and up to which time it is done.
    asked: u64,
    settled: u64,
}

/// What is to be done for written records, and when. Nothing is due while nothing is written.
#[derive(Clone, Copy, Debug, Default)]
struct Due {
    sync: Option<Instant>,
    seal: Option<Instant>,
    copy: Option<Instant>,
}

impl Log {
    /// Opens the log in `folder` (made when missing), which is `state/<server>/records`: goes on
    /// in the newest segment if that is short, whole, as signed, and written by no other process;
    /// or begins a new one. The key that signs checkpoints is made beside it when missing.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        Self::open_copied(folder, Vec::new())
    }

    /// As [`Log::open`], with places that checkpoints are copied to. A copy that fails is logged
    /// and tried again; it stops no record.
    pub fn open_copied(
        folder: &Path,
        destinations: Vec<Box<dyn Destination>>,
    ) -> Result<Self, StateError> {
        crate::private_folder(folder)?;
        let (home, server) = home(folder);
        let has_key = home.join("checkpoint.pub").exists();
        let key = Arc::new(crate::key::checkpoint_key(home, server)?);
        let behind = if has_key { Behind::Others } else { Behind::NoKey };
        let segment = match Segment::resume(folder, server, &key)? {
            Some(segment) => segment,
            None => Segment::begin(folder, server, &key, behind)?,
        };
        let due = Due { sync: Some(Instant::now() + SYNC), ..Due::default() };
        let state = Mutex::new(State { segment, due, is_closing: false, asked: 0, settled: 0 });
        let shared = Arc::new(Shared { state, wake: Condvar::new(), settled: Condvar::new(), key });
        let for_thread = Arc::clone(&shared);
        let copies = Copies::new(destinations);
        let worker = std::thread::Builder::new()
            .name("log-sync".to_owned())
            .stack_size(128 << 10)
            .spawn(move || Worker::new(&for_thread, copies).work())
            .map_err(StateError::at(folder))?;
        Ok(Self { shared, worker: Some(worker) })
    }

    /// Writes a record: one `write`, then it survives the death of this process.
    /// Returns its number in the segment.
    pub fn append(&self, record: &mut impl Line) -> Result<u64, StateError> {
        self.shared.append(record, false).map(|(sequence, _)| sequence)
    }

    /// Writes a record and waits until it is on the disk: for what is about to be done.
    pub fn append_durable(&self, record: &mut impl Line) -> Result<u64, StateError> {
        let (sequence, file) = self.shared.append(record, true)?;
        // Others may write meanwhile: what they wait for comes to the disk in one go.
        file.sync_data().map_err(|source| StateError { path: self.path(), source })?;
        Ok(sequence)
    }

    /// Brings what is written to the disk, signs it and copies the checkpoint, now; what fails is
    /// logged. For the end of a process, which may not wait until nobody holds the log any more.
    pub fn settle(&self) {
        let mut state = self.shared.lock();
        state.asked += 1;
        let asked = state.asked;
        self.shared.wake.notify_one();
        while state.settled < asked {
            state = self.shared.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The segment that is written now.
    fn path(&self) -> PathBuf {
        self.shared.lock().segment.path().to_owned()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().is_closing = true;
        self.shared.wake.notify_one();
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

/// The server's own folder, and the server's name: `folder` is `state/<server>/records`.
pub(crate) fn home(folder: &Path) -> (&Path, &str) {
    let home = match folder.parent() {
        Some(parent) if folder.ends_with("records") => parent,
        _ => folder,
    };
    (home, home.file_name().and_then(|name| name.to_str()).unwrap_or("log"))
}

impl State {
    /// Whether what is due later is to be done now.
    fn is_hurried(&self) -> bool {
        self.is_closing || self.settled < self.asked
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(
        &self,
        record: &mut impl Line,
        is_durable: bool,
    ) -> Result<(u64, Arc<File>), StateError> {
        let mut state = self.lock();
        // Of the others, those are looked after that come meanwhile: by the worker.
        if is_durable || state.due.sync.is_none() {
            state.segment.keep_place()?;
        }
        let sequence = state.segment.append(record)?;
        if state.due.sync.is_none() {
            state.due.sync = Some(Instant::now() + SYNC);
            self.wake.notify_one();
        }
        Ok((sequence, state.segment.file()))
    }

    /// Waits until something is due or the log is closed.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        loop {
            let due = state.due;
            let next = [due.sync, due.seal, due.copy].into_iter().flatten().min();
            if state.is_hurried() {
                return state;
            }
            let Some(next) = next else {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let Some(left) = next.checked_duration_since(Instant::now()) else { return state };
            (state, _) =
                self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread that brings records to the disk, signs them and copies checkpoints.
struct Worker<'a> {
    shared: &'a Shared,
    sealer: Sealer,
    copies: Copies,
    /// The newest note of the segment that is written.
    note: Option<String>,
    /// Notes of segments that ended, not copied yet.
    ended: Vec<String>,
    /// The earliest next times.
    next_seal: Instant,
    next_copy: Instant,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared, copies: Copies) -> Self {
        let now = Instant::now();
        Self {
            shared,
            sealer: Sealer::default(),
            copies,
            note: None,
            ended: Vec::new(),
            next_seal: now,
            next_copy: now,
        }
    }

    /// Works until the log is closed and nothing is left to do.
    fn work(mut self) {
        let mut state = self.shared.lock();
        loop {
            state = self.shared.wait(state);
            let (now, is_closing, asked) = (Instant::now(), state.is_closing, state.asked);
            let is_hurried = state.is_hurried();
            let is_now = |at: Instant| is_hurried || at <= now;
            let due = &mut state.due;
            let sync = due.sync.take_if(|at| is_now(*at)).is_some();
            let mut seal =
                due.seal.take_if(|at| is_now(*at)).is_some() || (sync && is_now(self.next_seal));
            let copy =
                due.copy.take_if(|at| is_now(*at)).is_some() || (seal && is_now(self.next_copy));
            if sync || is_closing {
                match state.segment.keep_place() {
                    Ok(is_another) => seal |= is_another,
                    Err(error) => eprintln!("suite: records cannot be kept: {error}"),
                }
            }
            let file = sync.then(|| state.segment.file());
            let unsealed = if seal { state.segment.unsealed() } else { Vec::new() };
            drop(state);
            let mut later = Due::default();
            if let Some(Err(error)) = file.map(|file| file.sync_data()) {
                // The kernel reports it again to the next writer, which refuses its call.
                eprintln!("suite: records could not be brought to the disk: {error}");
            }
            if seal {
                later.seal = self.seal(unsealed);
            } else if sync {
                later.seal = Some(self.next_seal);
            }
            if copy {
                self.copy();
            } else if seal && !self.copies.is_empty() {
                later.copy = Some(self.next_copy);
            }
            if is_closing {
                return;
            }
            state = self.shared.lock();
            if state.settled < asked {
                state.settled = asked;
                self.shared.settled.notify_all();
            }
            state.due.seal = state.due.seal.or(later.seal);
            state.due.copy = state.due.copy.or(later.copy);
        }
    }

    /// Signs what is not signed yet; what fails is tried again at the time returned.
    fn seal(&mut self, unsealed: Vec<Unsealed>) -> Option<Instant> {
        let mut again = None;
        let last = unsealed.len().saturating_sub(1);
        for (index, part) in unsealed.iter().enumerate() {
            match self.sealer.seal(part, &self.shared.key) {
                Ok(note) if index < last => self.ended.push(note),
                Ok(note) => self.note = Some(note),
                Err(error) => {
                    eprintln!("suite: a checkpoint could not be written: {error}");
                    again = Some(Instant::now() + COPY);
                }
            }
        }
        self.next_seal = Instant::now() + SEAL;
        again
    }

    fn copy(&mut self) {
        for note in self.ended.drain(..).chain(self.note.take()) {
            self.copies.keep(&note);
        }
        self.next_copy = Instant::now() + COPY;
    }
}

#[cfg(test)]
mod tests;

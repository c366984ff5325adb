//! The record log: append-only segments of canonical JSON lines (RFC 8785), one writer each, one
//! `write` a record.
//!
//! A record is in the operating system's hands before its call is answered, so no death of the
//! process loses it; it is on the disk within [`SYNC`], or at once where [`Log::append_durable`]
//! is asked.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use contract::record::Record;
use serde_json::Value;

use crate::{StateError, read};

/// The longest time a record waits for the disk.
const SYNC: Duration = Duration::from_millis(100);

/// The size at which a segment is closed and the next one begun, in bytes.
const SEGMENT: u64 = 64 << 20;

/// The log of one server process.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
    syncer: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    segment: Mutex<Segment>,
    wake: Condvar,
}

#[derive(Debug)]
struct Segment {
    folder: PathBuf,
    path: PathBuf,
    file: Arc<File>,
    /// The length up to the last whole record.
    length: u64,
    /// The number of the last record, from 1.
    sequence: u64,
    /// A failed write may have left half a line behind `length`.
    torn: bool,
    dirty: bool,
    closing: bool,
}

/// What can be a line of the log: takes its number and time, and gives its canonical JSON
/// (RFC 8785).
pub trait Line {
    /// The line, without its line feed.
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>>;
}

impl Line for Record<'_> {
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>> {
        (self.sequence, self.time) = (sequence, time);
        if self.arguments.is_some_and(|arguments| has_fraction(arguments.0)) {
            return serde_json_canonicalizer::to_vec(self).map_err(std::io::Error::other);
        }
        // Already in canonical order; only fractions are written in a way of their own.
        serde_json::to_vec(self).map_err(std::io::Error::other)
    }
}

/// A record that was redacted.
impl Line for Value {
    fn line(&mut self, sequence: u64, time: String) -> std::io::Result<Vec<u8>> {
        self["sequence"] = sequence.into();
        self["time"] = time.into();
        serde_json_canonicalizer::to_vec(self).map_err(std::io::Error::other)
    }
}

/// Whether a number in the value is not a whole one that both ways write alike.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_i64().is_none_or(|number| number.unsigned_abs() >= 1 << 53)
        }
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

impl Log {
    /// Opens the log in `folder` (made when missing): goes on in the newest whole segment that
    /// no other process writes, or begins a new one.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        crate::private_folder(folder)?;
        let segment = match Segment::resume(folder)? {
            Some(segment) => segment,
            None => Segment::begin(folder)?,
        };
        let shared = Arc::new(Shared { segment: Mutex::new(segment), wake: Condvar::new() });
        let for_thread = Arc::clone(&shared);
        let syncer = std::thread::Builder::new()
            .name("log-sync".to_owned())
            .stack_size(64 << 10)
            .spawn(move || for_thread.sync_loop())
            .map_err(StateError::at(folder))?;
        Ok(Self { shared, syncer: Some(syncer) })
    }

    /// Writes a record: one `write`, then it survives the death of this process.
    /// Returns its number in the segment.
    pub fn append(&self, record: &mut impl Line) -> Result<u64, StateError> {
        let mut segment = self.shared.lock();
        let sequence = segment.append(record)?;
        if !segment.dirty {
            segment.dirty = true;
            self.shared.wake.notify_one();
        }
        Ok(sequence)
    }

    /// Writes a record and waits until it is on the disk: for what is about to be done.
    pub fn append_durable(&self, record: &mut impl Line) -> Result<u64, StateError> {
        let mut segment = self.shared.lock();
        let sequence = segment.append(record)?;
        segment.file.sync_data().map_err(StateError::at(&segment.path))?;
        Ok(sequence)
    }

    /// The segment that is written now.
    #[cfg(test)]
    fn path(&self) -> PathBuf {
        self.shared.lock().path.clone()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.wake.notify_one();
        if let Some(syncer) = self.syncer.take() {
            let _ = syncer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Segment> {
        self.segment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings written records to the disk, at most [`SYNC`] after they were written. Idle while
    /// nothing is written.
    fn sync_loop(&self) {
        let mut segment = self.lock();
        loop {
            while !segment.dirty && !segment.closing {
                segment = self.wake.wait(segment).unwrap_or_else(PoisonError::into_inner);
            }
            if !segment.closing {
                let (next, _) = self
                    .wake
                    .wait_timeout_while(segment, SYNC, |segment| !segment.closing)
                    .unwrap_or_else(PoisonError::into_inner);
                segment = next;
            }
            segment.dirty = false;
            let (file, closing) = (Arc::clone(&segment.file), segment.closing);
            drop(segment);
            if let Err(error) = file.sync_data() {
                // The kernel reports it again to the next writer, which refuses its call.
                eprintln!("suite: records could not be brought to the disk: {error}");
            }
            if closing {
                return;
            }
            segment = self.lock();
        }
    }
}

impl Segment {
    /// The newest segment, if it is whole, not full, and nobody else writes it.
    fn resume(folder: &Path) -> Result<Option<Self>, StateError> {
        let Some(path) = read::segments(folder)?.pop() else { return Ok(None) };
        let file = options().open(&path).map_err(StateError::at(&path))?;
        if !lock(&file, &path)? {
            return Ok(None);
        }
        let length = file.metadata().map_err(StateError::at(&path))?.len();
        if length >= SEGMENT {
            return Ok(None);
        }
        let Some(sequence) = last_sequence(&path, length)? else { return Ok(None) };
        Ok(Some(Self::new(folder, path, file, length, sequence)))
    }

    /// A new segment. Its name sorts by time; random digits keep two processes apart.
    fn begin(folder: &Path) -> Result<Self, StateError> {
        let mut random = [0u8; 4];
        getrandom::fill(&mut random).map_err(|error| StateError {
            path: folder.to_owned(),
            source: std::io::Error::other(error),
        })?;
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let time: String = time.chars().filter(|c| !matches!(c, '-' | ':' | '.')).collect();
        let path = folder.join(format!("{time}-{:08x}.jsonl", u32::from_be_bytes(random)));
        let file = options().create_new(true).open(&path).map_err(StateError::at(&path))?;
        lock(&file, &path)?;
        Ok(Self::new(folder, path, file, 0, 0))
    }

    fn new(folder: &Path, path: PathBuf, file: File, length: u64, sequence: u64) -> Self {
        Self {
            folder: folder.to_owned(),
            path,
            file: Arc::new(file),
            length,
            sequence,
            torn: false,
            dirty: false,
            closing: false,
        }
    }

    fn append(&mut self, record: &mut impl Line) -> Result<u64, StateError> {
        if self.torn {
            self.file.set_len(self.length).map_err(StateError::at(&self.path))?;
            self.torn = false;
        }
        if self.length >= SEGMENT {
            self.rotate()?;
        }
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let line = record.line(self.sequence + 1, time);
        let mut text = line.map_err(StateError::at(&self.path))?;
        text.push(b'\n');
        if let Err(error) = (&*self.file).write_all(&text) {
            // A full disk takes half a line: it is taken back, now or before the next record.
            self.torn = self.file.set_len(self.length).is_err();
            return Err(StateError::at(&self.path)(error));
        }
        self.length += text.len() as u64;
        self.sequence += 1;
        Ok(self.sequence)
    }

    fn rotate(&mut self) -> Result<(), StateError> {
        self.file.sync_data().map_err(StateError::at(&self.path))?;
        let closing = self.closing;
        *self = Self::begin(&self.folder)?;
        self.closing = closing;
        Ok(())
    }
}

/// The number of the last record of a segment; 0 when it is empty, `None` when its last line is
/// torn.
fn last_sequence(path: &Path, length: u64) -> Result<Option<u64>, StateError> {
    if length == 0 {
        return Ok(Some(0));
    }
    let mut last = [0u8];
    let file = File::open(path).map_err(StateError::at(path))?;
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, length - 1)
        .map_err(StateError::at(path))?;
    if last != *b"\n" {
        return Ok(None);
    }
    let Some(line) = read::last_line(path)? else { return Ok(None) };
    let line: Option<Value> = serde_json::from_slice(&line).ok();
    Ok(line.and_then(|line| line["sequence"].as_u64()))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600);
    options
}

/// Takes the segment for this process; `false` where another one has it.
fn lock(file: &File, path: &Path) -> Result<bool, StateError> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(StateError::at(path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use contract::record::{Approved, Claimed, Decided, DecidedBy, Event, Sorted};
    use contract::{Client, Principal, Proof, Target};
    use serde_json::json;

    use super::*;

    fn note(log: &Log) -> u64 {
        log.append(&mut Record::new(Event::Call, "docs")).expect("written")
    }

    #[test]
    fn a_log_goes_on_where_it_stopped() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Log::open(folder.path()).expect("a log");
        assert_eq!((note(&first), note(&first)), (1, 2));
        let path = first.path();
        drop(first);
        let second = Log::open(folder.path()).expect("a log");
        assert_eq!(note(&second), 3);
        assert_eq!(second.path(), path);
        let numbers = |count| -> Vec<u64> {
            let records = crate::tail(folder.path(), count).expect("records");
            records.iter().filter_map(|record| record["sequence"].as_u64()).collect()
        };
        assert_eq!((numbers(9), numbers(2)), (vec![1, 2, 3], vec![2, 3]), "in the order written");
        let text = std::fs::read_to_string(path).expect("the segment");
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.lines().all(|line| line.starts_with(r#"{"event":"call","sequence":"#)),
            "{text}"
        );
    }

    #[test]
    fn a_line_is_canonical_whatever_it_holds() {
        let principal = Principal {
            actor: Some("a".into()),
            groups: vec!["g".into()],
            identity: "user:é".into(),
            proof: Proof::OsUser { uid: 7 },
            roles: vec!["b".into(), "a".into()],
            subject: "é\u{2028}\"\\".into(),
        };
        let claimed = Claimed { reason: Some("r".into()), ..Claimed::default() };
        let by = DecidedBy { identity: "i".into(), reason: "r".into(), subject: "s".into() };
        let approval = Approved { by: vec![by], id: "i".into(), level: "one".into() };
        let client = Client { name: "\u{7f}\u{1}\n".into(), ..Client::default() };
        let decided = Decided { allowed: true, rule: "r".into() };
        let target = Target::one("collection", "x");
        for arguments in [
            json!({"z": 1, "a": {"\u{fb33}": 1, "\u{1f600}": 2, "": [{"b": 1, "a": null}]}, "€": "\u{8}\u{c}\r\t\u{1b}"}),
            json!({"f": 1.0, "e": 1e30, "n": -0.5, "big": 18_446_744_073_709_551_615_u64}),
            json!({"edge": 9_007_199_254_740_991_i64, "over": 9_007_199_254_740_993_i64}),
        ] {
            let mut record = Record::new(Event::Call, "docs");
            record.principal = Some(&principal);
            record.client = Some(&client);
            record.decision = Some(&decided);
            record.target = Some(&target);
            record.arguments = Some(Sorted(&arguments));
            (record.call, record.tool, record.tool_digest) = ("c", "t", Some("d"));
            (record.detail, record.result_digest) = (Some("d"), Some("e"));
            (record.arguments_digest, record.policy) = (Some("a"), Some("p"));
            (record.approval, record.claimed) = (Some(&approval), Some(&claimed));
            (record.duration_us, record.result_bytes) = (Some(1), Some(2));
            let line = record.line(3, "now".into()).expect("a line");
            let canonical = serde_json_canonicalizer::to_vec(&record).expect("canonical");
            assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(&canonical));
        }
    }

    #[test]
    fn two_processes_write_two_segments() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Log::open(folder.path()).expect("a log");
        let second = Log::open(folder.path()).expect("a log");
        assert_ne!(first.path(), second.path());
        assert_eq!((note(&first), note(&second)), (1, 1));
    }

    #[test]
    fn a_torn_segment_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::open(folder.path()).expect("a log");
        note(&log);
        let path = log.path();
        drop(log);
        let mut text = std::fs::read(&path).expect("the segment");
        text.extend_from_slice(b"{\"sequence\":2,\"ev");
        std::fs::write(&path, &text).expect("torn");
        let log = Log::open(folder.path()).expect("a log");
        assert_ne!(log.path(), path);
        assert_eq!(std::fs::read(&path).expect("the segment"), text);
    }

    #[test]
    fn half_a_line_is_taken_back_before_the_next_record() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::open(folder.path()).expect("a log");
        note(&log);
        {
            let mut segment = log.shared.lock();
            (&*segment.file).write_all(b"{\"half\":").expect("written");
            segment.torn = true;
        }
        note(&log);
        let text = std::fs::read_to_string(log.path()).expect("the segment");
        assert!(!text.contains("half") && text.lines().count() == 2, "{text}");
    }

    #[test]
    fn records_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let log = Log::open(&folder.path().join("records")).expect("a log");
        let mode =
            |path: &Path| std::fs::metadata(path).expect("it exists").permissions().mode() & 0o777;
        assert_eq!(mode(&log.path()), 0o600);
        assert_eq!(mode(&folder.path().join("records")), 0o700);
    }
}

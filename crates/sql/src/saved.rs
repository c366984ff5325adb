//! Results that are kept as files: private to who asked, and gone after a while.
//!
//! A file has its name only once it is whole and on the disk. Until then it is a partial file that
//! the process which writes it holds a lock on; one without a lock is what a crash left behind,
//! and is swept away.

mod address;
mod arrow;
mod partial;
mod read;
mod recorder;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use contract::text::hex;
use contract::{Ctx, Kind, Part, Resource, Target, Text, Tool as _, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

pub(crate) use self::address::Address;
use self::partial::Partial;
pub(crate) use self::read::Read;
use self::recorder::Recorder;
use crate::database::{Ask, Database, TARGET};
use crate::param::Param;
use crate::settings::SavedSettings;

/// The most bytes of one value in a saved result.
const CELL: usize = 1_000_000;
/// What a file counts at least: an empty one takes room, too.
const BLOCK: u64 = 4_096;
/// What a result needs to be worth beginning.
const LEAST: u64 = 1 << 20;
/// How long nobody looks after a partial file without a lock: it may just have been made.
const FRESH: Duration = Duration::from_mins(1);
/// How often a caller hears how far the work is.
const PROGRESS: Duration = Duration::from_secs(1);

// What a result is saved as. No doc comment: it would be sent with the schema.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    /// RFC 4180, as answers are written.
    Csv,
    /// The file format of Apache Arrow IPC.
    Arrow,
}

impl FileFormat {
    const ALL: [Self; 2] = [Self::Csv, Self::Arrow];

    /// How the names of such files end.
    fn ending(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::Arrow => "arrow",
        }
    }

    /// The media type.
    pub(crate) fn mime(self) -> &'static str {
        match self {
            FileFormat::Csv => "text/csv",
            FileFormat::Arrow => "application/vnd.apache.arrow.file",
        }
    }
}

/// What is to be saved.
pub(crate) struct Wanted<'a> {
    pub(crate) statement: &'a str,
    pub(crate) params: &'a [Param],
    /// The most rows; as many as there is room for, if `None`.
    pub(crate) rows: Option<u64>,
    pub(crate) format: FileFormat,
}

/// All saved results of the server.
pub(crate) struct Results {
    folder: PathBuf,
    keep: Duration,
    /// The most rows of one result.
    rows: u64,
    /// The most bytes of one result.
    bytes: u64,
    /// The most bytes of all of them.
    total: u64,
    /// The bytes that results now being written may take.
    reserved: Mutex<u64>,
}

/// A saved result, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) address: Address,
    pub(crate) size: u64,
}

impl Saved {
    /// As a list of resources shows it.
    pub(crate) fn resource(self) -> Resource {
        Resource {
            uri: self.address.to_string(),
            name: format!("Rows saved from {}", self.address.database),
            mime: self.address.format.mime(),
            size: Some(self.size),
            target: Target::one(TARGET, self.address.database),
            tool: Read::CONTRACT.name,
        }
    }
}

impl Results {
    /// Where results are saved, and how much of them. Makes nothing yet.
    pub(crate) fn new(state: &Path, settings: &SavedSettings, keep: Option<u32>) -> Self {
        let bytes = |megabytes: Option<u32>, unless: u32| {
            u64::from(megabytes.unwrap_or(unless)) * 1_000_000
        };
        Self {
            folder: state.join("results"),
            keep: Duration::from_mins(u64::from(keep.unwrap_or(60))),
            rows: settings.rows.unwrap_or(1_000_000),
            bytes: bytes(settings.megabytes, 100),
            total: bytes(settings.total_megabytes, 1_000),
            reserved: Mutex::new(0),
        }
    }

    /// Runs a statement and saves its rows.
    pub(crate) async fn save(
        &self,
        ctx: &Ctx,
        database: &Database,
        wanted: Wanted<'_>,
    ) -> Result<Text, ToolError> {
        self.sweep(SystemTime::now());
        let room = self.reserve()?;
        let owner = self.owner(&ctx.principal().subject);
        let address = Address::new(&database.id, wanted.format).map_err(ToolError::internal)?;
        let partial = Partial::create(&owner, &address).map_err(unwritten)?;
        let counted = Arc::new(AtomicU64::new(0));
        let limit = wanted.rows.unwrap_or(u64::MAX).min(self.rows);
        let mut recorder =
            Recorder::new(partial, wanted.format, limit, room.bytes, Arc::clone(&counted));
        let Wanted { statement, params, .. } = wanted;
        let ask = Ask { statement, params, skip: 0, cell: CELL };
        let has_more = {
            let mut run = pin!(database.run(ctx, ask, &mut recorder));
            let mut ticks = tokio::time::interval(PROGRESS);
            ticks.reset();
            loop {
                tokio::select! {
                    biased;
                    done = &mut run => break done?,
                    _ = ticks.tick() => {
                        let rows = counted.load(Ordering::Relaxed);
                        #[expect(clippy::cast_precision_loss, reason = "a count to look at")]
                        ctx.progress(rows as f64, None, format!("{} rows", digits(rows))).await;
                    }
                }
            }
        };
        let kept = recorder.finish().await.map_err(unwritten)?;
        let is_asked = wanted.rows.is_some_and(|asked| asked == kept.rows);
        let mut line = format!(
            "saved {} rows, {} bytes: {address} (gone in {} min; read it with sql_result)",
            digits(kept.rows),
            digits(kept.bytes),
            self.keep.as_secs() / 60,
        );
        if has_more && !is_asked {
            line.push_str("; NOT all rows: saved results have no more room than that");
        }
        if kept.cut > 0 {
            line.push_str(&format!("; {} values cut at {} bytes", kept.cut, digits(CELL as u64)));
        }
        let source = format!("sql://{}", database.id);
        let rows = Part::Untrusted { source, text: kept.head };
        Ok(Text { parts: vec![rows, Part::Text(line)], more: None })
    }

    /// The folder of one person: its name says nothing about whom.
    fn owner(&self, subject: &str) -> PathBuf {
        let digest = hex(&Sha256::digest(subject.as_bytes()));
        self.folder.join(digest.get(..32).unwrap_or(&digest))
    }

    /// The file of a result that the caller saved, unless its time is over.
    fn find(&self, ctx: &Ctx, address: &Address) -> Option<(PathBuf, fs::Metadata)> {
        let path = self.owner(&ctx.principal().subject).join(address.file());
        let found = fs::metadata(&path).ok()?;
        (!is_older(&found, self.keep, SystemTime::now())).then_some((path, found))
    }

    /// The results of one person, in the order of their names.
    pub(crate) fn of(&self, subject: &str) -> Vec<Saved> {
        let now = SystemTime::now();
        let mut all: Vec<Saved> = entries(&self.owner(subject))
            .filter_map(|(path, found)| {
                let address = Address::of_file(path.file_name()?.to_str()?)?;
                let saved = Saved { address, size: found.len() };
                (!is_older(&found, self.keep, now)).then_some(saved)
            })
            .collect();
        all.sort_by(|left, right| left.address.cmp(&right.address));
        all
    }

    /// Removes what is too old, and what a crash left behind. Whatever cannot be removed is left
    /// for the next time.
    pub(crate) fn sweep(&self, now: SystemTime) {
        for (folder, _) in entries(&self.folder) {
            for (path, found) in entries(&folder) {
                let is_over = if partial::is_partial(&path) {
                    is_older(&found, FRESH, now) && partial::is_abandoned(&path)
                } else {
                    is_older(&found, self.keep, now)
                };
                if is_over {
                    let _ = fs::remove_file(&path);
                }
            }
        }
    }

    /// Takes room for one result.
    fn reserve(&self) -> Result<Room<'_>, ToolError> {
        let used: u64 = entries(&self.folder)
            .flat_map(|(folder, _)| entries(&folder))
            .filter(|(path, _)| !partial::is_partial(path))
            .map(|(_, found)| found.len().max(BLOCK))
            .sum();
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.total.saturating_sub(used).saturating_sub(*reserved);
        let bytes = left.min(self.bytes);
        if bytes < LEAST.min(self.bytes) {
            let message = format!(
                "saved results take all of their {} MB; the oldest goes within {} min. Ask for a \
                 part of the rows with `limit`, or aggregate.",
                self.total / 1_000_000,
                self.keep.as_secs() / 60
            );
            return Err(ToolError::new(Kind::Unavailable, message).retry_after(FRESH));
        }
        *reserved += bytes;
        Ok(Room { results: self, bytes })
    }
}

/// Room that is taken for as long as a result is written.
struct Room<'a> {
    results: &'a Results,
    bytes: u64,
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        let mut reserved = self.results.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        *reserved = reserved.saturating_sub(self.bytes);
    }
}

/// Sweeps every few minutes for as long as the results are there.
pub(crate) fn keep_sweeping(results: &Arc<Results>) {
    let weak = Arc::downgrade(results);
    let every = (results.keep / 4).clamp(Duration::from_secs(15), Duration::from_mins(10));
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            let Some(results) = weak.upgrade() else { return };
            let swept = tokio::task::spawn_blocking(move || results.sweep(SystemTime::now()));
            let _ = swept.await;
        }
    });
}

/// What is in a folder; nothing where there is none.
fn entries(folder: &Path) -> impl Iterator<Item = (PathBuf, fs::Metadata)> + use<> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    found.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)))
}

/// Whether something was written longer ago than `age`.
fn is_older(found: &fs::Metadata, age: Duration, now: SystemTime) -> bool {
    let written = found.modified().ok();
    written.and_then(|at| now.duration_since(at).ok()).is_some_and(|since| since >= age)
}

/// A number with commas between thousands.
fn digits(number: u64) -> String {
    let plain = number.to_string();
    let mut out = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A file could not be written: nothing of it is kept.
fn unwritten(error: io::Error) -> ToolError {
    let message = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk for saved results is full; nothing was kept. Ask without `save`."
        }
        _ => "the result could not be saved; nothing was kept. Ask without `save`.",
    };
    ToolError::unavailable(message, format!("saving a result: {error}"))
}

#[cfg(test)]
mod tests;

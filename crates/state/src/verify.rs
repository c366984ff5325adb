//! Whether the log is what was written: `suite audit verify`.
//!
//! What is claimed of a segment - by its own signed checkpoint, by the first lines of later
//! segments, by checkpoints that were kept elsewhere - is compared with the tree over the lines
//! that are there. Reads files only, as the operator; a server that writes meanwhile is not
//! disturbed.
//!
//! Where to start reading: [`verify`], then `claims` (what is compared with what), then
//! `segment` (the one pass over a file), then `diagnose` (which line it was).

mod claims;
mod diagnose;
mod intents;
mod segment;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::StateError;
use crate::note::VerifyingKey;
use claims::Server;

/// What is verified, and against what.
#[derive(Debug, Default)]
pub struct Request {
    /// The servers: names and own folders, `state/<server>`.
    pub servers: Vec<(String, PathBuf)>,
    /// Keys to believe instead of the `checkpoint.pub` of the folder of the same server.
    pub keys: Vec<VerifyingKey>,
    /// Checkpoints that were kept elsewhere: where from, and the note.
    pub outside: Vec<(String, String)>,
    /// Whether the servers are all there are, so that checkpoints of others mean deleted folders.
    pub is_whole: bool,
}

/// What kind of thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A line is not the one that was written.
    Edited,
    /// A line is gone.
    Deleted,
    /// A line was never written by the server.
    Inserted,
    /// Lines stand in another order.
    Reordered,
    /// The end of a segment is gone.
    Cut,
    /// Something before a line was changed; which line, nothing tells.
    Changed,
    /// A whole segment is gone.
    SegmentDeleted,
    /// The checkpoint of a segment is gone.
    CheckpointMissing,
    /// A checkpoint is not what the key signed.
    BadSignature,
    /// A checkpoint is signed by another key.
    ForeignKey,
    /// A segment was begun under another key.
    KeyReplaced,
    /// The numbers of lines that no checkpoint covers do not follow each other.
    Gap,
    /// A file that cannot be read.
    Unreadable,
    /// The last line is half written: its process died. Not tampering.
    Torn,
    /// A call began that does more than read, and nothing tells how it ended: the process died in
    /// between. Not tampering.
    OpenIntent,
    /// Lines that no checkpoint covers yet, or never will: the process was killed. Not tampering.
    Uncovered,
    /// A segment of a version that signed none. Not tampering.
    Unsigned,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Whose log.
    pub server: String,
    /// The file.
    pub file: PathBuf,
    /// The line, from 1, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The kind.
    pub kind: Kind,
    /// What it means.
    pub what: String,
    /// What to do.
    pub remedy: &'static str,
}

/// What was checked and what was found.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// How many servers.
    pub servers: usize,
    /// How many segments.
    pub segments: usize,
    /// How many lines.
    pub records: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many lines a signed checkpoint covers.
    pub covered: u64,
    /// How many checkpoints from elsewhere were compared.
    pub outside: usize,
    /// What is wrong: the log is not what was written.
    pub findings: Vec<Finding>,
    /// What one should know, without anything being wrong with the log.
    pub notices: Vec<Finding>,
}

/// Verifies the log of these servers. `progress` is told how many bytes were read since the last
/// time, from several threads. An error is a folder that cannot be listed; everything else is a
/// finding.
pub fn verify(request: &Request, progress: &(dyn Fn(u64) + Sync)) -> Result<Report, StateError> {
    let mut report = Report { servers: request.servers.len(), ..Report::default() };
    let mut servers = Vec::new();
    for (name, folder) in &request.servers {
        servers.push(Server::read(name, folder, &request.keys, &mut report)?);
    }
    claims::add_outside(request, &mut servers, &mut report);
    claims::add_named(&mut servers, &mut report);
    let mut jobs: Vec<_> = servers
        .iter()
        .flat_map(|server| server.segments.iter().map(move |one| (server, one)))
        .collect();
    // The longest first, so that no thread is left alone with one at the end.
    jobs.sort_by_key(|(_, segment)| std::cmp::Reverse(segment.length));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((server, claimed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let read = segment::check(server, claimed, progress);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(read);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut intents = Vec::new();
    for read in results {
        report.segments += 1;
        report.records += read.records;
        report.bytes += read.bytes;
        report.covered += read.covered;
        report.findings.extend(read.findings);
        report.notices.extend(read.notices);
        intents.extend(read.intents);
    }
    report.notices.extend(intents::open(intents, &servers));
    report.findings.sort();
    report.findings.dedup();
    report.notices.sort();
    Ok(report)
}

#[cfg(test)]
mod tests;

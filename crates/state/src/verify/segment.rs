//! The one pass over the lines of a segment.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::claims::{Claim, Claimed, Server};
use super::diagnose;
use super::intents::{Intent, Intents};
use super::{Finding, Kind};
use crate::StateError;
use crate::merkle::{self, Tree};
use crate::read::{Lines, RawLine, number, time};

/// How many bytes are read between reports of progress.
const STEP: u64 = 8 << 20;

/// What reading a segment showed.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) covered: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) notices: Vec<Finding>,
    pub(super) intents: Vec<Intent>,
}

/// What the lines are, before it is compared.
#[derive(Debug, Default)]
struct Pass {
    tree: Tree,
    bytes: u64,
    is_torn: bool,
    /// The first line that no claim covers and that does not have its number.
    gap: Option<u64>,
    /// The size of the largest claim that is right.
    right: u64,
    /// The claims that are wrong, and the size of the largest right one that is smaller.
    wrong: Vec<Claim>,
    before: u64,
    intents: Intents,
    tail: Tail,
}

/// The lines that no claim covers: whether a process that died can have left them unsigned.
#[derive(Debug, Default)]
struct Tail {
    /// The times of the first one and of the newest one.
    times: Option<(SystemTime, SystemTime)>,
    /// Whether the process that wrote the segment has ended in good order.
    is_ended: bool,
    /// The first line that no such process wrote.
    foreign: Option<(u64, &'static str)>,
}

#[derive(Deserialize)]
struct Seen {
    #[serde(default)]
    event: String,
}

impl Tail {
    /// Looks at the last line that is covered, and at those behind it.
    fn see(&mut self, line: &RawLine<'_>, covered: u64) {
        let event =
            serde_json::from_slice(line.bytes).map_or(String::new(), |seen: Seen| seen.event);
        let was_ended = self.is_ended;
        match event.as_str() {
            "stopped" => self.is_ended = true,
            "started" => self.is_ended = false,
            _ => {}
        }
        if line.number <= covered {
            return;
        }
        let foreign = match humantime::parse_rfc3339(time(line.bytes)) {
            Ok(time) => {
                let (first, last) = self.times.unwrap_or((time, time));
                self.times = Some((first, last.max(time)));
                let span = last.max(time).duration_since(first).unwrap_or_default();
                (span > LATE)
                    .then_some("a server signs within a second or two, and these span more")
            }
            Err(_) => Some("they have no time"),
        };
        let is_call = matches!(event.as_str(), "call" | "intent");
        let foreign = foreign.or((was_ended && is_call)
            .then_some("the server had stopped before, and signs everything when it stops"));
        if let Some(why) = foreign {
            self.foreign.get_or_insert((line.number, why));
        }
    }
}

/// How long records of a process may wait for their checkpoint: several times what it takes.
const LATE: Duration = Duration::from_secs(5);

const COPY: &str =
    "compare with a copy of the log; whoever can write to this folder can have done it";

/// Reads a segment and compares it with what is claimed of it.
pub(super) fn check(server: &Server, claimed: &Claimed, progress: &(dyn Fn(u64) + Sync)) -> Read {
    let is_live = is_live(&claimed.path);
    let pass = match pass(claimed, progress) {
        Ok(pass) => pass,
        Err(error) => {
            let remedy = "make the file readable to whoever verifies";
            let kind = Kind::Unreadable;
            let finding =
                server.finding(&claimed.path, None, kind, error.source.to_string(), remedy);
            return Read { findings: vec![finding], ..Read::default() };
        }
    };
    let mut read = Read {
        records: pass.tree.size(),
        bytes: pass.bytes,
        covered: pass.right,
        ..Read::default()
    };
    if !pass.wrong.is_empty() {
        read.findings.extend(diagnose::diagnose(server, claimed, &pass.wrong, pass.before));
    }
    unsigned(server, claimed, &pass, &mut read);
    uncovered(server, claimed, &pass, is_live, &mut read);
    read.intents = pass.intents.left(server, &claimed.path, is_live, pass.bytes);
    read
}

fn pass(claimed: &Claimed, progress: &(dyn Fn(u64) + Sync)) -> Result<Pass, StateError> {
    let mut pass = Pass::default();
    let mut claims = claimed.claims.iter().peekable();
    let covered = claimed.claims.iter().map(|claim| claim.size).max().unwrap_or(0);
    let mut lines = Lines::open(&claimed.path)?;
    let mut told = 0;
    while let Some(line) = lines.next_line()? {
        if line.is_torn {
            pass.is_torn = true;
            break;
        }
        pass.tree.push(merkle::leaf(line.bytes));
        pass.bytes += line.bytes.len() as u64 + 1;
        pass.intents.see(&line);
        if claimed.has_checkpoint && line.number >= covered {
            pass.tail.see(&line, covered);
        }
        if line.number > covered && pass.gap.is_none() && number(line.bytes) != Some(line.number) {
            pass.gap = Some(line.number);
        }
        let before = pass.right;
        while let Some(claim) = claims.next_if(|claim| claim.size == line.number) {
            if claim.root == pass.tree.root() {
                pass.right = claim.size;
            } else {
                pass.before = if pass.wrong.is_empty() { before } else { pass.before };
                pass.wrong.push(claim.clone());
            }
        }
        if pass.bytes - told >= STEP {
            progress(pass.bytes - told);
            told = pass.bytes;
        }
    }
    progress(pass.bytes - told);
    pass.before = if pass.wrong.is_empty() { pass.right } else { pass.before };
    pass.wrong.extend(claims.filter(|claim| claim.size > 0).cloned());
    Ok(pass)
}

/// Whether a process has the segment to itself.
fn is_live(path: &std::path::Path) -> bool {
    let file = std::fs::File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock)))
}

/// What there is to say about a segment without a checkpoint.
fn unsigned(server: &Server, claimed: &Claimed, pass: &Pass, read: &mut Read) {
    let path = &claimed.path;
    let (size, has_first) = (pass.tree.size(), claimed.first.is_some());
    // Beginning a segment is writing its first line and its checkpoint, in this order.
    let is_begun = size == 0 || (has_first && size == 1 && !pass.is_torn);
    if claimed.has_checkpoint || is_begun {
        return;
    }
    if server.has_keys && (has_first || !server.is_older_than_keys(path)) {
        let what = "there is no checkpoint beside the segment, and no signed line says that there never was one: changes in it do not show, or all of it was put there";
        let kind = Kind::CheckpointMissing;
        let finding = server.finding(path, None, kind, what.to_owned(), COPY);
        read.findings.push(finding);
        return;
    }
    let what = if server.has_keys {
        "written by a version that signed nothing: only the numbers of its lines were checked"
    } else {
        "there is neither a checkpoint nor a key: written by a version that signed nothing, or both were taken away; only the numbers of its lines were checked"
    };
    let remedy = "give the key you kept elsewhere with --key, if there is one; the segments after it are signed";
    read.notices.push(server.finding(path, None, Kind::Unsigned, what.to_owned(), remedy));
}

/// What there is to say about lines that no claim covers.
fn uncovered(server: &Server, claimed: &Claimed, pass: &Pass, is_live: bool, read: &mut Read) {
    let path: &PathBuf = &claimed.path;
    let (size, covered) =
        (pass.tree.size(), claimed.claims.iter().map(|claim| claim.size).max().unwrap_or(0));
    if let Some(line) = pass.gap {
        let what = format!(
            "line {line} does not have the number {line}: a line before it is gone, or was moved or added"
        );
        read.findings.push(server.finding(path, Some(line), Kind::Gap, what, COPY));
    }
    if is_live {
        return;
    }
    if pass.is_torn && size >= covered {
        let what = "half a line at the end: the process or the machine died while it was written; its call was not answered";
        let remedy = "nothing; a new segment was begun, or will be";
        let line = Some(size + 1);
        read.notices.push(server.finding(path, line, Kind::Torn, what.to_owned(), remedy));
    }
    if size <= covered || !claimed.has_checkpoint {
        return;
    }
    if let Some((line, why)) = pass.tail.foreign {
        let what = format!(
            "lines {} to {size} are signed by nobody, and that a process died before it could does not explain it ({why}): they were added or changed, or the checkpoint is an old one",
            covered + 1
        );
        let kind = Kind::CheckpointMissing;
        read.findings.push(server.finding(path, Some(line), kind, what, COPY));
        return;
    }
    let what = format!(
        "no checkpoint covers lines {} to {size}: the process was killed before it could sign them, or somebody wrote them; only their numbers and times were checked",
        covered + 1
    );
    let remedy = "compare them with what is known of the crash: edits in these lines do not show";
    let line = Some(covered + 1);
    read.notices.push(server.finding(path, line, Kind::Uncovered, what, remedy));
}

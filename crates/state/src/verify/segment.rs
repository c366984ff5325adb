//! The one pass over the lines of a segment.

use std::path::PathBuf;

use super::claims::{Claim, Claimed, Server};
use super::diagnose;
use super::intents::{Intent, Intents};
use super::{Finding, Kind};
use crate::StateError;
use crate::merkle::{self, Tree};
use crate::read::{Lines, number};

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
}

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
    // Beginning a segment is writing its first line and its checkpoint, in this order.
    if claimed.has_checkpoint || pass.tree.size() + u64::from(pass.is_torn) <= 1 {
        return;
    }
    let is_signed_before = |other: &Claimed| other.path < *path && other.first.is_some();
    if claimed.first.is_some() || server.segments.iter().any(is_signed_before) {
        let what = "there is no checkpoint beside the segment, so that changes in it may not show";
        let kind = Kind::CheckpointMissing;
        let finding = server.finding(path, None, kind, what.to_owned(), COPY);
        read.findings.push(finding);
    } else {
        let what =
            "written by a version that signed nothing: only the numbers of its lines were checked";
        let remedy = "nothing; the segments after it are signed";
        read.notices.push(server.finding(path, None, Kind::Unsigned, what.to_owned(), remedy));
    }
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
    if size > covered && claimed.has_checkpoint {
        let what = format!(
            "lines {} to {size} were written after the last checkpoint: the process was killed before it could sign them; their numbers are whole",
            covered + 1
        );
        let remedy = "nothing; edits in these lines would not show";
        let line = Some(covered + 1);
        read.notices.push(server.finding(path, line, Kind::Uncovered, what, remedy));
    }
}

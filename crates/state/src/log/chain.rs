//! How a segment knows the segments before it, so that none can disappear unseen.
//!
//! The first line of each segment names every segment that may have changed since the segment
//! before it was begun: the one before it, and those that other processes wrote meanwhile. Every
//! segment but the newest is thus named by a later one.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::line::Named;
use super::sealed::checkpoint_path;
use crate::note::{Checkpoint, VerifyingKey, encode_hash};
use crate::read::{self, Lines};
use crate::{StateError, note};

/// How far the clocks of a file system and of names may be apart.
const SLACK: Duration = Duration::from_mins(1);

/// What a first line says, where it is that of a segment.
#[derive(Debug, Deserialize)]
pub(crate) struct First {
    event: String,
    /// The key of the server when the segment was begun.
    pub(crate) key: String,
    /// The segments before it.
    pub(crate) segments: Vec<Named>,
}

impl First {
    /// Reads a first line; `None` for a segment of a version that wrote none.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let first: Self = serde_json::from_slice(line).ok()?;
        (first.event == "segment").then_some(first)
    }

    /// The first line of a file; `None` when there is no such line.
    fn of(segment: &Path) -> Result<Option<Self>, StateError> {
        let mut lines = Lines::open(segment)?;
        Ok(lines.next_line()?.and_then(|line| Self::parse(line.bytes)))
    }
}

/// What a segment that is about to be begun in `folder` says of those before it.
/// `is_first_key`: what is there unsigned is of a version that signed nothing.
pub(crate) fn before(
    folder: &Path,
    keys: &[VerifyingKey],
    is_first_key: bool,
) -> Result<Vec<Named>, StateError> {
    let segments = read::segments(folder)?;
    let since = since(&segments)?;
    let mut named = Vec::new();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        if is_last || has_changed(segment, since)? {
            named.push(name(segment, keys, is_first_key));
        }
    }
    Ok(named)
}

/// Since when changes are not named yet: when the newest segment was begun that names others.
/// `None`: never, so that all are.
fn since(segments: &[PathBuf]) -> Result<Option<SystemTime>, StateError> {
    for segment in segments.iter().rev() {
        if std::fs::metadata(segment).map_err(StateError::at(segment))?.len() == 0 {
            continue;
        }
        let began = read::began(segment).and_then(|time| humantime::parse_rfc3339(&time).ok());
        return Ok(First::of(segment)?.and(began).and_then(|began| began.checked_sub(SLACK)));
    }
    Ok(None)
}

fn has_changed(segment: &Path, since: Option<SystemTime>) -> Result<bool, StateError> {
    let Some(since) = since else { return Ok(true) };
    let file = std::fs::metadata(segment).map_err(StateError::at(segment))?;
    Ok(file.modified().map_err(StateError::at(segment))? >= since)
}

/// A segment with what its checkpoint says, if the key of the server signed it. Where none of its
/// lines is signed although there was a key, it is said to have none: who took the checkpoint away
/// cannot make the server say that there never was one.
fn name(segment: &Path, keys: &[VerifyingKey], is_first_key: bool) -> Named {
    let name = read::name(segment).to_owned();
    let note = std::fs::read_to_string(checkpoint_path(segment)).unwrap_or_default();
    let known = Checkpoint::open(&note, keys).ok();
    let signed = known.as_ref().map(|checkpoint| checkpoint.size);
    Named {
        name,
        records: signed.or((!is_first_key).then_some(0)),
        root: known.as_ref().map(|checkpoint| note::encode_hash(&checkpoint.root)),
    }
}

/// A segment whose tree is known, in place of what its checkpoint says.
pub(crate) fn replace(
    named: &mut Vec<Named>,
    segment: &Path,
    size: u64,
    root: &crate::merkle::Hash,
) {
    let name = read::name(segment);
    named.retain(|other| other.name != name);
    let (records, root) = (Some(size), Some(encode_hash(root)));
    named.push(Named { name: name.to_owned(), records, root });
}

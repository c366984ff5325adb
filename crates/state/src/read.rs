//! Reading the log back.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::StateError;

/// The last `count` records of a folder, oldest first, over all its segments. Torn lines are
/// left out.
pub fn tail(folder: &Path, count: usize) -> Result<Vec<Value>, StateError> {
    let mut records: Vec<Value> = Vec::new();
    for path in segments(folder)?.iter().rev() {
        let text = std::fs::read(path).map_err(StateError::at(path))?;
        records.extend(text.split(|byte| *byte == b'\n').rev().filter_map(|line| {
            if line.is_empty() { None } else { serde_json::from_slice::<Value>(line).ok() }
        }));
        if records.len() >= count {
            break;
        }
    }
    // Collected from the end; records of one millisecond keep the order they were written in.
    records.reverse();
    records.sort_by(|left, right| left["time"].as_str().cmp(&right["time"].as_str()));
    Ok(records.split_off(records.len().saturating_sub(count)))
}

/// The segments of a folder, oldest first.
pub(crate) fn segments(folder: &Path) -> Result<Vec<PathBuf>, StateError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(StateError::at(folder))? {
        let path = entry.map_err(StateError::at(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// The number of the last record of a segment; 0 when it is empty, `None` when its last line is
/// torn.
pub(crate) fn last_sequence(path: &Path, length: u64) -> Result<Option<u64>, StateError> {
    if length == 0 {
        return Ok(Some(0));
    }
    let mut file = File::open(path).map_err(StateError::at(path))?;
    let mut take = 4096u64;
    loop {
        let start = length.saturating_sub(take);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))
            .and_then(|_| (&file).take(length - start).read_to_end(&mut bytes))
            .map_err(StateError::at(path))?;
        let Some(body) = bytes.strip_suffix(b"\n") else { return Ok(None) };
        let begin = body.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        if begin.is_none() && start > 0 {
            take *= 4;
            continue;
        }
        let line: Option<Value> = serde_json::from_slice(&body[begin.unwrap_or(0)..]).ok();
        return Ok(line.and_then(|line| line["sequence"].as_u64()));
    }
}

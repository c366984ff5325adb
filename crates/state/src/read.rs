//! Reading the log back: the raw lines of one segment ([`Lines`]), of a whole folder in the order
//! of time ([`for_each_line`]), or its newest records ([`tail`]).
//!
//! A line is handed out as it stands in the file, without its line feed: what was hashed, and
//! what `grep` shows. Nothing is parsed that is not asked for.

mod lines;
mod merge;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::StateError;

pub use lines::{Lines, RawLine, time};
pub(crate) use lines::{call_of, number};
pub use merge::for_each_line;

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

/// The segments of a folder of records, by the time they were begun, oldest first.
pub fn segments(folder: &Path) -> Result<Vec<PathBuf>, StateError> {
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

/// The name of a segment: its file without folder and ending.
pub fn name(segment: &Path) -> &str {
    segment.file_stem().and_then(|name| name.to_str()).unwrap_or_default()
}

/// When a segment was begun, by its name, in the form of a record's time; `None` for a name that
/// the log did not give.
pub fn began(segment: &Path) -> Option<String> {
    let digits = name(segment).split('-').next()?;
    if digits.len() != 19 || !digits.is_ascii() || !digits.ends_with('Z') {
        return None;
    }
    let part = |from: usize, to: usize| &digits[from..to];
    Some(format!(
        "{}-{}-{}T{}:{}:{}.{}Z",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(9, 11),
        part(11, 13),
        part(13, 15),
        part(15, 18)
    ))
}

/// The last whole line of a segment, without its line feed; `None` when there is none. A torn
/// line behind it is passed over.
pub fn last_line(segment: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let mut file = File::open(segment).map_err(StateError::at(segment))?;
    let length = file.metadata().map_err(StateError::at(segment))?.len();
    let mut take = 4096u64;
    loop {
        let start = length.saturating_sub(take);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))
            .and_then(|_| (&file).take(length - start).read_to_end(&mut bytes))
            .map_err(StateError::at(segment))?;
        if let Some(end) = memchr::memrchr(b'\n', &bytes) {
            let begin = memchr::memrchr(b'\n', &bytes[..end]).map(|at| at + 1);
            if let Some(begin) = begin.or((start == 0).then_some(0)) {
                return Ok(Some(bytes[begin..end].to_vec()));
            }
        }
        if start == 0 {
            return Ok(None);
        }
        take *= 4;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_segment_says_when_it_was_begun() {
        let at = |name: &str| began(Path::new(name));
        let time = at("/x/20261122T103436123Z-0a1b2c3d.jsonl");
        assert_eq!(time.as_deref(), Some("2026-11-22T10:34:36.123Z"));
        assert_eq!(at("notes.jsonl"), None);
    }

    #[test]
    fn the_last_whole_line_is_found_however_long_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl");
        let last = |text: &str| {
            std::fs::write(&path, text).expect("written");
            last_line(&path).expect("read").map(|line| String::from_utf8(line).expect("text"))
        };
        let long = "x".repeat(10_000);
        assert_eq!(last(""), None);
        assert_eq!(last("torn"), None);
        assert_eq!(last("one\n").as_deref(), Some("one"));
        assert_eq!(last("one\ntwo\nto").as_deref(), Some("two"));
        assert_eq!(last(&format!("one\n{long}\n")).as_deref(), Some(long.as_str()));
        assert_eq!(last(&format!("one\ntwo\n{long}")).as_deref(), Some("two"));
    }
}

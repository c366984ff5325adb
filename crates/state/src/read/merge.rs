//! The lines of a folder in the order of time.
//!
//! Processes of one server write segments of their own at the same time. Where they overlap they
//! are merged; where they do not, they are read one after the other, which is nearly always.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::lines::{Lines, RawLine, time};
use super::{began, last_line, segments};
use crate::StateError;

/// A segment, and when it was begun.
struct Span {
    path: PathBuf,
    first: String,
}

/// Calls `each` with every line of a folder of records in the order of time, until it breaks.
///
/// `from` is a time (RFC 3339 in UTC, such as `2026-11-22T10:34:36.123Z`, or the beginning of one):
/// segments that ended before it are not read. Lines of one segment keep the order in which they
/// were written. Torn lines are handed out as such; what cannot be read is an error.
pub fn for_each_line(
    folder: &Path,
    from: Option<&str>,
    mut each: impl FnMut(&Path, RawLine<'_>) -> ControlFlow<()>,
) -> Result<(), StateError> {
    let mut group: Vec<Span> = Vec::new();
    let mut until = String::new();
    for path in segments(folder)? {
        let last = last_line(&path)?.map(|line| time(&line).to_owned()).unwrap_or_default();
        if from.is_some_and(|from| last.as_str() < from && !last.is_empty()) {
            continue;
        }
        let first = began(&path).unwrap_or_default();
        if first > until && !group.is_empty() && merge(&mut group, from, &mut each)?.is_break() {
            return Ok(());
        }
        until = until.max(last);
        group.push(Span { path, first });
    }
    merge(&mut group, from, &mut each).map(drop)
}

/// A segment that is being read, and the time of the line that comes next.
struct Reader {
    lines: Lines,
    next: Vec<u8>,
    number: u64,
    is_torn: bool,
    time: String,
}

impl Reader {
    fn open(path: &Path) -> Result<Option<Self>, StateError> {
        let lines = Lines::open(path)?;
        let (next, time) = (Vec::new(), String::new());
        let mut reader = Self { lines, next, number: 0, is_torn: false, time };
        Ok(reader.advance()?.then_some(reader))
    }

    /// Takes the next line; `false` at the end. A clock that steps back does not reorder a segment.
    fn advance(&mut self) -> Result<bool, StateError> {
        let Some(line) = self.lines.next_line()? else { return Ok(false) };
        self.next.clear();
        self.next.extend_from_slice(line.bytes);
        (self.number, self.is_torn) = (line.number, line.is_torn);
        let time = time(&self.next);
        if time > self.time.as_str() {
            self.time.clear();
            self.time.push_str(time);
        }
        Ok(true)
    }
}

/// Hands out segments whose times overlap, and empties the group.
fn merge(
    group: &mut Vec<Span>,
    from: Option<&str>,
    each: &mut impl FnMut(&Path, RawLine<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StateError> {
    let is_before = |line: &[u8]| from.is_some_and(|from| time(line) < from);
    let spans = std::mem::take(group);
    if let [span] = &spans[..] {
        let mut lines = Lines::open(&span.path)?;
        let from_begin = from.is_none_or(|from| span.first.as_str() >= from);
        while let Some(line) = lines.next_line()? {
            if (from_begin || !is_before(line.bytes)) && each(&span.path, line).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        return Ok(ControlFlow::Continue(()));
    }
    let mut readers: Vec<Reader> = Vec::new();
    for span in &spans {
        readers.extend(Reader::open(&span.path)?);
    }
    // Few processes serve one server at a time: looking through them all is as fast as a heap.
    while let Some(at) = (0..readers.len()).min_by(|a, b| readers[*a].time.cmp(&readers[*b].time)) {
        let reader = &mut readers[at];
        let line = RawLine { number: reader.number, bytes: &reader.next, is_torn: reader.is_torn };
        if !is_before(line.bytes) && each(reader.lines.path(), line).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if !reader.advance()? {
            readers.remove(at);
        }
    }
    Ok(ControlFlow::Continue(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(segments: &[(&str, &[&str])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, seconds) in segments {
            let line = |second| format!("{{\"time\":\"2026-01-01T00:00:{second}.000Z\"}}\n");
            let lines: Vec<String> = seconds.iter().map(line).collect();
            let path = folder.path().join(format!("20260101T0000{name}000Z-00000000.jsonl"));
            std::fs::write(path, lines.concat()).expect("written");
        }
        folder
    }

    fn seconds(folder: &Path, from: Option<&str>, count: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for_each_line(folder, from, |_, line| {
            seen.push(time(line.bytes)[17..19].to_owned());
            if seen.len() == count { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .expect("read");
        seen
    }

    #[test]
    fn overlapping_segments_are_merged_by_time() {
        let folder =
            folder(&[("01", &["01", "02", "05"]), ("03", &["03", "06"]), ("07", &["07", "08"])]);
        let all = seconds(folder.path(), None, 99);
        assert_eq!(all, ["01", "02", "03", "05", "06", "07", "08"]);
        let late = seconds(folder.path(), Some("2026-01-01T00:00:05"), 99);
        assert_eq!(late, ["05", "06", "07", "08"]);
        assert_eq!(seconds(folder.path(), None, 2), ["01", "02"]);
        assert_eq!(seconds(folder.path(), Some("2026-01-01T00:00:08"), 99), ["08"]);
    }

    #[test]
    fn a_clock_that_steps_back_loses_and_reorders_nothing() {
        let folder = folder(&[("01", &["09", "02", "03"]), ("05", &["05", "06"])]);
        let all = seconds(folder.path(), None, 99);
        assert_eq!(all.len(), 5);
        let own: Vec<_> =
            all.iter().filter(|second| ["09", "02", "03"].contains(&second.as_str())).collect();
        assert_eq!(own, ["09", "02", "03"]);
    }
}

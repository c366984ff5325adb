//! The segments of the log, cut into blocks.
//!
//! A block is 1 MiB of whole lines. Its first line and that of the next block say which period
//! it covers; a block that lies outside the wanted period is not read. Since a clock may have
//! been wrong for a while in between, a block is only passed over when both ends lie outside by
//! an hour and the segment is no small one, or never if the reader asks for everything.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::entry::Entry;
use super::select::Selection;

/// The length of a block in bytes; small enough for the processor's cache.
const BLOCK: u64 = 1 << 20;

/// A segment up to this length is always read.
const SMALL: u64 = 256 << 10;

/// How wrong a clock may be without a record being missed, in milliseconds.
const SLACK: u64 = 60 * 60 * 1000;

/// One segment, as long as it was when it was looked at.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    /// The folder of the server.
    pub(super) server: String,
    pub(super) path: PathBuf,
    /// Up to the last whole line.
    pub(super) length: u64,
    /// Whether half a line follows.
    pub(super) torn: bool,
}

/// Some lines of a segment.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) segment: usize,
    pub(super) bytes: Range<u64>,
    /// The times of the first line in it and after it.
    pub(super) earliest: u64,
    pub(super) latest: u64,
}

impl Block {
    /// In bytes.
    pub(super) fn length(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

/// The segments of all servers that are meant, by server and age.
pub(super) fn segments(state: &Path, selection: &Selection) -> anyhow::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for (server, folder) in super::folders(state)? {
        if selection.takes_server(&server) {
            for path in state::read::segments(&folder.join("records"))? {
                found.push(segment(server.clone(), path)?);
            }
        }
    }
    Ok(found)
}

fn segment(server: String, path: PathBuf) -> anyhow::Result<Segment> {
    let at = || path.display().to_string();
    let file = File::open(&path).with_context(at)?;
    let length = file.metadata().with_context(at)?.len();
    let whole = end_of_lines(&file, length).with_context(at)?;
    Ok(Segment { server, length: whole, torn: whole < length, path })
}

/// Where the last whole line ends.
fn end_of_lines(file: &File, length: u64) -> std::io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(64 << 10);
        let bytes = read(file, start..end)?;
        if let Some(at) = memchr::memrchr(b'\n', &bytes) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

fn read(file: &File, bytes: Range<u64>) -> std::io::Result<Vec<u8>> {
    let length = usize::try_from(bytes.end - bytes.start).map_err(std::io::Error::other)?;
    let mut buffer = vec![0; length];
    file.read_exact_at(&mut buffer, bytes.start)?;
    Ok(buffer)
}

/// Cuts the segments into blocks, without those that cannot hold a wanted record.
pub(super) fn blocks(segments: &[Segment], selection: &Selection) -> anyhow::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for (index, segment) in segments.iter().enumerate().filter(|(_, it)| it.length > 0) {
        let at = || segment.path.display().to_string();
        let file = File::open(&segment.path).with_context(at)?;
        let mut starts = Vec::new();
        for cut in (0..segment.length).step_by(usize::try_from(BLOCK)?) {
            let line = line_after(&file, cut, segment.length).with_context(at)?;
            if let Some((start, millis)) = line
                && starts.last().is_none_or(|(last, _)| *last < start)
            {
                starts.push((start, millis));
            }
        }
        let last = last_line(&file, segment.length).with_context(at)?;
        starts.push((segment.length, last));
        blocks.extend(starts.windows(2).map(|pair| {
            let ((start, first), (end, after)) = (pair[0], pair[1]);
            let known = first.zip(after);
            Block {
                segment: index,
                bytes: start..end,
                earliest: known.map_or(0, |(first, after)| first.min(after)),
                latest: known.map_or(u64::MAX, |(first, after)| first.max(after)),
            }
        }));
    }
    if let Some(period) = selection.period.clone().filter(|_| !selection.thorough) {
        blocks.retain(|block| {
            segments[block.segment].length <= SMALL
                || (block.latest.saturating_add(SLACK) >= period.start
                    && block.earliest.saturating_sub(SLACK) < period.end)
        });
    }
    Ok(blocks)
}

/// The place and time of the first line that begins at `cut` or after it.
fn line_after(file: &File, cut: u64, length: u64) -> std::io::Result<Option<(u64, Option<u64>)>> {
    // The byte before the cut says whether a line begins there.
    let from = cut.saturating_sub(1);
    let mut take = 4 << 10;
    loop {
        let bytes = read(file, from..length.min(from + take))?;
        let start = match cut {
            0 => Some(0),
            _ => memchr::memchr(b'\n', &bytes).map(|at| at + 1),
        };
        if let Some(start) = start
            && let Some(size) = memchr::memchr(b'\n', &bytes[start..])
        {
            let time = Entry::parse(&bytes[start..start + size]).and_then(|entry| entry.millis());
            return Ok(Some((from + start as u64, time)));
        }
        if from + take >= length {
            return Ok(None);
        }
        take *= 4;
    }
}

/// The time of the last line that ends at `length`.
fn last_line(file: &File, length: u64) -> std::io::Result<Option<u64>> {
    let mut take = 4 << 10;
    loop {
        let from = length.saturating_sub(take);
        let bytes = read(file, from..length)?;
        let body = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let start = memchr::memrchr(b'\n', body).map(|at| at + 1);
        if let Some(start) = start.or((from == 0).then_some(0)) {
            return Ok(Entry::parse(&body[start..]).and_then(|entry| entry.millis()));
        }
        take *= 4;
    }
}

//! `suite audit tail`: the newest records, and with --follow those that come.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::entry::Entry;
use super::output::{Output, Progress};
use super::reading::Reading;
use super::scan::{self, Order};
use super::search::show;
use super::segments::{self, Segment};
use super::select::{Filters, Selection};

/// `suite audit tail …`.
#[derive(Args)]
pub(super) struct TailArgs {
    /// How many records
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    lines: usize,
    /// Go on with the records that come, also in new segments and of new servers
    #[arg(short, long)]
    follow: bool,
    /// Only these servers: the names of their folders
    #[arg(long, value_name = "GLOB", value_delimiter = ',')]
    server: Vec<String>,
    /// The records as they are in the log, one line of JSON each
    #[arg(long)]
    json: bool,
}

/// How often new records are looked for.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn run(reading: &Reading, args: &TailArgs) -> anyhow::Result<ExitCode> {
    let filters = Filters { server: args.server.clone(), ..Filters::default() };
    let selection = Selection::new(&filters, 0)?;
    // What is followed begins exactly where what is shown now ends.
    let segments = reading.segments(&selection)?;
    let mut output = Output::screen();
    let mut newest = Vec::new();
    let progress = Progress::start();
    let said = |done, total| progress.at(done, total);
    let tally = if args.lines == 0 {
        scan::Tally::default()
    } else {
        scan::each(&segments, &selection, Order::Newest, &said, |found| {
            newest.push(found.line);
            let is_enough = newest.len() >= args.lines;
            Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?
    };
    progress.end(&tally);
    for line in newest.iter().rev() {
        if show(&mut output, line, args.json)?.is_break() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if args.follow {
        let mut follower = Follower::new(&segments);
        while output.flush()?.is_continue() {
            // A look now and then, since not every file system tells of what is written, and
            // rotation makes new files. Only the person at this terminal waits.
            std::thread::sleep(LOOK);
            for line in follower.new_lines(&segments::segments(&reading.state, &selection)?)? {
                if show(&mut output, &line, args.json)?.is_break() {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Remembers how far each segment was read.
struct Follower {
    read: BTreeMap<PathBuf, u64>,
}

impl Follower {
    fn new(segments: &[Segment]) -> Self {
        let read = segments.iter().map(|segment| (segment.path.clone(), segment.length));
        Self { read: read.collect() }
    }

    /// The lines that came since the last look, in the order of time.
    fn new_lines(&mut self, segments: &[Segment]) -> anyhow::Result<Vec<Vec<u8>>> {
        let mut lines: Vec<(Option<u64>, Vec<u8>)> = Vec::new();
        for segment in segments {
            let from = self.read.entry(segment.path.clone()).or_default();
            if segment.length > *from {
                let mut bytes = vec![0; usize::try_from(segment.length - *from)?];
                File::open(&segment.path)?.read_exact_at(&mut bytes, *from)?;
                let new = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let mut millis = None;
                lines.extend(new.map(|line| {
                    millis = Entry::parse(line).and_then(|entry| entry.millis()).or(millis);
                    (millis, line.to_vec())
                }));
                *from = segment.length;
            }
        }
        lines.sort_by_key(|(millis, _)| *millis);
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_new_line_is_followed_once_also_in_new_segments() {
        let folder = tempfile::tempdir().expect("a folder");
        let records = folder.path().join("docs/records");
        std::fs::create_dir_all(&records).expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(records.join(name), text).expect("written");
        };
        let look = || {
            let selection = Selection::new(&Filters::default(), 0).expect("all");
            segments::segments(folder.path(), &selection).expect("segments")
        };
        write("1.jsonl", "{\"a\":1}\n");
        let mut follower = Follower::new(&look());
        let mut new = || -> Vec<String> {
            let lines = follower.new_lines(&look()).expect("lines");
            lines.into_iter().map(|line| String::from_utf8(line).expect("text")).collect()
        };
        assert!(new().is_empty());
        write("1.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"half");
        assert_eq!(new(), ["{\"a\":2}"]);
        write("1.jsonl", "{\"a\":1}\n{\"a\":2}\n{\"half\":0}\n");
        write("2.jsonl", "{\"b\":1}\n");
        assert_eq!(new(), ["{\"half\":0}", "{\"b\":1}"]);
        assert!(new().is_empty());
    }
}

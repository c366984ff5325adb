//! What is known of a run besides its report, put as the judge takes it.

use std::fs::File;
use std::io::{BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reports::{CtrfRun, Delivery, Evidence, Progress, Report, Stopped};
use sandbox::{Ended, Exit, Kept, Stop};

use super::coverage::is_coverage;
use super::origin;
use crate::settings::{Paths, Stream};
use crate::store::{Finish, Run};
use crate::suite::Suite;
use crate::wire::Outcome;

/// The report's files, or why there is none to read.
pub(super) struct Inputs {
    /// The files in their order.
    pub(super) files: Result<Vec<PathBuf>, Delivery>,
    /// How many bytes of them the program wrote.
    bytes: Option<u64>,
}

/// The files of the report.
pub(super) fn inputs(suite: &Suite, run: &Run, folder: &Path, outcome: &Outcome) -> Inputs {
    let none = |delivery| Inputs { files: Err(delivery), bytes: None };
    let (Outcome::Ended(ended), Some(report)) = (outcome, &suite.settings.report) else {
        return none(Delivery::Missing);
    };
    if let Some(stream) = report.stream {
        let (name, kept) = match stream {
            Stream::Stdout => ("stdout", &ended.stdout),
            Stream::Stderr => ("stderr", &ended.stderr),
        };
        return printed(folder.join(name), kept);
    }
    // One file that is not right is enough: what it would have said is not known.
    let (mut files, mut bytes) = (Vec::new(), 0);
    let declared = report.path.as_ref().map(Paths::all).unwrap_or_default();
    for one in ended.collected.iter().filter(|one| !is_coverage(suite, one)) {
        match origin::own(suite, run, one, declared) {
            Ok(file) => files.push(file.to_owned()),
            Err(delivery) => return none(delivery),
        }
        bytes += one.bytes;
    }
    if files.is_empty() {
        none(Delivery::Missing)
    } else {
        Inputs { files: Ok(files), bytes: Some(bytes) }
    }
}

fn printed(file: PathBuf, kept: &Kept) -> Inputs {
    let files = match kept {
        Kept { broken: true, .. } => Err(Delivery::Cut),
        Kept { total, kept, .. } if total != kept => Err(Delivery::Cut),
        Kept { total: 0, .. } => Err(Delivery::Missing),
        _ => Ok(vec![file]),
    };
    Inputs { files, bytes: Some(kept.total) }
}

/// All that is known of the run.
pub(super) fn evidence(
    suite: &Suite,
    folder: &Path,
    outcome: &Outcome,
    inputs: &Inputs,
) -> Evidence {
    let (exit, stopped) = match outcome {
        Outcome::Ended(ended) => (ended.exit, ended.by.as_ref().map(|by| stopped(by, suite))),
        Outcome::Refused(why) => (None, Some(Stopped::NotStarted(why.clone()))),
        Outcome::Cancelled => (None, Some(Stopped::Cancelled)),
        Outcome::Lost => (None, Some(Stopped::Interrupted)),
    };
    let exit = exit.map(|exit| match exit {
        Exit::Code(code) => reports::Exit::Code(code),
        Exit::Signal(signal) => reports::Exit::Signal(signal),
    });
    Evidence {
        exit,
        stopped,
        delivery: inputs.files.as_ref().err().cloned().unwrap_or(Delivery::Whole),
        bytes: inputs.bytes,
        printed: summary(folder, outcome),
    }
}

fn stopped(by: &Stop, suite: &Suite) -> Stopped {
    let settings = &suite.settings;
    match by {
        Stop::Limit(which) => {
            let limit = match which {
                sandbox::Limit::Wall => format!("`time` of {} s", settings.time.unwrap_or(600)),
                sandbox::Limit::Cpu => format!("`cpu` of {} s", settings.cpu.unwrap_or_default()),
                sandbox::Limit::Memory => {
                    format!("`memory` of {} MiB", settings.memory.unwrap_or(2048))
                }
                sandbox::Limit::Processes => {
                    format!("`processes` of {}", settings.processes.unwrap_or(256))
                }
                sandbox::Limit::Disk => format!("`disk` of {} MiB", settings.disk.unwrap_or(2048)),
            };
            Stopped::Limit(limit)
        }
        Stop::Cancelled => Stopped::Cancelled,
        Stop::NotStarted(why) => Stopped::NotStarted(why.clone()),
        Stop::Lost(_) => Stopped::Interrupted,
    }
}

/// The summary that the program printed, if all of its output is there.
fn summary(folder: &Path, outcome: &Outcome) -> Option<reports::Printed> {
    let Outcome::Ended(ended) = outcome else { return None };
    let mut progress = Progress::default();
    let streams = [
        ("stdout", reports::Stream::Out, &ended.stdout),
        ("stderr", reports::Stream::Err, &ended.stderr),
    ];
    for (name, stream, kept) in streams {
        if kept.total == kept.kept {
            let mut file = File::open(folder.join(name)).ok()?;
            let mut bytes = vec![0; 64 << 10];
            while let Ok(read) = file.read(&mut bytes)
                && read > 0
            {
                progress.feed(stream, &bytes[..read]);
            }
        }
    }
    progress.printed()
}

/// What is kept of how a run ended.
pub(super) fn finish(outcome: &Outcome) -> Finish {
    let Outcome::Ended(ended) = outcome else {
        let exit = match outcome {
            Outcome::Lost => "how it ended is not known",
            _ => "nothing ran",
        };
        return Finish { exit: exit.to_owned(), ..Finish::default() };
    };
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Finish {
        tier: ended.tier.to_string(),
        held: ended.held.clone(),
        exit: exit(ended),
        wall: milliseconds(ended.wall),
        cpu: milliseconds(ended.cpu),
        peak: ended.peak,
        ..Finish::default()
    }
}

fn exit(ended: &Ended) -> String {
    match ended.exit {
        Some(Exit::Code(code)) => format!("exit code {code}"),
        Some(Exit::Signal(signal)) => format!("signal {signal}"),
        None => "no exit code".to_owned(),
    }
}

/// Writes the report as JUnit and CTRF.
pub(super) fn write(run: &Run, folder: &Path, report: &Report) -> std::io::Result<()> {
    let create = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
    let mut file = create("junit.xml")?;
    reports::write_junit(report, &mut file)?;
    file.flush()?;
    let time = |time: i64| u64::try_from(time).unwrap_or(0);
    let about =
        CtrfRun { tool: &run.suite, start: time(run.created), stop: time(crate::store::now()) };
    let mut file = create("ctrf.json")?;
    reports::write_ctrf(report, &about, &mut file)?;
    file.flush()
}

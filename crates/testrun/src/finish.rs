//! From what a run left to what is known of it: the report read and judged, its failures and the
//! report in other formats written beside it.

mod coverage;
mod evidence;
mod origin;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use contract::ToolError;
use contract::text::hex;
use reports::{Bounds, Case, Report, Verdict};
use sha2::{Digest as _, Sha256};

use crate::settings::Format;
use crate::store::{Fared, Finish, Run};
use crate::suite::Suite;
use crate::wire::Outcome;

/// The failures, one line of JSON each.
const FAILURES: &str = "failures.jsonl";
/// How many failures are kept in full.
const MOST: usize = 20_000;
/// How many things that are wrong with a report are told.
const FAULTS: usize = 5;

/// Why a run without a declared report shows nothing.
const UNDECLARED: &str = "No report is declared for this suite, so nothing tells what its tests did; \
    its operator declares `report`.";

/// Folders whose files are nobody's own in a trace.
const OTHERS: &[&str] = &[
    "node_modules",
    "site-packages",
    "dist-packages",
    "vendor",
    "target",
    ".cargo",
    ".rustup",
    ".venv",
    "venv",
    ".tox",
    ".gradle",
    ".m2",
    "registry",
];

/// Reads and judges what a run left in its folder.
pub(crate) fn finish(
    suite: &Suite,
    run: &Run,
    folder: &Path,
    outcome: &Outcome,
) -> (Finish, Vec<Fared>) {
    let inputs = evidence::inputs(suite, run, folder, outcome);
    let report = inputs.files.as_ref().ok().filter(|files| !files.is_empty()).and_then(|files| {
        let format = format(suite.settings.report.as_ref()?.format);
        let opened: Result<Vec<File>, _> = files.iter().map(File::open).collect();
        let opened = opened.ok()?.into_iter().map(BufReader::new);
        Some(reports::parse(format, opened, &Bounds::default()))
    });
    let evidence = evidence::evidence(suite, folder, outcome, &inputs);
    let mut judged = reports::judge(report.as_ref(), &evidence);
    if suite.settings.report.is_none() && judged.verdict == Verdict::ReportMissing {
        UNDECLARED.clone_into(&mut judged.reason);
    }
    let mut finish = Finish {
        verdict: judged.verdict.name().to_owned(),
        why: judged.reason,
        report: inputs
            .files
            .ok()
            .filter(|files| !files.is_empty())
            .and_then(|files| digest(&files)),
        ..evidence::finish(outcome)
    };
    match coverage::coverage(suite, run, outcome) {
        Some(Ok(lines)) => finish.coverage = Some(lines),
        Some(Err(why)) => finish.uncovered = Some(why),
        None => {}
    }
    let Some(report) = report else { return (finish, Vec::new()) };
    let counts = report.counts;
    (finish.passed, finish.failed) = (counts.passed, counts.failed);
    (finish.errored, finish.skipped, finish.flaky) = (counts.errored, counts.skipped, counts.flaky);
    let faults = report.faults.iter().take(FAULTS).map(|fault| fault.detail.clone());
    finish.faults = faults.collect();
    match keep(suite, run, folder, &report) {
        Ok(kept) => finish.kept = kept,
        Err(error) => tracing::warn!(run = run.id, %error, "the results of a run were not written"),
    }
    (finish, fared(&report))
}

/// What is known of a run whose results could not even be looked at.
pub(crate) fn unread(error: &ToolError) -> (Finish, Vec<Fared>) {
    let finish = Finish {
        verdict: Verdict::ReportUnreadable.name().to_owned(),
        why: "The results could not be read; the operator's log says why.".to_owned(),
        ..Finish::default()
    };
    tracing::error!(?error, "the results of a run could not be read");
    (finish, Vec::new())
}

/// The failures of a run from a number on.
pub(crate) fn failures(folder: &Path, from: usize) -> Result<Vec<Case>, ToolError> {
    let Ok(file) = File::open(folder.join(FAILURES)) else { return Ok(Vec::new()) };
    let lines = BufReader::new(file).lines().skip(from);
    let case = |line: std::io::Result<String>| {
        serde_json::from_str(&line.map_err(ToolError::internal)?).map_err(ToolError::internal)
    };
    lines.map(case).collect()
}

/// The places in a failure's trace that are the project's own, the nearest to the failure first.
pub(crate) fn frames(case: &Case) -> Vec<String> {
    let Some(failure) = &case.failure else { return Vec::new() };
    let text = if failure.text.is_empty() { &failure.message } else { &failure.text };
    let mut shown: Vec<String> = Vec::new();
    for frame in reports::ours(text, &is_ours) {
        let within = frame.function.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        let one = format!("{}:{}{within}", frame.file, frame.line);
        if !shown.contains(&one) {
            shown.push(one);
        }
    }
    shown
}

/// Whether a file in a trace is the project's own: not of the system, nor of a dependency.
fn is_ours(file: &str) -> bool {
    let system = ["/usr/", "/lib", "/opt/", "/rustc/", "node:", "<"];
    !system.iter().any(|start| file.starts_with(start))
        && !file.split('/').any(|part| OTHERS.contains(&part))
}

/// Writes the failures in full, and the report as JUnit and CTRF. Says how many failures are kept.
fn keep(suite: &Suite, run: &Run, folder: &Path, report: &Report) -> std::io::Result<usize> {
    let mut file = BufWriter::new(File::create(folder.join(FAILURES))?);
    let mut kept = 0;
    for case in report.failures().take(MOST) {
        let own = relative(case, suite);
        serde_json::to_writer(&mut file, &own)?;
        file.write_all(b"\n")?;
        kept += 1;
    }
    file.flush()?;
    evidence::write(run, folder, report)?;
    Ok(kept)
}

/// A case whose texts name the project's files from its folder on, as everybody else names them.
fn relative(case: &Case, suite: &Suite) -> Case {
    let folder = format!("{}/", suite.folder.display());
    let mut case = case.clone();
    if let Some(file) = &case.file
        && let Some(within) = file.strip_prefix(&folder)
    {
        case.file = Some(within.into());
    }
    if let Some(failure) = &mut case.failure {
        for text in [&mut failure.message, &mut failure.text] {
            if text.contains(&folder) {
                *text = text.replace(&folder, "");
            }
        }
    }
    case
}

/// How each test fared; of several of one name the worst.
fn fared(report: &Report) -> Vec<Fared> {
    let mut all: Vec<Fared> = Vec::with_capacity(report.cases.len());
    let mut known: HashMap<(&str, &str), usize> = HashMap::new();
    for case in &report.cases {
        let time = case.duration.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        if let Some(index) = known.get(&(&*case.suite, &*case.name)) {
            if case.is_failing() {
                all[*index].status = case.status;
            }
            continue;
        }
        known.insert((&case.suite, &case.name), all.len());
        all.push(Fared {
            class: case.suite.to_string(),
            name: case.name.to_string(),
            status: case.status,
            flaky: case.is_flaky(),
            milliseconds: time,
        });
    }
    all
}

fn format(format: Format) -> reports::Format {
    match format {
        Format::Junit => reports::Format::Junit,
        Format::Libtest => reports::Format::Libtest,
        Format::GoTest => reports::Format::GoTest,
        Format::Tap => reports::Format::Tap,
        Format::Ctrf => reports::Format::Ctrf,
        Format::Pytest => reports::Format::Pytest,
    }
}

/// SHA-256 over the report files, in their order.
fn digest(files: &[std::path::PathBuf]) -> Option<String> {
    let mut digest = Sha256::new();
    for file in files {
        let mut file = File::open(file).ok()?;
        let mut bytes = vec![0; 64 << 10];
        loop {
            match file.read(&mut bytes).ok()? {
                0 => break,
                read => digest.update(&bytes[..read]),
            }
        }
    }
    Some(hex(&digest.finalize()))
}

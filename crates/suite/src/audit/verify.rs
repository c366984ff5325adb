//! `suite audit verify`: whether the log is what was written.

use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use state::note::{self, VerifyingKey};
use state::verify::{Finding, Report, Request, verify};

use super::folders;
use crate::terminal::{BAD, DIM, GOOD, NAME};

/// How many findings are shown one by one; all are in the JSON.
const SHOWN: usize = 100;

/// Reads every record and compares it with the signed checkpoints, those beside the log and those
/// you kept elsewhere.
///
/// Finds edited, deleted, inserted and reordered lines, cut and deleted segments, wrong
/// signatures and replaced keys. A log that was rewritten as a whole, or lost its newest segment,
/// shows only against checkpoints kept elsewhere: --checkpoint. Also tells of calls that began and
/// never ended. Exit codes: 0 sound, 1 findings, 2 could not check.
#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// Only this server
    #[arg(long)]
    server: Option<String>,
    /// Checkpoints kept elsewhere; a file may hold many, `-` is standard input
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A public key to believe instead of the server's `checkpoint.pub`
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(state: &Path, args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let request = request(state, args)?;
    let began = Instant::now();
    let progress = Progress::new(&request);
    let report = verify(&request, &|bytes| progress.add(bytes))?;
    progress.end();
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        show(&report, began.elapsed().as_secs_f64());
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(state: &Path, args: &VerifyArgs) -> anyhow::Result<Request> {
    let mut servers = folders(state)?;
    if let Some(wanted) = &args.server {
        let known: Vec<String> = servers.iter().map(|(name, _)| name.clone()).collect();
        servers.retain(|(name, _)| name == wanted);
        anyhow::ensure!(
            !servers.is_empty(),
            "no server `{wanted}` has records in {}; there are: {}",
            state.display(),
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        );
    }
    let mut keys: Vec<VerifyingKey> = Vec::new();
    for key in &args.key {
        keys.push(key.parse().with_context(|| format!("--key {key}"))?);
    }
    let mut outside = Vec::new();
    for path in &args.checkpoint {
        let text = read(path).with_context(|| format!("--checkpoint {}", path.display()))?;
        let notes = note::notes(&text);
        anyhow::ensure!(!notes.is_empty(), "--checkpoint {}: holds none", path.display());
        outside.extend(notes.into_iter().map(|note| (path.display().to_string(), note)));
    }
    Ok(Request { servers, keys, outside, is_whole: args.server.is_none() })
}

fn read(path: &Path) -> std::io::Result<String> {
    if path.as_os_str() != "-" {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

fn show(report: &Report, seconds: f64) {
    for finding in report.findings.iter().take(SHOWN) {
        one(finding, "wrong");
    }
    if report.findings.len() > SHOWN {
        anstream::println!("… and {} more; all of them with --json", report.findings.len() - SHOWN);
    }
    for notice in report.notices.iter().take(SHOWN) {
        one(notice, "note");
    }
    let checked = format!(
        "{} records in {} segments of {} servers, {} of them signed for, {} checkpoints from elsewhere, {:.1} MB in {seconds:.1} s",
        report.records,
        report.segments,
        report.servers,
        report.covered,
        report.outside,
        megabytes(report.bytes),
    );
    match report.findings.len() {
        0 => anstream::println!("{GOOD}sound{GOOD:#}  {checked}"),
        count => anstream::println!("{BAD}{count} findings{BAD:#}  {checked}"),
    }
}

fn one(finding: &Finding, label: &str) {
    let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
    let style = if label == "wrong" { BAD } else { NAME };
    let (file, what, remedy) = (finding.file.display(), &finding.what, finding.remedy);
    anstream::println!("{style}{label}{style:#}  {file}{line}\n  {what}\n  {DIM}→ {remedy}{DIM:#}");
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// How far it is, on a terminal, for what takes long.
struct Progress {
    total: u64,
    done: AtomicU64,
    is_shown: bool,
}

impl Progress {
    /// From how many bytes on it is worth saying.
    const LONG: u64 = 512 << 20;

    fn new(request: &Request) -> Self {
        let segments = request
            .servers
            .iter()
            .filter_map(|(_, folder)| state::read::segments(&folder.join("records")).ok())
            .flatten();
        let lengths = segments.filter_map(|path| path.metadata().ok());
        let total = lengths.map(|file| file.len()).sum();
        let is_shown = total >= Self::LONG && std::io::stderr().is_terminal();
        Self { total, done: AtomicU64::new(0), is_shown }
    }

    fn add(&self, bytes: u64) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let percent = |done: u64| done * 100 / self.total.max(1);
        if self.is_shown && percent(before) != percent(before + bytes) {
            anstream::eprint!("\r{DIM}{:>3} %{DIM:#}", percent(before + bytes));
        }
    }

    fn end(&self) {
        if self.is_shown {
            anstream::eprint!("\r      \r");
        }
    }
}

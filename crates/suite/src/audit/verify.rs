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
    let mut outside = Vec::new();
    for path in &args.checkpoint {
        let text = read(path).with_context(|| format!("--checkpoint {}", path.display()))?;
        let notes = note::notes(&text);
        anyhow::ensure!(!notes.is_empty(), "--checkpoint {}: holds none", path.display());
        outside.extend(notes.into_iter().map(|note| (path.display().to_string(), note)));
    }
    anyhow::ensure!(
        !servers.is_empty() || !outside.is_empty(),
        "no server has records in {}; name the state folder with --state",
        state.display()
    );
    let keys = keys(&args.key, &servers, &outside)?;
    Ok(Request { servers, keys, outside, is_whole: args.server.is_none() })
}

/// The keys to believe: each is of one of the servers, or of one that is known from elsewhere only.
fn keys(
    texts: &[String],
    servers: &[(String, PathBuf)],
    outside: &[(String, String)],
) -> anyhow::Result<Vec<VerifyingKey>> {
    let mut keys: Vec<VerifyingKey> = Vec::new();
    for text in texts {
        let key: VerifyingKey = text.parse().with_context(|| format!("--key {text}"))?;
        let is_known = servers.iter().any(|(name, _)| key.is_of(name))
            || outside.iter().any(|(_, note)| key.is_of_note(note));
        let names: Vec<&str> = servers.iter().map(|(name, _)| name.as_str()).collect();
        anyhow::ensure!(
            is_known,
            "--key {text}: it is the key of {}, and what is verified is of: {}",
            key.name(),
            names.join(", ")
        );
        keys.push(key);
    }
    Ok(keys)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Logs of these servers, and their keys.
    fn logs(names: &[&str]) -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let key = |name: &&str| {
            let home = folder.path().join(name);
            drop(state::Log::open(&home.join("records")).expect("a log"));
            std::fs::read_to_string(home.join("checkpoint.pub")).expect("a key")
        };
        let keys = names.iter().map(key).collect();
        (folder, keys)
    }

    fn args(key: &[String]) -> VerifyArgs {
        VerifyArgs { server: None, checkpoint: Vec::new(), key: key.to_vec(), json: false }
    }

    #[test]
    fn a_key_of_no_server_is_an_error() {
        let (folder, keys) = logs(&["docs", "other"]);
        let found = request(folder.path(), &args(&keys)).expect("a request");
        assert_eq!(found.keys.len(), 2);
        let one = VerifyArgs { server: Some("docs".to_owned()), ..args(&keys[1..]) };
        let error = request(folder.path(), &one).expect_err("not of docs");
        assert!(error.to_string().contains("the key of suite/other"), "{error}");
        // Its folder is gone, and a checkpoint that was kept elsewhere says that there was one.
        let records = folder.path().join("other/records");
        let kept = folder.path().join("kept.txt");
        let segment = state::read::segments(&records).expect("segments").remove(0);
        std::fs::copy(segment.with_extension("checkpoint"), &kept).expect("copied");
        std::fs::remove_dir_all(folder.path().join("other")).expect("removed");
        assert!(request(folder.path(), &args(&keys)).is_err());
        let known = VerifyArgs { checkpoint: vec![kept], ..args(&keys) };
        request(folder.path(), &known).expect("a request");
    }

    #[test]
    fn a_folder_without_a_log_is_an_error() {
        let (folder, _) = logs(&["docs"]);
        let error = request(&folder.path().join("docs"), &args(&[])).expect_err("no state folder");
        assert!(error.to_string().contains("--state"), "{error}");
    }
}

//! `suite audit`: reading and checking the log as the operator, over all servers.

mod reading;

pub(crate) mod copy;
mod export;
mod prove;
mod report;
mod search;
mod show;
mod tail;
mod verify;

mod scan;
mod segments;
mod select;
mod threads;

mod entry;
mod line;
mod output;
mod time;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use config::{Around, Config};

use crate::Launcher;
use crate::assemble::Source;
use crate::settings::{self, Suite};

/// `suite audit …`.
#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the newest records, and follow those that come
    Tail(tail::TailArgs),
    /// Find records, newest first
    Search(search::SearchArgs),
    /// Tell everything about one call or approval: who ran what, against which system, and why
    Show(show::ShowArgs),
    /// Write records for other programs: JSON lines as they are, or CSV
    Export(export::ExportArgs),
    /// Count calls, success, approvals, latency, blocked actions and tokens of a period
    Report(report::ReportArgs),
    /// Check that nothing was changed, deleted, reordered or cut
    Verify(verify::VerifyArgs),
    /// Print a proof that one record is in the log, verifiable without this program
    Prove(prove::ProveArgs),
}

/// Runs one of the commands.
pub(crate) fn run(
    source: &Source,
    launchers: &[Launcher],
    args: AuditArgs,
) -> anyhow::Result<ExitCode> {
    let reading = || reading::open(source, launchers);
    match args.command {
        Command::Tail(args) => tail::run(&reading()?, &args),
        Command::Search(args) => search::run(&reading()?, &args),
        Command::Show(args) => show::run(&reading()?, &args),
        Command::Export(args) => export::run(&reading()?, &args),
        Command::Report(args) => report::run(&reading()?, &args),
        Command::Verify(args) => verify::run(&state(source)?, &args),
        Command::Prove(args) => prove::run(&reading()?, &args),
    }
}

/// The state folder: `--state`, or what servers.toml says. The rest of the file may be wrong: a
/// log is read also where no server would start.
fn state(source: &Source) -> anyhow::Result<PathBuf> {
    if let Some(state) = &source.state {
        return Ok(state.clone());
    }
    let around = Around {
        defaults: settings::DEFAULTS,
        environment: std::env::vars().collect(),
        ..Around::default()
    };
    let config = Config::load(&source.path, &around)?;
    let suite: Suite = config.get("/suite").map_err(config::Faults::one)?;
    Ok(config.base().join(suite.state))
}

/// The folders of the servers that have a log, by name: `state/<server>/`.
fn folders(state: &std::path::Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    use anyhow::Context as _;
    let mut folders = Vec::new();
    let entries = std::fs::read_dir(state)
        .with_context(|| format!("the state folder {}", state.display()))?;
    for entry in entries {
        let path = entry?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && path.join("records").is_dir()
        {
            folders.push((name.to_owned(), path.clone()));
        }
    }
    folders.sort();
    Ok(folders)
}

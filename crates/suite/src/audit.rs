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

/// The folders of the servers that have a log, by name: `state/<server>/`. One that cannot be
/// looked at is an error: whether it has a log is not known.
fn folders(state: &std::path::Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    use anyhow::Context as _;
    use std::io::ErrorKind::{NotADirectory, NotFound};

    let mut folders = Vec::new();
    let entries = std::fs::read_dir(state)
        .with_context(|| format!("the state folder {}", state.display()))?;
    for entry in entries {
        let path = entry?.path();
        let records = path.join("records");
        let is_server = match std::fs::metadata(&records) {
            Ok(found) => found.is_dir(),
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => false,
            Err(error) => {
                return Err(error).with_context(|| format!("the records in {}", records.display()));
            }
        };
        if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && is_server
        {
            folders.push((name.to_owned(), path.clone()));
        }
    }
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_folder_that_cannot_be_looked_at_is_an_error_and_not_left_out() {
        let state = tempfile::tempdir().expect("a folder");
        for folder in ["docs/records", "empty"] {
            std::fs::create_dir_all(state.path().join(folder)).expect("a folder");
        }
        std::fs::write(state.path().join("a file"), "").expect("a file");
        let folders = super::folders(state.path()).expect("folders");
        assert_eq!(folders, [("docs".to_owned(), state.path().join("docs"))]);
        // Refused to everybody, unlike what lacks a permission.
        let records = state.path().join("empty/records");
        std::os::unix::fs::symlink("records", &records).expect("a loop");
        let error = super::folders(state.path()).expect_err("no list");
        assert!(error.to_string().contains(&records.display().to_string()), "{error:#}");
    }
}

//! `suite audit prove`: that one record is in the log.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use state::proof;

use super::folders;
use super::reading::Reading;

/// Prints a proof that one record is in the log: the record, its Merkle audit path (RFC 6962) and
/// the signed checkpoint. Whoever has the server's public key verifies it without the log and
/// without this program: `docs/verify_inclusion.py` does.
#[derive(Args)]
pub(crate) struct ProveArgs {
    /// The server
    server: String,
    /// The id of a call, of which the last record is proven; or SEGMENT:SEQUENCE
    #[arg(value_name = "CALL|SEGMENT:SEQUENCE")]
    record: String,
}

pub(super) fn run(reading: &Reading, args: &ProveArgs) -> anyhow::Result<ExitCode> {
    let servers = folders(&reading.state)?;
    let Some((server, folder)) = servers.iter().find(|(name, _)| *name == args.server) else {
        anyhow::bail!("no server `{}` has records in {}", args.server, reading.state.display());
    };
    let (segment, line) = find(folder, &args.record)?;
    let proof = proof::prove(folder, server, &segment, line)?;
    reading.record()?;
    anstream::println!("{}", serde_json::to_string_pretty(&proof)?);
    Ok(ExitCode::SUCCESS)
}

fn find(folder: &Path, record: &str) -> anyhow::Result<(PathBuf, u64)> {
    if let Some((segment, line)) = record.rsplit_once(':')
        && let Ok(line) = line.parse::<u64>()
    {
        let name = segment.strip_suffix(".jsonl").unwrap_or(segment);
        let path = folder.join("records").join(format!("{name}.jsonl"));
        let is_plain = !name.contains('/') && line > 0;
        anyhow::ensure!(is_plain && path.is_file(), "there is no segment {}", path.display());
        return Ok((path, line));
    }
    let mut found = proof::records_of(folder, record)?;
    found.pop().with_context(|| {
        format!("no record of a call `{record}`; `suite audit search` shows the ids of calls")
    })
}

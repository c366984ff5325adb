//! `suite audit prove`: that one record is in the log.

use std::path::Path;
use std::process::ExitCode;

use clap::Args;

#[derive(Args)]
pub(crate) struct ProveArgs {
    /// The server
    server: String,
    /// The id of a call, or SEGMENT:SEQUENCE
    record: String,
}

pub(crate) fn run(state: &Path, args: &ProveArgs) -> anyhow::Result<ExitCode> {
    anyhow::bail!("{}/{} {} cannot be proven yet", state.display(), args.server, args.record)
}

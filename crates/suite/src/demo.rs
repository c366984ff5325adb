//! `suite demo`: placeholder until the docs server is in.

use std::process::ExitCode;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}

//! `suite schemas`: what is committed under `schemas/`, so that a changed contract is a changed
//! file.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

use crate::{Launcher, settings};

pub(crate) fn run(launchers: &[Launcher], folder: &Path) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    write(&folder.join("servers.schema.json"), &settings::file_schema(launchers))?;
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, value: &Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| path.display().to_string())
}

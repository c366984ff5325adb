//! Where things are: the repository, the target directory, and what cargo knows of the packages.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::{cargo, read};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> PathBuf {
    // cargo sets it when it runs us; the compiled-in value serves a binary that is run by hand.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// Where cargo builds, whatever set it: `CARGO_TARGET_DIR`, a configuration file, or nothing.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    let path = metadata["target_directory"].as_str().context("cargo names no target directory")?;
    Ok(path.into())
}

/// `cargo metadata` as JSON.
pub(crate) fn metadata(arguments: &[&str]) -> Result<Value> {
    let mut command = cargo();
    command.current_dir(root()).args(["metadata", "--format-version", "1"]).args(arguments);
    serde_json::from_str(&read(&mut command)?).context("cannot read `cargo metadata`")
}

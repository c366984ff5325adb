//! `cargo xtask demo`: from a fresh clone to the running product in one command.

use std::fs;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::command::{cargo, exit_code, run as run_command, status};
use crate::packages;
use crate::terminal::{heading, note, spoken};
use crate::workspace::{root, target_directory};

pub(crate) const SUMMARY: &str = "install what the build lacks, build release, run `suite demo`";

pub(crate) const HELP: &str = "\
Usage: cargo xtask demo [ARGS…]

Installs the system packages that the build lacks (a C compiler, by apt-get, as root or with
password-less sudo; otherwise it names the one command), builds the release binary and runs
`suite demo ARGS…`. Its exit code is passed on. No key and no account is needed.

The first build takes a few minutes, later ones seconds.
";

/// Builds and runs the demo.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    packages::ensure(&[packages::BUILD])?;

    let lock = fs::read_to_string(root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let crates = lock.lines().filter(|line| *line == "[[package]]").count();
    heading("Building suite in release mode");
    note(&format!("up to {crates} crates: some minutes the first time, seconds after that"));
    let start = Instant::now();
    run_command(cargo().current_dir(root()).args(["build", "--release", "-p", "suite"]))?;
    note(&format!("built in {}", spoken(start.elapsed())));

    let binary = target_directory()?.join("release/suite");
    heading("Running suite demo");
    let status = status(Command::new(binary).current_dir(root()).arg("demo").args(arguments))?;
    Ok(exit_code(status))
}

//! `cargo xtask bench`: the benchmarks, as ratios against floors measured in the same run.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::command::{cargo, exit_code, status};
use crate::packages;
use crate::workspace::{root, target_directory};

pub(crate) const SUMMARY: &str = "measure against floors in the same run, print ratios";

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME…] [ARGS…]

Installs what is missing (the servers of the tests, and bubblewrap), builds release and runs the
benchmarks of the `tests` package; all of them without a NAME.
Arguments are passed on: `cargo xtask bench -- --help` lists what they are.
";

/// Runs the benchmark program.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    packages::ensure(&[packages::BUILD, packages::TESTS, packages::BENCH])?;
    pass_on("bench", arguments)
}

/// Builds all programs in release mode, since the benchmarks start several of them, and runs one
/// of the `tests` package.
pub(crate) fn pass_on(program: &str, arguments: &[String]) -> Result<ExitCode> {
    packages::ensure(&[packages::BUILD])?;
    let build = ["build", "--release", "-p", "suite", "-p", "tests", "--bins"];
    crate::command::run(cargo().current_dir(root()).args(build))?;
    let mut command = Command::new(target_directory()?.join("release").join(program));
    // `cargo xtask bench -- --help`: the separator is for us.
    command.args(arguments.strip_prefix(&["--".to_owned()][..]).unwrap_or(arguments));
    Ok(exit_code(status(command.current_dir(root()))?))
}

//! `cargo xtask bench`: the benchmarks, as ratios against floors measured in the same run.

use std::process::ExitCode;

use anyhow::Result;

use crate::command::{cargo, exit_code, status};
use crate::packages;
use crate::workspace::root;

pub(crate) const SUMMARY: &str = "measure against floors in the same run, print ratios";

pub(crate) const HELP: &str = "\
Usage: cargo xtask bench [NAME…] [ARGS…]

Builds release and runs the benchmarks of the `tests` package; all of them without a NAME.
Arguments are passed on: `cargo xtask bench -- --help` lists what they are.
";

/// Runs the benchmark program.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    packages::ensure(&[packages::BUILD])?;
    // The benchmarks start the real binary, so it must be as new as they are.
    let build = ["build", "--release", "-p", "suite"];
    crate::command::run(cargo().current_dir(root()).args(build))?;
    pass_on("bench", arguments)
}

/// Runs one of the programs of the `tests` package in release mode.
pub(crate) fn pass_on(program: &str, arguments: &[String]) -> Result<ExitCode> {
    let mut command = cargo();
    command.current_dir(root()).args(["run", "--release", "-p", "tests", "--bin", program, "--"]);
    // `cargo xtask bench -- --help`: the separator is for us.
    command.args(arguments.strip_prefix(&["--".to_owned()][..]).unwrap_or(arguments));
    Ok(exit_code(status(&mut command)?))
}

//! `cargo xtask fuzz`: the fuzz targets, for as long as one likes.

use std::process::ExitCode;

use anyhow::Result;

use crate::bench::pass_on;

pub(crate) const SUMMARY: &str = "run the fuzz targets for as long as you like";

pub(crate) const HELP: &str = "\
Usage: cargo xtask fuzz [TARGET] [--seconds N]

Builds release and runs a fuzz target of the `tests` package, all of them in turn without one.
`cargo xtask test` runs the same targets for a bounded time. Arguments are passed on:
`cargo xtask fuzz -- --help` lists the targets.
";

/// Runs the fuzz program.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    pass_on("fuzz", arguments)
}

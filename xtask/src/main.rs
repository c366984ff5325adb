//! The chores of this repository, one file each: `cargo xtask demo`, `test`, `tidy`, `schemas`,
//! `judges`, `bench`, `fuzz`.
//!
//! It is the first thing a newcomer runs, on a machine that may have nothing but cargo, so it
//! links no product code and two small crates, and compiles in seconds.
//!
//! Where to start reading: [`test`] for what CI runs, [`tidy`] for the rules of the repository.
#![expect(clippy::print_stdout, reason = "talking to the person at the terminal is its purpose")]

mod bench;
mod demo;
mod fuzz;
mod schemas;
mod test;
mod tidy;

mod clients;
mod command;
mod packages;
mod terminal;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

/// One chore: what a person types, what it is for, and what it does.
struct Subcommand {
    name: &'static str,
    summary: &'static str,
    help: &'static str,
    run: fn(&[String]) -> Result<ExitCode>,
}

const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand { name: "demo", summary: demo::SUMMARY, help: demo::HELP, run: demo::run },
    Subcommand { name: "test", summary: test::SUMMARY, help: test::HELP, run: test::run },
    Subcommand { name: "tidy", summary: tidy::SUMMARY, help: tidy::HELP, run: tidy::run },
    Subcommand {
        name: "schemas",
        summary: schemas::SUMMARY,
        help: schemas::HELP,
        run: schemas::run,
    },
    Subcommand {
        name: "judges",
        summary: clients::SUMMARY,
        help: clients::HELP,
        run: clients::run,
    },
    Subcommand { name: "bench", summary: bench::SUMMARY, help: bench::HELP, run: bench::run },
    Subcommand { name: "fuzz", summary: fuzz::SUMMARY, help: fuzz::HELP, run: fuzz::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(code) => code,
        Err(error) => {
            terminal::error(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Finds the subcommand, answers `--help` for it, or runs it.
fn dispatch(arguments: &[String]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first() else {
        print!("{}", overview());
        return Ok(ExitCode::from(2));
    };
    if matches!(name.as_str(), "help" | "--help" | "-h") {
        let about = rest.first().and_then(|name| find(name));
        print!("{}", about.map_or_else(overview, |chore| chore.help.to_owned()));
        return Ok(ExitCode::SUCCESS);
    }
    let Some(chore) = find(name) else {
        terminal::error(&format!("there is no `cargo xtask {name}`"));
        eprint!("\n{}", overview());
        return Ok(ExitCode::from(2));
    };
    // `demo`, `bench` and `fuzz` pass their arguments on; help asked first is meant for us.
    if matches!(rest.first().map(String::as_str), Some("--help" | "-h")) {
        print!("{}", chore.help);
        return Ok(ExitCode::SUCCESS);
    }
    (chore.run)(rest)
}

fn find(name: &str) -> Option<&'static Subcommand> {
    SUBCOMMANDS.iter().find(|chore| chore.name == name)
}

fn overview() -> String {
    use std::fmt::Write as _;
    let mut text = String::from("Usage: cargo xtask <SUBCOMMAND> [ARGS…]\n\n");
    for chore in SUBCOMMANDS {
        let _ = writeln!(text, "  {:<8} {}", chore.name, chore.summary);
    }
    text.push_str("\n`cargo xtask <SUBCOMMAND> --help` says more.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_is_listed_and_explains_itself() {
        let overview = overview();
        for chore in SUBCOMMANDS {
            assert!(overview.contains(&format!("  {:<8} {}\n", chore.name, chore.summary)));
            let usage = format!("Usage: cargo xtask {}", chore.name);
            assert!(chore.help.contains(&usage), "{}: no `{usage}`", chore.name);
            assert!(chore.help.ends_with('\n'), "{}", chore.name);
            assert!(!chore.summary.ends_with('.'), "{}", chore.name);
        }
    }
}

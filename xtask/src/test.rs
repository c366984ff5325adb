//! `cargo xtask test`: everything that must hold before a change is merged. CI runs exactly this.

mod disk;
mod report;
mod tally;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::command::{cargo, on_path, run as run_command, succeeds};
use crate::workspace::{root, target_directory};
use crate::{clients, packages, schemas, terminal, tidy};
use report::Report;
use tally::counted;

pub(crate) const SUMMARY: &str = "install what is missing, then run every check and test";

pub(crate) const HELP: &str = "\
Usage: cargo xtask test [--quick] [--nextest] [FILTER…]

Installs what is missing (Debian packages by apt-get where it may; pinned MCP clients from PyPI
and npm into target/judges) and runs, in this order: format, lints, the repository's own rules
(tidy), spelling, build, schemas, unit and integration tests, and the judges: MCP clients that this project
did not write. Every step runs even if an earlier one fails; a summary closes.

  --quick     without the judges: nothing is downloaded for them
  --nextest   run the tests by cargo-nextest, which must be on PATH
  FILTER      only tests whose path contains it, and none of the other steps

cargo-deny and cargo-machete run too where they are on PATH; tidy asks their main questions.
";

/// The module of the `tests` package that drives clients we did not write.
const JUDGES: &str = "judges::";

/// Tools that take longer to compile than all our tests, run where they are installed: program,
/// arguments, and what stands in for them.
const OPTIONAL: &[(&str, &[&str], &str)] = &[
    ("cargo-deny", &["deny", "check"], "tidy checks licences, bans and sources by deny.toml"),
    ("cargo-machete", &["machete"], "tidy looks for unused dependencies"),
];

/// What the person asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    quick: bool,
    nextest: bool,
    filters: Vec<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self::default();
        for argument in arguments {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--nextest" => options.nextest = true,
                flag if flag.starts_with('-') => {
                    bail!("unknown option {flag}; see `cargo xtask test --help`")
                }
                filter => options.filters.push(filter.to_owned()),
            }
        }
        if options.nextest && on_path("cargo-nextest").is_none() {
            bail!("cargo-nextest is not on PATH; without --nextest, `cargo test` is used");
        }
        Ok(options)
    }
}

/// Runs the steps and reports.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let options = Options::parse(arguments)?;
    let root = root();
    let judges = prepare(&root, &options)?;
    let mut report = Report::default();
    let free = disk::told(&[&target_directory()?, &std::env::temp_dir()]);
    terminal::note(&free);
    report.information("disk", &free);
    if options.filters.is_empty() {
        static_checks(&mut report, &root, judges.as_deref());
    }
    tests(&mut report, &root, &options, judges.as_deref());
    Ok(report.close())
}

/// Everything that has to be on the machine before the first step.
fn prepare(root: &Path, options: &Options) -> Result<Option<PathBuf>> {
    packages::ensure(&[packages::BUILD, packages::TIDY, packages::TESTS])?;
    for (subcommand, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if !succeeds(cargo().args([subcommand, "--version"])) {
            terminal::heading(&format!("Installing the Rust component {component}"));
            run_command(Command::new("rustup").args(["component", "add", component]))
                .map_err(|error| error.context(format!("`cargo {subcommand}` is missing")))?;
        }
    }
    if options.quick { Ok(None) } else { clients::ensure(root, &target_directory()?).map(Some) }
}

fn static_checks(report: &mut Report, root: &Path, judges: Option<&Path>) {
    let command = |report: &mut Report, step: &str, command: &mut Command| {
        report.step(step, || {
            run_command(command.current_dir(root))?;
            Ok(String::new())
        });
    };
    command(report, "format", cargo().args(["fmt", "--all", "--check"]));
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    command(report, "lints", cargo().args(clippy));
    report.step("tidy", || tidy::check(root));
    // The spell checker is pinned and installed with the clients.
    let spelling = judges.map(|folder| folder.join("venv/bin/typos"));
    match spelling.or_else(|| on_path("typos")) {
        Some(program) => command(report, "spelling", &mut Command::new(program)),
        None => {
            report.information("spelling", "typos is not on PATH, and --quick installs nothing");
        }
    }
    for (program, arguments, stand_in) in OPTIONAL {
        if on_path(program).is_some() {
            command(report, program, cargo().args(*arguments));
        } else {
            report.information(program, &format!("not on PATH; {stand_in}"));
        }
    }
}

fn tests(report: &mut Report, root: &Path, options: &Options, judges: Option<&Path>) {
    // Integration tests start the real binary; `cargo test` alone would not rebuild it.
    report.step("build", || {
        run_command(cargo().current_dir(root).args(["build", "--workspace", "--bins"]))?;
        run_command(cargo().current_dir(root).args(["test", "--workspace", "--no-run"]))?;
        Ok(String::new())
    });
    if options.filters.is_empty() {
        report.step("schemas", || {
            if schemas::run(&["--check".to_owned()])? != ExitCode::SUCCESS {
                bail!("schemas/ is not what the binary says");
            }
            Ok(String::new())
        });
    }
    let environment = judges.map(|folder| ("JUDGES_DIR", folder));
    let mut with = |step: &str, command: &mut Command| {
        command.current_dir(root).envs(environment);
        report.step(step, || counted(command, &mut std::io::stdout()));
    };
    if options.nextest {
        let mut command = cargo();
        command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
        with("tests", command.args(&options.filters));
        with("documentation", cargo().args(["test", "--workspace", "--doc"]));
        return;
    }
    let mut command = cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--"]).args(&options.filters);
    if !options.filters.is_empty() {
        with("tests", &mut command);
        return;
    }
    with("tests", command.args(["--skip", JUDGES]));
    if judges.is_some() {
        with("judges", cargo().args(["test", "-p", "tests", "--no-fail-fast", "--", JUDGES]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_and_filters_may_be_mixed() {
        let options = parse("docs --quick search").expect("valid");
        assert!(options.quick && !options.nextest);
        assert_eq!(options.filters, ["docs", "search"]);
        assert_eq!(parse("").expect("valid"), Options::default());
    }

    #[test]
    fn an_unknown_option_is_named() {
        let message = parse("--quik").expect_err("misspelt").to_string();
        assert!(message.contains("--quik"), "{message}");
    }
}

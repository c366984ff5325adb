//! The benchmarks; `cargo xtask bench` builds release and runs them.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use tests::bench::{Effort, NAMES, Report, run};
use tests::harness::repository;

const USAGE: &str = "\
Usage: cargo xtask bench [NAME…] [--quick] [--records N] [--json FILE] [--write]

Measures the product against a bare rmcp server in the same run, and prints ours, the floor, the
ratio and the limit. Exit code 1 if a limit is exceeded.

  NAME         start, call, http, governance, memory, docs, sql, repo, tickets, mail,
               testrun, redaction, audit or log; all of them without a name
  --quick      few rounds: a first impression
  --records N  records of the logs that are written and read; 200000 without it
  --json FILE  also write the figures as JSON
  --write      also rewrite BENCHMARKS.md; for a whole run only

`repo` measures the repository that the environment variable BENCH_REPO names; one that is generated
once, without it.
";

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    names: Vec<String>,
    quick: bool,
    records: Option<u64>,
    json: Option<PathBuf>,
    write: bool,
}

fn main() -> Result<ExitCode> {
    // A part that wants a process of its own; nothing has started a thread yet.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, part @ ..] = arguments.as_slice()
        && first == "part"
    {
        println!("{}", tests::bench::testrun::run_part(part)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Some(asked) = parse(std::env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    if cfg!(debug_assertions) {
        eprintln!("warning: not a release build; the figures mean little");
    }
    let mut effort = if asked.quick { Effort::QUICK } else { Effort::FULL };
    effort.records = asked.records.unwrap_or(effort.records);
    let rows = run(&asked.names, effort, |name| eprintln!("measuring {name} …"))?;
    let report = Report::new(rows);
    println!("{}\n{}", report.machine, report.table());
    if let Some(path) = asked.json {
        std::fs::write(&path, format!("{:#}\n", report.json()))
            .with_context(|| path.display().to_string())?;
    }
    if asked.write {
        std::fs::write(repository().join("BENCHMARKS.md"), report.markdown())?;
    }
    if report.is_kept() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("A limit is exceeded.");
    Ok(ExitCode::FAILURE)
}

/// `None` asks for help.
fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Asked>> {
    let mut asked = Asked::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--quick" => asked.quick = true,
            "--write" => asked.write = true,
            "--records" => {
                let number = arguments.next().context("--records needs a number")?;
                asked.records = Some(number.parse().context("--records needs a number")?);
            }
            "--json" => {
                asked.json = Some(arguments.next().context("--json needs a FILE")?.into());
            }
            name if NAMES.contains(&name) => asked.names.push(argument),
            other => bail!("unknown: {other}\n\n{USAGE}"),
        }
    }
    let is_whole = asked.names.is_empty() && !asked.quick && !cfg!(debug_assertions);
    ensure!(!asked.write || is_whole, "--write is for a whole run of a release build only");
    Ok(Some(asked))
}

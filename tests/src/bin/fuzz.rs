//! The fuzz targets; `cargo xtask fuzz` builds release and runs them.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tests::fuzz::{Bound, Finding, Target, run};
use tests::harness::repository;

const USAGE: &str = "\
Usage: cargo xtask fuzz [TARGET…] [--seconds N | --iterations N] [--seed S]

Feeds the parts that read what strangers write with mutated inputs; stops at the first finding,
prints its seed and its input, and writes the input to target/fuzz/.

  TARGET          line (reader of standard input), arguments (validator and pipeline) or text
                  (fences and hidden characters); all of them in turn without one
  --seconds N     for how long, each target; 60 if absent
  --iterations N  how many inputs instead
  --seed S        where to begin; by the clock if absent
";

struct Asked {
    targets: Vec<Target>,
    bound: Bound,
    seed: u64,
}

fn main() -> Result<ExitCode> {
    let Some(asked) = parse(std::env::args().skip(1))? else {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    };
    for target in asked.targets {
        println!("{target}: from seed {}", asked.seed);
        let began = Instant::now();
        match run(target, asked.bound, asked.seed) {
            Ok(report) => println!(
                "{target}: {} inputs, {} of them well-formed, no finding in {:.1} s",
                report.iterations,
                report.accepted,
                began.elapsed().as_secs_f64()
            ),
            Err(finding) => {
                let path = keep(&finding)?;
                println!("{finding}\nwritten to {}", path.display());
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the input of a finding where the next run does not overwrite it.
fn keep(finding: &Finding) -> Result<std::path::PathBuf> {
    let folder = repository().join("target/fuzz");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join(format!("{}-{}", finding.target, finding.seed));
    std::fs::write(&path, &finding.input)?;
    Ok(path)
}

/// `None` asks for help.
fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Asked>> {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let mut asked = Asked {
        targets: Vec::new(),
        bound: Bound::Time(Duration::from_mins(1)),
        seed: clock.as_secs(),
    };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64> {
            let text = arguments.next().with_context(|| format!("{argument} needs a number"))?;
            text.parse().with_context(|| format!("{argument} {text}"))
        };
        match argument.as_str() {
            "--help" | "-h" => return Ok(None),
            "--seconds" => asked.bound = Bound::Time(Duration::from_secs(number()?)),
            "--iterations" => asked.bound = Bound::Iterations(number()?),
            "--seed" => asked.seed = number()?,
            name => match Target::ALL.iter().find(|target| target.to_string() == name) {
                Some(target) => asked.targets.push(*target),
                None => bail!("unknown: {name}\n\n{USAGE}"),
            },
        }
    }
    if asked.targets.is_empty() {
        asked.targets = Target::ALL.to_vec();
    }
    Ok(Some(asked))
}

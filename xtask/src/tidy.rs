//! `cargo xtask tidy`: the rules of this repository that no compiler and no lint checks.
//!
//! A rule is a function from the repository to findings, with its test beneath it. To add one,
//! write it in the file it belongs to and add it to that file's list.

mod manifest;
mod repository;
mod rust_code;

mod architecture;
mod contracts;
mod dependencies;
mod documentation;
mod licences;
mod shape;
mod words;

mod exceptions;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::packages;
use crate::terminal::{Look, heading, note, paint};
use crate::workspace::root;
use repository::Repository;

pub(crate) const SUMMARY: &str = "check the repository's own rules";

pub(crate) const HELP: &str = "\
Usage: cargo xtask tidy [--rules]

Checks the files that git tracks, and new ones it does not ignore, against the rules of this
repository: who may depend on whom, what every tool must declare, what no file may contain. All
findings are shown at once, with file and line. Takes about a second.

  --rules   list the rules instead
";

/// One rule.
struct Rule {
    /// A short name, used in findings and exceptions.
    name: &'static str,
    /// What it demands, in one sentence.
    demands: &'static str,
    check: fn(&Repository, &mut Findings),
}

const RULES: &[&[Rule]] = &[
    architecture::RULES,
    contracts::RULES,
    documentation::RULES,
    words::RULES,
    shape::RULES,
    dependencies::RULES,
    licences::RULES,
];

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    /// Counted from 1; 0 where the whole file is meant.
    line: usize,
    rule: &'static str,
    message: String,
}

/// What the rules collect; knows which rule is at work.
#[derive(Default)]
struct Findings {
    rule: &'static str,
    found: Vec<Finding>,
}

impl Findings {
    /// Reports a place; `line` counts from 1, 0 means the whole file.
    fn add(&mut self, path: &str, line: usize, message: impl Into<String>) {
        let (path, message) = (path.to_owned(), message.into());
        self.found.push(Finding { path, line, rule: self.rule, message });
    }
}

/// The subcommand.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    match arguments {
        [] => {
            packages::ensure(&[packages::TIDY])?;
            note(&check(&root())?);
            Ok(ExitCode::SUCCESS)
        }
        [flag] if flag == "--rules" => {
            for rule in rules() {
                println!("{:<22} {}", rule.name, rule.demands);
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => bail!("unknown arguments; see `cargo xtask tidy --help`"),
    }
}

/// Checks all rules, shows all findings, and says what was looked at.
pub(crate) fn check(root: &Path) -> Result<String> {
    let repository = Repository::load(root)?;
    let findings = exceptions::apply(all_findings(&repository), exceptions::EXCEPTIONS);
    for finding in &findings {
        let place = match finding.line {
            0 => finding.path.clone(),
            line => format!("{}:{line}", finding.path),
        };
        eprintln!("{}: {} [{}]", paint(Look::Bad, &place), finding.message, finding.rule);
    }
    if !findings.is_empty() {
        heading("`cargo xtask tidy --rules` says what each rule demands");
        bail!("{} findings", findings.len());
    }
    Ok(format!("{} rules, {} files", rules().count(), repository.files.len()))
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().flatten()
}

fn all_findings(repository: &Repository) -> Vec<Finding> {
    let mut findings = Findings::default();
    for rule in rules() {
        findings.rule = rule.name;
        (rule.check)(repository, &mut findings);
    }
    findings.found.sort();
    findings.found
}

/// Checks one rule on files given as path and text: `path:line` of each finding. For the tests
/// beneath the rules.
#[cfg(test)]
fn places(check: fn(&Repository, &mut Findings), files: &[(&str, &str)]) -> Vec<String> {
    let mut findings = Findings { rule: "test", found: Vec::new() };
    check(&Repository::of(files), &mut findings);
    findings.found.sort();
    findings.found.iter().map(|f| format!("{}:{}", f.path, f.line)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_names_of_their_own_and_say_what_they_demand() {
        let mut names: Vec<_> = rules().map(|rule| rule.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(rules().all(|rule| rule.demands.ends_with('.')));
    }
}

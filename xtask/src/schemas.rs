//! `cargo xtask schemas`: writes the committed schemas anew, or checks that they are current.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, run as run_command};
use crate::terminal::{error, note};
use crate::workspace::{root, target_directory};

pub(crate) const SUMMARY: &str = "write schemas/ anew; with --check, compare only";

pub(crate) const HELP: &str = "\
Usage: cargo xtask schemas [--check]

Has `suite schemas` write the JSON Schema of servers.toml and the wire form of every tool into
schemas/. With --check nothing in the tree is touched: what would be written is compared with
what is committed, and a difference fails with the file and its first differing line.
";

/// Writes or checks.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let committed = root().join("schemas");
    match arguments {
        [] => {
            generate(&committed)?;
            Ok(ExitCode::SUCCESS)
        }
        [flag] if flag == "--check" => check(&committed),
        _ => bail!("unknown arguments; see `cargo xtask schemas --help`"),
    }
}

/// Compares what is committed with what the binary says now.
fn check(committed: &Path) -> Result<ExitCode> {
    let fresh = target_directory()?.join("schemas");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).context("cannot clear the folder for fresh schemas")?;
    }
    fs::create_dir_all(&fresh)?;
    generate(&fresh)?;
    let differences = compare(committed, &fresh)?;
    for difference in &differences {
        error(difference);
    }
    if differences.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    note("`cargo xtask schemas` writes them anew; review the change as a change of contract");
    Ok(ExitCode::FAILURE)
}

fn generate(folder: &Path) -> Result<()> {
    let mut command = cargo();
    command.current_dir(root()).args(["run", "--quiet", "-p", "suite", "--", "schemas"]);
    run_command(command.arg(folder))
}

/// What differs between two folders, one sentence a file.
fn compare(committed: &Path, fresh: &Path) -> Result<Vec<String>> {
    let names: BTreeSet<_> = files(committed)?.into_iter().chain(files(fresh)?).collect();
    let mut differences = Vec::new();
    for name in names {
        let old = fs::read_to_string(committed.join(&name)).ok();
        let new = fs::read_to_string(fresh.join(&name)).ok();
        let shown = Path::new("schemas").join(&name);
        let shown = shown.display();
        match (old, new) {
            (None, _) => differences.push(format!("{shown} is missing")),
            (_, None) => differences.push(format!("{shown} belongs to nothing any more")),
            (Some(old), Some(new)) if old != new => {
                let line = old.lines().zip(new.lines()).take_while(|(a, b)| a == b).count();
                let now = new.lines().nth(line).unwrap_or("(end of file)").trim();
                differences.push(format!("{shown}:{}: is out of date; now: {now}", line + 1));
            }
            _ => {}
        }
    }
    Ok(differences)
}

/// All files beneath a folder, relative to it; none where the folder is not there.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        let Ok(entries) = fs::read_dir(&next) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two folders with the given files, compared.
    fn check(name: &str, old: &[(&str, &str)], new: &[(&str, &str)]) -> Vec<String> {
        let base = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        for (folder, files) in [("old", old), ("new", new)] {
            for (file, text) in files {
                let path = base.join(folder).join(file);
                fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
                fs::write(path, text).expect("writable");
            }
        }
        let differences = compare(&base.join("old"), &base.join("new")).expect("readable");
        fs::remove_dir_all(base).expect("ours");
        differences
    }

    #[test]
    fn equal_folders_do_not_differ() {
        assert!(check("equal", &[("tools/a.json", "1\n")], &[("tools/a.json", "1\n")]).is_empty());
    }

    #[test]
    fn each_difference_is_named_with_its_line() {
        let old = [("tools/a.json", "{\n1\n}\n"), ("tools/gone.json", "")];
        let new = [("tools/a.json", "{\n  2\n}\n"), ("tools/new.json", "")];
        assert_eq!(
            check("differs", &old, &new),
            [
                "schemas/tools/a.json:2: is out of date; now: 2",
                "schemas/tools/gone.json belongs to nothing any more",
                "schemas/tools/new.json is missing",
            ]
        );
    }
}

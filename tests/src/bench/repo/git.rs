//! The floor: git's command line, and what the kernel says it took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::super::numbers::micros;

/// git in a folder, away from the configuration of the machine.
pub(super) fn command(folder: &Path, words: &[String]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(words).stdin(Stdio::null()).stderr(Stdio::inherit());
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
        ("GIT_OPTIONAL_LOCKS", "0"),
    ] {
        command.env(name, value);
    }
    command
}

/// What git prints.
pub(super) fn read(folder: &Path, words: &[&str]) -> Result<String> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let output = command(folder, &words).output().context("git")?;
    ensure!(output.status.success(), "git {words:?} in {}", folder.display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs git to its end: its processor time and its time, in microseconds.
pub(super) fn run(folder: &Path, words: &[String]) -> Result<(f64, f64)> {
    let before = used()?;
    let began = Instant::now();
    let output = command(folder, words).output().context("git")?;
    let took = micros(began.elapsed());
    ensure!(output.status.success(), "git {words:?} in {}", folder.display());
    ensure!(!output.stdout.is_empty(), "git {words:?} prints something");
    Ok((used()? - before, took))
}

/// The processor time of all children that have ended, in microseconds.
fn used() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let total = usage.user_time() + usage.system_time();
    #[expect(clippy::cast_precision_loss, reason = "microseconds of hours fit")]
    let total = total.num_microseconds() as f64;
    Ok(total)
}

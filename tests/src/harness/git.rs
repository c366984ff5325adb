//! git's command line, away from the configuration of the machine.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs git in a folder, as Ada; what it prints, without the last line break.
///
/// # Panics
/// Where there is no git, or it fails.
pub fn git(folder: &Path, words: &[&str]) -> String {
    git_as(folder, "Ada Example", words)
}

/// Runs git in a folder, as somebody.
///
/// # Panics
/// Where there is no git, or it fails.
pub fn git_as(folder: &Path, name: &str, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(words).stdin(Stdio::null());
    for (variable, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_AUTHOR_NAME", name),
        ("GIT_AUTHOR_EMAIL", "ada@example.org"),
        ("GIT_COMMITTER_NAME", name),
        ("GIT_COMMITTER_EMAIL", "ada@example.org"),
    ] {
        command.env(variable, value);
    }
    let output = command.output().expect("git; cargo xtask test installs it");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {words:?}: {complaint}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

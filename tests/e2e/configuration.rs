//! Valid and invalid configurations: files in `tests/samples`, walked by one test each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::harness::{repository, suite};

/// Copies a sample beside a collection, and checks it.
fn check(sample: &Path) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("handbook")).expect("a folder");
    std::fs::copy(sample, folder.path().join("servers.toml")).expect("copied");
    Command::new(suite()).arg("check").current_dir(folder.path()).output().expect("suite runs")
}

fn samples(kind: &str) -> Vec<PathBuf> {
    let folder = repository().join("tests/samples").join(kind);
    let entries = std::fs::read_dir(folder).expect("the samples");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a sample").path()).collect();
    paths.sort();
    assert!(paths.len() >= 2, "{kind}: too few samples");
    paths
}

#[test]
fn valid_samples_are_accepted() {
    for sample in samples("valid") {
        let output = check(&sample);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", sample.display());
    }
}

/// Each invalid sample ends with comments that say what is reported: `#! LINE: words`.
#[test]
fn invalid_samples_are_refused_with_every_mistake_and_its_line() {
    for sample in samples("invalid") {
        let output = check(&sample);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{}: {errors}", sample.display());
        let text = std::fs::read_to_string(&sample).expect("the sample");
        let expected: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.strip_prefix("#! ")?.split_once(": ")).collect();
        assert!(!expected.is_empty(), "{}: no expectation", sample.display());
        let mut missing = String::new();
        for (line, words) in &expected {
            let found = errors.lines().any(|error| {
                error.contains(&format!("servers.toml:{line}:")) && error.contains(words)
            });
            if !found {
                let _ = writeln!(missing, "line {line}: {words}");
            }
        }
        assert!(missing.is_empty(), "{}: not reported:\n{missing}in:\n{errors}", sample.display());
        let reported = errors.lines().filter(|error| error.contains("servers.toml:")).count();
        assert_eq!(reported, expected.len(), "{}: {errors}", sample.display());
        assert!(!errors.contains("hunter2"), "{}: a secret is printed: {errors}", sample.display());
    }
}

#[test]
fn the_environment_and_the_command_line_are_layers() {
    let folder = tests::harness::Folder::docs();
    let output = Command::new(suite())
        .args(["call", "docs_outline", "--config"])
        .arg(folder.config())
        .arg("--state")
        .arg(folder.path("elsewhere"))
        .env("SUITE_SERVERS__DOCS__PURPOSE", "From the environment.")
        .output()
        .expect("suite runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(folder.path("elsewhere/docs/records").is_dir());
    let output = Command::new(suite())
        .args(["check", "--config"])
        .arg(folder.config())
        .env("SUITE_SERVERS__DOCS__IN_FLIGHT", "0")
        .output()
        .expect("suite runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("SUITE_SERVERS__DOCS__IN_FLIGHT"), "the variable is named: {errors}");
}

#[test]
fn a_server_is_not_stopped_by_the_mistakes_of_another() {
    let folder = tests::harness::Folder::docs();
    let text = std::fs::read_to_string(folder.config()).expect("the file");
    folder.write("servers.toml", &format!("{text}\n[servers.mail]\nnonsense = 1\n"));
    let run = |args: &[&str]| {
        let mut command = Command::new(suite());
        command.args(args).arg("--config").arg(folder.config()).output().expect("suite runs")
    };
    assert!(run(&["call", "docs_outline"]).status.success());
    assert_eq!(run(&["check"]).status.code(), Some(2));
}

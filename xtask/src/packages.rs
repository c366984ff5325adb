//! System packages: what is missing, and how it gets here on Debian and its relatives.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{on_path, read, run, succeeds};
use crate::terminal::{heading, note};

/// A Debian package and how to see that what it brings is already there.
pub(crate) struct Package {
    name: &'static str,
    /// Completes "needed …".
    why: &'static str,
    is_present: fn() -> bool,
}

/// What building the binary takes.
pub(crate) const BUILD: &[Package] = &[
    Package {
        name: "gcc",
        why: "to compile the C code of some crates and to link",
        is_present: || on_path("cc").is_some() && on_path("gcc").is_some(),
    },
    Package {
        name: "libc6-dev",
        why: "for the headers and start-up files of the C library",
        is_present: || Path::new("/usr/include/stdlib.h").exists(),
    },
    Package {
        name: "libclang-dev",
        why: "to read the C headers of PostgreSQL's parser",
        is_present: has_libclang,
    },
];

/// What tidy takes.
pub(crate) const TIDY: &[Package] = &[Package {
    name: "git",
    why: "to know which files are the repository's",
    is_present: || on_path("git").is_some(),
}];

/// What the tests take on top of [`BUILD`] and [`TIDY`].
pub(crate) const TESTS: &[Package] = &[
    Package {
        name: "python3",
        why: "for the MCP client of the Python SDK",
        is_present: || on_path("python3").is_some(),
    },
    Package {
        name: "python3-venv",
        why: "to keep that client and its libraries in a folder of their own",
        is_present: || succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"])),
    },
    Package {
        name: "postgresql",
        why: "for private instances of it",
        is_present: || on_path("initdb").is_some() || !below("/usr/lib/postgresql").is_empty(),
    },
    Package {
        name: "mariadb-server-core",
        why: "for private instances of it",
        is_present: || on_path("mariadbd").is_some() || Path::new("/usr/sbin/mariadbd").exists(),
    },
    Package {
        name: "sqlite3",
        why: "to compare with its answers",
        is_present: || on_path("sqlite3").is_some(),
    },
    Package {
        name: "openssh-client",
        why: "to sign commits with keys of SSH",
        is_present: || on_path("ssh-keygen").is_some(),
    },
    Package {
        name: "gnupg",
        why: "to sign commits with keys of OpenPGP",
        is_present: || on_path("gpg").is_some() && on_path("gpg-agent").is_some(),
    },
    Package {
        name: "dbconfig-no-thanks",
        why: "to install Request Tracker without a database of the system",
        is_present: || Path::new("/usr/sbin/rt-setup-database-5").exists(),
    },
    Package {
        name: "msmtp-mta",
        why: "for the mail program that Request Tracker asks for, without a daemon",
        is_present: || Path::new("/usr/sbin/sendmail").exists(),
    },
    Package {
        name: "request-tracker5",
        why: "for private instances of it",
        is_present: || Path::new("/usr/sbin/rt-setup-database-5").exists(),
    },
    Package {
        name: "rt5-db-sqlite",
        why: "for the database of those instances",
        is_present: || succeeds(Command::new("perl").args(["-e", "require DBD::SQLite"])),
    },
    Package {
        name: "rt5-standalone",
        why: "for the web server of those instances",
        is_present: || Path::new("/usr/share/perl5/Plack/Handler/Starlet.pm").exists(),
    },
    Package {
        name: "dovecot-imapd",
        why: "for private instances of it",
        is_present: || Path::new("/usr/lib/dovecot/imap").exists(),
    },
    Package {
        name: "dovecot-lmtpd",
        why: "to let mail arrive at those instances",
        is_present: || Path::new("/usr/lib/dovecot/lmtp").exists(),
    },
    Package {
        name: "dovecot-submissiond",
        why: "to submit mail to those instances",
        is_present: || Path::new("/usr/lib/dovecot/submission").exists(),
    },
    Package {
        name: "strace",
        why: "to see what a server does as the kernel sees it",
        is_present: || on_path("strace").is_some(),
    },
];

/// What the benchmarks measure us against, besides the servers of the tests.
pub(crate) const BENCH: &[Package] = &[Package {
    name: "bubblewrap",
    why: "for the floor of the sandbox",
    is_present: || on_path("bwrap").is_some(),
}];

/// Where bindgen looks for libclang, and whether the compiler's own headers are there, too.
fn has_libclang() -> bool {
    let is_library = |name: &str| name.starts_with("libclang.so") || name.starts_with("libclang-1");
    let named = env::var("LIBCLANG_PATH").is_ok();
    named
        || below("/usr/lib").into_iter().filter(|folder| folder.contains("llvm-")).any(|folder| {
            below(&format!("{folder}/lib"))
                .iter()
                .any(|path| path.rsplit('/').next().is_some_and(is_library))
                && Path::new(&format!("{folder}/lib/clang")).is_dir()
        })
}

/// The paths directly below a folder; none where there is no such folder.
fn below(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// How this process may install packages.
#[derive(Debug, PartialEq, Eq)]
enum Means {
    /// As root.
    Directly,
    /// With sudo that asks for no password.
    BySudo,
    /// Not at all: the person has to.
    ByHand,
    /// There is no apt-get here.
    NotDebian,
}

/// Installs what is missing, or fails with the one command that does.
pub(crate) fn ensure(packages: &[&[Package]]) -> Result<()> {
    let missing: Vec<_> =
        packages.iter().copied().flatten().filter(|package| !(package.is_present)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    heading(&format!("Installing system packages: {}", names.join(" ")));
    for package in &missing {
        note(&format!("{} is needed {}", package.name, package.why));
    }
    match means() {
        Means::Directly => install(&[], &names)?,
        Means::BySudo => install(&["sudo", "-n"], &names)?,
        Means::ByHand => bail!("{}", by_hand(&names)),
        Means::NotDebian => bail!("{}", elsewhere(&names)),
    }
    let still: Vec<_> =
        missing.iter().filter(|package| !(package.is_present)()).map(|p| p.name).collect();
    if !still.is_empty() {
        bail!("apt-get installed them, but these are still not usable: {}", still.join(" "));
    }
    Ok(())
}

fn means() -> Means {
    if on_path("apt-get").is_none() {
        return Means::NotDebian;
    }
    let is_root = read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    if is_root {
        Means::Directly
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        Means::BySudo
    } else {
        Means::ByHand
    }
}

fn install(prefix: &[&str], names: &[&str]) -> Result<()> {
    // A stale or empty list of packages is the usual reason for a failed install. An update
    // that fails for one mirror of several need not matter: the install decides.
    if let Err(error) = run(&mut apt(prefix, &["update", "-qq"], &[])) {
        note(&format!("{error}; trying with the package lists that are here"));
    }
    run(&mut apt(prefix, &["install", "-y", "-qq", "--no-install-recommends"], names))
}

fn apt(prefix: &[&str], arguments: &[&str], names: &[&str]) -> Command {
    let words = [prefix, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments, names];
    let words: Vec<_> = words.concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(std::process::Stdio::null());
    command
}

fn by_hand(names: &[&str]) -> String {
    format!(
        "this user may not install packages; please run\n\n    \
         sudo apt-get update && sudo apt-get install -y --no-install-recommends {}\n\n\
         and then the same command again",
        names.join(" ")
    )
}

fn elsewhere(names: &[&str]) -> String {
    format!(
        "no apt-get here ({}): please install what Debian calls {} with this system's package \
         manager, and then run the same command again",
        env::consts::OS,
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::shown;

    #[test]
    fn the_command_by_hand_can_be_pasted() {
        let text = by_hand(&["gcc", "libc6-dev"]);
        assert!(text.contains(
            "\n    sudo apt-get update && \
             sudo apt-get install -y --no-install-recommends gcc libc6-dev\n"
        ));
    }

    #[test]
    fn sudo_passes_the_setting_that_keeps_apt_quiet() {
        let command = apt(&["sudo", "-n"], &["install", "-y"], &["git"]);
        assert_eq!(
            shown(&command),
            "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get install -y git"
        );
    }

    #[test]
    fn nothing_is_done_when_nothing_is_missing() {
        let here = Package { name: "no-such-package", why: "for this test", is_present: || true };
        ensure(&[&[here]]).expect("present");
    }

    #[test]
    fn every_package_completes_its_sentence() {
        for package in BUILD.iter().chain(TIDY).chain(TESTS).chain(BENCH) {
            assert!(package.why.starts_with("to ") || package.why.starts_with("for "));
        }
    }
}

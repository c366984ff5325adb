//! Real servers for tests: each test program starts its own private instance, on a port of its
//! own and in a folder of its own, and the instance ends with the program. Nothing is skipped: a
//! server that is not installed is a failure that names the command that installs it.

pub mod mail;
pub mod mariadb;
pub mod postgres;
pub mod rt;
pub mod trackers;

mod certificates;

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a server may take to start before a test gives up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A program of a package, wherever Debian and others keep it.
pub(crate) fn program(name: &str, package: &str, folders: &[&str]) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    let elsewhere = folders.iter().flat_map(|folder| versions(Path::new(folder), name));
    let found = on_path.chain(elsewhere).find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| {
        panic!("{name} is not installed: cargo xtask test, or apt-get install {package}")
    })
}

/// The program in a folder, or in the folders of versions below it, the newest first.
fn versions(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut found = vec![folder.join(name)];
    let mut below: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .collect();
    below.sort();
    below.reverse();
    found.append(&mut below);
    found
}

/// A command that runs as an ordinary user, since database servers refuse root, and is killed
/// when the thread that starts it ends.
pub(crate) fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        let user = "nobody";
        command.args(["--reuid", user, "--regid", "nogroup", "--clear-groups"]);
        let given = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder).status();
        assert!(given.is_ok_and(|status| status.success()), "the folder is the server's");
    }
    command.arg(program).env("HOME", folder).current_dir(folder);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Runs a command to its end; what it complains of fails the test.
pub(crate) fn finish(mut command: Command) {
    let output = command.output().expect("it runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
}

/// A new folder for a server of this program. Removes those of programs that are no more: a
/// static is never dropped.
pub(crate) fn folder_of_this_program(prefix: &str) -> PathBuf {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let prefix = format!("{prefix}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("a folder").keep()
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Waits until the server listens, or fails with what it said.
pub(crate) fn await_port(child: &mut Child, port: u16, log: &Path) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = child.try_wait().expect("its state");
        if ended.is_some() || began.elapsed() > PATIENCE {
            let said = std::fs::read_to_string(log).unwrap_or_default();
            panic!("the server does not start ({ended:?}): {said}");
        }
        std::thread::yield_now();
    }
}

/// Starts something on a thread that never ends, so that what it starts lives as long as this
/// program; returns what came of it.
pub(crate) fn for_life<T: Send + 'static>(start: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let _ = send.send(start());
        loop {
            std::thread::park();
        }
    });
    receive.recv().expect("the server starts")
}

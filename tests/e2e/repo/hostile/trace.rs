//! What the kernel saw a process do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What strace writes down: programs, files, sockets, and changes by file descriptor.
const CALLS: &str = "trace=%process,%file,%network,fchmod,fchown,ftruncate,fallocate,fsetxattr,\
    io_uring_setup,pidfd_open,ptrace,process_vm_writev";

/// Calls that change what they name.
const CHANGES: &[&str] = &[
    "rename",
    "unlink",
    "mkdir",
    "rmdir",
    "symlink",
    "link",
    "chmod",
    "fchmod",
    "chown",
    "lchown",
    "fchown",
    "truncate",
    "ftruncate",
    "fallocate",
    "utime",
    "futimes",
    "mknod",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "mount",
    "umount",
    "chroot",
    "pivot_root",
    "swapon",
    "quotactl",
    "acct",
    "name_to_handle_at",
    "open_by_handle_at",
];
/// Calls that no reader of files needs.
const FOREIGN: &[&str] =
    &["connect", "bind", "listen", "accept", "io_uring_setup", "ptrace", "process_vm_writev"];

/// The command under strace, which writes one file a thread into a folder. Where `every` call stops
/// the process, those are seen, too, that its own filter of calls refuses; it takes three times as
/// long.
pub(super) fn traced(program: &Path, folder: &Path, every: bool) -> Command {
    fs::create_dir_all(folder).expect("a folder");
    let mut command = Command::new("strace");
    if !every {
        command.arg("--seccomp-bpf");
    }
    command.args(["-ff", "-y", "-s", "4096", "-e", CALLS, "-o"]);
    command.arg(folder.join("thread")).arg("--").arg(program);
    command
}

/// What a process may do.
pub(super) struct Rules {
    /// The program.
    pub(super) program: PathBuf,
    /// What it may read.
    pub(super) reads: Vec<PathBuf>,
    /// What it may change.
    pub(super) writes: Vec<PathBuf>,
}

/// What every program reads.
const SYSTEM: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/lib",
    "/usr/lib",
    "/proc",
    "/sys/fs/cgroup",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/urandom",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    // The name of the user, for the record.
    "/etc/nsswitch.conf",
    "/etc/passwd",
];

/// What the process did against the rules, and how many calls were seen.
pub(super) fn broken(folder: &Path, rules: &Rules) -> (Vec<String>, usize) {
    let mut broken = BTreeMap::new();
    let (mut seen, mut programs) = (0, 0);
    for entry in fs::read_dir(folder).expect("the trace") {
        let path = entry.expect("a file").path();
        for line in String::from_utf8_lossy(&fs::read(&path).expect("a trace")).lines() {
            let Some((name, rest)) = line.split_once('(') else { continue };
            seen += 1;
            let wrong = match name {
                "execve" | "execveat" => {
                    programs += 1;
                    !rest.contains(&*rules.program.to_string_lossy())
                }
                "socket" => !rest.starts_with("AF_UNIX"),
                // Where the C library looks for the name of the user first.
                "connect" => !rest.contains("sun_path=\"/var/run/nscd/socket\""),
                _ => FOREIGN.contains(&name) || is_wrong(name, rest, rules),
            };
            if wrong {
                // The same thing twice is told once, whatever its descriptor.
                let call = line.rsplit_once(") = ").map_or(line, |(call, _)| call);
                broken.entry(call.to_owned()).or_insert_with(|| line.to_owned());
            }
        }
    }
    if programs != 1 {
        broken.insert(String::new(), format!("{programs} programs were executed"));
    }
    (broken.into_values().collect(), seen)
}

fn is_wrong(name: &str, rest: &str, rules: &Rules) -> bool {
    let within = |folders: &[PathBuf], path: &str| {
        folders.iter().any(|folder| Path::new(path).starts_with(folder))
    };
    // Such a descriptor reads nothing: it names a folder to Landlock.
    if rest.contains("O_PATH") {
        return false;
    }
    let is_open = matches!(name, "open" | "openat" | "openat2" | "creat");
    let base = name.trim_end_matches("at2").trim_end_matches("at");
    if is_open {
        let writes = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_TMPFILE", "O_APPEND"];
        let writes = name == "creat" || writes.iter().any(|flag| rest.contains(flag));
        return places(rest).iter().any(|path| {
            let may_write =
                path == "/dev/null" || is_own_stream(path) || within(&rules.writes, path);
            let is_system = SYSTEM.iter().any(|top| Path::new(path).starts_with(top));
            let may_read = may_write
                || is_system
                || within(&rules.reads, path)
                || Path::new(path) == rules.program;
            if writes { !may_write } else { !may_read }
        });
    }
    // What failed changed nothing, but was tried.
    CHANGES.iter().any(|change| *change == base || *change == name)
        && places(rest).iter().any(|path| !within(&rules.writes, path))
}

/// Whether a path is a stream that the process was started with, opened anew.
fn is_own_stream(path: &str) -> bool {
    path.starts_with("/proc/self/fd/") || path.starts_with("pipe:")
}

/// The files that the arguments and the result of a call name: those that are opened as the kernel
/// resolved them, too.
fn places(rest: &str) -> Vec<String> {
    let mut places = Vec::new();
    let mut folder = "";
    let mut rest = rest;
    while let Some(at) = rest.find(['"', '<']) {
        let (mark, tail) = (rest.as_bytes()[at], &rest[at + 1..]);
        let close = if mark == b'"' { '"' } else { '>' };
        let Some(end) = tail.find(close) else { break };
        let text = &tail[..end];
        match (mark, text.starts_with('/')) {
            (b'<', true) => {
                folder = text;
                // The folder that a relative path starts in is opened before; the file that a
                // call returns is the last.
                if tail[end + 1..].trim().is_empty() || tail[end + 1..].starts_with(" (deleted)") {
                    places.push(text.to_owned());
                }
            }
            (b'"', true) => places.push(text.to_owned()),
            (b'"', false) if !text.is_empty() => places.push(format!("{folder}/{text}")),
            _ => {}
        }
        rest = &tail[end + 1..];
    }
    places
}

#[test]
fn calls_are_judged_by_the_files_they_name() {
    let rules = Rules {
        program: "/bin/suite".into(),
        reads: vec!["/t/repo".into()],
        writes: vec!["/t/state".into()],
    };
    for (name, rest, wrong) in [
        (
            "openat",
            "AT_FDCWD</t>, \"/t/repo/.git/HEAD\", O_RDONLY|O_CLOEXEC) = 5</t/repo/.git/HEAD>",
            false,
        ),
        ("openat", "AT_FDCWD</t>, \"/t/repo/.git/HEAD\", O_RDONLY) = 5</t/outside/canary>", true),
        (
            "openat",
            "AT_FDCWD</t>, \"/t/outside/canary\", O_RDONLY) = -1 EACCES (Permission denied)",
            true,
        ),
        (
            "openat",
            "AT_FDCWD</t>, \"/t/repo/.git/index.lock\", O_RDWR|O_CREAT|O_EXCL, 0666) = -1 EACCES",
            true,
        ),
        ("openat", "5</t/repo>, \"a\", O_RDONLY) = 6</t/repo/a>", false),
        ("openat", "5</t/outside>, \"a\", O_RDONLY) = 6</t/outside/a>", true),
        (
            "openat",
            "AT_FDCWD</t>, \"/t/state/repo/x\", O_WRONLY|O_CREAT, 0600) = 5</t/state/repo/x>",
            false,
        ),
        ("renameat", "AT_FDCWD</t>, \"/t/state/x\", AT_FDCWD</t>, \"/t/state/y\") = 0", false),
        ("rename", "\"/t/state/x\", \"/t/repo/y\") = 0", true),
        ("unlink", "\"/t/repo/y\") = -1 EACCES (Permission denied)", true),
        ("statx", "AT_FDCWD</t>, \"/t/outside\", 0, STATX_ALL, {}) = 0", false),
    ] {
        assert_eq!(is_wrong(name, rest, &rules), wrong, "{name}({rest}");
    }
}

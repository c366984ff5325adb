//! The processes of a run: what they use, and, where no namespace ends them at one stroke, their
//! end.

use std::fs::{self, File};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, SysconfVar, sysconf};

/// What a tree of processes uses at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processes and threads.
    pub(crate) tasks: u64,
    /// Bytes of memory that belong to one process each.
    pub(crate) own: u64,
    /// Bytes of memory, what is shared counted for each.
    pub(crate) resident: u64,
    /// Time of the processors.
    pub(crate) cpu: Duration,
}

/// Which processes are a run's.
#[derive(Debug)]
pub(crate) enum Tree {
    /// All of a `/proc` of its own but the first.
    All(File),
    /// The descendants of a process of this `/proc`.
    Below(Pid),
}

impl Tree {
    fn proc(&self) -> PathBuf {
        match self {
            Self::All(folder) => PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())),
            Self::Below(_) => PathBuf::from("/proc"),
        }
    }

    fn processes(&self) -> Vec<i32> {
        match self {
            Self::All(_) => {
                numbers(&self.proc()).into_iter().filter(|number| *number != 1).collect()
            }
            Self::Below(first) => descendants(first.as_raw()),
        }
    }

    /// What the processes use now.
    pub(crate) fn usage(&self) -> Usage {
        let page = system_number(SysconfVar::PAGE_SIZE, 4096);
        let ticks = system_number(SysconfVar::CLK_TCK, 100);
        let mut usage = Usage::default();
        let mut spent = 0;
        let proc = self.proc();
        let first = match self {
            Self::All(_) => 1,
            Self::Below(first) => first.as_raw(),
        };
        // What ended is counted with its parent: with the first process, in the end.
        spent += stat(&proc, first).map_or(0, |stat| stat.waited);
        for process in self.processes() {
            let Some(stat) = stat(&proc, process) else { continue };
            spent += stat.own + stat.waited;
            usage.tasks += stat.threads;
            let path = proc.join(process.to_string()).join("statm");
            let text = fs::read_to_string(path).unwrap_or_default();
            let mut pages = text.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
            let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
            usage.resident += resident * page;
            usage.own += resident.saturating_sub(shared) * page;
        }
        usage.cpu = Duration::from_millis(spent.saturating_mul(1000) / ticks);
        usage
    }

    /// Bytes of memory of the processes, what is shared counted once, without the files that are
    /// only read. Slow.
    pub(crate) fn memory(&self) -> u64 {
        let proc = self.proc();
        let sum = self.processes().into_iter().map(|process| {
            let folder = proc.join(process.to_string());
            let exact = fs::read_to_string(folder.join("smaps_rollup"));
            let (text, names) = match exact {
                Ok(text) => (text, ["Pss_Anon:", "Pss_Shmem:"]),
                Err(_) => (
                    fs::read_to_string(folder.join("status")).unwrap_or_default(),
                    ["RssAnon:", "RssShmem:"],
                ),
            };
            let field = |line: &str| {
                let rest = names.iter().find_map(|name| line.strip_prefix(name))?;
                rest.split_whitespace().next()?.parse::<u64>().ok()
            };
            text.lines().filter_map(field).sum::<u64>() * 1024
        });
        sum.sum()
    }
}

fn system_number(name: SysconfVar, otherwise: u64) -> u64 {
    let number = sysconf(name).ok().flatten().and_then(|number| u64::try_from(number).ok());
    number.filter(|number| *number > 0).unwrap_or(otherwise)
}

struct Stat {
    /// In ticks of the clock.
    own: u64,
    waited: u64,
    threads: u64,
}

/// `proc_pid_stat(5)`.
fn stat(proc: &Path, process: i32) -> Option<Stat> {
    let text = fs::read(proc.join(process.to_string()).join("stat")).ok()?;
    // The name in parentheses may hold anything.
    let after = text.iter().rposition(|byte| *byte == b')')? + 2;
    let text = String::from_utf8_lossy(text.get(after..)?).into_owned();
    let fields: Vec<&str> = text.split(' ').collect();
    // The first of these is the third field.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Stat {
        own: field(14)? + field(15)?,
        waited: field(16)? + field(17)?,
        threads: field(20)?,
    })
}

fn numbers(folder: &Path) -> Vec<i32> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// All descendants, each after its parent.
fn descendants(of: i32) -> Vec<i32> {
    let mut found = children(of);
    let mut next = 0;
    while let Some(process) = found.get(next).copied() {
        next += 1;
        for child in children(process) {
            if !found.contains(&child) {
                found.push(child);
            }
        }
    }
    found
}

/// The children of all threads of a process.
fn children(of: i32) -> Vec<i32> {
    let threads = PathBuf::from(format!("/proc/{of}/task"));
    let lists = numbers(&threads).into_iter().map(|thread| {
        fs::read_to_string(threads.join(thread.to_string()).join("children")).unwrap_or_default()
    });
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|n| n.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// Ends all descendants of this process, to whom orphans come, and waits for their ends. First all
/// are stopped, again and again until none is new: what is stopped starts no other.
pub(crate) fn end_descendants() {
    let own = Pid::this().as_raw();
    loop {
        let mut stopped: Vec<i32> = Vec::new();
        loop {
            let found = descendants(own);
            let new: Vec<i32> = found.into_iter().filter(|one| !stopped.contains(one)).collect();
            if new.is_empty() {
                break;
            }
            for process in new {
                let _ = kill(Pid::from_raw(process), Signal::SIGSTOP);
                stopped.push(process);
            }
        }
        for process in &stopped {
            let _ = kill(Pid::from_raw(*process), Signal::SIGKILL);
        }
        // Blocks until one has ended; the others of this round follow.
        match waitpid(None, None) {
            Err(Errno::ECHILD) => return,
            _ => {
                while matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Ok(status) if status.pid().is_some())
                {
                }
            }
        }
    }
}

/// The processes and threads that this user has on the whole machine.
pub(crate) fn tasks_of_this_user() -> u64 {
    let user = nix::unistd::getuid().to_string();
    let proc = Path::new("/proc");
    // The owner of the folder is root where a process may not be looked into.
    let of_user = |process: &i32| {
        let status = fs::read_to_string(proc.join(process.to_string()).join("status"));
        let status = status.unwrap_or_default();
        let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        users.and_then(|users| users.split_whitespace().next()) == Some(user.as_str())
    };
    let processes = numbers(proc).into_iter().filter(of_user);
    processes.filter_map(|process| stat(proc, process)).map(|stat| stat.threads).sum()
}

//! The first process of a run: it builds what the program sees, starts the program, waits for
//! whatever is left without a parent, ends all of it, and hands out the files that were asked for.
//!
//! In the tier `namespaces` it is process 1, whose end is everybody's. In the tier `landlock` it is
//! the one that orphans come to. It never returns, and it ends when the process outside does.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeValLike as _;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid};

use crate::identity::{INSIDE, Identity, write_tables};
use crate::program::{self, Program};
use crate::wire::{End, Note, Order};
use crate::{Exit, Job, Network, Tier, collect, kernel, tree, view};

/// What the first process is given.
pub(crate) struct Plan<'a> {
    pub(crate) job: &'a Job,
    pub(crate) tier: Tier,
    pub(crate) identity: Identity,
    /// The tables of users and groups; inside, a process no longer knows who it was.
    pub(crate) tables: (String, String),
    /// By mount: the user namespace by whose table it shows owners.
    pub(crate) owners: Vec<Option<OwnedFd>>,
    pub(crate) end: End,
    pub(crate) null: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// When the run started.
    pub(crate) clock: Duration,
    /// The process outside.
    pub(crate) outside: u32,
    /// Whether there is no program: all is tried but that.
    pub(crate) probe: bool,
}

/// The life of the first process.
pub(crate) fn live(plan: Plan<'_>) -> ! {
    let fds = [&plan.null, &plan.stdout, &plan.stderr];
    let mut keep: Vec<RawFd> = fds.iter().map(|fd| fd.as_raw_fd()).collect();
    keep.push(plan.end.fd().as_raw_fd());
    keep.extend(plan.owners.iter().flatten().map(std::os::fd::AsRawFd::as_raw_fd));
    kernel::close_all_but(&keep);
    let _ = prctl::set_name(c"sandbox");
    for stream in 0..=2 {
        let _ = kernel::redirect(plan.null.as_fd(), stream);
    }
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&plan)));
    let mut failed = match done {
        Ok(Ok(())) => kernel::exit(0),
        Ok(Err(why)) => why,
        Err(_) => "the sandbox failed while it was set up".to_owned(),
    };
    // It may quote what has no bound, such as a variable.
    let end = failed.char_indices().map(|(at, _)| at).nth(4000).unwrap_or(failed.len());
    failed.truncate(end);
    let _ = plan.end.tell(&Note::NotStarted(failed), &[]);
    kernel::exit(1)
}

fn run(plan: &Plan<'_>) -> Result<(), String> {
    end_with_outside(plan)?;
    let isolated = match plan.tier {
        Tier::Namespaces => isolate(plan)?,
        Tier::Landlock => orphans_come_here(plan)?,
    };
    let mut chld = SigSet::empty();
    chld.add(Signal::SIGCHLD);
    let blocked = chld.thread_block().map_err(|error| format!("signals: {error}"));
    let signals = blocked.and_then(|()| {
        SignalFd::with_flags(&chld, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(|error| format!("signals: {error}"))
    })?;
    let fds: Vec<RawFd> = isolated.fds.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
    plan.end.tell(&Note::Ready(isolated.notes), &fds).map_err(|error| error.to_string())?;
    drop(isolated.fds);
    let program = Program { plan, shared_memory: isolated.shared_memory };
    if !plan.job.collect.is_empty() {
        collect::wait_until_after(plan.clock);
    }
    let started = program::start(&program)?;
    let exit = wait(plan, started, &signals)?;
    end_all(plan.tier);
    let used = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(|error| error.to_string())?;
    let micros = used.user_time().num_microseconds() + used.system_time().num_microseconds();
    let note = Note::Ended {
        exit,
        cpu: Duration::from_micros(u64::try_from(micros).unwrap_or(0)),
        largest: u64::try_from(used.max_rss()).unwrap_or(0).saturating_mul(1024),
    };
    plan.end.tell(&note, &[]).map_err(|error| error.to_string())?;
    collect::hand_out(&plan.job.collect, &plan.end).map_err(|error| error.to_string())?;
    plan.end.tell(&Note::Finished, &[]).map_err(|error| error.to_string())
}

/// Ends this process with the one outside, which may be gone already. The kernel forgets the wish
/// whenever the process becomes another user.
fn end_with_outside(plan: &Plan<'_>) -> Result<(), String> {
    if plan.tier == Tier::Namespaces {
        prctl::set_pdeathsig(Signal::SIGKILL)
            .map_err(|error| format!("the end of the parent cannot be watched: {error}"))?;
    }
    if plan.end.is_alone() {
        kernel::exit(1);
    }
    Ok(())
}

/// What the first process leads to.
#[derive(Default)]
struct Isolated {
    /// For the process outside.
    fds: Vec<OwnedFd>,
    notes: Vec<String>,
    /// Whether a limit is on memory that is shared by number.
    shared_memory: bool,
}

fn isolate(plan: &Plan<'_>) -> Result<Isolated, String> {
    if plan.identity == Identity::Same {
        let (users, groups) = &plan.tables;
        // A process that may not be looked into does not own its files in /proc.
        let _ = prctl::set_dumpable(true);
        std::fs::write("/proc/self/setgroups", "deny")
            .and_then(|()| write_tables("self", users, groups))
            .map_err(|error| format!("the user namespace gets no table of users: {error}"))?;
        become_runner()?;
    } else {
        setgroups(&[]).map_err(|error| format!("the groups cannot be dropped: {error}"))?;
    }
    let _ = prctl::set_dumpable(false);
    let pages = (plan.job.limits.memory / 4096).max(1).to_string();
    let shared_memory = std::fs::write("/proc/sys/kernel/shmall", pages).is_ok();
    nix::unistd::sethostname("sandbox").map_err(|error| format!("the host's name: {error}"))?;
    let mut listeners = Vec::new();
    if view::has_loopback(&plan.job.network) {
        kernel::loopback_up().map_err(|error| format!("the loopback interface: {error}"))?;
    }
    if let Network::Ports(ports) = &plan.job.network {
        for port in ports {
            let listener = std::net::TcpListener::bind(("127.0.0.1", *port))
                .map_err(|error| format!("port {port} cannot be listened on inside: {error}"))?;
            listeners.push(OwnedFd::from(listener));
        }
    }
    let built = view::build(plan.job, plan.identity, &plan.owners)?;
    if plan.identity != Identity::Same {
        kernel::unshare(libc::CLONE_NEWUSER).map_err(|error| format!("user namespace: {error}"))?;
        plan.end.tell(&Note::Unmapped, &[]).map_err(|error| error.to_string())?;
        match plan.end.hear::<Order>() {
            Ok(Some((Order::Mapped, _))) => {}
            // Cancelled, or left alone, before anything was started.
            _ => kernel::exit(1),
        }
        become_runner()?;
    }
    kernel::bound_capabilities();
    kernel::drop_capabilities().map_err(|error| format!("capabilities: {error}"))?;
    prctl::set_no_new_privs().map_err(|error| format!("no_new_privs: {error}"))?;
    let _ = prctl::set_dumpable(false);
    end_with_outside(plan)?;
    let mut fds = vec![built.processes, built.disk];
    fds.append(&mut listeners);
    Ok(Isolated { fds, notes: built.notes, shared_memory })
}

fn become_runner() -> Result<(), String> {
    let (user, group) = (Uid::from_raw(INSIDE), Gid::from_raw(INSIDE));
    setresgid(group, group, group)
        .and_then(|()| setresuid(user, user, user))
        .map_err(|error| format!("the user cannot be changed: {error}"))
}

fn orphans_come_here(plan: &Plan<'_>) -> Result<Isolated, String> {
    let _ = prctl::set_dumpable(false);
    prctl::set_child_subreaper(true).map_err(|error| format!("orphans: {error}"))?;
    let said = match plan.identity {
        Identity::Other(number) => vec![format!("user {number}")],
        Identity::Same => Vec::new(),
    };
    Ok(Isolated { notes: said, ..Isolated::default() })
}

/// Waits until the program has ended or is to be ended.
fn wait(plan: &Plan<'_>, program: Pid, signals: &SignalFd) -> Result<Option<Exit>, String> {
    loop {
        if let Some(exit) = reap(program) {
            return Ok(Some(exit));
        }
        let mut fds = [
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(plan.end.fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let told = fds[1].revents().is_some_and(|events| !events.is_empty());
        while matches!(signals.read_signal(), Ok(Some(_))) {}
        if told {
            if let Ok(Some(_)) = plan.end.hear::<Order>() {
                return Ok(None);
            }
            end_all(plan.tier);
            kernel::exit(1)
        }
    }
}

/// Lets go of every child that has ended; gives how the program did.
fn reap(program: Pid) -> Option<Exit> {
    let mut ended = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(child, code)) if child == program => {
                ended = Some(Exit::Code(code));
            }
            Ok(WaitStatus::Signaled(child, signal, _)) if child == program => {
                ended = Some(Exit::Signal(signal as i32));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return ended,
            Ok(_) | Err(_) => {}
        }
    }
}

/// Ends every process of the run but this one, and waits for their ends.
fn end_all(tier: Tier) {
    if tier == Tier::Landlock {
        return tree::end_descendants();
    }
    // From process 1 these are all of its namespace, at one stroke.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    while !matches!(waitpid(None, None), Err(Errno::ECHILD)) {}
}

//! The process outside: it starts the first one inside, keeps what is printed, watches the limits,
//! forwards ports, and takes the reports.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe2};

use crate::collect;
use crate::forward::Forward;
use crate::group::Group;
use crate::identity::{self, Identity};
use crate::inside::{self, Plan};
use crate::kernel::{self, Forked};
use crate::output::Stream as Output;
use crate::scratch::{self, Scratch};
use crate::tree::{self, Tree};
use crate::watch::{Disk, EVERY, Watch};
use crate::wire::{self, End, MOST_DESCRIPTORS, Note, Order};
use crate::{Collected, Ended, Exit, Found, Job, Kept, Limit, Network, Stop, Tier, system, view};

/// How long the first process has to end the others and to hand out files, before it is ended.
const PATIENCE: Duration = Duration::from_millis(600);

/// What is said to have held where there is a control group.
pub(crate) const GROUP: &str = "control group: memory, processes";

/// A stream of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Runs a program and waits for its end, and for that of every process it started. As soon as
/// `control` can be read, or is closed at the other end, all of them are ended.
///
/// Call it in a process of its own, which has one thread and no other children: for example, one
/// forked for this by a process with one thread.
pub fn run(job: &Job, tier: Tier, control: OwnedFd) -> Ended {
    run_watched(job, tier, control, &mut |_, _| {})
}

/// The same, and shows what is printed while it is, all of it.
pub fn run_watched(
    job: &Job,
    tier: Tier,
    control: OwnedFd,
    seen: &mut dyn FnMut(Stream, &[u8]),
) -> Ended {
    supervise(job, tier, control, seen, false)
}

/// Lets this process end when its parent does. `false`: `parent` is gone already.
pub fn die_with_parent(parent: u32) -> bool {
    prctl::set_pdeathsig(Signal::SIGKILL).is_ok()
        && u32::try_from(nix::unistd::getppid().as_raw()) == Ok(parent)
}

/// A process is split while it has one thread.
pub(crate) fn one_thread() -> Result<(), String> {
    match std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count) {
        0 | 1 => Ok(()),
        many => Err(format!("{many} threads run here; a sandbox is started while there is one")),
    }
}

/// Runs a job, or all of it but the program.
pub(crate) fn supervise(
    job: &Job,
    tier: Tier,
    control: OwnedFd,
    seen: &mut dyn FnMut(Stream, &[u8]),
    probe: bool,
) -> Ended {
    let began = Instant::now();
    let result = start(job, tier, probe).map(|run| run.watch(control, began, seen));
    let mut ended = result.unwrap_or_else(|why| Ended {
        exit: None,
        by: Some(Stop::NotStarted(why)),
        tier,
        held: Vec::new(),
        wall: Duration::ZERO,
        cpu: Duration::ZERO,
        peak: None,
        stdout: Kept::default(),
        stderr: Kept::default(),
        collected: Vec::new(),
    });
    ended.wall = began.elapsed();
    ended
}

/// A run that was started.
struct Run {
    job: Job,
    asked: Vec<crate::Collect>,
    tier: Tier,
    identity: Identity,
    first: Pid,
    end: End,
    outputs: [Option<Output>; 2],
    /// Removed at the end.
    scratch: Option<Scratch>,
    /// The same.
    group: Option<Group>,
    /// When it started.
    clock: Duration,
}

fn start(job: &Job, tier: Tier, probe: bool) -> Result<Run, String> {
    one_thread()?;
    check(job)?;
    let clock = collect::now();
    let identity = Identity::of(tier);
    let (inner, scratch) = match tier {
        Tier::Namespaces => (job.clone(), None),
        Tier::Landlock => {
            if kernel::landlock_abi() < 3 {
                return Err(
                    "it takes Landlock ABI 3: run Linux 6.2 or later, with landlock in its \
                            list of security modules"
                        .to_owned(),
                );
            }
            let (inner, scratch) = scratch::prepare(job, identity)?;
            // Should the first process be killed, its orphans come here.
            let _ = prctl::set_child_subreaper(true);
            (inner, Some(scratch))
        }
    };
    let owners = match (tier, identity) {
        (Tier::Namespaces, Identity::Other(number)) => {
            inner.mounts.iter().map(|mount| owner_table(&mount.from, number)).collect()
        }
        _ => Vec::new(),
    };
    let failed = |error: nix::Error| format!("a pipe: {error}");
    let (stdout, stdout_inside) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let (stderr, stderr_inside) = pipe2(OFlag::O_CLOEXEC).map_err(failed)?;
    let keep = |pipe, to: &std::path::Path| {
        Output::new(pipe, to, job.limits.output)
            .map_err(|error| format!("{} cannot be written: {error}", to.display()))
    };
    let outputs = [Some(keep(stdout, &job.stdout)?), Some(keep(stderr, &job.stderr)?)];
    let null = File::options().read(true).write(true).open("/dev/null");
    let (end, end_inside) = wire::pair().map_err(|error| format!("a socket: {error}"))?;
    let plan = Plan {
        job: &inner,
        tier,
        identity,
        tables: identity.tables(),
        clock,
        owners,
        end: end_inside,
        null: null.map_err(|error| format!("/dev/null: {error}"))?.into(),
        stdout: stdout_inside,
        stderr: stderr_inside,
        outside: std::process::id(),
        probe,
    };
    let flags = namespaces(tier, identity);
    let mut group = Group::make(&job.limits);
    let split = match &group {
        Some(made) => kernel::split_into(flags, made.fd()).or_else(|_| {
            group = None;
            kernel::split(flags)
        }),
        None => kernel::split(flags),
    };
    let first = match split {
        Ok(Forked::Child) => inside::live(plan),
        Ok(Forked::Parent(first)) => first,
        Err(error) => {
            return Err(format!(
                "namespaces cannot be made ({error}): allow user namespaces (sysctl \
                 user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), or let \
                 the container have them"
            ));
        }
    };
    drop(plan);
    let asked = job.collect.clone();
    Ok(Run { job: inner, asked, tier, identity, first, end, outputs, scratch, group, clock })
}

fn namespaces(tier: Tier, identity: Identity) -> i32 {
    let others = libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    match (tier, identity) {
        (Tier::Landlock, _) => 0,
        // Root makes one last, and so has no rights in the others.
        (Tier::Namespaces, Identity::Other(_)) => others,
        (Tier::Namespaces, Identity::Same) => others | libc::CLONE_NEWUSER,
    }
}

fn owner_table(from: &std::path::Path, number: u32) -> Option<OwnedFd> {
    let (user, group) = view::owner_of(from)?;
    identity::swapped(user, group, number).ok()
}

fn check(job: &Job) -> Result<(), String> {
    let mut paths = vec![&job.folder];
    paths.extend(job.mounts.iter().flat_map(|mount| [&mount.from, &mount.at]));
    paths.extend(job.collect.iter().map(|collect| &collect.inside));
    if let Some(path) = paths.into_iter().find(|path| !system::is_plain(path)) {
        return Err(format!("{} is not an absolute path without ..", path.display()));
    }
    let private =
        |path: &std::path::Path| ["/proc", "/dev", "/sys"].iter().any(|of| path.starts_with(of));
    if let Some(mount) =
        job.mounts.iter().find(|mount| mount.at.parent().is_none() || private(&mount.at))
    {
        return Err(format!("nothing is mounted at {}", mount.at.display()));
    }
    match &job.network {
        Network::Ports(ports) if ports.len() > MOST_DESCRIPTORS - 2 => {
            Err(format!("{} ports are too many", ports.len()))
        }
        Network::Ports(ports) if ports.contains(&0) => Err("port 0 is none".to_owned()),
        _ => Ok(()),
    }
}

/// What a run leads to, as far as it is known.
#[derive(Default)]
struct Known {
    exit: Option<Exit>,
    by: Option<Stop>,
    held: Vec<String>,
    cpu: Duration,
    largest: u64,
    collected: Vec<Collected>,
    finished: bool,
}

impl Run {
    fn watch(
        mut self,
        control: OwnedFd,
        began: Instant,
        seen: &mut dyn FnMut(Stream, &[u8]),
    ) -> Ended {
        let mut known = Known::default();
        let mut watch = None;
        let mut forward = Forward::default();
        let end_of_time = began.checked_add(self.job.limits.wall);
        let mut next_look = Instant::now() + EVERY;
        let mut kill_at: Option<Instant> = None;
        loop {
            let deadlines = [end_of_time.filter(|_| known.by.is_none()), kill_at];
            let wake = deadlines.into_iter().flatten().fold(next_look, Instant::min);
            let asked = known.by.is_none().then(|| control.as_fd());
            let (cancelled, told) = self.wait(asked, &forward, wake);
            for (output, name) in self.outputs.iter_mut().zip([Stream::Stdout, Stream::Stderr]) {
                if let Some(output) = output {
                    output.turn(|bytes| seen(name, bytes));
                }
            }
            forward.turn();
            let now = Instant::now();
            let mut by = cancelled.then_some(Stop::Cancelled);
            if told && !self.hear(&mut known, &mut watch, &mut forward) {
                break;
            }
            if end_of_time.is_some_and(|end| now >= end) {
                by = by.or(Some(Stop::Limit(Limit::Wall)));
            }
            if now >= next_look {
                let passed =
                    watch.as_mut().and_then(|watch: &mut Watch| watch.look(&self.job.limits));
                let passed = passed.or_else(|| self.group.as_ref().and_then(Group::passed));
                by = by.or(passed.map(Stop::Limit));
                next_look = Instant::now() + EVERY;
            }
            if let (Some(by), None) = (by, &known.by) {
                known.by = Some(by);
                let _ = self.end.tell(&Order::Stop, &[]);
                kill_at = Some(now + PATIENCE);
            }
            // In the tier `landlock` it is the one that ends the others.
            if kill_at.is_some_and(|at| now >= at) && self.tier == Tier::Namespaces {
                kill_at = None;
                let _ = kill(self.first, Signal::SIGKILL);
            } else if kill_at.is_some_and(|at| now >= at) {
                kill_at = None;
            }
        }
        self.finish(known, watch, seen)
    }

    /// Waits for anything to do; gives whether the run is cancelled, and whether the first process
    /// has told something, or is gone.
    fn wait(
        &self,
        control: Option<BorrowedFd<'_>>,
        forward: &Forward,
        until: Instant,
    ) -> (bool, bool) {
        let mut fds = vec![PollFd::new(self.end.fd(), PollFlags::POLLIN)];
        let has_control = control.is_some();
        fds.extend(control.map(|control| PollFd::new(control, PollFlags::POLLIN)));
        let outputs = self.outputs.iter().flatten().filter_map(Output::fd);
        fds.extend(outputs.map(|output| PollFd::new(output, PollFlags::POLLIN)));
        fds.extend(forward.fds());
        let left = until.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        if poll(&mut fds, left).is_err() {
            return (false, false);
        }
        let ready = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        (has_control && ready(&fds[1]), ready(&fds[0]))
    }

    /// Takes one message; `false`: the first process is gone.
    fn hear(&self, known: &mut Known, watch: &mut Option<Watch>, forward: &mut Forward) -> bool {
        let Ok(Some((note, mut fds))) = self.end.hear::<Note>() else { return false };
        match note {
            Note::Unmapped => {
                let (users, groups) = self.identity.tables();
                match identity::write_tables(&self.first.to_string(), &users, &groups) {
                    Ok(()) => {
                        let _ = self.end.tell(&Order::Mapped, &[]);
                    }
                    Err(error) => {
                        let why = format!("the user namespace gets no table of users: {error}");
                        known.by = known.by.take().or(Some(Stop::NotStarted(why)));
                        let _ = self.end.tell(&Order::Stop, &[]);
                    }
                }
            }
            Note::Ready(notes) => {
                known.held = self.held(notes);
                *watch = Some(self.watcher(&mut fds));
                if let Network::Ports(ports) = &self.job.network
                    && let Ok(made) = Forward::new(fds, ports)
                {
                    *forward = made;
                }
            }
            Note::NotStarted(why) => known.by = known.by.take().or(Some(Stop::NotStarted(why))),
            Note::Ended { exit, cpu, largest } => {
                (known.exit, known.cpu, known.largest) = (exit, cpu, largest);
            }
            Note::File { number, inside, found } => {
                if let Some(asked) = self.asked.get(number) {
                    let file = fds.pop();
                    let inside = self.named_inside(number, inside);
                    known.collected.push(collect::take(asked, inside, found, file, self.clock));
                }
            }
            Note::Finished => known.finished = true,
        }
        true
    }

    /// A path as the caller calls it, where the program saw a copy.
    fn named_inside(&self, number: usize, seen: std::path::PathBuf) -> std::path::PathBuf {
        let asked = self.asked.get(number).and_then(|asked| asked.inside.parent());
        match (asked, seen.file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => seen,
        }
    }

    fn watcher(&self, fds: &mut Vec<OwnedFd>) -> Watch {
        if let Some(scratch) = &self.scratch {
            let disk = Disk::folder(scratch.folder.clone());
            return Watch::new(Tree::Below(self.first), disk);
        }
        let mut fds = fds.drain(..2.min(fds.len()));
        match (fds.next(), fds.next()) {
            (Some(processes), Some(disk)) => {
                Watch::new(Tree::All(File::from(processes)), Disk::own(disk))
            }
            _ => Watch::new(Tree::Below(self.first), Disk::folder("/nonexistent".into())),
        }
    }

    fn held(&self, notes: Vec<String>) -> Vec<String> {
        let mut held = Vec::new();
        if self.tier == Tier::Namespaces {
            held.push("namespaces: user, mount, pid, network, ipc, uts, cgroup".to_owned());
            if let Identity::Other(number) = self.identity {
                held.push(format!("user {number}"));
            }
        }
        match kernel::landlock_abi() {
            0 => {}
            abi => held.push(format!("Landlock ABI {abi}")),
        }
        held.extend(["seccomp", "no_new_privs", "no capabilities", "rlimits"].map(str::to_owned));
        if self.group.is_some() {
            held.push(GROUP.to_owned());
        }
        held.extend(notes);
        held
    }

    fn finish(
        mut self,
        mut known: Known,
        mut watch: Option<Watch>,
        seen: &mut dyn FnMut(Stream, &[u8]),
    ) -> Ended {
        identity::reap(self.first);
        if self.tier == Tier::Landlock {
            // Nothing, unless the first process was killed before it had ended the others.
            tree::end_descendants();
        }
        let names = [Stream::Stdout, Stream::Stderr];
        let mut kept = self.outputs.iter_mut().zip(names).map(|(output, name)| {
            output.take().map(|output| output.finish(|bytes| seen(name, bytes))).unwrap_or_default()
        });
        let (stdout, stderr) = (kept.next().unwrap_or_default(), kept.next().unwrap_or_default());
        drop(kept);
        if !known.finished && known.by.is_none() {
            known.by = Some(Stop::Lost(
                "the first process of the sandbox was ended from outside, perhaps since the machine \
                 had no memory left; nothing of the run is left"
                    .to_owned(),
            ));
        }
        let passed = match known.exit {
            Some(Exit::Signal(libc::SIGXCPU)) => Some(Limit::Cpu),
            Some(Exit::Signal(libc::SIGXFSZ)) => Some(Limit::Disk),
            _ => (watch.as_mut().and_then(|watch| watch.disk(&self.job.limits)))
                .or_else(|| self.group.as_ref().and_then(Group::passed)),
        };
        known.by = known.by.or(passed.map(Stop::Limit));
        self.complete(&mut known);
        let watched = watch.as_ref().map_or(Duration::ZERO, |watch| watch.usage.cpu);
        Ended {
            exit: known.exit,
            by: known.by,
            tier: self.tier,
            held: known.held,
            wall: Duration::ZERO,
            cpu: known.cpu.max(watched),
            peak: watch.map(|watch| watch.peak.max(known.largest)),
            stdout,
            stderr,
            collected: known.collected,
        }
    }

    /// Says of what was asked for and not handed out that it is missing.
    fn complete(&self, known: &mut Known) {
        if known.finished {
            return;
        }
        for asked in &self.asked {
            let folder = asked.inside.parent();
            if known.collected.iter().any(|found| found.inside.parent() == folder) {
                continue;
            }
            known.collected.push(collect::take(
                asked,
                asked.inside.clone(),
                Found::Missing,
                None,
                self.clock,
            ));
        }
    }
}

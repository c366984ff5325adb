//! The last steps before the program: what a process gives away it gives away here.

use std::ffi::{CString, OsString};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{
    AccessFlags, Gid, Pid, Uid, access, chdir, execve, pipe2, setgroups, setresgid, setresuid,
    setsid,
};

use crate::calls::{self, Rules};
use crate::files::{self, Allowed};
use crate::identity::Identity;
use crate::inside::Plan;
use crate::kernel::{self, Forked};
use crate::{Access, HOME, Job, Network, Tier, system, tree};

/// What there is to start.
pub(crate) struct Program<'a> {
    pub(crate) plan: &'a Plan<'a>,
    /// Whether a limit is on memory that is shared by number.
    pub(crate) shared_memory: bool,
}

/// Starts it; the error says why it did not start, and what to do.
pub(crate) fn start(program: &Program<'_>) -> Result<Pid, String> {
    let (read, write) = pipe2(OFlag::O_CLOEXEC).map_err(|error| format!("a pipe: {error}"))?;
    let forked = kernel::split(0).map_err(|error| format!("no process can be started: {error}"))?;
    match forked {
        Forked::Child => {
            drop(read);
            let mut told = std::fs::File::from(write);
            let why = become_it(program).err();
            if let Some(why) = &why {
                let _ = told.write_all(why.as_bytes());
            }
            kernel::exit(i32::from(why.is_some()))
        }
        Forked::Parent(child) => {
            drop(write);
            let mut why = String::new();
            let _ = std::fs::File::from(read).read_to_string(&mut why);
            if why.is_empty() { Ok(child) } else { Err(why) }
        }
    }
}

/// Becomes the program; comes back only where it cannot, or where there is none.
fn become_it(program: &Program<'_>) -> Result<(), String> {
    let plan = program.plan;
    let job = plan.job;
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: nix::errno::Errno| format!("{what}: {error}")
    };
    setsid().map_err(failed("a new session"))?;
    for (stream, fd) in [&plan.null, &plan.stdout, &plan.stderr].iter().enumerate() {
        kernel::redirect(fd.as_fd(), i32::try_from(stream).unwrap_or(0))
            .map_err(|error| format!("the standard streams: {error}"))?;
    }
    kernel::reset_signals();
    // The program is the first to go when the machine is out of memory. A process that may not be
    // looked into does not own its files in /proc.
    let _ = prctl::set_dumpable(true);
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = prctl::set_dumpable(false);
    if plan.tier == Tier::Landlock {
        leave(plan)?;
    }
    limit(program).map_err(failed("a limit"))?;
    kernel::close_all_on_execute().map_err(|error| format!("descriptors: {error}"))?;
    prctl::set_no_new_privs().map_err(failed("no_new_privs"))?;
    if kernel::landlock_abi() > 0 {
        files::restrict(&allowed(job, plan.tier))?;
    }
    chdir(&job.folder).map_err(|error| no_folder(&job.folder, error))?;
    let found = if plan.probe { Ok(PathBuf::new()) } else { find(job) };
    let words = |list: &[OsString]| -> Result<Vec<CString>, String> {
        list.iter()
            .map(|word| CString::new(word.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|_| "an argument or a variable has a zero byte: take it out".to_owned())
    };
    let arguments = words(&job.argv)?;
    let environment: Vec<OsString> = job
        .env
        .iter()
        .map(|(name, value)| OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect();
    let environment = words(&environment)?;
    let path = found.and_then(|path| {
        CString::new(path.as_os_str().as_bytes()).map_err(|_| "the program's name".to_owned())
    })?;
    calls::restrict(&rules(program))?;
    if plan.probe {
        return Ok(());
    }
    let error = match execve(&path, &arguments, &environment) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    Err(not_started(&path, error))
}

/// In the tier `landlock`: the process gives away the rights that the first one keeps.
fn leave(plan: &Plan<'_>) -> Result<(), String> {
    let failed = |error| format!("the user cannot be changed: {error}");
    kernel::bound_capabilities();
    if let Identity::Other(number) = plan.identity {
        let (user, group) = (Uid::from_raw(number), Gid::from_raw(number));
        setgroups(&[])
            .and_then(|()| setresgid(group, group, group))
            .and_then(|()| setresuid(user, user, user))
            .map_err(failed)?;
    }
    kernel::drop_capabilities().map_err(|error| format!("capabilities: {error}"))?;
    for mount in &plan.job.mounts {
        let wished = if mount.access == Access::Read {
            AccessFlags::R_OK
        } else {
            AccessFlags::R_OK | AccessFlags::W_OK
        };
        access(&mount.at, wished).map_err(|error| {
            format!(
                "{} is not for the user that the program is in the tier landlock ({error}): let \
                 others in, or allow namespaces on this machine",
                mount.from.display()
            )
        })?;
    }
    prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(failed)?;
    if plan.end.is_alone() {
        kernel::exit(1);
    }
    Ok(())
}

fn limit(program: &Program<'_>) -> nix::Result<()> {
    let plan = program.plan;
    let limits = &plan.job.limits;
    let same = |resource, most| setrlimit(resource, most, most);
    same(Resource::RLIMIT_CORE, 0)?;
    same(Resource::RLIMIT_NOFILE, limits.files.into())?;
    same(Resource::RLIMIT_FSIZE, limits.disk)?;
    // In a user namespace of its own only this run is counted. The first process is, too, and one
    // more lets the watch see that the limit was passed. Elsewhere the caller's other processes
    // are counted, which may come and go: there is room for that, and the watch is what holds.
    let processes = u64::from(limits.processes);
    let most = match (plan.tier, plan.identity) {
        (Tier::Landlock, Identity::Same) => tree::tasks_of_this_user() + 2 * processes + 64,
        _ => processes + 2,
    };
    same(Resource::RLIMIT_NPROC, most)?;
    if let Some(cpu) = limits.cpu {
        let seconds = cpu.as_secs() + 1;
        setrlimit(Resource::RLIMIT_CPU, seconds, seconds + 1)?;
    }
    Ok(())
}

/// What Landlock allows.
fn allowed(job: &Job, tier: Tier) -> Allowed {
    let strings = |list: &[&str]| -> Vec<PathBuf> { list.iter().map(PathBuf::from).collect() };
    let mut devices: Vec<PathBuf> =
        system::DEVICES.iter().map(|name| Path::new("/dev").join(name)).collect();
    let (mut read, mut write) = match tier {
        Tier::Namespaces => {
            devices.push(PathBuf::from("/dev/pts/ptmx"));
            (strings(&["/"]), strings(&[HOME, "/tmp", "/var/tmp", "/dev/shm", "/dev/pts"]))
        }
        Tier::Landlock => (system::paths(), Vec::new()),
    };
    // The machine's: files of a process are kept from other ones by Landlock, lists are not.
    let named = if tier == Tier::Landlock { strings(&["/proc"]) } else { Vec::new() };
    for mount in &job.mounts {
        match mount.access {
            Access::Read => read.push(mount.at.clone()),
            Access::Private | Access::Write => write.push(mount.at.clone()),
        }
    }
    let connect = match (&job.network, tier) {
        (Network::None, _) => Some(Vec::new()),
        (Network::Ports(ports), Tier::Landlock) => Some(ports.clone()),
        _ => None,
    };
    Allowed { read, write, named, devices, connect }
}

fn rules(program: &Program<'_>) -> Rules {
    let plan = program.plan;
    Rules {
        tier: plan.tier,
        landlock: kernel::landlock_abi(),
        internet: plan.job.network != Network::None,
        owns_outside: plan.tier == Tier::Landlock && plan.identity == Identity::Same,
        shared_memory: program.shared_memory,
        ours: [plan.outside, std::os::unix::process::parent_id()],
    }
}

fn no_folder(folder: &Path, error: nix::errno::Errno) -> String {
    let folder = folder.display();
    match error {
        nix::errno::Errno::ENOENT => format!(
            "the working folder {folder} does not exist inside: mount it, or name another one"
        ),
        _ => format!("the working folder {folder} cannot be entered: {error}"),
    }
}

/// The program's file, looked up in the `PATH` that the program will have.
fn find(job: &Job) -> Result<PathBuf, String> {
    let Some(name) = job.argv.first().filter(|name| !name.is_empty()) else {
        return Err("there is no program to start: give its name".to_owned());
    };
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let path = job.env.iter().find(|(key, _)| key == "PATH").map(|(_, value)| value);
    let Some(path) = path else {
        return Err(format!(
            "{} is looked up in PATH, and there is none: give it, or the program's whole path",
            name.display()
        ));
    };
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
        .ok_or_else(|| {
            format!(
                "{} is in no folder of PATH ({}) inside: install it, or mount what it is in",
                name.display(),
                path.display()
            )
        })
}

/// Why a file was not executed. The kernel says of a missing interpreter what it says of a missing
/// file.
fn not_started(path: &CString, error: nix::errno::Errno) -> String {
    use nix::errno::Errno;
    let file = Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
    let name = file.display();
    match error {
        Errno::ENOENT if file.exists() => match interpreter(file) {
            Ok(Some(interpreter)) => format!(
                "{name} is a script for {interpreter}, which does not exist inside: install it, or \
                 mount what it is in"
            ),
            _ => format!(
                "{name} needs a loader that does not exist inside: it was built for another system"
            ),
        },
        Errno::ENOENT => {
            format!("{name} does not exist inside: install it, or mount what it is in")
        }
        Errno::EACCES if file.is_dir() => format!("{name} is a folder, no program"),
        Errno::EACCES => format!("{name} may not be executed: chmod +x, or mount what it is in"),
        Errno::ENOEXEC => {
            format!("{name} is no program of this machine, and no script: begin it with #!")
        }
        Errno::E2BIG => "the arguments and variables are too long together".to_owned(),
        _ => format!("{name} cannot be started: {error}"),
    }
}

/// The interpreter in the first line of a script.
fn interpreter(file: &Path) -> io::Result<Option<String>> {
    let mut start = Vec::new();
    std::fs::File::open(file)?.take(256).read_to_end(&mut start)?;
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(line.strip_prefix(b"#!").and_then(|rest| {
        String::from_utf8_lossy(rest).split_whitespace().next().map(str::to_owned)
    }))
}

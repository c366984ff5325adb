//! System calls by seccomp: a server never mounts, traces, loads a module or starts a program, so
//! the kernel refuses it with `EPERM`, whoever asks.
//!
//! A list of what is refused, not of what is allowed: the C library and the async runtime change
//! which calls they use with every release, and a filter that is too tight kills a server on the
//! day of an update. What the list lacks still meets Landlock, the user's rights, and no new
//! privileges.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt as _;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use crate::{Plan, Status};

/// What no server needs. `fchmodat2` is 452 on every architecture.
const NEVER: &[i64] = &[
    // Looking into other processes, and being looked into.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    // File systems and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_fanotify_init,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_syslog,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_personality,
    // Keys of the kernel.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // The machine's name and clock.
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    // Rights of files by name, which Landlock does not look at.
    libc::SYS_fchmodat,
    452,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    // Whatever listens, listens before.
    libc::SYS_listen,
];

/// The same on x86-64, by their older names.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_mknod,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// Starting a program.
const EXECUTE: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// Signals to a process, whose number is the first argument.
const SIGNALS: &[i64] =
    &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// Signals to what is named in another way.
const OTHER_SIGNALS: &[i64] = &[libc::SYS_tkill, libc::SYS_pidfd_send_signal];

/// The flags of `clone` that make a namespace (`CLONE_NEW…`, clone(2)).
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Installs the filters; the error says why none holds.
pub(crate) fn restrict(plan: &Plan, landlock: u32) -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no seccomp filter for {}", std::env::consts::ARCH))?;
    let unbuilt = |error: BackendError| format!("the seccomp filter cannot be built: {error}");
    let refused = refused(plan, landlock).map_err(unbuilt)?;
    let programs: [BpfProgram; 3] = [
        // `clone3` has its flags in memory, where a filter cannot look: without it, the C library
        // takes `clone`.
        filter(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS, arch)
            .map_err(unbuilt)?,
        filter(refused, libc::EPERM, arch).map_err(unbuilt)?,
        second_numbering(),
    ];
    for program in programs.iter().filter(|program| !program.is_empty()) {
        seccompiler::apply_filter(program)
            .map_err(|error| format!("this kernel installs no seccomp filter: {error}"))?;
    }
    Ok(())
}

/// Whether the filters hold.
pub(crate) fn status(done: Result<(), String>) -> Status {
    match done {
        Ok(()) => Status::Held("seccomp".to_owned()),
        Err(why) => Status::Missing(why),
    }
}

/// Whether other programs are out of reach.
pub(crate) fn programs(plan: &Plan, no_seccomp: Option<&String>) -> Status {
    match no_seccomp {
        _ if plan.execute => Status::NotAsked("this server runs programs"),
        None => Status::Held("seccomp".to_owned()),
        Some(why) => Status::Missing(why.clone()),
    }
}

/// Whether other processes are out of reach of signals: by Landlock from ABI 6 (Linux 6.12) on, or
/// by seccomp, where no child needs to signal itself.
pub(crate) fn signals(plan: &Plan, landlock: u32, no_seccomp: Option<&String>) -> Status {
    match (landlock >= 6, no_seccomp) {
        (true, _) => Status::Held("Landlock".to_owned()),
        (false, None) if !plan.execute => Status::Held("seccomp".to_owned()),
        (false, _) => Status::Missing(format!(
            "signals need Landlock ABI 6, and this kernel has {landlock}: run Linux 6.12 or later"
        )),
    }
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn filter(rules: Rules, error: i32, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// The calls that are refused: without rules always, with rules when one fits the arguments.
fn refused(plan: &Plan, landlock: u32) -> Result<Rules, BackendError> {
    let mut rules: Rules = NEVER.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    let mut refuse = |calls: &[i64]| rules.extend(calls.iter().map(|call| (*call, Vec::new())));
    if !plan.execute {
        refuse(EXECUTE);
        refuse(OTHER_SIGNALS);
    }
    if landlock < 3 {
        // By name, which Landlock looks at from ABI 3 on; by descriptor it needs no rule.
        refuse(&[libc::SYS_truncate]);
    }
    if !plan.execute {
        let own = u64::from(std::process::id());
        for call in SIGNALS {
            rules.insert(*call, vec![when(0, SeccompCmpOp::Ne, own)?]);
        }
    }
    let namespaces: Result<Vec<SeccompRule>, BackendError> = NAMESPACES
        .iter()
        .map(|flag| {
            let flag = u64::from(flag.unsigned_abs());
            when(0, SeccompCmpOp::MaskedEq(flag), flag)
        })
        .collect();
    rules.insert(libc::SYS_clone, namespaces?);
    rules.insert(libc::SYS_socket, sockets(plan)?);
    Ok(rules)
}

/// Which sockets are refused. None is needed but to connect; then streams and datagrams of the
/// internet families (datagrams for names), and of the Unix family where the plan names a socket.
fn sockets(plan: &Plan) -> Result<Vec<SeccompRule>, BackendError> {
    let mut families = Vec::new();
    if !plan.connect.is_empty() {
        families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    let is_socket = |path: &std::path::PathBuf| {
        std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
    };
    if plan.write.iter().any(is_socket) {
        families.push(libc::AF_UNIX);
    }
    if families.is_empty() {
        return Ok(Vec::new());
    }
    let strange: Result<Vec<SeccompCondition>, BackendError> =
        families.iter().map(|family| is(0, SeccompCmpOp::Ne, unsigned(*family))).collect();
    let mut rules = vec![SeccompRule::new(strange?)?];
    // The kinds beside 1 and 2, below the flags: raw, reliably delivered, sequenced, DCCP, packet.
    for kind in [libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_SEQPACKET, libc::SOCK_DCCP, SOCK_PACKET]
    {
        rules.push(when(1, SeccompCmpOp::MaskedEq(0xf), unsigned(kind))?);
    }
    Ok(rules)
}

/// The obsolete way to raw packets (socket(2)).
const SOCK_PACKET: i32 = 10;

fn unsigned(number: i32) -> u64 {
    u64::from(number.unsigned_abs())
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![is(argument, operator, value)?])
}

fn is(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    // The kernel takes these arguments as 32 bits and ignores what stands above.
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

/// On x86-64 the kernel may know every call by a second number (the x32 ABI, bit 30 set), which
/// the other filters would let through: seccomp(2) warns of it.
#[cfg(target_arch = "x86_64")]
fn second_numbering() -> BpfProgram {
    let instruction = |code: u32, jt, jf, k| sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt,
        jf,
        k,
    };
    vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 1, 0x4000_0000),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs(),
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn second_numbering() -> BpfProgram {
    let none: Vec<sock_filter> = Vec::new();
    none
}

//! System calls by seccomp, on top of everything else: what no test needs and what attacks on
//! kernels are made of. A list of what is refused, since programs of every kind run here.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use crate::Tier;

/// Refused with `EPERM`, whatever the arguments. 467 is `open_tree_attr`, of Linux 6.15.
const NEVER: &[i64] = &[
    // Looking into other processes.
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
    467,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
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
    libc::SYS_syslog,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_vhangup,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // Keys of the kernel, which know no namespace.
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
];

/// The same on x86-64, by their older names.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_kexec_file_load,
    libc::SYS_uselib,
    libc::SYS__sysctl,
    libc::SYS_sysfs,
    libc::SYS_ustat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// Answered as by a kernel that lacks them: programs then take another way. `clone3` has its flags
/// in memory, where a filter cannot look. What `memfd_create` makes is memory that belongs to no
/// process and to no disk, so that no limit would be on it.
const UNKNOWN: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_memfd_create,
    libc::SYS_memfd_secret,
];

/// The flags of `clone` that make a namespace (clone(2)).
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Rights, owners and attributes of files by name, which Landlock does not look at. 452 is
/// `fchmodat2`; 463 and 466 are `setxattrat` and `removexattrat`; 469 is `file_setattr`.
const RIGHTS: &[i64] = &[
    libc::SYS_fchmodat,
    452,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    463,
    466,
    469,
];
#[cfg(target_arch = "x86_64")]
const OLDER_RIGHTS: &[i64] = &[
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_RIGHTS: &[i64] = &[];

/// Memory, messages and counters that processes share by number or name.
const SHARED: &[i64] = &[
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
];

/// What changes another process of the same user, by its number in that argument; 0 is oneself.
const OTHERS: &[(i64, u8)] = &[
    (libc::SYS_prlimit64, 0),
    (libc::SYS_migrate_pages, 0),
    (libc::SYS_move_pages, 0),
    (libc::SYS_sched_setaffinity, 0),
    (libc::SYS_sched_setparam, 0),
    (libc::SYS_sched_setscheduler, 0),
    (libc::SYS_sched_setattr, 0),
    (libc::SYS_setpriority, 1),
    (libc::SYS_ioprio_set, 1),
];

/// Signals to a process, whose number is the first argument.
const SIGNALS: &[i64] =
    &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// What the filters depend on.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) tier: Tier,
    /// The ABI of Landlock that holds besides.
    pub(crate) landlock: u32,
    /// Whether internet sockets can be made.
    pub(crate) internet: bool,
    /// Whether the program is the user of files and processes outside, which are not to change.
    pub(crate) owns_outside: bool,
    /// Whether a limit is on memory that processes share by number.
    pub(crate) shared_memory: bool,
    /// The processes that get no signal, where Landlock cannot see to it.
    pub(crate) ours: [u32; 2],
}

impl Rules {
    /// Whether Unix sockets can be made: where none outside can be named, or Landlock looks at the
    /// names, from ABI 9 on.
    fn unix(&self) -> bool {
        self.tier == Tier::Namespaces || self.landlock >= 9
    }

    /// Whether Landlock keeps signals inside, from ABI 6 on, or processes outside have no number.
    fn keeps_signals(&self) -> bool {
        self.tier == Tier::Namespaces || self.landlock >= 6
    }
}

/// Installs the filters for this thread and all that follow.
pub(crate) fn restrict(wished: &Rules) -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no seccomp filter for {}", std::env::consts::ARCH))?;
    let build = |rules: Result<Table, BackendError>, error| {
        rules
            .and_then(|rules| filter(rules, error, arch))
            .map_err(|error| format!("the seccomp filter cannot be built: {error}"))
    };
    let unknown = UNKNOWN.iter().map(|call| (*call, Vec::new())).collect();
    let programs = [
        build(Ok(unknown), libc::ENOSYS)?,
        build(sockets(wished), libc::EAFNOSUPPORT)?,
        build(refused(wished), libc::EPERM)?,
        second_numbering(),
    ];
    for program in programs.iter().filter(|program| !program.is_empty()) {
        seccompiler::apply_filter(program)
            .map_err(|error| format!("this kernel installs no seccomp filter: {error}"))?;
    }
    Ok(())
}

type Table = BTreeMap<i64, Vec<SeccompRule>>;

fn filter(rules: Table, error: i32, arch: TargetArch) -> Result<BpfProgram, BackendError> {
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()
}

/// The calls that are refused: without rules always, with rules when one fits the arguments.
fn refused(wished: &Rules) -> Result<Table, BackendError> {
    let mut rules: Table = NEVER.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    let flags: Result<Vec<_>, _> = NAMESPACES.iter().map(|flag| has(0, *flag)).collect();
    rules.insert(libc::SYS_clone, flags?);
    // Typing into a terminal that others read from.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing: Result<Vec<_>, _> =
        typing.iter().map(|request| when(1, SeccompCmpOp::Eq, *request)).collect();
    rules.insert(libc::SYS_ioctl, typing?);
    // To ask for the personality, or to be an ordinary process, changes nothing.
    let asked = is(0, SeccompCmpOp::Ne, u64::from(u32::MAX))?;
    let ordinary = is(0, SeccompCmpOp::Ne, 0)?;
    rules.insert(libc::SYS_personality, vec![SeccompRule::new(vec![asked, ordinary])?]);
    let device = |argument| {
        let kinds = [libc::S_IFCHR, libc::S_IFBLK];
        let mask = SeccompCmpOp::MaskedEq(u64::from(libc::S_IFMT));
        kinds
            .iter()
            .map(|kind| SeccompRule::new(vec![is(argument, mask.clone(), u64::from(*kind))?]))
            .collect::<Result<Vec<_>, BackendError>>()
    };
    rules.insert(libc::SYS_mknodat, device(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, device(1)?);
    if wished.owns_outside {
        rules.extend(RIGHTS.iter().chain(OLDER_RIGHTS).map(|call| (*call, Vec::new())));
        // Without a name, the times are those of an open file.
        let named = SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
        rules.insert(libc::SYS_utimensat, vec![SeccompRule::new(vec![named])?]);
    }
    if wished.tier == Tier::Landlock {
        // Data in the first packet connects without `connect`, which Landlock looks at.
        for (call, argument) in
            [(libc::SYS_sendto, 3), (libc::SYS_sendmsg, 2), (libc::SYS_sendmmsg, 3)]
        {
            rules.insert(call, vec![has(argument, libc::MSG_FASTOPEN)?]);
        }
    }
    if !wished.shared_memory {
        rules.insert(libc::SYS_shmget, Vec::new());
    }
    if wished.tier == Tier::Landlock {
        rules.extend(SHARED.iter().map(|call| (*call, Vec::new())));
    }
    if wished.owns_outside {
        for (call, argument) in OTHERS {
            rules.insert(*call, vec![when(*argument, SeccompCmpOp::Ne, 0)?]);
        }
    }
    if !wished.keeps_signals() {
        let mut to: Vec<SeccompRule> = Vec::new();
        for process in &wished.ours {
            let process = u64::from(*process);
            to.push(SeccompRule::new(vec![is(0, SeccompCmpOp::Eq, process)?])?);
        }
        // All processes, and groups by their number.
        to.push(SeccompRule::new(vec![is(0, SeccompCmpOp::Gt, i32::MAX.unsigned_abs().into())?])?);
        rules.extend(SIGNALS.iter().map(|call| (*call, to.clone())));
        rules.insert(libc::SYS_tkill, to);
        rules.insert(libc::SYS_pidfd_send_signal, Vec::new());
    }
    Ok(rules)
}

/// The sockets that are refused.
fn sockets(wished: &Rules) -> Result<Table, BackendError> {
    let mut families = Vec::new();
    if wished.unix() {
        families.push(libc::AF_UNIX);
    }
    if wished.internet {
        families.extend([libc::AF_INET, libc::AF_INET6]);
    }
    // Which interfaces there are is asked over netlink's first protocol.
    families.push(libc::AF_NETLINK);
    let strange: Result<Vec<_>, _> =
        families.iter().map(|family| is(0, SeccompCmpOp::Ne, number(*family))).collect();
    let netlink = is(0, SeccompCmpOp::Eq, number(libc::AF_NETLINK))?;
    let not_routes = is(2, SeccompCmpOp::Ne, number(libc::NETLINK_ROUTE))?;
    let mut rules = vec![SeccompRule::new(strange?)?, SeccompRule::new(vec![netlink, not_routes])?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut kinds = vec![libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_DCCP, SOCK_PACKET];
        if wished.tier == Tier::Landlock {
            kinds.push(libc::SOCK_DGRAM);
        }
        for kind in kinds {
            rules.push(SeccompRule::new(vec![
                is(0, SeccompCmpOp::Eq, number(family))?,
                is(1, SeccompCmpOp::MaskedEq(0xf), number(kind))?,
            ])?);
        }
        // Streams of other protocols (SCTP, MPTCP, SMC): other code, and other rules.
        rules.push(SeccompRule::new(vec![
            is(0, SeccompCmpOp::Eq, number(family))?,
            is(1, SeccompCmpOp::MaskedEq(0xf), number(libc::SOCK_STREAM))?,
            is(2, SeccompCmpOp::Ne, 0)?,
            is(2, SeccompCmpOp::Ne, number(libc::IPPROTO_TCP))?,
        ])?);
        rules.push(SeccompRule::new(vec![
            is(0, SeccompCmpOp::Eq, number(family))?,
            is(1, SeccompCmpOp::MaskedEq(0xf), number(libc::SOCK_SEQPACKET))?,
        ])?);
    }
    Ok(BTreeMap::from([(libc::SYS_socket, rules)]))
}

/// The obsolete way to raw packets (socket(2)).
const SOCK_PACKET: i32 = 10;

fn number(number: i32) -> u64 {
    u64::from(number.unsigned_abs())
}

fn has(argument: u8, flag: i32) -> Result<SeccompRule, BackendError> {
    let flag = number(flag);
    SeccompRule::new(vec![is(argument, SeccompCmpOp::MaskedEq(flag), flag)?])
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

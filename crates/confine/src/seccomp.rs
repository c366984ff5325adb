//! Filters of system calls by seccomp: written as tables of what is refused, built and installed in
//! one place, for servers (`calls`) and for the programs that a sandbox runs.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompFilter, TargetArch, sock_filter,
};

pub use seccompiler::{
    BackendError as Unbuilt, SeccompCmpOp as Operator, SeccompCondition as Condition,
    SeccompRule as Rule,
};

/// Which calls are refused: without rules always, with rules when one fits the arguments.
pub type Table = BTreeMap<i64, Vec<Rule>>;

/// What neither a server nor a test needs, and attacks on kernels are made of. 467 is
/// `open_tree_attr`, of Linux 6.15.
pub const NEVER: &[i64] = &[
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
    // The same on x86-64, by their older names.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    #[cfg(target_arch = "x86_64")]
    libc::SYS__sysctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_sysfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ustat,
];

/// Rights, owners and attributes of files by name, which Landlock does not look at. 452 is
/// `fchmodat2`; 463 and 466 are `setxattrat` and `removexattrat`; 469 is `file_setattr`.
pub const RIGHTS: &[i64] = &[
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
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Signals to a process, whose number is the first argument.
pub const SIGNALS: &[i64] =
    &[libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// The kernel's queue of calls, which a filter does not see.
pub const QUEUE: &[i64] =
    &[libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// The obsolete way to raw packets (socket(2)).
pub const SOCK_PACKET: i32 = 10;

/// The bits of a socket's type that are its kind; flags stand above (socket(2)).
const KIND: u64 = 0xf;

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

/// These calls, refused whatever their arguments.
pub fn always(calls: &[i64]) -> impl Iterator<Item = (i64, Vec<Rule>)> {
    calls.iter().map(|call| (*call, Vec::new()))
}

/// `clone`, where it makes a namespace. Refuse `clone3` as unknown, too: it has its flags in
/// memory, where a filter cannot look, and the C library takes `clone` where it is not there.
pub fn namespaces() -> Result<(i64, Vec<Rule>), Unbuilt> {
    let flags: Result<Vec<Rule>, Unbuilt> = NAMESPACES.iter().map(|flag| has(0, *flag)).collect();
    Ok((libc::SYS_clone, flags?))
}

/// When the argument has these flags.
pub fn has(argument: u8, flags: i32) -> Result<Rule, Unbuilt> {
    let flags = number(flags);
    when(argument, Operator::MaskedEq(flags), flags)
}

/// When the argument is so.
pub fn when(argument: u8, operator: Operator, value: u64) -> Result<Rule, Unbuilt> {
    Rule::new(vec![is(argument, operator, value)?])
}

/// That the argument is so, in its lower 32 bits: the kernel takes flags, families, process
/// numbers and modes as such, and ignores what stands above.
pub fn is(argument: u8, operator: Operator, value: u64) -> Result<Condition, Unbuilt> {
    Condition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

/// When a pointer is not null.
pub fn pointed(argument: u8) -> Result<Rule, Unbuilt> {
    Rule::new(vec![Condition::new(argument, SeccompCmpArgLen::Qword, Operator::Ne, 0)?])
}

/// That the second argument of `socket` is of this kind, such as `SOCK_RAW`.
pub fn is_kind(kind: i32) -> Result<Condition, Unbuilt> {
    is(1, Operator::MaskedEq(KIND), number(kind))
}

/// A constant of the C library, none of which is negative here.
pub fn number(constant: i32) -> u64 {
    u64::from(constant.unsigned_abs())
}

/// Installs the tables, each with the error (errno(3)) that its calls fail with, for this thread and all that
/// follow. It must have given up new privileges, or be privileged. The error says why not all of
/// them hold.
pub fn install(tables: Vec<(Result<Table, Unbuilt>, i32)>) -> Result<(), String> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| format!("no seccomp filter for {}", std::env::consts::ARCH))?;
    let mut programs = Vec::new();
    for (table, error) in tables {
        let program = table.and_then(|table| build(table, error, arch));
        let unbuilt = |error| format!("the seccomp filter cannot be built: {error}");
        programs.push(program.map_err(unbuilt)?);
    }
    programs.push(second_numbering());
    for program in programs.iter().filter(|program| !program.is_empty()) {
        seccompiler::apply_filter(program)
            .map_err(|error| format!("this kernel installs no seccomp filter: {error}"))?;
    }
    Ok(())
}

fn build(table: Table, error: i32, arch: TargetArch) -> Result<BpfProgram, Unbuilt> {
    let refuse = SeccompAction::Errno(error.unsigned_abs());
    SeccompFilter::new(table, SeccompAction::Allow, refuse, arch)?.try_into()
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

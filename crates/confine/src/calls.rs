//! System calls by seccomp: a server never mounts, traces, loads a module or starts a program, so
//! the kernel refuses it with `EPERM`, whoever asks.
//!
//! A list of what is refused, not of what is allowed: the C library and the async runtime change
//! which calls they use with every release, and a filter that is too tight kills a server on the
//! day of an update. What the list lacks still meets Landlock, the user's rights, and no new
//! privileges.

use std::os::unix::fs::FileTypeExt as _;

use crate::seccomp::{
    self, Condition, Operator, Rule, Table, Unbuilt, always, is, is_kind, number, when,
};
use crate::{Plan, Status};

/// What no server needs, besides [`seccomp::NEVER`].
const NEVER: &[i64] = &[
    libc::SYS_mknodat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mknod,
    libc::SYS_personality,
    // Whatever listens, listens before.
    libc::SYS_listen,
];

/// Starting a program.
const EXECUTE: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// Signals to what is named in another way.
const OTHER_SIGNALS: &[i64] = &[libc::SYS_tkill, libc::SYS_pidfd_send_signal];

/// Installs the filters; the error says why none holds.
pub(crate) fn restrict(plan: &Plan, landlock: u32) -> Result<(), String> {
    let unknown = always(&[libc::SYS_clone3]).collect();
    seccomp::install(vec![(Ok(unknown), libc::ENOSYS), (refused(plan, landlock), libc::EPERM)])
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

/// The calls that are refused.
fn refused(plan: &Plan, landlock: u32) -> Result<Table, Unbuilt> {
    let lists = [seccomp::NEVER, seccomp::RIGHTS, seccomp::QUEUE, NEVER];
    let mut table: Table = lists.into_iter().flat_map(always).collect();
    if !plan.execute {
        table.extend(always(EXECUTE).chain(always(OTHER_SIGNALS)));
        let own = u64::from(std::process::id());
        for call in seccomp::SIGNALS {
            table.insert(*call, vec![when(0, Operator::Ne, own)?]);
        }
    }
    if landlock < 3 {
        // By name, which Landlock looks at from ABI 3 on; by descriptor it needs no rule.
        table.extend(always(&[libc::SYS_truncate]));
    }
    table.extend([seccomp::namespaces()?, (libc::SYS_socket, sockets(plan)?)]);
    Ok(table)
}

/// Which sockets are refused. None is needed but to connect; then streams and datagrams of the
/// internet families (datagrams for names), and of the Unix family where the plan names a socket.
fn sockets(plan: &Plan) -> Result<Vec<Rule>, Unbuilt> {
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
    let strange: Result<Vec<Condition>, Unbuilt> =
        families.iter().map(|family| is(0, Operator::Ne, number(*family))).collect();
    let mut rules = vec![Rule::new(strange?)?];
    // The kinds beside 1 and 2: raw, reliably delivered, sequenced, DCCP, packet.
    let strange = [
        libc::SOCK_RAW,
        libc::SOCK_RDM,
        libc::SOCK_SEQPACKET,
        libc::SOCK_DCCP,
        seccomp::SOCK_PACKET,
    ];
    for kind in strange {
        rules.push(Rule::new(vec![is_kind(kind)?])?);
    }
    Ok(rules)
}

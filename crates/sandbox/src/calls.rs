//! System calls by seccomp, on top of everything else: what no test needs and what attacks on
//! kernels are made of. A list of what is refused, since programs of every kind run here.

use confine::seccomp::{
    self, Operator, Rule, Table, Unbuilt, always, has, is, is_kind, number, when,
};

use crate::Tier;

/// Answered as by a kernel that lacks them, like [`seccomp::QUEUE`]: programs then take another
/// way. What `memfd_create` makes is memory that belongs to no process and to no disk, so that no
/// limit would be on it.
const UNKNOWN: &[i64] = &[libc::SYS_clone3, libc::SYS_memfd_create, libc::SYS_memfd_secret];

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
    let unknown = always(UNKNOWN).chain(always(seccomp::QUEUE)).collect();
    seccomp::install(vec![
        (Ok(unknown), libc::ENOSYS),
        (sockets(wished), libc::EAFNOSUPPORT),
        (refused(wished), libc::EPERM),
    ])
}

/// The calls that are refused.
fn refused(wished: &Rules) -> Result<Table, Unbuilt> {
    let mut rules: Table = always(seccomp::NEVER).collect();
    rules.extend([seccomp::namespaces()?]);
    // Typing into a terminal that others read from.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing: Result<Vec<_>, _> =
        typing.iter().map(|request| when(1, Operator::Eq, *request)).collect();
    rules.insert(libc::SYS_ioctl, typing?);
    // To ask for the personality, or to be an ordinary process, changes nothing.
    let asked = is(0, Operator::Ne, u64::from(u32::MAX))?;
    let ordinary = is(0, Operator::Ne, 0)?;
    rules.insert(libc::SYS_personality, vec![Rule::new(vec![asked, ordinary])?]);
    let device = |argument| {
        let kinds = [libc::S_IFCHR, libc::S_IFBLK];
        let mask = Operator::MaskedEq(u64::from(libc::S_IFMT));
        kinds
            .iter()
            .map(|kind| Rule::new(vec![is(argument, mask.clone(), u64::from(*kind))?]))
            .collect::<Result<Vec<_>, Unbuilt>>()
    };
    rules.insert(libc::SYS_mknodat, device(2)?);
    #[cfg(target_arch = "x86_64")]
    rules.insert(libc::SYS_mknod, device(1)?);
    if wished.owns_outside {
        rules.extend(always(seccomp::RIGHTS));
        // Without a name, the times are those of an open file.
        rules.insert(libc::SYS_utimensat, vec![seccomp::pointed(1)?]);
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
        rules.extend(always(SHARED));
    }
    if wished.owns_outside {
        for (call, argument) in OTHERS {
            rules.insert(*call, vec![when(*argument, Operator::Ne, 0)?]);
        }
    }
    if !wished.keeps_signals() {
        let mut to: Vec<Rule> = Vec::new();
        for process in &wished.ours {
            let process = u64::from(*process);
            to.push(Rule::new(vec![is(0, Operator::Eq, process)?])?);
        }
        // All processes, and groups by their number.
        to.push(Rule::new(vec![is(0, Operator::Gt, i32::MAX.unsigned_abs().into())?])?);
        rules.extend(seccomp::SIGNALS.iter().map(|call| (*call, to.clone())));
        rules.insert(libc::SYS_tkill, to);
        rules.insert(libc::SYS_pidfd_send_signal, Vec::new());
    }
    Ok(rules)
}

/// The sockets that are refused.
fn sockets(wished: &Rules) -> Result<Table, Unbuilt> {
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
        families.iter().map(|family| is(0, Operator::Ne, number(*family))).collect();
    let netlink = is(0, Operator::Eq, number(libc::AF_NETLINK))?;
    let not_routes = is(2, Operator::Ne, number(libc::NETLINK_ROUTE))?;
    let mut rules = vec![Rule::new(strange?)?, Rule::new(vec![netlink, not_routes])?];
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut kinds = vec![libc::SOCK_RAW, libc::SOCK_RDM, libc::SOCK_DCCP, seccomp::SOCK_PACKET];
        if wished.tier == Tier::Landlock {
            kinds.push(libc::SOCK_DGRAM);
        }
        for kind in kinds {
            rules.push(Rule::new(vec![is(0, Operator::Eq, number(family))?, is_kind(kind)?])?);
        }
        // Streams of other protocols (SCTP, MPTCP, SMC): other code, and other rules.
        rules.push(Rule::new(vec![
            is(0, Operator::Eq, number(family))?,
            is_kind(libc::SOCK_STREAM)?,
            is(2, Operator::Ne, 0)?,
            is(2, Operator::Ne, number(libc::IPPROTO_TCP))?,
        ])?);
        rules.push(Rule::new(vec![
            is(0, Operator::Eq, number(family))?,
            is_kind(libc::SOCK_SEQPACKET)?,
        ])?);
    }
    Ok(Table::from([(libc::SYS_socket, rules)]))
}

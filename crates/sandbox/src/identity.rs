//! Who the program is, seen from outside and from inside.
//!
//! Root gives its rights away: the program becomes a user that owns nothing on the machine, another
//! one for each run. What the caller owns is shown to it as its own, by mounts that see owners in
//! another way (`mount_setattr(2)`, `MOUNT_ATTR_IDMAP`). An ordinary user stays who they are.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::unistd::{Pid, pipe2, read};

use crate::kernel::{self, Forked};

/// The number of the user and of the group inside.
pub(crate) const INSIDE: u32 = 1000;

/// The users that root becomes: a range that nobody hands out ("Users, Groups, UIDs and GIDs on
/// systemd systems"), one number for each number of a process.
const FIRST: u32 = 1_879_048_192;
const PROCESSES: u32 = 1 << 22;

/// The rights that root's way takes, by number: to change users and groups, to own ports and
/// interfaces, and to mount (capabilities(7)).
const NAMESPACES: &[u32] = &[0, 1, 6, 7, 10, 12, 21];
/// To give files away, and to change users and groups.
const DROPPING: &[u32] = &[0, 5, 6, 7];

/// Who the program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Another user than the caller, by this number.
    Other(u32),
    /// The caller.
    Same,
}

impl Identity {
    /// Whom the program becomes in a tier.
    pub(crate) fn of(tier: crate::Tier) -> Self {
        let rights = match tier {
            crate::Tier::Namespaces => NAMESPACES,
            crate::Tier::Landlock => DROPPING,
        };
        if !has(rights) {
            return Self::Same;
        }
        let end = table_end("uid_map").min(table_end("gid_map"));
        let process = std::process::id();
        if end >= u64::from(FIRST + PROCESSES) {
            Self::Other(FIRST + process % PROCESSES)
        } else if end > 10_000 {
            // A container's table: below its end, but not at it, where `nobody` may be.
            u32::try_from(end).map_or(Self::Same, |end| Self::Other(end - 1003 + process % 1000))
        } else {
            Self::Same
        }
    }

    /// What follows `uid_map` and `gid_map`: one number.
    pub(crate) fn tables(self) -> (String, String) {
        let (user, group) = match self {
            Self::Other(number) => (number, number),
            Self::Same => (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()),
        };
        (format!("{INSIDE} {user} 1"), format!("{INSIDE} {group} 1"))
    }
}

/// Whether what a user owns is of this caller's runs.
pub(crate) fn is_ours(user: u32) -> bool {
    user == nix::unistd::geteuid().as_raw() || (FIRST..FIRST + PROCESSES).contains(&user)
}

/// Whether this process has the capabilities.
fn has(rights: &[u32]) -> bool {
    let Ok(status) = fs::read_to_string("/proc/self/status") else { return false };
    let held = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let held = held.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    rights.iter().all(|right| held & (1 << right) != 0)
}

/// The number after the last that this process's user namespace knows, counted from zero without a
/// gap.
fn table_end(table: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/self/{table}")).unwrap_or_default();
    let mut ranges: Vec<(u64, u64)> = text
        .lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u64>);
            let (first, _, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
            Some((first, count))
        })
        .collect();
    ranges.sort_unstable();
    ranges.iter().fold(0, |end, (first, count)| if *first == end { end + count } else { end })
}

/// Writes the tables of a process in a new user namespace.
pub(crate) fn write_tables(process: &str, users: &str, groups: &str) -> io::Result<()> {
    fs::write(format!("/proc/{process}/uid_map"), users)?;
    fs::write(format!("/proc/{process}/gid_map"), groups)
}

/// A user namespace by whose table a mount shows what `owner` and `group` own as `other`'s, and the
/// reverse.
pub(crate) fn swapped(owner: u32, group: u32, other: u32) -> io::Result<OwnedFd> {
    let users = swap_table(owner, other, table_end("uid_map"));
    let groups = swap_table(group, other, table_end("gid_map"));
    let (wait, go) = pipe2(OFlag::O_CLOEXEC)?;
    match kernel::split(libc::CLONE_NEWUSER)? {
        Forked::Child => {
            drop(go);
            // Ends when the other end is closed, also by the end of the parent.
            let _ = read(&wait, &mut [0]);
            kernel::exit(0)
        }
        Forked::Parent(child) => {
            let made = write_tables(&child.to_string(), &users, &groups)
                .and_then(|()| File::open(format!("/proc/{child}/ns/user")));
            drop(go);
            reap(child);
            made.map(OwnedFd::from)
        }
    }
}

/// Waits for the end of a child.
pub(crate) fn reap(child: Pid) {
    while nix::sys::wait::waitpid(child, None) == Err(nix::errno::Errno::EINTR) {}
}

/// A table of all numbers below `end` in which two are swapped.
fn swap_table(one: u32, other: u32, end: u64) -> String {
    let (low, high) = (u64::from(one.min(other)), u64::from(one.max(other)));
    let mut lines = Vec::new();
    let mut range = |first: u64, seen: u64, count: u64| {
        if count > 0 {
            lines.push(format!("{first} {seen} {count}\n"));
        }
    };
    if low == high {
        range(0, 0, end);
        return lines.concat();
    }
    range(0, 0, low);
    range(low, high, 1);
    range(low + 1, low + 1, high - low - 1);
    range(high, low, 1);
    range(high + 1, high + 1, end.saturating_sub(high + 1));
    lines.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_swaps_two_and_leaves_the_others() {
        assert_eq!(swap_table(0, 9, 20), "0 9 1\n1 1 8\n9 0 1\n10 10 10\n");
        assert_eq!(swap_table(9, 8, 10), "0 0 8\n8 9 1\n9 8 1\n");
        assert_eq!(swap_table(5, 5, 10), "0 0 10\n");
    }
}

//! The tiers, and what each cannot stop.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the kernel isolates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Tier {
    /// A root, processes, network and users of its own, with Landlock and seccomp behind them.
    Namespaces,
    /// Landlock and seccomp on the machine's own root, where no namespaces can be had.
    Landlock,
}

/// Not so where the run has a control group.
pub(crate) const MEMORY: &str = "Without a control group, memory is watched every 20 ms, not held by \
     the kernel: what is taken faster is taken, until the machine ends the program first, and \
     shared memory that was let go of without being freed is not seen.";

impl Tier {
    /// What the tier cannot stop, a sentence each.
    pub fn lacks(self) -> &'static [&'static str] {
        match self {
            Self::Namespaces => &[MEMORY],
            Self::Landlock => &[
                "Whether a file is there, its size and its owner can be seen by its name, and the \
                 command line of a process by its number; contents and lists cannot.",
                MEMORY,
                "The disk and the processor time of all processes together are watched, not held by \
                 the kernel.",
                "A process that leaves its session is found and ended, not contained: where both \
                 the process outside and the first one inside are killed at once, it survives.",
                "One file that grows to the disk limit ends the program that writes it, which its run \
                 may not notice.",
                "The machine's network interfaces and their addresses can be listed.",
                "The ports of the network are those of every host, not only of this one, and a \
                 loopback network of its own cannot be had.",
                "Files that can be read and belong to the caller can have their rights changed by an \
                 open descriptor (not where the caller is root).",
                "The number of processes is counted together with the caller's other ones (not \
                 where the caller is root).",
            ],
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Namespaces => "namespaces",
            Self::Landlock => "landlock",
        })
    }
}

/// What this machine can hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The best tier that works; none: nothing may be run.
    pub tier: Option<Tier>,
    /// Why it is not a better one, and what the tier cannot stop.
    pub lacks: Vec<String>,
}

//! The limits that the kernel does not hold, and those it holds without saying so.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::statvfs::fstatvfs;

use crate::tree::{Tree, Usage};
use crate::{Limit, Limits, scratch};

/// How often processes are looked at.
pub(crate) const EVERY: Duration = Duration::from_millis(20);

/// How often a folder is added up; that takes longer.
const FOLDER_EVERY: Duration = Duration::from_millis(250);

/// Where a run writes.
#[derive(Debug)]
pub(crate) enum Disk {
    /// A file system of its own, whose size is the limit.
    Own(File),
    /// A folder, with what was in it at the start.
    Folder { folder: PathBuf, next: Instant },
}

impl Disk {
    pub(crate) fn own(fd: OwnedFd) -> Self {
        Self::Own(File::from(fd))
    }

    pub(crate) fn folder(folder: PathBuf) -> Self {
        Self::Folder { folder, next: Instant::now() }
    }

    /// Whether nothing more can be written.
    fn is_full(&mut self, limit: u64) -> bool {
        match self {
            Self::Own(file) => fstatvfs(&*file).is_ok_and(|found| {
                found.blocks() > 0 && (found.blocks_free() == 0 || found.files_free() == 0)
            }),
            Self::Folder { folder, next } => {
                if Instant::now() < *next {
                    return false;
                }
                let before = Instant::now();
                let full = scratch::size(folder) > limit;
                // A large folder takes its time, but not all of it.
                *next = Instant::now() + FOLDER_EVERY.max(before.elapsed() * 4);
                full
            }
        }
    }
}

/// What is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    tree: Tree,
    disk: Disk,
    pub(crate) usage: Usage,
    /// The most memory seen, in bytes.
    pub(crate) peak: u64,
}

impl Watch {
    pub(crate) fn new(tree: Tree, disk: Disk) -> Self {
        Self { tree, disk, usage: Usage::default(), peak: 0 }
    }

    /// Looks at everything; gives the limit that was passed.
    pub(crate) fn look(&mut self, limits: &Limits) -> Option<Limit> {
        self.usage = self.tree.usage();
        // Without the files that are only read; with them it may be too much, and is looked at
        // closely then.
        let mut memory = self.usage.own;
        if self.usage.resident > limits.memory {
            memory = memory.max(self.tree.memory());
        }
        self.peak = self.peak.max(memory);
        if memory > limits.memory {
            return Some(Limit::Memory);
        }
        if self.usage.tasks > u64::from(limits.processes) {
            return Some(Limit::Processes);
        }
        if limits.cpu.is_some_and(|most| self.usage.cpu > most) {
            return Some(Limit::Cpu);
        }
        self.disk(limits)
    }

    /// Looks at the disk only.
    pub(crate) fn disk(&mut self, limits: &Limits) -> Option<Limit> {
        self.disk.is_full(limits.disk).then_some(Limit::Disk)
    }
}

//! What a server's process may still do, enforced by the kernel before the first request.
//!
//! [`confine`] takes away, from the one thread there is and so from every later one: core dumps
//! and debuggers, new privileges, all files but those of the [`Plan`], all TCP ports but those of
//! the plan, signals to other processes, other programs, and the system calls no server needs.
//! [`take_environment`] takes away the environment. [`Fetcher`] is a second process that reads
//! the few files that cannot be named to the kernel, because editors replace them; [`split_off`]
//! makes one for a server that needs more, such as starting programs.
//!
//! What it deliberately does not do: it reads no configuration and knows no server. It decides
//! nothing about a layer that the kernel lacks: [`Held`] says so, and the caller refuses or warns.
//!
//! Where to start reading: [`confine`], then `files` (Landlock) and `calls`, which is written in the
//! tables of `seccomp`; `crates/sandbox` uses the same.

mod beside;
mod environment;
mod fetcher;
mod held;
mod kernel;
mod network;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod process;
#[cfg(target_os = "linux")]
pub mod seccomp;

use std::path::PathBuf;

pub use beside::split_off;
pub use environment::{KEPT, take as take_environment};
pub use fetcher::Fetcher;
pub use held::{Held, Layer, Status};

/// What the process still needs once it is confined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files and folders it reads, absolute. One that does not exist now stays out of reach.
    pub read: Vec<PathBuf>,
    /// Folders whose files it reads by name, also those put there later; it cannot list them.
    pub named: Vec<PathBuf>,
    /// Files and folders it reads and writes, absolute. A Unix socket here may be connected to.
    pub write: Vec<PathBuf>,
    /// TCP ports it connects to; none: it opens no socket at all.
    pub connect: Vec<u16>,
    /// Whether it runs programs: those of the system folders, and those in `read`.
    pub execute: bool,
}

/// Why a process was not confined at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// Landlock and seccomp hold for the calling thread and the threads it starts.
    #[error("{0} threads run already; a process is confined while it has one")]
    NotAlone(usize),
}

/// Confines this process for the rest of its life. Call it on the main thread, before any other
/// thread exists, with everything open that must outlive it: a listening socket, for example.
#[cfg(target_os = "linux")]
pub fn confine(plan: &Plan) -> Result<Held, ConfineError> {
    match process::threads() {
        0 | 1 => {}
        threads => return Err(ConfineError::NotAlone(threads)),
    }
    let mut held = process::harden();
    let files = files::restrict(plan);
    let calls = calls::restrict(plan, files.abi());
    held.set(Layer::Files, files.status());
    held.set(Layer::Network, network::status(plan, files.abi(), calls.as_ref().err()));
    held.set(Layer::Signals, calls::signals(plan, files.abi(), calls.as_ref().err()));
    held.set(Layer::Programs, calls::programs(plan, calls.as_ref().err()));
    held.set(Layer::Calls, calls::status(calls));
    Ok(held)
}

/// The ABI of Landlock that this kernel offers; 0: none, or switched off.
#[cfg(target_os = "linux")]
pub fn landlock_abi() -> u32 {
    kernel::landlock_abi()
}

/// None: Landlock is the Linux kernel's.
#[cfg(not(target_os = "linux"))]
pub fn landlock_abi() -> u32 {
    0
}

/// Confines nothing: the layers are the Linux kernel's.
#[cfg(not(target_os = "linux"))]
pub fn confine(_: &Plan) -> Result<Held, ConfineError> {
    Ok(Held::nothing("this operating system has none of it; run on Linux 6.7 or later"))
}

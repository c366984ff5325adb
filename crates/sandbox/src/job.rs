//! What is to run, and what it may reach.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The home folder inside: empty, writable, gone with the run.
pub const HOME: &str = "/home/runner";

/// One program to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The program and its arguments. A name without `/` is looked up in the `PATH` of `env`.
    pub argv: Vec<OsString>,
    /// The whole environment: nothing is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The working folder, as it is seen inside.
    pub folder: PathBuf,
    /// What is seen beside the system folders, which are read-only.
    pub mounts: Vec<Mount>,
    /// What of the network is reached.
    pub network: Network,
    /// What the whole tree of processes may use.
    pub limits: Limits,
    /// The file outside that keeps what the program printed.
    pub stdout: PathBuf,
    /// The file outside that keeps what it printed as errors.
    pub stderr: PathBuf,
    /// The files to be copied out after the end.
    pub collect: Vec<Collect>,
}

/// A file or folder outside that is seen inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is outside, absolute.
    pub from: PathBuf,
    /// Where it is inside, absolute. Missing folders on the way are made.
    pub at: PathBuf,
    /// What may be done with it.
    pub access: Access,
}

/// What may be done with a [`Mount`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// Read and executed. Sockets and pipes in it lead nowhere.
    Read,
    /// Changed as one likes, in a view of its own: what is outside stays as it is.
    Private,
    /// Changed for real.
    Write,
}

/// What of the network is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Nothing: no internet socket can be made.
    None,
    /// A loopback interface of its own, on which the host's services are not.
    Loopback,
    /// The same, and these TCP ports of the host's 127.0.0.1 under the same numbers.
    Ports(Vec<u16>),
}

/// What the whole tree of processes may use.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Time by the clock.
    pub wall: Duration,
    /// Time of the processors, all processes together.
    pub cpu: Option<Duration>,
    /// Bytes of memory, all processes together.
    pub memory: u64,
    /// Processes and threads at one time.
    pub processes: u32,
    /// Open files of one process.
    pub files: u32,
    /// Bytes written in private views, the home folder and `/tmp` together; they are memory.
    pub disk: u64,
    /// Bytes kept of each stream: the first half and the last half. The last half is held in memory
    /// meanwhile.
    pub output: u64,
}

/// Files to be copied out after the end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Collect {
    /// Where inside, absolute; the last component may have `*`s, for any bytes but `/`.
    pub inside: PathBuf,
    /// The folder outside that they are copied to; it exists.
    pub to: PathBuf,
    /// The most bytes of one file.
    pub most: u64,
}

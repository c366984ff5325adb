//! Runs one program behind the kernel's isolation, with limits, and says what held.
//!
//! [`run`] starts a program in a view of the machine that has what its [`Job`] lists and nothing
//! else, and blocks until it and every process it left behind are gone. Two tiers do that:
//! [`Tier::Namespaces`] builds a root of its own, in namespaces; [`Tier::Landlock`] forbids what
//! the machine's own root has. [`offer`] tells which one works here, and [`Tier::lacks`] what each
//! cannot stop.
//!
//! Processes: the one that calls [`run`] stays outside, keeps the output, watches the limits and
//! copies reports out (`outside`). The first one inside builds the view, starts the program, and
//! ends everything (`inside`). Whichever of them is killed, the others end.
//!
//! What it deliberately does not do: it reads no configuration and no environment, so neither can
//! weaken it; it knows no test runner; it decides nothing about a tier that does not hold here:
//! the caller refuses.
//!
//! Where to start reading: [`Job`], `outside`, `inside`, then `view` (the root), `program` (what
//! the program gives away), `files` (Landlock) and `calls` (seccomp).

mod ended;
mod job;
mod tier;

#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod offer;
#[cfg(target_os = "linux")]
mod outside;
#[cfg(target_os = "linux")]
mod wire;

#[cfg(target_os = "linux")]
mod copy;
#[cfg(target_os = "linux")]
mod identity;
#[cfg(target_os = "linux")]
mod layer;
#[cfg(target_os = "linux")]
mod scratch;
#[cfg(target_os = "linux")]
mod special;
#[cfg(target_os = "linux")]
mod system;
#[cfg(target_os = "linux")]
mod view;

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod program;

#[cfg(target_os = "linux")]
mod collect;
#[cfg(target_os = "linux")]
mod forward;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod output;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod watch;

#[cfg(target_os = "linux")]
mod kernel;

pub use ended::{Collected, Ended, Exit, Found, Kept, Limit, Stop};
pub use job::{Access, Collect, HOME, Job, Limits, Mount, Network};
#[cfg(target_os = "linux")]
pub use offer::offer;
#[cfg(target_os = "linux")]
pub use outside::{Stream, die_with_parent, run, run_watched};
pub use system::FOLDERS as SYSTEM;
pub use tier::{Offer, Tier};

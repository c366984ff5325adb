//! The command line, and the wiring of servers to the runtime.
//!
//! The binary is one call of [`main`] with the list of servers. Tests call it with servers of
//! their own, so that they run on the very same code.
//!
//! What it deliberately does not do: it holds no rule. Configuration, policy, pipeline and
//! servers each live in their own crate.
//!
//! Where to start reading: [`launcher`] (one line a server), then [`assemble`] (how a process
//! comes to be), then the commands.

mod approvals;
pub mod assemble;
mod audit;
mod call;
mod check;
mod cli;
mod confinement;
mod demo;
mod doctor;
mod explain;
mod keys;
pub mod launcher;
mod logging;
mod network;
#[cfg(target_os = "linux")]
mod pages;
mod person;
mod reload;
mod schemas;
mod serve;
pub mod settings;
mod telemetry;
mod terminal;
mod tools;

pub use cli::main;
pub use launcher::Launcher;

/// The servers of the product: one line each.
pub const SERVERS: &[Launcher] = &[
    Launcher::of::<docs::Docs>(),
    Launcher::of::<sql::Sql>(),
    Launcher::of::<repo::Repo>(),
    Launcher::of::<tickets::Tickets>(),
    Launcher::of::<mail::Mail>(),
    Launcher::of::<testrun::Testrun>(),
];

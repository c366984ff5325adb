//! The catalogue, the one pipeline, and the transports that lead to it.
//!
//! [`Pipeline::call`] is the only code path that runs a tool. MCP over stdio and HTTP, `suite
//! call` and the demo all end there. A tool's erased entry point is private to this crate.
//!
//! What it deliberately does not do: it knows no server, reads no configuration file, and holds
//! no credential.
//!
//! Where to start reading: [`pipeline`], then [`catalogue`], then [`mcp`].

pub mod approvals;
pub mod catalogue;
pub mod guard;
pub mod http;
pub mod journal;
pub mod limits;
pub mod mcp;
pub mod pipeline;
pub mod redact;
pub mod rules;
pub mod seal;
pub mod stdio;
pub mod stop;
pub mod telemetry;

pub use catalogue::{Catalogue, CatalogueError, Entries, Entry, Overrides};
pub use guard::{Block, Shown};
pub use pipeline::{Answer, Caller, Failure, Pipeline, Request};
pub use redact::Redactor;
pub use rules::RuleSet;
pub use stop::Stop;

//! What a tool, a server, a principal and a record are.
//!
//! Every other crate speaks in these words. A server crate depends on this crate and on one
//! heavy library; the runtime depends on this crate and on the protocol; neither knows the other.
//!
//! What it deliberately does not do: no I/O, no protocol, no clock, no policy. Nothing here
//! knows what MCP is.
//!
//! Where to start reading: [`tool`] (a tool is one readable declaration), then [`server`], then
//! [`ctx`] (all that a running tool sees of the world).

pub mod ctx;
pub mod error;
pub mod form;
pub mod output;
pub mod principal;
pub mod record;
pub mod schema;
pub mod secret;
pub mod server;
pub mod text;
pub mod tool;

pub use ctx::{Channel, Ctx, Cursors, Question};
pub use error::{Kind, ToolError};
pub use output::{
    Blocks, Empty, Media, Ongoing, Output, Part, Record, Rendered, Table, Task, TaskState, Text,
    Untrusted,
};
pub use principal::{Client, Identity, Location, Principal, Proof, Target};
pub use secret::{Secret, SecretRef};
pub use server::{
    Beside, Finding, Needs, Place, Prompt, PromptArgument, Registry, Resource, ResourceCall,
    Server, StartError, TaskCalls, Template, Weight,
};
pub use tool::{
    Approval, Configured, Contract, Effect, Limit, Preview, Reason, Size, Tool, Window,
};

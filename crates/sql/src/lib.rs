//! The server `suite sql`: read any database, change none.
//!
//! It runs one read-only statement at a time on the databases that the operator names, and
//! describes their schemas. Where to start reading: `query` (a tool from its contract to its
//! answer), then `engine` (what every engine does), then one of its engines.
//!
//! What it deliberately does not do: it never writes, not even where the credential could; it
//! knows no user: what a caller may see is asked of [`contract::Ctx::permits`].

mod engine;
mod schema;
mod settings;

pub use settings::{
    Accept, DatabaseSettings, Mask, ParamKind, ParamSettings, QuerySettings, Settings, Tls, TlsMode,
    Who,
};

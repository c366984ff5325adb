//! PostgreSQL.

use contract::StartError;

use super::{Engine, Setup};

/// A database of PostgreSQL.
pub(crate) struct Postgres {
    setup: Setup,
}

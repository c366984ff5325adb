//! SQLite.

use contract::StartError;

use super::{Engine, Setup};

/// A database of SQLite.
pub(crate) struct Sqlite {
    setup: Setup,
}

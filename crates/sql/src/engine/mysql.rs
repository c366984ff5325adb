//! MySQL and MariaDB.

use contract::StartError;

use super::{Engine, Setup};

/// A database of MySQL and MariaDB.
pub(crate) struct Mysql {
    setup: Setup,
}

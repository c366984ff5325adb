//! The tools: one file each, from its contract to its answer.

mod changes;

pub(crate) mod blame;
pub(crate) mod branch_create;
pub(crate) mod diff;
pub(crate) mod history_of;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod read;
pub(crate) mod refs;
pub(crate) mod search;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod verify;

//! The tools: one file each, from its contract to its answer.

mod changes;
pub(crate) mod diff;
pub(crate) mod log;
pub(crate) mod search;
pub(crate) mod show;

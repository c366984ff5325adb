//! The tools, one file each.

pub(crate) mod contacts;
pub(crate) mod draft;
pub(crate) mod drafts;
pub(crate) mod place;
pub(crate) mod preview;
pub(crate) mod send;
pub(crate) mod verify;

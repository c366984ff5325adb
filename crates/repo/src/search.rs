//! Looking through the files of a revision: which there are, and which hold a text.
//!
//! `scope` understands the path of a call, `files` lists what is beneath a tree, `pattern` finds
//! lines in a content, `sieve` remembers enough of contents to leave most of them unread, and
//! `scan` brings them together on all processors.

mod files;
mod page;
mod pattern;
mod scan;
mod scope;
mod sieve;

pub(crate) use files::Files;
pub(crate) use page::Page;
pub(crate) use pattern::{Hit, Pattern};
pub(crate) use scan::{Found, Scanned, scan};
pub(crate) use scope::{Scope, given};
pub(crate) use sieve::Sieve;

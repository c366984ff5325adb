//! One folder per server: `state/<server>/` holds all that a server keeps. A process opens only
//! its own folder.
//!
//! That is the record log ([`Log`]) with its signed checkpoints ([`note`], [`merkle`]), the key
//! that seals cursors ([`key`]), what was asked to be approved ([`approvals`]), and, for servers
//! that act, drafts and the journal of what left ([`desk`]).
//!
//! What it deliberately does not do: it never changes or deletes a line once written, and knows
//! nothing of tools or protocols.
//!
//! Where to start reading: [`Log::append`].

pub mod approvals;
pub mod desk;
mod key;
mod log;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod read;
mod store;
mod tally;
pub mod verify;

use std::path::{Path, PathBuf};

pub use desk::{Desk, Draft};
pub use key::key;
pub use log::{Copies, Destination, Line, Log};
pub use read::tail;
pub use store::{Claim, Store, connected, now};
pub use tally::Tally;

/// State that cannot be kept. Without a record there is no call.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
pub struct StateError {
    /// The file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: std::io::Error,
}

impl StateError {
    fn at(path: &Path) -> impl FnOnce(std::io::Error) -> StateError + '_ {
        move |source| StateError { path: path.to_owned(), source }
    }
}

/// Makes a folder that only its owner may enter.
pub fn private_folder(path: &Path) -> Result<(), StateError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(StateError::at(path))
}

//! A declared repository: where it is, what of it may be seen, and its readers.

mod layout;
mod visible;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bstr::{BStr, ByteSlice as _};
use contract::{Place, StartError, ToolError};

use crate::memory;
use crate::reader::Reader;
use crate::search::Sieve;
use crate::settings::RepositorySettings;
pub(crate) use layout::Layout;
pub(crate) use visible::Visible;

/// A declared repository.
pub(crate) struct Repository {
    /// The id in servers.toml.
    pub(crate) id: String,
    /// What servers.toml says about it.
    pub(crate) settings: RepositorySettings,
    /// Its folders.
    pub(crate) layout: Layout,
    /// What of it may be seen.
    pub(crate) visible: Visible,
    /// Who may sign: the files of the settings, absolute.
    pub(crate) signers: Vec<PathBuf>,
    /// What is known of the contents of blobs, for the search.
    pub(crate) sieve: Mutex<Sieve>,
    /// Readers at rest.
    readers: Mutex<Vec<Reader>>,
}

/// How many readers rest at most: each has caches of its own.
const RESTING: usize = 2;

impl Repository {
    /// Checks the settings, and that nothing of the repository lies outside of what they name.
    pub(crate) fn open(
        id: &str,
        settings: RepositorySettings,
        place: &Place,
    ) -> Result<Self, StartError> {
        memory::watch();
        let layout = Layout::find(&settings, place)?;
        let visible = Visible::new(&settings)?;
        let signers = settings.signers.iter().map(|file| place.path(file)).collect();
        let repository = Self {
            id: id.to_owned(),
            settings,
            layout,
            visible,
            signers,
            sieve: Mutex::default(),
            readers: Mutex::default(),
        };
        Reader::open(&repository.layout)
            .map_err(|error| StartError::new(error.log.unwrap_or(error.message)))?;
        Ok(repository)
    }

    /// A reader for one call: one at rest, unless what the repository consists of has changed.
    pub(crate) fn reader(&self) -> Result<Reader, ToolError> {
        let resting = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match resting {
            Some(reader) if reader.is_current(&self.layout) => Ok(reader),
            _ => Reader::open(&self.layout),
        }
    }

    /// Takes back the reader of a call that has ended.
    pub(crate) fn rest(&self, mut reader: Reader) {
        let mut is_small = reader.rest(&self.layout);
        if !is_small {
            // The sieve costs one search to fill; a reader costs each call that follows.
            *self.sieve.lock().unwrap_or_else(PoisonError::into_inner) = Sieve::default();
            is_small = !memory::is_large();
        }
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if is_small && readers.len() < RESTING {
            readers.push(reader);
        }
    }

    /// Forgets what earlier calls have read, as a process that has grown large does.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The revision that is read where a call names none.
    pub(crate) fn default_revision(&self) -> &str {
        self.settings.default_branch.as_deref().unwrap_or("HEAD")
    }

    /// The address of something of the repository, for the label of untrusted text.
    pub(crate) fn address(&self, revision: &str, path: Option<&BStr>) -> String {
        let mut address = format!("repo://{}/{revision}", self.id);
        if let Some(path) = path {
            address.push('/');
            address.push_str(&path.to_str_lossy());
        }
        address
    }
}

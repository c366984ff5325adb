//! What scans keep open from one to the next, and whose turn it is to scan.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tantivy::TantivyError;

use crate::catalogue::{self, Catalogue, FileRecord, Snapshot};
use crate::collection::Collection;
use crate::index::{self, Fields, Opened};
use crate::library::Library;

/// What is kept open between scans.
pub(crate) struct Held {
    /// The index.
    pub(crate) opened: Opened,
    /// Its fields.
    pub(crate) fields: Fields,
    /// The commit the catalogue belongs to.
    pub(crate) opstamp: u64,
    /// The payload of commits made with today's settings.
    pub(crate) payload: String,
    /// The files the index holds.
    pub(crate) catalogue: Arc<Catalogue>,
}

impl Held {
    /// Opens the index; publishes it if it was built with the same settings.
    pub(crate) fn open(library: &Library) -> Result<Self, TantivyError> {
        Self::new(library, index::open(&library.folder)?)
    }

    /// Throws the index away, for a reason, and begins an empty one.
    pub(crate) fn rebuild(library: &Library, reason: &TantivyError) -> Result<Self, TantivyError> {
        tracing::info!("the documentation index is built anew: {reason}");
        library.withdraw();
        Self::new(library, index::rebuild(&library.folder)?)
    }

    fn new(library: &Library, opened: Opened) -> Result<Self, TantivyError> {
        let (_, fields) = index::schema();
        let opstamp = opened.index.load_metas()?.opstamp;
        let searcher = opened.reader.searcher();
        let catalogue = Arc::new(catalogue::load(&searcher, &fields)?);
        let payload = index::payload(&digest(&library.collections));
        if opened.payload.as_ref() == Some(&payload) {
            library.publish(Snapshot { searcher, fields, catalogue: Arc::clone(&catalogue) });
        }
        Ok(Self { opened, fields, opstamp, payload, catalogue })
    }

    /// Whether no other process has written, or removed, the index since.
    pub(crate) fn is_current(&self) -> bool {
        let metas = self.opened.index.load_metas();
        metas.is_ok_and(|metas| {
            metas.opstamp == self.opstamp && metas.payload == self.opened.payload
        })
    }

    /// Whether the index was built with today's settings.
    pub(crate) fn is_ours(&self) -> bool {
        self.opened.payload.as_ref() == Some(&self.payload)
    }

    /// What is known of a file.
    pub(crate) fn record(&self, collection: &str, path: &str) -> Option<&FileRecord> {
        self.catalogue.get(collection)?.get(path)
    }
}

/// Waits until no other process scans into this folder. Where the file system knows no locks,
/// the index's own lock still keeps writers apart.
pub(crate) fn take_turn(folder: &Path) -> std::io::Result<Option<File>> {
    let path = folder.with_extension("lock");
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    match file.lock() {
        Ok(()) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

/// A digest of what decides which files belong to the index.
fn digest(collections: &[Collection]) -> String {
    let folders: BTreeMap<_, _> =
        collections.iter().map(|one| (one.name.as_str(), one.identity())).collect();
    hash(format!("{folders:?}").as_bytes())
}

/// The first 128 bits of the SHA-256, in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let number = digest.iter().take(16).fold(0u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}

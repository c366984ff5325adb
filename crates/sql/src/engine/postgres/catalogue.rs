//! What the gate remembers of the database's catalogue.

/// Look-ups in the catalogue of one database as one user sees it, kept for a short time.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {}

impl Catalogue {
    pub(crate) fn new() -> Self {
        Self::default()
    }
}

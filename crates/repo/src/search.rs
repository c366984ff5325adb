//! `repo_search`.

/// What is known of the contents of blobs.
#[derive(Default)]
pub(crate) struct Sieve;

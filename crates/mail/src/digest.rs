//! SHA-256 as text.

use sha2::{Digest as _, Sha256};

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    contract::text::hex(&Sha256::digest(bytes))
}

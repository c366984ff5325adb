//! The authority of this program's mail servers, and the certificates that it signed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::{certificates, folder_of_this_program};

const PREFIX: &str = "suite-mail-ca-";

/// What a server proves itself by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Certificate {
    /// For `localhost`, signed by the authority in [`ca_file`].
    #[default]
    Right,
    /// Signed by it for another host.
    OtherName,
    /// Signed by it for `localhost`, valid years ago.
    Expired,
    /// For `localhost`, signed by an authority that nobody here trusts.
    OtherAuthority,
}

impl Certificate {
    /// The files of the certificate and of its key.
    pub(super) fn files(self) -> (PathBuf, PathBuf) {
        let name = match self {
            Self::Right => "server",
            Self::OtherName => "other",
            Self::Expired => "expired",
            Self::OtherAuthority => "stranger",
        };
        (folder().join(format!("{name}.pem")), folder().join(format!("{name}.key")))
    }
}

/// The file of the authority that clients are to trust.
pub fn ca_file() -> PathBuf {
    folder().join("ca.pem")
}

fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = folder_of_this_program(PREFIX);
        certificates::make(&folder);
        certificates::make_refused(&folder);
        folder
    })
}

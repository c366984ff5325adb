//! Why a request is not served.

use std::borrow::Cow;

/// Why a credential does not count. The texts are for the caller as for the operator: they name
/// what is wrong, and hold no part of the credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no credential: HTTP 401 without an error code (RFC 6750, 3.1).
    #[error("no credential: send `Authorization: Bearer …`")]
    Missing,
    /// The credential is not given as it must be: HTTP 400 `invalid_request`.
    #[error("{0}")]
    Malformed(&'static str),
    /// The credential is wrong, over or revoked: HTTP 401 `invalid_token`.
    #[error("{0}")]
    Invalid(Cow<'static, str>),
    /// The token lacks scopes: HTTP 403 `insufficient_scope`. All that are required, at once.
    #[error("the access token lacks a scope; required: {}", .0.join(" "))]
    Scope(Vec<String>),
    /// Nobody can tell now whether the credential counts: HTTP 503.
    #[error("{0}")]
    Unavailable(String),
}

impl Refusal {
    /// A credential that is wrong, in words known at compile time.
    pub(crate) const fn invalid(why: &'static str) -> Self {
        Refusal::Invalid(Cow::Borrowed(why))
    }
}

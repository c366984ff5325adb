//! How a sink presents itself to its clients.

use crate::mail::Certificate;

/// How a [`Sink`] presents itself.
#[derive(Debug, Clone)]
pub struct SinkOptions {
    /// Whether and how connections are encrypted.
    pub security: Security,
    /// What it proves itself by.
    pub certificate: Certificate,
    /// The mechanisms to sign in with, of `PLAIN`, `LOGIN` and `XOAUTH2`. Where STARTTLS is
    /// offered, they are offered only after it.
    pub mechanisms: &'static [&'static str],
    /// Whether only those who signed in may send.
    pub auth_required: bool,
    /// The service extensions that it offers besides.
    pub extensions: &'static [Extension],
    /// The longest message in bytes that it takes; with it, it offers SIZE.
    pub size: Option<usize>,
    /// The token of XOAUTH2, for every account.
    pub token: String,
}

impl Default for SinkOptions {
    /// As a submission server of today: STARTTLS and a sign-in are required.
    fn default() -> Self {
        Self {
            security: Security::StartTlsRequired,
            certificate: Certificate::Right,
            mechanisms: &["PLAIN", "LOGIN", "XOAUTH2"],
            auth_required: true,
            extensions: &[Extension::EightBitMime, Extension::SmtpUtf8, Extension::Pipelining],
            size: Some(30_000_000),
            token: "token-of-the-sink".to_owned(),
        }
    }
}

impl SinkOptions {
    /// As a relay in the same network: neither encryption nor a sign-in.
    pub fn relay() -> Self {
        let security = Security::Plain;
        Self { security, mechanisms: &[], auth_required: false, ..Self::default() }
    }

    pub(super) fn offers(&self, extension: Extension) -> bool {
        self.extensions.contains(&extension)
    }
}

/// Whether and how connections are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// Never. It is also what a client sees when somebody on the way removes STARTTLS.
    Plain,
    /// By STARTTLS, if the client wants.
    StartTls,
    /// By STARTTLS; there is no MAIL before.
    StartTlsRequired,
    /// STARTTLS is offered and then refused by 454.
    StartTlsFails,
    /// By STARTTLS; somebody on the way adds a reply to its own, in plain text. A client must
    /// not read it as one that came encrypted.
    StartTlsInjected,
    /// From the first byte.
    Implicit,
}

/// A service extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// 8BITMIME (RFC 6152).
    EightBitMime,
    /// SMTPUTF8 (RFC 6531).
    SmtpUtf8,
    /// PIPELINING (RFC 2920).
    Pipelining,
}

impl Extension {
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::EightBitMime => "8BITMIME",
            Self::SmtpUtf8 => "SMTPUTF8",
            Self::Pipelining => "PIPELINING",
        }
    }
}

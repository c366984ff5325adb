//! A credential becomes an identity: API keys, and OAuth 2.1 access tokens.
//!
//! What it deliberately does not do: it knows no role's meaning and no tool (policy makes a
//! principal of an identity), speaks no MCP, and never hands a credential on. Nothing here runs
//! for a server on stdio.
//!
//! Where to start reading: [`Authenticator::check`], then [`keys`], then [`oauth`].

mod authenticator;
pub mod keys;
pub mod oauth;
mod refusal;
mod settings;

pub use authenticator::Authenticator;
pub use keys::Keys;
pub use oauth::OAuth;
pub use refusal::Refusal;
pub use settings::{Algorithm, OAuthSettings, Settings};

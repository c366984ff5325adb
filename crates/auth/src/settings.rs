//! The table `[identity]` of servers.toml.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// How callers over HTTP prove who they are. With neither keys nor OAuth, only this machine may
/// call.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether API keys made by `suite keys new` count.
    #[serde(default)]
    pub keys: bool,
    /// OAuth 2.1 access tokens.
    #[serde(default)]
    pub oauth: Option<OAuthSettings>,
}

/// Which access tokens count, and what they bring.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    /// The authorization server's issuer identifier, exactly as its tokens state it in `iss`.
    #[schemars(length(min = 8, max = 500))]
    pub issuer: String,
    /// What tokens must state in `aud`; without it, the server's public address
    /// (`servers.<name>.http.url`), as RFC 8707 has it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 500))]
    pub audience: Option<String>,
    /// Where the issuer's keys are (a JSON Web Key Set); without it, what the issuer's metadata
    /// says (RFC 8414, OpenID Connect Discovery).
    #[serde(default)]
    #[schemars(length(min = 8, max = 500))]
    pub jwks: Option<String>,
    /// The signature algorithms that count.
    #[serde(default = "algorithms")]
    #[schemars(length(min = 1, max = 9))]
    pub algorithms: Vec<Algorithm>,
    /// The claim that names the caller.
    #[serde(default = "subject")]
    #[schemars(length(min = 1, max = 200))]
    pub subject: String,
    /// The claim that lists the caller's groups, such as `groups`; with a leading slash, a JSON
    /// Pointer, such as `/realm_access/roles`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub groups: Option<String>,
    /// The roles that a scope brings, by scope.
    #[serde(default)]
    pub scopes: BTreeMap<String, Vec<String>>,
    /// Further certificate authorities to trust when speaking to the issuer, as a PEM file.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub ca: Option<PathBuf>,
}

fn algorithms() -> Vec<Algorithm> {
    vec![Algorithm::RS256, Algorithm::ES256]
}

fn subject() -> String {
    "sub".to_owned()
}

/// A signature algorithm (RFC 7518, RFC 8037). Asymmetric ones only: with a shared secret,
/// whoever can check a token could make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the registered names say it")]
pub enum Algorithm {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

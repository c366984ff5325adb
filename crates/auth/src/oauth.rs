//! OAuth 2.1 access tokens: JSON Web Tokens (RFC 7519, RFC 9068) signed by one issuer for this
//! server, checked as RFC 8725 advises: the algorithm is pinned by the settings, never chosen by
//! the token.

mod claims;
mod crypto;
mod issuer;
mod jwks;
mod proven;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Identity;
use jsonwebtoken::Validation;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Algorithm, OAuthSettings, Refusal};
use claims::{Bearer, Reading};
use issuer::Issuer;
use jwks::Jwks;
use proven::{Memory, digest};

/// The longest token, in bytes.
const LONGEST: usize = 16 << 10;
/// How far clocks may differ, in seconds.
const LEEWAY: u64 = 60;

/// Settings that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct OAuthError {
    /// The key in `[identity.oauth]`.
    pub key: &'static str,
    /// What is wrong, and the remedy.
    pub message: String,
}

impl OAuthError {
    fn new(key: &'static str, message: String) -> Self {
        Self { key, message }
    }
}

impl OAuthSettings {
    /// What is wrong with them, as far as they tell by themselves: nothing is read or asked.
    pub fn mistakes(&self) -> Vec<OAuthError> {
        issuer::mistakes(&self.issuer, self.jwks.as_deref())
    }
}

/// The access tokens that count for one server.
#[derive(Debug)]
pub struct OAuth {
    issuer: Arc<Issuer>,
    jwks: Arc<Jwks>,
    algorithms: Vec<jsonwebtoken::Algorithm>,
    validation: Validation,
    reading: Reading,
    required: Vec<String>,
    proven: Memory,
}

impl OAuth {
    /// Tokens for the server whose public address is `resource` (RFC 8707), with at least the
    /// `required` scopes. Relative paths start from `base`. Nothing is sent yet.
    pub fn new(
        settings: &OAuthSettings,
        base: &Path,
        resource: &str,
        required: Vec<String>,
    ) -> Result<Self, OAuthError> {
        crypto::install();
        let ca = settings.ca.as_ref().map(|ca| base.join(ca));
        let issuer =
            Arc::new(Issuer::new(&settings.issuer, settings.jwks.as_deref(), ca.as_deref())?);
        let mut validation =
            Validation { leeway: LEEWAY, validate_nbf: true, ..Validation::default() };
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[settings.audience.as_deref().unwrap_or(resource)]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        let reading = Reading {
            issuer: settings.issuer.clone(),
            subject: settings.subject.clone(),
            groups: settings.groups.clone(),
            roles: settings.scopes.clone(),
        };
        let asked = Arc::clone(&issuer);
        let jwks = Arc::new(Jwks::new(Box::new(move || {
            let issuer = Arc::clone(&asked);
            Box::pin(async move { issuer.keys().await })
        })));
        let algorithms = settings.algorithms.iter().map(|algorithm| library(*algorithm)).collect();
        Ok(Self {
            issuer,
            jwks,
            algorithms,
            validation,
            reading,
            required,
            proven: Memory::default(),
        })
    }

    /// The issuer's identifier.
    pub fn issuer(&self) -> &str {
        &self.reading.issuer
    }

    /// The scopes that every token must have.
    pub fn required(&self) -> &[String] {
        &self.required
    }

    /// The scopes that mean something here: the required ones, then those that bring roles.
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<&str> = self.required.iter().map(String::as_str).collect();
        let others = self.reading.roles.keys().map(String::as_str);
        scopes.extend(others.filter(|scope| !self.required.iter().any(|one| one == scope)));
        scopes
    }

    /// The TCP ports of the issuer, as far as the settings tell.
    pub fn ports(&self) -> Vec<u16> {
        self.issuer.ports()
    }

    /// Who the bearer of this token is.
    pub async fn verify(&self, token: &str) -> Result<Arc<Identity>, Refusal> {
        let (digest, now) = (digest(token), SystemTime::now());
        if let Some(generation) = self.jwks.generation()
            && let Some(proven) = self.proven.find(&digest, generation, now)
        {
            return self.permit(&proven.scopes, proven.identity);
        }
        let (bearer, generation) = self.prove(token).await?;
        let (identity, scopes) = (Arc::new(bearer.identity), Arc::from(bearer.scopes));
        let times = (now, bearer.expires);
        self.proven.keep(digest, Arc::clone(&identity), Arc::clone(&scopes), generation, times);
        self.permit(&scopes, identity)
    }

    fn permit(&self, scopes: &[String], identity: Arc<Identity>) -> Result<Arc<Identity>, Refusal> {
        if self.required.iter().all(|scope| scopes.contains(scope)) {
            return Ok(identity);
        }
        Err(Refusal::Scope(self.required.clone()))
    }

    async fn prove(&self, token: &str) -> Result<(Bearer, u64), Refusal> {
        let head = Head::of(token)?;
        let algorithm = self.algorithm(&head)?;
        let (key, generation) = self.jwks.find(head.kid.as_deref(), algorithm).await?;
        let validation = Validation { algorithms: vec![algorithm], ..self.validation.clone() };
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.key, &validation)
            .map_err(|error| Refusal::Invalid(explain(error.kind())))?;
        Ok((self.reading.bearer(&decoded.claims)?, generation))
    }

    /// The algorithm, if it is one of the pinned ones, of a header that asks for nothing else.
    fn algorithm(&self, head: &Head) -> Result<jsonwebtoken::Algorithm, Refusal> {
        if head.crit.is_some() {
            return Err(Refusal::invalid(
                "the access token has critical extensions (crit), and none is understood here",
            ));
        }
        let kind = head.typ.as_deref().unwrap_or("JWT").to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if !matches!(kind, "at+jwt" | "jwt") {
            return Err(Refusal::invalid("the token's type (typ) is not that of an access token"));
        }
        let algorithm = head.alg.parse().ok();
        algorithm.filter(|algorithm| self.algorithms.contains(algorithm)).ok_or(Refusal::invalid(
            "the access token is signed by an algorithm that does not count here, or not at all",
        ))
    }
}

/// The parts of a token's header that are looked at. Keys and addresses of keys in it are not.
#[derive(Deserialize)]
struct Head {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<Value>,
}

/// `crit` is there whatever it holds, `null` too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Head {
    fn of(token: &str) -> Result<Self, Refusal> {
        let wrong = Refusal::invalid("the credential is no access token (a signed JSON Web Token)");
        if token.len() > LONGEST {
            return Err(Refusal::invalid("the access token is too long"));
        }
        let mut parts = token.split('.');
        let (Some(head), Some(_), Some(_), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong);
        };
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|_| wrong.clone())?;
        serde_json::from_slice(&head).map_err(|_| wrong)
    }
}

fn library(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// What the library found wrong, in words for the caller.
fn explain(kind: &ErrorKind) -> Cow<'static, str> {
    match kind {
        ErrorKind::InvalidSignature => "the access token's signature is wrong".into(),
        ErrorKind::ExpiredSignature => "the access token has expired".into(),
        ErrorKind::ImmatureSignature => "the access token does not count yet (nbf)".into(),
        ErrorKind::InvalidIssuer => "the access token is of another issuer".into(),
        ErrorKind::InvalidAudience => "the access token is for another server (aud)".into(),
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => {
            format!("the access token's claim {claim} is missing or malformed").into()
        }
        _ => "the access token is malformed".into(),
    }
}

#[cfg(test)]
mod tests;

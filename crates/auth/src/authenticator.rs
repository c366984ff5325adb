//! The one question that a transport asks: who is this?

use std::sync::Arc;

use contract::Identity;

use crate::keys::is_key;
use crate::{Keys, OAuth, Refusal};

/// What counts as proof for one server.
#[derive(Debug)]
pub struct Authenticator {
    keys: Option<Keys>,
    oauth: Option<OAuth>,
}

impl Authenticator {
    /// Takes API keys, access tokens, or both; `None` where neither is configured.
    pub fn new(keys: Option<Keys>, oauth: Option<OAuth>) -> Option<Self> {
        (keys.is_some() || oauth.is_some()).then_some(Self { keys, oauth })
    }

    /// Who the bearer of this credential is.
    pub async fn check(&self, credential: &str) -> Result<Arc<Identity>, Refusal> {
        match (&self.keys, &self.oauth) {
            (Some(keys), _) if is_key(credential) => keys.verify(credential).map(Arc::new),
            (_, Some(oauth)) if !is_key(credential) => oauth.verify(credential).await,
            (Some(_), None) => Err(Refusal::invalid("not an API key of this server")),
            _ => Err(Refusal::invalid("API keys do not count here; send an access token")),
        }
    }

    /// The access tokens that count.
    pub fn oauth(&self) -> Option<&OAuth> {
        self.oauth.as_ref()
    }
}

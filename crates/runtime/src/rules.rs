//! The rules in force: who may call what, and how tight each tool is, at one time. A call keeps
//! the rules it began with; a changed servers.toml makes new ones.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use contract::Limit;
use contract::record::Sorted;
use contract::text::hex;
use policy::Policy;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::catalogue::{Catalogue, CatalogueError, Entries, Overrides};

/// What servers.toml says about who may do what.
#[derive(Debug)]
pub struct RuleSet {
    /// People and roles.
    pub policy: Policy,
    /// The rules for single tools.
    pub overrides: BTreeMap<String, Overrides>,
    /// How often one principal may call tools of this server, all together.
    pub limit: Option<Limit>,
    /// How long an approval counts, from the question to the call.
    pub approval_within: Duration,
    /// The page where people decide: an approval's identity is added to it.
    pub approval_page: Option<String>,
    /// SHA-256 over all of it, in hexadecimal: the version that records name.
    pub digest: String,
}

/// The version of a policy: SHA-256 over the canonical JSON (RFC 8785) of its tables.
pub fn digest(tables: &Value) -> String {
    let canonical = serde_json::to_vec(&Sorted(tables)).unwrap_or_default();
    hex(&Sha256::digest(canonical))
}

/// The rules in force.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    pub(crate) entries: Entries,
    pub(crate) limit: Option<Limit>,
    pub(crate) approval_within: Duration,
    pub(crate) approval_page: Option<String>,
    pub(crate) digest: String,
}

impl Rules {
    pub(crate) fn new(set: RuleSet, catalogue: &Catalogue) -> Result<Self, Vec<CatalogueError>> {
        let entries = catalogue.tightened(&set.overrides)?;
        let RuleSet { policy, limit, approval_within, approval_page, digest, .. } = set;
        Ok(Self { policy, entries, limit, approval_within, approval_page, digest })
    }
}

/// Holds the rules in force, and replaces them as a whole.
#[derive(Debug)]
pub(crate) struct InForce(RwLock<Arc<Rules>>);

impl InForce {
    pub(crate) fn new(rules: Rules) -> Self {
        Self(RwLock::new(Arc::new(rules)))
    }

    pub(crate) fn get(&self) -> Arc<Rules> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set(&self, rules: Rules) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }
}

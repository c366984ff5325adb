//! The tables `[people]` and `[roles]` of servers.toml.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Who has which roles: deny by default. A key is a person or operating-system user ("ann"), an
/// API key ("key:ci"), the subject of an access token ("sub:00u1abc"), a group that tokens state
/// ("group:platform"), "loopback" for HTTP without identity, or "*" for everybody.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct People(pub BTreeMap<String, Person>);

/// The roles of one entry of `[people]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Person {
    /// The roles.
    Roles(Vec<String>),
    /// The roles of a person with several credentials.
    Known(Known),
}

/// A person with several credentials, who is one subject with all of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The roles.
    pub roles: Vec<String>,
    /// The credentials: "user:ann", "key:laptop", "sub:00u1abc".
    #[serde(rename = "is")]
    #[schemars(length(max = 20), inner(length(min = 5, max = 300)))]
    pub credentials: Vec<String>,
}

impl Person {
    pub(crate) fn roles(&self) -> &[String] {
        match self {
            Person::Roles(roles) | Person::Known(Known { roles, .. }) => roles,
        }
    }

    pub(crate) fn credentials(&self) -> &[String] {
        match self {
            Person::Roles(_) => &[],
            Person::Known(known) => &known.credentials,
        }
    }
}

/// The roles by name.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Roles(pub BTreeMap<String, Role>);

/// What a role may do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Globs over tool and prompt names, such as "docs_*".
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub tools: Vec<String>,
    /// Globs over the names of tools whose calls this role may approve.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub approves: Vec<String>,
    /// For a kind of target, globs over the names it may touch, or approve the touching of; a kind
    /// left out is not restricted.
    #[serde(default)]
    pub targets: BTreeMap<String, Vec<String>>,
    /// What is forbidden whatever any role allows.
    #[serde(default)]
    pub deny: Option<Deny>,
}

/// A prohibition: of the tools on the targets; a part left out means all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// Globs over tool and prompt names.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub tools: Option<Vec<String>>,
    /// For a kind of target, globs over names.
    #[serde(default)]
    pub targets: BTreeMap<String, Vec<String>>,
}

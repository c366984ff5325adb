//! The tables `[people]` and `[roles]` of servers.toml.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Who has which roles: deny by default. A key is a user name, or `"*"` for everybody.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct People(pub BTreeMap<String, Vec<String>>);

/// The roles by name.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Roles(pub BTreeMap<String, Role>);

/// What a role may do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Globs over tool and prompt names, such as "docs_*".
    #[schemars(length(max = 200))]
    pub tools: Vec<String>,
    /// For a kind of target, globs over the names it may touch; a kind left out is not restricted.
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

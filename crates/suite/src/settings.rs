//! The tables of servers.toml that are no server's own, and the schema of the whole file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use contract::{SecretRef, schema};
use policy::{People, Roles};
use runtime::Overrides;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::Launcher;
use crate::telemetry::Telemetry;

/// The built-in defaults: the weakest layer.
pub const DEFAULTS: &str = "[suite]\nstate = \"state\"\n";

/// `[suite]`: what all servers share.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The folder of records and indexes, one folder in it per server. Relative to servers.toml.
    #[schemars(length(min = 1, max = 4096))]
    pub state: PathBuf,
    /// What happens on a kernel that cannot confine a server as it should: "preferred" warns,
    /// "required" refuses to start.
    #[serde(default)]
    pub confine: Confine,
}

/// `suite.confine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confine {
    /// Whatever the kernel can enforce, with a warning about the rest.
    #[default]
    Preferred,
    /// All of it, or no service.
    Required,
}

/// `[approvals]`: how people say yes to calls that need it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approvals {
    /// How long an approval counts, from the question to the call: "24h" unless set, such as
    /// "30m" or "2h"; at least "1s", at most "30d".
    #[serde(default)]
    #[schemars(length(min = 2, max = 20))]
    pub within: Option<String>,
    /// The page where people decide, such as <https://suite.acme.example/approvals>: offered to
    /// hosts that can open it, with the approval's identity added to it.
    #[serde(default)]
    #[schemars(length(max = 500), regex(pattern = r"^https?://"))]
    pub page: Option<String>,
}

impl Approvals {
    /// How long an approval counts.
    pub fn within(&self) -> Result<Duration, String> {
        let text = self.within.as_deref().unwrap_or("24h");
        let within = humantime::parse_duration(text).map_err(|error| {
            format!("`{text}` is not a time such as \"24h\" or \"30m\": {error}")
        })?;
        let bounds = Duration::from_secs(1)..=Duration::from_hours(30 * 24);
        if bounds.contains(&within) {
            Ok(within)
        } else {
            Err(format!("`{text}` is not between 1s and 30d"))
        }
    }
}

/// `[audit]`: where signed checkpoints of the log are copied to. What was copied cannot be changed
/// by whoever can change the log.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// A file that every checkpoint is added to, on another disk or machine for example. Relative
    /// to servers.toml.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub file: Option<PathBuf>,
    /// A program and its arguments, such as `["logger", "-t", "suite"]`: it is run with every
    /// checkpoint on its standard input.
    #[serde(default)]
    #[schemars(length(min = 1, max = 50), inner(length(max = 4096)))]
    pub command: Option<Vec<String>>,
    /// An address that every checkpoint is posted to, by https, or by http on this machine.
    #[serde(default)]
    #[schemars(
        length(max = 2000),
        regex(pattern = r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])[:/])")
    )]
    pub url: Option<String>,
}

/// What every server's table has.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Common {
    /// One sentence that says what this server is for.
    #[schemars(length(min = 10, max = 300))]
    pub purpose: String,
    /// Who answers for it: a team or an address.
    #[schemars(length(min = 2, max = 200))]
    pub owner: String,
    /// How many calls run at a time.
    #[serde(default = "in_flight")]
    #[schemars(range(min = 1, max = 4096))]
    pub in_flight: usize,
    /// How often one principal may call tools of this server, all together, such as "300/minute"
    /// (second, minute, hour, day); not limited unless set.
    #[serde(default)]
    #[schemars(length(max = 14), regex(pattern = r"^[1-9][0-9]*/(second|minute|hour|day)$"))]
    pub limit: Option<String>,
    /// HTTP: who may reach it.
    #[serde(default)]
    pub http: Http,
    /// Tighter rules for single tools, by tool.
    #[serde(default)]
    pub tools: BTreeMap<String, Overrides>,
}

fn in_flight() -> usize {
    64
}

/// `[servers.<name>.http]`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Host names that requests may name beside localhost and the loopback addresses.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 255)))]
    pub hosts: Vec<String>,
    /// Web origins that may call, such as <http://localhost:6274>; none by default.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 255)))]
    pub origins: Vec<String>,
    /// Sessions of protocol revisions before 2026-07-28 that may be open at a time; 0 serves
    /// those revisions without sessions.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub sessions: usize,
    /// The public address that clients call, such as `https://mcp.acme.example/docs/mcp`: the
    /// audience of access tokens (RFC 8707); where the server listens, unless set.
    #[serde(default)]
    #[schemars(length(min = 8, max = 500))]
    pub url: Option<String>,
    /// Scopes that every access token must have.
    #[serde(default)]
    #[schemars(length(max = 50), inner(regex(pattern = r"^[!#-\[\]-~]{1,200}$")))]
    pub scopes: Vec<String>,
    /// TLS: the certificate chain, a PEM file. Relative to servers.toml.
    #[serde(default)]
    #[schemars(length(min = 1, max = 4096))]
    pub certificate: Option<PathBuf>,
    /// TLS: where the certificate's private key is.
    #[serde(default)]
    pub key: Option<SecretRef>,
    /// The networks of the proxies that do TLS, such as "10.0.0.0/8": nobody else may connect.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 2, max = 50)))]
    pub proxies: Vec<String>,
}

/// The JSON Schema of servers.toml with these servers.
pub fn file_schema(launchers: &[Launcher]) -> Value {
    let servers: Map<String, Value> = launchers
        .iter()
        .map(|launcher| (launcher.name.to_owned(), server_schema(launcher)))
        .collect();
    let roles = with_names(schema::of::<Roles>(), "^[a-z][a-z0-9_-]*$");
    json!({
        "title": "servers.toml",
        "type": "object",
        "properties": {
            "suite": schema::of::<Suite>(),
            "identity": schema::of::<auth::Settings>(),
            "people": schema::of::<People>(),
            "approvals": schema::of::<Approvals>(),
            "audit": schema::of::<Audit>(),
            "telemetry": schema::of::<Telemetry>(),
            "roles": roles,
            "servers": {
                "description": "One table per server.",
                "type": "object",
                "properties": servers,
                "additionalProperties": false
            }
        },
        "additionalProperties": false
    })
}

fn with_names(mut schema: Value, pattern: &str) -> Value {
    schema["propertyNames"] = json!({ "pattern": pattern, "maxLength": 64 });
    schema
}

/// The common keys and the server's own, in one table that refuses all others.
fn server_schema(launcher: &Launcher) -> Value {
    let mut table = schema::of::<Common>();
    let own = (launcher.schema)();
    table["description"] = json!(launcher.title);
    for (name, value) in own["properties"].as_object().into_iter().flatten() {
        table["properties"][name] = value.clone();
    }
    let required = own["required"].as_array().into_iter().flatten().cloned();
    if let Some(names) = table["required"].as_array_mut() {
        names.extend(required);
    }
    table
}

/// Splits a server's table into the common part and its own.
pub fn split(table: &Value) -> (Value, Value) {
    let common = schema::of::<Common>();
    let known = common["properties"].as_object();
    let (mut shared, mut own) = (Map::new(), Map::new());
    for (name, value) in table.as_object().into_iter().flatten() {
        let part = if known.is_some_and(|known| known.contains_key(name)) {
            &mut shared
        } else {
            &mut own
        };
        part.insert(name.clone(), value.clone());
    }
    (Value::Object(shared), Value::Object(own))
}

//! `[telemetry]`: where traces and metrics are sent.

use std::collections::BTreeMap;

use config::{Config, Faults};
use contract::{Place, SecretRef};
use runtime::telemetry::Collector;
use schemars::JsonSchema;
use serde::Deserialize;

/// `[telemetry]`: where traces and metrics are sent. Without it nothing is; `/metrics` is there
/// anyway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// The OpenTelemetry collector, spoken to by OTLP over HTTP, such as
    /// <http://127.0.0.1:4318>.
    #[serde(default)]
    #[schemars(length(max = 500), regex(pattern = r"^https?://"))]
    pub(crate) otlp: Option<String>,
    /// Headers that the collector asks for, such as `authorization = { env = "OTLP_TOKEN" }`: the
    /// whole value is the secret.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub(crate) headers: BTreeMap<String, SecretRef>,
    /// What tells this installation from others, such as
    /// `"deployment.environment.name" = "production"`.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub(crate) resource: BTreeMap<String, String>,
}

impl Telemetry {
    /// The table as the configuration has it.
    pub(crate) fn of(config: &Config) -> Result<Self, Faults> {
        config.get("/telemetry").map_err(Faults::one)
    }
}

/// The collector, with its secrets read.
pub(crate) fn collector(config: &Config, place: &Place) -> Result<Option<Collector>, Faults> {
    let fault = |key: &str, message: String| {
        Faults::one(config.fault(&format!("/telemetry{key}"), None, message))
    };
    let table = Telemetry::of(config)?;
    let Some(otlp) = &table.otlp else {
        if table.headers.is_empty() && table.resource.is_empty() {
            return Ok(None);
        }
        return Err(fault("", "name the collector by `otlp`, or nothing is sent".to_owned()));
    };
    if table.resource.keys().any(|name| name.trim().is_empty()) {
        let message = "an attribute has no name: name it, such as deployment.environment.name";
        return Err(fault("/resource", message.to_owned()));
    }
    let header = |name: &str| format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
    let mut headers = BTreeMap::new();
    for (name, reference) in &table.headers {
        let secret = place.secret(reference);
        let secret = secret.map_err(|error| fault(&header(name), error.to_string()))?;
        headers.insert(name.clone(), secret);
    }
    let collector = Collector::new(otlp, &headers, table.resource);
    collector.map(Some).map_err(|(name, message)| {
        fault(&name.map_or_else(|| "/otlp".to_owned(), |name| header(&name)), message)
    })
}

/// The TCP port that a server's process must still reach; `None` where nothing is sent.
pub(crate) fn port(config: &Config) -> Option<u16> {
    let table = Telemetry::of(config).ok()?;
    Some(Collector::new(&table.otlp?, &BTreeMap::new(), BTreeMap::new()).ok()?.port())
}

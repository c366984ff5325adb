//! What dashboards see of a process: numbers for Prometheus, and traces and the same numbers by
//! OTLP.
//!
//! A call is measured once, where its record is written. Labels are few: names of the catalogue
//! and words of this program, never what a caller wrote. What it deliberately does not do: it
//! keeps nothing over a restart (the records do), samples nothing, and tells nobody who called.
//!
//! Where to start reading: [`names`], which says what everything is called outside.

mod collector;
mod exposition;
mod names;
mod numbers;
mod otlp;
pub mod process;

use std::sync::Arc;
use std::time::Duration;

use contract::record::Event;
use state::Store;

pub use self::collector::Collector;
pub(crate) use self::exposition::Format;
pub(crate) use self::names::Method;
pub(crate) use self::numbers::Ended;
use self::numbers::Numbers;
use self::otlp::Otlp;
pub(crate) use self::otlp::{INTERVAL, Told};
use crate::catalogue::Catalogue;
use crate::redact::Redactor;

/// The name that the `tools` of a role must match to let its people read the metrics, where the
/// server asks who they are.
pub const RIGHT: &str = "metrics";

/// How long the database may take to count approvals before the last count is shown again.
const COUNTING: Duration = Duration::from_secs(1);

/// How long a process that ends waits for the collector.
const LAST: Duration = Duration::from_secs(3);

/// A collector that cannot be used as servers.toml names it.
#[derive(Debug, thiserror::Error)]
#[error("telemetry: {0}")]
pub struct TelemetryError(String);

/// The telemetry of one process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Telemetry {
    server: &'static str,
    numbers: Arc<Numbers>,
    otlp: Option<Arc<Otlp>>,
}

impl Telemetry {
    /// Starts to count; with a collector, also to export. `process` tells this process from the
    /// others of its server.
    pub(crate) fn start(
        catalogue: &Catalogue,
        collector: Option<&Collector>,
        process: &str,
        redactor: &Redactor,
    ) -> Result<Self, TelemetryError> {
        let prompts: Vec<_> = catalogue.prompts.iter().map(|prompt| prompt.contract.name).collect();
        let tools = catalogue.declared_names().filter(|name| !prompts.contains(name));
        let numbers = Arc::new(Numbers::new(&tools.collect::<Vec<_>>(), &prompts));
        let server = catalogue.server;
        let started =
            collector.map(|collector| Otlp::start(collector, server, process, &numbers, redactor));
        let otlp = started.transpose().map_err(TelemetryError)?.map(Arc::new);
        Ok(Self { server, numbers, otlp })
    }

    /// A call begins.
    pub(crate) fn begin(&self) {
        self.numbers.begin();
    }

    /// A call ended: counted, and told to the collector.
    pub(crate) fn end(&self, ended: &Ended, told: &Told<'_>) {
        self.numbers.end(ended);
        if let Some(otlp) = &self.otlp {
            otlp.tell(ended, told);
        }
    }

    /// A record was written, or could not be.
    pub(crate) fn record(&self, event: Event, written: bool) {
        self.numbers.record(event, written);
    }

    /// The policy in force from now on.
    pub(crate) fn set_policy(&self, digest: &str) {
        self.numbers.set_policy(digest);
    }

    /// Looks at what others may have changed: approvals are decided in other processes, too.
    pub(crate) async fn look(&self, store: &Store) {
        if let Ok(Ok(tally)) = tokio::time::timeout(COUNTING, store.tally()).await {
            self.numbers.set_approvals(tally);
        }
    }

    /// All numbers as text.
    pub(crate) fn text(&self, format: Format) -> String {
        exposition::text(self.server, &self.numbers, format)
    }

    /// Sends what is left, within [`LAST`].
    pub(crate) async fn stop(&self) {
        let Some(otlp) = self.otlp.clone() else { return };
        let sent = tokio::task::spawn_blocking(move || otlp.stop());
        let _ = tokio::time::timeout(LAST, sent).await;
    }
}

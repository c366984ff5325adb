//! The one path for every call: identify, find, validate, permit, limit, approve, record the
//! intent, run, guard, record the outcome, answer.
//!
//! [`Pipeline::call`] is the only way in. It is straight-line code: one place logs, one place
//! measures, one place redacts.
//!
//! A call is never held open for a person: what needs an approval that is not there yet is
//! answered `approval_needed`, and called again ([`approve`]).

mod approve;
mod call;
mod once;
mod record;
mod tend;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use contract::record::{Event, Record};
use contract::text::hex;
use contract::{Channel, Client, Identity, Principal, Target, ToolError};
use serde_json::{Map, Value};
use state::approvals::Stored;
use state::{Log, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::call::Call;
use crate::approvals::{self, DecideError, Desk};
use crate::catalogue::{Catalogue, CatalogueError, Entry};
use crate::guard::Shown;
use crate::journal;
use crate::limits::Limits;
use crate::redact::Redactor;
use crate::rules::{InForce, RuleSet, Rules};
use crate::seal::Sealer;
use crate::stop::GRACE;
use crate::telemetry::{self, Collector, Telemetry, TelemetryError};

/// Who calls, through what.
#[derive(Clone)]
pub struct Caller {
    /// Who, as proven; policy makes a principal of it at each call.
    pub identity: Arc<Identity>,
    /// From which program, as claimed.
    pub client: Arc<Client>,
    /// What the client says about the call.
    pub said: Arc<Said>,
    /// What the transport can do for the running tool.
    pub channel: Arc<dyn Channel>,
    /// Fires when the caller cancels or goes away.
    pub cancelled: CancellationToken,
}

/// What the client says about a call beside its arguments. Claims: recorded, never decided upon.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The W3C trace context (`traceparent`).
    pub trace: Option<String>,
    /// The part of the trace context that is the vendors' own (`tracestate`).
    pub trace_state: Option<String>,
    /// The request of the protocol.
    pub request: Option<String>,
    /// A digest of the session's identifier.
    pub session: Option<String>,
    /// What the person asked for, as the host passes it on.
    pub user_request: Option<String>,
    /// Names the effect that is wanted: the same key never has it twice.
    pub idempotency_key: Option<String>,
}

/// What is called.
#[derive(Clone, Debug)]
pub enum Request {
    /// A tool.
    Tool {
        /// Its name, as asked.
        name: String,
        /// Its arguments.
        args: Map<String, Value>,
    },
    /// A resource: the tool behind it is called, and may fill the largest result.
    Resource {
        /// Its address.
        uri: String,
    },
    /// A prompt.
    Prompt {
        /// Its name, as asked.
        name: String,
        /// Its arguments.
        args: Map<String, Value>,
    },
}

/// A call that was answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What is shown.
    pub shown: Shown,
    /// The media type of a resource.
    pub mime: Option<&'static str>,
}

/// A call that was not.
#[derive(Debug)]
pub enum Failure {
    /// There is no such tool, resource or prompt for this principal.
    Unknown(ToolError),
    /// The call failed; the caller reads why.
    Error(ToolError),
    /// The caller cancelled: nobody reads the answer.
    Abandoned,
}

impl Failure {
    /// The error behind the failure; `None` for an abandoned call.
    pub fn error(&self) -> Option<&ToolError> {
        match self {
            Failure::Unknown(error) | Failure::Error(error) => Some(error),
            Failure::Abandoned => None,
        }
    }
}

impl From<ToolError> for Failure {
    fn from(error: ToolError) -> Self {
        Failure::Error(error)
    }
}

/// The parts of a pipeline.
pub struct Parts {
    /// What the server offers.
    pub catalogue: Catalogue,
    /// Who may call it, and how tight each tool is.
    pub rules: RuleSet,
    /// The log: without a record there is no call.
    pub log: Log,
    /// The secrets this process holds.
    pub redactor: Redactor,
    /// The key of the server's folder.
    pub key: [u8; 32],
    /// How many calls run at a time.
    pub in_flight: usize,
    /// What the record of the start says: what is served, how, and what confines the process.
    pub started: String,
    /// Approvals and effects that happen once.
    pub store: Store,
    /// Whether a credential still counts: asked of approvers before their call runs.
    pub still_valid: Box<StillValid>,
    /// Where traces and metrics are sent, if anywhere.
    pub collector: Option<Collector>,
}

/// Whether a credential still counts; `Err` says why nobody can tell now.
pub type StillValid = dyn Fn(&Identity) -> Result<bool, String> + Send + Sync;

/// Why there is no pipeline, or why rules cannot come into force.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The rules for single tools are wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Rules(Vec<CatalogueError>),
    /// The log cannot be written.
    #[error(transparent)]
    State(#[from] state::StateError),
    /// The collector cannot be used.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

impl From<Vec<CatalogueError>> for PipelineError {
    fn from(errors: Vec<CatalogueError>) -> Self {
        PipelineError::Rules(errors)
    }
}

/// The one path. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

struct Inner {
    catalogue: Catalogue,
    rules: InForce,
    log: Log,
    redactor: Redactor,
    sealer: Sealer,
    limits: Limits,
    store: Store,
    still_valid: Box<StillValid>,
    telemetry: Telemetry,
    /// Where this very process serves the approval pages, unless servers.toml names a page.
    own_pages: OnceLock<String>,
    acting: TaskTracker,
    calls: AtomicU64,
    process: String,
}

impl Inner {
    /// Writes a record without the secrets this process holds, and counts it; `durable` waits for
    /// the disk.
    fn write(&self, record: Record<'_>, durable: bool) -> Result<(), state::StateError> {
        let event = record.event;
        let written = journal::append(&self.log, &self.redactor, record, durable);
        self.telemetry.record(event, written.is_ok());
        written
    }
}

impl Pipeline {
    /// A pipeline. Writes the record that the server started.
    pub fn new(parts: Parts) -> Result<Self, PipelineError> {
        let rules = Rules::new(parts.rules, &parts.catalogue)?;
        let mut random = [0u8; 6];
        getrandom::fill(&mut random).map_err(|error| state::StateError {
            path: "random numbers".into(),
            source: std::io::Error::other(error),
        })?;
        let process = hex(&random);
        let collector = parts.collector.as_ref();
        let telemetry = Telemetry::start(&parts.catalogue, collector, &process, &parts.redactor)?;
        let inner = Inner {
            rules: InForce::new(rules),
            log: parts.log,
            redactor: parts.redactor,
            sealer: Sealer::new(parts.key),
            limits: Limits::new(parts.in_flight),
            store: parts.store,
            still_valid: parts.still_valid,
            telemetry,
            own_pages: OnceLock::new(),
            acting: TaskTracker::new(),
            calls: AtomicU64::new(0),
            process,
            catalogue: parts.catalogue,
        };
        let pipeline = Self { inner: Arc::new(inner) };
        pipeline.note(Event::Started, Some(&parts.started))?;
        if parts.collector.is_some() {
            pipeline.keep_looking();
        }
        Ok(pipeline)
    }

    /// Keeps the numbers fresh that other processes change, for as long as somebody calls.
    fn keep_looking(&self) {
        let inner = Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(telemetry::INTERVAL);
            loop {
                ticks.tick().await;
                let Some(inner) = inner.upgrade() else { return };
                inner.telemetry.look(&inner.store).await;
            }
        });
    }

    /// Replaces the rules in force; calls on their way keep theirs. Says whether they are others:
    /// rules of the same digest may stand at other lines of the file, no more.
    pub fn enforce(&self, rules: RuleSet) -> Result<bool, PipelineError> {
        let changed = rules.digest != self.inner.rules.get().digest;
        let rules = Rules::new(rules, &self.inner.catalogue)?;
        self.inner.rules.set(rules);
        if changed {
            self.note(Event::PolicyLoaded, None)?;
        }
        Ok(changed)
    }

    /// Records that the rules that were to come are wrong: those in force stay.
    pub fn keep_rules(&self, why: &str) -> Result<(), state::StateError> {
        self.note(Event::PolicyRefused, Some(why))
    }

    /// Records an event that is no call.
    pub fn note(&self, event: Event, detail: Option<&str>) -> Result<(), state::StateError> {
        let rules = self.inner.rules.get();
        let mut record = Record::new(event, self.inner.catalogue.server);
        record.policy = Some(&rules.digest);
        record.detail = detail;
        self.inner.telemetry.set_policy(&rules.digest);
        self.inner.write(record, false)
    }

    /// Waits until acting calls have ended, whoever still listens to them, at most [`GRACE`];
    /// writes the record that the server stopped, and brings the log to the disk.
    pub async fn stop(&self) -> Result<(), state::StateError> {
        self.inner.acting.close();
        let _ = tokio::time::timeout(GRACE, self.inner.acting.wait()).await;
        if let Err(error) = self.end_overdue().await {
            tracing::error!(%error, "approvals whose time is over could not be ended");
        }
        let rules = self.inner.rules.get();
        let mut record = Record::new(Event::Stopped, self.inner.catalogue.server);
        record.policy = Some(&rules.digest);
        let written = self.inner.write(record, true);
        // Tasks that are not waited for may hold the log beyond the end of the process.
        self.inner.log.settle();
        self.inner.telemetry.look(&self.inner.store).await;
        self.inner.telemetry.stop().await;
        written
    }

    /// What a caller wrote, guarded as every text is, to be sent back in an error.
    pub(crate) fn echoed(&self, text: &str) -> String {
        crate::guard::message(text, &self.inner.redactor)
    }

    /// The same for JSON that another library made.
    pub(crate) fn guarded(&self, value: serde_json::Value) -> serde_json::Value {
        crate::guard::value(value, &self.inner.redactor)
    }

    /// What the server offers; filter it with [`Pipeline::lists`] before showing it.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// Who an identity is under the rules in force.
    pub fn principal(&self, identity: &Identity) -> Principal {
        self.inner.rules.get().policy.principal(identity)
    }

    /// The tools that the principal sees.
    pub fn visible_tools(&self, principal: &Principal) -> Vec<Arc<Entry>> {
        let rules = self.inner.rules.get();
        let allowed =
            |entry: &&Arc<Entry>| rules.policy.allows(&principal.roles, entry.contract.name, None);
        rules.entries.tools().filter(allowed).cloned().collect()
    }

    /// Whether the principal sees a tool or prompt at all.
    pub fn lists(&self, principal: &Principal, name: &str) -> bool {
        let rules = self.inner.rules.get();
        let entries = rules.entries.tools().chain(rules.entries.prompts());
        entries.into_iter().any(|entry| entry.contract.name == name)
            && rules.policy.allows(&principal.roles, name, None)
    }

    /// Whether the principal may touch a target with a tool.
    pub fn permits(&self, principal: &Principal, tool: &str, target: &Target) -> bool {
        self.inner.rules.get().policy.allows(&principal.roles, tool, Some(target))
    }

    /// Whether the principal may read the metrics: whether its roles would let it call a tool of
    /// that name.
    pub(crate) fn shows_metrics(&self, principal: &Principal) -> bool {
        self.inner.rules.get().policy.allows(&principal.roles, telemetry::RIGHT, None)
    }

    /// All metrics as text.
    pub(crate) async fn metrics(&self, format: telemetry::Format) -> String {
        self.inner.telemetry.look(&self.inner.store).await;
        self.inner.telemetry.text(format)
    }

    /// The page that servers.toml names.
    pub(crate) fn named_page(&self) -> Option<String> {
        self.inner.rules.get().approval_page.clone()
    }

    /// This process serves the approval pages at this address.
    pub(crate) fn serves_pages(&self, address: String) {
        let _ = self.inner.own_pages.set(address);
    }

    /// The approval of this identity, where this server has it.
    pub(crate) async fn approval(&self, id: &str) -> Result<Option<Stored>, state::StateError> {
        let store = &self.inner.store;
        if !store.exists() {
            return Ok(None);
        }
        Ok(store.approvals_like(id).await?.pop())
    }

    /// Whether an identity may decide about a stored call at all; `Err` is the rule that says no.
    pub(crate) fn may_decide(&self, stored: &Stored, identity: &Identity) -> Result<(), String> {
        let rules = self.inner.rules.get();
        let person = rules.policy.principal(identity);
        approvals::may(&rules.policy, stored, &person, false)
    }

    /// A person's decision about a stored call.
    pub(crate) async fn decide(
        &self,
        client: &Client,
        stored: &Stored,
        identity: &Identity,
        yes: bool,
        reason: &str,
    ) -> Result<Stored, DecideError> {
        let rules = self.inner.rules.get();
        let desk = Desk {
            server: self.inner.catalogue.server,
            policy: &rules.policy,
            digest: &rules.digest,
            store: &self.inner.store,
            log: &self.inner.log,
            client,
            redactor: &self.inner.redactor,
        };
        desk.decide(stored, identity, yes, reason).await
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    /// Records a request that could not even be called, and answers why.
    pub fn refuse(&self, caller: &Caller, request: Request, error: ToolError) -> Failure {
        Call::begin(self, caller, request).refuse(error)
    }

    /// The only way in.
    pub async fn call(&self, caller: &Caller, request: Request) -> Result<Answer, Failure> {
        let call = Call::begin(self, caller, request);
        if call.is_acting() {
            // An acting call runs to its end whoever stops listening, so that its record is true.
            let task = self.inner.acting.spawn(call.finish());
            return task
                .await
                .unwrap_or_else(|_| Err(ToolError::internal("the call's task died").into()));
        }
        call.finish().await
    }
}

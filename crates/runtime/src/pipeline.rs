//! The one path for every call: identify, find, validate, permit, limit, approve, record the
//! intent, run, guard, record the outcome, answer.
//!
//! [`Pipeline::call`] is the only way in. It is straight-line code: one place logs, one place
//! measures, one place redacts.
//!
//! Not built yet, and therefore refused rather than pretended: a call whose rule asks for an
//! approval is answered `approval_needed` and never runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use contract::ctx::CtxParts;
use contract::record::{Decided, Event, Outcome, Record};
use contract::{
    Approval, Channel, Client, Ctx, Kind, Principal, Rendered, Size, Target, ToolError,
};
use futures_util::FutureExt as _;
use policy::Policy;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use state::Log;
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Catalogue, Entry, Prepared, hex};
use crate::guard::{self, Shown};
use crate::limits::Limits;
use crate::redact::Redactor;
use crate::seal::{Bond, CallCursors, Sealer};

/// Who calls, through what.
#[derive(Clone)]
pub struct Caller {
    /// Who.
    pub principal: Arc<Principal>,
    /// From which program, as claimed.
    pub client: Arc<Client>,
    /// What the transport can do for the running tool.
    pub channel: Arc<dyn Channel>,
    /// Fires when the caller cancels or goes away.
    pub cancelled: CancellationToken,
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
    /// Who may call it.
    pub policy: Policy,
    /// The log: without a record there is no call.
    pub log: Log,
    /// The secrets this process holds.
    pub redactor: Redactor,
    /// The key of the server's folder.
    pub key: [u8; 32],
    /// How many calls run at a time.
    pub in_flight: usize,
}

/// The one path. Cheap to clone.
#[derive(Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

struct Inner {
    catalogue: Catalogue,
    policy: Arc<Policy>,
    log: Log,
    redactor: Redactor,
    sealer: Sealer,
    limits: Limits,
    calls: AtomicU64,
    process: String,
}

impl Pipeline {
    /// A pipeline. Writes the record that the server started.
    pub fn new(parts: Parts) -> Result<Self, state::StateError> {
        let mut random = [0u8; 6];
        getrandom::fill(&mut random).map_err(|error| state::StateError {
            path: "random numbers".into(),
            source: std::io::Error::other(error),
        })?;
        let inner = Inner {
            policy: Arc::new(parts.policy),
            log: parts.log,
            redactor: parts.redactor,
            sealer: Sealer::new(parts.key),
            limits: Limits::new(parts.in_flight),
            calls: AtomicU64::new(0),
            process: hex(&random),
            catalogue: parts.catalogue,
        };
        inner.log.append(&Record::new(Event::Started, inner.catalogue.server))?;
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Writes the record that the server stopped, and brings the log to the disk.
    pub fn stop(&self) -> Result<(), state::StateError> {
        self.inner.log.append_durable(&Record::new(Event::Stopped, self.inner.catalogue.server))?;
        Ok(())
    }

    /// What the server offers; filter it with [`Pipeline::lists`] before showing it.
    pub fn catalogue(&self) -> &Catalogue {
        &self.inner.catalogue
    }

    /// The roles of a subject.
    pub fn roles_of(&self, subject: &str) -> Vec<String> {
        self.inner.policy.roles_of(subject)
    }

    /// Whether the principal sees a tool or prompt at all.
    pub fn lists(&self, principal: &Principal, name: &str) -> bool {
        self.inner.policy.lists(&principal.roles, name).allowed
    }

    /// Whether the principal may touch a target with a tool.
    pub fn permits(&self, principal: &Principal, tool: &str, target: &Target) -> bool {
        self.inner.policy.decide(&principal.roles, tool, Some(target)).allowed
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    /// The only way in.
    pub async fn call(&self, caller: &Caller, request: Request) -> Result<Answer, Failure> {
        let call = Call::begin(self, caller, request);
        if call.is_acting() {
            // An acting call runs to its end whoever stops listening, so that its record is true.
            let task = tokio::spawn(call.finish());
            return task
                .await
                .unwrap_or_else(|_| Err(ToolError::internal("the call's task died").into()));
        }
        call.finish().await
    }
}

/// One call on its way, with all that its record will say.
struct Call {
    pipeline: Pipeline,
    caller: Caller,
    request: Request,
    entry: Option<Arc<Entry>>,
    mime: Option<&'static str>,
    id: String,
    began: Instant,
    tool: String,
    arguments: Value,
    target: Option<Target>,
    decision: Option<Decided>,
    recorded: bool,
}

impl Call {
    /// Step 1 and 2: the principal is known; find what it asks for.
    fn begin(pipeline: &Pipeline, caller: &Caller, request: Request) -> Self {
        let inner = &pipeline.inner;
        let number = inner.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (tool, arguments, entry, mime) = match &request {
            Request::Tool { name, args } => {
                (name.clone(), Value::Object(args.clone()), inner.catalogue.tool(name), None)
            }
            Request::Prompt { name, args } => {
                (name.clone(), Value::Object(args.clone()), inner.catalogue.prompt(name), None)
            }
            Request::Resource { uri } => match inner.catalogue.resource(uri) {
                Some(read) => {
                    let entry = inner.catalogue.tool(read.tool);
                    (read.tool.to_owned(), Value::Object(read.args), entry, Some(read.mime))
                }
                None => (uri.clone(), Value::Null, None, None),
            },
        };
        Self {
            pipeline: pipeline.clone(),
            caller: caller.clone(),
            entry: entry.cloned(),
            mime,
            id: format!("{}-{number}", inner.process),
            began: Instant::now(),
            tool: tool.chars().take(200).collect(),
            arguments,
            target: None,
            decision: None,
            recorded: false,
            request,
        }
    }

    fn is_acting(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| !entry.contract.effect.is_reading())
    }

    /// Steps 3 to 11. Whatever happens on the way, one record is written before the answer.
    async fn finish(mut self) -> Result<Answer, Failure> {
        let result = self.attempt().await;
        let result = result.map_err(|failure| self.guard_failure(failure));
        self.record(&result)?;
        result
    }

    async fn attempt(&mut self) -> Result<Answer, Failure> {
        let inner = Arc::clone(&self.pipeline.inner);
        let entry = self.find()?;
        let prepared = self.validate(&inner, &entry)?;
        self.permit(&inner, &entry, &prepared)?;
        inner.limits.count(
            &self.caller.principal.subject,
            entry.contract.name,
            entry.contract.limit,
        )?;
        let deadline = self.began + entry.contract.timeout;
        let _slot = self.wait_for_slot(&inner, deadline).await?;
        approve(&entry)?;
        self.record_intent(&inner, &entry)?;
        let rendered = self.run(&entry, prepared, deadline).await?;
        let shown = guard::result(rendered, self.size(&entry), &inner.redactor)?;
        Ok(Answer { shown, mime: self.mime })
    }

    /// A tool one may not call answers as unknown.
    fn find(&mut self) -> Result<Arc<Entry>, Failure> {
        let Some(entry) = self.entry.clone() else {
            return Err(Failure::Unknown(self.unknown()));
        };
        let decision =
            self.pipeline.inner.policy.lists(&self.caller.principal.roles, entry.contract.name);
        if !decision.allowed {
            self.decision = Some(decision);
            return Err(Failure::Unknown(self.unknown()));
        }
        Ok(entry)
    }

    fn unknown(&self) -> ToolError {
        let (kind, name) = match &self.request {
            Request::Tool { name, .. } => ("tool", name),
            Request::Prompt { name, .. } => ("prompt", name),
            Request::Resource { uri } => ("resource", uri),
        };
        let name: String = name.chars().take(200).collect();
        let message = match &self.request {
            Request::Resource { .. } => format!("there is no {kind} `{name}`; list the resources."),
            _ => {
                let seen = self.seen();
                sentence(format!("{kind} {}", contract::schema::unknown(&name, &seen)))
            }
        };
        ToolError::not_found(message)
    }

    /// The names this principal may know.
    fn seen(&self) -> Vec<String> {
        let catalogue = &self.pipeline.inner.catalogue;
        let entries: Vec<&Arc<Entry>> = match &self.request {
            Request::Prompt { .. } => catalogue.prompt_entries().collect(),
            _ => catalogue.tools().collect(),
        };
        let names = entries.into_iter().map(|entry| entry.contract.name);
        names
            .filter(|name| self.pipeline.lists(&self.caller.principal, name))
            .map(str::to_owned)
            .collect()
    }

    fn validate(&self, inner: &Inner, entry: &Entry) -> Result<Prepared, ToolError> {
        let faults = entry.faults(&self.arguments);
        if !faults.is_empty() {
            return Err(ToolError::invalid(sentence(faults)));
        }
        let args = self.arguments.as_object().cloned().unwrap_or_default();
        inner.catalogue.prepare(entry, args)
    }

    fn permit(
        &mut self,
        inner: &Inner,
        entry: &Entry,
        prepared: &Prepared,
    ) -> Result<(), ToolError> {
        let roles = &self.caller.principal.roles;
        let decision = inner.policy.decide(roles, entry.contract.name, Some(&prepared.target));
        self.target = Some(prepared.target.clone());
        let allowed = decision.allowed;
        self.decision = Some(decision);
        if allowed {
            return Ok(());
        }
        let message = format!("you may not use {} on {}.", entry.contract.name, prepared.target);
        Err(ToolError::new(Kind::Denied, message))
    }

    async fn wait_for_slot(
        &self,
        inner: &Inner,
        deadline: Instant,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, Failure> {
        let patience = deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            biased;
            slot = inner.limits.slot(patience) => Ok(slot?),
            () = self.caller.cancelled.cancelled() => Err(Failure::Abandoned),
        }
    }

    /// The intent is on the disk before anything but a reading call runs.
    fn record_intent(&self, inner: &Inner, entry: &Entry) -> Result<(), ToolError> {
        if entry.contract.effect.is_reading() {
            return Ok(());
        }
        let arguments = self.redacted_arguments();
        let record = self.base_record(Event::Intent, &arguments);
        inner.log.append_durable(&record).map(drop).map_err(unrecorded)
    }

    /// Runs the tool: deadline, panic guard, and cancellation for tools that only read.
    async fn run(
        &self,
        entry: &Arc<Entry>,
        prepared: Prepared,
        deadline: Instant,
    ) -> Result<Rendered, Failure> {
        let ctx = self.context(entry, deadline);
        let work = AssertUnwindSafe((prepared.run)(ctx)).catch_unwind();
        if !entry.contract.effect.is_reading() {
            return finish_acting(entry, work, deadline).await;
        }
        tokio::select! {
            biased;
            done = tokio::time::timeout_at(deadline.into(), work) => match done {
                Ok(Ok(result)) => Ok(result?),
                Ok(Err(panic)) => Err(panicked(panic.as_ref()).into()),
                Err(_) => Err(timed_out(entry).into()),
            },
            () = self.caller.cancelled.cancelled() => Err(Failure::Abandoned),
        }
    }

    fn context(&self, entry: &Arc<Entry>, deadline: Instant) -> Ctx {
        let name = entry.contract.name;
        let (policy, principal) =
            (Arc::clone(&self.pipeline.inner.policy), Arc::clone(&self.caller.principal));
        let cancelled = self.caller.cancelled.clone();
        let args = self.arguments.as_object().cloned().unwrap_or_default();
        let bond = Bond::new("cursor", &self.caller.principal, name, &args);
        Ctx::new(CtxParts {
            principal: Arc::clone(&self.caller.principal),
            deadline,
            size: self.size(entry),
            cancelled: Arc::new(move || cancelled.is_cancelled()),
            channel: Arc::clone(&self.caller.channel),
            cursors: Arc::new(CallCursors { sealer: self.pipeline.inner.sealer.clone(), bond }),
            permits: Arc::new(move |target| {
                policy.decide(&principal.roles, name, Some(target)).allowed
            }),
        })
    }

    /// A resource is attached whole, as far as hosts take it; a tool's answer has its budget.
    fn size(&self, entry: &Entry) -> Size {
        if self.mime.is_some() { Size::CAP } else { entry.contract.size }
    }

    fn guard_failure(&self, failure: Failure) -> Failure {
        let redactor = &self.pipeline.inner.redactor;
        match failure {
            Failure::Unknown(error) => Failure::Unknown(guard::error(error, redactor)),
            Failure::Error(error) => Failure::Error(guard::error(error, redactor)),
            Failure::Abandoned => Failure::Abandoned,
        }
    }

    /// Step 10. If the log cannot be written, the answer is withheld.
    fn record(&mut self, result: &Result<Answer, Failure>) -> Result<(), Failure> {
        self.recorded = true;
        let arguments = self.redacted_arguments();
        let mut record = self.base_record(Event::Call, &arguments);
        let (bytes, digest) = match result {
            Ok(answer) => measure(&answer.shown),
            Err(failure) => {
                let text = failure.error().map(ToolError::text).unwrap_or_default();
                (text.len() as u64, hex(&Sha256::digest(text.as_bytes())))
            }
        };
        record.outcome = Some(outcome(result, self.decision.as_ref()));
        record.error = result.as_ref().err().and_then(Failure::error).map(|error| error.kind);
        record.detail = result
            .as_ref()
            .err()
            .and_then(Failure::error)
            .map(|error| error.log.as_deref().unwrap_or(&error.message));
        record.duration_us =
            Some(u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX));
        record.result_bytes = Some(bytes);
        record.result_digest = Some(&digest);
        if matches!(record.error, Some(Kind::Internal | Kind::Unavailable | Kind::Timeout)) {
            tracing::warn!(call = self.id, tool = self.tool, detail = record.detail, "call failed");
        }
        self.pipeline.inner.log.append(&record).map(drop).map_err(|error| unrecorded(error).into())
    }

    fn redacted_arguments(&self) -> Value {
        let mut arguments = self.arguments.clone();
        self.pipeline.inner.redactor.value(&mut arguments);
        arguments
    }

    fn base_record<'a>(&'a self, event: Event, arguments: &'a Value) -> Record<'a> {
        let mut record = Record::new(event, self.pipeline.inner.catalogue.server);
        record.call = &self.id;
        record.principal = Some(&self.caller.principal);
        record.client = Some(&self.caller.client);
        record.tool = &self.tool;
        record.tool_digest = self.entry.as_ref().map(|entry| entry.digest.as_str());
        record.target = self.target.as_ref();
        record.arguments = Some(arguments);
        record.claimed_reason =
            arguments.get("reason").and_then(Value::as_str).filter(|_| self.is_acting());
        record.decision = self.decision.as_ref();
        record
    }
}

impl Drop for Call {
    /// A call whose future is dropped half-way is recorded as abandoned.
    fn drop(&mut self) {
        if !self.recorded {
            let _ = self.record(&Err(Failure::Abandoned));
        }
    }
}

/// Ends a text with a full stop, unless it ends with a mark already.
fn sentence(text: String) -> String {
    if text.ends_with(['.', '?', '!']) { text } else { text + "." }
}

/// Step 6. Collecting approvals is not built yet: what needs one does not run.
fn approve(entry: &Entry) -> Result<(), ToolError> {
    match entry.contract.approval {
        Approval::None => Ok(()),
        level => Err(ToolError::new(
            Kind::ApprovalNeeded,
            format!(
                "{} needs approval `{level}`, and this version cannot collect approvals yet; nothing was done.",
                entry.contract.name
            ),
        )),
    }
}

/// An acting tool finishes even when its deadline passes: the caller hears `timeout`, and the
/// record waits for the truth.
async fn finish_acting<F>(entry: &Entry, work: F, deadline: Instant) -> Result<Rendered, Failure>
where
    F: Future<Output = Result<Result<Rendered, ToolError>, Box<dyn std::any::Any + Send>>>,
{
    // Twice the time, and no more: a tool that never ends must not hold its slot for ever.
    let patience = deadline.saturating_duration_since(Instant::now()) + entry.contract.timeout;
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(panic)) => Err(panicked(panic.as_ref()).into()),
        Err(_) => {
            let check = entry.contract.verified_by.unwrap_or("the system itself");
            let message = format!(
                "no answer within {} s; it may have been done. Check with {check}.",
                patience.as_secs()
            );
            Err(ToolError::new(Kind::Timeout, message).into())
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> ToolError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    ToolError::internal(format!("the tool panicked: {text}"))
}

fn timed_out(entry: &Entry) -> ToolError {
    let seconds = entry.contract.timeout.as_secs_f64();
    let message = format!("not finished within {seconds} s; ask for less, or try again later.");
    ToolError::new(Kind::Timeout, message)
}

fn unrecorded(error: state::StateError) -> ToolError {
    tracing::error!(%error, "the record could not be written: the call is refused");
    let message = "the call could not be recorded, so it has no answer; tell the operator that the log cannot be written.";
    ToolError::unavailable(message, error).retry_after(Duration::from_secs(30))
}

fn measure(shown: &Shown) -> (u64, String) {
    use crate::guard::Block;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    for block in &shown.blocks {
        let text = match block {
            Block::Text(text) => std::borrow::Cow::Borrowed(text.as_str()),
            Block::Media(media) => std::borrow::Cow::Owned(format!("{media:?}")),
        };
        bytes += text.len() as u64;
        hash.update(text.as_bytes());
    }
    (bytes, hex(&hash.finalize()))
}

fn outcome(result: &Result<Answer, Failure>, decision: Option<&Decided>) -> Outcome {
    let failure = match result {
        Ok(_) => return Outcome::Done,
        Err(failure) => failure,
    };
    let Some(error) = failure.error() else { return Outcome::Abandoned };
    match error.kind {
        _ if decision.is_some_and(|decision| !decision.allowed) => Outcome::Denied,
        _ if matches!(failure, Failure::Unknown(_)) => Outcome::Denied,
        Kind::Invalid => Outcome::Invalid,
        Kind::Denied => Outcome::Denied,
        Kind::Limited => Outcome::Limited,
        Kind::ApprovalNeeded => Outcome::Pending,
        _ => Outcome::Failed,
    }
}

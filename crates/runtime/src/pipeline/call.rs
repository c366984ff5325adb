//! One call on its way, step by step.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use contract::ctx::CtxParts;
use contract::record::{Approved, Claimed, Decided, Event, Sorted};
use contract::text::hex;
use contract::{
    Approval, Ctx, Kind, Limit, Principal, Proof, Rendered, Size, Target, ToolError, Window,
};
use futures_util::FutureExt as _;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::approve::Cleared;
use super::{Answer, Caller, Failure, Inner, Pipeline, Request, Said};
use crate::catalogue::{Entry, Kept, Prepared};
use crate::guard;
use crate::guard::channel::Guarded;
use crate::limits::{EVERY_TOOL, count_day};
use crate::rules::Rules;
use crate::seal::CallCursors;

/// The right to run: of the principal's share, where it has one, and of all slots.
type Slots = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit);

/// One call on its way, with all that its record will say.
pub(super) struct Call {
    pub(super) pipeline: Pipeline,
    pub(super) caller: Caller,
    /// The rules this call began with, whatever is loaded meanwhile.
    pub(super) rules: Arc<Rules>,
    pub(super) principal: Arc<Principal>,
    /// What was asked for: a tool, a prompt or a resource.
    pub(super) kind: &'static str,
    pub(super) entry: Option<Arc<Entry>>,
    pub(super) mime: Option<&'static str>,
    pub(super) id: String,
    pub(super) began: Instant,
    pub(super) tool: String,
    pub(super) arguments: Arc<Value>,
    /// Their digest, where a rule keeps them out of the log.
    pub(super) arguments_digest: Option<String>,
    pub(super) claimed: Claimed,
    pub(super) approval: Option<Approved>,
    pub(super) target: Option<Target>,
    pub(super) about: Option<String>,
    pub(super) decision: Option<Decided>,
    pub(super) recorded: bool,
}

impl Call {
    /// Step 1 and 2: the principal is known; find what it asks for.
    pub(super) fn begin(pipeline: &Pipeline, caller: &Caller, request: Request) -> Self {
        let inner = &pipeline.inner;
        let number = inner.calls.fetch_add(1, Ordering::Relaxed) + 1;
        inner.telemetry.begin();
        let catalogue = &inner.catalogue;
        let rules = inner.rules.get();
        let (kind, tool, arguments, entry, mime) = match request {
            Request::Tool { name, args } => {
                let entry = rules.entries.tool(&name);
                ("tool", name, Value::Object(args), entry, None)
            }
            Request::Prompt { name, args } => {
                let entry = rules.entries.prompt(&name);
                ("prompt", name, Value::Object(args), entry, None)
            }
            Request::Resource { uri } => match catalogue.resource(&uri) {
                Some(read) => {
                    let entry = rules.entries.tool(read.tool);
                    (
                        "resource",
                        read.tool.to_owned(),
                        Value::Object(read.args),
                        entry,
                        Some(read.mime),
                    )
                }
                None => ("resource", uri, Value::Null, None, None),
            },
        };
        let claimed = claimed(&caller.said, &arguments, entry);
        let digested = entry.is_some_and(|entry| entry.kept == Kept::Digest);
        Self {
            pipeline: pipeline.clone(),
            caller: caller.clone(),
            claimed,
            arguments_digest: digested.then(|| digest(&arguments)),
            approval: None,
            principal: Arc::new(rules.policy.principal(&caller.identity)),
            entry: entry.cloned(),
            rules,
            mime,
            id: format!("{}-{number}", inner.process),
            began: Instant::now(),
            tool: short(tool),
            arguments: Arc::new(arguments),
            kind,
            target: None,
            about: None,
            decision: None,
            recorded: false,
        }
    }

    /// The arguments are others than those that came with the call.
    pub(super) fn take_arguments(&mut self, arguments: Value) {
        self.claimed = claimed(&self.caller.said, &arguments, self.entry.as_ref());
        self.arguments_digest = self.arguments_digest.is_some().then(|| digest(&arguments));
        self.arguments = Arc::new(arguments);
    }

    pub(super) fn is_acting(&self) -> bool {
        self.entry.as_ref().is_some_and(|entry| !entry.contract.effect.is_reading())
    }

    /// Steps 3 to 11. Whatever happens on the way, one record is written before the answer.
    pub(super) async fn finish(mut self) -> Result<Answer, Failure> {
        let result = self.attempt().await;
        let result = result.map_err(|failure| self.guard_failure(failure));
        self.record(&result)?;
        result
    }

    /// Nothing is run; the refusal is recorded.
    pub(super) fn refuse(mut self, error: ToolError) -> Failure {
        let result = Err(self.guard_failure(Failure::Error(error)));
        match self.record(&result) {
            Ok(()) => result.err().unwrap_or(Failure::Abandoned),
            Err(failure) => failure,
        }
    }

    async fn attempt(&mut self) -> Result<Answer, Failure> {
        let inner = Arc::clone(&self.pipeline.inner);
        let entry = self.find()?;
        // Boxed, here and below: what a reading call never does makes its future no larger.
        if let Some(id) = self.named_approval(&entry) {
            Box::pin(self.recall(&entry, &id)).await?;
        }
        let prepared = self.validate(&inner, &entry)?;
        self.permit(&entry, &prepared)?;
        self.count(&inner, &entry)?;
        let is_plain =
            entry.contract.effect.is_reading() && entry.contract.approval == Approval::None;
        let cleared = if is_plain {
            Cleared::Run(None)
        } else {
            Box::pin(self.approved(&entry, &prepared)).await?
        };
        let approval = match cleared {
            Cleared::Run(approval) => approval,
            Cleared::Answered(shown) => return Ok(Answer { shown, mime: self.mime }),
        };
        let deadline = Instant::now() + entry.contract.timeout;
        let _slot = self.wait_for_slot(&inner, deadline).await?;
        if !is_plain {
            Box::pin(self.look_again(&entry, &prepared, approval.as_deref())).await?;
        }
        self.count_day(&inner, &entry).await?;
        self.record_intent(&entry)?;
        if !is_plain && let Some(shown) = Box::pin(self.claim(&entry, approval.as_deref())).await? {
            return Ok(Answer { shown, mime: self.mime });
        }
        let rendered = self.run(&entry, prepared, deadline).await;
        let done = rendered.is_ok();
        let shown = rendered
            .and_then(|rendered| Ok(guard::result(rendered, self.size(&entry), &inner.redactor)?));
        if !is_plain {
            Box::pin(self.conclude(approval.as_deref(), done, &shown)).await;
        }
        Ok(Answer { shown: shown?, mime: self.mime })
    }

    /// A tool one may not call answers as unknown.
    fn find(&mut self) -> Result<Arc<Entry>, Failure> {
        let Some(entry) = self.entry.clone() else {
            return Err(Failure::Unknown(self.unknown()));
        };
        let (policy, roles) = (&self.rules.policy, &self.principal.roles);
        if policy.allows(roles, entry.contract.name, None) {
            return Ok(entry);
        }
        self.decision = Some(policy.lists(roles, entry.contract.name));
        Err(Failure::Unknown(self.unknown()))
    }

    fn unknown(&self) -> ToolError {
        let (kind, name) = (self.kind, &self.tool);
        let message = if kind == "resource" {
            // Not even the tool behind it is named: a resource one may not read does not exist.
            format!("there is no such {kind}; list the resources.")
        } else {
            sentence(format!("{kind} {}", contract::schema::unknown(name, &self.seen())))
        };
        ToolError::not_found(message)
    }

    /// The names this principal may know.
    fn seen(&self) -> Vec<String> {
        let entries: Vec<&Arc<Entry>> = if self.kind == "prompt" {
            self.rules.entries.prompts().collect()
        } else {
            self.rules.entries.tools().collect()
        };
        let names = entries.into_iter().map(|entry| entry.contract.name);
        names
            .filter(|name| self.rules.policy.allows(&self.principal.roles, name, None))
            .map(str::to_owned)
            .collect()
    }

    fn validate(&self, inner: &Inner, entry: &Entry) -> Result<Prepared, ToolError> {
        let faults = entry.faults(&self.arguments)?;
        if !faults.is_empty() {
            return Err(ToolError::invalid(sentence(faults)));
        }
        let args = self.arguments.as_object().cloned().unwrap_or_default();
        inner.catalogue.prepare(entry, args)
    }

    fn permit(&mut self, entry: &Entry, prepared: &Prepared) -> Result<(), ToolError> {
        let roles = &self.principal.roles;
        let decision = self.rules.policy.decide(roles, entry.contract.name, Some(&prepared.target));
        self.target = Some(prepared.target.clone());
        self.about.clone_from(&prepared.about);
        let allowed = decision.allowed;
        self.decision = Some(decision);
        if allowed {
            return Ok(());
        }
        let message = format!("you may not use {} on {}.", entry.contract.name, prepared.target);
        Err(ToolError::new(Kind::Denied, message))
    }

    /// The limits on this call: of the tool, and of all tools of the server together.
    fn limits(&self, entry: &Entry) -> impl Iterator<Item = (&'static str, Limit)> + use<> {
        let name = entry.contract.name;
        let whole = self.rules.limit.map(|limit| (EVERY_TOOL, limit));
        entry.limits().map(move |limit| (name, limit)).chain(whole)
    }

    fn count(&self, inner: &Inner, entry: &Entry) -> Result<(), ToolError> {
        self.limits(entry)
            .try_for_each(|(what, limit)| inner.limits.count(&self.principal.subject, what, limit))
    }

    /// Counts the call for its day: late, so that one that still waits for a person is not counted.
    async fn count_day(&self, inner: &Inner, entry: &Entry) -> Result<(), ToolError> {
        for (what, limit) in self.limits(entry).filter(|(_, limit)| limit.per == Window::Day) {
            let now = SystemTime::now();
            Box::pin(count_day(&inner.store, &self.principal.subject, what, limit, now)).await?;
        }
        Ok(())
    }

    async fn wait_for_slot(&self, inner: &Inner, deadline: Instant) -> Result<Slots, Failure> {
        let patience = || deadline.saturating_duration_since(Instant::now());
        let enter = async {
            // Where a credential names the caller, there are others.
            let share = match self.principal.proof {
                Proof::OsUser { .. } | Proof::Loopback => None,
                Proof::ApiKey { .. } | Proof::AccessToken { .. } => {
                    Some(inner.limits.share(&self.principal.subject, patience()).await?)
                }
            };
            Ok((share, inner.limits.slot(patience()).await?))
        };
        tokio::select! {
            biased;
            slots = enter => slots.map_err(Failure::Error),
            () = self.caller.cancelled.cancelled() => Err(Failure::Abandoned),
        }
    }

    /// The intent is on the disk before anything but a reading call runs.
    fn record_intent(&self, entry: &Entry) -> Result<(), ToolError> {
        if entry.contract.effect.is_reading() {
            return Ok(());
        }
        let record = self.base_record(Event::Intent);
        self.write(record, true).map_err(unrecorded)
    }

    /// Runs the tool: deadline, panic guard, and cancellation for tools that only read.
    async fn run(
        &self,
        entry: &Arc<Entry>,
        prepared: Prepared,
        deadline: Instant,
    ) -> Result<Rendered, Failure> {
        let ctx = self.context(entry, deadline);
        let work = AssertUnwindSafe(prepared.work.run(ctx)).catch_unwind();
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

    pub(super) fn context(&self, entry: &Arc<Entry>, deadline: Instant) -> Ctx {
        let name = entry.contract.name;
        let (rules, principal) = (Arc::clone(&self.rules), Arc::clone(&self.principal));
        let cancelled = self.caller.cancelled.clone();
        let (channel, redactor) =
            (Arc::clone(&self.caller.channel), self.pipeline.inner.redactor.clone());
        let cursors = CallCursors {
            sealer: self.pipeline.inner.sealer.clone(),
            principal: Arc::clone(&self.principal),
            tool: name,
            args: Arc::clone(&self.arguments),
        };
        Ctx::new(CtxParts {
            principal: Arc::clone(&self.principal),
            deadline,
            size: self.size(entry),
            cancelled: Arc::new(move || cancelled.is_cancelled()),
            channel: Arc::new(Guarded { channel, redactor }),
            cursors: Arc::new(cursors),
            permits: Arc::new(move |target| {
                rules.policy.allows(&principal.roles, name, Some(target))
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
}

impl Drop for Call {
    /// A call whose future is dropped half-way is recorded as abandoned.
    fn drop(&mut self) {
        if !self.recorded {
            let _ = self.record(&Err(Failure::Abandoned));
        }
    }
}

/// What the client said, with the reason that every acting tool asks for.
fn claimed(said: &Said, arguments: &Value, entry: Option<&Arc<Entry>>) -> Claimed {
    let acts = entry.is_some_and(|entry| !entry.contract.effect.is_reading());
    let reason = arguments.get("reason").and_then(Value::as_str).filter(|_| acts);
    Claimed {
        reason: reason.map(str::to_owned),
        trace: said.trace.clone(),
        user_request: said.user_request.clone(),
    }
}

/// SHA-256 of the canonical form (RFC 8785) of some arguments, in hexadecimal.
pub(super) fn digest(arguments: &Value) -> String {
    let canonical = serde_json::to_vec(&Sorted(arguments)).unwrap_or_default();
    hex(&Sha256::digest(canonical))
}

/// A name as it is recorded: long ones are cut.
fn short(name: String) -> String {
    if name.len() <= 200 { name } else { name.chars().take(200).collect() }
}

/// Ends a text with a full stop, unless it ends with a mark already.
fn sentence(text: String) -> String {
    if text.ends_with(['.', '?', '!']) { text } else { text + "." }
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

pub(super) fn panicked(panic: &(dyn std::any::Any + Send)) -> ToolError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned());
    ToolError::internal(format!("the tool panicked: {text}"))
}

pub(super) fn timed_out(entry: &Entry) -> ToolError {
    let seconds = entry.contract.timeout.as_secs_f64();
    let message = format!("not finished within {seconds} s; ask for less, or try again later.");
    ToolError::new(Kind::Timeout, message)
}

pub(super) fn unrecorded(error: state::StateError) -> ToolError {
    tracing::error!(%error, "the record could not be written: the call is refused");
    let message = "the call could not be recorded, so it has no answer; tell the operator that the log cannot be written.";
    ToolError::unavailable(message, error).retry_after(Duration::from_secs(30))
}

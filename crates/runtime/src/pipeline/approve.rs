//! Step 6: nothing that needs a yes runs without it.
//!
//! What is approved is the *stored* call: tool and its digest, arguments, target, requester, a
//! preview made by the server, the policy's digest, an expiry. The call is made again with the
//! same arguments once people have decided; what comes out different then is another call.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use contract::record::Event;
use contract::text::hex;
use contract::{Approval, Channel as _, Identity, Kind, Preview, Proof, Question, ToolError};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use state::StateError;
use state::approvals::{Asked, Decision, Refused, State, Stored, StoredCall};

use super::call::{Call, panicked, timed_out};
use super::{Failure, once};
use crate::approvals::noted;
use crate::catalogue::{Entry, Prepared};
use crate::guard::channel::Guarded;
use crate::guard::{Shown, clean};

/// The longest preview that is asked about in a host, in bytes: what a person cannot see whole,
/// nobody says yes to there.
const LONGEST_FORM: usize = 3_500;

/// How long a client of an older revision may take to answer a form during a call.
const FORM_WITHIN: Duration = Duration::from_mins(2);

/// What step 6 came to.
pub(super) enum Cleared {
    /// The call may run; with the approval that it redeems.
    Run(Option<String>),
    /// The very call was approved and done before: its answer.
    Answered(Shown),
}

/// Approvals that cannot be kept let nothing run.
pub(super) fn unkept(error: StateError) -> ToolError {
    let message = "approvals cannot be kept, so nothing was done; tell the operator that the server's state cannot be written.";
    ToolError::unavailable(message, error).retry_after(Duration::from_secs(30))
}

impl Call {
    /// The approval that stands for the arguments: `{"approval": "…"}` and nothing else, where the
    /// tool has no such argument of its own.
    pub(super) fn named_approval(&self, entry: &Entry) -> Option<String> {
        let args = self.arguments.as_object().filter(|args| args.len() == 1)?;
        let named = args.get("approval")?.as_str()?;
        let own = entry.input.get("properties").and_then(|fields| fields.get("approval"));
        let is_asked = own.is_none() && entry.contract.approval != Approval::None;
        is_asked.then(|| named.to_owned())
    }

    /// A call by the identity of its approval: the stored arguments are its arguments.
    pub(super) async fn recall(&mut self, entry: &Entry, prefix: &str) -> Result<(), Failure> {
        self.pipeline.end_overdue().await.map_err(unkept)?;
        let unknown = || {
            let message = format!("you have no approval `{prefix}` for {}.", entry.contract.name);
            Failure::Error(ToolError::not_found(message))
        };
        let is_identity =
            (8..=64).contains(&prefix.len()) && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_identity {
            return Err(unknown());
        }
        let store = &self.pipeline.inner.store;
        let found = store.approvals_like(&prefix.to_ascii_lowercase()).await.map_err(unkept)?;
        let [stored] = found.as_slice() else { return Err(unknown()) };
        let call = &stored.call;
        if call.requester != self.principal.subject || call.tool != entry.contract.name {
            return Err(unknown());
        }
        if matches!(stored.state, State::Expired | State::Void | State::Failed) {
            let why = stored.why.as_deref().unwrap_or("its time is over, or its call failed");
            let message = format!(
                "approval {} does not count any more: {why}. Call {} with all its arguments to ask again.",
                stored.short(),
                call.tool
            );
            return Err(ToolError::new(Kind::Denied, message).into());
        }
        self.take_arguments(call.arguments.clone());
        Ok(())
    }

    /// Whether the call may run: nobody need say yes, or enough people did.
    pub(super) async fn approved(
        &mut self,
        entry: &Arc<Entry>,
        prepared: &Prepared,
    ) -> Result<Cleared, Failure> {
        if let Some(shown) = self.earlier_effect(entry).await? {
            return Ok(Cleared::Answered(shown));
        }
        if entry.contract.approval == Approval::None {
            return Ok(Cleared::Run(None));
        }
        if entry.contract.approval > Approval::Confirm && self.principal.proof == Proof::Loopback {
            return Err(nobody().into());
        }
        self.pipeline.end_overdue().await.map_err(unkept)?;
        let preview = self.preview(entry, prepared).await?;
        let stored = self.ask(entry, prepared, preview).await?;
        self.approval = Some(noted(&stored));
        match stored.state {
            State::Approved => Ok(Cleared::Run(Some(stored.id))),
            State::Denied => Err(denied(&stored).into()),
            State::Done => Ok(Cleared::Answered(once::again(&stored))),
            State::Redeemed => Err(once::unsettled(entry, stored.redeemed_by.as_deref()).into()),
            _ => self.ask_in_host(&stored).await,
        }
    }

    /// The preview as it is stored, its hidden characters visible. What holds a secret is refused:
    /// redacted, a person would say yes to something else than what is done.
    async fn preview(&self, entry: &Arc<Entry>, prepared: &Prepared) -> Result<Preview, Failure> {
        let ctx = self.context(entry, Instant::now() + entry.contract.timeout);
        let shown = AssertUnwindSafe(prepared.work.preview(&ctx)).catch_unwind();
        let shown = match tokio::time::timeout(entry.contract.timeout, shown).await {
            Ok(Ok(shown)) => shown?,
            Ok(Err(panic)) => return Err(panicked(panic.as_ref()).into()),
            Err(_) => return Err(timed_out(entry).into()),
        };
        let preview = shown.unwrap_or_else(|| self.plain_preview(entry, prepared));
        let redactor = &self.pipeline.inner.redactor;
        let values = preview.fields.iter().map(|(_, value)| value);
        if values.chain([&preview.title]).any(|text| redactor.text(text).is_some()) {
            return Err(unseen().into());
        }
        let clean = |text: &str| clean(text, redactor);
        let fields = preview.fields.iter().map(|(label, value)| (clean(label), clean(value)));
        Ok(Preview { title: clean(&preview.title), fields: fields.collect(), bound: preview.bound })
    }

    /// The arguments themselves.
    fn plain_preview(&self, entry: &Entry, prepared: &Prepared) -> Preview {
        let fields = self.arguments.as_object().into_iter().flatten().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
        Preview {
            title: format!("{} ({})", entry.contract.title, prepared.target),
            fields: fields.collect(),
            bound: Vec::new(),
        }
    }

    /// The approval of this very call: the one that counts, or a new one that waits.
    async fn ask(
        &mut self,
        entry: &Entry,
        prepared: &Prepared,
        preview: Preview,
    ) -> Result<Stored, Failure> {
        let inner = Arc::clone(&self.pipeline.inner);
        let fresh = self.stored_call(entry, prepared, preview)?;
        loop {
            let existing = match inner.store.ask(fresh.clone()).await.map_err(unkept)? {
                Asked::New(stored) => {
                    let told = self.tell(Event::ApprovalAsked, &stored, None);
                    self.or_void(&stored, told).await?;
                    return Ok(*stored);
                }
                Asked::TooMany => return Err(too_many().into()),
                Asked::Existing(stored) => *stored,
            };
            if let Some(why) = self.overruled(&existing)? {
                self.void(&existing, &why).await?;
                return Err(void_now(&existing, &why).into());
            }
            match differs(&existing, &fresh) {
                Some(what) => self.void(&existing, &format!("{what} changed since")).await?,
                None => return Ok(existing),
            }
        }
    }

    fn stored_call(
        &self,
        entry: &Entry,
        prepared: &Prepared,
        preview: Preview,
    ) -> Result<StoredCall, ToolError> {
        let mut nonce = [0u8; 16];
        getrandom::fill(&mut nonce).map_err(ToolError::internal)?;
        let created = milliseconds(SystemTime::now());
        let within = i64::try_from(self.rules.approval_within.as_millis()).unwrap_or(i64::MAX);
        Ok(StoredCall {
            arguments: (*self.arguments).clone(),
            created,
            expires: created.saturating_add(within),
            identity: self.principal.identity.clone(),
            level: entry.contract.approval,
            nonce: hex(&nonce),
            policy: self.rules.digest.clone(),
            preview,
            requester: self.principal.subject.clone(),
            server: self.pipeline.inner.catalogue.server.to_owned(),
            target: (prepared.target.kind.to_string(), prepared.target.name.clone()),
            tool: entry.contract.name.to_owned(),
            tool_digest: entry.digest.clone(),
        })
    }

    /// Why the people who approved do not count any more, under the rules in force: a credential
    /// was revoked, a role was lost, two names became one person.
    fn overruled(&self, stored: &Stored) -> Result<Option<String>, ToolError> {
        if stored.state != State::Approved {
            return Ok(None);
        }
        let mut subjects = BTreeSet::new();
        for decision in stored.decisions.iter().filter(|decision| decision.yes) {
            let valid = (self.pipeline.inner.still_valid)(&decision.identity);
            if !valid.map_err(unchecked)? {
                let why = format!("the credential {} was revoked", decision.identity.name);
                return Ok(Some(why));
            }
            let approver = self.rules.policy.principal(&decision.identity);
            if approver.subject == stored.call.requester && stored.call.level == Approval::Confirm {
                return Ok(None);
            }
            let target = stored.call.target();
            let tool = &stored.call.tool;
            let decided = self.rules.policy.may_approve(&approver.roles, tool, Some(&target));
            if !decided.allowed {
                return Ok(Some(format!("{} may not approve it any more", approver.subject)));
            }
            subjects.insert(approver.subject);
        }
        subjects.remove(&stored.call.requester);
        let enough = subjects.len() >= stored.needed();
        Ok((!enough).then(|| "the people who approved it are not different ones".to_owned()))
    }

    /// What could not be recorded does not count.
    async fn or_void(&self, stored: &Stored, told: Result<(), ToolError>) -> Result<(), ToolError> {
        if told.is_err() {
            let why = "it could not be recorded";
            self.pipeline.inner.store.void(&stored.id, why).await.map_err(unkept)?;
        }
        told
    }

    /// Looks again at a call that waited, for a person or for its turn: what came into force or
    /// changed meanwhile counts.
    pub(super) async fn look_again(
        &mut self,
        entry: &Arc<Entry>,
        prepared: &Prepared,
        approval: Option<&str>,
    ) -> Result<(), Failure> {
        let changed = self.pipeline.inner.rules.get().digest != self.rules.digest;
        let Some(id) = approval else {
            return if changed { Err(overtaken().into()) } else { Ok(()) };
        };
        let preview = self.preview(entry, prepared).await?;
        let fresh = self.stored_call(entry, prepared, preview)?;
        let found = self.pipeline.inner.store.approvals_like(id).await.map_err(unkept)?;
        let Some(stored) = found.first() else { return Err(overtaken().into()) };
        let what = differs(stored, &fresh).or(changed.then_some("the policy"));
        let why = self.overruled(stored)?.or(what.map(|what| format!("{what} changed since")));
        let Some(why) = why else { return Ok(()) };
        self.void(stored, &why).await?;
        Err(void_now(stored, &why).into())
    }

    async fn void(&self, stored: &Stored, why: &str) -> Result<(), Failure> {
        if self.pipeline.inner.store.void(&stored.id, why).await.map_err(unkept)? {
            self.tell(Event::ApprovalExpired, stored, Some(why))?;
        }
        Ok(())
    }

    /// Asks in the host what may be asked there; otherwise says how people decide elsewhere.
    async fn ask_in_host(&mut self, stored: &Stored) -> Result<Cleared, Failure> {
        let text = stored.call.preview.to_string();
        let form = stored.call.level == Approval::Confirm && text.len() <= LONGEST_FORM;
        let asked = if form { self.put(stored, confirm(stored, &text)).await? } else { None };
        if let Some(answer) = asked {
            return self.take_answer(stored, &answer).await;
        }
        if let Some(page) = self.page(stored) {
            let message = format!("{text}\nDecide about it on this page.");
            self.put(stored, Question::Page { message, url: page }).await?;
        }
        Err(self.waits(stored).into())
    }

    /// Puts one question; `None` where the host cannot ask it, or nobody answered in time.
    async fn put(&self, stored: &Stored, question: Question) -> Result<Option<Value>, Failure> {
        let channel = Arc::clone(&self.caller.channel);
        let guarded = Guarded { channel, redactor: self.pipeline.inner.redactor.clone() };
        let key = format!("approval-{}", stored.id);
        let asked = guarded.ask(BTreeMap::from([(key.clone(), question)]));
        // An answer after the approval's time would count for nothing.
        let patience = FORM_WITHIN.min(self.rules.approval_within);
        let answered = tokio::select! {
            biased;
            answered = tokio::time::timeout(patience, asked) => answered,
            () = self.caller.cancelled.cancelled() => return Err(Failure::Abandoned),
        };
        match answered {
            Ok(Ok(mut answers)) => Ok(answers.remove(&key)),
            // The call is made again with the answer.
            Ok(Err(error)) if error.kind == Kind::ApprovalNeeded && error.pending.is_some() => {
                Err(error.into())
            }
            Ok(Err(_)) | Err(_) => Ok(None),
        }
    }

    /// Only an explicit yes counts: an accepted form that says no is a no, and a form that was
    /// closed decides nothing.
    async fn take_answer(&mut self, stored: &Stored, answer: &Value) -> Result<Cleared, Failure> {
        let yes = match (answer["action"].as_str(), answer["content"]["decision"].as_str()) {
            (Some("accept"), Some("yes")) => true,
            (Some("accept"), Some("no")) | (Some("decline"), _) => false,
            _ => return Err(self.waits(stored).into()),
        };
        let decision = Decision {
            subject: self.principal.subject.clone(),
            identity: Identity::clone(&self.caller.identity),
            yes,
            reason: "answered the form in the host".to_owned(),
            time: 0,
        };
        let store = &self.pipeline.inner.store;
        let decided = match store.decide(&stored.id, &decision).await.map_err(unkept)? {
            Ok(decided) => decided,
            Err(Refused::NotPending(State::Approved | State::Redeemed | State::Done)) => {
                let message = "another answer was faster; call again for what came of it.";
                return Err(ToolError::new(Kind::Unavailable, message).into());
            }
            Err(refused) => {
                let message = format!("the answer does not count: {refused}. Nothing was done.");
                return Err(ToolError::new(Kind::Denied, message).into());
            }
        };
        let event = if yes { Event::ApprovalGiven } else { Event::ApprovalDenied };
        self.approval = Some(noted(&decided));
        let told = self.tell(event, &decided, None);
        self.or_void(&decided, told).await?;
        match decided.state {
            State::Approved => Ok(Cleared::Run(Some(decided.id))),
            _ => Err(denied(&decided).into()),
        }
    }

    fn page(&self, stored: &Stored) -> Option<String> {
        let named = self.rules.approval_page.as_ref();
        let page = named.or_else(|| self.pipeline.inner.own_pages.get())?;
        Some(format!("{}/{}", page.trim_end_matches('/'), stored.id))
    }

    /// How people decide, and what the caller does next.
    fn waits(&self, stored: &Stored) -> ToolError {
        let id = stored.short();
        let who = match stored.call.level {
            Approval::Two => "two other people",
            Approval::One => "another person",
            _ => "you, as a person,",
        };
        let verb = if stored.call.level == Approval::One { "says" } else { "say" };
        let page = self.page(stored).map(|page| format!(", or on {page}")).unwrap_or_default();
        let message = format!(
            "{} waits until {who} {verb} yes to exactly this call; nothing was done. Approval {id}, until {}: \
             they decide with `suite approvals show {id}`{page}. Then call again with the same arguments, \
             or with {{\"approval\":\"{id}\"}} alone.",
            stored.call.tool,
            minute(stored.call.expires),
        );
        ToolError::new(Kind::ApprovalNeeded, message)
    }

    /// Records an event of an approval.
    pub(super) fn tell(
        &self,
        event: Event,
        stored: &Stored,
        detail: Option<&str>,
    ) -> Result<(), ToolError> {
        let approval = noted(stored);
        let mut record = self.base_record(event);
        record.approval = Some(&approval);
        record.detail = detail;
        let durable = event == Event::ApprovalRedeemed || event == Event::ApprovalGiven;
        self.write(record, durable).map_err(super::call::unrecorded)
    }
}

/// The form that asks for a yes.
fn confirm(stored: &Stored, text: &str) -> Question {
    let message = format!(
        "{text}\nShould this be done? It was asked for by {} through an agent.",
        stored.call.requester
    );
    let schema = json!({
        "type": "object",
        "properties": {"decision": {
            "type": "string",
            "title": "Decision",
            "description": "Only an explicit yes counts.",
            "enum": ["yes", "no"]
        }},
        "required": ["decision"]
    });
    Question::Form { message, schema }
}

/// What of the call is not as it was approved.
fn differs(stored: &Stored, fresh: &StoredCall) -> Option<&'static str> {
    let old = &stored.call;
    if !matches!(stored.state, State::Pending | State::Approved) {
        return None;
    }
    if old.target != fresh.target {
        Some("the target")
    } else if old.tool_digest != fresh.tool_digest || old.level != fresh.level {
        Some("the tool")
    } else if old.preview != fresh.preview {
        Some("the content")
    } else if old.policy != fresh.policy {
        Some("the policy")
    } else {
        None
    }
}

fn denied(stored: &Stored) -> ToolError {
    let no = stored.decisions.iter().find(|decision| !decision.yes);
    let why = no.map_or_else(String::new, |no| {
        format!(" {} said no: {}.", no.subject, no.reason.trim_end_matches('.'))
    });
    let message = format!(
        "approval {} was denied, nothing was done.{why} Do not ask for the same again.",
        stored.short()
    );
    ToolError::new(Kind::Denied, message)
}

fn void_now(stored: &Stored, why: &str) -> ToolError {
    let message = format!(
        "approval {} does not count any more: {why}. Nothing was done; call again to ask anew.",
        stored.short()
    );
    ToolError::new(Kind::Denied, message)
}

/// Nobody can tell now whether the approvers' credentials count: the approval stays as it is.
fn unchecked(why: String) -> ToolError {
    let message = "whether the approvers still count cannot be checked now; nothing was done.";
    ToolError::unavailable(message, why).retry_after(Duration::from_secs(30))
}

/// What is redacted cannot be looked at before a yes.
fn unseen() -> ToolError {
    let message = "what would be done holds a secret, which nobody can be shown; nothing was done. Take it out, and call again.";
    ToolError::invalid(message)
}

fn overtaken() -> ToolError {
    let message = "the rules changed while this call waited; nothing was done. Call again.";
    ToolError::new(Kind::Unavailable, message).retry_after(Duration::from_secs(1))
}

/// Whoever can reach the port may be the one who would approve.
fn nobody() -> ToolError {
    let message = "this needs the yes of somebody else, and over HTTP without identity nobody can tell who asks; \
                   nothing was done. The operator switches on [identity], or serves it on stdio.";
    ToolError::new(Kind::Denied, message)
}

fn too_many() -> ToolError {
    let message = "as many of your calls wait for approval as may be; nothing was done. Wait until people have decided.";
    ToolError::new(Kind::Limited, message).retry_after(Duration::from_mins(10))
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A time to the minute, in UTC.
fn minute(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
    let text = humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string();
    format!("{} UTC", text.get(..16).unwrap_or(&text).replace('T', " "))
}

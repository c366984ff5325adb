//! One effect: an approval is redeemed once, and an idempotency key has its effect once, however
//! many calls try and whatever crashes in between.
//!
//! Order: intent on the disk, key claimed, approval redeemed, effect, outcome. At every step a
//! crash leaves either nothing done or a visible open intent, and nothing is ever done again by
//! itself.

use contract::record::Event;
use contract::{Kind, ToolError};
use serde_json::{Value, json};
use state::Claim;
use state::approvals::{State, Stored};

use super::Failure;
use super::approve::unkept;
use super::call::{Call, digest};
use crate::catalogue::Entry;
use crate::guard::{Block, Shown};

impl Call {
    /// The answer of an earlier call with the same idempotency key.
    pub(super) async fn earlier_effect(&self, entry: &Entry) -> Result<Option<Shown>, Failure> {
        let Some(key) = self.key(entry) else { return Ok(None) };
        let store = &self.pipeline.inner.store;
        let arguments = digest(&self.arguments);
        let tool = entry.contract.name;
        let found = store.effect(&self.principal.subject, tool, key, &arguments).await;
        match found.map_err(unkept)? {
            None => Ok(None),
            Some(claim) => taken(entry, claim),
        }
    }

    /// Makes this call the one that has the effect: claims its key and redeems its approval.
    /// `Some` is the answer of the call that was first.
    pub(super) async fn claim(
        &mut self,
        entry: &Entry,
        approval: Option<&str>,
    ) -> Result<Option<Shown>, Failure> {
        let store = &self.pipeline.inner.store;
        if let Some(key) = self.key(entry) {
            let (subject, tool) = (&self.principal.subject, entry.contract.name);
            let arguments = digest(&self.arguments);
            let claim = store.claim(subject, tool, key, &arguments, &self.id).await;
            let claim = claim.map_err(unkept)?;
            if claim != Claim::Ours {
                return taken(entry, claim);
            }
        }
        let Some(id) = approval else { return Ok(None) };
        if !store.redeem(id, &self.id).await.map_err(unkept)? {
            if self.key(entry).is_some() {
                store.settle(&self.id, None).await.map_err(unkept)?;
            }
            return self.redeemed_before(entry, id).await;
        }
        let found = store.approvals_like(id).await.map_err(unkept)?;
        if let Some(stored) = found.first() {
            self.tell(Event::ApprovalRedeemed, stored, None)?;
        }
        Ok(None)
    }

    /// Another call was faster, or the approval ended meanwhile.
    async fn redeemed_before(&self, entry: &Entry, id: &str) -> Result<Option<Shown>, Failure> {
        let found = self.pipeline.inner.store.approvals_like(id).await.map_err(unkept)?;
        match found.first() {
            Some(stored) if stored.state == State::Done => Ok(Some(again(stored))),
            Some(stored) if stored.state == State::Redeemed => {
                Err(unsettled(entry, stored.redeemed_by.as_deref()).into())
            }
            _ => {
                let message = format!(
                    "approval {} does not count any more; nothing was done. Call again to ask anew.",
                    found.first().map_or(id, Stored::short)
                );
                Err(ToolError::new(Kind::Denied, message).into())
            }
        }
    }

    /// Keeps how it ended, for whoever asks again. `done`: the tool itself succeeded. A call whose
    /// end is not known (it panicked, or gave no answer in time) stays unsettled.
    pub(super) async fn conclude(
        &self,
        approval: Option<&str>,
        done: bool,
        shown: &Result<Shown, Failure>,
    ) {
        let unknown = matches!(
            shown.as_ref().err().and_then(Failure::error).map(|error| error.kind),
            Some(Kind::Internal | Kind::Timeout)
        );
        if unknown && !done {
            return;
        }
        let outcome = outcome(shown);
        let store = &self.pipeline.inner.store;
        if self.entry.as_ref().is_some_and(|entry| self.key(entry).is_some()) {
            let kept = store.settle(&self.id, done.then_some(outcome.as_str())).await;
            complain(kept);
        }
        if let Some(id) = approval {
            let state = if done { State::Done } else { State::Failed };
            complain(store.conclude(id, state, &outcome).await);
        }
    }

    /// The idempotency key of a call that does more than read.
    fn key(&self, entry: &Entry) -> Option<&str> {
        let key = self.caller.said.idempotency_key.as_deref()?;
        (!entry.contract.effect.is_reading() && !key.is_empty()).then_some(key)
    }
}

/// The effect happened; that its outcome cannot be kept for later calls does not undo it.
fn complain(kept: Result<(), state::StateError>) {
    if let Err(error) = kept {
        tracing::error!(%error, "the outcome of a call could not be kept for later calls");
    }
}

fn taken(entry: &Entry, claim: Claim) -> Result<Option<Shown>, Failure> {
    match claim {
        Claim::Ours => Ok(None),
        Claim::Taken { call, outcome: Some(outcome) } => Ok(Some(repeated(&outcome, &call))),
        Claim::Taken { call, outcome: None } => Err(unsettled(entry, Some(&call)).into()),
        Claim::Foreign => Err(ToolError::invalid(
            "the idempotency key belongs to a call with other arguments; nothing was done. Use a new key.",
        )
        .into()),
    }
}

/// A call that began and has no outcome is never made again by itself.
pub(super) fn unsettled(entry: &Entry, call: Option<&str>) -> ToolError {
    let check = entry.contract.verified_by.unwrap_or("the system itself");
    let message = format!(
        "call {} already runs this, or was interrupted while it did; it is not done again. \
         Check what happened with {check}.",
        call.unwrap_or("?")
    );
    ToolError::unavailable(message, "the effect has no outcome yet")
}

/// What is kept of an answer.
fn outcome(shown: &Result<Shown, Failure>) -> String {
    let kept = match shown {
        Ok(shown) => json!({"text": shown.text(), "structured": shown.structured}),
        Err(failure) => json!({"text": failure.error().map(ToolError::text)}),
    };
    kept.to_string()
}

/// The answer of the call that redeemed the approval.
pub(super) fn again(stored: &Stored) -> Shown {
    let call = stored.redeemed_by.as_deref().unwrap_or("?");
    repeated(stored.outcome.as_deref().unwrap_or_default(), call)
}

fn repeated(outcome: &str, call: &str) -> Shown {
    let mut kept: Value = serde_json::from_str(outcome).unwrap_or_default();
    let structured = Some(kept["structured"].take()).filter(|structured| !structured.is_null());
    let mut text = kept["text"].as_str().unwrap_or_default().to_owned();
    // A record's text is its JSON and nothing else.
    if structured.is_none() {
        text.push_str(&format!("\n[done by call {call}; not done again]"));
    }
    Shown { blocks: vec![Block::Text(text)], structured, task: None }
}

//! What a call leaves behind: its intent and its outcome, measured and redacted.

use contract::Kind;
use contract::ToolError;
use contract::record::{Decided, Event, Outcome, Record, Sorted};
use contract::text::hex;
use sha2::{Digest, Sha256};
use state::StateError;

use super::call::{Call, unrecorded};
use super::{Answer, Failure};
use crate::guard::{Block, Shown};
use crate::telemetry::{Ended, Method, Told};

impl Call {
    /// Step 10. If the log cannot be written, the answer is withheld.
    pub(super) fn record(&mut self, result: &Result<Answer, Failure>) -> Result<(), Failure> {
        self.recorded = true;
        // What goes on after the call is found by its name: from the record to the run, and back.
        if let Some(task) = result.as_ref().ok().and_then(|answer| answer.shown.task.as_ref()) {
            let about = self.about.take().map(|about| format!("{about}; ")).unwrap_or_default();
            self.about = Some(format!("{about}task {}", task.id));
        }
        let mut record = self.base_record(Event::Call);
        let (bytes, digest) = match result {
            Ok(answer) => measure(&answer.shown),
            Err(failure) => {
                let text = failure.error().map(ToolError::text).unwrap_or_default();
                (text.len() as u64, hex(&Sha256::digest(text.as_bytes())))
            }
        };
        let outcome = outcome(result, self.decision.as_ref());
        record.outcome = Some(outcome);
        record.error = result.as_ref().err().and_then(Failure::error).map(|error| error.kind);
        record.detail = result
            .as_ref()
            .err()
            .and_then(Failure::error)
            .map(|error| error.log.as_deref().unwrap_or(&error.message))
            .or(self.about.as_deref());
        let duration = self.began.elapsed();
        record.duration_us = Some(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
        record.result_bytes = Some(bytes);
        record.result_digest = Some(&digest);
        if matches!(record.error, Some(Kind::Internal | Kind::Unavailable | Kind::Timeout)) {
            tracing::warn!(call = self.id, tool = self.tool, detail = record.detail, "call failed");
        }
        let ended = Ended {
            method: Method::of(self.kind),
            name: self.entry.as_ref().map(|entry| entry.contract.name),
            outcome,
            error: record.error,
            duration,
            bytes,
        };
        let written = self.write(record, false);
        let told = Told { call: &self.id, client: &self.caller.client, said: &self.caller.said };
        self.pipeline.inner.telemetry.end(&ended, &told);
        written.map_err(|error| unrecorded(error).into())
    }

    /// Writes a record without the secrets this process holds; `durable`: waits for the disk.
    pub(super) fn write(&self, record: Record<'_>, durable: bool) -> Result<(), StateError> {
        self.pipeline.inner.write(record, durable)
    }

    pub(super) fn base_record(&self, event: Event) -> Record<'_> {
        let mut record = Record::new(event, self.pipeline.inner.catalogue.server);
        record.call = &self.id;
        record.principal = Some(&self.principal);
        record.policy = Some(&self.rules.digest);
        record.client = Some(&self.caller.client);
        record.tool = &self.tool;
        record.tool_digest = self.entry.as_ref().map(|entry| entry.digest.as_str());
        record.target = self.target.as_ref();
        if let Some(digest) = &self.arguments_digest {
            record.arguments_digest = Some(digest);
        } else {
            record.arguments = Some(Sorted(&self.arguments));
        }
        record.claimed = Some(&self.claimed);
        record.approval = self.approval.as_ref();
        record.decision = self.decision.as_ref();
        record.detail = self.about.as_deref();
        record
    }
}

fn measure(shown: &Shown) -> (u64, String) {
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
    let Err(failure) = result else { return Outcome::Done };
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

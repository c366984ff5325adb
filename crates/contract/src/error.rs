//! How a call fails: two messages, one for the caller and one for the log, and a closed kind.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::ctx::Pending;

/// Why a call did not succeed. The same word appears in the text the caller reads, in the record
/// and in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The arguments break the published schema or a rule of the tool.
    Invalid,
    /// Policy says no.
    Denied,
    /// Too many calls; try again later.
    Limited,
    /// A person must say yes first.
    ApprovalNeeded,
    /// The thing asked for does not exist, or is not visible to this principal.
    NotFound,
    /// The thing asked for exceeds a size limit.
    TooLarge,
    /// The deadline passed.
    Timeout,
    /// The system behind the tool, or the log, cannot be reached; nothing was done.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// All kinds, in the order of the contract.
    pub const ALL: [Kind; 9] = [
        Kind::Invalid,
        Kind::Denied,
        Kind::Limited,
        Kind::ApprovalNeeded,
        Kind::NotFound,
        Kind::TooLarge,
        Kind::Timeout,
        Kind::Unavailable,
        Kind::Internal,
    ];

    /// The word for it, the same in texts, records, metrics and traces.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Invalid => "invalid",
            Kind::Denied => "denied",
            Kind::Limited => "limited",
            Kind::ApprovalNeeded => "approval_needed",
            Kind::NotFound => "not_found",
            Kind::TooLarge => "too_large",
            Kind::Timeout => "timeout",
            Kind::Unavailable => "unavailable",
            Kind::Internal => "internal",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failed call.
///
/// `message` is for the caller: what is wrong and what to do next, without internals or secrets.
/// `log` is for the operator.
#[derive(Debug)]
pub struct ToolError {
    /// The closed kind.
    pub kind: Kind,
    /// For the caller.
    pub message: String,
    /// For the operator's log; absent when the message says it all.
    pub log: Option<String>,
    /// After how long the same call may succeed.
    pub retry_after: Option<Duration>,
    /// Questions that a person or the host must answer before the call can go on.
    pub pending: Option<Box<Pending>>,
}

impl ToolError {
    /// An error of `kind` with the message for the caller.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), log: None, retry_after: None, pending: None }
    }

    /// The arguments break a rule.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// The thing asked for does not exist or is not visible.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// The system behind the tool does not answer.
    pub fn unavailable(message: impl Into<String>, log: impl fmt::Display) -> Self {
        Self::new(Kind::Unavailable, message).with_log(log)
    }

    /// A fault of ours. The caller learns nothing but that; the log has the rest.
    pub fn internal(log: impl fmt::Display) -> Self {
        Self::new(
            Kind::Internal,
            "the server failed; the operator's log has the details. The same call may fail again.",
        )
        .with_log(log)
    }

    /// Adds the operator's message.
    #[must_use]
    pub fn with_log(mut self, log: impl fmt::Display) -> Self {
        self.log = Some(log.to_string());
        self
    }

    /// Adds after how long the same call may succeed.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The text the caller reads: `kind: message`, and the wait where there is one.
    pub fn text(&self) -> String {
        let mut text = format!("{}: {}", self.kind, self.message);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            text.push_str(&format!(" Retry after {seconds:.0} s."));
        }
        text
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl std::error::Error for ToolError {}

/// An error with its causes: a library's own text often says only that something failed.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_reads_kind_message_and_wait() {
        let error = ToolError::new(Kind::Limited, "60/minute is used up.")
            .retry_after(Duration::from_millis(1200));
        assert_eq!(error.text(), "limited: 60/minute is used up. Retry after 2 s.");
    }

    #[test]
    fn an_internal_error_tells_the_caller_no_internals() {
        let error = ToolError::internal("open /srv/secret: EACCES");
        assert!(!error.text().contains("/srv"));
        assert_eq!(error.log.as_deref(), Some("open /srv/secret: EACCES"));
    }

    #[test]
    fn kinds_have_the_same_name_in_text_and_in_records() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("a string"), kind.to_string());
        }
    }
}

//! A person's decision about a stored call: the one place where it is checked, kept and recorded,
//! for `suite approvals` and the page alike.

use contract::record::{Approved, DecidedBy, Event, Record};
use contract::{Approval, Client, Identity, Principal};
use policy::Policy;
use state::approvals::{Decision, Refused, State, Stored};
use state::{Log, StateError, Store};

use crate::{Redactor, journal};

/// The shortest and longest reason of a decision, in characters.
pub const REASON: std::ops::RangeInclusive<usize> = 3..=500;

/// Why a decision does not count; nothing was decided then.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Policy does not let this person decide.
    #[error("{subject} may not decide about it: {rule}")]
    Forbidden {
        /// The person.
        subject: String,
        /// The rule, with file and line.
        rule: String,
    },
    /// The rules that no policy can change.
    #[error("{subject} may not decide about it: {why}")]
    Refused {
        /// The person.
        subject: String,
        /// Which rule.
        why: Refused,
    },
    /// The reason is missing or too long.
    #[error("a decision has a reason of 3 to 500 characters")]
    Reason,
    /// It could not be kept or recorded.
    #[error("the decision cannot be kept: {0}")]
    State(#[from] StateError),
}

/// Where decisions about the calls of one server are taken.
#[derive(Clone, Copy, Debug)]
pub struct Desk<'a> {
    /// The server.
    pub server: &'a str,
    /// The policy in force.
    pub policy: &'a Policy,
    /// Its version.
    pub digest: &'a str,
    /// The approvals.
    pub store: &'a Store,
    /// The log of the server.
    pub log: &'a Log,
    /// How the decision arrives.
    pub client: &'a Client,
    /// The secrets that stay out of the log.
    pub redactor: &'a Redactor,
}

impl Desk<'_> {
    /// Decides about exactly this stored call, and records it; attempts that do not count are
    /// recorded, too.
    pub async fn decide(
        &self,
        stored: &Stored,
        identity: &Identity,
        yes: bool,
        reason: &str,
    ) -> Result<Stored, DecideError> {
        let person = self.policy.principal(identity);
        let subject = || person.subject.clone();
        if let Err(rule) = may(self.policy, stored, &person, yes) {
            self.record(Event::ApprovalRefused, stored, &person, Some(&rule))?;
            return Err(DecideError::Forbidden { subject: subject(), rule });
        }
        let reason = reason.trim();
        if !REASON.contains(&reason.chars().count()) {
            return Err(DecideError::Reason);
        }
        let decision = Decision {
            subject: subject(),
            identity: identity.clone(),
            yes,
            reason: reason.to_owned(),
            time: 0,
        };
        let decided = match self.store.decide(&stored.id, &decision).await? {
            Ok(decided) => decided,
            Err(why) => {
                let text = why.to_string();
                self.record(Event::ApprovalRefused, stored, &person, Some(&text))?;
                return Err(DecideError::Refused { subject: subject(), why });
            }
        };
        let event = if yes { Event::ApprovalGiven } else { Event::ApprovalDenied };
        if let Err(error) = self.record(event, &decided, &person, None) {
            // A decision without its record does not count.
            self.store.void(&decided.id, "the decision could not be recorded").await?;
            return Err(error.into());
        }
        Ok(decided)
    }

    /// Records that somebody without a credential that counts wanted to decide.
    pub fn unidentified(&self, stored: &Stored, why: &str) -> Result<(), StateError> {
        let approval = noted(stored);
        let mut record = self.base(Event::Unidentified, stored);
        record.approval = Some(&approval);
        record.detail = Some(why);
        self.write(record)
    }

    fn write(&self, record: Record<'_>) -> Result<(), StateError> {
        journal::append(self.log, self.redactor, record, true)
    }

    fn base<'a>(&'a self, event: Event, stored: &'a Stored) -> Record<'a> {
        let mut record = Record::new(event, self.server);
        record.client = Some(self.client);
        record.policy = Some(self.digest);
        record.tool = &stored.call.tool;
        record.tool_digest = Some(&stored.call.tool_digest);
        record
    }

    fn record(
        &self,
        event: Event,
        stored: &Stored,
        person: &Principal,
        detail: Option<&str>,
    ) -> Result<(), StateError> {
        let approval = noted(stored);
        let target = stored.call.target();
        let mut record = self.base(event, stored);
        record.approval = Some(&approval);
        record.principal = Some(person);
        record.target = Some(&target);
        record.detail = detail;
        self.write(record)
    }
}

/// Whether policy lets this person decide; `Err` is the rule that does not. A requester may always
/// take the own call back, and confirms it where that is what is asked.
pub(crate) fn may(
    policy: &Policy,
    stored: &Stored,
    person: &Principal,
    yes: bool,
) -> Result<(), String> {
    let own = person.subject == stored.call.requester;
    if own && (!yes || stored.call.level == Approval::Confirm) {
        return Ok(());
    }
    let target = stored.call.target();
    let decided = policy.may_approve(&person.roles, &stored.call.tool, Some(&target));
    if decided.allowed { Ok(()) } else { Err(decided.rule) }
}

/// What records say of an approval.
pub(crate) fn noted(stored: &Stored) -> Approved {
    let by = stored.decisions.iter().map(|decision| DecidedBy {
        identity: decision.identity.name.clone(),
        reason: decision.reason.clone(),
        subject: decision.subject.clone(),
    });
    Approved { by: by.collect(), id: stored.id.clone(), level: stored.call.level.to_string() }
}

/// What a decision came to, for the person who took it.
pub fn thanks(decided: &Stored, subject: &str) -> String {
    let short = decided.short();
    match decided.state {
        State::Denied => format!("denied {short} as {subject}. It will not run."),
        State::Approved => {
            format!("approved {short} as {subject}. It runs when the agent calls again, once.")
        }
        _ => {
            format!("approved {short} as {subject}, the first of two. It waits for another person.")
        }
    }
}

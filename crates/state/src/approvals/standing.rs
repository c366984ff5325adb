//! Where an approval stands.

use serde::{Deserialize, Serialize};

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for a person.
    Pending,
    /// Enough people said yes; it waits for its call.
    Approved,
    /// A person said no.
    Denied,
    /// Nobody decided, or nobody called, in time.
    Expired,
    /// It is not what would run any more, or an approver does not count any more.
    Void,
    /// Its call is running, or was interrupted.
    Redeemed,
    /// Its call succeeded.
    Done,
    /// Its call failed.
    Failed,
}

impl State {
    const NAMES: [(State, &'static str); 8] = [
        (State::Pending, "pending"),
        (State::Approved, "approved"),
        (State::Denied, "denied"),
        (State::Expired, "expired"),
        (State::Void, "void"),
        (State::Redeemed, "redeemed"),
        (State::Done, "done"),
        (State::Failed, "failed"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(state, _)| *state == self);
        found.map_or("void", |(_, name)| name)
    }

    pub(super) fn of(name: &str) -> Self {
        let found = Self::NAMES.iter().find(|(_, known)| *known == name);
        found.map_or(State::Void, |(state, _)| *state)
    }
}

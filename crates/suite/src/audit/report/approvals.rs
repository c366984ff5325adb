//! The approvals of a period: when each was asked for, and when the decision came.

use std::collections::BTreeMap;

use super::figures::{Blocked, Counted, Dimension};

/// The groups of a record: a list of names for each dimension.
pub(super) type Groups = [Vec<String>; Dimension::ALL.len()];

/// What became of each approval, by its identity.
#[derive(Clone, Debug, Default)]
pub(super) struct Approvals(BTreeMap<String, Story>);

/// One approval. Decisions are counted where it was asked for: the record of a decision has the
/// approver's roles, not the requester's.
#[derive(Clone, Debug, Default)]
struct Story {
    /// Those of the question; of any other event where the question is not in the period.
    groups: Option<Groups>,
    asked: Option<u64>,
    times_asked: u64,
    /// The latest yes or no.
    decided: Option<u64>,
    given: u64,
    denied: u64,
    expired: u64,
    refused: u64,
}

impl Approvals {
    /// Adds an event whose name begins with `approval_`.
    pub(super) fn add(
        &mut self,
        event: &str,
        id: &str,
        millis: Option<u64>,
        groups: impl Fn() -> Groups,
    ) {
        let story = self.0.entry(id.to_owned()).or_default();
        match event {
            "approval_asked" => {
                story.times_asked += 1;
                story.asked = earliest(story.asked, millis);
                story.groups = Some(groups());
            }
            "approval_given" => {
                story.given += 1;
                story.decided = story.decided.max(millis);
            }
            "approval_denied" => {
                story.denied += 1;
                story.decided = story.decided.max(millis);
            }
            "approval_expired" => story.expired += 1,
            "approval_refused" => story.refused += 1,
            _ => {}
        }
        if story.groups.is_none() {
            story.groups = Some(groups());
        }
    }

    pub(super) fn join(&mut self, other: Self) {
        for (id, theirs) in other.0 {
            let ours = self.0.entry(id).or_default();
            // The groups of the question are the right ones.
            if ours.asked.is_none() && (theirs.asked.is_some() || ours.groups.is_none()) {
                ours.groups = theirs.groups;
            }
            ours.asked = earliest(ours.asked, theirs.asked);
            ours.decided = ours.decided.max(theirs.decided);
            ours.times_asked += theirs.times_asked;
            ours.given += theirs.given;
            ours.denied += theirs.denied;
            ours.expired += theirs.expired;
            ours.refused += theirs.refused;
        }
    }

    /// Counts each approval in its groups.
    pub(super) fn settle(self, counted: &mut Counted) {
        for story in self.0.into_values() {
            let groups = story.groups.clone().unwrap_or_default();
            let waited = story.asked.zip(story.decided);
            let waited = waited.map(|(asked, decided)| decided.saturating_sub(asked));
            counted.each(&groups, |figures| {
                figures.asked += story.times_asked;
                figures.given += story.given;
                figures.block(Blocked::ApprovalDenied, story.denied);
                figures.block(Blocked::ApprovalExpired, story.expired);
                figures.block(Blocked::ApprovalRefused, story.refused);
                if let Some(waited) = waited {
                    figures.decided.add(waited);
                }
            });
        }
    }
}

fn earliest(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (left, right) => left.or(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(role: &str) -> Groups {
        let name = |name: &str| vec![name.to_owned()];
        [name("mail"), name("mail_send"), name(role), name("2026-11-22")]
    }

    #[test]
    fn a_decision_counts_where_the_approval_was_asked_for() {
        // Different threads see the question and the decisions, in either order.
        for swapped in [false, true] {
            let (mut question, mut decisions) = (Approvals::default(), Approvals::default());
            question.add("approval_asked", "a", Some(1_000), || groups("writer"));
            decisions.add("approval_given", "a", Some(4_000), || groups("approver"));
            decisions.add("approval_given", "a", Some(9_000), || groups("approver"));
            decisions.add("approval_redeemed", "a", Some(9_500), || groups("writer"));
            let (mut first, second) =
                if swapped { (decisions, question) } else { (question, decisions) };
            first.join(second);
            let mut counted = Counted::default();
            first.settle(&mut counted);
            let roles = &counted.by[Dimension::Role as usize];
            assert_eq!(roles.keys().collect::<Vec<_>>(), ["writer"]);
            let figures = &roles["writer"];
            assert_eq!((figures.asked, figures.given, figures.decided.count()), (1, 2, 1));
            let waited = figures.decided.quantile(0.5).expect("a time");
            assert!(waited.abs_diff(8_000) <= 80, "{waited}");
        }
    }

    #[test]
    fn a_decision_without_its_question_has_no_time() {
        let mut approvals = Approvals::default();
        approvals.add("approval_denied", "a", Some(4_000), || groups("approver"));
        let mut counted = Counted::default();
        approvals.settle(&mut counted);
        assert_eq!(counted.total.decided.count(), 0);
        assert_eq!(counted.total.blocked(Blocked::ApprovalDenied), 1);
    }
}

//! How many approvals a server has had, and how many wait: for metrics.

use sqlx::Row as _;

use crate::StateError;
use crate::store::{Store, now};

/// Approvals of one server since its state folder was made, whoever decided them, in whichever
/// process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls that asked for a yes.
    pub asked: u64,
    /// Decisions that said yes; an approval by two people has two.
    pub given: u64,
    /// Decisions that said no.
    pub denied: u64,
    /// Approvals that ended unused: out of time, or not what would run any more.
    pub expired: u64,
    /// Approvals whose call was let run.
    pub redeemed: u64,
    /// Approvals that wait for a person now.
    pub pending: u64,
}

/// One consistent look at both tables, which takes no lock that a writer would wait for. An
/// overdue approval waits for nobody, also before it is ended.
const COUNTS: &str = "
SELECT state AS what, count(*) AS calls, sum(expires > ?) AS alive FROM approvals GROUP BY state
UNION ALL
SELECT CASE yes WHEN 0 THEN 'no' ELSE 'yes' END, count(*), 0 FROM decisions GROUP BY yes";

impl Store {
    /// Counts the approvals. A server that never asked for one has no database, and gets none.
    pub async fn tally(&self) -> Result<Tally, StateError> {
        let mut tally = Tally::default();
        if !self.exists() {
            return Ok(tally);
        }
        let counts = sqlx::query(COUNTS).bind(now());
        for row in counts.fetch_all(self.pool().await?).await.map_err(self.fault())? {
            let (what, count, alive): (String, i64, i64) = (row.get(0), row.get(1), row.get(2));
            let count = u64::try_from(count).unwrap_or_default();
            match what.as_str() {
                "yes" => tally.given += count,
                "no" => tally.denied += count,
                state => tally.add(state, count, u64::try_from(alive).unwrap_or_default()),
            }
        }
        Ok(tally)
    }
}

impl Tally {
    /// Adds approvals of one state, some of which are not overdue.
    fn add(&mut self, state: &str, count: u64, alive: u64) {
        self.asked += count;
        match state {
            "pending" => self.pending += alive,
            "expired" | "void" => self.expired += count,
            "redeemed" | "done" | "failed" => self.redeemed += count,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::{Approval, Identity, Preview, Proof};
    use serde_json::json;

    use super::*;
    use crate::approvals::{Asked, Decision, StoredCall};

    /// Asks for a call that may be approved for `lives` milliseconds.
    async fn ask(store: &Store, text: &str, lives: i64) -> String {
        let call = StoredCall {
            arguments: json!({"text": text}),
            created: now(),
            expires: now() + lives,
            identity: "user:ann".into(),
            level: Approval::Two,
            nonce: text.into(),
            policy: "p".into(),
            preview: Preview::default(),
            requester: "ann".into(),
            server: "test".into(),
            target: ("file".into(), None),
            tool: "test_commit".into(),
            tool_digest: "d".into(),
        };
        match store.ask(call).await.expect("asked") {
            Asked::New(stored) | Asked::Existing(stored) => stored.id.clone(),
            Asked::TooMany => panic!("too many"),
        }
    }

    async fn decide(store: &Store, id: &str, subject: &str, yes: bool) {
        let identity = Identity::new(format!("user:{subject}"), Proof::Loopback);
        let (subject, reason) = (subject.to_owned(), "looked at it".to_owned());
        let decision = Decision { subject, identity, yes, reason, time: 0 };
        store.decide(id, &decision).await.expect("an answer").expect("it counts");
    }

    #[tokio::test]
    async fn approvals_are_counted_by_what_became_of_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path());
        assert_eq!(store.tally().await.expect("counts"), Tally::default());
        assert!(!store.exists(), "counting makes no database");

        let run = ask(&store, "run", 60_000).await;
        decide(&store, &run, "bob", true).await;
        decide(&store, &run, "cy", true).await;
        assert!(store.redeem(&run, "c-1").await.expect("redeemed"));
        let refused = ask(&store, "refused", 60_000).await;
        decide(&store, &refused, "bob", false).await;
        ask(&store, "waiting", 60_000).await;
        ask(&store, "overdue", -1).await;

        let tally = store.tally().await.expect("counts");
        let seen = Tally { asked: 4, given: 2, denied: 1, expired: 0, redeemed: 1, pending: 1 };
        assert_eq!(tally, seen);
        store.expire().await.expect("ended");
        let tally = store.tally().await.expect("counts");
        assert_eq!(tally, Tally { expired: 1, ..seen });
    }
}

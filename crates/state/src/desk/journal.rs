//! The journal of what left: `approved → sending → sent | unknown`, and `failed` where it is
//! certain that nothing left.
//!
//! Each step is on the disk before the next one is taken, and each is taken once: by a comparison
//! with the state it must be in. Of one draft there is at most one entry that did not fail, so one
//! effect. What a crash left in `sending` is as good as `unknown`: it is looked for where it should
//! have arrived, and never sent again by itself.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Desk, Draft};
use crate::StateError;
use crate::store::now;

/// How far an effect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A person said yes; nothing has left.
    Approved,
    /// It is leaving, or the process died while it was.
    Sending,
    /// It arrived.
    Sent,
    /// It left, and no answer came.
    Unknown,
    /// It is certain that it did not arrive.
    Failed,
}

impl Step {
    /// The word in the journal.
    pub fn word(self) -> &'static str {
        match self {
            Step::Approved => "approved",
            Step::Sending => "sending",
            Step::Sent => "sent",
            Step::Unknown => "unknown",
            Step::Failed => "failed",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "approved" => Step::Approved,
            "sending" => Step::Sending,
            "sent" => Step::Sent,
            "failed" => Step::Failed,
            _ => Step::Unknown,
        }
    }
}

/// One effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal.
    pub id: i64,
    /// The draft that was approved.
    pub draft: String,
    /// The revision that was approved.
    pub revision: u32,
    /// The marker by which it is known again.
    pub marker: String,
    /// The SHA-256 of what was approved.
    pub digest: String,
    /// How far it is.
    pub step: Step,
    /// When it began, in milliseconds since 1970.
    pub began: i64,
    /// When whoever sends it has certainly given up, in milliseconds since 1970.
    pub until: i64,
    /// What it is called where it arrived.
    pub reference: Option<String>,
    /// Why it failed, or is unknown.
    pub why: Option<String>,
}

/// What became of the wish to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It may be sent: an entry in [`Step::Approved`].
    Ours(Entry),
    /// It was sent before, or may have been.
    Earlier(Entry),
    /// As many went to the target today as may be.
    Full,
    /// The draft has another revision, or is gone.
    Changed,
}

impl Desk {
    /// Begins to send a draft, as it was approved; at most `cap` a day (UTC) go to its target.
    pub async fn begin(
        &self,
        draft: &Draft,
        digest: &str,
        cap: Option<u32>,
    ) -> Result<Begun, StateError> {
        let begun = self.pool().await?.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(self.fault())?;
        let earlier = sqlx::query("SELECT * FROM journal WHERE draft = ? AND state <> 'failed'");
        let earlier = earlier.bind(&draft.id).fetch_optional(&mut *transaction).await;
        match earlier.map_err(self.fault())?.as_ref().map(read) {
            // Approved and never sent: whoever comes first sends it.
            Some(entry) if entry.step == Step::Approved && entry.digest == digest => {
                return Ok(Begun::Ours(entry));
            }
            Some(entry) if entry.step == Step::Approved => {
                sqlx::query("UPDATE journal SET state = 'failed', why = ? WHERE id = ?")
                    .bind("another revision was approved")
                    .bind(entry.id)
                    .execute(&mut *transaction)
                    .await
                    .map_err(self.fault())?;
            }
            Some(entry) => return Ok(Begun::Earlier(entry)),
            None => {}
        }
        let time = now();
        let current = sqlx::query_scalar::<_, u32>("SELECT revision FROM drafts WHERE id = ?");
        let current = current.bind(&draft.id).fetch_optional(&mut *transaction).await;
        if current.map_err(self.fault())? != Some(draft.revision) {
            return Ok(Begun::Changed);
        }
        if let Some(cap) = cap {
            let today = sqlx::query_scalar::<_, i64>(
                "SELECT count(*) FROM journal WHERE target = ? AND began >= ? AND state <> 'failed'",
            );
            let today = today.bind(&draft.target).bind(time - time.rem_euclid(86_400_000));
            let today = today.fetch_one(&mut *transaction).await.map_err(self.fault())?;
            if today >= i64::from(cap) {
                return Ok(Begun::Full);
            }
        }
        let row = sqlx::query(
            "INSERT INTO journal (draft, revision, target, kind, marker, digest, state, began, until)
             VALUES (?, ?, ?, ?, ?, ?, 'approved', ?, ?) RETURNING *",
        )
        .bind(&draft.id)
        .bind(draft.revision)
        .bind(&draft.target)
        .bind(&draft.kind)
        .bind(&draft.marker)
        .bind(digest)
        .bind(time)
        .bind(time)
        .fetch_one(&mut *transaction)
        .await
        .map_err(self.fault())?;
        let entry = read(&row);
        transaction.commit().await.map_err(self.fault())?;
        Ok(Begun::Ours(entry))
    }

    /// Takes the step to [`Step::Sending`] for so many milliseconds: only who gets `true` may send.
    pub async fn sending(&self, entry: &Entry, within: i64) -> Result<bool, StateError> {
        let taken = sqlx::query(
            "UPDATE journal SET state = 'sending', until = ? WHERE id = ? AND state = 'approved'",
        );
        let taken = taken.bind(now().saturating_add(within)).bind(entry.id);
        let done = taken.execute(self.pool().await?).await.map_err(self.fault())?;
        Ok(done.rows_affected() == 1)
    }

    /// It arrived, and is called so.
    pub async fn sent(&self, entry: &Entry, reference: &str) -> Result<(), StateError> {
        self.end(entry, Step::Sent, Some(reference), None).await
    }

    /// It left, and no answer came.
    pub async fn unknown(&self, entry: &Entry, why: &str) -> Result<(), StateError> {
        self.end(entry, Step::Unknown, None, Some(why)).await
    }

    /// It is certain that it did not arrive: it may be approved anew.
    pub async fn failed(&self, entry: &Entry, why: &str) -> Result<(), StateError> {
        self.end(entry, Step::Failed, None, Some(why)).await
    }

    /// Ends an entry that has not ended.
    async fn end(
        &self,
        entry: &Entry,
        step: Step,
        reference: Option<&str>,
        why: Option<&str>,
    ) -> Result<(), StateError> {
        let ended = sqlx::query(
            "UPDATE journal SET state = ?, reference = ?, why = ?
             WHERE id = ? AND state NOT IN ('sent', 'failed')",
        );
        let ended = ended.bind(step.word()).bind(reference).bind(why).bind(entry.id);
        ended.execute(self.pool().await?).await.map(drop).map_err(self.fault())
    }

    /// The last entry of a draft.
    pub async fn last(&self, draft: &str) -> Result<Option<Entry>, StateError> {
        let found = sqlx::query("SELECT * FROM journal WHERE draft = ? ORDER BY id DESC LIMIT 1");
        let row = found.bind(draft).fetch_optional(self.pool().await?).await;
        Ok(row.map_err(self.fault())?.as_ref().map(read))
    }
}

impl Entry {
    /// Whether whoever was sending it has certainly given up, by so many milliseconds.
    pub fn is_over(&self, since: i64) -> bool {
        now() > self.until.saturating_add(since)
    }
}

fn read(row: &SqliteRow) -> Entry {
    Entry {
        id: row.get("id"),
        draft: row.get("draft"),
        revision: row.get("revision"),
        marker: row.get("marker"),
        digest: row.get("digest"),
        step: Step::of(row.get("state")),
        began: row.get("began"),
        until: row.get("until"),
        reference: row.get("reference"),
        why: row.get("why"),
    }
}

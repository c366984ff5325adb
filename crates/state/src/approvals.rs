//! Approvals: what is approved is the *stored* call, and its SHA-256 is the approval's identity.
//! Any change is another approval.
//!
//! ```text
//! pending ── yes (enough of them) ──▶ approved ── redeemed once ──▶ redeemed ──▶ done | failed
//!    │ no ──▶ denied                     │
//!    └───────── nobody in time ──▶ expired; not what would run any more ──▶ void
//! ```
//!
//! Every step is one transaction, so that it happens once however many processes try. Who *may*
//! decide is policy's matter and asked before; that nobody decides on an own call, and no subject
//! twice, is kept here.

use std::collections::BTreeMap;

mod standing;

use contract::text::hex;
use contract::{Approval, Identity, Preview, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

pub use self::standing::State;
use crate::store::now;
use crate::{StateError, Store};

/// How many approvals one requester may have waiting.
const MOST_WAITING: i64 = 1_000;

/// How many characters of an approval's identity people and models are shown.
const SHORT: usize = 12;

/// A call as it was asked for: everything that an approval covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredCall {
    /// The arguments, whole.
    pub arguments: Value,
    /// When it was asked for, in milliseconds since 1970.
    pub created: i64,
    /// When the approval ends, in milliseconds since 1970.
    pub expires: i64,
    /// The requester's credential.
    pub identity: String,
    /// Who must say yes.
    pub level: Approval,
    /// Random: the same call asked for again is another approval.
    pub nonce: String,
    /// SHA-256 of the policy under which it was asked for.
    pub policy: String,
    /// What the person is shown.
    pub preview: Preview,
    /// The requester.
    pub requester: String,
    /// The server.
    pub server: String,
    /// The kind and name of what the call touches.
    pub target: (String, Option<String>),
    /// The tool.
    pub tool: String,
    /// SHA-256 of the tool's contract and schemas.
    pub tool_digest: String,
}

impl StoredCall {
    /// The identity of the approval: SHA-256 over the canonical JSON (RFC 8785), in hexadecimal.
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.canonical()))
    }

    fn canonical(&self) -> String {
        serde_json_canonicalizer::to_string(self).unwrap_or_default()
    }

    /// What the call touches.
    pub fn target(&self) -> Target {
        let (kind, name) = self.target.clone();
        Target { kind: kind.into(), name }
    }
}

/// One person's decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The person.
    pub subject: String,
    /// The credential used: asked again before the call runs.
    pub identity: Identity,
    /// Yes or no.
    pub yes: bool,
    /// Why, in the person's own words.
    pub reason: String,
    /// When, in milliseconds since 1970; given by the store.
    pub time: i64,
}

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// SHA-256 of the call: the approval's identity.
    pub id: String,
    /// What is approved.
    pub call: StoredCall,
    /// Where it stands.
    pub state: State,
    /// Who decided.
    pub decisions: Vec<Decision>,
    /// The call that redeemed it.
    pub redeemed_by: Option<String>,
    /// Why it is void.
    pub why: Option<String>,
    /// How the call ended.
    pub outcome: Option<String>,
}

impl Stored {
    /// Where it stands now: what is over does not wait, even where nobody noticed yet.
    pub fn standing(&self) -> State {
        let waits = matches!(self.state, State::Pending | State::Approved);
        if waits && self.call.expires <= now() { State::Expired } else { self.state }
    }

    /// As much of the identity as people need.
    pub fn short(&self) -> &str {
        self.id.get(..SHORT).unwrap_or(&self.id)
    }

    /// How many different people must say yes.
    pub fn needed(&self) -> usize {
        if self.call.level == Approval::Two { 2 } else { 1 }
    }
}

/// Why a decision does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is none of that identity.
    #[error("there is no such approval")]
    Unknown,
    /// It is decided, used or void already.
    #[error("it does not wait for a decision: it is {}", .0.name())]
    NotPending(State),
    /// Its time is over.
    #[error("its time is over")]
    Expired,
    /// The requester would approve the own call.
    #[error("the requester may not approve the own call: this level asks for somebody else")]
    OwnCall,
    /// The same person decided before, perhaps with another credential.
    #[error("the same person has decided already; a second approval comes from somebody else")]
    Twice,
}

/// What asking came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// A new approval waits.
    New(Box<Stored>),
    /// The same call by the same requester has one already.
    Existing(Box<Stored>),
    /// The requester has as many waiting as may be.
    TooMany,
}

impl Store {
    /// Asks for an approval of a call, unless the same call has one that still counts.
    pub async fn ask(&self, call: StoredCall) -> Result<Asked, StateError> {
        let mut transaction = self.begin().await?;
        let binding = binding(&call.requester, &call.tool, &call.arguments);
        if let Some(found) = self.live(&mut transaction, &binding).await? {
            return Ok(Asked::Existing(Box::new(found)));
        }
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM approvals WHERE state = 'pending' AND requester = ? AND expires > ?",
        )
        .bind(&call.requester)
        .bind(now())
        .fetch_one(&mut *transaction)
        .await
        .map_err(self.fault())?;
        if waiting >= MOST_WAITING {
            return Ok(Asked::TooMany);
        }
        let id = call.id();
        sqlx::query(
            "INSERT INTO approvals (id, binding, requester, state, created, expires, stored)
             VALUES (?, ?, ?, 'pending', ?, ?, ?)",
        )
        .bind(&id)
        .bind(binding)
        .bind(&call.requester)
        .bind(call.created)
        .bind(call.expires)
        .bind(call.canonical())
        .execute(&mut *transaction)
        .await
        .map_err(self.fault())?;
        transaction.commit().await.map_err(self.fault())?;
        let stored = Stored {
            id,
            call,
            state: State::Pending,
            decisions: Vec::new(),
            redeemed_by: None,
            why: None,
            outcome: None,
        };
        Ok(Asked::New(Box::new(stored)))
    }

    /// The approval that counts for a call: waiting, approved, denied, running or done, and its
    /// time not over.
    pub async fn approval_of(
        &self,
        requester: &str,
        tool: &str,
        arguments: &Value,
    ) -> Result<Option<Stored>, StateError> {
        let mut transaction = self.begin().await?;
        self.live(&mut transaction, &binding(requester, tool, arguments)).await
    }

    async fn live(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        binding: &str,
    ) -> Result<Option<Stored>, StateError> {
        let row = sqlx::query(
            "SELECT * FROM approvals WHERE binding = ? AND expires > ?
             AND state IN ('pending', 'approved', 'denied', 'redeemed', 'done')
             ORDER BY created DESC LIMIT 1",
        )
        .bind(binding)
        .bind(now())
        .fetch_optional(&mut **transaction)
        .await
        .map_err(self.fault())?;
        Ok(self.all(transaction, row.into_iter().collect()).await?.pop())
    }

    /// The approvals whose identity begins with `prefix`, at most two.
    pub async fn approvals_like(&self, prefix: &str) -> Result<Vec<Stored>, StateError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query("SELECT * FROM approvals WHERE substr(id, 1, ?) = ? LIMIT 2")
            .bind(i64::try_from(prefix.len()).unwrap_or(i64::MAX))
            .bind(prefix)
            .fetch_all(&mut *transaction)
            .await
            .map_err(self.fault())?;
        self.all(&mut transaction, rows).await
    }

    /// Approvals, newest first: those that wait, or all of them.
    pub async fn approvals(&self, waiting: bool, most: u32) -> Result<Vec<Stored>, StateError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(
            "SELECT id, state, stored, call, why, outcome FROM approvals
             WHERE NOT ? OR state IN ('pending', 'approved')
             ORDER BY created DESC, id LIMIT ?",
        )
        .bind(waiting)
        .bind(most)
        .fetch_all(&mut *transaction)
        .await
        .map_err(self.fault())?;
        self.sound(&mut transaction, rows).await
    }

    /// Those of these rows that are what was asked for: a changed one stops no other.
    async fn sound(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        rows: Vec<SqliteRow>,
    ) -> Result<Vec<Stored>, StateError> {
        Ok(self.each(transaction, rows).await?.into_iter().flatten().collect())
    }

    /// The approvals of these rows.
    async fn all(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        rows: Vec<SqliteRow>,
    ) -> Result<Vec<Stored>, StateError> {
        self.each(transaction, rows).await?.into_iter().collect()
    }

    /// The approval of each of these rows, with its decisions; an error for one that is not what
    /// was asked for.
    async fn each(
        &self,
        transaction: &mut Transaction<'_, Sqlite>,
        rows: Vec<SqliteRow>,
    ) -> Result<Vec<Result<Stored, StateError>>, StateError> {
        let ids: Vec<String> = rows.iter().map(|row| row.get("id")).collect();
        let found = sqlx::query(
            "SELECT approval, subject, identity, yes, reason, time FROM decisions
             WHERE approval IN (SELECT value FROM json_each(?)) ORDER BY time, subject",
        )
        .bind(serde_json::to_string(&ids).unwrap_or_default())
        .fetch_all(&mut **transaction)
        .await
        .map_err(self.fault())?;
        let mut decisions: BTreeMap<String, Vec<Decision>> = BTreeMap::new();
        for row in &found {
            decisions.entry(row.get("approval")).or_default().extend(decision(row));
        }
        let mut decided = |id: &String| decisions.remove(id).unwrap_or_default();
        Ok(rows.iter().zip(&ids).map(|(row, id)| self.stored(row, decided(id))).collect())
    }

    /// Decides. `Ok(Err(_))` says why the decision does not count; nothing is kept of it then.
    pub async fn decide(
        &self,
        id: &str,
        decision: &Decision,
    ) -> Result<Result<Stored, Refused>, StateError> {
        let mut transaction = self.begin().await?;
        let row = sqlx::query("SELECT * FROM approvals WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(self.fault())?;
        let found = self.all(&mut transaction, row.into_iter().collect()).await?.pop();
        let Some(mut stored) = found else { return Ok(Err(Refused::Unknown)) };
        if let Err(refused) = countable(&stored, decision) {
            return Ok(Err(refused));
        }
        let time = now();
        sqlx::query(
            "INSERT INTO decisions (approval, subject, identity, yes, reason, time)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(&decision.subject)
        .bind(serde_json::to_string(&decision.identity).unwrap_or_default())
        .bind(decision.yes)
        .bind(&decision.reason)
        .bind(time)
        .execute(&mut *transaction)
        .await
        .map_err(self.fault())?;
        stored.decisions.push(Decision { time, ..decision.clone() });
        stored.state = match stored.decisions.iter().filter(|decision| decision.yes).count() {
            _ if !decision.yes => State::Denied,
            yes if yes >= stored.needed() => State::Approved,
            _ => State::Pending,
        };
        sqlx::query("UPDATE approvals SET state = ? WHERE id = ?")
            .bind(stored.state.name())
            .bind(id)
            .execute(&mut *transaction)
            .await
            .map_err(self.fault())?;
        transaction.commit().await.map_err(self.fault())?;
        Ok(Ok(stored))
    }

    /// Redeems an approved call, once: `true` for the one caller that may run it.
    pub async fn redeem(&self, id: &str, call: &str) -> Result<bool, StateError> {
        let done = sqlx::query(
            "UPDATE approvals SET state = 'redeemed', call = ?
             WHERE id = ? AND state = 'approved' AND expires > ?",
        )
        .bind(call)
        .bind(id)
        .bind(now())
        .execute(self.pool().await?)
        .await
        .map_err(self.fault())?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps how the redeemed call ended.
    pub async fn conclude(&self, id: &str, state: State, outcome: &str) -> Result<(), StateError> {
        sqlx::query(
            "UPDATE approvals SET state = ?, outcome = ? WHERE id = ? AND state = 'redeemed'",
        )
        .bind(state.name())
        .bind(outcome)
        .bind(id)
        .execute(self.pool().await?)
        .await
        .map(drop)
        .map_err(self.fault())
    }

    /// Makes an approval void that was not used yet; `true` where it was this call that did.
    pub async fn void(&self, id: &str, why: &str) -> Result<bool, StateError> {
        let done = sqlx::query(
            "UPDATE approvals SET state = 'void', why = ?
             WHERE id = ? AND state IN ('pending', 'approved')",
        )
        .bind(why)
        .bind(id)
        .execute(self.pool().await?)
        .await
        .map_err(self.fault())?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends the approvals whose time is over, and returns those that it ended.
    pub async fn expire(&self) -> Result<Vec<Stored>, StateError> {
        let mut transaction = self.begin().await?;
        let rows = sqlx::query(
            "UPDATE approvals SET state = 'expired'
             WHERE state IN ('pending', 'approved') AND expires <= ? RETURNING *",
        )
        .bind(now())
        .fetch_all(&mut *transaction)
        .await
        .map_err(self.fault())?;
        let ended = self.sound(&mut transaction, rows).await?;
        transaction.commit().await.map_err(self.fault())?;
        Ok(ended)
    }

    /// One approval; a row that is not what was asked for is an error.
    fn stored(&self, row: &SqliteRow, decisions: Vec<Decision>) -> Result<Stored, StateError> {
        let (id, text): (String, String) = (row.get("id"), row.get("stored"));
        let call: Option<StoredCall> = serde_json::from_str(&text).ok();
        let call = call.filter(|call| call.id() == id).ok_or_else(|| {
            let message = format!("approval {id} is not what was asked for: the file was changed");
            (self.fault())(sqlx::Error::Protocol(message))
        })?;
        Ok(Stored {
            call,
            state: State::of(row.get("state")),
            decisions,
            redeemed_by: row.get("call"),
            why: row.get("why"),
            outcome: row.get("outcome"),
            id,
        })
    }
}

fn decision(row: &SqliteRow) -> Option<Decision> {
    Some(Decision {
        subject: row.get("subject"),
        identity: serde_json::from_str(row.get("identity")).ok()?,
        yes: row.get("yes"),
        reason: row.get("reason"),
        time: row.get("time"),
    })
}

/// Whether a decision counts, by the rules that no policy can change.
fn countable(stored: &Stored, decision: &Decision) -> Result<(), Refused> {
    if stored.state != State::Pending {
        return Err(Refused::NotPending(stored.state));
    }
    if stored.call.expires <= now() {
        return Err(Refused::Expired);
    }
    // A requester may always take the own call back, but says yes to it only where that is asked.
    let own = decision.subject == stored.call.requester;
    if own && decision.yes && stored.call.level != Approval::Confirm {
        return Err(Refused::OwnCall);
    }
    if stored.decisions.iter().any(|earlier| earlier.subject == decision.subject) {
        return Err(Refused::Twice);
    }
    Ok(())
}

/// What ties an approval to a call.
fn binding(requester: &str, tool: &str, arguments: &Value) -> String {
    let whole = serde_json::json!([requester, tool, arguments]);
    hex(&Sha256::digest(serde_json_canonicalizer::to_string(&whole).unwrap_or_default()))
}

#[cfg(test)]
mod tests;

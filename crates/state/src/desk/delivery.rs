//! From a yes to a receipt, once: the journal's steps around a sending that may fail in every way.

use std::future::Future;

use contract::{Kind, ToolError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::journal::{Begun, Entry, Step};
use super::{Desk, Draft};
use crate::StateError;

/// How long whoever sends may take, in milliseconds: longer than any request.
const WITHIN: i64 = 3 * 60_000;

/// Why there is no receipt.
#[derive(Debug)]
pub enum Lost {
    /// Nothing arrived.
    Nothing(ToolError),
    /// It may have arrived: for the log.
    Unknown(String),
}

/// What looking for something sent came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// It is there.
    At(T),
    /// Everything since then was looked at: it is not there.
    Nowhere,
    /// It was not seen, which proves nothing.
    Unsure,
}

/// One thing to be sent to one place.
pub trait Errand: Sync {
    /// What it is called where it arrived.
    type Receipt: Serialize + DeserializeOwned + Send + Sync;

    /// How far a search at the far side may lag behind, in milliseconds; `None` where what it does
    /// not find may have arrived all the same.
    const LAG: Option<i64>;

    /// Sends it.
    fn send(&self) -> impl Future<Output = Result<Self::Receipt, Lost>> + Send;

    /// Looks for it where it should have arrived, among what came since then, in milliseconds
    /// since 1970.
    fn find(
        &self,
        since: i64,
    ) -> impl Future<Output = Result<Found<Self::Receipt>, ToolError>> + Send;
}

/// What a sending is bound by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// The SHA-256 of what was approved.
    pub digest: &'a str,
    /// How much goes to the target in a day (UTC).
    pub cap: u32,
    /// What there is a cap on: `tickets and comments`.
    pub what: &'a str,
    /// The tool that tells what became of it.
    pub verify: &'a str,
}

/// How it stands with something that was to be sent.
#[derive(Debug)]
pub enum Standing<T> {
    /// It arrived.
    Sent(T),
    /// It is being sent, or nobody knows yet; why.
    Open(String),
    /// Nothing arrived; why.
    Nothing(String),
    /// Nobody has approved it yet.
    Never,
}

/// A desk that cannot be kept: nothing is sent.
pub fn unkept(error: StateError) -> ToolError {
    let message = "the drafts cannot be read or written, so nothing was done; tell the operator.";
    ToolError::unavailable(message, error)
}

impl Desk {
    /// The owner's draft of this name, whose revision, where it names one, is the newest: an older
    /// one is another draft. `lister` is the tool that lists drafts, for the error.
    pub async fn named(&self, owner: &str, name: &str, lister: &str) -> Result<Draft, ToolError> {
        let unknown = || {
            let shown: String = name.chars().take(60).collect();
            ToolError::not_found(format!("you have no draft `{shown}`; {lister} lists yours."))
        };
        let (id, revision) = match Draft::parse(name) {
            Some((id, revision)) => (id, Some(revision)),
            None => (name, None),
        };
        let draft = self.find(owner, id).await.map_err(unkept)?.ok_or_else(unknown)?;
        if revision.is_some_and(|revision| revision != draft.revision) {
            let message = format!("that draft was changed: it is {} now.", draft.name());
            return Err(ToolError::not_found(message));
        }
        Ok(draft)
    }

    /// Sends what was approved, unless it was sent before: the receipt, and whether it is new.
    pub async fn deliver<E: Errand>(
        &self,
        draft: &Draft,
        errand: &E,
        terms: Terms<'_>,
    ) -> Result<(E::Receipt, bool), ToolError> {
        let begun = self.begin(draft, terms.digest, Some(terms.cap)).await.map_err(unkept)?;
        let entry = match begun {
            Begun::Ours(entry) => entry,
            Begun::Earlier(entry) => {
                let sent = (entry.step == Step::Sent).then(|| receipt(&entry)).flatten();
                return sent.map(|receipt| (receipt, false)).ok_or_else(|| open(terms.verify));
            }
            Begun::Full => return Err(full(&draft.target, terms)),
            Begun::Changed => {
                let message = "the draft was changed meanwhile; nothing was done. Ask for its newest revision.";
                return Err(ToolError::new(Kind::Denied, message));
            }
        };
        if !self.sending(&entry, WITHIN).await.map_err(unkept)? {
            return Err(open(terms.verify));
        }
        match errand.send().await {
            Ok(receipt) => {
                self.arrived(&entry, &receipt).await;
                Ok((receipt, true))
            }
            Err(Lost::Nothing(error)) => {
                complain(self.failed(&entry, &error.message).await);
                Err(error)
            }
            Err(Lost::Unknown(why)) => {
                complain(self.unknown(&entry, &why).await);
                tracing::warn!(draft = %draft.name(), %why, "no answer to what was sent");
                // Looked for before anybody may think of trying again.
                match errand.find(entry.began).await {
                    Ok(Found::At(receipt)) => {
                        self.arrived(&entry, &receipt).await;
                        Ok((receipt, true))
                    }
                    _ => Err(open(terms.verify).with_log(why)),
                }
            }
        }
    }

    /// How it stands; what is not known is looked for.
    pub async fn settle<E: Errand>(
        &self,
        draft: &Draft,
        errand: &E,
    ) -> Result<Standing<E::Receipt>, ToolError> {
        let Some(entry) = self.last(&draft.id).await.map_err(unkept)? else {
            return Ok(Standing::Never);
        };
        match entry.step {
            Step::Sent => {
                if let Some(receipt) = receipt(&entry) {
                    return Ok(Standing::Sent(receipt));
                }
            }
            Step::Failed => return Ok(Standing::Nothing(entry.why.unwrap_or_default())),
            Step::Approved if !entry.is_over(WITHIN) => {
                return Ok(Standing::Open("it is about to be sent".to_owned()));
            }
            Step::Approved => {
                // Whoever had the yes died before anything left; nobody may send it any more.
                let why = "interrupted before it left";
                self.failed(&entry, why).await.map_err(unkept)?;
                return Ok(Standing::Nothing(why.to_owned()));
            }
            Step::Sending | Step::Unknown => {}
        }
        let is_gone = match errand.find(entry.began).await? {
            Found::At(receipt) => {
                self.arrived(&entry, &receipt).await;
                return Ok(Standing::Sent(receipt));
            }
            Found::Nowhere => entry.is_over(0),
            Found::Unsure => E::LAG.is_some_and(|lag| entry.is_over(lag)),
        };
        if !is_gone {
            let why = entry.why.unwrap_or_else(|| "it may be on its way".to_owned());
            return Ok(Standing::Open(why));
        }
        let why = "it was looked for and did not arrive";
        self.failed(&entry, why).await.map_err(unkept)?;
        Ok(Standing::Nothing(why.to_owned()))
    }

    /// Keeps where it arrived. What cannot be kept is found again by its marker.
    async fn arrived<T: Serialize + Sync>(&self, entry: &Entry, receipt: &T) {
        let reference = serde_json::to_string(receipt).unwrap_or_default();
        complain(self.sent(entry, &reference).await);
    }
}

fn complain(kept: Result<(), StateError>) {
    if let Err(error) = kept {
        tracing::error!(%error, "what became of something sent could not be kept");
    }
}

fn receipt<T: DeserializeOwned>(entry: &Entry) -> Option<T> {
    entry.reference.as_deref().and_then(|text| serde_json::from_str(text).ok())
}

/// Nobody knows whether it arrived: it is never sent again by itself.
fn open(verify: &str) -> ToolError {
    let message = format!(
        "it was sent or is being sent, and it is not known whether it arrived; it is not sent again. \
         {verify} looks for it."
    );
    ToolError::new(Kind::Timeout, message)
}

fn full(target: &str, terms: Terms<'_>) -> ToolError {
    let message = format!(
        "{target} takes {} {} a day, and has had them; nothing was done. Try again tomorrow (UTC).",
        terms.cap, terms.what
    );
    ToolError::new(Kind::Limited, message)
}

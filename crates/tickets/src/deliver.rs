//! Once, and provably: from a yes to a receipt, by the journal of the desk.

use contract::{Kind, ToolError};
use state::desk::journal::{Begun, Entry, Step};
use state::{Desk, Draft, StateError};

use crate::project::Project;
use crate::tracker::{Found, Lost, Outgoing, Receipt};

/// How long whoever sends may take, in milliseconds: longer than any request.
const WITHIN: i64 = 3 * 60_000;
/// How long a tracker's own search may lag behind, in milliseconds.
const LAG: i64 = 60 * 60_000;

/// How it stands with something that was to be sent.
#[derive(Debug)]
pub(crate) enum Standing {
    /// It arrived.
    Sent(Receipt),
    /// It is being sent, or nobody knows yet.
    Open(String),
    /// Nothing arrived; why.
    Nothing(String),
    /// Nobody has approved it yet.
    Never,
}

/// State that cannot be kept: nothing is sent.
pub(crate) fn unkept(error: StateError) -> ToolError {
    let message = "the drafts cannot be read or written, so nothing was done; tell the operator.";
    ToolError::unavailable(message, error)
}

/// Sends what was approved, unless it was sent before.
pub(crate) async fn deliver(
    desk: &Desk,
    project: &Project,
    draft: &Draft,
    outgoing: &Outgoing,
) -> Result<(Receipt, bool), ToolError> {
    let digest = outgoing.digest(project);
    let begun = desk.begin(draft, &digest, Some(project.per_day())).await.map_err(unkept)?;
    let entry = match begun {
        Begun::Ours(entry) => entry,
        Begun::Earlier(entry) if entry.step == Step::Sent => return Ok((receipt(&entry), false)),
        Begun::Earlier(_) => return Err(open()),
        Begun::Full => {
            let message = format!(
                "{} takes {} tickets and comments a day, and has had them; nothing was done. Try again tomorrow (UTC).",
                project.id,
                project.per_day()
            );
            return Err(ToolError::new(Kind::Limited, message));
        }
        Begun::Changed => {
            let message = "the draft was changed meanwhile; nothing was done. ticket_drafts shows its newest revision.";
            return Err(ToolError::new(Kind::Denied, message));
        }
    };
    if !desk.sending(&entry, WITHIN).await.map_err(unkept)? {
        return Err(open());
    }
    match project.tracker.send(&project.at, outgoing).await {
        Ok(receipt) => {
            arrived(desk, &entry, &receipt).await;
            Ok((receipt, true))
        }
        Err(Lost::Nothing(error)) => {
            complain(desk.failed(&entry, &error.message).await);
            Err(error)
        }
        Err(Lost::Unknown(why)) => {
            complain(desk.unknown(&entry, &why).await);
            tracing::warn!(draft = %draft.name(), %why, "no answer to what was sent: looking for it");
            // Looked for before anybody may think of trying again.
            match project.tracker.find(&project.at, outgoing, entry.began).await {
                Ok(Found::At(receipt)) => {
                    arrived(desk, &entry, &receipt).await;
                    Ok((receipt, true))
                }
                _ => Err(open().with_log(why)),
            }
        }
    }
}

/// How it stands; what is not known is looked for.
pub(crate) async fn settle(
    desk: &Desk,
    project: &Project,
    draft: &Draft,
    outgoing: &Outgoing,
) -> Result<Standing, ToolError> {
    let Some(entry) = desk.last(&draft.id).await.map_err(unkept)? else {
        return Ok(Standing::Never);
    };
    match entry.step {
        Step::Sent => return Ok(Standing::Sent(receipt(&entry))),
        Step::Failed => return Ok(Standing::Nothing(entry.why.unwrap_or_default())),
        Step::Approved if !entry.is_over(WITHIN) => {
            return Ok(Standing::Open("it is about to be sent".to_owned()));
        }
        Step::Approved => {
            // Whoever had the yes died before anything left; nobody else may send it any more.
            desk.failed(&entry, "interrupted before it left").await.map_err(unkept)?;
            return Ok(Standing::Nothing("interrupted before it left".to_owned()));
        }
        Step::Sending | Step::Unknown => {}
    }
    let found = project.tracker.find(&project.at, outgoing, entry.began).await?;
    let is_gone = match found {
        Found::At(receipt) => {
            arrived(desk, &entry, &receipt).await;
            return Ok(Standing::Sent(receipt));
        }
        Found::Nowhere => entry.is_over(0),
        Found::Unsure => entry.is_over(LAG),
    };
    if !is_gone {
        let why = entry.why.unwrap_or_else(|| "it may be on its way".to_owned());
        return Ok(Standing::Open(why));
    }
    let why = "it was looked for and did not arrive";
    desk.failed(&entry, why).await.map_err(unkept)?;
    Ok(Standing::Nothing(why.to_owned()))
}

/// Keeps where it arrived. What cannot be kept is found again by its marker.
async fn arrived(desk: &Desk, entry: &Entry, receipt: &Receipt) {
    let reference = serde_json::to_string(receipt).unwrap_or_default();
    complain(desk.sent(entry, &reference).await);
}

fn complain(kept: Result<(), StateError>) {
    if let Err(error) = kept {
        tracing::error!(%error, "what became of something sent could not be kept");
    }
}

fn receipt(entry: &Entry) -> Receipt {
    let kept = entry.reference.as_deref().and_then(|text| serde_json::from_str(text).ok());
    kept.unwrap_or(Receipt { ticket: String::new(), comment: None, url: String::new() })
}

/// Nobody knows whether it arrived: it is never sent again by itself.
fn open() -> ToolError {
    let message = "it was sent or is being sent, and it is not known whether it arrived; it is not sent again. \
                   ticket_verify looks for it.";
    ToolError::new(Kind::Timeout, message)
}

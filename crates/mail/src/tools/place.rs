//! `mail_place`: puts a draft among the person's own drafts, where they read, change and send it
//! themselves.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Part, Preview, Reason, Size, Target, Text, Tool,
    ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use state::Draft;
use state::desk::Unkept;
use state::desk::delivery::Standing;

use super::draft::unwritten;
use crate::content::{Content, Placed, preview};
use crate::digest::sha256;
use crate::{Mail, Prepared};

/// Places a draft.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_place",
    title: "Place",
    purpose: "Puts a draft into the person's own drafts.",
    effect: Effect::Drafts,
    approval: Approval::None,
    limit: Limit::per_minute(30),
    timeout: Duration::from_mins(1),
    size: Size::tokens(500),
    verified_by: Some("mail_verify"),
};

pub(crate) struct PlaceDraft;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    pub(crate) draft: String,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for PlaceDraft {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Mail, args: &Args) -> Target {
        Mail::target_of(&args.draft)
    }

    async fn preview(server: &Mail, ctx: &Ctx, args: &Args) -> Result<Option<Preview>, ToolError> {
        let one = placeable(server, ctx, args).await?;
        Ok(Some(preview(&one.account, &one.built, "Put a draft into the person's drafts")))
    }

    async fn call(server: &Mail, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let one = placeable(server, ctx, &args).await?;
        let sha256 = sha256(&one.built.draft);
        let _alone = server.placing.lock().await;
        let (_, draft, now) = server.kept(ctx, &one.draft.id).await?;
        let before = now.placed.as_ref().filter(|placed| placed.sha256 == sha256);
        if let Some(placed) = before.filter(|_| draft.revision != one.draft.revision) {
            return Ok(told("placed before, not again", placed, &draft));
        }
        let is_there = unchanged(&one).await?.is_some_and(|there| there == sha256);
        let before = one.content.placed.as_ref().filter(|placed| placed.sha256 == sha256);
        if let Some(placed) = before.filter(|_| is_there) {
            return Ok(told("placed before, not again", placed, &one.draft));
        }
        let mailbox = one.account.mailbox.put(&one.built.draft, &one.draft.marker).await?;
        let placed = Placed { mailbox, sha256 };
        let content = Content { placed: Some(placed.clone()), ..one.content.clone() };
        let draft = match server.desk.revise(&one.draft, &content.stored()?).await {
            Ok(draft) => draft,
            // By another call that did the same.
            Err(Unkept::Changed(_)) => {
                let (_, draft, now) = server.kept(ctx, &one.draft.id).await?;
                if now.placed.as_ref() != Some(&placed) {
                    return Err(unwritten(Unkept::Changed(draft.revision)));
                }
                draft
            }
            Err(error) => return Err(unwritten(error)),
        };
        Ok(told("placed", &placed, &draft))
    }
}

fn told(done: &str, placed: &Placed, draft: &Draft) -> Text {
    let text = format!(
        "{done}: in {}, and named {} now. The person reads, changes and sends it there.",
        crate::inert::short(&placed.mailbox, 80),
        draft.name()
    );
    Text { parts: vec![Part::Text(text)], more: None }
}

/// A draft that was not sent.
async fn placeable(server: &Mail, ctx: &Ctx, args: &Args) -> Result<Prepared, ToolError> {
    let one = server.prepared(ctx, &args.draft, true).await?;
    if matches!(server.settle(&one).await?, Standing::Never | Standing::Nothing(_)) {
        return Ok(one);
    }
    Err(ToolError::invalid("draft: it was sent or may have been; mail_verify tells."))
}

/// The SHA-256 of the draft among the person's own, if it is there. Fails where the person has
/// changed it: their words are not overwritten, and what somebody approves is not this.
pub(crate) async fn unchanged(one: &Prepared) -> Result<Option<String>, ToolError> {
    let now = one.account.mailbox.now(&one.draft.marker).await?;
    let (now, placed) = (now.as_deref().map(sha256), one.content.placed.as_ref());
    let is_ours = |hash: &String| {
        placed.is_some_and(|placed| placed.sha256 == *hash) || sha256(&one.built.draft) == *hash
    };
    match &now {
        Some(hash) if !is_ours(hash) => Err(ToolError::new(
            contract::Kind::Denied,
            "the person changed the draft in their mailbox, so it is theirs now; nothing was done. Draft a new one if need be.",
        )),
        None if placed.is_some() => Err(ToolError::new(
            contract::Kind::Denied,
            "the draft is not in the mailbox any more: the person sent or deleted it; nothing was done.",
        )),
        _ => Ok(now),
    }
}

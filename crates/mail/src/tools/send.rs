//! `mail_send`: sends a draft, once another person has said yes to exactly these bytes and these
//! recipients.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Part, Preview, Size, Target, Text, Tool,
    ToolError,
};

use state::desk::delivery::unkept;
use state::desk::journal::Step;

use super::place::{Args, unchanged};
use crate::content::preview;
use crate::{Mail, Prepared};

/// Sends a mail. Offered only where an account allows it.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_send",
    title: "Send",
    purpose: "Sends a draft, once approved.",
    effect: Effect::Commits,
    approval: Approval::One,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(2),
    size: Size::tokens(500),
    verified_by: Some("mail_verify"),
};

pub(crate) struct Send;

impl Tool for Send {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Mail, args: &Args) -> Target {
        Mail::target_of(&args.draft)
    }

    async fn preview(server: &Mail, ctx: &Ctx, args: &Args) -> Result<Option<Preview>, ToolError> {
        let one = ready(server, ctx, args).await?;
        Ok(Some(preview(&one.account, &one.built, "Send a mail")))
    }

    async fn call(server: &Mail, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let one = ready(server, ctx, &args).await?;
        let (receipt, is_new) = server.deliver(&one).await?;
        if is_new && one.content.placed.is_some() {
            // Else the person could send it once more.
            let taken = one.account.mailbox.take(&one.built.draft, &one.draft.marker).await;
            if let Err(error) = taken {
                tracing::warn!(log = ?error.log, "a draft that was sent stays among the drafts");
            }
        }
        let done = if is_new { "sent" } else { "sent before, not again" };
        let text = format!("{done}: {} by {}", receipt.message_id, receipt.way);
        Ok(Text { parts: vec![Part::Text(text)], more: None })
    }
}

/// A draft that may be sent: its account allows it, and nobody has changed it elsewhere.
async fn ready(server: &Mail, ctx: &Ctx, args: &Args) -> Result<Prepared, ToolError> {
    let one = server.prepared(ctx, &args.draft, true).await?;
    if !one.account.settings.send {
        let message = format!(
            "the account {} sends nothing; mail_place puts the draft into the person's own drafts.",
            one.account.id
        );
        return Err(ToolError::new(Kind::Denied, message));
    }
    let last = server.desk.last(&one.draft.id).await.map_err(unkept)?;
    if last.is_none_or(|entry| entry.step == Step::Failed) {
        unchanged(&one).await?;
    }
    Ok(one)
}

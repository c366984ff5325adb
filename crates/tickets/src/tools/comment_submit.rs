//! `ticket_comment_submit`: adds a drafted comment, once a person has said yes to exactly that.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Preview, Size, Target, Text, Tool, ToolError,
};

use super::submit::{Args, revision, submit};
use crate::{Prepared, Tickets};

/// Adds a comment.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_comment_submit",
    title: "Comment submit",
    purpose: "Adds a drafted comment.",
    effect: Effect::Commits,
    approval: Approval::Confirm,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(1),
    size: Size::tokens(500),
    verified_by: Some("ticket_verify"),
};

pub(crate) struct SubmitComment;

impl Tool for SubmitComment {
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Tickets, args: &Args) -> Target {
        Tickets::target_of(&args.draft)
    }

    async fn preview(
        server: &Tickets,
        ctx: &Ctx,
        args: &Args,
    ) -> Result<Option<Preview>, ToolError> {
        let prepared = comment(server, ctx, args).await?;
        Ok(Some(prepared.outgoing.preview(&prepared.project, &prepared.content.notes())))
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let prepared = comment(server, ctx, &args).await?;
        submit(server, &prepared).await
    }
}

/// The draft of a comment, by its whole name.
async fn comment(server: &Tickets, ctx: &Ctx, args: &Args) -> Result<Prepared, ToolError> {
    let prepared = revision(server, ctx, &args.draft).await?;
    if prepared.content.on.is_none() {
        return Err(ToolError::invalid("draft: that is a ticket; ticket_submit files it."));
    }
    Ok(prepared)
}

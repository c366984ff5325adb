//! `ticket_submit`: files a drafted ticket, once a person has said yes to exactly what would leave.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Part, Preview, Reason, Size, Target, Text, Tool,
    ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::tracker::Receipt;
use crate::{Prepared, Tickets};

/// Files a ticket.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_submit",
    title: "Submit",
    purpose: "Files a draft, once approved.",
    effect: Effect::Commits,
    approval: Approval::Confirm,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(1),
    size: Size::tokens(500),
    verified_by: Some("ticket_verify"),
};

pub(crate) struct Submit;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    pub(crate) draft: String,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for Submit {
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
        let prepared = ticket(server, ctx, args).await?;
        Ok(Some(prepared.outgoing.preview(&prepared.project, &prepared.content.notes())))
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let prepared = ticket(server, ctx, &args).await?;
        submit(server, &prepared).await
    }
}

/// The draft of a ticket, by its whole name.
async fn ticket(server: &Tickets, ctx: &Ctx, args: &Args) -> Result<Prepared, ToolError> {
    let prepared = revision(server, ctx, &args.draft).await?;
    if prepared.content.on.is_some() {
        return Err(ToolError::invalid("draft: that is a comment; ticket_comment_submit adds it."));
    }
    Ok(prepared)
}

/// A draft by a name that says which revision: what is approved is one revision.
pub(crate) async fn revision(
    server: &Tickets,
    ctx: &Ctx,
    name: &str,
) -> Result<Prepared, ToolError> {
    let prepared = server.draft(ctx, name).await?;
    if state::Draft::parse(name).is_none() {
        let message = format!("draft: write its whole name, {}.", prepared.draft.name());
        return Err(ToolError::invalid(message));
    }
    prepared.content.check(&prepared.project)?;
    Ok(prepared)
}

/// Sends it, and tells where it is.
pub(crate) async fn submit(server: &Tickets, prepared: &Prepared) -> Result<Text, ToolError> {
    let (receipt, is_new) = server.deliver(prepared).await?;
    let done = if is_new { "filed" } else { "filed before, not again" };
    let text = format!("{done}: {}", told(&prepared.project.id, &receipt));
    Ok(Text { parts: vec![Part::Text(text)], more: None })
}

/// What something is called where it arrived.
pub(crate) fn told(project: &str, receipt: &Receipt) -> String {
    let mut text = format!("{project}#{}", super::one_line(&receipt.ticket, 40));
    if let Some(comment) = &receipt.comment {
        text.push_str(&format!(" comment {}", super::one_line(comment, 40)));
    }
    if !receipt.url.is_empty() {
        text.push_str(&format!(" {}", super::one_line(&receipt.url, 300)));
    }
    text
}

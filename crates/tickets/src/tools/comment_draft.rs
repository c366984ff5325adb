//! `ticket_comment_draft`: writes a comment on a ticket that is there.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Part, Reason, Size, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::draft::unwritten;
use super::{line, named};
use crate::Tickets;
use crate::content::Content;

/// Drafts a comment: nothing leaves.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_comment_draft",
    title: "Comment draft",
    purpose: "Drafts a comment.",
    effect: Effect::Drafts,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(20),
    size: Size::tokens(500),
    verified_by: None,
};

pub(crate) struct DraftComment;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 80))]
    ticket: String,
    #[schemars(length(max = 20_000))]
    body: String,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for DraftComment {
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Tickets, args: &Args) -> Target {
        server.target(named(&args.ticket).0)
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let owner = &ctx.principal().subject;
        let (project, ticket) = named(&args.ticket);
        let project = server.project(ctx, project)?;
        // It must be there: a comment on nothing would be asked for in vain.
        let there = project.tracker.read(&project.at, ticket, u64::MAX).await?;
        let content = Content::comment(&project, &there.hit.ticket, &args.body, owner)?;
        let stored = content.stored()?;
        let kept = server.desk.draft(owner, (&project.id, "comment"), &stored, server.keep).await;
        let draft = kept.map_err(unwritten)?;
        let mut text = format!("draft {}", draft.name());
        if !content.notes().is_empty() {
            text.push_str(&format!("\nmade harmless: {}", content.notes()));
        }
        text.push_str("\na comment on:");
        let source = format!("ticket://{}", project.id);
        let parts =
            vec![Part::Text(text), Part::Untrusted { source, text: line(&project, &there.hit) }];
        Ok(Text { parts, more: None })
    }
}

//! `ticket_read`: one ticket with its comments.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{line, named, one_line};
use crate::Tickets;

/// Reads a ticket.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_read",
    title: "Read",
    purpose: "Reads a ticket.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(120),
    timeout: Duration::from_secs(40),
    size: Size::tokens(4_000),
    verified_by: None,
};

pub(crate) struct Read;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 80))]
    ticket: String,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for Read {
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Tickets, args: &Args) -> Target {
        server.target(named(&args.ticket).0)
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let (project, ticket) = named(&args.ticket);
        let project = server.project(ctx, project)?;
        let cursor = args.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let from = cursor.map(|cursor| ctx.open_cursor(cursor)).transpose()?;
        let skip = from.and_then(|from| from.as_u64()).unwrap_or(0);
        let ticket = project.tracker.read(&project.at, ticket, skip).await?;
        let mut text = format!("{}\n", line(&project, &ticket.hit));
        if skip == 0 {
            let (author, created) = (one_line(&ticket.author, 60), one_line(&ticket.created, 30));
            text.push_str(&format!("by {author}, {created}\n{}\n", ticket.body.trim_end()));
        }
        for comment in &ticket.comments {
            let (id, author) = (one_line(&comment.id, 40), one_line(&comment.author, 60));
            let created = one_line(&comment.created, 30);
            text.push_str(&format!(
                "\n-- comment {id} by {author}, {created}\n{}\n",
                comment.body.trim_end()
            ));
        }
        let count = ticket.comments.len() as u64;
        let mut trailer = match count {
            0 if skip == 0 => "no comments".to_owned(),
            0 => "no more comments".to_owned(),
            _ => format!("comments {}-{}", skip + 1, skip + count),
        };
        if let Some(all) = ticket.more {
            let next = ctx.seal_cursor(&json!(skip + crate::tracker::COMMENTS));
            trailer.push_str(&format!(" of {all}; next: cursor={next}"));
        }
        let source = format!("ticket://{}/{}", project.id, one_line(&ticket.hit.ticket, 40));
        let parts = vec![Part::Untrusted { source, text }, Part::Text(trailer)];
        Ok(Text { parts, more: Some("the rest of a long ticket is in the tracker itself") })
    }
}

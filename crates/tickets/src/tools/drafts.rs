//! `ticket_drafts`: the caller's drafts, or one as it would leave.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use state::desk::delivery::unkept;
use state::desk::journal::Step;

use super::one_line;
use crate::content::Content;
use crate::{Tickets, named};

/// Lists drafts.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_drafts",
    title: "Drafts",
    purpose: "Lists drafts, or shows one.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(120),
    timeout: Duration::from_secs(10),
    size: Size::tokens(9_500),
    verified_by: None,
};

/// How many are shown, the last written first.
const MOST: u32 = 100;

pub(crate) struct Drafts;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    draft: Option<String>,
}

impl Tool for Drafts {
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Tickets, args: &Args) -> Target {
        match args.draft.as_deref().filter(|draft| !draft.is_empty()) {
            Some(draft) => Tickets::target_of(draft),
            None => server.target(None),
        }
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        if let Some(name) = args.draft.as_deref().filter(|draft| !draft.is_empty()) {
            let prepared = server.draft(ctx, name).await?;
            let preview = prepared.outgoing.preview(&prepared.project, &prepared.content.notes());
            let source = format!("draft://{}", prepared.draft.name());
            let parts = vec![Part::Untrusted { source, text: preview.to_string() }];
            return Ok(Text { parts, more: None });
        }
        let owner = &ctx.principal().subject;
        let drafts = server.desk.drafts(owner, MOST).await.map_err(unkept)?;
        let mut lines = Vec::new();
        for draft in &drafts {
            if !ctx.permits(&named(&draft.target)) {
                continue;
            }
            let content = Content::of(draft)?;
            let last = server.desk.last(&draft.id).await.map_err(unkept)?;
            let step = last.map_or("draft", |entry| match entry.step {
                Step::Failed => "not sent",
                step => step.word(),
            });
            let what = match &content.on {
                Some(ticket) => {
                    format!("comment on {}: {}", one_line(ticket, 40), one_line(&content.body, 60))
                }
                None => one_line(&content.title, 100),
            };
            lines.push(format!("{} {step} {what}", draft.name()));
        }
        let count = if lines.len() == 1 {
            "1 draft".to_owned()
        } else if lines.is_empty() {
            "no drafts".to_owned()
        } else {
            format!("{} drafts", lines.len())
        };
        let mut parts = Vec::new();
        if !lines.is_empty() {
            let source = "draft://".to_owned();
            parts.push(Part::Untrusted { source, text: lines.join("\n") });
        }
        parts.push(Part::Text(count));
        Ok(Text { parts, more: None })
    }
}

//! `ticket_draft`: writes a ticket, or changes one that was written, and tells what is like it.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Part, Reason, Size, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use state::desk::Unkept;
use state::desk::delivery::unkept;

use super::line;
use crate::content::{Content, Said};
use crate::project::Project;
use crate::tracker::{Hit, Wanted, Which};
use crate::{Prepared, Tickets};

/// Drafts a ticket: nothing leaves.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_draft",
    title: "Draft",
    purpose: "Drafts or changes a ticket.",
    effect: Effect::Drafts,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(20),
    size: Size::tokens(1_500),
    verified_by: None,
};

/// How long looking for similar tickets may take.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many similar tickets are told.
const SIMILAR: usize = 5;

pub(crate) struct DraftTicket;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    project: Option<String>,
    #[schemars(length(max = 60))]
    draft: Option<String>,
    #[schemars(length(max = 40))]
    template: Option<String>,
    #[schemars(length(max = 200))]
    title: Option<String>,
    #[schemars(length(max = 20_000))]
    body: Option<String>,
    #[schemars(length(max = 20), inner(length(max = 50)))]
    labels: Option<Vec<String>>,
    #[schemars(extend("maxProperties" = 30, "additionalProperties" = {"type": "string", "maxLength": 5000}))]
    fields: Option<BTreeMap<String, String>>,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for DraftTicket {
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Tickets, args: &Args) -> Target {
        match args.draft.as_deref().filter(|draft| !draft.is_empty()) {
            Some(draft) => Tickets::target_of(draft),
            None => server.target(args.project.as_deref()),
        }
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let said = Said {
            template: args.template.filter(|name| !name.is_empty()),
            title: args.title,
            body: args.body,
            labels: args.labels,
            fields: args.fields.unwrap_or_default(),
        };
        let owner = &ctx.principal().subject;
        let named = args.draft.filter(|draft| !draft.is_empty());
        let (project, draft, content) = if let Some(name) = named {
            let Prepared { project, draft, content, .. } = server.draft(ctx, &name).await?;
            if content.on.is_some() {
                let message = "draft: that is a comment; ticket_comment_draft writes another.";
                return Err(ToolError::invalid(message));
            }
            let content = Content::ticket(&project, Some(content), said, owner)?;
            let kept = server.desk.revise(&draft, &content.stored()?).await;
            (project, kept.map_err(unwritten)?, content)
        } else {
            let project = server.project(ctx, args.project.as_deref())?;
            let content = Content::ticket(&project, None, said, owner)?;
            let stored = content.stored()?;
            let kept =
                server.desk.draft(owner, (&project.id, "ticket"), &stored, server.keep).await;
            (project, kept.map_err(unwritten)?, content)
        };
        let mut text = format!("draft {}", draft.name());
        if !content.notes().is_empty() {
            text.push_str(&format!("\nmade harmless: {}", content.notes()));
        }
        let mut parts = Vec::new();
        match similar(&project, &content.title).await {
            Ok(hits) if hits.is_empty() => text.push_str("\nno similar ticket found"),
            Ok(hits) => {
                text.push_str("\nsimilar tickets; comment there if it is the same:");
                let lines: Vec<String> = hits.iter().map(|hit| line(&project, hit)).collect();
                let source = format!("ticket://{}", project.id);
                parts.push(Part::Untrusted { source, text: lines.join("\n") });
            }
            Err(error) => {
                text.push_str(&format!("\nnot looked for similar tickets: {}", error.message));
            }
        }
        parts.insert(0, Part::Text(text));
        Ok(Text { parts, more: None })
    }
}

/// Tickets that are open and like the title.
async fn similar(project: &Project, title: &str) -> Result<Vec<Hit>, ToolError> {
    // Some trackers want every word: the longest ones say the most.
    let mut words = crate::tracker::words(title);
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.truncate(2);
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let words = words.join(" ");
    let wanted = Wanted { text: &words, state: Which::Open, most: SIMILAR };
    let searched = project.tracker.search(&project.at, &wanted);
    match tokio::time::timeout(PATIENCE, searched).await {
        Ok(found) => found.map(|found| found.hits),
        Err(_) => Err(ToolError::new(Kind::Timeout, "the tracker takes too long.")),
    }
}

/// A draft that was not kept.
pub(crate) fn unwritten(error: Unkept) -> ToolError {
    match error {
        Unkept::Unknown => {
            ToolError::not_found("you have no such draft; ticket_drafts lists yours.")
        }
        Unkept::Changed(revision) => ToolError::invalid(format!(
            "draft: revision {revision} was written meanwhile; ticket_drafts shows it."
        )),
        Unkept::Sent => ToolError::invalid(
            "draft: it was submitted, so it stays as it is; ticket_verify tells what came of it. Draft a new one.",
        ),
        Unkept::State(error) => unkept(error),
    }
}

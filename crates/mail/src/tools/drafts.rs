//! `mail_drafts`: the caller's drafts.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use state::desk::delivery::unkept;
use state::desk::journal::Step;

use crate::content::Content;
use crate::inert::short;
use crate::{Mail, named};

/// Lists drafts.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_drafts",
    title: "Drafts",
    purpose: "Lists your drafts.",
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
pub(crate) struct Args {}

impl Tool for Drafts {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Mail, _: &Args) -> Target {
        server.target(None)
    }

    async fn call(server: &Mail, ctx: &Ctx, _: Args) -> Result<Text, ToolError> {
        let owner = &ctx.principal().subject;
        let drafts = server.desk.drafts(owner, MOST).await.map_err(unkept)?;
        let mut lines = Vec::new();
        for draft in drafts.iter().filter(|draft| ctx.permits(&named(&draft.target))) {
            let content = Content::of(draft)?;
            let last = server.desk.last(&draft.id).await.map_err(unkept)?;
            let step = match (last.map(|entry| entry.step), &content.placed) {
                (Some(Step::Failed), _) => "not sent",
                (Some(step), _) => step.word(),
                (None, Some(_)) => "placed",
                (None, None) => "draft",
            };
            let to = short(&content.to.join(", "), 60);
            lines.push(format!("{} {step} to {to}: {}", draft.name(), short(&content.subject, 80)));
        }
        let count = match lines.len() {
            0 => "no drafts".to_owned(),
            1 => "1 draft".to_owned(),
            count => format!("{count} drafts"),
        };
        let mut parts = Vec::new();
        if !lines.is_empty() {
            parts.push(Part::Untrusted { source: "draft://".to_owned(), text: lines.join("\n") });
        }
        parts.push(Part::Text(count));
        Ok(Text { parts, more: None })
    }
}

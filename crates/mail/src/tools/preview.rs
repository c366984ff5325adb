//! `mail_preview`: a draft as its reader and its approver see it.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Mail;
use crate::content::preview;

/// Shows a draft.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_preview",
    title: "Preview",
    purpose: "Shows a draft as it would leave.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(20),
    size: Size::tokens(9_500),
    verified_by: None,
};

pub(crate) struct Preview;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    draft: String,
}

impl Tool for Preview {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Mail, args: &Args) -> Target {
        Mail::target_of(&args.draft)
    }

    async fn call(server: &Mail, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let one = server.prepared(ctx, &args.draft, false).await?;
        let source = format!("draft://{}", one.draft.name());
        let text = preview(&one.account, &one.built, "A mail").to_string();
        Ok(Text {
            parts: vec![Part::Untrusted { source, text }],
            more: Some("the text is shortened; the person sees all of it"),
        })
    }
}

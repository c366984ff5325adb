//! `ticket_search`: tickets of a project by words.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::line;
use crate::Tickets;
use crate::tracker::{Wanted, Which};

/// Finds tickets.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_search",
    title: "Search",
    purpose: "Finds tickets.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(40),
    size: Size::tokens(1_500),
    verified_by: None,
};

/// How many are shown.
const MOST: usize = 20;

pub(crate) struct Search;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    project: Option<String>,
    #[schemars(length(max = 200))]
    text: String,
    open: Option<bool>,
}

impl Tool for Search {
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Tickets, args: &Args) -> Target {
        server.target(args.project.as_deref())
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let project = server.project(ctx, args.project.as_deref())?;
        let state = match args.open {
            None => Which::All,
            Some(true) => Which::Open,
            Some(false) => Which::Closed,
        };
        if crate::tracker::words(&args.text).is_empty() {
            return Err(ToolError::invalid("text: name words that the ticket holds."));
        }
        let wanted = Wanted { text: &args.text, state, most: MOST };
        let found = project.tracker.search(&project.at, &wanted).await?;
        let lines: Vec<String> = found.hits.iter().map(|hit| line(&project, hit)).collect();
        let trailer = match lines.len() {
            0 => "no tickets".to_owned(),
            1 => "1 ticket".to_owned(),
            count if found.has_more => format!("{count} tickets of more; use more words"),
            count => format!("{count} tickets"),
        };
        let mut parts = Vec::new();
        if !lines.is_empty() {
            let source = format!("ticket://{}", project.id);
            parts.push(Part::Untrusted { source, text: lines.join("\n") });
        }
        parts.push(Part::Text(trailer));
        Ok(Text { parts, more: Some("ask for more particular words") })
    }
}

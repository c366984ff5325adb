//! `mail_contacts`: looks people up in the declared address book.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Mail, contacts};

/// Looks somebody up.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_contacts",
    title: "Contacts",
    purpose: "Finds addresses by name.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(10),
    size: Size::tokens(1_500),
    verified_by: None,
};

/// How many are shown.
const MOST: usize = 20;

pub(crate) struct Contacts;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    account: Option<String>,
    #[schemars(length(max = 100))]
    text: String,
}

impl Tool for Contacts {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Mail, args: &Args) -> Target {
        server.target(args.account.as_deref())
    }

    async fn call(server: &Mail, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let account = server.account(ctx, args.account.as_deref())?;
        let Some(path) = account.contacts.clone() else {
            return Err(ToolError::not_found("this account has no address book."));
        };
        let wanted = args.text.trim().to_lowercase();
        if wanted.is_empty() {
            return Err(ToolError::invalid("text: write a part of a name or an address."));
        }
        let all = tokio::task::spawn_blocking(move || contacts::read(&path)).await;
        let all = all.unwrap_or_else(|error| Err(ToolError::internal(error)))?;
        let fits = |one: &&contacts::Contact| {
            let whole = format!("{} {}", one.name, one.address.addr()).to_lowercase();
            wanted.split_whitespace().all(|word| whole.contains(word))
        };
        let found: Vec<_> = all.iter().filter(fits).collect();
        let line = |one: &&contacts::Contact| {
            let may = account.allowed.check(&one.address).is_ok();
            let note = if may { "" } else { " (may not be written to)" };
            format!("{} <{}>{note}", one.name, one.address.addr())
        };
        let lines: Vec<String> = found.iter().take(MOST).map(line).collect();
        let trailer = match found.len() {
            0 => "nobody".to_owned(),
            count if count > MOST => format!("{MOST} of {count}; write more of the name"),
            count => format!("{count} found"),
        };
        let mut parts = Vec::new();
        if !lines.is_empty() {
            let source = format!("contacts://{}", account.id);
            parts.push(Part::Untrusted { source, text: lines.join("\n") });
        }
        parts.push(Part::Text(trailer));
        Ok(Text { parts, more: None })
    }
}

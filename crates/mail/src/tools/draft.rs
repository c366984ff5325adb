//! `mail_draft`: writes a mail or an answer, or changes one that was written.

use std::collections::BTreeMap;
use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Part, Reason, Size, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use state::desk::Unkept;
use state::desk::delivery::unkept;

use crate::Mail;
use crate::account::Account;
use crate::content::{Content, Reply, Said};

/// Drafts a mail: nothing leaves.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_draft",
    title: "Draft",
    purpose: "Drafts or changes a mail; nothing leaves.",
    effect: Effect::Drafts,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(40),
    size: Size::tokens(500),
    verified_by: None,
};

pub(crate) struct DraftMail;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    account: Option<String>,
    #[schemars(length(max = 60))]
    draft: Option<String>,
    #[schemars(length(max = 999))]
    reply: Option<String>,
    #[schemars(length(max = 99), inner(length(max = 300)))]
    to: Option<Vec<String>>,
    #[schemars(length(max = 99), inner(length(max = 300)))]
    cc: Option<Vec<String>>,
    #[schemars(length(max = 99), inner(length(max = 300)))]
    bcc: Option<Vec<String>>,
    #[schemars(length(max = 200))]
    subject: Option<String>,
    #[schemars(length(max = 20_000))]
    body: Option<String>,
    #[schemars(length(max = 40))]
    template: Option<String>,
    #[schemars(length(max = 30), inner(length(max = 5000)))]
    fields: Option<BTreeMap<String, String>>,
    #[schemars(length(max = 20), inner(length(max = 500)))]
    attachments: Option<Vec<String>>,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for DraftMail {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Mail, args: &Args) -> Target {
        match args.draft.as_deref().filter(|draft| !draft.is_empty()) {
            Some(draft) => Mail::target_of(draft),
            None => server.target(args.account.as_deref()),
        }
    }

    async fn call(server: &Mail, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let owner = ctx.principal().subject.clone();
        let draft = args.draft.as_deref().filter(|draft| !draft.is_empty());
        let (account, mut content, kept) = if let Some(name) = draft {
            let (account, draft, content) = server.kept(ctx, name).await?;
            (account, content, Some(draft))
        } else {
            let account = server.account(ctx, args.account.as_deref())?;
            let content = Content::new(&account, &random()?);
            (account, content, None)
        };
        if let Some(id) = args.reply.as_deref().filter(|id| !id.is_empty()) {
            content.reply = Some(answered(&account, id).await?);
        }
        let said = Said {
            to: args.to,
            cc: args.cc,
            bcc: args.bcc,
            subject: args.subject,
            body: args.body,
            template: args.template.filter(|name| !name.is_empty()),
            fields: args.fields.unwrap_or_default(),
            attachments: args.attachments,
        };
        let id = account.id.clone();
        let work = move || content.write(&account, said).map(|()| content);
        let written = tokio::task::spawn_blocking(work).await;
        let content = written.unwrap_or_else(|error| Err(ToolError::internal(error)))?;
        let stored = content.stored()?;
        let draft = match &kept {
            Some(draft) => server.desk.revise(draft, &stored).await,
            None => server.desk.draft(&owner, (&id, "mail"), &stored, server.keep).await,
        };
        let draft = draft.map_err(unwritten)?;
        let mut text = format!("draft {}", draft.name());
        for file in &content.attachments {
            let (size, sha256) = (file.size, file.sha256.get(..12).unwrap_or_default());
            text.push_str(&format!("\nattached {} ({size} bytes, SHA-256 {sha256}…)", file.name));
        }
        if content.placed.is_some() {
            text.push_str(
                "\nan earlier revision is among the person's drafts; mail_place replaces it",
            );
        }
        Ok(Text { parts: vec![Part::Text(text)], more: None })
    }
}

/// The message that is answered, read by the server itself.
async fn answered(account: &Account, id: &str) -> Result<Reply, ToolError> {
    let id = id.trim();
    let id = if id.starts_with('<') { id.to_owned() } else { format!("<{id}>") };
    if !crate::message::is_id(&id) {
        return Err(ToolError::invalid("reply: write the Message-ID of the mail, such as <a@b>."));
    }
    let found = account.mailbox.original(&id).await?;
    let original = found.ok_or_else(|| {
        ToolError::not_found("reply: there is no mail of that Message-ID in the mailbox.")
    })?;
    Reply::of(&original)
}

/// The part of a Message-ID before the at sign.
fn random() -> Result<String, ToolError> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).map_err(ToolError::internal)?;
    Ok(contract::text::hex(&bytes))
}

/// A draft that was not kept.
pub(crate) fn unwritten(error: Unkept) -> ToolError {
    match error {
        Unkept::Unknown => ToolError::not_found("you have no such draft; mail_drafts lists yours."),
        Unkept::Changed(revision) => ToolError::invalid(format!(
            "draft: revision {revision} was written meanwhile; mail_preview shows it."
        )),
        Unkept::Sent => ToolError::new(
            Kind::Invalid,
            "draft: it was sent or may have been, so it stays as it is; mail_verify tells. Draft a new one.",
        ),
        Unkept::State(error) => unkept(error),
    }
}

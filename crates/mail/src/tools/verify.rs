//! `mail_verify`: what became of a draft, as the mailbox itself tells it.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use state::desk::delivery::Standing;

use crate::digest::sha256;
use crate::inert::short;
use crate::view::View;
use crate::{Mail, Prepared, Receipt};

/// Tells what became of a draft.
pub(crate) const CONTRACT: Contract = Contract {
    name: "mail_verify",
    title: "Verify",
    purpose: "Tells what became of a draft.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(2),
    size: Size::tokens(1_500),
    verified_by: None,
};

pub(crate) struct Verify;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    draft: String,
}

impl Tool for Verify {
    type Server = Mail;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Mail, args: &Args) -> Target {
        Mail::target_of(&args.draft)
    }

    async fn call(server: &Mail, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let one = server.prepared(ctx, &args.draft, false).await?;
        match server.settle(&one).await? {
            Standing::Never => placed(&one).await,
            Standing::Nothing(why) => Ok(plain(format!(
                "not sent: {}. To try again, change the draft with mail_draft and send it anew.",
                why.trim_end_matches('.')
            ))),
            Standing::Open(why) => Ok(plain(format!(
                "not known: {}. It is not sent again by itself; ask the recipient, or look into the sent mail.",
                short(why.trim_end_matches('.'), 200)
            ))),
            Standing::Sent(receipt) => sent(&one, &receipt).await,
        }
    }
}

fn plain(text: String) -> Text {
    Text { parts: vec![Part::Text(text)], more: None }
}

/// A draft that was never sent by us: where it is, and whether it is as it was placed.
async fn placed(one: &Prepared) -> Result<Text, ToolError> {
    let Some(placed) = &one.content.placed else {
        return Ok(plain("not placed and not sent: nothing has left.".to_owned()));
    };
    let mailbox = short(&placed.mailbox, 80);
    let now = one.account.mailbox.now(&one.draft.marker).await?;
    let text = match now.as_deref().map(sha256) {
        Some(hash) if hash == placed.sha256 => {
            format!("placed in {mailbox}: same bytes, SHA-256 {hash}; not sent")
        }
        Some(hash) => format!(
            "placed in {mailbox}: DIFFERENT, the person changed it; SHA-256 {hash} there, {} placed",
            placed.sha256
        ),
        None => match one.account.mailbox.sent(&one.content.message_id).await? {
            Some(_) => "the person sent it: it is among the sent mail".to_owned(),
            None => format!("no longer in {mailbox}: the person sent or deleted it"),
        },
    };
    Ok(plain(text))
}

/// A mail that was sent: as it is among the sent mail, and what came back of it.
async fn sent(one: &Prepared, receipt: &Receipt) -> Result<Text, ToolError> {
    let mailbox = &one.account.mailbox;
    let mut lines = vec![format!("sent: {} by {}", receipt.message_id, receipt.way)];
    let ours = one.built.sent_sha256();
    lines.push(match mailbox.sent(&receipt.message_id).await?.as_deref().map(sha256) {
        Some(hash) if hash == ours => {
            format!("in the sent mail: same bytes, SHA-256 {hash}")
        }
        Some(hash) => {
            format!("in the sent mail: DIFFERENT, SHA-256 {hash} there, {ours} sent")
        }
        None => "in the sent mail: not found".to_owned(),
    });
    let bounces = mailbox.bounces(&receipt.message_id).await?;
    let mut texts = Vec::new();
    for bounce in &bounces {
        let view = View::of(bounce);
        let is_own = view.message_id.as_deref() == Some(&receipt.message_id);
        if !is_own && is_report(bounce) {
            texts.push(format!("{}\n{}", short(&view.subject, 120), short(&view.text, 600)));
        }
    }
    let count = texts.len();
    lines.push(if count == 0 { "no bounce found".to_owned() } else { format!("bounced: {count}") });
    let mut parts = vec![Part::Text(lines.join("\n"))];
    if count > 0 {
        let source = format!("mail://{}/inbox", one.account.id);
        parts.push(Part::Untrusted { source, text: texts.join("\n\n") });
    }
    Ok(Text { parts, more: None })
}

/// Whether a message reports on a delivery (RFC 3464), or says so by who it is from.
fn is_report(bytes: &[u8]) -> bool {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n").unwrap_or(bytes.len().min(16_384));
    let header = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    header.contains("multipart/report")
        || header.lines().any(|line| line.starts_with("from:") && line.contains("mailer-daemon"))
}

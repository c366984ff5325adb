//! `ticket_verify`: what became of a draft, as the tracker itself tells it.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use state::desk::delivery::Standing;

use super::submit::told;
use super::{line, one_line};
use crate::project::Project;
use crate::tracker::{Receipt, same_lines};
use crate::{Prepared, Tickets};

/// Reads back what was filed.
pub(crate) const CONTRACT: Contract = Contract {
    name: "ticket_verify",
    title: "Verify",
    purpose: "Reads back what was filed.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(1),
    size: Size::tokens(1_000),
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
    type Server = Tickets;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Tickets, args: &Args) -> Target {
        Tickets::target_of(&args.draft)
    }

    async fn call(server: &Tickets, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let prepared = server.draft(ctx, &args.draft).await?;
        match server.settle(&prepared).await? {
            Standing::Never => Ok(plain("not submitted: nothing has left.".to_owned())),
            Standing::Nothing(why) => Ok(plain(format!(
                "not filed: {}. To try again, change the draft with ticket_draft and submit it anew.",
                why.trim_end_matches('.')
            ))),
            Standing::Open(why) => Ok(plain(format!(
                "not known yet: {}. It is not sent again; verify again in some minutes.",
                one_line(why.trim_end_matches('.'), 200)
            ))),
            Standing::Sent(receipt) => compared(&prepared, &receipt).await,
        }
    }
}

fn plain(text: String) -> Text {
    Text { parts: vec![Part::Text(text)], more: None }
}

/// What is there against what was sent.
async fn compared(prepared: &Prepared, receipt: &Receipt) -> Result<Text, ToolError> {
    let Prepared { project, outgoing, .. } = prepared;
    let (tracker, at) = (&project.tracker, &project.at);
    let (mut lines, there) = if let Some(id) = &receipt.comment {
        let comment = tracker.comment(at, &receipt.ticket, id).await?;
        (vec![body(prepared, &comment.body)], None)
    } else {
        let ticket = tracker.read(at, &receipt.ticket, u64::MAX).await?;
        let hit = &ticket.hit;
        let title = if hit.title == outgoing.title { "title: same" } else { "title: DIFFERENT" };
        let lines = vec![
            title.to_owned(),
            body(prepared, &ticket.body),
            labels(project, &outgoing.labels, &hit.labels),
            format!("state: {}", one_line(&hit.state, 20)),
        ];
        (lines, Some(line(project, hit)))
    };
    let differs = lines.iter().any(|line| line.contains("DIFFERENT"));
    let verdict = if differs { "filed, but it is different now" } else { "filed as approved" };
    lines.insert(0, format!("{verdict}: {}", told(&project.id, receipt)));
    let mut parts = vec![Part::Text(lines.join("\n"))];
    if let Some(there) = there {
        let source = format!("ticket://{}/{}", project.id, one_line(&receipt.ticket, 40));
        parts.push(Part::Untrusted { source, text: there });
    }
    Ok(Text { parts, more: None })
}

/// The body by its hash.
fn body(prepared: &Prepared, there: &str) -> String {
    let sent = prepared.project.tracker.as_read(&prepared.outgoing.body);
    let there = same_lines(there);
    let hash = |text: &str| contract::text::hex(&Sha256::digest(text));
    if sent == there {
        return format!("body: same, SHA-256 {}", hash(&sent));
    }
    let is_marked = there.contains(&prepared.outgoing.marker);
    let gone = if is_marked { "" } else { ", and the marker is gone" };
    format!("body: DIFFERENT, SHA-256 {} there, {} sent{gone}", hash(&there), hash(&sent))
}

/// The labels; of those that somebody added only the declared ones by name: any other name is
/// somebody else's words, which stand in the fence.
fn labels(project: &Project, sent: &[String], there: &[String]) -> String {
    let has = |some: &[String], name: &str| some.iter().any(|one| one.eq_ignore_ascii_case(name));
    let without = |some: &[String], others: &[String]| {
        let names = some.iter().filter(|one| !has(others, one));
        names.cloned().collect::<Vec<_>>()
    };
    let is_declared = |name: &String| has(&project.settings.labels, name);
    let missing = without(sent, there);
    let (mut added, others): (Vec<_>, Vec<_>) =
        without(there, sent).into_iter().partition(is_declared);
    match others.len() {
        0 => {}
        1 => added.push("1 that is not declared".to_owned()),
        count => added.push(format!("{count} that are not declared")),
    }
    if missing.is_empty() && added.is_empty() {
        return "labels: same".to_owned();
    }
    let mut text = "labels: DIFFERENT".to_owned();
    if !missing.is_empty() {
        text.push_str(&format!("; missing {}", missing.join(", ")));
    }
    if !added.is_empty() {
        text.push_str(&format!("; added {}", added.join(", ")));
    }
    text
}

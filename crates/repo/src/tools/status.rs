//! `repo_status`: what differs in the working tree.

use std::fmt::Write as _;
use std::time::Duration;

use bstr::ByteSlice as _;
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status::{Line, Status};
use crate::view::View;
use crate::{Repo, answer, path};

/// Tells what differs in the working tree.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_status",
    title: "Status",
    purpose: "Changes of the working tree.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(30),
    size: Size::tokens(2_000),
    verified_by: None,
};

pub(crate) struct Of;

// No doc comments: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
}

impl Tool for Of {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        server.view(ctx, args.repo.as_deref(), status).await
    }
}

fn status(view: &mut View) -> Result<Text, ToolError> {
    let status = view.status()?;
    let room = answer::room(&view.ctx, false);
    let mut text = format!("## {}\n", status.head);
    let mut shown = 0;
    for line in &status.lines {
        let line = told(line);
        if text.len() + line.len() > room {
            break;
        }
        text.push_str(&line);
        shown += 1;
    }
    let mut trailer = counts(&status);
    if shown < status.lines.len() {
        let _ = write!(trailer, "; shown 1-{shown} of {}", status.lines.len());
    }
    let source = format!("repo://{}/working-tree", view.repository.id);
    let parts = vec![Part::Untrusted { source, text }, Part::Text(trailer)];
    Ok(Text { parts, more: None })
}

/// A line of `git status --porcelain`.
fn told(line: &Line) -> String {
    let [index, work] = line.code;
    let path = path::shown(line.path.as_bstr());
    match &line.from {
        Some(from) => format!("{index}{work} {} -> {path}\n", path::shown(from.as_bstr())),
        None => format!("{index}{work} {path}\n"),
    }
}

fn counts(status: &Status) -> String {
    let count = |wanted: fn(&&Line) -> bool| status.lines.iter().filter(wanted).count();
    let staged = |line: &&Line| !line.is_conflict() && !matches!(line.code[0], ' ' | '?');
    let unstaged = |line: &&Line| !line.is_conflict() && !matches!(line.code[1], ' ' | '?');
    let mut told: Vec<String> = [
        (count(staged), "staged"),
        (count(unstaged), "unstaged"),
        (count(|line| line.is_conflict()), "conflicted"),
        (count(|line| line.code[0] == '?'), "untracked"),
        (status.hidden, "hidden"),
        (status.absent, "not checked out (sparse)"),
        (status.unread, "unreadable"),
        (status.stashes, if status.stashes == 1 { "stash" } else { "stashes" }),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    if status.lines.is_empty() {
        told.insert(0, "clean".to_owned());
    }
    if let Some(operation) = status.operation {
        told.push(format!("{operation} in progress"));
    }
    told.join("; ")
}

//! `repo_show`: a commit with its message and stat, or the hunks of some of its files.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::changes::{self, Chosen};
use crate::commit::{Commit, Person, clip};
use crate::plain::plain;
use crate::view::View;
use crate::{Repo, answer, date};

/// Shows one commit.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_show",
    title: "Show",
    purpose: "A commit; hunks of `path`.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: answer::DEFAULT,
    verified_by: None,
};

/// The most characters of a message that are shown: where it is longer, the stat still fits.
const MESSAGE: usize = 2_500;

pub(crate) struct Show;

// No doc comments on the fields: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(length(max = 999))]
    path: Option<String>,
}

impl Tool for Show {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| show(view, &args)).await
    }
}

fn show(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let chosen = Chosen::of(args.path.as_deref())?;
    let revision = view.resolve(args.rev.as_deref().filter(|rev| !rev.is_empty()))?;
    let commit = view.commit(&revision.id)?;
    let mut text = heading(&commit);
    // The clone may end here: then there is nothing to compare with.
    let number = view.reader.number(revision.id);
    let parent = view.reader.facts(number)?.parents.first().copied();
    let before = match parent {
        Some(parent) => Some(view.reader.facts(parent)?.tree),
        None => None,
    };
    let changes = view.changes(before.as_deref(), &commit.tree)?;
    let room = answer::room(&view.ctx, false).saturating_sub(text.len()).max(1_000);
    let short = revision.short();
    let next = |_: &View, line: usize| {
        let base = if parent.is_some() { format!("{short}^..{short}") } else { short.clone() };
        match chosen {
            Chosen::Stat => format!("; cut; the rest: repo_diff rev={base}"),
            _ => format!("; cut at line {line}; the rest: repo_diff rev={base} with this path"),
        }
    };
    let shown = changes::show(view, &changes, &chosen, false, (0, room), next)?;
    if !shown.text.is_empty() {
        text.push('\n');
        text.push_str(&shown.text);
    }
    let remark = if commit.parents.len() > 1 { " against the first parent" } else { "" };
    let trailer = remarked(&shown.trailer, remark);
    let source = view.repository.address(&short, None);
    Ok(Text {
        parts: vec![Part::Untrusted { source, text }, Part::Text(trailer)],
        more: Some("name a path"),
    })
}

/// Puts a remark behind the counts of a trailer.
fn remarked(trailer: &str, remark: &str) -> String {
    match trailer.split_once(';') {
        Some((counts, rest)) => format!("{counts}{remark};{rest}"),
        None => format!("{trailer}{remark}"),
    }
}

/// Id, parents, people, message.
fn heading(commit: &Commit) -> String {
    let mut text = format!("commit {}\n", commit.id);
    if commit.parents.len() != 1 {
        let parents: Vec<String> =
            commit.parents.iter().take(20).map(|id| id.to_hex_with_len(7).to_string()).collect();
        let more = commit.parents.len().saturating_sub(parents.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let parents = if parents.is_empty() { "none".to_owned() } else { parents.join(" ") };
        text.push_str(&format!("parents {parents}{more}\n"));
    }
    text.push_str(&person("author", &commit.author));
    let (author, committer) = (&commit.author, &commit.committer);
    if (&author.name, &author.email) != (&committer.name, &committer.email) {
        text.push_str(&person("committer", committer));
    }
    text.push('\n');
    text.push_str(clip(&plain(commit.message.trim_matches('\n')), MESSAGE).trim_end());
    text.push('\n');
    text
}

fn person(role: &str, person: &Person) -> String {
    let email = clip(&plain(&person.email.replace(['\n', '\r'], " ")), 80);
    let when = date::minute(person.time, person.zone);
    format!("{role} {} <{email}> {when}\n", person.shown())
}

//! `repo_diff`: what changed between two revisions, or from one to the working tree.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::changes::{self, Chosen};
use crate::diff::Changes;
use crate::history::{Dots, end, ends};
use crate::view::View;
use crate::{Repo, answer};

/// Compares.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_diff",
    title: "Diff",
    purpose: "Stat of `rev` a..b, or of a and the working tree; with `path`, hunks.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: answer::DEFAULT,
    verified_by: None,
};

pub(crate) struct Diff;

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
    #[serde(default)]
    words: bool,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for Diff {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| diff(view, &args)).await
    }
}

fn diff(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let chosen = Chosen::of(args.path.as_deref())?;
    let from = changes::position(view, args.cursor.as_deref())?;
    let (changes, name) = compared(view, args.rev.as_deref().filter(|rev| !rev.is_empty()))?;
    let room = answer::room(&view.ctx, false);
    let next = |view: &View, line| answer::next(&view.ctx, line);
    let shown = changes::show(view, &changes, &chosen, args.words, (from, room), next)?;
    let mut parts = Vec::new();
    if !shown.text.is_empty() {
        let source = view.repository.address(&name, None);
        parts.push(Part::Untrusted { source, text: shown.text });
    }
    parts.push(Part::Text(shown.trailer));
    Ok(Text { parts, more: Some("name a path") })
}

/// The changes of `a..b`, of `a...b` from where they parted (as git-diff(1) has it), or from `a` to
/// the working tree; and what was compared.
fn compared(view: &mut View, rev: Option<&str>) -> Result<(Changes, String), ToolError> {
    let Some((from, dots, to)) = rev.and_then(ends) else {
        let revision = view.resolve(rev)?;
        let tree = view.commit(&revision.id)?.tree;
        return Ok((view.work_changes(&tree)?, format!("{}..", revision.name)));
    };
    let (mut from, to) = (view.resolve(end(from))?.id, view.resolve(end(to))?.id);
    if dots == Dots::Three {
        let bases = view.merge_bases(from, to)?;
        from = *bases.first().ok_or_else(|| {
            ToolError::not_found("the two have no common ancestor; compare them with a..b.")
        })?;
    }
    let (old, new) = (view.commit(&from)?.tree, view.commit(&to)?.tree);
    Ok((view.changes(Some(&old), &new)?, rev.unwrap_or_default().to_owned()))
}

//! `repo_branch_create`: the one tool that writes, and it writes one new ref.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Part, Preview, Reason, Size, Target, Text, Tool,
    ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Repo;
use crate::refs::NewBranch;
use crate::revision::Revision;
use crate::view::View;

/// Creates a branch. Offered only where the operator declares which branches may be created.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_branch_create",
    title: "Create branch",
    purpose: "Creates a branch on `rev`; moves none.",
    effect: Effect::Commits,
    approval: Approval::Confirm,
    limit: Limit::per_minute(10),
    timeout: Duration::from_secs(20),
    size: Size::tokens(500),
    verified_by: Some("repo_refs"),
};

/// How much of a subject is shown, in characters.
const SUBJECT: usize = 100;

pub(crate) struct BranchCreate;

// No doc comment: it would be sent with the schema.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 250))]
    name: String,
    #[schemars(length(max = 250))]
    rev: String,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for BranchCreate {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    /// The full id of the commit is part of it: should `rev` move meanwhile, it is another call.
    async fn preview(server: &Repo, ctx: &Ctx, args: &Args) -> Result<Option<Preview>, ToolError> {
        let (repo, args) = (args.repo.clone(), args.clone());
        let work = move |view: &mut View| {
            let (branch, on) = asked(view, &args)?;
            view.check_free(&branch)?;
            let commit = view.commit(&on.id)?;
            let subject = contract::text::visible(&commit.shown_subject(SUBJECT)).into_owned();
            Ok(Preview {
                title: format!("Create a branch in {}", view.repository.id),
                fields: vec![
                    ("repository".to_owned(), view.repository.id.clone()),
                    ("branch".to_owned(), branch.full()),
                    ("commit".to_owned(), on.id.to_string()),
                    ("its subject, as its author wrote it".to_owned(), subject),
                ],
                bound: Vec::new(),
            })
        };
        server.view(ctx, repo.as_deref(), work).await.map(Some)
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        let work = move |view: &mut View| {
            let (branch, on) = asked(view, &args)?;
            view.create_branch(&branch, on.id)?;
            let text = format!("created {} on {}", branch.full(), on.id);
            Ok(Text { parts: vec![Part::Text(text)], more: None })
        };
        server.view(ctx, repo.as_deref(), work).await
    }
}

/// The branch that is asked for, and the commit it is to be on.
fn asked(view: &mut View, args: &Args) -> Result<(NewBranch, Revision), ToolError> {
    let branch = NewBranch::named(view, &args.name)?;
    if args.rev.is_empty() {
        return Err(ToolError::invalid("rev: name the commit the branch begins on."));
    }
    Ok((branch, view.resolve(Some(&args.rev))?))
}

#[cfg(test)]
mod tests;

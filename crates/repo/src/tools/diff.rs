//! `repo_diff`: what changed between two revisions, or from one to the working tree.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Target, Text, Tool, ToolError};
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
    purpose: "Stat of a..b, or a and the working tree; hunks of `path`.",
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
    words: Option<bool>,
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
    let shown =
        changes::show(view, &changes, &chosen, args.words.unwrap_or(false), (from, room), next)?;
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
        return Ok((view.work_changes(revision.id)?, format!("{}..", revision.name)));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::World;

    fn world() -> World {
        let world = World::new();
        world.write("a.txt", "one\ntwo\nthree\n");
        world.write("lib/b.txt", "bee\n".repeat(20));
        world.write("key.pem", "secret\n");
        world.write("Cargo.lock", "x\n");
        world.commit("first");
        world.write("a.txt", "one\n2\nthree\n");
        world.git("mv lib/b.txt lib/c.txt");
        world.write("key.pem", "other\n");
        world.write("Cargo.lock", "y\n");
        world.commit("second");
        world
    }

    async fn check(world: &World, args: serde_json::Value, expected: &str) {
        assert_eq!(world.call::<Diff>(args).await, expected);
    }

    #[tokio::test]
    async fn a_stat_comes_first_and_hunks_by_path() {
        let mut world = world();
        world.settings["hidden"] = json!(["**/*.pem"]);
        let stat = "<repo://r/HEAD~..HEAD>\nM Cargo.lock +1 -1\nM a.txt +1 -1\n\
            R lib/b.txt -> lib/c.txt (100%)\n3 files, +2 -2; 1 hidden; \
            hunks: path=FILE, FOLDER, GLOB or .";
        check(&world, json!({"rev": "HEAD~..HEAD"}), stat).await;
        let hunks = "<repo://r/HEAD~..HEAD>\nM a.txt +1 -1\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n\
            1 file, +1 -1; 1 hidden";
        check(&world, json!({"rev": "HEAD~..HEAD", "path": "a.txt"}), hunks).await;
        let words = "<repo://r/HEAD~..HEAD>\nM a.txt +1 -1\n@@ -1,3 +1,3 @@\n one\n[-two-]{+2+}\n three\n\
            1 file, +1 -1; 1 hidden";
        check(&world, json!({"rev": "HEAD~..HEAD", "path": "*.txt", "words": true}), words).await;
        let folded = "<repo://r/HEAD~..HEAD>\nM Cargo.lock +1 -1 (generated; folded: give its path)\n\
            M a.txt +1 -1\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n\
            R lib/b.txt -> lib/c.txt (100%)\n3 files, +2 -2; 1 hidden";
        check(&world, json!({"rev": "HEAD~..HEAD", "path": "."}), folded).await;
        let whole = "<repo://r/HEAD~..HEAD>\nM Cargo.lock +1 -1\n@@ -1 +1 @@\n-x\n+y\n\
            1 file, +1 -1; 1 hidden";
        check(&world, json!({"rev": "HEAD~..HEAD", "path": "Cargo.lock"}), whole).await;
    }

    #[tokio::test]
    async fn the_working_tree_is_compared() {
        let world = world();
        check(&world, json!({}), "no changes").await;
        world.write("a.txt", "one\n2\nthree\nfour\n");
        world.write("staged.txt", "s\n");
        world.git("add staged.txt");
        std::fs::remove_file(world.repository().join("Cargo.lock")).expect("a file");
        world.write("untracked.txt", "u\n");
        let stat = "<repo://r/HEAD..>\nD Cargo.lock -1\nM a.txt +1\nA staged.txt +1\n\
            3 files, +2 -1; hunks: path=FILE, FOLDER, GLOB or .";
        check(&world, json!({}), stat).await;
        let hunks = "<repo://r/HEAD~..>\nM a.txt +2 -1\n@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n+four\n\
            1 file, +2 -1";
        check(&world, json!({"rev": "HEAD~", "path": "a.txt"}), hunks).await;
    }

    #[tokio::test]
    async fn a_long_stat_is_read_to_its_end_in_pages() {
        let world = World::new();
        world.commit("nothing");
        for nth in 0..300 {
            world.write(&format!("folder/with/a/long/name/file-{nth:03}.txt"), "x\n");
        }
        world.commit("many");
        let (mut seen, mut args) = (Vec::new(), json!({"rev": "HEAD~..HEAD"}));
        loop {
            let text = world.call::<Diff>(args.clone()).await;
            assert!(text.len() < answer::DEFAULT.bytes(), "{}", text.len());
            let lines = text.lines().filter(|line| line.starts_with("A folder"));
            seen.extend(lines.map(str::to_owned));
            assert!(text.contains("300 files, +300 -0"), "{text}");
            let Some((_, cursor)) = text.split_once("next: cursor=") else { break };
            args["cursor"] = cursor.into();
        }
        assert_eq!(seen.len(), 300);
        seen.dedup();
        assert_eq!(seen.len(), 300);
    }

    #[tokio::test]
    async fn what_cannot_be_compared_is_told() {
        let world = world();
        world.git("checkout -q --orphan other");
        world.commit("alone");
        for (rev, expected) in [
            ("main...other", "not_found: the two have no common ancestor; compare them with a..b."),
            ("nowhere..", "not_found: no revision nowhere; repo_refs lists branches and tags."),
        ] {
            check(&world, json!({"rev": rev}), expected).await;
        }
        check(&world, json!({"path": "{", "rev": "main..other"}), "invalid: path: error parsing glob '{': unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?); write a glob like src/**/*.rs.").await;
    }
}

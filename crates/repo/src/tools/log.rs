//! `repo_log`: commits of a revision, a range, a path.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use gix_hash::ObjectId;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::commit::Commit;
use crate::history::{Range, Step, Walk};
use crate::view::View;
use crate::{Repo, answer, date, path};

/// Lists commits, the latest first.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_log",
    title: "Log",
    purpose: "Commits of `rev` or a..b.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: Size::CAP,
    verified_by: None,
};

/// How many commits are shown unless `limit` says otherwise.
const COMMITS: usize = 20;
/// The most characters of a subject: what git-commit(1) asks for; twenty of them fit 600 tokens.
pub(crate) const SUBJECT: usize = 50;

pub(crate) struct Log;

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
    #[schemars(length(max = 99))]
    author: Option<String>,
    #[schemars(length(max = 99))]
    grep: Option<String>,
    #[schemars(length(max = 50))]
    dates: Option<String>,
    #[schemars(range(max = 500))]
    limit: Option<u16>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for Log {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| log(view, &args)).await
    }
}

/// What a commit must be to be listed.
struct Filter {
    author: Option<String>,
    grep: Option<String>,
    until: Option<i64>,
}

impl Filter {
    fn takes(&self, commit: &Commit) -> bool {
        let holds = |text: String, part: &Option<String>| {
            part.as_ref().is_none_or(|part| text.to_lowercase().contains(part))
        };
        let author = &commit.author;
        self.until.is_none_or(|until| commit.committer.time <= until)
            && holds(format!("{} <{}>", author.name, author.email), &self.author)
            && holds(commit.message.clone(), &self.grep)
    }

    /// Whether a commit must be read to be judged.
    fn is_idle(&self) -> bool {
        self.author.is_none() && self.grep.is_none() && self.until.is_none()
    }
}

fn log(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let (from, pinned) = position(&view.ctx, args.cursor.as_deref())?;
    let mut range = view.range(args.rev.as_deref())?;
    if let ([id], Some(pinned)) = (range.include.as_mut_slice(), pinned) {
        *id = view.resolve(Some(&pinned))?.id;
    }
    let (since, until) = match &args.dates {
        Some(dates) => date::range(dates)?,
        None => (None, None),
    };
    let lower = |text: &Option<String>| {
        text.as_ref().filter(|text| !text.is_empty()).map(|text| text.to_lowercase())
    };
    let filter = Filter { author: lower(&args.author), grep: lower(&args.grep), until };
    let limit = match args.limit {
        None => COMMITS,
        Some(0) => return Err(ToolError::invalid("limit: the minimum is 1.")),
        Some(limit) => usize::from(limit),
    };
    let mut page = Page {
        from,
        limit,
        room: answer::room(&view.ctx, args.limit.is_some()),
        ..Page::default()
    };
    let mut walk = walk(view, args, &range, since)?;
    while let Some(step) = walk.next(view)? {
        if !take(view, &mut page, &filter, &step)? {
            break;
        }
    }
    walk.end(view);
    Ok(page.answer(view, &range, args.path.as_deref()))
}

/// Where the page begins, and the commit that the first page began with.
fn position(ctx: &Ctx, cursor: Option<&str>) -> Result<(usize, Option<String>), ToolError> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else { return Ok((0, None)) };
    serde_json::from_value(ctx.open_cursor(cursor)?)
        .map_err(|_| ToolError::invalid("the cursor is of another tool; call again without it."))
}

fn walk(
    view: &mut View,
    args: &Args,
    range: &Range,
    since: Option<i64>,
) -> Result<Walk, ToolError> {
    let Some(path) = args.path.as_deref().filter(|path| !matches!(*path, "" | ".")) else {
        return Walk::new(view, range, None, false, since);
    };
    let path = path::parse(path)?;
    let path = path.as_ref();
    // What is hidden is nowhere; a folder is no file, so it is not asked about.
    let follows = match range.include.first() {
        Some(id) => {
            let number = view.reader.number(*id);
            let tree = view.reader.facts(number)?.tree;
            let entry = view.reader.entry(&tree, path)?;
            if entry.is_none_or(|entry| entry.mode.is_blob()) && !view.shows(path) {
                let shown = path::shown(path);
                return Err(ToolError::not_found(format!("no path {shown} in this history.")));
            }
            entry.is_none_or(|entry| entry.mode.is_blob())
        }
        None => false,
    };
    Walk::new(view, range, Some(path), follows, since)
}

/// Puts a commit on the page; false where the page is full.
fn take(view: &mut View, page: &mut Page, filter: &Filter, step: &Step) -> Result<bool, ToolError> {
    let id = view.reader.commits.id(step.number);
    if filter.is_idle() && page.seen < page.from {
        page.seen += 1;
        return Ok(true);
    }
    let commit = view.commit(&id)?;
    if !filter.takes(&commit) {
        return Ok(true);
    }
    page.seen += 1;
    if page.seen <= page.from {
        return Ok(true);
    }
    let mut line = commit.line(SUBJECT);
    if let Some(path) = &step.path {
        line.push_str(&format!(" [{}]", path::shown(path.as_ref())));
    }
    Ok(page.add(line))
}

/// The commits of one answer.
#[derive(Default)]
struct Page {
    from: usize,
    limit: usize,
    room: usize,
    seen: usize,
    text: String,
    count: usize,
    is_full: bool,
}

impl Page {
    fn add(&mut self, line: String) -> bool {
        if self.count == self.limit || self.count > 0 && self.text.len() + line.len() > self.room {
            self.is_full = true;
            return false;
        }
        self.text.push_str(&line);
        self.text.push('\n');
        self.count += 1;
        true
    }

    fn answer(self, view: &View, range: &Range, path: Option<&str>) -> Text {
        let (first, last) = (self.from + 1, self.from + self.count);
        let mut trailer = match (self.count, self.from) {
            (0, 0) => "no commits".to_owned(),
            (0, _) => "no more commits".to_owned(),
            _ => format!("commits {first}-{last}"),
        };
        if self.is_full {
            let pinned = range.include.first().filter(|_| range.include.len() == 1);
            let at = pinned.map(|id: &ObjectId| id.to_hex_with_len(12).to_string());
            // Without names, since the caller pays for each letter.
            let cursor = view.ctx.seal_cursor(&json!([last, at]));
            trailer.push_str(&format!("; next: cursor={cursor}"));
        } else if self.count > 0 || self.from > 0 {
            trailer.push_str("; all");
        }
        if !self.is_full && view.reader.commits.is_shallow() {
            trailer.push_str("; the clone is shallow: older commits are not here");
        }
        let mut parts = Vec::new();
        if self.count > 0 {
            let path = path.map(bstr::BStr::new);
            let source = view.repository.address(&range.name, path);
            parts.push(Part::Untrusted { source, text: self.text });
        }
        parts.push(Part::Text(trailer));
        Text { parts, more: Some("ask for fewer commits") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn a_limit_is_of_commits_and_none_is_no_limit() {
        let world = World::new();
        for subject in ["one", "two", "three"] {
            world.commit(subject);
        }
        let two = world.call::<Log>(json!({"limit": 2})).await;
        assert!(two.contains("three\n") && two.contains("commits 1-2; next: "), "{two}");
        let none = world.call::<Log>(json!({"limit": 0})).await;
        assert_eq!(none, "invalid: limit: the minimum is 1.");
    }
}

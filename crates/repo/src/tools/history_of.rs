//! `repo_history_of`: the commits in which a text appears or vanishes.

use std::collections::HashMap;
use std::time::Duration;

use bstr::{BString, ByteSlice as _};
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Target, Text, Tool, ToolError};
use gix_hash::ObjectId;
use memchr::memmem::Finder;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::commits::Number;
use crate::diff::Change;
use crate::history::Walk;
use crate::reader::Blob;
use crate::tree::Entry;
use crate::view::{LARGEST, View};
use crate::{Repo, answer, path};

/// Searches the history.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_history_of",
    title: "History of",
    purpose: "Commits where a text comes or goes.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(1),
    size: answer::DEFAULT,
    verified_by: None,
};

/// The most commits of one answer.
const COMMITS: usize = 20;
/// The most characters of a subject.
const SUBJECT: usize = 60;
/// The most files that are named of one commit.
const FILES: usize = 3;
/// So much of the time of a call is left for its answer.
const LEFT: Duration = Duration::from_secs(3);
/// How many contents are remembered.
const REMEMBERED: usize = 200_000;

pub(crate) struct HistoryOf;

// No doc comments on the fields: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 500))]
    text: String,
    #[schemars(length(max = 999))]
    path: Option<String>,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for HistoryOf {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| history_of(view, &args)).await
    }
}

/// A search through the history.
struct Search<'a> {
    view: &'a mut View,
    finder: Finder<'a>,
    path: BString,
    /// How often the text is in a content.
    counts: HashMap<ObjectId, usize>,
}

fn history_of(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    if args.text.is_empty() {
        return Err(ToolError::invalid("text: give the words to look for."));
    }
    let path = path::parse(args.path.as_deref().unwrap_or_default())?;
    let from = answer::position(&view.ctx, args.cursor.as_deref().filter(|one| !one.is_empty()))?;
    let range = view.range(args.rev.as_deref().filter(|rev| !rev.is_empty()))?;
    let at = (!path.is_empty()).then_some(path.as_bstr());
    let mut walk = Walk::new(view, &range, at, false, None)?;
    let finder = Finder::new(args.text.as_bytes());
    let mut search = Search { view, finder, path: path.clone(), counts: HashMap::new() };
    let (mut text, mut found, mut seen, mut oldest) = (String::new(), 0, 0, None);
    let mut is_cut = false;
    while let Some(step) = walk.next(search.view)? {
        if seen >= from {
            is_cut = found == COMMITS || search.view.ctx.remaining() < LEFT;
            if is_cut {
                break;
            }
            if let Some(line) = search.examine(step.number)? {
                text.push_str(&line);
                found += 1;
            }
            oldest = Some(step.number);
            search.view.progress(seen, None, "commits searched");
        }
        seen += 1;
    }
    let view = search.view;
    walk.end(view);
    let mut trailer = match found {
        0 => "no commits".to_owned(),
        1 => "1 commit".to_owned(),
        count => format!("{count} commits"),
    };
    trailer.push_str(&format!(" of {} searched", seen - from));
    if is_cut {
        if let Some(oldest) = oldest {
            let commit = view.reader.commits.id(oldest);
            let time = view.reader.facts(oldest)?.time;
            let day = crate::date::day(time, 0);
            trailer.push_str(&format!(", back to {} of {day}", commit.to_hex_with_len(7)));
        }
        trailer.push_str(&answer::next(&view.ctx, seen));
    } else {
        trailer.push_str("; all");
    }
    let source = view.repository.address(&range.name, at);
    let body = (found > 0).then_some(Part::Untrusted { source, text });
    let parts = body.into_iter().chain([Part::Text(trailer)]).collect();
    Ok(Text { parts, more: Some("name a path or a range") })
}

impl Search<'_> {
    /// The line of a commit that changes how often the text is in some file. Merges are left out:
    /// what they bring is told of where it was made.
    fn examine(&mut self, number: Number) -> Result<Option<String>, ToolError> {
        self.view.go_on()?;
        let facts = self.view.reader.facts(number)?;
        let (tree, parents) = (facts.tree, facts.parents.clone());
        let before = match parents.as_slice() {
            [] => None,
            [only] => Some(self.view.reader.facts(*only)?.tree),
            _ => return Ok(None),
        };
        let mut changes = self.view.plain_changes(before.as_deref(), Some(&tree))?.all;
        let path = &self.path;
        changes.retain(|change| is_under(change.path.as_bstr(), path));
        let mut hits = self.hits(&changes)?;
        // A file that only moved has the text on both sides.
        let moved = |wanted: fn(&Change) -> bool| hits.iter().any(|(at, ..)| wanted(&changes[*at]));
        if moved(|change| change.old.is_none() || change.new.is_none()) {
            self.view.detect_renames(&mut changes)?;
            hits = self.hits(&changes)?;
        }
        if hits.is_empty() {
            return Ok(None);
        }
        let id = self.view.reader.commits.id(number);
        let line = self.view.commit(&id)?.line(SUBJECT);
        let files: Vec<String> = hits
            .iter()
            .take(FILES)
            .map(|(at, old, new)| {
                let path = path::shown(changes[*at].path.as_bstr());
                format!("{path} {old}->{new}")
            })
            .collect();
        let more = hits.len().saturating_sub(FILES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Ok(Some(format!("{line}\n  {}{more}\n", files.join(", "))))
    }

    /// The changes with another count of the text, with the counts before and after.
    fn hits(&mut self, changes: &[Change]) -> Result<Vec<(usize, usize, usize)>, ToolError> {
        let mut hits = Vec::new();
        for (at, change) in changes.iter().enumerate() {
            let (old, new) = (self.count(change.old)?, self.count(change.new)?);
            if old != new {
                hits.push((at, old, new));
            }
        }
        Ok(hits)
    }

    fn count(&mut self, entry: Option<Entry>) -> Result<usize, ToolError> {
        let Some(entry) = entry.filter(|entry| entry.mode.is_blob()) else { return Ok(0) };
        if let Some(count) = self.counts.get(&entry.id) {
            return Ok(*count);
        }
        let count = match self.view.reader.blob(&entry.id, LARGEST)? {
            Blob::Content(content) => self.finder.find_iter(&content).count(),
            Blob::Large(_) => 0,
        };
        if self.counts.len() >= REMEMBERED {
            self.counts.clear();
        }
        self.counts.insert(entry.id, count);
        Ok(count)
    }
}

/// Whether a path is a file, or in a folder; the empty path is the top.
fn is_under(path: &bstr::BStr, top: &BString) -> bool {
    let rest = path.strip_prefix(top.as_slice());
    top.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

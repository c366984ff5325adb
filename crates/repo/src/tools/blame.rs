//! `repo_blame`: which commit each line of a file is from.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bstr::ByteSlice as _;
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use gix_hash::ObjectId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::read::Lines;
use crate::tree::Entry;
use crate::view::{Content, View};
use crate::{Repo, answer, patch, path, plain};

/// Blames.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_blame",
    title: "Blame",
    purpose: "Who last changed each line.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(300),
    timeout: Duration::from_mins(1),
    size: Size::CAP,
    verified_by: None,
};

/// How many lines are looked at where the call does not say where to end.
const LINES: usize = 100;
/// The most lines of one call: more would not fit the answer.
const MOST_LINES: usize = 1_000;
/// The most characters of a subject.
const SUBJECT: usize = 50;

pub(crate) struct Blame;

// No doc comments on the fields: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 999))]
    path: String,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(length(max = 20))]
    lines: Option<String>,
}

impl Tool for Blame {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let repo = args.repo.clone();
        server.view(ctx, repo.as_deref(), move |view| blame(view, &args)).await
    }
}

fn blame(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let path = path::parse(&args.path)?;
    let revision = view.resolve(args.rev.as_deref().filter(|rev| !rev.is_empty()))?;
    let tree = view.commit(&revision.id)?.tree;
    let entry = view.find(&tree, path.as_bstr())?;
    let text = text(view, &entry)?;
    let starts: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let wanted = wanted(args.lines.as_deref(), starts.len())?;
    let ignored = ignored(view, &tree)?;
    let number = view.reader.number(revision.id);
    let origins = view.blame(number, path.as_bstr(), wanted.clone(), &ignored)?;
    let room = answer::room(&view.ctx, args.lines.is_some());
    let is_prose = plain::is_prose(path.as_bstr());
    let (mut out, mut end) = (String::new(), wanted.start);
    'all: for origin in origins {
        let commit = view.reader.commits.id(origin.commit);
        let mut head = view.commit(&commit)?.line(SUBJECT);
        if origin.path != path && view.shows(origin.path.as_bstr()) {
            head.push_str(&format!(" [{}]", path::shown(origin.path.as_bstr())));
        }
        for (nth, at) in origin.lines.enumerate() {
            let line = starts[at].strip_suffix(b"\n").unwrap_or(starts[at]);
            let shown = patch::shown(line);
            let shown = if is_prose { plain::line(shown) } else { shown };
            let mut shown = format!("{} {shown}\n", at + 1);
            if nth == 0 {
                shown.insert_str(0, &format!("{head}\n"));
            }
            if !out.is_empty() && out.len() + shown.len() > room {
                break 'all;
            }
            out.push_str(&shown);
            end = at + 1;
        }
    }
    let mut trailer = format!("lines {}-{end} of {}", wanted.start + 1, starts.len());
    if end < starts.len() {
        trailer.push_str(&format!("; next: lines={}-", end + 1));
    }
    let source = view.repository.address(&revision.name, Some(path.as_bstr()));
    Ok(Text {
        parts: vec![Part::Untrusted { source, text: out }, Part::Text(trailer)],
        more: Some("ask for fewer lines"),
    })
}

/// The text of a file; what has no lines is told.
fn text(view: &mut View, entry: &Entry) -> Result<Arc<Vec<u8>>, ToolError> {
    if !entry.mode.is_file() {
        return Err(ToolError::invalid("path: only a file has lines; repo_list shows what it is."));
    }
    match view.content(&entry.id)? {
        Content::Text(text) if text.is_empty() => Err(ToolError::invalid("the file is empty.")),
        Content::Text(text) => Ok(text),
        Content::Binary(size) => {
            Err(ToolError::invalid(format!("the file is binary ({size} bytes): it has no lines.")))
        }
        Content::Huge(size) => {
            Err(ToolError::invalid(format!("the file is too large: {size} bytes.")))
        }
        Content::Lfs(..) => {
            Err(ToolError::invalid("the file is a pointer of git-lfs; its content is not here."))
        }
    }
}

/// The lines from 0 that are asked for.
fn wanted(text: Option<&str>, count: usize) -> Result<Range<usize>, ToolError> {
    let Lines { from, to, .. } = Lines::parse(text.filter(|text| !text.is_empty()))?;
    let start = from - 1;
    if start >= count {
        return Err(ToolError::invalid(format!("lines: the file has {count} lines.")));
    }
    let end = to.unwrap_or(start + LINES).min(start + MOST_LINES).min(count);
    Ok(start..end)
}

/// The commits that the repository's list says to look behind.
fn ignored(view: &mut View, tree: &ObjectId) -> Result<HashSet<ObjectId>, ToolError> {
    let Some(file) = view.repository.settings.ignore_revs.clone() else {
        return Ok(HashSet::new());
    };
    let path = path::parse(&file)?;
    let Some(entry) = view.reader.entry(tree, path.as_bstr())? else { return Ok(HashSet::new()) };
    let Content::Text(text) = view.content(&entry.id)? else { return Ok(HashSet::new()) };
    let lines = text.lines().map(|line| line.split(|byte| *byte == b'#').next().unwrap_or(line));
    Ok(lines.filter_map(|line| ObjectId::from_hex(line.trim_ascii()).ok()).collect())
}

//! `repo_search`: the lines that hold a text, at any revision.

use std::fmt::Write as _;
use std::time::Duration;

use bstr::{BStr, ByteSlice as _};
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::plain::{self, is_prose};
use crate::revision::Revision;
use crate::search::{Files, Found, Hit, Page, Pattern, Scanned, Scope, given, scan};
use crate::view::View;
use crate::{Repo, answer, path};

/// Finds text.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_search",
    title: "Search",
    purpose: "Finds text in files.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(30),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// How much of a line is shown, in bytes.
const WIDTH: usize = 200;
/// How much of it comes before the match.
const BEFORE: usize = 60;

pub(crate) struct Search;

// No doc comments: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 500))]
    text: String,
    regex: Option<bool>,
    #[schemars(length(max = 999))]
    path: Option<String>,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(range(max = 9))]
    context: Option<u32>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for Search {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let id = args.repo.clone();
        server.view(ctx, id.as_deref(), move |view| search(view, &args)).await
    }
}

fn search(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let pattern = if args.regex.unwrap_or(false) {
        Pattern::regex(&args.text)?
    } else {
        Pattern::text(&args.text)?
    };
    let page = Page::open(&view.ctx, given(args.cursor.as_deref()))?;
    let revision = page.revision(view, given(args.rev.as_deref()))?;
    let tree = view.tree_of(revision.id)?;
    let scope = view.scope(&tree, args.path.as_deref())?;
    let files = view.files(&tree, &scope)?;
    let path = given(args.path.as_deref());
    let scanned = scan(view, tree, (&scope, path), &files, &pattern)?;
    let mut shown = Shown {
        text: String::new(),
        room: answer::room(&view.ctx, false),
        context: args.context.map_or(0, |lines| lines.min(9) as usize),
        from: page.from,
        count: 0,
    };
    shown.fill(view, &files, &scanned.found, &pattern)?;
    Ok(told(view, &revision, args, &scope, &files, &scanned, shown))
}

/// The matches of one page.
struct Shown {
    text: String,
    room: usize,
    context: usize,
    from: usize,
    count: usize,
}

impl Shown {
    /// Shows matches until the page is full.
    fn fill(
        &mut self,
        view: &mut View,
        files: &Files,
        found: &[Found],
        pattern: &Pattern,
    ) -> Result<(), ToolError> {
        let mut before = 0;
        for one in found {
            let skipped = self.from.saturating_sub(before).min(one.lines);
            before += one.lines;
            if skipped == one.lines {
                continue;
            }
            view.go_on()?;
            let (name, is_prose) = (files.path(one.index), is_prose(files.path(one.index)));
            let name = path::shown(name);
            if one.binary {
                if !self.push(&format!("{name}: a binary file matches\n")) {
                    break;
                }
                continue;
            }
            let mut content = Vec::new();
            let id = files.entry(one.index).id;
            view.reader.read(&id, gix_object::Kind::Blob, crate::view::LARGEST, &mut content)?;
            if !self.file((&name, is_prose), &content, pattern, skipped) {
                break;
            }
        }
        Ok(())
    }

    /// Shows the matches of a file but the first ones; false, if there is no room for all.
    fn file(
        &mut self,
        (name, is_prose): (&str, bool),
        content: &[u8],
        pattern: &Pattern,
        skipped: usize,
    ) -> bool {
        let clipped = |line: &[u8], found: usize| {
            let line = clipped(line, found);
            if is_prose { plain::line(line) } else { line }
        };
        let (mut number, mut counted) = (1, 0);
        let mut hits = pattern.hits(content).peekable();
        // What was shown before is not shown again: where its last match ends.
        let last = (0..skipped).map_while(|_| hits.next()).last();
        let floor = last.map_or(0, |hit| (hit.line.end + 1).min(content.len()));
        // Where the text that was shown last ends.
        let mut end: Option<usize> = None;
        while let Some(hit) = hits.next() {
            number += memchr::memchr_iter(b'\n', &content[counted..hit.line.start]).count();
            counted = hit.line.start;
            let mut unit = String::new();
            let before = before(content, hit.line.start, self.context, end.unwrap_or(floor));
            let first = before.first().map_or(hit.line.start, |line| line.start);
            if self.context > 0 && self.count > 0 && end.is_none_or(|end| first > end) {
                unit.push_str("--\n");
            }
            for (distance, line) in before.iter().enumerate() {
                let number = number - (before.len() - distance);
                let _ = writeln!(unit, "{name}-{number}- {}", clipped(&content[line.clone()], 0));
            }
            let line = &content[hit.line.clone()];
            let _ = writeln!(unit, "{name}:{number}: {}", clipped(line, start(&hit)));
            let limit = hits.peek().map_or(content.len(), |next| next.line.start);
            let after = after(content, hit.line.end + 1, self.context, limit);
            for (distance, line) in after.iter().enumerate() {
                let number = number + 1 + distance;
                let _ = writeln!(unit, "{name}-{number}- {}", clipped(&content[line.clone()], 0));
            }
            end = Some(after.last().map_or(hit.line.end, |line| line.end) + 1);
            if !self.push(&unit) {
                return false;
            }
        }
        true
    }

    /// Adds a match, if there is room or it is the first.
    fn push(&mut self, unit: &str) -> bool {
        if self.count > 0 && self.text.len() + unit.len() > self.room {
            return false;
        }
        self.text.push_str(unit);
        self.count += 1;
        true
    }
}

/// Where the match begins in its line.
fn start(hit: &Hit) -> usize {
    hit.found.start - hit.line.start
}

/// Up to `count` lines that end before a position, none of which begins before `limit`.
fn before(
    content: &[u8],
    position: usize,
    count: usize,
    limit: usize,
) -> Vec<std::ops::Range<usize>> {
    let (mut lines, mut end) = (Vec::new(), position);
    while lines.len() < count && end > limit {
        let start = memchr::memrchr(b'\n', &content[..end - 1]).map_or(0, |at| at + 1);
        lines.push(start..end - 1);
        end = start;
    }
    lines.reverse();
    lines
}

/// Up to `count` lines from a position on, all of which begin before `limit`.
fn after(
    content: &[u8],
    position: usize,
    count: usize,
    limit: usize,
) -> Vec<std::ops::Range<usize>> {
    let (mut lines, mut start) = (Vec::new(), position);
    while lines.len() < count && start < limit {
        let end = memchr::memchr(b'\n', &content[start..]).map_or(content.len(), |at| start + at);
        lines.push(start..end);
        start = end + 1;
    }
    lines
}

/// A line, of a long one what surrounds the match.
fn clipped(line: &[u8], found: usize) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() <= WIDTH {
        return line.to_str_lossy().into_owned();
    }
    let is_inside = |at: usize| line.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let mut from = found.min(line.len()).saturating_sub(BEFORE).min(line.len() - WIDTH);
    while is_inside(from) {
        from += 1;
    }
    let mut to = (from + WIDTH).min(line.len());
    while is_inside(to) {
        to -= 1;
    }
    let before = if from > 0 { "…" } else { "" };
    let after = if to < line.len() { "…" } else { "" };
    format!("{before}{}{after}", line[from..to].to_str_lossy())
}

/// The answer.
fn told(
    view: &View,
    revision: &Revision,
    args: &Args,
    scope: &Scope,
    files: &Files,
    scanned: &Scanned,
    shown: Shown,
) -> Text {
    let total = scanned.lines();
    let mut trailer = if total == 0 {
        format!("no matches in {}", counted(scanned.files, "file", "s"))
    } else {
        format!(
            "{} in {}",
            counted(total, "match", "es"),
            counted(scanned.found.len(), "file", "s")
        )
    };
    let to = shown.from + shown.count;
    if total > shown.count {
        match shown.count {
            0 => _ = write!(trailer, "; none after {}", shown.from),
            _ => _ = write!(trailer, "; shown {}-{to}", shown.from + 1),
        }
    }
    for (count, what) in [
        (scanned.huge, "too large to be searched"),
        (scanned.unread, "missing in this clone"),
        (if matches!(scope, Scope::Folder(..)) { files.hidden } else { 0 }, "hidden"),
    ] {
        if count > 0 {
            let _ = write!(trailer, "; {count} {what}");
        }
    }
    if total == 0 && scanned.files == 0 && matches!(scope, Scope::Glob(_)) {
        trailer.push_str("; `*` ends at a slash, `**/*.c` does not");
    }
    let mut parts = Vec::new();
    if shown.count > 0 {
        let path = given(args.path.as_deref()).filter(|_| !matches!(scope, Scope::Glob(_)));
        let source = view.repository.address(&revision.name, path.map(BStr::new));
        parts.push(Part::Untrusted { source, text: shown.text });
        if to < total {
            trailer.push_str(&Page::next(&view.ctx, to, revision));
        }
    }
    parts.push(Part::Text(trailer));
    Text { parts, more: Some("search for something longer, or in a folder with `path`") }
}

/// A number of things.
fn counted(count: usize, what: &str, plural: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { plural })
}

#[cfg(test)]
mod tests;

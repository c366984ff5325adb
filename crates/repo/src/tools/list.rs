//! `repo_list`: a folder at a revision, or the files that match a glob.

use std::fmt::Write as _;
use std::time::Duration;

use bstr::{BStr, BString, ByteSlice as _};
use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use gix_hash::ObjectId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::revision::{Revision, short};
use crate::search::{Page, Scope, given};
use crate::tree::{Entry, Mode};
use crate::view::View;
use crate::{Repo, answer, path};

/// Lists a folder or the files of a glob.
pub(crate) const CONTRACT: Contract = Contract {
    name: "repo_list",
    title: "List",
    purpose: "Files of a folder or glob.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(20),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// How much of where a link leads is shown, in bytes.
const TARGET: u64 = 300;

pub(crate) struct List;

// No doc comments: they would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    repo: Option<String>,
    #[schemars(length(max = 999))]
    path: Option<String>,
    #[schemars(length(max = 250))]
    rev: Option<String>,
    #[schemars(length(max = 400))]
    cursor: Option<String>,
}

impl Tool for List {
    type Server = Repo;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Repo, args: &Args) -> Target {
        server.target(args.repo.as_deref())
    }

    async fn call(server: &Repo, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let id = args.repo.clone();
        server.view(ctx, id.as_deref(), move |view| list(view, &args)).await
    }
}

fn list(view: &mut View, args: &Args) -> Result<Text, ToolError> {
    let page = Page::open(&view.ctx, given(args.cursor.as_deref()))?;
    let revision = page.revision(view, given(args.rev.as_deref()))?;
    let tree = view.tree_of(revision.id)?;
    let scope = view.scope(&tree, args.path.as_deref())?;
    let listed = match &scope {
        Scope::Folder(base, tree) => Listed::folder(view, base.as_bstr(), tree)?,
        Scope::Single(path, entry) => Listed::of(vec![(path.clone(), *entry)], "file"),
        Scope::Glob(_) => {
            let files = view.files(&tree, &scope)?;
            let fitting = (0..files.len()).filter(|&index| scope.holds(files.path(index)));
            let fitting = fitting.map(|index| (files.path(index).to_owned(), files.entry(index)));
            Listed::of(fitting.collect(), "file")
        }
    };
    let base = match &scope {
        Scope::Folder(base, _) if !base.is_empty() => Some(base.as_bstr()),
        _ => None,
    };
    listed.answer(view, &revision, base, page.from)
}

/// What is listed.
struct Listed {
    entries: Vec<(BString, Entry)>,
    hidden: usize,
    noun: &'static str,
}

impl Listed {
    fn of(entries: Vec<(BString, Entry)>, noun: &'static str) -> Self {
        Self { entries, hidden: 0, noun }
    }

    /// What is in a folder, as far as it may be seen.
    fn folder(view: &mut View, base: &BStr, tree: &ObjectId) -> Result<Self, ToolError> {
        let (mut entries, mut hidden) = (Vec::new(), 0);
        for (name, entry) in view.reader.entries(tree)? {
            view.visit()?;
            let full = path::join(base, name.as_bstr());
            let is_shown = view.shows_entry(full.as_bstr(), &entry)?;
            if is_shown {
                entries.push((name, entry));
            } else {
                hidden += 1;
            }
        }
        Ok(Self { entries, hidden, noun: "entry" })
    }

    /// One page of it.
    fn answer(
        self,
        view: &mut View,
        revision: &Revision,
        base: Option<&BStr>,
        from: usize,
    ) -> Result<Text, ToolError> {
        let room = answer::room(&view.ctx, false);
        let (mut text, mut to) = (String::new(), from.min(self.entries.len()));
        for (name, entry) in self.entries.iter().skip(from) {
            view.visit()?;
            let line = line(view, name.as_bstr(), entry)?;
            if !text.is_empty() && text.len() + line.len() > room {
                break;
            }
            text.push_str(&line);
            to += 1;
        }
        let total = self.entries.len();
        let mut trailer = match (total, self.noun) {
            (0, "file") => "no files match; `*` ends at a slash, `**/*.c` does not".to_owned(),
            (0, _) => "no entries".to_owned(),
            (1, noun) if to - from == 1 => format!("1 {noun}"),
            (_, noun) => {
                let plural = if noun == "file" { "files" } else { "entries" };
                if to - from.min(to) == total {
                    format!("{total} {plural}")
                } else {
                    format!("{plural} {}-{to} of {total}", from + 1)
                }
            }
        };
        if self.hidden > 0 {
            let _ = write!(trailer, "; {} hidden", self.hidden);
        }
        let mut parts = Vec::new();
        if !text.is_empty() {
            let source = view.repository.address(&revision.name, base);
            parts.push(Part::Untrusted { source, text });
        }
        if to < total {
            trailer.push_str(&Page::next(&view.ctx, to, revision));
        }
        parts.push(Part::Text(trailer));
        Ok(Text { parts, more: Some("list a folder of it with `path`") })
    }
}

/// One entry: a folder with a slash, a file with its size, a link with where it leads.
fn line(view: &mut View, name: &BStr, entry: &Entry) -> Result<String, ToolError> {
    let name = path::shown(name);
    Ok(match entry.mode {
        Mode::Tree => format!("{name}/\n"),
        Mode::Submodule => format!("{name} @{} (submodule)\n", short(&entry.id)),
        Mode::Link => format!("{name} -> {}\n", target(view, &entry.id)?),
        Mode::File | Mode::Program => {
            let size = view.reader.header(&entry.id)?.map(|header| human(header.size));
            let size = size.as_deref().unwrap_or("?");
            let program = if entry.mode == Mode::Program { ", executable" } else { "" };
            format!("{name}  {size}{program}\n")
        }
    })
}

/// Where a symbolic link leads, as it is shown.
pub(super) fn target(view: &mut View, id: &ObjectId) -> Result<String, ToolError> {
    match view.reader.header(id)? {
        Some(header) if header.size <= TARGET => {
            let mut target = Vec::new();
            view.reader.read(id, gix_object::Kind::Blob, TARGET, &mut target)?;
            Ok(path::shown(target.as_bstr()))
        }
        Some(header) => Ok(format!("? ({} of text)", human(header.size))),
        None => Ok("?".to_owned()),
    }
}

/// A size as people write it.
pub(crate) fn human(bytes: u64) -> String {
    if bytes < 1 << 10 {
        return format!("{bytes} B");
    }
    let units = [(30, "GB"), (20, "MB"), (10, "KB")];
    let (shift, unit) = units.into_iter().find(|(shift, _)| bytes >> shift > 0).unwrap_or(units[2]);
    let tenths = (u128::from(bytes) * 10 + (1 << (shift - 1))) >> shift;
    if tenths >= 1_000 {
        format!("{} {unit}", (tenths + 5) / 10)
    } else {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests;

//! `docs_outline`: what there is, from collections to headings.

use std::fmt::Write as _;
use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::catalogue::{FileRecord, Files, Snapshot};
use crate::library::Library;
use crate::page::{Section, clip};
use crate::paging;
use crate::read::unknown_file;
use crate::{Docs, address};

/// Lists collections, files or headings.
pub(crate) const CONTRACT: Contract = Contract {
    name: "docs_outline",
    title: "Outline documentation",
    purpose: "Lists collections; the files of a collection; or the sections of a file.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(10),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// The most entries of one answer.
const PAGE: usize = 100;
/// What the fence and the trailer may take of the size, in bytes.
const FRAME: usize = 700;

pub(crate) struct Outline;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(min = 1, max = 40))]
    collection: Option<String>,
    #[schemars(length(min = 1, max = 1000))]
    path: Option<String>,
    #[schemars(length(min = 1, max = 400))]
    cursor: Option<String>,
}

impl Tool for Outline {
    type Server = Docs;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Docs, args: &Args) -> Target {
        Target::named_or_every("collection", args.collection.as_deref())
    }

    async fn call(server: &Docs, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let library = &server.library;
        let from = paging::position(ctx, args.cursor.as_deref())?;
        if let Some(name) = &args.collection {
            library.collection(ctx, name)?;
        }
        let (snapshot, notice) = library.ready(ctx).await?;
        let mut text = match (args.collection, args.path) {
            (None, None) => collections(library, ctx, &snapshot),
            (None, Some(_)) => return Err(ToolError::invalid("`path` needs `collection`.")),
            (Some(collection), None) => files(ctx, &snapshot, &collection, from),
            (Some(collection), Some(path)) => {
                let work = move || {
                    let file = snapshot.file(&collection, &path);
                    let record = file.cloned().ok_or_else(|| {
                        unknown_file(Some(&snapshot.catalogue), &collection, &path)
                    })?;
                    let sections = snapshot.outline(&collection, &path);
                    let source = address::address(&collection, &path);
                    Ok((record, sections.map_err(ToolError::internal)?, source))
                };
                let (record, sections, source) = library.blocking(work).await?;
                headings(ctx, &record, &sections, &source, from)
            }
        };
        if let Some(notice) = notice {
            text.parts.push(Part::Text(format!("Note: {notice}.")));
        }
        Ok(text)
    }
}

/// Our own words: the operator wrote the titles.
fn collections(library: &Library, ctx: &Ctx, snapshot: &Snapshot) -> Text {
    let visible = library.visible(ctx);
    let mut text = String::new();
    for collection in &visible {
        let count = snapshot.catalogue.get(&collection.name).map_or(0, Files::len);
        let _ = write!(text, "{}", collection.name);
        if collection.title != collection.name {
            let _ = write!(text, " — {}", collection.title);
        }
        let _ = writeln!(text, " ({count} files)");
    }
    let _ = write!(text, "collections 1-{0} of {0}", visible.len());
    let skipped = library.status().borrow().report.skipped;
    if skipped > 0 && visible.len() == library.collections.len() {
        let _ = write!(text, "; {skipped} files could not be indexed");
    }
    Text { parts: vec![Part::Text(text)], more: None }
}

fn files(ctx: &Ctx, snapshot: &Snapshot, collection: &str, from: usize) -> Text {
    let files = snapshot.catalogue.get(collection);
    let entries = files.into_iter().flatten().map(|(path, record)| {
        format!("{path} — {} ({} lines)\n", clip(&record.title, 80), record.lines)
    });
    let total = files.map_or(0, Files::len);
    paged(ctx, &format!("docs://{collection}"), "files", String::new(), entries, total, from)
}

fn headings(
    ctx: &Ctx,
    record: &FileRecord,
    sections: &[Section],
    source: &str,
    from: usize,
) -> Text {
    let head = format!("{} ({} lines)\n", clip(&record.title, 200), record.lines);
    let entries = sections.iter().map(|section| {
        let indent = "  ".repeat(usize::from(section.level.saturating_sub(1)));
        let Section { text, anchor, from, to, .. } = section;
        format!("{indent}{} #{anchor} ({from}-{to})\n", clip(text, 120))
    });
    paged(ctx, source, "sections", head, entries, sections.len(), from)
}

/// As many entries as fit, and how to go on.
fn paged(
    ctx: &Ctx,
    source: &str,
    what: &str,
    head: String,
    entries: impl Iterator<Item = String>,
    total: usize,
    from: usize,
) -> Text {
    let budget = ctx.size().bytes().saturating_sub(FRAME + source.len());
    let mut text = head;
    let mut shown = 0;
    for entry in entries.skip(from).take(PAGE) {
        if shown > 0 && text.len() + entry.len() > budget {
            break;
        }
        text.push_str(&entry);
        shown += 1;
    }
    let to = from + shown;
    let mut trailer = match shown {
        0 => format!("no {what} after {from} of {total}"),
        _ => format!("{what} {}-{to} of {total}", from + 1),
    };
    if shown > 0 && to < total {
        let cursor = ctx.seal_cursor(&json!({ "from": to }));
        let _ = write!(trailer, "; next: cursor={cursor}");
    }
    let source = source.to_owned();
    let parts = vec![Part::Untrusted { source, text }, Part::Text(trailer)];
    Text { parts, more: Some("go on with the cursor") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Caller, World, call};

    #[tokio::test]
    async fn it_lists_collections_files_and_sections() {
        let mut world = World::new(&[
            ("a/x.md", "# X\n\n## One\n\n### Deep\n\n## Two\n"),
            ("a/y.txt", "words"),
            ("b/z.md", "# Z"),
        ]);
        world.collections[0]["title"] = "The A".into();
        let docs = world.docs().await;
        let text = call::<Outline>(&docs, json!({})).await;
        assert_eq!(text, "a — The A (2 files)\nb (1 files)\ncollections 1-2 of 2");
        let text = call::<Outline>(&docs, json!({"collection": "a"})).await;
        assert_eq!(text, "<docs://a>\nx.md — X (7 lines)\ny.txt — y (1 lines)\nfiles 1-2 of 2");
        let text = call::<Outline>(&docs, json!({"collection": "a", "path": "x.md"})).await;
        let expected = "<docs://a/x.md>\nX (7 lines)\nX #x (1-7)\n  One #one (3-6)\n    \
            Deep #deep (5-6)\n  Two #two (7-7)\nsections 1-4 of 4";
        assert_eq!(text, expected);
        let text = call::<Outline>(&docs, json!({"collection": "a", "path": "y.md"})).await;
        assert_eq!(text, "not_found: no file `y.md` in a; nearest: x.md.");
        let text = call::<Outline>(&docs, json!({"path": "x.md"})).await;
        assert_eq!(text, "invalid: `path` needs `collection`.");
    }

    #[tokio::test]
    async fn long_lists_are_paged() {
        let names: Vec<String> = (0..250).map(|n| format!("a/{n:03}.txt")).collect();
        let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let world = World::new(&files);
        let docs = world.docs().await;
        let mut args = json!({"collection": "a"});
        let mut seen = 0;
        for _ in 0..3 {
            let text = call::<Outline>(&docs, args.clone()).await;
            seen += text.lines().filter(|line| line.contains(".txt")).count();
            if let Some((_, cursor)) = text.split_once("cursor=") {
                args["cursor"] = cursor.into();
            }
        }
        assert_eq!(seen, 250);
    }

    #[tokio::test]
    async fn other_collections_do_not_show() {
        let world = World::new(&[("a/x.md", "x"), ("b/y.md", "y")]);
        let docs = world.docs().await;
        let caller = Caller { permitted: Some(&["a"]), ..Caller::default() };
        let text = caller.call::<Outline>(&docs, json!({})).await.expect("a list");
        assert_eq!(text, "a (1 files)\ncollections 1-1 of 1");
        assert!(caller.call::<Outline>(&docs, json!({"collection": "b"})).await.is_err());
    }
}

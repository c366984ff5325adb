//! `docs_read`: the words of a document, by section or by line.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Part, Size, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::catalogue::Catalogue;
use crate::collection::ReadError;
use crate::library::Library;
use crate::page::{Page, Row, Section, clip};
use crate::{Docs, address};

/// Reads a part of one document.
pub(crate) const CONTRACT: Contract = Contract {
    name: "docs_read",
    title: "Read documentation",
    purpose: "Reads a document, from its start, a section or a line.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(600),
    timeout: Duration::from_secs(10),
    // Reached only where the caller asks for it with `lines`; see DEFAULT.
    size: Size::CAP,
    verified_by: None,
};

/// The most lines of one call.
pub(crate) const MOST_LINES: u32 = 2_000;
/// How much is shown unless `lines` asks for more.
const DEFAULT: Size = Size::tokens(2_000);
/// What the fence, the trailer and the output guard's marks may take, in bytes.
const FRAME: usize = 500;

pub(crate) struct Read;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(min = 1, max = 40))]
    collection: String,
    #[schemars(length(min = 1, max = 1000))]
    path: String,
    /// Anchor.
    #[schemars(length(min = 1, max = 200))]
    section: Option<String>,
    /// First line.
    #[schemars(range(min = 1))]
    line: Option<u32>,
    /// Most lines; what fits 2,000 tokens if absent.
    #[schemars(range(min = 1, max = 2000))]
    lines: Option<u32>,
}

impl Tool for Read {
    type Server = Docs;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(args: &Args) -> Target {
        Target::one("collection", args.collection.clone())
    }

    async fn call(server: &Docs, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let library = Arc::clone(&server.library);
        library.collection(ctx, &args.collection)?;
        // Needs no index: a new file can be read before it is found.
        let work = move || read(&library, &args);
        server.library.blocking(work).await
    }
}

fn read(library: &Library, args: &Args) -> Result<Text, ToolError> {
    let collections = library.collections.iter();
    let collection = collections.into_iter().find(|one| one.name == args.collection);
    let bytes = match collection.map(|collection| collection.read(&args.path)) {
        Some(Ok((bytes, _))) => bytes,
        Some(Err(ReadError::Missing)) | None => return Err(unknown_path(library, args)),
        Some(Err(ReadError::Io(error))) => {
            return Err(ToolError::unavailable("the file cannot be read.", error));
        }
        Some(Err(error @ ReadError::TooLarge)) => {
            return Err(ToolError::new(Kind::TooLarge, format!("`{}` is {error}.", args.path)));
        }
        Some(Err(error @ ReadError::Binary)) => {
            return Err(ToolError::invalid(format!("`{}` is {error}.", args.path)));
        }
    };
    let page = Page::parse(&args.path, &bytes);
    let wanted = wanted(&page, args)?;
    Ok(show(&page, &wanted, args))
}

/// What is asked for, before the size is considered.
struct Wanted {
    rows: Range<usize>,
    /// The first line asked for.
    from: u32,
    /// The last line asked for.
    to: u32,
}

fn wanted(page: &Page, args: &Args) -> Result<Wanted, ToolError> {
    let mut wanted = Wanted { rows: 0..page.rows.len(), from: 1, to: page.lines };
    if let Some(anchor) = &args.section {
        let sections = page.sections();
        let anchor = anchor.trim_start_matches('#');
        let found = sections.iter().position(|section| section.anchor == anchor);
        let index = found.ok_or_else(|| unknown_section(anchor, &sections))?;
        wanted = Wanted {
            rows: page.section_rows(index),
            from: sections[index].from,
            to: sections[index].to,
        };
    }
    if let Some(line) = args.line {
        if line > page.lines {
            let text = format!("line: {line}; the file has {} lines", page.lines);
            return Err(ToolError::invalid(text));
        }
        if line > wanted.to || line < wanted.from {
            (wanted.rows.end, wanted.to) = (page.rows.len(), page.lines);
        }
        wanted.rows.start = page.rows.partition_point(|row| row.line < line);
        wanted.from = line;
    }
    if let Some(lines) = args.lines {
        wanted.to = wanted.to.min(wanted.from.saturating_add(lines - 1));
        let end = page.rows.partition_point(|row| row.line <= wanted.to);
        wanted.rows.end = wanted.rows.end.min(end);
    }
    wanted.rows.start = wanted.rows.start.min(wanted.rows.end);
    Ok(wanted)
}

fn show(page: &Page, wanted: &Wanted, args: &Args) -> Text {
    let size = if args.lines.is_some() { CONTRACT.size } else { DEFAULT };
    let budget = (size.bytes() - FRAME).saturating_sub(args.path.len());
    let end = fitting(page, wanted.rows.clone(), budget);
    let mut text = String::new();
    for row in &page.rows[wanted.rows.start..end] {
        let words = page.words(*row);
        if words.len() > budget {
            text.push_str(&words[..words.floor_char_boundary(budget)]);
            text.push('…');
        } else {
            text.push_str(words);
        }
        text.push('\n');
    }
    let last = match page.rows[..end].last() {
        Some(row) if end < wanted.rows.end => row.line,
        _ => wanted.to,
    };
    let trailer = trailer(page, wanted, end, last, budget);
    let source =
        format!("{}#L{}-{last}", address::address(&args.collection, &args.path), wanted.from);
    let parts = vec![Part::Untrusted { source, text }, Part::Text(trailer)];
    Text { parts, more: Some("ask for fewer lines, or go on with `line`") }
}

/// The row after the last one that fits; at a heading, where that costs less than a third.
fn fitting(page: &Page, rows: Range<usize>, budget: usize) -> usize {
    let mut used = 0;
    let fits = |row: &Row| {
        used += row.end - row.start + 1;
        used <= budget
    };
    let count = page.rows[rows.clone()]
        .iter()
        .take_while({
            let mut fits = fits;
            move |row| fits(row)
        })
        .count();
    let end = rows.start + count.max(1).min(rows.len());
    if end == rows.end {
        return end;
    }
    let least = rows.start + count * 2 / 3;
    let mut headings = page.headings.iter().rev().map(|heading| heading.row);
    headings.find(|row| *row <= end && *row > least).unwrap_or(end)
}

/// `lines 10-80 of 412; next: line=81`.
fn trailer(page: &Page, wanted: &Wanted, end: usize, last: u32, budget: usize) -> String {
    let mut trailer = format!("lines {}-{last} of {}", wanted.from, page.lines);
    let next = page.rows.get(end);
    let cut_row = page.rows[wanted.rows.start..end].iter().any(|row| row.end - row.start > budget);
    if cut_row {
        trailer.push_str("; a long line is cut");
    }
    match next {
        // A page on one line: only a section can be named.
        Some(row) if row.line == last && end < wanted.rows.end => {
            let heading = page.headings.iter().find(|heading| heading.row >= end);
            match heading {
                Some(heading) => {
                    let _ = write!(trailer, "; cut; next: section={}", heading.anchor);
                }
                None => trailer.push_str("; cut"),
            }
        }
        _ if last < page.lines => {
            if last == wanted.to && end >= wanted.rows.end {
                trailer.push_str("; complete");
            }
            let _ = write!(trailer, "; next: line={}", last + 1);
        }
        _ => {}
    }
    trailer
}

fn unknown_section(anchor: &str, sections: &[Section]) -> ToolError {
    let anchors = sections.iter().map(|section| section.anchor.as_str());
    let near = nearest(anchor, anchors, 3);
    let shown = clip(anchor, 60);
    let advice = if near.is_empty() {
        "docs_outline lists the sections".to_owned()
    } else {
        format!("nearest: {}", near.join(", "))
    };
    ToolError::not_found(format!("no section `{shown}`; {advice}."))
}

/// For a path that is not there, or not of the collection.
pub(crate) fn unknown_file(
    catalogue: Option<&Catalogue>,
    collection: &str,
    path: &str,
) -> ToolError {
    let files = catalogue.and_then(|catalogue| catalogue.get(collection));
    let paths = files.into_iter().flat_map(|files| files.keys()).map(String::as_str);
    let near = nearest(path, paths, 3);
    let shown = clip(path, 100);
    let advice = if near.is_empty() {
        "docs_outline lists the files".to_owned()
    } else {
        format!("nearest: {}", near.join(", "))
    };
    ToolError::not_found(format!("no file `{shown}` in {collection}; {advice}."))
}

fn unknown_path(library: &Library, args: &Args) -> ToolError {
    let snapshot = library.snapshot();
    let catalogue = snapshot.as_ref().map(|snapshot| &*snapshot.catalogue);
    unknown_file(catalogue, &args.collection, &args.path)
}

/// The known texts most like `wanted`, judged by their first 120 characters; the last part of
/// a path counts as much as the whole.
fn nearest<'a>(wanted: &str, known: impl Iterator<Item = &'a str>, count: usize) -> Vec<&'a str> {
    fn short(text: &str) -> String {
        text.chars().take(120).collect::<String>().to_lowercase()
    }
    fn last(text: &str) -> &str {
        text.rsplit('/').next().unwrap_or(text)
    }
    let (whole, name) = (short(wanted), short(last(wanted)));
    let mut scored: Vec<(f64, &str)> = known
        .map(|candidate| {
            let by_whole = strsim::jaro_winkler(&whole, &short(candidate));
            let by_name = strsim::jaro_winkler(&name, &short(last(candidate)));
            (by_whole.max(by_name), candidate)
        })
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|left, right| right.0.total_cmp(&left.0));
    scored.into_iter().take(count).map(|(_, candidate)| candidate).collect()
}

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
use crate::page::{Page, Section, clip};
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
    #[schemars(range(min = 1, max = 9_999_999))]
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

    fn target(_: &Docs, args: &Args) -> Target {
        Target::one("collection", args.collection.clone())
    }

    async fn call(server: &Docs, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let library = Arc::clone(&server.library);
        library.collection(ctx, &args.collection)?;
        // Needs no index: a new file can be read before it is found.
        let size = if args.lines.is_some() { ctx.size() } else { ctx.size().min(DEFAULT) };
        let work = move || read(&library, &args, size);
        server.library.blocking(work).await
    }
}

fn read(library: &Library, args: &Args, size: Size) -> Result<Text, ToolError> {
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
    Ok(show(&page, &wanted, args, size))
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

fn show(page: &Page, wanted: &Wanted, args: &Args, size: Size) -> Text {
    let budget = size.bytes().saturating_sub(FRAME + args.path.len());
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
    let mut end = rows.start;
    while let Some(row) = page.rows[..rows.end].get(end) {
        used += row.end - row.start + 1;
        // One row at least, or there would be no way to go on.
        if used > budget && end > rows.start {
            break;
        }
        end += 1;
    }
    if end == rows.end {
        return end;
    }
    let least = page.rows[rows.start].start + budget * 2 / 3;
    let mut headings = page.headings.iter().rev().map(|heading| heading.row);
    headings.find(|row| *row <= end && page.rows[*row].start >= least).unwrap_or(end)
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
                trailer.push_str("; as asked");
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

/// How many known texts are compared with a wrong one: half a million would take seconds.
const COMPARED: usize = 20_000;

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
        .take(COMPARED)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Caller, World, call};

    const GUIDE: &str = "# Guide\n\nWelcome.\n\n## Installing\n\nRun it.\n\n### Linux\n\napt\n\n## Use\n\nUse it.\n";

    async fn check(content: &str, args: Value, expected: &str) {
        let world = World::new(&[("a/x.md", content)]);
        let docs = world.docs().await;
        let mut all = json!({"collection": "a", "path": "x.md"});
        for (name, value) in args.as_object().expect("an object") {
            all[name] = value.clone();
        }
        assert_eq!(call::<Read>(&docs, all).await, expected, "{args}");
    }

    #[tokio::test]
    async fn parts_are_read_by_section_and_by_line() {
        let whole = format!("<docs://a/x.md#L1-15>\n{}\nlines 1-15 of 15", GUIDE.trim_end());
        check(GUIDE, json!({}), &whole).await;
        let section = "<docs://a/x.md#L5-12>\n## Installing\n\nRun it.\n\n### Linux\n\napt\n\
            lines 5-12 of 15; as asked; next: line=13";
        check(GUIDE, json!({"section": "installing"}), section).await;
        check(GUIDE, json!({"section": "#installing"}), section).await;
        let lines = "<docs://a/x.md#L13-14>\n## Use\nlines 13-14 of 15; as asked; next: line=15";
        check(GUIDE, json!({"line": 13, "lines": 2}), lines).await;
        let last = "<docs://a/x.md#L14-15>\n\nUse it.\nlines 14-15 of 15";
        check(GUIDE, json!({"line": 14, "lines": 2000}), last).await;
        check("", json!({}), "<docs://a/x.md#L1-0>\n\nlines 1-0 of 0").await;
    }

    #[tokio::test]
    async fn what_is_not_there_is_answered_with_what_is() {
        let world = World::new(&[("a/install/linux.md", GUIDE), ("a/use.md", "x")]);
        let docs = world.docs().await;
        for (args, expected) in [
            (
                json!({"path": "linx.md"}),
                "not_found: no file `linx.md` in a; nearest: install/linux.md.",
            ),
            (
                json!({"path": "zzz"}),
                "not_found: no file `zzz` in a; docs_outline lists the files.",
            ),
            (
                json!({"path": "install/linux.md", "section": "instaling"}),
                "not_found: no section `instaling`; nearest: installing.",
            ),
            (json!({"path": "use.md", "line": 7}), "invalid: line: 7; the file has 1 lines"),
        ] {
            let mut args = args;
            args["collection"] = "a".into();
            assert_eq!(call::<Read>(&docs, args).await, expected);
        }
    }

    #[tokio::test]
    async fn a_long_document_is_read_to_its_end_in_parts() {
        let lines: Vec<String> = (1..=900)
            .map(|n| if n % 90 == 0 { format!("## Part {n}") } else { format!("line {n} of many") })
            .collect();
        let world = World::new(&[("a/x.md", &lines.join("\n"))]);
        let docs = world.docs().await;
        let (mut read, mut line) = (Vec::new(), Some(1));
        while let Some(from) = line {
            let text =
                call::<Read>(&docs, json!({"collection": "a", "path": "x.md", "line": from})).await;
            assert!(text.len() <= DEFAULT.bytes(), "{}", text.len());
            let shown: Vec<&str> = text.lines().collect();
            read.extend(shown[1..shown.len() - 1].iter().map(|line| (*line).to_owned()));
            line = text
                .rsplit_once("next: line=")
                .map(|(_, next)| next.parse::<u32>().expect("a line"));
            if let Some(next) = line {
                assert!(
                    lines[next as usize - 1].starts_with("##"),
                    "stops before a heading: {next}"
                );
            }
        }
        assert_eq!(read, lines);
    }

    #[tokio::test]
    async fn more_is_read_where_it_is_asked_for_and_never_more_than_fits() {
        let world = World::new(&[("a/x.txt", &"0123456789\n".repeat(5_000))]);
        let docs = world.docs().await;
        let args = json!({"collection": "a", "path": "x.txt", "lines": 2000});
        let text = call::<Read>(&docs, args).await;
        assert!(text.ends_with("lines 1-2000 of 5000; as asked; next: line=2001"));
        let world = World::new(&[("a/x.txt", &"0123456789".repeat(500_000))]);
        let docs = world.docs().await;
        let text =
            call::<Read>(&docs, json!({"collection": "a", "path": "x.txt", "lines": 9})).await;
        assert!(text.len() < Size::CAP.bytes() && text.ends_with("; a long line is cut"));
    }

    #[tokio::test]
    async fn html_is_read_as_text_with_the_lines_of_its_source() {
        let html = "<html><body><nav>menu</nav>\n<main>\n<h1>T</h1>\n\n<p>one\n<p>two\n</main>";
        let world = World::new(&[("a/x.html", html)]);
        let docs = world.docs().await;
        let text =
            call::<Read>(&docs, json!({"collection": "a", "path": "x.html", "line": 5})).await;
        assert_eq!(text, "<docs://a/x.html#L5-7>\none\n\ntwo\nlines 5-7 of 7");
    }

    #[tokio::test]
    async fn a_page_on_one_line_goes_on_by_section() {
        let part = format!("<p>{}</p>", "words and words ".repeat(250));
        let html = format!("<h1 id=t>T</h1>{part}<h2 id=u>U</h2>{part}<h2 id=v>V</h2>{part}");
        let world = World::new(&[("a/x.html", &html)]);
        let docs = world.docs().await;
        let text = call::<Read>(&docs, json!({"collection": "a", "path": "x.html"})).await;
        assert!(text.ends_with("lines 1-1 of 1; cut; next: section=u"), "{text}");
        let args = json!({"collection": "a", "path": "x.html", "section": "v"});
        let text = call::<Read>(&docs, args).await;
        assert!(text.starts_with("<docs://a/x.html#L1-1>\n## V"), "{text}");
    }

    #[tokio::test]
    async fn nothing_but_files_of_visible_collections_is_read() {
        let world = World::new(&[("a/x.md", "x"), ("a/x.key", "k"), ("b/y.md", "y")]);
        world.write("outside.md", "secret");
        let docs = world.docs().await;
        let caller = Caller { permitted: Some(&["a"]), ..Caller::default() };
        let absolute = world.path("outside.md").display().to_string();
        for path in ["../outside.md", "x.key", "./x.md", "/x.md", "", "a//x.md", &absolute] {
            let args = json!({"collection": "a", "path": path});
            let error = caller.call::<Read>(&docs, args).await.expect_err("no file");
            assert_eq!(error.kind, Kind::NotFound, "{path}");
        }
        let args = json!({"collection": "b", "path": "y.md"});
        let error = caller.call::<Read>(&docs, args).await.expect_err("no file");
        assert!(error.message.starts_with("collection `b` is unknown"), "{error}");
    }
}

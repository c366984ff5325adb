//! From a document to readable text: Markdown where there is Markdown for it.
//!
//! Any JSON is read, whoever wrote it: unknown nodes give their text or their content, what is
//! nested too deep is left out and said to be.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

/// How deep nodes may nest.
const DEPTH: usize = 50;

/// The text of a document; nothing for what is none.
pub(crate) fn text(document: &Value) -> String {
    block(document, 0).trim_matches('\n').to_owned()
}

/// A block as lines, without a line feed at its end.
fn block(node: &Value, depth: usize) -> String {
    if depth > DEPTH {
        return "[nested too deep]".to_owned();
    }
    let inner = || blocks(node, depth, "\n\n");
    let attr = |name: &str| node["attrs"][name].as_str().unwrap_or_default();
    match kind(node) {
        "heading" => {
            let level = node["attrs"]["level"].as_u64().unwrap_or(1).clamp(1, 6);
            format!("{} {}", "######".split_at(usize::try_from(level).unwrap_or(1)).0, inner())
        }
        "codeBlock" => fenced(attr("language"), &blocks(node, depth, "\n")),
        "blockquote" | "panel" => prefixed(&inner(), "> ", "> "),
        "rule" => "---".to_owned(),
        "bulletList" | "decisionList" => list(node, depth, |_, _| "- ".to_owned()),
        "orderedList" => {
            let first = node["attrs"]["order"].as_u64().unwrap_or(1);
            list(node, depth, |at, _| format!("{}. ", first.saturating_add(at)))
        }
        "taskList" => list(node, depth, |_, item| {
            if item["attrs"]["state"] == "DONE" { "- [x] " } else { "- [ ] " }.to_owned()
        }),
        "listItem" => tight(node, depth),
        "table" => table(node, depth),
        "expand" | "nestedExpand" => [attr("title"), &inner()].join("\n\n"),
        _ if is_inline(node) => inline(node, depth),
        _ => inner(),
    }
}

/// The children of a node: runs of inline nodes as one block, blocks with a separator between.
fn blocks(node: &Value, depth: usize, separator: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut in_line = false;
    for child in children(node) {
        let text = block(child, depth + 1);
        match parts.last_mut() {
            Some(last) if in_line && is_inline(child) => last.push_str(&text),
            _ => parts.push(text),
        }
        in_line = is_inline(child);
    }
    parts.join(separator)
}

/// A list's item: paragraphs and the lists beneath them without blank lines between.
fn tight(node: &Value, depth: usize) -> String {
    let nested = |child: &Value| kind(child).ends_with("List");
    let mut out = String::new();
    for (at, child) in children(node).iter().enumerate() {
        if at > 0 {
            out.push_str(if nested(child) { "\n" } else { "\n\n" });
        }
        out.push_str(&block(child, depth + 1));
    }
    out
}

fn list(node: &Value, depth: usize, mark: impl Fn(u64, &Value) -> String) -> String {
    let items = children(node).iter().zip(0..).map(|(item, at)| {
        let mark = mark(at, item);
        let text = block(item, depth + 1);
        if kind(item).ends_with("List") {
            prefixed(&text, "  ", "  ")
        } else {
            marked(&text, &mark)
        }
    });
    items.collect::<Vec<_>>().join("\n")
}

fn marked(text: &str, mark: &str) -> String {
    prefixed(text, mark, &" ".repeat(mark.len())).trim_end().to_owned()
}

fn table(node: &Value, depth: usize) -> String {
    let mut lines = Vec::new();
    for row in children(node) {
        let cell = |cell: &Value| block(cell, depth + 2).replace('\n', " ").replace('|', "\\|");
        let cells: Vec<String> = children(row).iter().map(cell).collect();
        lines.push(format!("| {} |", cells.join(" | ")));
        if lines.len() == 1 {
            lines.push(format!("|{}", " --- |".repeat(cells.len())));
        }
    }
    lines.join("\n")
}

/// Text between fences that it does not contain.
fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{}\n{text}\n{fence}", language.replace(['\n', '`'], " "))
}

/// Every line with a prefix, the first with its own; an empty line without spaces at its end.
fn prefixed(text: &str, first: &str, others: &str) -> String {
    let prefix = |at: usize| if at == 0 { first } else { others };
    let line = |(at, line): (usize, &str)| format!("{}{line}", prefix(at)).trim_end().to_owned();
    text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn is_inline(node: &Value) -> bool {
    let kinds = ["text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard"];
    let others = ["placeholder", "inlineExtension", "media", "mediaInline"];
    kinds.contains(&kind(node)) || others.contains(&kind(node)) || node["text"].is_string()
}

fn inline(node: &Value, depth: usize) -> String {
    let attr = |name: &str| node["attrs"][name].as_str().unwrap_or_default();
    let first = |names: &[&str]| {
        let mut known = names.iter().map(|name| attr(name)).filter(|text| !text.is_empty());
        known.next().unwrap_or_default().to_owned()
    };
    match kind(node) {
        "hardBreak" => "\n".to_owned(),
        "mention" => format!("@{}", first(&["text", "id"]).trim_start_matches('@')),
        "emoji" => first(&["text", "shortName"]),
        "date" => date(attr("timestamp")),
        "inlineCard" => first(&["url"]),
        "media" | "mediaInline" => format!("[media {}]", first(&["alt", "id"])),
        _ => match node["text"].as_str() {
            Some(text) => marks(text, node),
            None if children(node).is_empty() => first(&["text", "title", "url"]),
            None => blocks(node, depth, "\n"),
        },
    }
}

/// Text with the Markdown of its marks; code first, since nothing is marked within it.
fn marks(text: &str, node: &Value) -> String {
    let mut out = text.to_owned();
    let mut marks: Vec<&Value> = node["marks"].as_array().into_iter().flatten().collect();
    marks.sort_by_key(|mark| mark["type"] != "code");
    for mark in marks {
        let sign = match kind(mark) {
            "code" => "`",
            "strong" => "**",
            "em" => "*",
            "strike" => "~~",
            "link" => {
                let target = mark["attrs"]["href"].as_str().unwrap_or_default();
                let is_plain = target.is_empty() || target == text;
                out = if is_plain { out } else { format!("[{out}]({target})") };
                continue;
            }
            _ => continue,
        };
        out = format!("{sign}{out}{sign}");
    }
    out
}

/// Milliseconds since 1970 as a day.
fn date(timestamp: &str) -> String {
    // Beyond the year 9999 there is no name for the day.
    let seconds = timestamp.parse::<u64>().ok().map(|milliseconds| milliseconds / 1_000);
    let Some(seconds) = seconds.filter(|seconds| *seconds < 253_402_300_800) else {
        return timestamp.to_owned();
    };
    let mut day =
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    day.truncate(10);
    day
}

fn kind(node: &Value) -> &str {
    node["type"].as_str().unwrap_or_default()
}

fn children(node: &Value) -> &[Value] {
    node["content"].as_array().map(Vec::as_slice).unwrap_or_default()
}

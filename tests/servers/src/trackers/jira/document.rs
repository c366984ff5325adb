//! The Atlassian Document Format, as far as a ticket needs it: which nodes there are, what may be
//! inside which, and which attributes and marks each may have.

use serde_json::{Value, json};

const BLOCKS: [&str; 11] = [
    "paragraph",
    "heading",
    "bulletList",
    "orderedList",
    "codeBlock",
    "blockquote",
    "rule",
    "panel",
    "table",
    "expand",
    "taskList",
];
const INLINE: [&str; 7] = ["text", "hardBreak", "mention", "emoji", "inlineCard", "date", "status"];
const QUOTED: [&str; 4] = ["paragraph", "bulletList", "orderedList", "codeBlock"];
const MARKS: [&str; 8] =
    ["strong", "em", "code", "strike", "underline", "link", "subsup", "textColor"];

/// A document of plain paragraphs.
pub(super) fn of(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.is_empty());
    let paragraphs: Vec<Value> = lines
        .map(|line| json!({ "type": "paragraph", "content": [{ "type": "text", "text": line }] }))
        .collect();
    json!({ "type": "doc", "version": 1, "content": paragraphs })
}

/// The words of a document.
pub(super) fn text(node: &Value) -> String {
    let own = node["text"].as_str().unwrap_or_default().to_owned();
    let inner = node["content"].as_array().into_iter().flatten().map(text);
    let separator =
        if node["type"] == "paragraph" || node["type"] == "heading" { "" } else { "\n" };
    std::iter::once(own)
        .chain(inner)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(separator)
}

/// Checks a document where there may be none.
pub(super) fn check_or_null(document: &Value, longest: usize) -> Result<(), String> {
    if document.is_null() { Ok(()) } else { check(document, longest) }
}

/// Checks a document; an error says which node is wrong.
pub(super) fn check(document: &Value, longest: usize) -> Result<(), String> {
    let Some(fields) = document.as_object() else {
        return Err(
            "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
                .to_owned(),
        );
    };
    let named = |name: &String| ["type", "version", "content"].contains(&name.as_str());
    if document["type"] != "doc" || document["version"] != 1 || !fields.keys().all(named) {
        return Err("INVALID_INPUT: a document has type doc, version 1 and content".to_owned());
    }
    let content = document["content"].as_array().ok_or("INVALID_INPUT: a document has content")?;
    inside("doc", content, &BLOCKS)?;
    if text(document).chars().count() > longest {
        return Err("CONTENT_LIMIT_EXCEEDED: the text is longer than 32,767 characters".to_owned());
    }
    Ok(())
}

fn inside(parent: &str, content: &[Value], allowed: &[&str]) -> Result<(), String> {
    for node in content {
        let kind = node["type"].as_str().unwrap_or_default();
        if !allowed.contains(&kind) {
            return Err(format!("INVALID_INPUT: {kind:?} is not allowed in {parent}"));
        }
        check_node(kind, node)?;
        if let Some(content) = node["content"].as_array() {
            inside(kind, content, children(kind))?;
        }
    }
    Ok(())
}

/// What may be in a node of this kind.
fn children(kind: &str) -> &'static [&'static str] {
    match kind {
        "paragraph" | "heading" | "taskItem" => &INLINE,
        "codeBlock" => &["text"],
        "bulletList" | "orderedList" => &["listItem"],
        "blockquote" | "listItem" => &QUOTED,
        "panel" => &["paragraph", "heading", "bulletList", "orderedList"],
        "expand" | "tableCell" | "tableHeader" => &BLOCKS,
        "table" => &["tableRow"],
        "tableRow" => &["tableCell", "tableHeader"],
        "taskList" => &["taskItem"],
        _ => &[],
    }
}

fn check_node(kind: &str, node: &Value) -> Result<(), String> {
    let wrong = |said: &str| Err(format!("INVALID_INPUT: {kind}: {said}"));
    let known = ["type", "content", "text", "attrs", "marks"];
    if node
        .as_object()
        .is_some_and(|fields| fields.keys().any(|name| !known.contains(&name.as_str())))
    {
        return wrong("an unknown field");
    }
    if node.get("content").is_some_and(|content| !content.is_array()) {
        return wrong("content is a list");
    }
    let attributes = &node["attrs"];
    match kind {
        "text" if node["text"].as_str().is_none_or(str::is_empty) => return wrong("no text"),
        "text" => return check_marks(node),
        "heading"
            if !attributes["level"].as_u64().is_some_and(|level| (1..=6).contains(&level)) =>
        {
            return wrong("level is 1 to 6");
        }
        "mention" if !attributes["id"].is_string() => return wrong("no id"),
        "inlineCard" if !attributes["url"].is_string() => return wrong("no url"),
        "bulletList" | "orderedList" | "listItem" | "blockquote" | "panel" | "table"
        | "tableRow"
            if node["content"].as_array().is_none_or(Vec::is_empty) =>
        {
            return wrong("no content");
        }
        _ => {}
    }
    let takes_marks = matches!(kind, "inlineCard" | "mention" | "emoji" | "date" | "status");
    if node.get("marks").is_some() && !takes_marks {
        return wrong("no marks here");
    }
    if node.get("text").is_some() {
        return wrong("no text here");
    }
    Ok(())
}

fn check_marks(node: &Value) -> Result<(), String> {
    if node.get("content").is_some() {
        return Err("INVALID_INPUT: text has no content".to_owned());
    }
    let marks: Vec<&Value> = node["marks"].as_array().into_iter().flatten().collect();
    for mark in &marks {
        let kind = mark["type"].as_str().unwrap_or_default();
        if !MARKS.contains(&kind) {
            return Err(format!("INVALID_INPUT: {kind:?} is no mark"));
        }
        if kind == "link" && !mark["attrs"]["href"].is_string() {
            return Err("INVALID_INPUT: a link has an href".to_owned());
        }
        // Code goes with a link and with nothing else.
        let code = marks.iter().any(|mark| mark["type"] == "code");
        if code && kind != "code" && kind != "link" {
            return Err(format!("INVALID_INPUT: code does not go with {kind}"));
        }
    }
    Ok(())
}

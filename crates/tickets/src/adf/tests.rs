//! Documents are valid for Jira, hold nothing active, and read back as they were written.

use serde_json::{Value, json};

use super::{document, text};
use crate::inert::attacks::{ATTACKS, HARMLESS, PIECES};

/// The content of a document, node by node, as short text: `paragraph("a" strong:"b")`.
fn sketch(node: &Value) -> String {
    let kind = node["type"].as_str().unwrap_or_default();
    let marks: String = node["marks"].as_array().into_iter().flatten().map(mark).collect();
    let attrs = &node["attrs"];
    let attr = ["level", "order", "language"].iter().find_map(|name| attrs.get(name));
    let attr = attr.map(|attr| format!(" {attr}")).unwrap_or_default();
    if let Some(text) = node["text"].as_str() {
        return format!("{marks}{text:?}");
    }
    let children = node["content"].as_array().into_iter().flatten().map(sketch);
    format!("{kind}{attr}({})", children.collect::<Vec<_>>().join(" "))
}

fn mark(mark: &Value) -> String {
    let target = mark["attrs"]["href"].as_str().map(|target| format!("<{target}>"));
    format!("{}{}:", mark["type"].as_str().unwrap_or_default(), target.unwrap_or_default())
}

fn check(markdown: &str, expected: &str) {
    let document = document(markdown);
    valid(&document);
    assert_eq!(sketch(&document), format!("doc({expected})"), "{markdown:?}");
}

#[test]
fn markdown_becomes_nodes() {
    check("", "");
    check("# A *b*\n\nc\nd  \ne", r#"heading 1("A " em:"b") paragraph("c d" hardBreak() "e")"#);
    check(
        "**a *b* `c`** ~~d~~",
        r#"paragraph(strong:"a " strong:em:"b" strong:" " code:"c" " " strike:"d")"#,
    );
    check(
        "- a\n- [x] b\n  1. c",
        r#"bulletList(listItem(paragraph("a")) listItem(paragraph("[x] b") orderedList 1(listItem(paragraph("c")))))"#,
    );
    check("0. a", r#"orderedList 0(listItem(paragraph("a")))"#);
    check("```rust x\na\n\nb\n```\n\n    c", r#"codeBlock "rust"("a\n\nb") codeBlock("c")"#);
    check("```\n```", "codeBlock()");
    check(
        "> a\n> - b\n\n---",
        r#"blockquote(paragraph("a") bulletList(listItem(paragraph("b")))) rule()"#,
    );
    check(
        "| a | b |\n|---|---|\n| **c** | |",
        r#"table(tableRow(tableHeader(paragraph("a")) tableHeader(paragraph("b"))) tableRow(tableCell(paragraph(strong:"c")) tableCell(paragraph())))"#,
    );
}

#[test]
fn only_harmless_targets_are_links() {
    check("[a](https://x.example/?q)", r#"paragraph(link<https://x.example/?q>:"a")"#);
    check("[a](javascript:x) [b](/c) [d](ftp://e)", r#"paragraph("a b d")"#);
    check("<jo@x.example>", r#"paragraph(link<mailto:jo@x.example>:"jo@x.example")"#);
    check(
        "see https://x.example/a_(b). or",
        r#"paragraph("see " link<https://x.example/a_(b)>:"https://x.example/a_(b)" ". or")"#,
    );
    check("http:// xhttps://y https", r#"paragraph("http:// xhttps://y https")"#);
    check("![a](https://x.example)", r#"paragraph(link<https://x.example>:"image: a")"#);
    check("@kim [~kim] <b> &lt;", r#"paragraph("@kim [~kim] <b> <")"#);
}

#[test]
fn what_may_not_nest_is_adapted() {
    check("> # a `b`", r#"blockquote(paragraph(strong:"a " code:"b"))"#);
    check("> > a", r#"blockquote(paragraph("a"))"#);
    check("- > a\n- ***", r#"bulletList(listItem(paragraph("a")) listItem(paragraph("---")))"#);
    check(
        "- - a\n-",
        r#"bulletList(listItem(paragraph() bulletList(listItem(paragraph("a")))) listItem(paragraph()))"#,
    );
    check(
        "> | a | b |\n> |---|---|\n> | c | d |",
        r#"blockquote(paragraph("a | b") paragraph("c | d"))"#,
    );
    check(">", "");
    let deep = sketch(&document(&format!("{}a", "- ".repeat(200))));
    assert!(deep.matches("bulletList").count() == 8, "{deep}");
    valid(&document(&format!("{}a", "> - ".repeat(500))));
}

#[test]
fn every_document_is_valid_and_settles() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("a small number")
    };
    let random = (0..5_000).map(|_| (0..=next(16)).map(|_| PIECES[next(PIECES.len())]).collect());
    let known = ATTACKS.iter().chain(HARMLESS).map(|text| (*text).to_owned());
    for markdown in known.chain(random) {
        let document = document(&markdown);
        valid(&document);
        let _ = text(&document);
    }
}

/// Holds that a node is one of ours in a place where the schema of the format allows it.
fn valid(node: &Value) {
    let kind = node["type"].as_str().expect("a type");
    let inline = &["text", "hardBreak"][..];
    let nested = &["paragraph", "bulletList", "orderedList", "codeBlock"][..];
    let children: &[&str] = match kind {
        "doc" => &[
            "paragraph",
            "heading",
            "bulletList",
            "orderedList",
            "codeBlock",
            "blockquote",
            "rule",
            "table",
        ],
        "blockquote" | "listItem" => nested,
        "bulletList" | "orderedList" => &["listItem"],
        "table" => &["tableRow"],
        "tableRow" => &["tableHeader", "tableCell"],
        "tableHeader" | "tableCell" => &["paragraph"],
        "paragraph" | "heading" => inline,
        "codeBlock" => &["text"],
        "text" | "hardBreak" | "rule" => &[],
        other => panic!("{other} is none of ours"),
    };
    let content = node["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let may_be_empty = matches!(
        kind,
        "doc" | "paragraph" | "heading" | "codeBlock" | "text" | "hardBreak" | "rule"
    );
    assert!(may_be_empty || !content.is_empty(), "an empty {kind}");
    for child in content {
        let name = child["type"].as_str().expect("a type");
        assert!(children.contains(&name), "{name} in {kind}");
        assert!(kind != "codeBlock" || child.get("marks").is_none(), "code with marks");
        valid(child);
    }
    if kind == "listItem" {
        assert!(content[0]["type"] == "paragraph" || content[0]["type"] == "codeBlock");
    }
    if kind == "text" {
        assert_ne!(node["text"], "");
        let marks = node["marks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let kinds: Vec<_> = marks.iter().filter_map(|mark| mark["type"].as_str()).collect();
        let is_code = kinds.contains(&"code");
        assert!(!is_code || kinds.iter().all(|kind| matches!(*kind, "code" | "link")), "{kinds:?}");
        assert!(node.get("marks").is_none() || !marks.is_empty());
        for target in marks.iter().filter_map(|mark| mark["attrs"]["href"].as_str()) {
            let target = target.to_ascii_lowercase();
            assert!(["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme)));
        }
    }
}

/// A text that reads back as it was written.
fn settled(markdown: &str) {
    assert_eq!(text(&document(markdown)), markdown);
}

#[test]
fn a_document_reads_as_markdown() {
    settled("# A\n\nb **c** *d* ~~e~~ `f` [g](https://x.example) https://y.example\n\n---");
    settled("- a\n- b\n  1. c\n  2. d\n\n> e\n>\n> - f");
    settled("````md\n```\nx\n```\n````\n\n```\n\n\ny\n```");
    settled("| a | b |\n| --- | --- |\n| c | d |");
    settled("5. a\n\n   b\n6. c");
}

#[test]
fn what_others_wrote_is_read_too() {
    let check = |content: Value, expected: &str| {
        let document = json!({"type": "doc", "version": 1, "content": content});
        assert_eq!(text(&document), expected);
    };
    let mention = json!({"type": "mention", "attrs": {"id": "1", "text": "@Kim"}});
    let emoji = json!({"type": "emoji", "attrs": {"shortName": ":smile:"}});
    let date = json!({"type": "date", "attrs": {"timestamp": "1700000000000"}});
    let status = json!({"type": "status", "attrs": {"text": "DONE"}});
    let card = json!({"type": "inlineCard", "attrs": {"url": "https://x.example"}});
    check(
        json!([{"type": "paragraph", "content": [mention, emoji, date, status, card]}]),
        "@Kim:smile:2023-11-14DONEhttps://x.example",
    );
    let item = json!({"type": "taskItem", "attrs": {"state": "DONE"}, "content": [{"type": "text", "text": "a"}]});
    check(json!([{"type": "taskList", "content": [item]}]), "- [x] a");
    let paragraph = json!({"type": "paragraph", "content": [{"type": "text", "text": "a"}]});
    check(
        json!([{"type": "panel", "content": [paragraph]}, {"type": "new", "content": [paragraph]}]),
        "> a\n\na",
    );
    check(
        json!([{"type": "mediaSingle", "content": [{"type": "media", "attrs": {"alt": "plan.png"}}]}]),
        "[media plan.png]",
    );
    check(
        json!([{"type": "expand", "attrs": {"title": "More"}, "content": [paragraph]}]),
        "More\n\na",
    );
    check(json!(null), "");
    check(json!("text"), "");
    check(json!([1, null, {"type": 7}, {"text": "a"}]), "a");
    assert_eq!(text(&Value::Null), "");
}

#[test]
fn depth_has_an_end() {
    let mut node = json!({"type": "paragraph", "content": []});
    for _ in 0..100 {
        node = json!({"type": "blockquote", "content": [node]});
    }
    assert!(text(&node).contains("[nested too deep]"));
    for kind in ["table", "bulletList", "listItem", "new"] {
        let nested = (0..100)
            .fold(json!({"type": "rule"}), |node, _| json!({"type": kind, "content": [node]}));
        assert!(!text(&nested).contains("---\n"), "{kind}");
    }
}

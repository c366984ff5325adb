//! From Markdown to a document: the parser's events, put into the nodes that may hold them.

use pulldown_cmark::{
    CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd, TextMergeStream,
};
use serde_json::{Value, json};

use super::inline::{self, Marks};
use super::{node, node_with};

/// How deep lists and quotes may nest; what is deeper is put into the last one that may.
const DEPTH: usize = 8;

/// The document of a Markdown text.
pub(crate) fn document(markdown: &str) -> Value {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut builder = Builder::default();
    builder.open(Kind::Document);
    for event in TextMergeStream::new(Parser::new_ext(markdown, options)) {
        builder.event(event);
    }
    while builder.open.len() > 1 {
        builder.close();
    }
    let content = builder.open.pop().map(|block| block.content).unwrap_or_default();
    json!({"type": "doc", "version": 1, "content": content})
}

/// A block that is open.
struct Block {
    kind: Kind,
    content: Vec<Value>,
}

#[derive(Clone, PartialEq)]
enum Kind {
    Document,
    Quote,
    Bullets,
    Numbers(u64),
    Item,
    Table,
    /// A row, and whether it is the head of its table.
    Row(bool),
    Cell(bool),
    Paragraph,
    Heading(u8),
    Code(String),
    /// A container that may not be where it is, or not so deep: its content goes to the one around.
    Through,
}

#[derive(Default)]
struct Builder {
    open: Vec<Block>,
    marks: Marks,
    /// How many lists and quotes are open.
    depth: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::Code(text) => {
                let text = text.replace('\n', " ");
                let (content, marks) = self.inline();
                inline::push_code(content, &text, marks);
            }
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => inline::push_break(self.inline().0),
            Event::Rule => {
                self.close_paragraph();
                self.attach(json!({"type": "rule"}));
            }
            Event::TaskListMarker(done) => self.text(if done { "[x] " } else { "[ ] " }),
            // Not asked for; shown as they are should they come.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.text(&text);
            }
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock => self.block(Kind::Paragraph),
            Tag::Heading { level, .. } => self.block(Kind::Heading(level as u8)),
            Tag::CodeBlock(CodeBlockKind::Fenced(info)) => self.block(Kind::Code(language(&info))),
            Tag::CodeBlock(CodeBlockKind::Indented) => self.block(Kind::Code(String::new())),
            Tag::BlockQuote(_) => self.container(Kind::Quote),
            Tag::List(None) => self.container(Kind::Bullets),
            Tag::List(Some(first)) => self.container(Kind::Numbers(first)),
            Tag::Item => {
                let is_list = matches!(self.kind(), Kind::Bullets | Kind::Numbers(_));
                self.open(if is_list { Kind::Item } else { Kind::Through });
            }
            Tag::Table(_) => self.block(Kind::Table),
            Tag::TableHead => self.open(Kind::Row(true)),
            Tag::TableRow => self.open(Kind::Row(false)),
            Tag::TableCell => {
                let is_head = *self.kind() == Kind::Row(true);
                self.open(Kind::Cell(is_head));
            }
            Tag::Strong => self.marks.strong += 1,
            Tag::Emphasis => self.marks.em += 1,
            Tag::Strikethrough => self.marks.strike += 1,
            Tag::Link { link_type: LinkType::Email, dest_url, .. } => {
                self.marks.links.push(inline::target(&format!("mailto:{dest_url}")));
            }
            Tag::Link { dest_url, .. } => self.marks.links.push(inline::target(&dest_url)),
            Tag::Image { dest_url, .. } => {
                self.marks.links.push(inline::target(&dest_url));
                self.text("image: ");
            }
            _ => self.container(Kind::Through),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        let less = |count: &mut usize| *count = count.saturating_sub(1);
        match tag {
            TagEnd::Strong => less(&mut self.marks.strong),
            TagEnd::Emphasis => less(&mut self.marks.em),
            TagEnd::Strikethrough => less(&mut self.marks.strike),
            TagEnd::Link | TagEnd::Image => {
                self.marks.links.pop();
            }
            TagEnd::Paragraph | TagEnd::HtmlBlock => self.close_paragraph(),
            TagEnd::BlockQuote(_) | TagEnd::List(_) => {
                self.close_paragraph();
                self.depth -= 1;
                self.close();
            }
            _ => {
                if !matches!(self.kind(), Kind::Heading(_) | Kind::Code(_)) {
                    self.close_paragraph();
                }
                self.close();
            }
        }
    }

    /// Adds text where it belongs: a line of code, or a paragraph, which is begun if none is open.
    fn text(&mut self, text: &str) {
        if let Some(Block { kind: Kind::Code(_), content }) = self.open.last_mut() {
            inline::push(content, text, Vec::new());
            return;
        }
        let (content, marks) = self.inline();
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                inline::push_break(content);
            }
            inline::push_text(content, line, marks);
        }
    }

    fn inline(&mut self) -> (&mut Vec<Value>, &Marks) {
        if !matches!(self.kind(), Kind::Paragraph | Kind::Heading(_)) {
            self.open(Kind::Paragraph);
        }
        let block = self.open.last_mut().expect("the document is open");
        (&mut block.content, &self.marks)
    }

    fn kind(&self) -> &Kind {
        self.open.last().map_or(&Kind::Document, |block| &block.kind)
    }

    fn last(&mut self) -> &mut Block {
        self.open.last_mut().expect("the document is open")
    }

    fn open(&mut self, kind: Kind) {
        self.open.push(Block { kind, content: Vec::new() });
    }

    /// Opens a block beside the paragraph that may be open.
    fn block(&mut self, kind: Kind) {
        self.close_paragraph();
        self.open(kind);
    }

    /// Opens a list or a quote, if one may stand here.
    fn container(&mut self, kind: Kind) {
        self.close_paragraph();
        self.depth += 1;
        let is_nested_quote = kind == Kind::Quote && self.depth > 1;
        self.open(if self.depth > DEPTH || is_nested_quote { Kind::Through } else { kind });
    }

    fn close_paragraph(&mut self) {
        if *self.kind() == Kind::Paragraph {
            self.close();
        }
    }

    /// Closes the last block and puts its node into the one around it.
    fn close(&mut self) {
        let Some(Block { kind, mut content }) = self.open.pop() else { return };
        let node = match kind {
            Kind::Through | Kind::Document => {
                for node in content {
                    self.attach(node);
                }
                return;
            }
            Kind::Bullets | Kind::Numbers(_) | Kind::Table | Kind::Row(_) | Kind::Quote
                if content.is_empty() =>
            {
                return;
            }
            Kind::Quote => node("blockquote", content),
            Kind::Bullets => node("bulletList", content),
            Kind::Numbers(first) => node_with("orderedList", json!({"order": first}), content),
            Kind::Item => node("listItem", begun(content)),
            Kind::Table => node("table", content),
            Kind::Row(_) => node("tableRow", content),
            Kind::Cell(is_head) => {
                let kind = if is_head { "tableHeader" } else { "tableCell" };
                node(
                    kind,
                    if content.is_empty() { vec![node("paragraph", content)] } else { content },
                )
            }
            Kind::Paragraph => {
                trim(&mut content);
                node("paragraph", content)
            }
            Kind::Heading(level) => node_with("heading", json!({"level": level}), content),
            Kind::Code(language) => code(&language, content),
        };
        self.attach(node);
    }

    /// Puts a node into the last block, as what may stand there.
    fn attach(&mut self, node: Value) {
        let around = self.open.iter().rev().find(|block| block.kind != Kind::Through);
        let nested = around.is_some_and(|block| matches!(block.kind, Kind::Item | Kind::Quote));
        let adapted = if nested { adapted(node) } else { vec![node] };
        self.last().content.extend(adapted);
    }
}

/// A node as it may stand in a list or in a quote.
fn adapted(mut block: Value) -> Vec<Value> {
    match block["type"].as_str() {
        Some("heading") => {
            let mut content =
                block["content"].as_array_mut().map(std::mem::take).unwrap_or_default();
            content.iter_mut().for_each(embolden);
            vec![node("paragraph", content)]
        }
        Some("rule") => vec![paragraph("---")],
        Some("table") => rows(&block),
        _ => vec![block],
    }
}

/// The rows of a table, a line each.
fn rows(table: &Value) -> Vec<Value> {
    let content = |node: &Value| node["content"].as_array().cloned().unwrap_or_default();
    let row = |row: &Value| {
        let mut line = Vec::new();
        for (at, cell) in content(row).iter().enumerate() {
            if at > 0 {
                inline::push(&mut line, " | ", Vec::new());
            }
            let nodes = content(cell).iter().flat_map(content).collect::<Vec<_>>();
            for node in nodes {
                inline::push_node(&mut line, &node);
            }
        }
        node("paragraph", line)
    };
    content(table).iter().map(row).collect()
}

/// Makes text bold, unless it is code, which is never bold.
fn embolden(text: &mut Value) {
    let marks = text["marks"].as_array().cloned().unwrap_or_default();
    let stays = |mark: &Value| mark["type"] == "code" || mark["type"] == "strong";
    if text["type"] == "text" && !marks.iter().any(stays) {
        let strong = std::iter::once(json!({"type": "strong"}));
        text["marks"] = strong.chain(marks).collect();
    }
}

/// The content of a list's item, which begins with a paragraph or with code.
fn begun(mut content: Vec<Value>) -> Vec<Value> {
    let begins = |node: &Value| node["type"] == "paragraph" || node["type"] == "codeBlock";
    if !content.first().is_some_and(begins) {
        content.insert(0, node("paragraph", Vec::new()));
    }
    content
}

fn code(language: &str, mut content: Vec<Value>) -> Value {
    if let Some(Value::String(text)) = content.last_mut().and_then(|last| last.get_mut("text"))
        && text.ends_with('\n')
    {
        text.pop();
    }
    content.retain(|text| text["text"] != "");
    if language.is_empty() {
        return node("codeBlock", content);
    }
    node_with("codeBlock", json!({"language": language}), content)
}

/// The language in the first word behind a fence.
fn language(info: &str) -> String {
    let word = info.split_whitespace().next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "+#._-".contains(c);
    if word.len() <= 40 && word.chars().all(is_name) { word.to_owned() } else { String::new() }
}

fn paragraph(text: &str) -> Value {
    node("paragraph", vec![json!({"type": "text", "text": text})])
}

/// Drops the line breaks at the end of a paragraph.
fn trim(content: &mut Vec<Value>) {
    while content.last().is_some_and(|last| last["type"] == "hardBreak") {
        content.pop();
    }
}

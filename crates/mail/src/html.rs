//! HTML from Markdown, for mail: no image, no script, no style, no form, nothing remote. HTML in
//! the Markdown is shown as text. A link shows where it leads.

mod link;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use contract::text::visible;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html::push_html};

use link::Link;

/// How deep lists, quotations and marks may lie in each other; what is deeper becomes flat.
const DEPTH: usize = 24;

/// A whole page: the text, what it answers (a line and the words), and the signature.
pub(crate) fn page(
    markdown: &str,
    quoted: Option<(&str, &str)>,
    signature: Option<&str>,
) -> String {
    let markdown = visible(markdown);
    let mut events = written(&markdown);
    if let Some((line, text)) = quoted {
        paragraph(line, &mut events);
        events.push(Event::Start(Tag::BlockQuote(None)));
        paragraph(text, &mut events);
        events.push(Event::End(TagEnd::BlockQuote(None)));
    }
    if let Some(signature) = signature {
        paragraph(&format!("-- \n{signature}"), &mut events);
    }
    let mut html = String::new();
    push_html(&mut html, events.into_iter());
    format!("<!DOCTYPE html>\n<html><body>\n{}</body></html>\n", ONLY.clean(&html))
}

/// What may be in a mail; the rest is taken out, even where the steps before fail.
static ONLY: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut only = Builder::empty();
    only.tags(HashSet::from([
        "a",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]))
    .tag_attributes(HashMap::from([
        ("a", HashSet::from(["href"])),
        ("ol", HashSet::from(["start"])),
    ]))
    .url_schemes(HashSet::from(["http", "https", "mailto"]))
    .url_relative(UrlRelative::Deny)
    .link_rel(Some("noopener noreferrer"));
    only
});

/// The events of the Markdown, with what mail must not have made into text.
fn written(markdown: &str) -> Vec<Event<'_>> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut out = Vec::new();
    // For every open tag, whether it was kept.
    let mut open: Vec<bool> = Vec::new();
    // Where the open link began, its target, and the text in it so far.
    let mut link: Option<(usize, String, String)> = None;
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let scheme = if link_type == LinkType::Email { "mailto:" } else { "" };
                link = Some((out.len(), format!("{scheme}{dest_url}"), String::new()));
                // Where the link will begin, should it be one.
                out.push(Event::Text(CowStr::Borrowed("")));
            }
            Event::End(TagEnd::Link) => {
                if let Some((at, target, text)) = link.take() {
                    close_link(at, &target, &text, &mut out);
                }
            }
            Event::Start(Tag::Image { .. }) => out.push(text("[image: ")),
            Event::End(TagEnd::Image) => out.push(text("]")),
            Event::Start(tag) => {
                let tag = if tag == Tag::HtmlBlock { Tag::Paragraph } else { tag };
                let is_kept = open.len() < DEPTH;
                open.push(is_kept);
                if is_kept {
                    out.push(Event::Start(tag));
                }
            }
            Event::End(tag) => {
                let tag = if tag == TagEnd::HtmlBlock { TagEnd::Paragraph } else { tag };
                if open.pop() == Some(true) {
                    out.push(Event::End(tag));
                }
            }
            Event::Text(said) | Event::Html(said) | Event::InlineHtml(said) => {
                note(&mut link, &said);
                out.push(text(&said));
            }
            Event::Code(said) => {
                note(&mut link, &said);
                out.push(Event::Code(visible(&said).into_owned().into()));
            }
            other => out.push(other),
        }
    }
    out
}

fn note(link: &mut Option<(usize, String, String)>, said: &str) {
    if let Some((_, _, text)) = link {
        text.push_str(said);
    }
}

/// Text in which nothing is hidden: a character reference can name what the source did not hold.
fn text<'a>(said: &str) -> Event<'a> {
    Event::Text(visible(said).into_owned().into())
}

/// Makes a link of what was written after `at`, if it may be one.
fn close_link(at: usize, target: &str, shown: &str, out: &mut Vec<Event<'_>>) {
    let (address, beside) = match Link::of(target) {
        Some(link) => (Some(link.address.clone()), link.beside(shown)),
        None => (None, Some(target.to_owned())),
    };
    if let Some(address) = address {
        let start = Tag::Link {
            link_type: LinkType::Inline,
            dest_url: address.into(),
            title: CowStr::Borrowed(""),
            id: CowStr::Borrowed(""),
        };
        out[at] = Event::Start(start);
        out.push(Event::End(TagEnd::Link));
    }
    if let Some(beside) = beside {
        out.push(text(&format!(" [{beside}]")));
    }
}

/// Plain text as a paragraph, line by line.
fn paragraph(plain: &str, events: &mut Vec<Event<'_>>) {
    events.push(Event::Start(Tag::Paragraph));
    for (at, line) in plain.lines().enumerate() {
        if at > 0 {
            events.push(Event::HardBreak);
        }
        events.push(text(line));
    }
    events.push(Event::End(TagEnd::Paragraph));
}

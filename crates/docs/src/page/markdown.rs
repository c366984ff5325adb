//! Markdown (`CommonMark`): the source stays as it is, the headings are found by the parser.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::anchor::Anchors;
use super::{Heading, Page, Row, clip, number, rows_of};

/// Parses Markdown.
pub(super) fn parse(source: &str) -> Page {
    let rows = rows_of(source);
    let mut page =
        Page { lines: number(rows.len()), text: source.to_owned(), rows, ..Page::default() };
    let mut reader =
        Reader { page: &mut page, anchors: Anchors::default(), depth: 0, open: Open::Nothing };
    let options = Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    for (event, range) in Parser::new_ext(source, options).into_offset_iter() {
        reader.take(event, range);
    }
    if page.title.is_empty() {
        let first = page.headings.iter().find(|heading| heading.level == 1);
        page.title = first.map(|heading| heading.text.clone()).unwrap_or_default();
    }
    page
}

struct Reader<'a> {
    page: &'a mut Page,
    anchors: Anchors,
    /// How many lists and quotations are open: headings inside them begin no section.
    depth: usize,
    open: Open,
}

/// What the text of an event belongs to.
enum Open {
    Nothing,
    FrontMatter(String),
    Heading { level: u8, id: Option<String>, text: String },
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::MetadataBlock(_)) => self.open = Open::FrontMatter(String::new()),
            Event::End(TagEnd::MetadataBlock(_)) => self.close_front_matter(&range),
            Event::Start(Tag::Heading { level, id, .. }) => {
                let id = id.map(|id| id.to_string());
                self.open = Open::Heading { level: level as u8, id, text: String::new() };
            }
            Event::End(TagEnd::Heading(_)) => self.close_heading(range),
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item) => self.depth += 1,
            Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item) => {
                self.depth = self.depth.saturating_sub(1);
            }
            Event::Text(words) | Event::Code(words) => self.add(&words),
            Event::SoftBreak | Event::HardBreak => self.add(" "),
            _ => {}
        }
    }

    fn add(&mut self, words: &str) {
        if let Open::FrontMatter(text) | Open::Heading { text, .. } = &mut self.open {
            text.push_str(words);
        }
    }

    fn close_front_matter(&mut self, range: &Range<usize>) {
        let Open::FrontMatter(text) = std::mem::replace(&mut self.open, Open::Nothing) else {
            return;
        };
        self.page.body_row = self.row_after(range);
        if let Some(title) = text.lines().find_map(title_of) {
            self.page.title = clip(title, 200);
        }
    }

    fn close_heading(&mut self, range: Range<usize>) {
        let Open::Heading { level, id, text } = std::mem::replace(&mut self.open, Open::Nothing)
        else {
            return;
        };
        let text = clip(&text, 200);
        let anchor = match id {
            Some(id) => {
                self.anchors.note(&id);
                id
            }
            None => self.anchors.of_heading(&text),
        };
        if self.depth == 0 {
            let row = row_at(&self.page.rows, range.start);
            let body_row = self.row_after(&range);
            self.page.headings.push(Heading { level, text, anchor, row, body_row });
        }
    }

    /// The row after the one a block ends in; the parser counts the line break to the block.
    fn row_after(&self, range: &Range<usize>) -> usize {
        let block = self.page.text[range.clone()].trim_end();
        let last = (range.start + block.len()).saturating_sub(1).max(range.start);
        row_at(&self.page.rows, last) + 1
    }
}

fn row_at(rows: &[Row], byte: usize) -> usize {
    rows.partition_point(|row| row.start <= byte).saturating_sub(1)
}

/// `title: …` of YAML or `title = …` of TOML, without quotation marks.
fn title_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("title")?.trim_start().strip_prefix([':', '='])?;
    let title = rest.trim().trim_matches(['"', '\'']).trim();
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each heading: `level anchor row-body_row text`, after the title.
    fn check(source: &str, expected: &[&str]) {
        let page = parse(source);
        let mut shown = vec![page.title.clone()];
        shown.extend(
            page.headings
                .iter()
                .map(|h| format!("{} {} {}-{} {}", h.level, h.anchor, h.row, h.body_row, h.text)),
        );
        assert_eq!(shown, expected, "{source:?}");
    }

    #[test]
    fn both_kinds_of_headings_are_found() {
        check("# One\ntext\n", &["One", "1 one 0-1 One"]);
        check("One\n===\n\nTwo\n---\n", &["One", "1 one 0-2 One", "2 two 3-5 Two"]);
        check("## `a()` *b* [c](d) ##\n", &["", "2 a-b-c 0-1 a() b c"]);
        check("# One {#own}\r\n# Own\r\n", &["One", "1 own 0-1 One", "1 own-1 1-2 Own"]);
    }

    #[test]
    fn code_and_quotations_hold_no_headings() {
        check("```sh\n# no\n```\n    # no\n", &[""]);
        check("> # no\n\n- # no\n\n# yes\n", &["yes", "1 yes 4-5 yes"]);
    }

    #[test]
    fn front_matter_gives_the_title_and_is_no_heading() {
        check("---\ntitle: \"The Guide\"\n---\n# One\n", &["The Guide", "1 one 3-4 One"]);
        check("+++\ntitle = 'Toml'\n+++\ntext\n", &["Toml"]);
        assert_eq!(parse("---\na: b\n---\ntext\n").body_row, 3);
    }

    #[test]
    fn depth_costs_no_stack() {
        for source in ["> ".repeat(100_000), "- ".repeat(50_000), "[".repeat(100_000)] {
            assert!(parse(&format!("{source}\n# end")).headings.len() <= 1);
        }
    }
}

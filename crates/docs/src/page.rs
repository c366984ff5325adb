//! A page: one file, cut into rows that know their source line, and passages under headings.
//!
//! Every format becomes a [`Page`] first, so that search, outline and reading agree on lines and
//! anchors. Nothing here recurses: the depth of a document costs no stack.

mod anchor;
mod html;
mod markdown;
mod plain;

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// The size passages are merged up to, in bytes.
const PASSAGE: usize = 1_200;
/// The size above which a paragraph is cut at lines, and a line at spaces, in bytes.
const PARAGRAPH: usize = 2_400;

/// A parsed file.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// From the front matter, the first heading of level 1, `<title>`, or the file's name.
    pub(crate) title: String,
    /// How many lines the source has.
    pub(crate) lines: u32,
    /// What the rows point into: the source, or the text extracted from it.
    pub(crate) text: String,
    /// The lines to show, in order.
    pub(crate) rows: Vec<Row>,
    /// The headings that begin a section, in order.
    pub(crate) headings: Vec<Heading>,
    /// The first row after the front matter.
    pub(crate) body_row: usize,
}

/// One line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line in the source, from 1. Never decreases from row to row.
    pub(crate) line: u32,
    /// The first byte in [`Page::text`].
    pub(crate) start: usize,
    /// The byte after the last one, without the line break.
    pub(crate) end: usize,
}

/// A heading that begins a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heading {
    /// 1 to 6.
    pub(crate) level: u8,
    /// The words, without markup.
    pub(crate) text: String,
    /// What stands behind `#` in an address.
    pub(crate) anchor: String,
    /// The row the heading begins in.
    pub(crate) row: usize,
    /// The first row after the heading.
    pub(crate) body_row: usize,
}

/// One heading in an outline: kept in the index, so that outlines need no re-reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Section {
    /// 1 to 6.
    pub(crate) level: u8,
    /// The words.
    pub(crate) text: String,
    /// The anchor.
    pub(crate) anchor: String,
    /// The line of the heading.
    pub(crate) from: u32,
    /// The last line before the next heading that is not deeper.
    pub(crate) to: u32,
}

/// A piece of a page that is found on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Passage {
    /// The headings above, outermost first, joined by ` > `, without the page's title.
    pub(crate) headings: String,
    /// The anchor of the nearest heading; empty before the first one.
    pub(crate) anchor: String,
    /// The first line, the heading's own for the first passage of a section.
    pub(crate) from: u32,
    /// The last line.
    pub(crate) to: u32,
    /// The words below the heading.
    pub(crate) body: String,
}

impl Page {
    /// Parses a file by the ending of its name. Never fails: what is no UTF-8 is replaced, what
    /// is no markup is text.
    pub(crate) fn parse(path: &str, bytes: &[u8]) -> Self {
        let source = String::from_utf8_lossy(bytes);
        let source = source.strip_prefix('\u{feff}').unwrap_or(&source);
        let name = path.rsplit('/').next().unwrap_or(path);
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let mut page = match ending.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdx" => markdown::parse(source),
            "html" | "htm" | "xhtml" => html::parse(source),
            _ => plain::parse(source),
        };
        if page.title.is_empty() {
            stem.clone_into(&mut page.title);
        }
        page
    }

    /// The words of a row.
    pub(crate) fn words(&self, row: Row) -> &str {
        &self.text[row.start..row.end]
    }

    /// The outline.
    pub(crate) fn sections(&self) -> Vec<Section> {
        let ends = self.section_ends();
        let sections = self.headings.iter().zip(ends).map(|(heading, end)| Section {
            level: heading.level,
            text: heading.text.clone(),
            anchor: heading.anchor.clone(),
            from: self.line(heading.row),
            to: if end < self.rows.len() {
                self.line(end).saturating_sub(1).max(self.line(heading.row))
            } else {
                self.lines
            },
        });
        sections.collect()
    }

    /// The rows of the section a heading begins.
    pub(crate) fn section_rows(&self, heading: usize) -> Range<usize> {
        self.headings[heading].row..self.section_ends()[heading]
    }

    /// For each heading, the row of the next one that is not deeper.
    fn section_ends(&self) -> Vec<usize> {
        let mut ends = vec![self.rows.len(); self.headings.len()];
        let mut open: Vec<usize> = Vec::new();
        for (index, heading) in self.headings.iter().enumerate() {
            while let Some(last) = open.pop_if(|last| self.headings[*last].level >= heading.level) {
                ends[last] = heading.row;
            }
            open.push(index);
        }
        ends
    }

    fn line(&self, row: usize) -> u32 {
        self.rows.get(row).map_or(self.lines.max(1), |row| row.line)
    }

    /// The passages, in order. A heading without words of its own gets a passage only if no
    /// deeper heading follows it.
    pub(crate) fn passages(&self) -> Vec<Passage> {
        let mut passages = Vec::new();
        let first = self.headings.first().map_or(self.rows.len(), |heading| heading.row);
        self.add_passages(&mut passages, None, "", self.body_row..first.max(self.body_row));
        let mut path: Vec<&Heading> = Vec::new();
        for (index, heading) in self.headings.iter().enumerate() {
            while path.pop_if(|above| above.level >= heading.level).is_some() {}
            path.push(heading);
            let next = self.headings.get(index + 1);
            let end = next.map_or(self.rows.len(), |next| next.row).max(heading.body_row);
            let before = passages.len();
            let joined = self.heading_path(&path);
            self.add_passages(&mut passages, Some(heading), &joined, heading.body_row..end);
            if passages.len() == before && next.is_none_or(|next| next.level <= heading.level) {
                passages.push(Passage {
                    headings: joined,
                    anchor: heading.anchor.clone(),
                    from: self.line(heading.row),
                    to: self.line(heading.body_row.saturating_sub(1).max(heading.row)),
                    body: String::new(),
                });
            }
        }
        if passages.is_empty() {
            let body = String::new();
            passages.push(Passage {
                headings: body.clone(),
                anchor: body.clone(),
                from: 1,
                to: 1,
                body,
            });
        }
        passages
    }

    /// At most eight levels of at most 120 characters: headings are somebody else's words.
    fn heading_path(&self, path: &[&Heading]) -> String {
        let shown = path.iter().filter(|heading| heading.level > 1 || heading.text != self.title);
        let texts: Vec<String> = shown.map(|heading| clip(&heading.text, 120)).collect();
        texts.join(" > ")
    }

    fn add_passages(
        &self,
        passages: &mut Vec<Passage>,
        heading: Option<&Heading>,
        headings: &str,
        rows: Range<usize>,
    ) {
        for (index, piece) in self.pieces(rows).into_iter().enumerate() {
            let own = heading.filter(|_| index == 0).map(|heading| self.line(heading.row));
            passages.push(Passage {
                headings: headings.to_owned(),
                anchor: heading.map(|heading| heading.anchor.clone()).unwrap_or_default(),
                from: own.unwrap_or(piece.from),
                to: piece.to,
                body: self.text[piece.bytes].trim_matches(['\n', '\r']).to_owned(),
            });
        }
    }

    /// Cuts rows at blank ones, at lines where a paragraph is long, at spaces where a line is
    /// long; then merges what is short.
    fn pieces(&self, rows: Range<usize>) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        for paragraph in self.paragraphs(rows) {
            for piece in self.cut(paragraph) {
                match pieces.last_mut() {
                    Some(last) if piece.bytes.end - last.bytes.start <= PASSAGE => {
                        last.bytes.end = piece.bytes.end;
                        last.to = piece.to;
                    }
                    _ => pieces.push(piece),
                }
            }
        }
        pieces
    }

    fn paragraphs(&self, rows: Range<usize>) -> Vec<Range<usize>> {
        let mut paragraphs: Vec<Range<usize>> = Vec::new();
        let mut open = false;
        for index in rows {
            let blank = self.words(self.rows[index]).trim().is_empty();
            match paragraphs.last_mut() {
                Some(last) if open && !blank => last.end = index + 1,
                _ if !blank => paragraphs.push(index..index + 1),
                _ => {}
            }
            open = !blank;
        }
        paragraphs
    }

    fn cut(&self, paragraph: Range<usize>) -> Vec<Piece> {
        let rows = &self.rows[paragraph];
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Vec::new() };
        if last.end - first.start <= PARAGRAPH {
            let bytes = first.start..last.end;
            return vec![Piece { bytes, from: first.line, to: last.line }];
        }
        rows.iter().flat_map(|row| self.cut_row(*row)).collect()
    }

    fn cut_row(&self, row: Row) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut start = row.start;
        while row.end - start > PARAGRAPH {
            let limit = self.text.floor_char_boundary(start + PASSAGE);
            let space = self.text[start..limit].rfind(' ').filter(|space| *space > PASSAGE / 2);
            let end = space.map_or(limit, |space| start + space + 1);
            pieces.push(Piece { bytes: start..end, from: row.line, to: row.line });
            start = end;
        }
        pieces.push(Piece { bytes: start..row.end, from: row.line, to: row.line });
        pieces
    }
}

/// A range of the text and the lines it stands on.
struct Piece {
    bytes: Range<usize>,
    from: u32,
    to: u32,
}

/// At most `limit` characters on one line, with single spaces.
pub(crate) fn clip(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > limit * 4 {
            break;
        }
    }
    match out.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", out[..at].trim_end()),
        None => out,
    }
}

/// The rows of a text, one for each line; a last line break does not begin another line.
fn rows_of(source: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut start = 0;
    for (index, line) in source.split_inclusive('\n').enumerate() {
        let end = start + line.trim_end_matches(['\n', '\r']).len();
        rows.push(Row { line: number(index + 1), start, end });
        start += line.len();
    }
    rows
}

/// A line number; files are far smaller than 2³² bytes.
fn number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each passage: `from-to anchor | headings | body`.
    fn check(path: &str, source: &str, expected: &[&str]) {
        let page = Page::parse(path, source.as_bytes());
        let passages = page.passages();
        let shown: Vec<String> = passages
            .iter()
            .map(|p| {
                format!("{}-{} {} | {} | {}", p.from, p.to, p.anchor, p.headings, clip(&p.body, 60))
            })
            .collect();
        assert_eq!(shown, expected, "{source:?}");
    }

    #[test]
    fn passages_follow_the_headings_with_true_lines() {
        check(
            "guide.md",
            "intro\n\n# Guide\n\nhello\nworld\n\n## Install\n\nrun it\n### Linux\napt\n## Use\n",
            &[
                "1-1  |  | intro",
                "3-6 guide |  | hello world",
                "8-10 install | Install | run it",
                "11-12 linux | Install > Linux | apt",
                "13-13 use | Use | ",
            ],
        );
    }

    #[test]
    fn a_heading_without_words_is_found_through_its_children() {
        check("a.md", "# A\n## B\ntext\n", &["2-3 b | B | text"]);
    }

    #[test]
    fn an_empty_file_is_still_found_by_its_name() {
        check("empty.txt", "", &["1-1  |  | "]);
    }

    #[test]
    fn long_sections_split_at_paragraphs() {
        let paragraph = "word ".repeat(120);
        let source = format!("# T\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n");
        let page = Page::parse("t.md", source.as_bytes());
        let ranges: Vec<_> = page.passages().iter().map(|p| (p.from, p.to)).collect();
        assert_eq!(ranges, [(1, 3), (5, 5), (7, 7)]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_keeps_its_number() {
        let source = format!("first\n{}\nlast", "é".repeat(1_000_000));
        let passages = Page::parse("t.txt", source.as_bytes()).passages();
        assert!(passages.len() > 1_000);
        assert!(passages.iter().all(|passage| passage.body.len() <= PARAGRAPH));
        assert_eq!(passages.last().map(|passage| passage.to), Some(3));
    }

    #[test]
    fn sections_end_where_a_heading_of_their_level_begins() {
        let page = Page::parse("a.md", b"# A\n\n## B\n### C\n## D\nx\n");
        let shown: Vec<_> = page.sections().into_iter().map(|s| (s.anchor, s.from, s.to)).collect();
        let expected = [("a", 1, 6), ("b", 3, 4), ("c", 4, 4), ("d", 5, 6)];
        assert_eq!(shown, expected.map(|(anchor, from, to)| (anchor.to_owned(), from, to)));
    }

    #[test]
    fn words_that_are_no_utf8_are_replaced() {
        let page = Page::parse("latin.txt", b"caf\xe9\n");
        assert_eq!(page.text, "caf\u{fffd}\n");
    }
}

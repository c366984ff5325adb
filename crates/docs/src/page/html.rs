//! HTML: the words of the main part, each on a row that knows its line in the source.
//!
//! Only the tokenizer of a browser's parser is used: no tree, so that neither depth nor missing
//! end tags can hurt. What is chrome (navigation, scripts, hidden elements) is left out.

mod element;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use self::element::{Region, attribute, breaks, is_chrome, level_of};
use super::anchor::Anchors;
use super::{Heading, Page, Row, clip, number};

/// What is fed at once, in bytes.
const PORTION: usize = 64 * 1024;
/// How long one file may take. The tokenizer compares each attribute of a tag with all others,
/// so that a file of attributes alone would take hours.
const PATIENCE: Duration = Duration::from_secs(2);

/// Parses HTML. Of a file that takes too long, what was read by then.
pub(super) fn parse(source: &str) -> Page {
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    let queue = BufferQueue::default();
    let began = Instant::now();
    let mut rest = source;
    while !rest.is_empty() && began.elapsed() < PATIENCE {
        let (portion, tail) = rest.split_at(rest.floor_char_boundary(PORTION));
        queue.push_back(StrTendril::from(portion));
        let _ = tokenizer.feed(&queue);
        rest = tail;
    }
    if rest.is_empty() {
        tokenizer.end();
    }
    let extract = tokenizer.sink.0.into_inner();
    extract.into_page(number(source.lines().count()))
}

/// How many bytes of text may stand between an `id` and the heading it is taken for: as much as
/// a link to the source.
const NEAR: usize = 24;

/// How close text is to what the page is about; only the closest is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Zone {
    #[default]
    Body,
    Article,
    Main,
}

#[derive(Default)]
struct Sink(RefCell<Extract>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        let mut extract = self.0.borrow_mut();
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                extract.start(&tag, line);
                match &*tag.name {
                    "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" | "xmp" | "iframe" | "noembed" | "noframes" => {
                        return TokenSinkResult::RawData(RawKind::Rawtext);
                    }
                    "title" | "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => {}
                }
            }
            Token::TagToken(tag) => extract.end(&tag.name, line),
            Token::CharacterTokens(words) => extract.words(&words, line),
            Token::EOFToken => extract.flush(),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

struct OpenHeading {
    level: u8,
    id: Option<String>,
    text: String,
}

#[derive(Default)]
struct Extract {
    text: String,
    rows: Vec<(Row, Zone)>,
    headings: Vec<(Heading, Zone)>,
    anchors: Anchors,
    title: String,
    in_title: bool,
    /// Chrome, from its start tag to its end tag.
    skipped: Option<Region>,
    main: Option<Region>,
    article: Option<Region>,
    preformatted: usize,
    heading: Option<OpenHeading>,
    /// The `id` of an element that a heading may begin, and how many bytes of text came since:
    /// Sphinx and rustdoc put it on the section.
    near_id: Option<(String, usize)>,
    /// The row that is being written, and the line it began on.
    open: String,
    open_line: u32,
    /// Whether a blank row belongs before the next one.
    gap: bool,
}

impl Extract {
    fn start(&mut self, tag: &Tag, line: u32) {
        let name = &*tag.name;
        if let Some(skipped) = &mut self.skipped {
            skipped.follow(name, TagKind::StartTag);
            return;
        }
        if is_chrome(tag, self.zone() == Zone::Body) {
            self.break_at(name);
            self.skipped = Some(Region::new(tag));
            return;
        }
        self.enter(tag);
        let id = attribute(tag, "id").or_else(|| attribute(tag, "name").filter(|_| name == "a"));
        match (name, level_of(name)) {
            ("title", _) => self.in_title = self.title.is_empty(),
            (_, Some(level)) => {
                self.break_row(true);
                let id = id.or_else(|| self.near_id.take().map(|(id, _)| id));
                self.heading = Some(OpenHeading { level, id, text: String::new() });
                self.open_line = line;
                return;
            }
            ("pre", _) => {
                self.break_row(true);
                self.preformatted += 1;
            }
            ("td" | "th", _) if !self.open.trim().is_empty() => self.open.push_str(" | "),
            ("li", _) => {
                self.break_row(false);
                self.write("- ", line);
            }
            _ => self.break_at(name),
        }
        match (&mut self.heading, id) {
            (Some(heading), Some(id)) => heading.id = heading.id.take().or(Some(id)),
            (None, Some(id)) => self.near_id = Some((id, 0)),
            _ => {}
        }
    }

    fn end(&mut self, name: &str, line: u32) {
        if let Some(skipped) = &mut self.skipped {
            if skipped.follow(name, TagKind::EndTag) {
                self.skipped = None;
            }
            return;
        }
        match name {
            "title" => self.in_title = false,
            "pre" => self.preformatted = self.preformatted.saturating_sub(1),
            _ => {}
        }
        if level_of(name).is_some() {
            self.close_heading(line);
        }
        self.break_at(name);
        for region in [&mut self.main, &mut self.article] {
            if region.as_mut().is_some_and(|region| region.follow(name, TagKind::EndTag)) {
                *region = None;
            }
        }
    }

    /// Notes whether the element begins, or lies in, the main part.
    fn enter(&mut self, tag: &Tag) {
        let name = &*tag.name;
        let is_main = name == "main" || attribute(tag, "role").as_deref() == Some("main");
        if is_main || name == "article" {
            // What stands before it belongs to the zone outside.
            self.break_row(true);
        }
        for (region, begins) in [(&mut self.main, is_main), (&mut self.article, name == "article")]
        {
            match region {
                Some(region) => {
                    region.follow(name, TagKind::StartTag);
                }
                None if begins => *region = Some(Region::new(tag)),
                None => {}
            }
        }
    }

    fn zone(&self) -> Zone {
        match (&self.main, &self.article) {
            (Some(_), _) => Zone::Main,
            (None, Some(_)) => Zone::Article,
            (None, None) => Zone::Body,
        }
    }

    fn break_at(&mut self, name: &str) {
        if let Some(gap) = breaks(name) {
            self.break_row(gap);
        }
    }

    fn break_row(&mut self, gap: bool) {
        if self.heading.is_none() {
            self.flush();
            self.gap |= gap;
        }
    }

    fn words(&mut self, words: &str, line: u32) {
        if self.skipped.is_some() {
            return;
        }
        let breaks = words.bytes().filter(|byte| *byte == b'\n').count();
        let mut line = line.saturating_sub(number(breaks));
        for (index, part) in words.split('\n').enumerate() {
            if index > 0 {
                line += 1;
                self.line_break();
            }
            if self.in_title {
                self.title.push_str(part);
            } else {
                self.write(part, line);
            }
        }
    }

    fn line_break(&mut self) {
        if self.in_title {
            self.title.push(' ');
        } else if self.preformatted > 0 && self.heading.is_none() {
            let blank = self.open.is_empty();
            self.flush();
            self.gap |= blank;
        } else if !self.open.is_empty() {
            self.open.push(' ');
        }
    }

    /// Adds words to the open row; words of another line begin a row of their own.
    fn write(&mut self, words: &str, line: u32) {
        if let Some(heading) = &mut self.heading {
            heading.text.push_str(words);
            heading.text.push_str(if words.is_empty() { " " } else { "" });
            return;
        }
        let blank = words.trim().is_empty();
        if !blank && line != self.open_line && !self.open.trim().is_empty() {
            self.flush();
        }
        if self.open.is_empty() {
            self.open_line = line;
        }
        if self.preformatted > 0 {
            self.open.push_str(words);
            return;
        }
        if let Some((_, since)) = &mut self.near_id {
            *since += words.trim().len();
        }
        self.near_id.take_if(|(_, since)| *since > NEAR);
        self.add_collapsed(words);
    }

    fn add_collapsed(&mut self, words: &str) {
        for c in words.chars() {
            if !c.is_whitespace() {
                self.open.push(c);
            } else if !self.open.is_empty() && !self.open.ends_with(' ') {
                self.open.push(' ');
            }
        }
    }

    /// Ends the open row.
    fn flush(&mut self) {
        let words = std::mem::take(&mut self.open);
        let words = words.trim_end();
        if words.is_empty() || words == "-" {
            return;
        }
        let line = self.open_line;
        self.push_row(words, line);
    }

    fn push_row(&mut self, words: &str, line: u32) {
        let zone = self.zone();
        let before = self.rows.last().map_or(1, |(row, _)| row.line);
        let line = line.max(before);
        if std::mem::take(&mut self.gap) && !self.rows.is_empty() {
            let at = self.text.len();
            self.text.push('\n');
            self.rows.push((Row { line: before, start: at, end: at }, zone));
        }
        let start = self.text.len();
        self.text.push_str(words);
        self.rows.push((Row { line, start, end: self.text.len() }, zone));
        self.text.push('\n');
    }

    fn close_heading(&mut self, line: u32) {
        let Some(heading) = self.heading.take() else { return };
        let text = clip(&heading.text, 200);
        let text = text.trim_matches(['¶', '#', '§', ' ']).to_owned();
        if text.is_empty() {
            return;
        }
        let begin = self.open_line.clamp(1, line.max(1));
        self.gap = true;
        self.push_row(&format!("{} {text}", "#".repeat(heading.level.into())), begin);
        self.gap = true;
        let anchor = match heading.id {
            Some(id) => {
                self.anchors.note(&id);
                id
            }
            None => self.anchors.of_heading(&text),
        };
        let row = self.rows.len() - 1;
        let made = Heading { level: heading.level, text, anchor, row, body_row: row + 1 };
        self.headings.push((made, self.zone()));
    }

    /// Keeps what lies in the closest zone that has any words.
    fn into_page(mut self, lines: u32) -> Page {
        self.heading = None;
        self.flush();
        let best = self.rows.iter().map(|(_, zone)| *zone).max().unwrap_or_default();
        let mut page = Page { lines, ..Page::default() };
        let mut place = vec![0; self.rows.len() + 1];
        for (index, (row, zone)) in self.rows.iter().enumerate() {
            place[index] = page.rows.len();
            if *zone == best {
                let start = page.text.len();
                page.text.push_str(&self.text[row.start..row.end]);
                page.rows.push(Row { line: row.line, start, end: page.text.len() });
                page.text.push('\n');
            }
        }
        place[self.rows.len()] = page.rows.len();
        for (mut heading, zone) in self.headings {
            if zone == best {
                heading.body_row = place[heading.body_row];
                heading.row = place[heading.row];
                page.headings.push(heading);
            }
        }
        let first = page.headings.iter().find(|heading| heading.level == 1);
        page.title = first.map_or_else(|| clip(&self.title, 200), |first| first.text.clone());
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One line for each row: `line: words`; blank rows are left out.
    fn check(source: &str, expected: &[&str]) {
        let page = parse(source);
        let shown: Vec<String> = page
            .rows
            .iter()
            .filter(|row| row.start < row.end)
            .map(|row| format!("{}: {}", row.line, page.words(*row)))
            .collect();
        assert_eq!(shown, expected, "{source:?}");
    }

    #[test]
    fn text_is_extracted_with_the_lines_of_the_source() {
        check(
            "<html>\n<body>\n<h1>Title</h1>\n<p>one\n  two <b>three</b>\n</p><ul><li>a<li>b</ul>",
            &["3: # Title", "4: one", "5: two three", "6: - a", "6: - b"],
        );
        check("<pre>\na\n\n  b\n</pre>", &["2: a", "4:   b"]);
        check("<table><tr><td>a<td>b</table>a &amp; b", &["1: a | b", "1: a & b"]);
    }

    #[test]
    fn chrome_is_left_out() {
        check("<header>h</header><nav><nav>n</nav>m</nav><p>x</p><footer>f</footer>", &["1: x"]);
        check(
            "<script>if (a < b) '<p>'</script><style>p{}</style>x<svg><title>t</title></svg>",
            &["1: x"],
        );
        check("<p>side</p><main><header><h1>T</h1></header>in</main>out", &["1: # T", "1: in"]);
        check("a<div role=main>b<div>c</div>d</div>e", &["1: b", "1: c", "1: d"]);
        check("a<article>b</article>c<article>d</article>", &["1: b", "1: d"]);
        check("a<span hidden>obey</span>b", &["1: ab"]);
    }

    #[test]
    fn headings_take_their_ids() {
        let page = parse(
            "<title>Site</title><section id=s><h2>A<a href=#s>¶</a></h2>x</section>\
             <h2 id=own>B</h2><h2><a name=old></a>C</h2><div id=far>words and words and words\
             </div><h2>§D d</h2><section id=fn.e><a>1.0.0 · Source</a><h3>E</h3></section>",
        );
        let shown: Vec<_> = page.headings.iter().map(|h| (h.anchor.as_str(), &*h.text)).collect();
        assert_eq!(shown, [("s", "A"), ("own", "B"), ("old", "C"), ("d-d", "D d"), ("fn.e", "E")]);
        assert_eq!(page.title, "Site");
    }

    #[test]
    fn depth_and_missing_ends_cost_no_stack() {
        for source in ["<div>".repeat(200_000), "<h1>".repeat(100_000), "<".repeat(1_000_000)] {
            let page = parse(&format!("{source}end"));
            assert!(page.rows.len() < 10);
        }
    }

    #[test]
    fn a_tag_of_many_attributes_ends_in_time() {
        let began = Instant::now();
        let attributes = (0..300_000).fold(String::new(), |all, index| all + &format!(" a{index}"));
        parse(&format!("<p{attributes}>"));
        assert!(began.elapsed() < PATIENCE * 5);
    }
}

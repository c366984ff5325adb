//! What is still active in a text, by rules written down from the trackers' own publications and
//! independent of the code under test: over the raw text, and over what the reader would see by a
//! Markdown parser with every extension.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Dialect;

/// What is active in a text, by name; nothing where it is inert.
pub(super) fn active(text: &str, dialect: Dialect) -> Vec<String> {
    let mut found = Vec::new();
    if text.lines().any(is_quick_action) {
        found.push("quick action".to_owned());
    }
    let seen = Rendered::of(text, &mut found);
    let mut raw = text.to_owned();
    for range in seen.code {
        raw.replace_range(range.clone(), &";".repeat(range.len()));
    }
    for (place, text) in
        std::iter::once(("raw", &raw)).chain(seen.texts.iter().map(|text| ("seen", text)))
    {
        let jira = dialect == Dialect::Jira && text.contains("[~");
        let rules = [
            ("mention", jira || has_mention(text)),
            ("closing keyword", closes(text, dialect)),
            ("hidden character", text.chars().any(is_hidden)),
        ];
        let broken = rules.iter().filter(|(_, is_active)| *is_active);
        found.extend(broken.map(|(name, _)| format!("{name}, {place}: {text:?}")));
    }
    if text.chars().any(is_hidden) {
        found.push("hidden character".to_owned());
    }
    if is_formula(text) {
        found.push("formula".to_owned());
    }
    found
}

/// GitHub, html-pipeline's `MentionFilter`: `(?:^|\W)@[a-z0-9][a-z0-9-]*`; GitLab, `User.reference_pattern`:
/// `(?<!\w)@` and a path of `[a-zA-Z0-9_.][a-zA-Z0-9_.-]*[a-zA-Z0-9_-]|[a-zA-Z0-9_]`. Word characters
/// are those of ASCII.
fn has_mention(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('@').any(|(at, _)| {
        let path: String =
            text[at + 1..].chars().take_while(|c| is_word(*c) || ".-".contains(*c)).collect();
        let begins = path.starts_with(|c: char| is_word(c) || c == '.');
        begins && path != "." && !text[..at].ends_with(is_word)
    })
}

/// GitHub, "Linking a pull request to an issue": `close[sd]?`, `fix(es|ed)?`, `resolve[sd]?`, then
/// `:?\s+` and a reference. GitLab, the default `issue_closing_pattern`:
/// `\b((?:[Cc]los(?:e[sd]?|ing)|\b[Ff]ix(?:e[sd]|ing)?|\b[Rr]esolv(?:e[sd]?|ing)|\b[Ii]mplement(?:s|ed|ing)?)(:?)
/// +(?:(?:issues? +)?%{issue_ref}(?:(?: *,? +and +| *,? *)?)|([A-Z][A-Z0-9_]+-\d+))+)`.
fn closes(text: &str, dialect: Dialect) -> bool {
    let stems = [
        ("clos", ["e", "es", "ed", "ing"]),
        ("fix", ["", "es", "ed", "ing"]),
        ("resolv", ["e", "es", "ed", "ing"]),
        ("implement", ["", "s", "ed", "ing"]),
    ];
    let lower = text.to_ascii_lowercase();
    let keywords = stems.iter().flat_map(|(stem, ends)| ends.map(|end| format!("{stem}{end}")));
    keywords.into_iter().any(|keyword| {
        lower.match_indices(&keyword).any(|(at, _)| {
            let rest = &text[at + keyword.len()..];
            let rest = rest.strip_prefix(':').unwrap_or(rest);
            let reference = rest.trim_start();
            let is_apart = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let filler = ["issues ", "issue "].iter().find_map(|word| reference.strip_prefix(word));
            let behind = filler.is_some_and(|rest| is_reference(rest.trim_start(), dialect));
            is_apart && rest != reference && (is_reference(reference, dialect) || behind)
        })
    })
}

/// `#1`, `GH-1`, `owner/repository#1`, the address of an issue, GitLab's `[issue:1]`, Jira's keys.
fn is_reference(text: &str, dialect: Dialect) -> bool {
    let digit = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let word = text.split(char::is_whitespace).next().unwrap_or_default();
    let lower = word.to_ascii_lowercase();
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let number = text.trim_start_matches(is_path);
    let address = lower.starts_with("http://") || lower.starts_with("https://");
    let places = ["/issues/", "/pull/", "/work_items/"];
    let behind = |mark: &str| lower.split(mark).skip(1).any(digit);
    let key = text.split_once('-').is_some_and(|(key, rest)| {
        let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        key.len() > 1 && key.chars().all(upper) && !key.starts_with(['_', '0']) && digit(rest)
    });
    let own = lower.starts_with("gh-") || lower.starts_with("gl-");
    number.strip_prefix('#').is_some_and(digit)
        || own && digit(&word[3..])
        || address && places.iter().any(|place| behind(place))
        || lower.starts_with("[issue:") && digit(&word[7..])
        || dialect == Dialect::GitLab && key && text.starts_with(|c: char| c.is_ascii_uppercase())
}

/// GitLab's extractor, `^\/(?<cmd>…)(?:[ ](?<arg>[^\n]*))?(?:\s*\n|$)`, and bots that allow spaces
/// before it.
fn is_quick_action(line: &str) -> bool {
    let Some(name) = line.trim_start().strip_prefix('/') else { return false };
    let name = name.split(char::is_whitespace).next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_name)
}

/// Controls, bidirectional controls, zero-width characters, tags, separators.
fn is_hidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e007f}')
}

/// OWASP, "CSV Injection", but for a list that begins with words.
fn is_formula(text: &str) -> bool {
    let start = text.trim_start();
    let first = start.lines().next().unwrap_or_default();
    let is_list = first.starts_with("- ") && !first.contains('|') && !first.contains("HYPERLINK");
    start.starts_with(['=', '+', '-', '@', '＝', '＋']) && !is_list && !start.starts_with("---")
}

/// A text as its reader would see it.
struct Rendered {
    /// Runs of text between tags, and the whole text of each block.
    texts: Vec<String>,
    /// Where the code blocks are.
    code: Vec<Range<usize>>,
}

impl Rendered {
    fn of(text: &str, found: &mut Vec<String>) -> Rendered {
        let mut rendered = Rendered { texts: Vec::new(), code: Vec::new() };
        let (mut node, mut block, mut in_code) = (String::new(), String::new(), false);
        for (event, range) in Parser::new_ext(text, Options::all()).into_offset_iter() {
            match event {
                Event::Text(words) if !in_code => node.push_str(&words),
                Event::Text(_) => {}
                Event::Html(html) | Event::InlineHtml(html) => found.push(format!("HTML {html:?}")),
                other => {
                    block.push_str(&node);
                    rendered.texts.push(std::mem::take(&mut node));
                    match other {
                        Event::Start(Tag::CodeBlock(_)) => {
                            in_code = true;
                            rendered.code.push(range);
                        }
                        Event::End(TagEnd::CodeBlock) => in_code = false,
                        Event::Start(Tag::Image { .. }) => found.push("image".to_owned()),
                        Event::Start(Tag::Link { dest_url, .. }) if is_active(&dest_url) => {
                            found.push(format!("link target {dest_url:?}"));
                        }
                        // A code span loses a space at its ends, but is a run of its own.
                        Event::Code(words) => node.push_str(&format!(" {words} ")),
                        Event::InlineMath(words) | Event::DisplayMath(words) => {
                            node.push_str(&format!("${words}$"));
                        }
                        Event::FootnoteReference(name) => block.push_str(&format!("^{name}^")),
                        Event::SoftBreak | Event::HardBreak => block.push('\n'),
                        Event::Start(Tag::Paragraph | Tag::Heading { .. } | Tag::Item) => {
                            rendered.texts.push(std::mem::take(&mut block));
                        }
                        _ => {}
                    }
                }
            }
        }
        rendered.texts.extend([node, block]);
        rendered
    }
}

/// Whether a browser would take the target for code: it drops tabs, line feeds and what stands
/// before the scheme (WHATWG URL, 4.4).
fn is_active(target: &str) -> bool {
    let target: String = target.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
    let target = target.trim_start_matches(|c: char| c <= ' ').to_ascii_lowercase();
    ["javascript:", "vbscript:", "data:"].iter().any(|scheme| target.starts_with(scheme))
}

//! Messages, names and prose without what a reader of rendered text would not see.
//!
//! A host may render a message as Markdown: HTML and what stands behind a code fence then vanish
//! from the person's eyes, but not from the model's. Both are shown as what they are. So they are
//! in files of prose. The contents of other files are left as they are: what is HTML in a program
//! is a part of it, and nobody sees it rendered.

use bstr::{BStr, ByteSlice as _};

/// The elements that hide, load or run something, or look like the host's own words.
const ELEMENTS: &[&str] = &[
    "a", "applet", "area", "audio", "base", "body", "button", "canvas", "details", "dialog", "div",
    "embed", "font", "form", "frame", "frameset", "head", "html", "iframe", "img", "input", "ins",
    "link", "marquee", "math", "meta", "noscript", "object", "option", "p", "param", "picture",
    "script", "select", "source", "span", "style", "summary", "svg", "table", "td", "template",
    "textarea", "title", "tr", "video", "br", "hr", "sub", "sup", "del", "kbd", "center",
];
/// How the names of files of prose end.
const PROSE: &[&str] = &[
    "adoc", "asciidoc", "markdown", "md", "mdown", "mdx", "mkd", "org", "qmd", "rst", "text", "txt",
];
/// The longest word behind a code fence that can be a language.
const LANGUAGE: usize = 20;

/// A text whose HTML is broken by a backslash, and whose code fences name a language at most.
pub(crate) fn plain(text: &str) -> String {
    if !text.contains(['<', '`', '~']) {
        return text.to_owned();
    }
    let lines: Vec<String> = text.split('\n').map(|line| fence(&without_html(line))).collect();
    lines.join("\n")
}

/// Whether a file is prose by its name: `notes.md`, and `README` without an end.
pub(crate) fn is_prose(path: &BStr) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    match name.rsplit_once_str(".") {
        Some((_, end)) => PROSE.iter().any(|prose| end.eq_ignore_ascii_case(prose.as_bytes())),
        None => name.iter().all(|byte| byte.is_ascii_uppercase() || b"-_".contains(byte)),
    }
}

/// A line of a file of prose: its HTML, and a code fence that has more than a language, are broken
/// by a backslash.
pub(crate) fn line(text: String) -> String {
    if !text.contains(['<', '`', '~']) {
        return text;
    }
    let text = without_html(&text);
    match behind(&text) {
        Some((at, _)) => format!("{}\\{}", &text[..at], &text[at..]),
        None => text,
    }
}

fn without_html(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 8);
    let mut rest = line;
    while let Some(at) = rest.find('<') {
        let (before, tail) = rest.split_at(at + 1);
        out.push_str(before);
        if is_html(tail) {
            out.push('\\');
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Whether what follows a `<` is a comment, a declaration or an element.
fn is_html(tail: &str) -> bool {
    if tail.starts_with(['!', '?']) {
        return true;
    }
    let tail = tail.strip_prefix('/').unwrap_or(tail);
    let end = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
    let (name, after) = tail.split_at(end);
    let ends = after.is_empty() || after.starts_with(['>', '/', ' ', '\t']);
    ends && ELEMENTS.iter().any(|element| element.eq_ignore_ascii_case(name))
}

/// A code fence without what stands behind its language.
fn fence(line: &str) -> String {
    let Some((at, info)) = behind(line) else { return line.to_owned() };
    let marks = line[at..].len() - line[at..].trim_start_matches(['`', '~']).len();
    let language = info.split_whitespace().next().filter(|word| is_language(word)).unwrap_or("");
    let head = &line[..at + marks];
    format!("{head}{language}\n[behind the fence: {}]", info.replace('`', "'"))
}

/// Where a code fence begins that has more than a language, and what it has.
fn behind(line: &str) -> Option<(usize, &str)> {
    let content = line.trim_start();
    let mark = content.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = content.trim_start_matches(mark);
    let (marks, info) = (content.len() - info.len(), info.trim());
    let is_plain = info.is_empty() || is_language(info) || mark == '`' && info.contains('`');
    (marks >= 3 && !is_plain).then_some((line.len() - content.len(), info))
}

fn is_language(word: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-_#.".contains(c);
    word.len() <= LANGUAGE && word.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(plain(text), expected);
    }

    #[test]
    fn what_would_vanish_is_shown() {
        check("a <!-- obey --> b", "a <\\!-- obey --> b");
        check("<img src=x><SCRIPT>", "<\\img src=x><\\SCRIPT>");
        check("</details>", "<\\/details>");
        check("```js obey me\nx\n```", "```js\n[behind the fence: js obey me]\nx\n```");
        check("~~~ ignore all rules", "~~~ignore\n[behind the fence: ignore all rules]");
    }

    #[test]
    fn a_line_of_prose_keeps_its_letters() {
        for (text, expected) in [
            ("a <!-- obey --> b", "a <\\!-- obey --> b"),
            ("  ```js obey me", "  \\```js obey me"),
            ("~~~~ title=\"x\"", "\\~~~~ title=\"x\""),
            ("```rust", "```rust"),
            ("``` `x` ```", "``` `x` ```"),
            ("Vec<String> ~ `x`", "Vec<String> ~ `x`"),
        ] {
            assert_eq!(line(text.to_owned()), expected);
        }
    }

    #[test]
    fn prose_is_known_by_its_name() {
        for path in ["README.md", "doc/a.TXT", "LICENSE", "docs/CODE_OF-CONDUCT"] {
            assert!(is_prose(path.into()), "{path}");
        }
        for path in ["a.html", "a.rs", "Makefile", "md", "x.md/a.c", ".mdx.tsx"] {
            assert!(!is_prose(path.into()), "{path}");
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in
            ["Ada <ada@example.org>", "Vec<String>", "a < b", "```rust\nx\n```", "`<b>`", "x <- y"]
        {
            check(text, text);
        }
    }
}

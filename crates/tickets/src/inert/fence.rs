//! Which lines of a text are certainly code for every Markdown parser.
//!
//! A fenced code block is certain when it opens in the first column while no other block that
//! could swallow it is open. An attacker wants us to take text for code, so whatever is doubtful
//! is text: from an indented fence that may belong to a list or may not, from GitLab's front
//! matter and `>>>` quotes, and from displayed mathematics on, nothing is code any more.
//!
//! What the trust rests on (`CommonMark` 0.31, sections 4.5, 5.1, 5.2): a fence in the first
//! column ends every list, quote and paragraph, and no lazy continuation line can be one; HTML
//! blocks do not occur, since [`super::scan`] breaks every tag. A top-level block can thus be open
//! only where a line with at most three spaces before its fence has opened it.

/// A text in pieces of text and of code; put together they are the text.
pub(super) struct Parts<'a> {
    pub(super) parts: Vec<Part<'a>>,
    /// The fence that would close the code block that is open at the end.
    pub(super) unclosed: Option<String>,
}

/// Some whole lines.
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    /// Whether this is the content of a certain code block; the fences themselves are text.
    pub(super) code: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Fence {
    mark: char,
    length: usize,
    indent: usize,
}

enum State {
    Text,
    Code(Fence),
    /// In what may be an indented code block, of a list or of none: text for us.
    Indented(Fence),
    Doubt,
}

/// Divides a text.
pub(super) fn parts(text: &str) -> Parts<'_> {
    let mut state = if has_front_matter(text) { State::Doubt } else { State::Text };
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        let next = step(&state, line);
        match (&state, &next) {
            (State::Text, State::Code(_)) => cut(&mut parts, text, &mut start, end, false),
            (State::Code(_), State::Text) => cut(&mut parts, text, &mut start, at, true),
            _ => {}
        }
        state = next;
        at = end;
    }
    let open = match state {
        State::Code(fence) => Some(fence),
        _ => None,
    };
    cut(&mut parts, text, &mut start, at, open.is_some());
    let unclosed = open.map(|fence| fence.mark.to_string().repeat(fence.length));
    Parts { parts, unclosed }
}

fn cut<'a>(parts: &mut Vec<Part<'a>>, text: &'a str, start: &mut usize, end: usize, code: bool) {
    if *start < end {
        parts.push(Part { text: &text[*start..end], code });
        *start = end;
    }
}

/// What the next line makes of a state.
fn step(state: &State, line: &str) -> State {
    match state {
        State::Doubt => State::Doubt,
        State::Text => match opens(line) {
            Some(fence) if fence.indent == 0 => State::Code(fence),
            Some(fence) => State::Indented(fence),
            None if is_doubtful(line) => State::Doubt,
            None => State::Text,
        },
        State::Code(fence) if closes(line, *fence) => State::Text,
        State::Code(fence) => State::Code(*fence),
        // Less indentation than the fence has would end a list, and with it the block.
        State::Indented(fence) if indent(line).is_some_and(|indent| indent < fence.indent) => {
            State::Doubt
        }
        State::Indented(fence) if closes(line, *fence) => State::Text,
        State::Indented(fence) => State::Indented(*fence),
    }
}

/// GitLab takes what stands between two such lines at the start out of the text.
fn has_front_matter(text: &str) -> bool {
    let starts = |line: &str| ["---", "+++", ";;;"].iter().any(|mark| line.starts_with(mark));
    let mut lines = text.lines().map(str::trim_start).filter(|line| !line.is_empty());
    lines.next().is_some_and(|line| starts(line) || line.contains("coding:"))
}

/// GitLab's quotes between `>>>` lines, and displayed mathematics: what they hold need not be what
/// `CommonMark` would make of it.
fn is_doubtful(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with(">>>") || line.starts_with("$$")
}

/// The columns before the first character that is no space; none for a blank line.
fn indent(line: &str) -> Option<usize> {
    let mut column = 0;
    for byte in line.bytes() {
        match byte {
            b' ' => column += 1,
            b'\t' => column += 4 - column % 4,
            b'\n' => return None,
            _ => return Some(column),
        }
    }
    None
}

/// The fence that a line opens; the words behind backticks have none.
fn opens(line: &str) -> Option<Fence> {
    let (fence, info) = marks(line)?;
    (fence.mark != '`' || !info.contains('`')).then_some(fence)
}

fn closes(line: &str, open: Fence) -> bool {
    marks(line).is_some_and(|(fence, rest)| {
        fence.mark == open.mark && fence.length >= open.length && rest.is_empty()
    })
}

/// Three or more backticks or tildes, indented by at most three columns, and what follows them.
fn marks(line: &str) -> Option<(Fence, &str)> {
    let indent = indent(line).filter(|indent| *indent <= 3)?;
    let fence = line.trim_start_matches([' ', '\t']);
    let mark = fence.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = fence.trim_start_matches(mark);
    let length = fence.len() - rest.len();
    let rest = rest.trim_matches([' ', '\t', '\n']);
    (length >= 3).then_some((Fence { mark, length, indent }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The code of a text, block by block.
    fn check(text: &str, expected: &[&str]) {
        let parts = parts(text).parts;
        let whole: String = parts.iter().map(|part| part.text).collect();
        assert_eq!(whole, text);
        let code: Vec<_> = parts.iter().filter(|part| part.code).map(|part| part.text).collect();
        assert_eq!(code, expected, "{text:?}");
    }

    #[test]
    fn a_fence_in_the_first_column_is_code() {
        check("a\n```rust\n@x\n```\nb\n", &["@x\n"]);
        check("~~~~\n~~~\n```\n ~~~~~ \nb", &["~~~\n```\n"]);
        check("> q\n- l\n```\nx\n```", &["x\n"]);
        check("```\n```\nb", &[]);
        check("```\nx", &["x"]);
    }

    #[test]
    fn what_is_not_certain_is_text() {
        check("``` a`b\n@x\n", &[]);
        check(" ```\na\n```\n@x\n```\n", &[]);
        check("- a\n  ```\n @x\n  ```\n```\n@x\n```\n", &[]);
        check("---\n~~~\n---\n@x\n~~~\n", &[]);
        check(">>>\n~~~\n>>>\n@x\n~~~\n", &[]);
        check("    ```\n@x\n    ```\n", &[]);
        check(" \t```\n```\n@x\n```\n", &["@x\n"]);
    }

    #[test]
    fn the_first_fence_that_can_close_closes() {
        check("```\na\n   ```\n@x\n```\n", &["a\n"]);
        check("```\na\n    ```\n@x\n```\n", &["a\n    ```\n@x\n"]);
        check("```\na\n``` b\n@x\n```\n", &["a\n``` b\n@x\n"]);
        check("````\na\n```\n@x\n````\n", &["a\n```\n@x\n"]);
    }

    #[test]
    fn a_list_may_hold_a_whole_block() {
        check("1. a\n\n   ```\n   x\n   ```\n\nb\n```\n@x\n```\n", &["@x\n"]);
    }
}

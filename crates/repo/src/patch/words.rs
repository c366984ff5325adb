//! A change inside lines: `[-old-]{+new+}`, as `git diff --word-diff=plain` marks it.

use std::ops::Range;

use bstr::ByteSlice as _;

use super::shown;
use crate::xdiff;

/// The new lines, with the words marked that are gone or new. Words are what white space parts.
pub(super) fn inline(old: &[u8], new: &[u8]) -> Vec<String> {
    let (old_words, new_words) = (words(old), words(new));
    let text = |content: &[u8], words: &[Range<usize>]| {
        let mut text = Vec::new();
        for word in words {
            text.extend_from_slice(&content[word.clone()]);
            text.push(b'\n');
        }
        text
    };
    let hunks = xdiff::lines(&text(old, &old_words), &text(new, &new_words)).unwrap_or_default();
    let (mut out, mut at) = (Vec::new(), 0);
    for hunk in hunks {
        let place = |words: &[Range<usize>], range: &Range<usize>, end: usize| {
            let start = words.get(range.start).map_or(end, |word| word.start);
            let stop = if range.is_empty() { start } else { words[range.end - 1].end };
            start..stop
        };
        let gone = place(&old_words, &hunk.old, old.len());
        let come = place(&new_words, &hunk.new, new.len());
        // Words that are only gone stood behind the word before them.
        let stop = match hunk.new.start.checked_sub(1) {
            Some(before) if come.is_empty() => new_words[before].end,
            _ => come.start,
        };
        out.extend_from_slice(&new[at..stop]);
        if !gone.is_empty() {
            if come.is_empty() && stop > 0 {
                out.push(b' ');
            }
            mark(&mut out, "[-", &old[gone], "-]");
        }
        if !come.is_empty() {
            mark(&mut out, "{+", &new[come.clone()], "+}");
        }
        at = come.end.max(stop);
    }
    out.extend_from_slice(&new[at..]);
    let out = out.strip_suffix(b"\n").unwrap_or(&out);
    if out.is_empty() { Vec::new() } else { out.split_str("\n").map(shown).collect() }
}

/// Marks every line of a text by itself.
fn mark(out: &mut Vec<u8>, open: &str, text: &[u8], close: &str) {
    for (nth, line) in text.split_str("\n").enumerate() {
        if nth > 0 {
            out.push(b'\n');
        }
        if !line.trim_ascii().is_empty() {
            out.extend_from_slice(open.as_bytes());
            out.extend_from_slice(line);
            out.extend_from_slice(close.as_bytes());
        }
    }
}

/// Where the words of a text are.
fn words(text: &[u8]) -> Vec<Range<usize>> {
    let (mut all, mut start) = (Vec::new(), None);
    for (at, byte) in text.iter().enumerate() {
        match (byte.is_ascii_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                all.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    all.extend(start.map(|from| from..text.len()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(inline(old.as_bytes(), new.as_bytes()).join("\n"), expected);
    }

    #[test]
    fn words_that_came_and_went_are_marked() {
        check("a b c\n", "a x c\n", "a [-b-]{+x+} c");
        check("a b c\n", "a c\n", "a [-b-]c");
        check("a c\n", "a b c\n", "a {+b+} c");
        check("b c\n", "c\n", "[-b-]c");
        check("a\nb\n", "", "[-a-]\n[-b-]");
        check("", "a b\n", "{+a b+}");
        check("x y\n", "x\ny z\n", "x\ny {+z+}");
    }
}

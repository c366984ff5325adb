//! Texts: clipped in the middle, without colours, and their first telling line.

/// The text with its middle left out, so that it has `most` bytes at most. The beginning says what
/// was tried, the end what came of it.
pub(crate) fn clip(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let note = format!(" [… {} bytes left out …] ", text.len() - most);
    let room = most.saturating_sub(note.len());
    if room == 0 {
        return text[..floor(text, most)].to_owned();
    }
    let head = floor(text, room.div_ceil(2));
    let tail = ceil(text, text.len() - room / 2);
    format!("{}{note}{}", &text[..head], &text[tail..])
}

/// The last place at or before `at` where a character begins.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first place at or after `at` where a character begins.
fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

/// Adds to a text that is clipped once it is more than twice as long as it may be, so that it
/// stays bounded while much is added.
pub(crate) fn push_clipped(text: &mut String, more: &str, most: usize) {
    text.push_str(more);
    if text.len() > most.saturating_mul(2) {
        *text = clip(text, most);
    }
}

/// The text without the escape sequences of terminals (ECMA-48).
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = after_escape(&rest[at + 1..]);
    }
    plain.push_str(rest);
    plain
}

fn after_escape(rest: &str) -> &str {
    match rest.as_bytes().first() {
        // A control sequence ends with a byte from @ to ~.
        Some(b'[') => match rest[1..].find(|c: char| ('@'..='~').contains(&c)) {
            Some(end) => &rest[end + 2..],
            None => "",
        },
        // An operating system command ends with BEL or ST.
        Some(b']') => match rest.find(['\u{7}', '\u{1b}']) {
            Some(end) if rest[end..].starts_with("\u{1b}\\") => &rest[end + 2..],
            Some(end) => &rest[end + 1..],
            None => "",
        },
        Some(byte) if byte.is_ascii() => &rest[1..],
        _ => rest,
    }
}

/// The line that tells most: of a panic of Rust what was said, else the first that is not blank.
pub(crate) fn headline(text: &str) -> &str {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(first) = lines.next() else { return "" };
    if is_panic(first) { lines.next().unwrap_or(first) } else { first }
}

/// Whether the line announces a panic of Rust; what was said is on the next one.
pub(crate) fn is_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains(" panicked at ")
}

/// The lines of a text that follow a headline of one line and belong to it: what was there, and
/// what was wanted instead. A trace, a hint and a less deep block are none.
pub(crate) fn beneath<'t>(headline: &str, text: &'t str, most: usize) -> Vec<&'t str> {
    let headline = headline.trim();
    if headline.is_empty() || headline.contains('\n') {
        return Vec::new();
    }
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = text.lines().skip_while(|line| !line.contains(headline));
    let Some(first) = lines.next() else { return Vec::new() };
    let lines = lines.filter(|line| !line.trim().is_empty());
    let own = lines.take_while(|line| depth(line) >= depth(first) && !is_beside(line.trim()));
    own.take(most).map(str::trim).collect()
}

/// Whether a line is a hint or of a trace.
fn is_beside(line: &str) -> bool {
    let starts = ["at ", "note:", "stack backtrace", "Traceback", "File \"", "thread '", "Stack:"];
    starts.iter().any(|start| line.starts_with(start)) || !crate::ours(line, &|_| true).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out() {
        assert_eq!(clip("short", 5), "short");
        let clipped = clip(&"ä🥐".repeat(100), 101);
        assert!(clipped.len() <= 101 && clipped.starts_with("ä🥐"), "{clipped}");
        assert!(clipped.ends_with('🥐') && clipped.contains("499 bytes left out"), "{clipped}");
        assert_eq!(clip("äää", 3), "ä");
    }

    #[test]
    fn colours_go() {
        for (colourful, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}", "link"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
            ("\u{1b}[3", ""),
            ("\u{1b}ä", "ä"),
            ("a\u{1b}(Bb", "aBb"),
        ] {
            assert_eq!(plain(colourful), expected, "{colourful:?}");
        }
    }

    #[test]
    fn what_is_added_stays_bounded() {
        let mut text = String::new();
        for _ in 0..10_000 {
            push_clipped(&mut text, "0123456789", 100);
            assert!(text.len() <= 210);
        }
    }

    #[test]
    fn what_was_there_and_what_was_wanted_stand_beneath_the_headline() {
        let check = |headline: &str, text: &str, expected: &[&str]| {
            assert_eq!(beneath(headline, text, 2), expected, "{text}");
        };
        let rust = "thread 'a' (1) panicked at src/lib.rs:1:2:\nassertion `left == right` failed: \
                    sum\n  left: 500\n right: 400\nnote: run with `RUST_BACKTRACE=1`";
        let message = "assertion `left == right` failed: sum";
        check(message, rust, &["left: 500", "right: 400"]);
        let node = "  error: |-\n    Expected values to be strictly equal:\n    \n    2 !== 3\n    \n  \
                    code: 'ERR_ASSERTION'\n";
        check("Expected values to be strictly equal:", node, &["2 !== 3"]);
        let jest = "Error: expect(received).toBe(expected) // Object.is equality\n\nExpected: 3\n\
                    Received: 2\n    at Object.<anonymous> (a.test.js:3:4)";
        let message = "expect(received).toBe(expected) // Object.is equality";
        check(message, jest, &["Expected: 3", "Received: 2"]);
        let java = "org.x.Failed: expected: <400> but was: <500>\n\tat shop.A.b(A.java:3)\n";
        check("expected: <400> but was: <500>", java, &[]);
        let python = ">       assert x == 1\nE       assert 2 == 1\n\ntests/a.py:3: AssertionError";
        check("assert 2 == 1", python, &[]);
        check("", "a\nb", &[]);
        check("two\nlines", "two\nlines\nthree", &[]);
        check("not there", "a\nb", &[]);
    }

    #[test]
    fn the_headline_of_a_panic_is_what_was_said() {
        let panic = "\nthread 'a' (1) panicked at src/lib.rs:1:2:\nthe price fits\nnote: …";
        assert_eq!(headline(panic), "the price fits");
        assert_eq!(headline("\n  Error: x\n y"), "Error: x");
        assert_eq!(headline(" \n"), "");
    }
}

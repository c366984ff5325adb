//! Snippets: the part of a passage around the words that were asked for.

use std::collections::HashSet;
use std::ops::Range;

use crate::index;
use crate::query::Words;

/// How long a snippet is, in bytes, before its ends are moved to spaces.
const LENGTH: usize = 250;

/// About [`LENGTH`] bytes of `body`, on one line, with as many different terms as possible.
pub(crate) fn snippet(body: &str, words: &Words) -> String {
    let window = best_window(body, &matches(body, words));
    let start = body.floor_char_boundary(window.start);
    let end = body.ceil_char_boundary(window.end.min(body.len()));
    let start = match body[..start].rfind(char::is_whitespace) {
        Some(space) if start > 0 && start - space < 30 => space,
        _ => start,
    };
    let end = match body[end..].find(char::is_whitespace) {
        Some(space) if space < 30 => end + space,
        None if body.len() - end < 30 => body.len(),
        _ => end,
    };
    let shown: Vec<&str> = body[start..end].split_whitespace().collect();
    let before = if body[..start].trim().is_empty() { "" } else { "…" };
    let after = if body[end..].trim().is_empty() { "" } else { "…" };
    format!("{before}{}{after}", shown.join(" "))
}

/// Where terms stand in the text: the number of the term, and its bytes.
fn matches(body: &str, words: &Words) -> Vec<(usize, Range<usize>)> {
    let mut found = Vec::new();
    index::analyzer().token_stream(body).process(&mut |token| {
        if let Some(term) = words.terms.iter().position(|term| *term == token.text) {
            found.push((term, token.offset_from..token.offset_to));
        }
    });
    found
}

/// The first window with the most different terms, then the most matches; a bit of what stands
/// before it is shown too.
fn best_window(body: &str, matches: &[(usize, Range<usize>)]) -> Range<usize> {
    let mut best = (0, 0, 0..LENGTH.min(body.len()));
    for (index, (_, first)) in matches.iter().enumerate() {
        let inside = matches[index..]
            .iter()
            .take_while(|(_, range)| range.end <= first.start + LENGTH - LENGTH / 5);
        let terms: Vec<usize> = inside.map(|(term, _)| *term).collect();
        let different = terms.iter().collect::<HashSet<_>>().len();
        if (different, terms.len()) > (best.0, best.1) {
            let start = first.start.saturating_sub(LENGTH / 5);
            best = (different, terms.len(), start..(start + LENGTH).min(body.len()));
        }
    }
    best.2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, query: &str, expected: &str) {
        assert_eq!(snippet(body, &Words::parse(query)), expected);
    }

    #[test]
    fn short_bodies_are_shown_whole() {
        check("one\n  two\tthree", "two", "one two three");
        check("", "two", "");
    }

    #[test]
    fn the_window_holds_the_most_different_words() {
        let filler = "lorem ipsum ".repeat(60);
        let body = format!("alpha alpha {filler} alpha and beta {filler}");
        let shown = snippet(&body, &Words::parse("alpha beta"));
        assert!(shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(shown.contains("alpha and beta"), "{shown}");
        assert!(shown.len() < LENGTH + 80, "{}", shown.len());
    }

    #[test]
    fn letters_are_never_cut_in_half() {
        let body = "é".repeat(2_000);
        assert!(snippet(&body, &Words::parse("x")).ends_with('…'));
        let spaced = format!("{} wort {}", "ü".repeat(500), "ß".repeat(500));
        assert!(snippet(&spaced, &Words::parse("wort")).contains("wort"));
    }
}

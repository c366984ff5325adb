//! Single lines: what may stand in a header, and foreign text cut down to where it may be shown.

use contract::text::visible;

/// Whether it is one line in which everything can be seen.
pub(crate) fn is_line(text: &str) -> bool {
    !text.contains(['\t', '\n']) && visible(text) == text
}

/// Somebody else's text as one line with nothing hidden.
pub(crate) fn line(text: &str) -> String {
    let text = visible(text);
    text.split(['\n', '\t'])
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The same, of at most so many characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    // Cut before and after: what is hidden grows when it is made visible.
    let few: String = text.chars().take(most + 1).collect();
    cut(&line(&few), most)
}

/// The first characters, with an ellipsis where there are more.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

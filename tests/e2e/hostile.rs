//! What tests with attack strings share: the strings, and what nobody may be shown.

mod kinds;

pub(crate) use kinds::{KINDS, Kind};

/// Controls, bidirectional controls, zero-width and other characters that nobody sees.
pub(crate) fn is_hidden(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// What a terminal was given, byte by byte, without the colours of the product: no other codes may
/// be in it.
pub(crate) fn on_terminal(output: &str) -> String {
    let bytes: Vec<u8> = output.chars().map(|c| u8::try_from(c).expect("a byte")).collect();
    let output = String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n");
    let mut parts = output.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(rest.strip_prefix('m').unwrap_or("\u{1b}"));
    }
    plain
}

/// A text without the backslashes that keep the fence around it closed.
pub(crate) fn unfenced(text: &str) -> String {
    let mut parts = text.split("<\\");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let name = part.trim_start_matches(['/', '\\', ' ']).to_lowercase();
        plain.push_str(if name.starts_with("untrusted") { "<" } else { "<\\" });
        plain.push_str(part);
    }
    plain
}

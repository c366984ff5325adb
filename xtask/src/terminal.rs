//! What the person at the terminal sees: headings, notes, errors; coloured where that helps.
//!
//! Everything goes to stderr, like cargo's own progress, so that a child's stdout stays clean.

use std::env;
use std::io::{IsTerminal as _, stderr};
use std::time::Duration;

/// The few looks that text has here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// A step that starts, or a headline.
    Heading,
    /// Something that went well.
    Good,
    /// Something that went wrong.
    Bad,
    /// Information nobody has to act on.
    Quiet,
}

/// `text` in a look, if stderr is a terminal and the person has not asked for plain text.
pub(crate) fn paint(look: Look, text: &str) -> String {
    if is_coloured() { escape(look, text) } else { text.to_owned() }
}

/// Whether to colour; see <https://no-color.org>.
pub(crate) fn is_coloured() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && stderr().is_terminal()
}

fn escape(look: Look, text: &str) -> String {
    let code = match look {
        Look::Heading => "1;36",
        Look::Good => "32",
        Look::Bad => "1;31",
        Look::Quiet => "2",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Announces a step.
pub(crate) fn heading(text: &str) {
    eprintln!("{} {}", paint(Look::Heading, "==>"), text);
}

/// Says something beside the point.
pub(crate) fn note(text: &str) {
    eprintln!("    {}", paint(Look::Quiet, text));
}

/// Reports why nothing more happens.
pub(crate) fn error(text: &str) {
    eprintln!("{} {}", paint(Look::Bad, "error:"), text);
}

/// A duration as people say it: `0.4 s`, `12 s`, `3 min 05 s`.
pub(crate) fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64()),
        10..60 => format!("{seconds} s"),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(spoken(Duration::from_millis(420)), "0.4 s");
        assert_eq!(spoken(Duration::from_millis(12_600)), "12 s");
        assert_eq!(spoken(Duration::from_secs(185)), "3 min 05 s");
    }

    #[test]
    fn a_look_ends_where_the_text_ends() {
        assert_eq!(escape(Look::Good, "ok"), "\u{1b}[32mok\u{1b}[0m");
    }
}

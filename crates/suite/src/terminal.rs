//! How people read us: a few styles, dropped where there is no terminal or `NO_COLOR` is set.

use anstyle::{AnsiColor, Color, Style};
use contract::text::visible;

pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = color(AnsiColor::Green);
pub(crate) const BAD: Style = color(AnsiColor::Red);
pub(crate) const NAME: Style = color(AnsiColor::Cyan);

const fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// A text of somebody else's on one line, its hidden characters visible.
pub(crate) fn one_line(text: &str) -> String {
    visible(&text.replace(['\n', '\r', '\t'], " ")).into_owned()
}

/// Rows as aligned columns; the last one as long as it is.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (index, cell) in row.iter().enumerate() {
            if index + 1 == row.len() {
                out.push_str(cell);
            } else {
                out.push_str(&format!("{cell:<width$}  ", width = widths[index]));
            }
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_on_one_line_hides_nothing() {
        assert_eq!(one_line("handbook"), "handbook");
        assert_eq!(one_line("a\nallowed\r\tb\u{1b}[2K\u{202e}"), "a allowed  b[U+001B][2K[U+202E]");
    }
}

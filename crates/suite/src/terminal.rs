//! How people read us: a few styles, dropped where there is no terminal or `NO_COLOR` is set.

use anstyle::{AnsiColor, Color, Style};

pub(crate) const TITLE: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const GOOD: Style = color(AnsiColor::Green);
pub(crate) const BAD: Style = color(AnsiColor::Red);
pub(crate) const NAME: Style = color(AnsiColor::Cyan);

const fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
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

//! Markdown for trackers that show plain text.
//!
//! The source is what people read there, so it stays as it is written: rendering it would lose the
//! marks that tell a list from a paragraph, and what a person approved would not be what arrives.
//! Only what a tracker would change anyway is settled before: line ends, spaces at the ends of
//! lines, and blank lines around the text.

/// A Markdown text as plain text.
pub(crate) fn text(markdown: &str) -> String {
    let unix = markdown.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> =
        unix.split('\n').map(|line| line.trim_end_matches([' ', '\t'])).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_ends_and_spaces_change() {
        assert_eq!(text("a  \r\n- b\t\rc\n\n"), "a\n- b\nc");
        let source = "# Title\n\n    code\n\n* a *b* `c`";
        assert_eq!(text(source), source);
        assert_eq!(text(&text("\n\n x \n")), text("\n\n x \n"));
    }
}

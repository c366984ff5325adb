//! Anchors as GitHub makes them, so that an address can be followed in a browser.

use std::collections::HashMap;

/// Anchors given so far on one page. The rule is that of `github-slugger`: lower case, letters,
/// digits, `_` and `-` stay, spaces become `-`, a second `usage` becomes `usage-1`.
#[derive(Default)]
pub(super) struct Anchors {
    given: HashMap<String, u32>,
}

impl Anchors {
    /// The anchor of a heading without one of its own.
    pub(super) fn of_heading(&mut self, text: &str) -> String {
        let slug = slug(text);
        let mut anchor = slug.clone();
        while self.given.contains_key(&anchor) {
            let count = self.given.entry(slug.clone()).or_default();
            *count += 1;
            anchor = format!("{slug}-{count}");
        }
        self.given.insert(anchor.clone(), 0);
        anchor
    }

    /// Notes an anchor the author wrote.
    pub(super) fn note(&mut self, anchor: &str) {
        self.given.entry(anchor.to_owned()).or_insert(0);
    }
}

fn slug(text: &str) -> String {
    let kept = text.trim().chars().flat_map(char::to_lowercase).filter_map(|c| match c {
        ' ' => Some('-'),
        // Combining marks belong to the letter before them.
        '-' | '_' | '\u{300}'..='\u{36f}' => Some(c),
        c if c.is_alphanumeric() => Some(c),
        _ => None,
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headings: &[&str], expected: &[&str]) {
        let mut anchors = Anchors::default();
        let made: Vec<String> = headings.iter().map(|text| anchors.of_heading(text)).collect();
        assert_eq!(made, expected);
    }

    #[test]
    fn anchors_are_those_of_github() {
        check(&["Getting Started"], &["getting-started"]);
        check(&["What's new in v2.0?"], &["whats-new-in-v20"]);
        check(&["`foo_bar()` & baz"], &["foo_bar--baz"]);
        check(&["Über Größe"], &["über-größe"]);
        check(&["中文 标题"], &["中文-标题"]);
        check(&["!!!", "!!!"], &["", "-1"]);
    }

    #[test]
    fn duplicates_are_numbered() {
        check(&["Use", "Use", "Use"], &["use", "use-1", "use-2"]);
        check(&["Use 1", "Use", "Use"], &["use-1", "use", "use-2"]);
    }
}

//! What was changed in a text to make it inert, by kind, as one short line for the preview.

use std::fmt;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `@name`, `@group/team`, `@all`, Jira's `[~name]`.
    Mention,
    /// `fixes #1` and what else closes another ticket.
    ClosingKeyword,
    /// `/close` at the beginning of a line.
    QuickAction,
    /// A `<` that would begin a tag, a comment or another piece of HTML.
    Html,
    /// `&#64;` and other references that spell a plain or a hidden character.
    Entity,
    /// An image, which the reader's browser would fetch.
    Image,
    /// A link target that runs or carries code.
    Target,
    /// A character that people cannot see.
    Hidden,
    /// The beginning of a formula.
    Formula,
    /// A fenced code block without an end.
    OpenFence,
}

/// Every kind with its name for one and for several, in the order of the line.
const KINDS: [(Kind, &str, &str); 10] = [
    (Kind::Mention, "mention", "mentions"),
    (Kind::ClosingKeyword, "closing keyword", "closing keywords"),
    (Kind::QuickAction, "quick action", "quick actions"),
    (Kind::Html, "HTML tag", "HTML tags"),
    (Kind::Entity, "character reference", "character references"),
    (Kind::Image, "image", "images"),
    (Kind::Target, "link target", "link targets"),
    (Kind::Hidden, "hidden character", "hidden characters"),
    (Kind::Formula, "formula", "formulas"),
    (Kind::OpenFence, "open code fence", "open code fences"),
];

/// How many changes of each kind were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    counts: [u64; KINDS.len()],
}

impl Notes {
    /// Whether nothing was changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// Counts changes of a kind.
    pub(super) fn count(&mut self, kind: Kind, changes: u64) {
        self.counts[kind as usize] += changes;
    }
}

/// `neutralised: 2 mentions, 1 closing keyword`; nothing where nothing was changed.
impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "neutralised: ";
        for (kind, one, many) in KINDS {
            let count = self.counts[kind as usize];
            if count > 0 {
                write!(f, "{before}{count} {}", if count == 1 { one } else { many })?;
                before = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_counts_each_kind() {
        let mut notes = Notes::default();
        assert!(notes.is_empty() && notes.to_string().is_empty());
        notes.count(Kind::Mention, 2);
        notes.count(Kind::QuickAction, 1);
        assert_eq!(notes.to_string(), "neutralised: 2 mentions, 1 quick action");
    }

    #[test]
    fn every_kind_has_its_own_place() {
        for (at, (kind, ..)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, at, "{kind:?}");
        }
    }
}

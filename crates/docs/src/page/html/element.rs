//! What the elements of HTML mean to a reader of text.

use html5ever::tokenizer::{Tag, TagKind};

/// An element whose end is awaited: its name, and how many of that name are open.
pub(super) struct Region {
    name: String,
    depth: usize,
}

impl Region {
    /// A region that begins with a tag.
    pub(super) fn new(tag: &Tag) -> Self {
        Self { name: tag.name.to_string(), depth: 1 }
    }

    /// Follows a tag of any name; `true` when the region ends with it.
    pub(super) fn follow(&mut self, name: &str, kind: TagKind) -> bool {
        if self.name == name {
            match kind {
                TagKind::StartTag => self.depth += 1,
                TagKind::EndTag => self.depth -= 1,
            }
        }
        self.depth == 0
    }
}

/// Whether an element is not part of the text: scripts, controls, navigation, what is hidden, and
/// `outside` the main part its headers and footers.
pub(super) fn is_chrome(tag: &Tag, outside: bool) -> bool {
    let hidden = attribute(tag, "hidden").is_some()
        || attribute(tag, "aria-hidden").as_deref() == Some("true");
    match &*tag.name {
        "script" | "style" | "nav" | "noscript" | "template" | "iframe" | "object" | "button"
        | "dialog" | "select" | "textarea" => true,
        "svg" => !tag.self_closing,
        "header" | "footer" | "aside" => outside,
        // Only elements whose end tag cannot be left out.
        "div" | "span" | "section" | "a" | "pre" | "code" => hidden,
        _ => false,
    }
}

/// Whether a tag of this name ends a row, and if so, whether a blank row follows.
pub(super) fn breaks(name: &str) -> Option<bool> {
    match name {
        "p" | "pre" | "table" | "ul" | "ol" | "dl" | "blockquote" | "section" | "article"
        | "main" | "figure" | "hr" | "details" | "form" | "fieldset" => Some(true),
        "div" | "li" | "tr" | "br" | "dt" | "dd" | "thead" | "tbody" | "summary" | "caption"
        | "figcaption" | "address" | "body" | "header" | "footer" | "aside" => Some(false),
        _ => None,
    }
}

/// The level of a heading: `h1` to `h6`.
pub(super) fn level_of(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

/// The value of an attribute.
pub(super) fn attribute(tag: &Tag, name: &str) -> Option<String> {
    let found = tag.attrs.iter().find(|attribute| &*attribute.name.local == name)?;
    Some(found.value.to_string())
}

//! Markdown as Atlassian Document Format (version 1), and any such document as readable text.
//!
//! A document we write holds text and its layout only: no mention, no media, no card, whatever the
//! Markdown says, and links to `http`, `https` and `mailto` alone. What the format does not allow in
//! a place (a heading in a list, a table in a quote) becomes what it does allow there. Source of the
//! rules: Atlassian's JSON Schema `@atlaskit/adf-schema`, `json-schema/v1/full.json`.

use serde_json::{Value, json};

mod inline;
mod markdown;
mod read;

#[cfg(test)]
mod tests;

pub(crate) use markdown::document;
pub(crate) use read::text;

/// A node with its content.
fn node(kind: &str, content: Vec<Value>) -> Value {
    json!({"type": kind, "content": content})
}

/// A node with attributes and content.
fn node_with(kind: &str, attrs: Value, content: Vec<Value>) -> Value {
    json!({"type": kind, "attrs": attrs, "content": content})
}

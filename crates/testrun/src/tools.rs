//! The tools, one file each.

pub(crate) mod failure;
pub(crate) mod history;
pub(crate) mod log;
pub(crate) mod rerun_failed;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod suites;
pub(crate) mod verify;

use contract::{Ctx, Part, Text, ToolError};

/// A text of our own words.
pub(crate) fn plain(text: String) -> Text {
    Text { parts: vec![Part::Text(text)], more: None }
}

/// The number in a cursor; 0 without one.
pub(crate) fn position(ctx: &Ctx, cursor: Option<&str>) -> Result<u64, ToolError> {
    let cursor = cursor.filter(|cursor| !cursor.is_empty());
    let from = cursor.map(|cursor| ctx.open_cursor(cursor)).transpose()?;
    Ok(from.and_then(|from| from.as_u64()).unwrap_or(0))
}

//! Where a page of results begins.

use contract::{Ctx, ToolError};

/// How many results come before the page of a cursor; none without one.
pub(crate) fn position(ctx: &Ctx, cursor: Option<&str>) -> Result<usize, ToolError> {
    let Some(cursor) = cursor else { return Ok(0) };
    let position = ctx.open_cursor(cursor)?;
    let from = position.get("from").and_then(serde_json::Value::as_u64);
    from.and_then(|from| usize::try_from(from).ok())
        .ok_or_else(|| ToolError::invalid("the cursor is of another tool; call again without it."))
}

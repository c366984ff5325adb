//! What answers have in common: how much fits, and how they go on.

use contract::{Ctx, Size, ToolError};
use serde_json::Value;

/// How much an answer holds unless the caller asks for more.
pub(crate) const DEFAULT: Size = Size::tokens(2_000);
/// What the fence, the trailer, a cursor and the marks of the output guard may take, in bytes.
const FRAME: usize = 600;

/// How many bytes of content an answer has room for: the default, where the caller asks for no
/// more, and never more than the call's largest result.
pub(crate) fn room(ctx: &Ctx, wants_more: bool) -> usize {
    let size = if wants_more { ctx.size() } else { ctx.size().min(DEFAULT) };
    size.bytes().saturating_sub(FRAME)
}

/// How many entries come before the page of a cursor; none without one.
pub(crate) fn position(ctx: &Ctx, cursor: Option<&str>) -> Result<usize, ToolError> {
    let Some(cursor) = cursor else { return Ok(0) };
    let position = ctx.open_cursor(cursor)?;
    let from = position.get("from").and_then(Value::as_u64);
    from.and_then(|from| usize::try_from(from).ok())
        .ok_or_else(|| ToolError::invalid("the cursor is of another tool; call again without it."))
}

/// The end of a trailer that leads to the next page.
pub(crate) fn next(ctx: &Ctx, from: usize) -> String {
    format!("; next: cursor={}", ctx.seal_cursor(&serde_json::json!({ "from": from })))
}

//! The pages of an answer that belongs to one commit.

use bstr::BStr;
use contract::{Ctx, ToolError};
use gix_hash::ObjectId;
use serde_json::{Value, json};

use crate::revision::Revision;
use crate::view::View;

/// Where a page begins. Its commit is kept in the cursor: a branch that moves between two pages
/// neither repeats nor loses an entry.
pub(crate) struct Page {
    /// How many entries come before it.
    pub(crate) from: usize,
    /// The commit of the pages before it; none, if it is the first.
    at: Option<ObjectId>,
}

impl Page {
    /// The page of a cursor; the first one without.
    pub(crate) fn open(ctx: &Ctx, cursor: Option<&str>) -> Result<Self, ToolError> {
        let Some(cursor) = cursor else { return Ok(Self { from: 0, at: None }) };
        let position = ctx.open_cursor(cursor)?;
        let from = position.get("from").and_then(Value::as_u64);
        let at = position.get("at").and_then(Value::as_str);
        let at = at.and_then(|hex| ObjectId::from_hex(BStr::new(hex)).ok());
        match (from.and_then(|from| usize::try_from(from).ok()), at) {
            (Some(from), Some(at)) => Ok(Self { from, at: Some(at) }),
            _ => Err(ToolError::invalid("the cursor is of another tool; call again without it.")),
        }
    }

    /// The revision of the page: the one of the pages before, under the name the caller gave.
    pub(crate) fn revision(
        &self,
        view: &mut View,
        name: Option<&str>,
    ) -> Result<Revision, ToolError> {
        let Some(at) = self.at else { return view.resolve(name) };
        let found = view.resolve(Some(&at.to_string()))?;
        let name = name.unwrap_or_else(|| view.repository.default_revision());
        Ok(Revision { id: found.id, name: name.to_owned() })
    }

    /// The end of a trailer that leads to the page behind `from` entries.
    pub(crate) fn next(ctx: &Ctx, from: usize, revision: &Revision) -> String {
        let position = json!({ "from": from, "at": revision.id.to_string() });
        format!("; next: cursor={}", ctx.seal_cursor(&position))
    }
}

//! The schema of a database, kept for a short time, so that looking around asks the database once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use contract::{Ctx, ToolError};

use crate::database::Database;
use crate::schema::Schema;

/// How long a schema is answered from. A table made just now is seen after at most this long.
const FRESH: Duration = Duration::from_secs(20);
/// A schema with more columns than this is not kept: it would take more memory than it saves time.
const MOST_COLUMNS: usize = 50_000;

/// What is kept of one database.
#[derive(Default)]
pub(crate) struct Held {
    kept: Mutex<Kept>,
    /// Held while the database is asked, so that many callers ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Kept {
    schema: Option<(Instant, Arc<Schema>)>,
    /// Counts what made the schema doubtful: what was asked before is not kept afterwards.
    doubts: u64,
}

impl Held {
    /// The schema must be asked anew: a statement found that it is not what it was.
    pub(crate) fn forget(&self) {
        let mut kept = self.kept();
        kept.schema = None;
        kept.doubts += 1;
    }

    /// The schema, where it is known at this moment.
    pub(crate) fn fresh(&self, now: Instant) -> Option<Arc<Schema>> {
        let kept = self.kept();
        let (since, schema) = kept.schema.as_ref()?;
        (now.saturating_duration_since(*since) < FRESH).then(|| Arc::clone(schema))
    }

    fn keep(&self, schema: &Arc<Schema>, doubts: u64, now: Instant) {
        let columns: usize = schema.tables.iter().map(|table| table.columns.len()).sum();
        let mut kept = self.kept();
        if kept.doubts == doubts && columns <= MOST_COLUMNS {
            kept.schema = Some((now, Arc::clone(schema)));
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Database {
    /// The schema, as it was at most [`FRESH`] ago.
    pub(crate) async fn described(&self, ctx: &Ctx) -> Result<Arc<Schema>, ToolError> {
        if let Some(schema) = self.held.fresh(Instant::now()) {
            return Ok(schema);
        }
        let _one = self.held.asking.lock().await;
        if let Some(schema) = self.held.fresh(Instant::now()) {
            return Ok(schema);
        }
        let doubts = self.held.kept().doubts;
        let schema = Arc::new(self.schema(ctx).await.inspect_err(|_| self.held.forget())?);
        self.held.keep(&schema, doubts, Instant::now());
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::samples::{column, table};

    fn schema(columns: usize) -> Arc<Schema> {
        let mut wide = table("s", "t");
        wide.columns = vec![column("c", "text", true); columns];
        Arc::new(Schema { home: "s".into(), tables: vec![wide], enums: Vec::new() })
    }

    #[test]
    fn a_schema_is_kept_for_a_short_time() {
        let (held, now) = (Held::default(), Instant::now());
        assert_eq!(held.fresh(now), None);
        held.keep(&schema(1), 0, now);
        assert_eq!(held.fresh(now + FRESH / 2), Some(schema(1)));
        assert_eq!(held.fresh(now + FRESH), None);
    }

    #[test]
    fn what_was_asked_before_a_doubt_is_not_kept() {
        let (held, now) = (Held::default(), Instant::now());
        held.keep(&schema(1), 0, now);
        held.forget();
        assert_eq!(held.fresh(now), None);
        held.keep(&schema(1), 0, now);
        assert_eq!(held.fresh(now), None);
        held.keep(&schema(1), 1, now);
        assert_eq!(held.fresh(now), Some(schema(1)));
    }

    #[test]
    fn what_is_too_large_is_not_kept() {
        let (held, now) = (Held::default(), Instant::now());
        held.keep(&schema(MOST_COLUMNS + 1), 0, now);
        assert_eq!(held.fresh(now), None);
    }
}

//! How far a run is that is not over: whether it waits for its turn, and what it printed of its
//! tests.

use std::path::Path;

use contract::ToolError;
use reports::Progress;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Runs, unkept};
use crate::answer::count;
use crate::following::{blocking, feed};

impl Runs {
    /// How far a run is, in words.
    pub(super) async fn stage(&self, row: &SqliteRow) -> Result<String, ToolError> {
        let folder = self.folder(row.get("id"));
        if has_started(&folder) {
            return blocking(move || Ok(running(&folder))).await;
        }
        // The runs of one process wait for each other.
        let earlier = sqlx::query_scalar::<_, String>(
            "SELECT id FROM runs WHERE owner = ? AND is_over = 0 AND number < ?",
        );
        let earlier = earlier.bind(row.get::<&str, _>("owner")).bind(row.get::<i64, _>("number"));
        let earlier = earlier.fetch_all(self.pool().await?).await.map_err(unkept)?;
        let waiting = earlier.iter().filter(|id| !has_started(&self.folder(id))).count();
        Ok(match waiting {
            0 => "it waits for its turn, the next one".to_owned(),
            waiting => format!("it waits for its turn, {waiting} before it"),
        })
    }
}

/// Whether a run has left the queue: then what it prints has a file.
fn has_started(folder: &Path) -> bool {
    folder.join("stdout").exists()
}

fn running(folder: &Path) -> String {
    let mut progress = Progress::default();
    feed(folder, &mut progress);
    let (done, failed) = (progress.done(), progress.failed());
    match progress.total().filter(|total| *total >= done) {
        Some(total) => format!("it runs, {done} of {} done, {failed} failed", count(total, "test")),
        None if done > 0 => format!("it runs, {} done, {failed} failed", count(done, "test")),
        None => "it runs".to_owned(),
    }
}

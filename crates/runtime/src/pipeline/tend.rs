//! What becomes due by itself: approvals whose time is over.

use std::sync::Weak;
use std::time::Duration;

use contract::record::{Event, Record};
use state::StateError;
use state::approvals::Stored;

use super::{Inner, Pipeline};
use crate::approvals::noted;

/// How often the pipeline looks for what is due.
const EVERY: Duration = Duration::from_secs(1);

impl Pipeline {
    /// Ends what is due while the pipeline lives; costs nothing where nothing was ever approved.
    pub fn tend(&self) {
        let inner: Weak<Inner> = std::sync::Arc::downgrade(&self.inner);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                let Some(inner) = inner.upgrade() else { return };
                if let Err(error) = (Pipeline { inner }).end_overdue().await {
                    tracing::error!(%error, "approvals whose time is over could not be ended");
                }
            }
        });
    }

    /// Ends the approvals of this server whose time is over, and records each.
    pub(super) async fn end_overdue(&self) -> Result<(), StateError> {
        if !self.inner.store.exists() {
            return Ok(());
        }
        for stored in self.inner.store.expire().await? {
            self.note_end(&stored, "nobody decided or called in time")?;
        }
        Ok(())
    }

    /// Nobody's doing: the record names the call that was asked about, and no principal.
    fn note_end(&self, stored: &Stored, why: &str) -> Result<(), StateError> {
        let (approval, target) = (noted(stored), stored.call.target());
        let rules = self.inner.rules.get();
        let mut record = Record::new(Event::ApprovalExpired, self.inner.catalogue.server);
        record.approval = Some(&approval);
        record.target = Some(&target);
        record.tool = &stored.call.tool;
        record.tool_digest = Some(&stored.call.tool_digest);
        record.policy = Some(&rules.digest);
        record.detail = Some(why);
        self.inner.write(record, false)
    }
}

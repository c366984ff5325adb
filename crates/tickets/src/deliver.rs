//! A ticket or a comment on its way to its tracker.

use contract::ToolError;
use state::desk::delivery::{Errand, Standing, Terms};

use crate::tracker::{Found, Lost, Receipt};
use crate::{Prepared, Tickets};

impl Errand for Prepared {
    type Receipt = Receipt;

    const LAG: Option<i64> = Some(60 * 60_000);

    async fn send(&self) -> Result<Receipt, Lost> {
        self.project.tracker.send(&self.project.at, &self.outgoing).await
    }

    async fn find(&self, since: i64) -> Result<Found<Receipt>, ToolError> {
        self.project.tracker.find(&self.project.at, &self.outgoing, since).await
    }
}

impl Tickets {
    /// Sends what was approved, unless it was sent before: the receipt, and whether it is new.
    pub(crate) async fn deliver(&self, one: &Prepared) -> Result<(Receipt, bool), ToolError> {
        // Nothing is sent with a credential that may do too much, not even beside the start.
        self.check_rights().await.map_err(|why| {
            let message =
                "the credential may do more than it needs, so nothing was sent; tell the operator.";
            ToolError::unavailable(message, why)
        })?;
        let terms = Terms {
            digest: &one.outgoing.digest(&one.project),
            cap: one.project.per_day(),
            what: "tickets and comments",
            verify: "ticket_verify",
        };
        self.desk.deliver(&one.draft, one, terms).await
    }

    /// How it stands; what is not known is looked for.
    pub(crate) async fn settle(&self, one: &Prepared) -> Result<Standing<Receipt>, ToolError> {
        self.desk.settle(&one.draft, one).await
    }
}

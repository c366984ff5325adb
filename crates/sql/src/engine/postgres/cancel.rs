//! Ends at the server what nobody waits for any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::Executor as _;

use super::session::{Pool, Session};

/// How long cancelling may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the server to cancel what a session runs, from another session of the same user, and
/// throws the cancelled one away.
///
/// Its own connection stays open until then, so that its process cannot be somebody else's.
pub(crate) async fn cancel(pool: &Arc<Pool>, session: Session) {
    let until = Instant::now() + PATIENCE;
    let asked = async {
        let mut other = match pool.idle_at(session.server) {
            Some(other) => other,
            None => pool.extra(session.server, until).await.map_err(|error| error.to_string())?,
        };
        let text = format!("SELECT pg_catalog.pg_cancel_backend({})", session.backend);
        let asked = other.connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(text))).await;
        asked.map_err(|error| error.to_string())?;
        pool.keep(other);
        Ok::<_, String>(())
    };
    // Without an answer there is still the server's own look at whether its client is there, and
    // its statement time-out.
    match tokio::time::timeout_at(until.into(), asked).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!("a statement could not be cancelled: {error}"),
        Err(_) => tracing::warn!("a statement could not be cancelled in time"),
    }
    drop(session);
}

//! Stopping in good order: calls in flight end, records reach the disk.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long calls in flight may take to end once the process is told to stop, in seconds.
pub const GRACE: Duration = Duration::from_secs(10);

/// Fires once when the process is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
}

impl Stop {
    /// Stops on SIGTERM and SIGINT.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = Self::default();
        let token = stop.token.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            token.cancel();
        });
        Ok(stop)
    }

    /// Stops now.
    pub fn now(&self) {
        self.token.cancel();
    }

    /// Waits until it is time to stop.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }

    /// Whether it is time to stop.
    pub fn is_stopping(&self) -> bool {
        self.token.is_cancelled()
    }
}

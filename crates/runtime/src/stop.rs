//! Stopping in good order: calls in flight end, records reach the disk.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How long calls in flight may take to end once the process is told to stop, in seconds.
pub const GRACE: Duration = Duration::from_secs(10);

/// Fires once when the process is told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    hard: CancellationToken,
}

impl Stop {
    /// Stops on SIGTERM and SIGINT.
    pub fn on_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut term, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
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

    /// Fires [`GRACE`] after the process is told to stop: what still runs then is cut off.
    pub(crate) fn hard(&self) -> CancellationToken {
        let (token, hard) = (self.token.clone(), self.hard.clone());
        tokio::spawn(async move {
            token.cancelled().await;
            tokio::time::sleep(GRACE).await;
            hard.cancel();
        });
        self.hard.clone()
    }

    /// Waits until it is time to stop.
    pub async fn wait(&self) {
        self.token.cancelled().await;
    }
}

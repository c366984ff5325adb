//! The server's end of the way to its runner.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use contract::ToolError;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

use crate::wire::{self, Ask, Outcome, Start, Tell};

/// How far a run is, as the runner tells.
#[derive(Clone, Debug)]
pub(crate) enum Phase {
    /// It waits for others to end.
    Waiting,
    /// It runs.
    Running,
    /// It has ended.
    Ended(Arc<Outcome>),
}

/// What this machine's kernel offers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer {
    /// The tier.
    pub(crate) tier: Option<String>,
    /// What is lacking for more.
    pub(crate) lacks: Vec<String>,
}

/// The way to the runner.
#[derive(Debug)]
pub(crate) struct Link {
    asks: mpsc::UnboundedSender<Ask>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    #[cfg(test)]
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
    live: Mutex<Live>,
    offer: watch::Sender<Option<Offer>>,
}

#[derive(Debug, Default)]
struct Live {
    runs: HashMap<String, watch::Sender<Phase>>,
    is_gone: bool,
}

impl Link {
    /// Takes up the way to the runner.
    pub(crate) fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let (read, write) = UnixStream::from_std(stream)?.into_split();
        let (asks, asked) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let tasks = [
            tokio::spawn(forward(asked, write)).abort_handle(),
            tokio::spawn(hear(read, Arc::clone(&shared))).abort_handle(),
        ];
        #[cfg(test)]
        shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).extend(tasks);
        #[cfg(not(test))]
        drop(tasks);
        Ok(Self { asks, shared })
    }

    /// What the kernel offers: known from the runner's first word on.
    pub(crate) async fn offer(&self) -> Offer {
        let mut offer = self.shared.offer.subscribe();
        let known = offer.wait_for(Option::is_some).await;
        known.ok().and_then(|offer| offer.clone()).unwrap_or_default()
    }

    /// Asks for a run; how far it is can be watched.
    pub(crate) fn start(&self, start: Start) -> Result<watch::Receiver<Phase>, ToolError> {
        let mut live = self.shared.live();
        if live.is_gone {
            return Err(gone());
        }
        let (told, watched) = watch::channel(Phase::Waiting);
        live.runs.insert(start.run.clone(), told);
        self.asks.send(Ask::Start(start)).map_err(|_| gone())?;
        Ok(watched)
    }

    /// Ends the stream as the end of the process would, which nobody hears of here.
    #[cfg(test)]
    pub(crate) fn close(&self) {
        for task in self.shared.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }

    /// Asks for the end of a run.
    pub(crate) fn cancel(&self, run: &str) {
        let _ = self.asks.send(Ask::Cancel(run.to_owned()));
    }
}

impl Shared {
    fn live(&self) -> std::sync::MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self, tell: Tell) {
        match tell {
            Tell::Offer { tier, lacks } => {
                self.offer.send_replace(Some(Offer { tier, lacks }));
            }
            Tell::Started(run) => {
                if let Some(told) = self.live().runs.get(&run) {
                    told.send_replace(Phase::Running);
                }
            }
            Tell::Ended(run, outcome) => {
                if let Some(told) = self.live().runs.remove(&run) {
                    told.send_replace(Phase::Ended(Arc::new(*outcome)));
                }
            }
        }
    }

    /// The runner is gone, and all that it ran with it.
    fn end(&self) {
        self.offer.send_if_modified(|offer| offer.replace(Offer::default()).is_none());
        let mut live = self.live();
        live.is_gone = true;
        for (_, told) in live.runs.drain() {
            told.send_replace(Phase::Ended(Arc::new(Outcome::Lost)));
        }
    }
}

fn gone() -> ToolError {
    ToolError::unavailable(
        "nothing can be run: the process that starts programs is gone. Its operator restarts the \
         server.",
        "the runner ended",
    )
}

async fn forward(mut asked: mpsc::UnboundedReceiver<Ask>, mut stream: OwnedWriteHalf) {
    while let Some(ask) = asked.recv().await {
        let mut frame = Vec::new();
        if wire::send(&mut frame, &ask).is_err() {
            continue;
        }
        if stream.write_all(&frame).await.is_err() {
            return;
        }
    }
}

async fn hear(mut stream: OwnedReadHalf, shared: Arc<Shared>) {
    loop {
        match receive::<Tell>(&mut stream).await {
            Ok(tell) => shared.told(tell),
            Err(error) => {
                tracing::warn!("the runner is gone: {error}");
                return shared.end();
            }
        }
    }
}

async fn receive<T: DeserializeOwned>(stream: &mut OwnedReadHalf) -> io::Result<T> {
    let length = stream.read_u32().await?;
    if length > wire::LARGEST {
        return Err(io::Error::other("a message is too long"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}

//! The library: the collections, the snapshot calls answer from, and when it is refreshed.
//!
//! Nothing runs while nobody asks. A scan is a thread of its own, started by `open` and by a call
//! that comes when the last scan is more than [`FRESH`] ago; calls wait for it on a channel.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use contract::{Ctx, Kind, Target, ToolError};
use tokio::sync::watch;

use crate::catalogue::Snapshot;
use crate::collection::Collection;
use crate::held::Held;
use crate::scan;

/// How long after a scan no other is made.
const FRESH: Duration = Duration::from_secs(5);
/// How long a call waits for the first scan where an earlier index can answer too.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a call waits for a later scan: small changes are seen at once.
const GLANCE: Duration = Duration::from_millis(25);
/// What is left of a call's time to say that the index is not ready.
const MARGIN: Duration = Duration::from_millis(250);

/// Everything the tools share.
pub(crate) struct Library {
    /// The collections, in the order of servers.toml.
    pub(crate) collections: Vec<Collection>,
    /// The folder of the index.
    pub(crate) folder: PathBuf,
    /// What scans keep open from one to the next; locked for as long as one runs.
    pub(crate) held: Mutex<Option<Held>>,
    doubted: AtomicBool,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    status: watch::Sender<Status>,
}

/// How far the index is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// Whether a scan runs.
    pub(crate) scanning: bool,
    /// How many scans have ended, well or not.
    pub(crate) scans: u64,
    /// When the last one ended.
    pub(crate) ended: Option<Instant>,
    /// Files looked at by the running scan.
    pub(crate) done: usize,
    /// Files to be looked at by the running scan; 0 while it is not known.
    pub(crate) total: usize,
    /// Why the last scan failed.
    pub(crate) fault: Option<Fault>,
    /// What the last successful scan did.
    pub(crate) report: Report,
}

/// What a scan did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Files whose content was read.
    pub(crate) read: usize,
    /// Files whose documents were written anew.
    pub(crate) written: usize,
    /// Files whose documents were removed.
    pub(crate) removed: usize,
    /// Files left out: too large, binary, unreadable.
    pub(crate) skipped: usize,
    /// Collections whose folder could not be read; their documents were kept.
    pub(crate) lost: Vec<String>,
}

/// Why the index could not be brought up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// For the caller.
    pub(crate) message: String,
    /// For the operator.
    pub(crate) log: String,
}

impl Library {
    /// A library whose index is in `folder`. Nothing is opened yet.
    pub(crate) fn new(collections: Vec<Collection>, folder: PathBuf) -> Self {
        let status = watch::Sender::new(Status::default());
        Self {
            collections,
            folder,
            held: Mutex::default(),
            doubted: AtomicBool::new(false),
            snapshot: RwLock::default(),
            status,
        }
    }

    /// Starts a scan in the background, unless one runs.
    pub(crate) fn refresh(self: &Arc<Self>) {
        let started = self.status.send_if_modified(|status| {
            let idle = !status.scanning;
            if idle {
                (status.scanning, status.done, status.total) = (true, 0, 0);
            }
            idle
        });
        if !started {
            return;
        }
        let library = Arc::clone(self);
        let thread = std::thread::Builder::new().name("docs-scan".to_owned());
        if let Err(error) = thread.spawn(move || library.end(scan::run(&library))) {
            let message = "no thread could be started to read the documents.".to_owned();
            self.end(Err(Fault { message, log: error.to_string() }));
        }
    }

    /// Starts a scan if the last one is long ago, or its result was withdrawn.
    pub(crate) fn refresh_if_old(self: &Arc<Self>) {
        let old = {
            let status = self.status.borrow();
            status.ended.is_some_and(|ended| ended.elapsed() > FRESH)
                || (status.fault.is_none() && self.snapshot().is_none())
        };
        if old {
            self.refresh();
        }
    }

    fn end(&self, result: Result<Report, Fault>) {
        if let Err(fault) = &result {
            tracing::warn!(detail = fault.log, "the documentation index: {}", fault.message);
        }
        self.status.send_modify(|status| {
            status.scanning = false;
            status.scans += 1;
            status.ended = Some(Instant::now());
            status.fault = match result {
                Ok(report) => {
                    status.report = report;
                    None
                }
                Err(fault) => Some(fault),
            };
        });
    }

    /// Tells the waiting calls how far the scan is.
    pub(crate) fn advance(&self, done: usize, total: usize) {
        self.status.send_modify(|status| (status.done, status.total) = (done, total));
    }

    /// Makes a snapshot the one that calls answer from.
    pub(crate) fn publish(&self, snapshot: Snapshot) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(snapshot));
    }

    /// Takes the snapshot away: it cannot be relied on.
    pub(crate) fn withdraw(&self) {
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes that the index may be damaged: the next scan, at the next call, opens it anew.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
        self.withdraw();
    }

    /// Whether the index was doubted since this was asked last.
    pub(crate) fn take_doubt(&self) -> bool {
        self.doubted.swap(false, Ordering::Relaxed)
    }

    /// The latest snapshot.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far the index is, and a way to wait for it.
    pub(crate) fn status(&self) -> watch::Receiver<Status> {
        self.status.subscribe()
    }

    /// What a list is made from: the snapshot once no scan runs, or what there is after
    /// [`PATIENCE`].
    pub(crate) async fn settled(&self) -> Option<Arc<Snapshot>> {
        let mut status = self.status();
        let _ = tokio::time::timeout(PATIENCE, status.wait_for(|status| !status.scanning)).await;
        self.snapshot()
    }

    /// The collections the caller may see.
    pub(crate) fn visible(&self, ctx: &Ctx) -> Vec<&Collection> {
        let permitted =
            |one: &&Collection| ctx.permits(&Target::one("collection", one.name.clone()));
        self.collections.iter().filter(permitted).collect()
    }

    /// A collection the caller may see, or an error that lists those.
    pub(crate) fn collection(&self, ctx: &Ctx, name: &str) -> Result<&Collection, ToolError> {
        let visible = self.visible(ctx);
        visible.iter().find(|one| one.name == name).copied().ok_or_else(|| {
            let names: Vec<String> = visible.iter().map(|one| one.name.clone()).collect();
            let what = contract::schema::unknown(name, &names);
            ToolError::not_found(format!("collection {what}. Collections: {}.", names.join(", ")))
        })
    }

    /// Runs `work` on a thread that may block. Should the engine panic, which it does on damaged
    /// files, the index is opened and checked anew by the next call.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, ToolError> {
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
            self.doubt();
            let message = "the index is damaged and will be built anew.";
            Err(ToolError::unavailable(message, error).retry_after(PATIENCE))
        })
    }

    /// The snapshot to answer from, and what the caller should know about it. Waits for the
    /// first scan, as long as the call has time.
    pub(crate) async fn ready(
        self: &Arc<Self>,
        ctx: &Ctx,
    ) -> Result<(Arc<Snapshot>, Option<String>), ToolError> {
        self.refresh_if_old();
        let mut status = self.status();
        let began = Instant::now();
        loop {
            let now = status.borrow_and_update().clone();
            let snapshot = self.snapshot();
            let patience = match &snapshot {
                _ if !now.scanning => Duration::ZERO,
                Some(_) if now.scans > 0 => GLANCE,
                Some(_) => PATIENCE,
                None => Duration::MAX,
            };
            let left = patience
                .saturating_sub(began.elapsed())
                .min(ctx.remaining().saturating_sub(MARGIN));
            if left.is_zero() || ctx.is_over() {
                return self.answer(ctx, snapshot, &now);
            }
            if tokio::time::timeout(left, status.changed()).await.is_ok() && now.scans == 0 {
                self.tell(ctx).await;
            }
        }
    }

    async fn tell(&self, ctx: &Ctx) {
        let (done, total) = {
            let status = self.status.borrow();
            (status.done, status.total)
        };
        if total > 0 {
            #[expect(clippy::cast_precision_loss, reason = "a count of files, far below 2^52")]
            let (part, whole) = (done as f64, total as f64);
            ctx.progress(part, Some(whole), format!("indexed {done} of {total} files")).await;
        }
    }

    fn answer(
        &self,
        ctx: &Ctx,
        snapshot: Option<Arc<Snapshot>>,
        status: &Status,
    ) -> Result<(Arc<Snapshot>, Option<String>), ToolError> {
        let progress = match status.total {
            0 => "looking for changes".to_owned(),
            total => format!("indexing {} of {total} files", status.done),
        };
        match (snapshot, &status.fault) {
            (Some(snapshot), None) if status.scanning && status.total > 0 => {
                Ok((snapshot, Some(format!("the index is being refreshed ({progress})"))))
            }
            (Some(snapshot), None) => {
                let visible = self.visible(ctx).into_iter().map(|one| one.name.as_str());
                let lost: Vec<&str> = visible
                    .filter(|name| status.report.lost.iter().any(|lost| lost == name))
                    .collect();
                let notice = (!lost.is_empty()).then(|| {
                    format!(
                        "the folder of {} cannot be read; its last known state",
                        lost.join(", ")
                    )
                });
                Ok((snapshot, notice))
            }
            (Some(snapshot), Some(fault)) => {
                Ok((snapshot, Some(format!("the index is not up to date: {}", fault.message))))
            }
            (None, Some(fault)) if !status.scanning => {
                Err(ToolError::unavailable(fault.message.clone(), &fault.log).retry_after(FRESH))
            }
            (None, _) => Err(ToolError::new(
                Kind::Unavailable,
                format!("the documents are being read for the first time: {progress}."),
            )
            .retry_after(PATIENCE)),
        }
    }
}

//! A run from the call that asks for it to what is kept of it.

use std::collections::HashMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use contract::{Ctx, ToolError};
use reports::Progress;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::link::Phase;
use crate::source::{self, Repository};
use crate::store::{Run, Runs, Source, now};
use crate::suite::Suite;
use crate::wire::{Outcome, Start};
use crate::{Testrun, finish};

/// How often the caller hears how far a run is.
const TELL: Duration = Duration::from_millis(500);

/// What a caller asks for.
pub(crate) struct Wish<'a> {
    /// The suite.
    pub(crate) suite: Arc<Suite>,
    /// The revision; the working tree, if absent.
    pub(crate) revision: Option<&'a str>,
    /// The values of inputs.
    pub(crate) given: &'a Map<String, Value>,
    /// The run whose failures are run again.
    pub(crate) again: Option<&'a str>,
}

impl Testrun {
    /// Starts a run; it goes on when the call ends.
    pub(crate) async fn begin(&self, ctx: &Ctx, wish: Wish<'_>) -> Result<Run, ToolError> {
        let suite = &wish.suite;
        let link = self.link.as_ref().ok_or_else(|| {
            ToolError::unavailable("nothing can be run here.", "the server has no runner")
        })?;
        let values = suite.values(wish.given);
        let values = values.map_err(|why| ToolError::invalid(format!("inputs: {why}")))?;
        let last = self.runs.last_digest(&suite.id).await?;
        if let Some(why) = suite.unaccepted(last.as_deref()) {
            return Err(ToolError::new(contract::Kind::Denied, why));
        }
        let offer = link.offer().await;
        if offer.tier.is_none() {
            let message = "this machine holds no sandbox, so nothing is run; `suite doctor` tells \
                its operator what is lacking.";
            return Err(ToolError::unavailable(message, offer.lacks.join("; ")));
        }
        let (source, export) = self.source(ctx, suite, wish.revision).await?;
        let run = Run {
            id: Runs::name(&suite.id)?,
            suite: suite.id.clone(),
            digest: suite.digest.clone(),
            is_whole: wish.again.is_none() && suite.is_whole(&values),
            again: wish.again.map(str::to_owned),
            requester: ctx.principal().subject.clone(),
            created: now(),
            ended: None,
            result: None,
            stage: None,
            source,
            values,
        };
        let folder = self.runs.folder(&run.id);
        state::private_folder(&folder).map_err(ToolError::internal)?;
        self.runs.begin(&run).await?;
        let start = Start {
            run: run.id.clone(),
            suite: run.suite.clone(),
            digest: run.digest.clone(),
            values: run.values.clone(),
            export,
        };
        let (over, watched) = watch::channel(false);
        self.live.lock().unwrap_or_else(PoisonError::into_inner).insert(run.id.clone(), watched);
        match link.start(start) {
            Ok(phase) => {
                tokio::spawn(self.keep(Arc::clone(suite), run.clone(), phase, over));
                Ok(run)
            }
            Err(error) => {
                self.keep_end(Arc::clone(suite), run, Arc::new(Outcome::Lost), over).await;
                Err(error)
            }
        }
    }

    /// What is tested, and the tree whose export it is.
    async fn source(
        &self,
        ctx: &Ctx,
        suite: &Arc<Suite>,
        revision: Option<&str>,
    ) -> Result<(Source, Option<String>), ToolError> {
        let git = suite.git(&self.base);
        if revision.is_some_and(|name| name.trim().is_empty()) {
            // Somebody's variable is empty: the working tree is not what was meant.
            return Err(ToolError::invalid("rev: it is empty; leave it out for the working tree."));
        }
        let Some(name) = revision else {
            let suite = Arc::clone(suite);
            let known = blocking(move || {
                let Some(git) = git else { return Ok(Source::default()) };
                let git = source::of_tree(&git, &suite.folder);
                source::working_tree(&Repository::open(&git)?, &suite.folder)
            });
            // What is tested is the folder; that git cannot tell about it is no reason not to.
            let known = known.await.inspect_err(|error| tracing::warn!(?error, "no commit known"));
            return Ok((known.unwrap_or_default(), None));
        };
        let git = self.repository(suite, git)?;
        let (name, ctx, exports) = (name.to_owned(), ctx.clone(), self.state.join("exports"));
        let most = u64::from(suite.settings.export.unwrap_or(2048)) << 20;
        let revision = blocking(move || {
            let repository = Repository::open(&git)?;
            let revision = repository.resolve(&name)?;
            source::export(&repository, &revision.tree, &exports, most, Some(&ctx))?;
            Ok(revision)
        });
        let revision = revision.await?;
        Ok((revision.source(), Some(revision.tree.to_string())))
    }

    /// The repository of a suite whose revisions may be tested.
    pub(crate) fn repository(
        &self,
        suite: &Suite,
        git: Option<PathBuf>,
    ) -> Result<PathBuf, ToolError> {
        let git = git.or_else(|| suite.git(&self.base)).filter(|_| suite.has_revisions());
        git.ok_or_else(|| {
            let id = &suite.id;
            ToolError::invalid(format!(
                "rev: suite {id} tests its working tree only; leave it out."
            ))
        })
    }

    /// Waits for a run's end and keeps it.
    fn keep(
        &self,
        suite: Arc<Suite>,
        run: Run,
        mut phase: watch::Receiver<Phase>,
        over: watch::Sender<bool>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let kept = self.keeper();
        async move {
            let is_over = |phase: &Phase| matches!(phase, Phase::Ended(_));
            let ended = phase.wait_for(is_over).await.map(|phase| phase.clone());
            let outcome = match ended {
                Ok(Phase::Ended(outcome)) => outcome,
                _ => Arc::new(Outcome::Lost),
            };
            kept.end(suite, run, outcome, over).await;
        }
    }

    async fn keep_end(
        &self,
        suite: Arc<Suite>,
        run: Run,
        outcome: Arc<Outcome>,
        over: watch::Sender<bool>,
    ) {
        self.keeper().end(suite, run, outcome, over).await;
    }

    fn keeper(&self) -> Keeper {
        Keeper {
            runs: Arc::clone(&self.runs),
            live: Arc::clone(&self.live),
            keep: self.keep,
            exports: self.state.join("exports"),
        }
    }

    /// Waits for the end of a run for so many seconds, and tells the caller how far it is. Says
    /// whether the caller has gone away meanwhile.
    pub(crate) async fn wait(&self, ctx: &Ctx, run: &str, seconds: u32) -> bool {
        let Some(mut over) = self.live(run) else { return false };
        let mut told = Told::new(&self.runs, run);
        let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(seconds));
        let mut ticks = tokio::time::interval(TELL);
        loop {
            let is_over = async { over.wait_for(|is_over| *is_over).await.map(|_| ()) };
            tokio::select! {
                _ = is_over => return false,
                () = tokio::time::sleep_until(until) => return false,
                _ = ticks.tick() => {}
            }
            if ctx.is_over() {
                return !ctx.remaining().is_zero();
            }
            told.tell(ctx).await;
        }
    }

    /// Asks for the end of a run and waits until it has ended.
    pub(crate) async fn cancel(&self, run: &str) -> bool {
        let (Some(link), Some(mut over)) = (&self.link, self.live(run)) else { return false };
        link.cancel(run);
        let ended = over.wait_for(|is_over| *is_over);
        tokio::time::timeout(Duration::from_secs(10), ended).await.is_ok()
    }
}

/// Keeps what came of a run.
struct Keeper {
    runs: Arc<Runs>,
    live: Arc<Mutex<HashMap<String, watch::Receiver<bool>>>>,
    keep: (i64, u32),
    exports: PathBuf,
}

impl Keeper {
    async fn end(
        self,
        suite: Arc<Suite>,
        mut run: Run,
        outcome: Arc<Outcome>,
        over: watch::Sender<bool>,
    ) {
        let (folder, of) = (self.runs.folder(&run.id), Arc::clone(&suite));
        let begun = run.clone();
        let finished = blocking(move || Ok(finish::finish(&of, &begun, &folder, &outcome))).await;
        let (result, fared) = finished.unwrap_or_else(|error| finish::unread(&error));
        run.ended = Some(now());
        run.result = Some(result);
        if let Err(error) = self.runs.end(&run, &fared).await {
            tracing::error!(run = run.id, ?error, "the end of a run was not kept");
            self.runs.remember(&run);
        }
        self.live.lock().unwrap_or_else(PoisonError::into_inner).remove(&run.id);
        over.send_replace(true);
        let (age, most) = self.keep;
        let _ = self.runs.prune(&suite.id, now() - age, most).await;
        let exports = self.exports;
        let pruning = move || {
            source::prune(&exports);
            Ok(())
        };
        let _ = blocking(pruning).await;
    }
}

/// Works on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ToolError::internal(error)))
}

/// What is told of a run that goes on: tests by what it prints.
struct Told {
    files: [(reports::Stream, PathBuf, u64); 2],
    progress: Progress,
    last: (u64, u64),
}

/// How much of the output is looked at at a time, in bytes.
const LOOK: u64 = 1 << 20;

/// Tells from what a run printed up to now how far it is.
pub(crate) fn feed(folder: &Path, progress: &mut Progress) {
    for (stream, name) in [(reports::Stream::Out, "stdout"), (reports::Stream::Err, "stderr")] {
        let Ok(file) = std::fs::File::open(folder.join(name)) else { continue };
        let mut file = file.take(64 * LOOK);
        let mut bytes = vec![0; 64 << 10];
        while let Ok(read) = file.read(&mut bytes)
            && read > 0
        {
            progress.feed(stream, &bytes[..read]);
        }
    }
}

impl Told {
    fn new(runs: &Runs, run: &str) -> Self {
        let folder = runs.folder(run);
        let files = [
            (reports::Stream::Out, folder.join("stdout"), 0),
            (reports::Stream::Err, folder.join("stderr"), 0),
        ];
        Self { files, progress: Progress::default(), last: (0, 0) }
    }

    /// Tells how many tests are done, if that has changed.
    async fn tell(&mut self, ctx: &Ctx) {
        for (stream, path, at) in &mut self.files {
            let mut bytes = Vec::new();
            let read = std::fs::File::open(path).and_then(|mut file| {
                file.seek(SeekFrom::Start(*at))?;
                file.take(LOOK).read_to_end(&mut bytes)
            });
            *at += read.unwrap_or(0) as u64;
            self.progress.feed(*stream, &bytes);
        }
        let (done, failed) = (self.progress.done(), self.progress.failed());
        if (done, failed) == self.last {
            return;
        }
        self.last = (done, failed);
        #[expect(clippy::cast_precision_loss, reason = "numbers of tests are small")]
        let (count, total) = (done as f64, self.progress.total().map(|total| total as f64));
        ctx.progress(count, total, format!("{done} tests done, {failed} failed")).await;
    }
}

//! The second process: it alone holds the declared suites and may start programs.
//!
//! It is split off before the server is confined, has one thread, and hears of runs by suite and
//! values only, which it checks again. Each run is supervised by a process of its own that ends
//! with the stream to this one, as this one ends with the stream to the server: whoever is killed,
//! nothing that was started survives.

mod job;
pub(crate) mod links;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

pub(crate) use job::COVERAGE;

use crate::settings::Sandbox;
use crate::suite::Suite;
use crate::wire::{self, Ask, Outcome, Start, Tell};

/// How many runs may wait.
const WAITING: usize = 200;

/// What the runner takes along.
pub(crate) struct Runner {
    /// The declared suites.
    pub(crate) suites: BTreeMap<String, Arc<Suite>>,
    /// What the kernel must hold.
    pub(crate) sandbox: Sandbox,
    /// How many runs go on at a time.
    pub(crate) at_once: usize,
    /// The server's folder for state.
    pub(crate) state: PathBuf,
    /// Variables that suites pass on, with their values at the start.
    pub(crate) passed: BTreeMap<String, String>,
}

/// What goes on in the runner.
struct Work {
    runner: Runner,
    server: UnixStream,
    tier: Option<sandbox::Tier>,
    lacks: String,
    waiting: VecDeque<Start>,
    running: Vec<Running>,
}

/// A run that goes on.
struct Running {
    run: String,
    suite: String,
    /// The way to its supervisor, which says one thing, at its end.
    stream: UnixStream,
}

impl Runner {
    /// Serves until the server is gone.
    pub(crate) fn serve(self, mut server: UnixStream) {
        let offer = sandbox::offer();
        let tier = offer.tier.filter(|tier| self.sandbox.accepts(*tier));
        let told =
            Tell::Offer { tier: tier.map(|tier| tier.to_string()), lacks: offer.lacks.clone() };
        if wire::send(&mut server, &told).is_err() {
            return;
        }
        let lacks = offer.lacks.join("; ");
        let (waiting, running) = (VecDeque::new(), Vec::new());
        let mut work = Work { runner: self, server, tier, lacks, waiting, running };
        while work.step().unwrap_or(false) {}
    }
}

impl Work {
    /// Waits for something to happen, and does what follows; `false` at the server's end.
    fn step(&mut self) -> io::Result<bool> {
        let mut watched = vec![PollFd::new(self.server.as_fd(), PollFlags::POLLIN)];
        let streams = self.running.iter().map(|one| one.stream.as_fd());
        watched.extend(streams.map(|stream| PollFd::new(stream, PollFlags::POLLIN)));
        match poll(&mut watched, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => return Ok(true),
            other => other?,
        };
        let is_ready = |one: &PollFd<'_>| one.any().unwrap_or(true);
        let asked = is_ready(&watched[0]);
        let ended: Vec<usize> =
            (0..self.running.len()).filter(|index| is_ready(&watched[index + 1])).collect();
        for index in ended.into_iter().rev() {
            let one = self.running.swap_remove(index);
            self.tell_end(one.run, outcome(one.stream))?;
        }
        reap();
        if asked {
            match wire::receive(&mut self.server)? {
                None => return Ok(false),
                Some(Ask::Start(start)) => self.queue(start)?,
                Some(Ask::Cancel(run)) => self.cancel(&run)?,
            }
        }
        self.start_next()?;
        Ok(true)
    }

    /// Takes a run into the queue, if it may run at all.
    fn queue(&mut self, start: Start) -> io::Result<()> {
        match self.refusal(&start) {
            None => self.waiting.push_back(start),
            Some(why) => self.refuse(start.run, why)?,
        }
        Ok(())
    }

    /// Why a run does not begin: everything is checked here again, whoever asks.
    fn refusal(&self, start: &Start) -> Option<String> {
        if !wire::is_run(&start.run) || self.is_known(&start.run) {
            return Some("the id of the run is wrong".to_owned());
        }
        let Some(suite) = self.runner.suites.get(&start.suite) else {
            return Some("the suite is not declared".to_owned());
        };
        if suite.digest != start.digest {
            return Some("the declaration is another one".to_owned());
        }
        if let Err(why) = suite.argv(&start.values) {
            return Some(why);
        }
        if start.export.as_ref().is_some_and(|tree| !suite.has_revisions() || !wire::is_hex(tree)) {
            return Some("no revision of this suite may be tested".to_owned());
        }
        if self.tier.is_none() {
            return Some(format!(
                "this machine does not hold the sandbox that `servers.testrun.sandbox` asks for: {}",
                self.lacks
            ));
        }
        (self.waiting.len() >= WAITING).then(|| format!("{WAITING} runs are waiting already"))
    }

    fn is_known(&self, run: &str) -> bool {
        self.waiting.iter().any(|one| one.run == run)
            || self.running.iter().any(|one| one.run == run)
    }

    fn tell_end(&mut self, run: String, outcome: Outcome) -> io::Result<()> {
        wire::send(&mut self.server, &Tell::Ended(run, Box::new(outcome)))
    }

    fn refuse(&mut self, run: String, why: String) -> io::Result<()> {
        self.tell_end(run, Outcome::Refused(why))
    }

    fn cancel(&mut self, run: &str) -> io::Result<()> {
        if let Some(index) = self.waiting.iter().position(|one| one.run == run) {
            self.waiting.remove(index);
            return self.tell_end(run.to_owned(), Outcome::Cancelled);
        }
        if let Some(one) = self.running.iter().find(|one| one.run == run) {
            // The end of this direction is the sign; one that has ended meanwhile needs none. What
            // is written and never read would take its last word from the stream.
            let _ = one.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Starts what waits, as far as there is room.
    fn start_next(&mut self) -> io::Result<()> {
        loop {
            let room = |start: &Start| self.has_room(&start.suite);
            let Some(index) = self.waiting.iter().position(room) else { return Ok(()) };
            let Some(start) = self.waiting.remove(index) else { return Ok(()) };
            let (run, suite) = (start.run.clone(), start.suite.clone());
            match self.supervise(start) {
                Ok(stream) => {
                    self.running.push(Running { run: run.clone(), suite, stream });
                    wire::send(&mut self.server, &Tell::Started(run))?;
                }
                Err(why) => self.refuse(run, why)?,
            }
        }
    }

    fn has_room(&self, suite: &str) -> bool {
        let of_suite = self.running.iter().filter(|one| one.suite == suite).count();
        let most = self.runner.suites.get(suite).and_then(|suite| suite.settings.at_once);
        self.running.len() < self.runner.at_once && most.is_none_or(|most| of_suite < most as usize)
    }

    /// Splits off the process that runs one suite.
    fn supervise(&self, start: Start) -> Result<UnixStream, String> {
        let suite = self.runner.suites.get(&start.suite).ok_or("the suite is not declared")?;
        let tier = self.tier.ok_or("no sandbox")?;
        if let Some(tree) = &start.export {
            links::make(&self.runner.state.join("exports").join(tree))
                .map_err(|error| format!("the export cannot be used: {error}"))?;
        }
        let job = job::job(&self.runner, suite, &start)?;
        confine::split_off(move |mut stream| {
            let Ok(control) = stream.try_clone().map(OwnedFd::from) else { return };
            let ended = sandbox::run(&job, tier, control);
            let _ = wire::send(&mut stream, &Outcome::Ended(ended));
        })
        .map_err(|error| format!("no process can be started: {error}"))
    }
}

/// What a supervisor said at its end.
fn outcome(mut stream: UnixStream) -> Outcome {
    let mut said = Vec::new();
    let read = (&mut stream).take(u64::from(wire::LARGEST)).read_to_end(&mut said);
    let outcome = read.ok().and_then(|_| wire::receive(&mut said.as_slice()).ok().flatten());
    outcome.unwrap_or(Outcome::Lost)
}

/// Takes leave of supervisors that have ended.
fn reap() {
    while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
        if status == WaitStatus::StillAlive {
            return;
        }
    }
}

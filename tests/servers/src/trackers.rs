//! Fakes of GitHub, GitLab and Jira Cloud: HTTP servers on this machine that check each request
//! against the published description of the interface, keep tickets as the real one would, and
//! fail on demand. What is not as described is refused, has no effect, and fails the test when
//! the fake is dropped. Start reading at [`Tracker`].

mod describe;
mod fault;
mod github;
mod gitlab;
mod interface;
mod jira;
mod reaction;
mod reply;
mod serve;
mod shape;
mod store;

use std::net::TcpListener;
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::oneshot;

pub use fault::Fault;
use interface::Interface;
pub use serve::Seen;
use serve::Shared;

/// GitHub's REST interface, with the repositories `acme/web` and `acme/secret`.
pub struct GitHub(Tracker);

/// GitLab's REST interface, with the projects `acme/web` (1) and `acme/secret` (2).
pub struct GitLab(Tracker);

/// Jira Cloud's REST interface, with the projects `WEB` and `SEC`.
pub struct Jira(Tracker);

impl GitHub {
    /// Starts one at a free port.
    pub fn start() -> Self {
        Self(Tracker::start(Arc::new(github::Api)))
    }
}

impl GitLab {
    /// Starts one at a free port.
    pub fn start() -> Self {
        Self(Tracker::start(Arc::new(gitlab::Api)))
    }
}

impl Jira {
    /// The account that the token belongs to: Jira wants both.
    pub const USER: &'static str = jira::USER;

    /// Starts one at a free port.
    pub fn start() -> Self {
        Self(Tracker::start(Arc::new(jira::Api)))
    }
}

impl Deref for GitHub {
    type Target = Tracker;

    fn deref(&self) -> &Tracker {
        &self.0
    }
}

impl Deref for GitLab {
    type Target = Tracker;

    fn deref(&self) -> &Tracker {
        &self.0
    }
}

impl Deref for Jira {
    type Target = Tracker;

    fn deref(&self) -> &Tracker {
        &self.0
    }
}

/// A running fake. It serves from a thread of its own, so that tests without a runtime can use
/// it, until it is dropped.
pub struct Tracker {
    shared: Arc<Shared>,
    url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Tracker {
    fn start(interface: Arc<dyn Interface>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let origin = format!("http://{address}");
        let url = format!("{origin}{}", interface.prefix());
        let shared = Arc::new(Shared::new(interface, &origin));
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || serve::run(listener, served, stopped));
        Self { shared, url, stop: Some(stop), thread: Some(thread) }
    }

    /// The address that the interface's paths follow, as in `http://127.0.0.1:8080/api/v4`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token that requests need.
    pub fn token(&self) -> String {
        self.shared.state().store.token.clone()
    }

    /// Every request so far, in order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.state().seen.clone()
    }

    /// The requests so far that `on` means, as in [`fault`](Self::fault).
    pub fn seen_on(&self, on: &str) -> Vec<Seen> {
        let seen = self.seen().into_iter();
        seen.filter(|seen| fault::concerns(on, &seen.method, &seen.path, seen.operation.as_deref()))
            .collect()
    }

    /// Every ticket, the oldest first, in the form of the interface, with its comments in the
    /// same form under `_comments` and its project's path under `_project`.
    pub fn issues(&self) -> Vec<Value> {
        let state = self.shared.state();
        let tickets = 0..state.store.tickets.len();
        tickets.map(|ticket| self.shared.whole(&state.store, ticket)).collect()
    }

    /// What the texts of tickets and comments would set off in the real system: `acme/web 1:
    /// mention @bob`, references, closing keywords, quick actions. Text that is inert sets off
    /// nothing.
    pub fn reactions(&self) -> Vec<String> {
        self.shared.reactions()
    }

    /// A ticket in `acme/web` that was there before; returns its number or key.
    pub fn seed(&self, title: &str, body: &str, labels: &[&str]) -> String {
        self.seed_in(0, title, body, labels)
    }

    /// The same in `acme/secret`.
    pub fn seed_secret(&self, title: &str, body: &str, labels: &[&str]) -> String {
        self.seed_in(1, title, body, labels)
    }

    fn seed_in(&self, project: usize, title: &str, body: &str, labels: &[&str]) -> String {
        self.shared.seed(project, title, body, labels)
    }

    /// What was not as described so far.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().violations.clone()
    }

    /// The same, and forgets them: a test that expects some takes them.
    pub fn take_violations(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.state().violations)
    }

    /// Plans a fault for the next requests that `on` means: `*`, `POST *`, a method and path
    /// such as `POST /repos/acme/web/issues`, or an operation such as
    /// `POST /repos/{owner}/{repo}/issues`. Plans are used up in the order in which they were
    /// made. Paths are those after the prefix in [`url`](Self::url).
    pub fn fault(&self, on: &str, fault: Fault, times: usize) {
        self.shared.state().faults.plan(on, fault, times);
    }

    /// Forgets the faults that are still planned.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// Lets every request go on that [`Fault::Hold`] or [`Fault::HoldBefore`] keeps.
    pub fn release(&self) {
        self.shared.release();
    }

    /// While it lags, searches do not find what is made; when it stops, they find everything.
    pub fn index_lag(&self, lags: bool) {
        let mut state = self.shared.state();
        state.store.index_lags = lags;
        if !lags {
            state.store.tickets.iter_mut().for_each(|ticket| ticket.indexed = true);
        }
    }

    /// Whether the credential may set labels; without that GitHub drops them silently.
    pub fn may_label(&self, may: bool) {
        self.shared.state().store.may_label = may;
    }

    /// Waits until a request has arrived that `on` means, answered or not.
    pub fn await_request(&self, on: &str) {
        self.shared.wait(|state| {
            let mut seen = state.seen.iter();
            seen.any(|seen| {
                fault::concerns(on, &seen.method, &seen.path, seen.operation.as_deref())
            })
        });
    }

    /// Waits until a request is kept by [`Fault::Hold`] or [`Fault::HoldBefore`].
    pub fn await_held(&self) {
        self.shared.wait(|state| state.held > 0);
    }

    /// Waits until no request is being worked on.
    pub fn settle(&self) {
        self.shared.wait(|state| state.busy == 0);
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.stop.take();
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        let violations = self.take_violations();
        if !std::thread::panicking() {
            assert!(ended, "the fake's thread panicked");
            assert!(violations.is_empty(), "not as described:\n{}", violations.join("\n"));
        }
    }
}

#[cfg(test)]
mod tests;

//! The HTTP server that the fakes share: it reads a request, takes the fault that waits for it,
//! checks credential and description, and lets the interface answer.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use super::describe::{Request, query_of};
use super::fault::{Fault, Faults};
use super::interface::{Answer, Call, Interface};
use super::reply::{Reply, reply};
use super::store::{New, Store};

/// The longest body of a request that is read.
const LONGEST_BODY: usize = 8 << 20;
/// How long a test waits for something that should happen at once.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request that arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path as sent, after the prefix of the interface.
    pub path: String,
    /// The described operation, as `POST /repos/{owner}/{repo}/issues`.
    pub operation: Option<String>,
    /// The names and values of its query, decoded.
    pub query: Vec<(String, String)>,
    /// Its body, null if there is none that is JSON.
    pub body: Value,
    /// The status of the answer, 0 if there was none yet or the connection was cut.
    pub status: u16,
}

/// What the threads of a test and of its fake share.
pub(crate) struct Shared {
    interface: Arc<dyn Interface>,
    state: Mutex<State>,
    changed: Condvar,
    released: watch::Sender<u64>,
}

/// What a fake remembers, of requests and of tickets.
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) seen: Vec<Seen>,
    pub(crate) violations: Vec<String>,
    pub(crate) faults: Faults,
    /// How many requests are being worked on.
    pub(crate) busy: usize,
    /// How many requests wait to be released.
    pub(crate) held: usize,
}

impl Shared {
    pub(crate) fn new(interface: Arc<dyn Interface>, origin: &str) -> Self {
        let store = interface.store(origin);
        let (seen, violations, faults) = (Vec::new(), Vec::new(), Faults::default());
        let state = Mutex::new(State { store, seen, violations, faults, busy: 0, held: 0 });
        let (released, _) = watch::channel(0);
        Self { interface, state, changed: Condvar::new(), released }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    /// Keeps a request until it is released.
    async fn hold(&self) {
        let mut releases = self.released.subscribe();
        self.state().held += 1;
        self.changed.notify_all();
        // The sender lives as long as what is shared.
        let _ = releases.changed().await;
        self.state().held -= 1;
    }

    /// Waits until something holds.
    pub(crate) fn wait(&self, holds: impl Fn(&State) -> bool) {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, PATIENCE, |state| !holds(state));
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!waited.timed_out(), "it did not happen; seen: {:#?}", state.seen);
    }

    pub(crate) fn seed(&self, project: usize, title: &str, body: &str, labels: &[&str]) -> String {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let body = self.interface.body(body);
        let mut state = self.state();
        state.store.add(project, New { title: title.to_owned(), body, labels, ..New::default() });
        let ticket = state.store.tickets.len() - 1;
        self.interface.name(&state.store, ticket)
    }

    /// What every text sets off in the real system.
    pub(crate) fn reactions(&self) -> Vec<String> {
        let state = self.state();
        let mut found = Vec::new();
        for ticket in &state.store.tickets {
            let place = format!("{} {}", state.store.projects[ticket.project].path, ticket.number);
            let bodies = ticket.comments.iter().map(|comment| &comment.body);
            for body in std::iter::once(&ticket.body).chain(bodies) {
                let set_off = self.interface.reactions(body).into_iter();
                found.extend(set_off.map(|one| format!("{place}: {one}")));
            }
        }
        found
    }

    /// A ticket in the form of the interface, with its comments.
    pub(crate) fn whole(&self, store: &Store, ticket: usize) -> Value {
        let mut whole = self.interface.ticket(store, ticket);
        let comments = 0..store.tickets[ticket].comments.len();
        whole["_comments"] =
            comments.map(|comment| self.interface.comment(store, ticket, comment)).collect();
        whole["_project"] = json!(store.projects[store.tickets[ticket].project].path);
        whole
    }
}

/// Serves until the test is done.
pub(crate) fn run(listener: TcpListener, shared: Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        tokio::spawn(accept(listener, shared));
        // The sender is dropped, not used.
        let _ = stopped.await;
    });
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Infallible {
    listener.set_nonblocking(true).expect("a listener of tokio does not block");
    let listener = tokio::net::TcpListener::from_std(listener).expect("it listens");
    loop {
        // A connection that is gone before it is accepted is the client's affair.
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| serve(Arc::clone(&shared), request));
        let connection = hyper::server::conn::http1::Builder::new();
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

/// Reads one request and works on it in a task of its own, so that it is done even when the
/// client goes away. An error closes the connection.
async fn serve(
    shared: Arc<Shared>,
    request: hyper::Request<Incoming>,
) -> io::Result<hyper::Response<Reply>> {
    let (head, body) = request.into_parts();
    let body =
        Limited::new(body, LONGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    let work = tokio::spawn(async move { Work::begin(&shared, head, body).run(&shared).await });
    work.await.map_err(io::Error::other)?
}

/// A request from its arrival to its answer.
struct Work {
    number: usize,
    call: Call,
    method: String,
    raw: Bytes,
    fault: Option<Fault>,
}

impl Work {
    fn begin(shared: &Shared, head: hyper::http::request::Parts, raw: Bytes) -> Self {
        let full = head.uri.path();
        let path = full.strip_prefix(shared.interface.prefix()).unwrap_or(full).to_owned();
        let method = head.method.to_string();
        let query = query_of(head.uri.query().unwrap_or_default()).unwrap_or_default();
        let found = shared.interface.description().find(&method, &path).ok();
        let operation = found.as_ref().map(|(operation, _)| operation.name.clone());
        let values = found.map(|(_, values)| values).unwrap_or_default();
        let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
        let mut state = shared.state();
        let fault = state.faults.take(&method, &path, operation.as_deref());
        state.busy += 1;
        state.seen.push(Seen {
            method: method.clone(),
            path: path.clone(),
            operation: operation.clone(),
            query: query.clone(),
            body: body.clone(),
            status: 0,
        });
        shared.changed.notify_all();
        let operation = operation.unwrap_or_default();
        let call = Call { operation, values, query, headers: head.headers, body, path };
        Self { number: state.seen.len() - 1, call, method, raw, fault }
    }

    async fn run(self, shared: &Shared) -> io::Result<hyper::Response<Reply>> {
        let severed = || Err(io::Error::other("severed as planned"));
        match self.fault {
            Some(Fault::CutBefore) => {
                self.end(shared, 0);
                return severed();
            }
            Some(Fault::SlowBefore(time)) => tokio::time::sleep(time).await,
            Some(Fault::HoldBefore) => shared.hold().await,
            _ => {}
        }
        let answer = self.answer(shared);
        match self.fault {
            Some(Fault::CutAfter) => {
                self.end(shared, 0);
                return severed();
            }
            Some(Fault::Slow(time)) => tokio::time::sleep(time).await,
            Some(Fault::Hold) => shared.hold().await,
            _ => {}
        }
        self.end(shared, answer.status);
        Ok(reply(answer, self.fault == Some(Fault::Truncated)))
    }

    fn end(&self, shared: &Shared, status: u16) {
        let mut state = shared.state();
        state.seen[self.number].status = status;
        state.busy -= 1;
        shared.changed.notify_all();
    }

    /// The answer, with the plan's fault applied to it.
    fn answer(&self, shared: &Shared) -> Answer {
        let interface = &shared.interface;
        match self.fault {
            Some(Fault::Status(status)) => return interface.failure(status, "planned"),
            Some(Fault::Limited { after }) => return interface.limit(429, after),
            Some(Fault::LimitedForbidden { after }) => return interface.limit(403, after),
            _ => {}
        }
        let mut answer = self.checked(shared);
        let description = interface.description();
        match (self.fault, description.find(&self.method, &self.call.path)) {
            (Some(Fault::Thin), Ok((operation, _))) => {
                answer.body = description.thin(operation, answer.status, &answer.body);
            }
            (Some(Fault::Bare), _) => {
                answer.body = if answer.body.is_array() { json!([]) } else { json!({}) };
            }
            _ => {}
        }
        answer
    }

    /// The interface's answer to a request that is as described, a refusal to any other.
    fn checked(&self, shared: &Shared) -> Answer {
        let mut guard = shared.state();
        let state = &mut *guard;
        let interface = &shared.interface;
        if let Err(answer) = interface.admits(&state.store, &self.call) {
            return answer;
        }
        let description = interface.description();
        let (operation, values) = match description.find(&self.method, &self.call.path) {
            Ok(found) => found,
            Err(complaint) => {
                state.violations.push(complaint);
                return interface.failure(404, "Not Found");
            }
        };
        let request = Request {
            query: &self.call.query,
            content_type: self.call.header("content-type"),
            body: &self.raw,
        };
        let complaints = description.complaints(operation, &values, &request);
        if !complaints.is_empty() {
            let complaints =
                complaints.into_iter().map(|said| format!("{}: {said}", operation.name));
            let complaints: Vec<String> = complaints.collect();
            let answer = interface.failure(422, &complaints.join("; "));
            state.violations.extend(complaints);
            return answer;
        }
        let answer = interface.answer(&mut state.store, &self.call).unwrap_or_else(|refusal| {
            state.violations.push(format!("{}: refused: {}", operation.name, refusal.body));
            refusal
        });
        let own = description.own_faults(operation, answer.status, &answer.body);
        state.violations.extend(
            own.into_iter().map(|said| format!("the fake itself, {}: {said}", operation.name)),
        );
        answer
    }
}

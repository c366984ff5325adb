//! What a fake of one system is to the server that all share.

use hyper::header::HeaderMap;
use serde_json::{Value, json};

use super::describe::{Description, PathValues};
use super::store::Store;

/// What one system does differently from another.
pub(crate) trait Interface: Send + Sync {
    /// What every path begins with.
    fn prefix(&self) -> &'static str;

    fn description(&self) -> &'static Description;

    fn store(&self, origin: &str) -> Store;

    /// Whether the request's headers are those of the credential, and whose.
    fn admits(&self, store: &Store, call: &Call) -> Result<(), Answer>;

    /// Does what is asked. What the real system would refuse beyond what the description can say
    /// is an `Err`: it counts as a violation.
    fn answer(&self, store: &mut Store, call: &Call) -> Result<Answer, Answer>;

    /// A failure in the form of the real system.
    fn failure(&self, status: u16, reason: &str) -> Answer;

    /// A limit in the form of the real system.
    fn limit(&self, status: u16, after: u64) -> Answer;

    /// A body as the interface takes it, from plain text.
    fn body(&self, text: &str) -> Value {
        json!(text)
    }

    /// What a ticket is called in paths: its number or key.
    fn name(&self, store: &Store, ticket: usize) -> String {
        store.tickets[ticket].number.to_string()
    }

    /// What a body sets off in the real system.
    fn reactions(&self, body: &Value) -> Vec<String>;

    /// A ticket in the form of the interface.
    fn ticket(&self, store: &Store, ticket: usize) -> Value;

    /// A comment in the form of the interface.
    fn comment(&self, store: &Store, ticket: usize, comment: usize) -> Value;
}

/// A request that is as described.
pub(crate) struct Call {
    /// As described, as `POST /repos/{owner}/{repo}/issues`.
    pub(crate) operation: String,
    pub(crate) values: PathValues,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The path as sent.
    pub(crate) path: String,
}

impl Call {
    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The page and the number of items on one that the query asks for.
    pub(crate) fn page(&self, usual: usize) -> (usize, usize) {
        let number = |name| self.query(name).and_then(|text| text.parse().ok());
        (number("page").unwrap_or(1).max(1), number("per_page").unwrap_or(usual).clamp(1, 100))
    }

    /// The first parameter that is described but that the fake does not act on: it is refused
    /// rather than ignored, so that no test believes in it.
    pub(crate) fn beyond(&self, known: &[&str]) -> Option<String> {
        let names = self.query.iter().map(|(name, _)| name.as_str());
        names
            .into_iter()
            .find(|name| !known.contains(name))
            .map(|name| format!("{}: the fake does not know what {name} does", self.operation))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// An answer on its way.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

//! Who may call what: the golden matrix of roles and tools, what a caller can tell from an answer,
//! how changed rules come into force, and how they are explained.

mod explained;
mod matrix;
mod reloaded;

use std::sync::Arc;

use contract::{Client, Identity};
use runtime::{Caller, Failure, Request};
use serde_json::{Map, Value, json};
use suite::Launcher;
use suite::assemble::{Ready, Source, check, ready};
use tests::fixture::Fixture;
use tests::harness::{Folder, Silent};

const LAUNCHERS: [Launcher; 7] = [
    Launcher::of::<Fixture>(),
    suite::SERVERS[0],
    suite::SERVERS[1],
    suite::SERVERS[2],
    suite::SERVERS[3],
    suite::SERVERS[4],
    suite::SERVERS[5],
];

/// One server in this process, on the very same assembly as the product's, so that callers can be
/// anybody.
pub(crate) struct Served {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) ready: Ready,
}

/// Anybody, as the caller of a test.
pub(crate) fn caller(identity: &Identity) -> Caller {
    Caller {
        identity: Arc::new(identity.clone()),
        client: Arc::new(Client::default()),
        said: Arc::default(),
        channel: Arc::new(Silent),
        cancelled: Default::default(),
    }
}

impl Served {
    pub(crate) fn new(folder: &Folder, server: &str) -> Self {
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let source = Source { path: folder.config(), state: None, fetcher: None };
        let launcher = LAUNCHERS.iter().find(|launcher| launcher.name == server).expect("a server");
        let checked = check(&source, &LAUNCHERS, Some(server));
        let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
        let ready = runtime.block_on(ready(checked, launcher, None, Vec::new(), String::new()));
        Self { runtime, ready: ready.unwrap_or_else(|error| panic!("{error}")) }
    }

    /// Calls a tool; `Ok` or the error as its caller reads it.
    pub(crate) fn call(
        &self,
        identity: &Identity,
        tool: &str,
        args: &Value,
    ) -> Result<String, Failure> {
        let args = args.as_object().cloned().unwrap_or_default();
        self.request(identity, Request::Tool { name: tool.to_owned(), args })
    }

    fn request(&self, identity: &Identity, request: Request) -> Result<String, Failure> {
        let answer = self.runtime.block_on(self.ready.pipeline.call(&caller(identity), request));
        answer.map(|answer| answer.shown.text())
    }

    /// The names that `tools/list` shows.
    fn listed(&self, identity: &Identity) -> Vec<&'static str> {
        let principal = self.ready.pipeline.principal(identity);
        let entries = self.ready.pipeline.visible_tools(&principal);
        entries.iter().map(|entry| entry.contract.name).collect()
    }
}

/// The least arguments that satisfy a schema.
fn least(schema: &Map<String, Value>) -> Value {
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let names = required.filter_map(Value::as_str);
    names.map(|name| (name.to_owned(), sample(name, &schema["properties"][name]))).collect()
}

fn sample(name: &str, schema: &Value) -> Value {
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ if name == "collection" => json!("handbook"),
        _ if name == "path" => json!("leave.md"),
        _ => {
            let length = schema["minLength"].as_u64().unwrap_or(1).max(1);
            json!("x".repeat(usize::try_from(length).unwrap_or(1)))
        }
    }
}

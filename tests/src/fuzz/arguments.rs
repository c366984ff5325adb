//! The target `arguments`: the validator of the docs tools' published schemas, and the pipeline
//! behind it.
//!
//! Promises: validation ends in time and agrees with itself; a fault names a place that exists,
//! in few words; what is not valid is answered `invalid` and never runs; what is valid is
//! answered anything but `internal`; no answer holds a hidden character.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::schema::Validator;
use contract::{Client, Identity, Kind, Proof};
use runtime::{Caller, Failure, Request};
use serde_json::{Value, json};
use suite::assemble::{self, Ready, Source, ready};

use super::{Attempt, Tried, json, judged, promise};
use crate::harness::{Folder, Silent, repository};

/// The longest a validation or a call may take, on a slow machine with many other things to do.
const PATIENCE: Duration = Duration::from_secs(30);

/// Arguments that are right, from which others come.
fn seeds(tool: &str) -> Vec<Value> {
    match tool {
        "docs_search" => vec![
            json!({"query": "parental leave"}),
            json!({"query": "\"sixteen weeks\"", "collection": "handbook", "limit": 3}),
            json!({"query": "leave", "limit": 20, "cursor": "abc"}),
        ],
        "docs_read" => vec![
            json!({"collection": "handbook", "path": "leave.md"}),
            json!({"collection": "handbook", "path": "leave.md", "section": "sick-leave"}),
            json!({"collection": "handbook", "path": "travel.html", "line": 1, "lines": 2}),
            json!({"collection": "secret", "path": "salaries.md"}),
            json!({"collection": "handbook", "path": "../secret/salaries.md"}),
        ],
        _ => vec![
            json!({}),
            json!({"collection": "handbook"}),
            json!({"collection": "handbook", "path": "leave.md", "cursor": "abc"}),
        ],
    }
}

/// A tool as it is published.
struct Published {
    name: String,
    validator: Validator,
    seeds: Vec<Value>,
}

/// The target, with a server of its own.
pub(super) fn attempt() -> Attempt {
    let text = std::fs::read_to_string(repository().join("schemas/tools/docs.json"));
    let published: Value =
        serde_json::from_str(&text.expect("the published schemas")).expect("JSON");
    let tools = published["tools"].as_array().expect("tools").iter().map(|tool| {
        let name = tool["name"].as_str().expect("a name").to_owned();
        let validator = Validator::new(&tool["inputSchema"]).expect("a schema");
        Published { seeds: seeds(&name), name, validator }
    });
    let tools: Vec<Published> = tools.collect();
    let server = Served::new();
    Box::new(move |random| {
        let tool = random.one_of(&tools);
        let mut value = random.one_of(&tool.seeds).clone();
        match random.below(8) {
            0 => value = json::value(random, 4),
            _ => (0..random.below(4)).for_each(|_| json::mutate(random, &mut value)),
        }
        let subject = format!("person-{}", random.below(5_000));
        let verdict = judged(|| check(tool, &server, &value, subject));
        Tried { input: format!("{} {value}", tool.name).into_bytes(), verdict }
    })
}

fn check(
    tool: &Published,
    server: &Served,
    value: &Value,
    subject: String,
) -> Result<bool, String> {
    let began = Instant::now();
    let faults = tool.validator.faults(value);
    let is_valid = tool.validator.is_valid(value);
    promise(began.elapsed() < PATIENCE, || format!("it took {:?}", began.elapsed()))?;
    promise(is_valid == faults.is_empty(), || format!("valid: {is_valid}, but {faults:?}"))?;
    for fault in &faults {
        promise(value.pointer(&fault.pointer).is_some(), || format!("no such place: {fault:?}"))?;
        let length = fault.message.chars().count();
        promise((1..=1_000).contains(&length), || format!("{length} characters: {fault:?}"))?;
    }
    let Some(args) = value.as_object() else { return Ok(false) };
    let request = Request::Tool { name: tool.name.clone(), args: args.clone() };
    let answer = server.call(subject, request)?;
    let (kind, shown) = match answer {
        Ok(text) => (None, text),
        Err(Failure::Unknown(error) | Failure::Error(error)) => (Some(error.kind), error.text()),
        Err(Failure::Abandoned) => return Err("abandoned, though nobody cancelled".to_owned()),
    };
    promise(kind != Some(Kind::Internal), || format!("internal: {shown}"))?;
    promise(is_valid || kind == Some(Kind::Invalid), || format!("not refused: {kind:?} {shown}"))?;
    promise(contract::text::visible(&shown) == shown, || format!("hidden characters: {shown:?}"))?;
    promise(!shown.contains("Nobody may read"), || "a forbidden page was read".to_owned())?;
    Ok(is_valid)
}

/// `docs` in this process, on the very same assembly as the product's.
struct Served {
    runtime: tokio::runtime::Runtime,
    ready: Ready,
    _folder: Folder,
}

impl Served {
    fn new() -> Self {
        let folder = Folder::docs();
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let source = Source { path: folder.config(), state: None, fetcher: None };
        let launcher = suite::SERVERS.iter().find(|launcher| launcher.name == "docs");
        let launcher = launcher.expect("docs");
        let checked = assemble::check(&source, suite::SERVERS, Some(launcher.name));
        let checked = checked.unwrap_or_else(|faults| panic!("{faults}"));
        let ready = runtime.block_on(ready(checked, launcher, None, Vec::new(), String::new()));
        let ready = ready.unwrap_or_else(|error| panic!("{error}"));
        Self { runtime, ready, _folder: folder }
    }

    /// The text of the answer; subjects vary, so that none runs into its limit.
    fn call(&self, subject: String, request: Request) -> Result<Result<String, Failure>, String> {
        let identity = Identity::new(format!("user:{subject}"), Proof::Loopback);
        let client = Client {
            name: "fuzz".to_owned(),
            version: "1".to_owned(),
            transport: "cli",
            protocol: String::new(),
        };
        let caller = Caller {
            identity: Arc::new(identity),
            client: Arc::new(client),
            said: Arc::default(),
            channel: Arc::new(Silent),
            cancelled: Default::default(),
        };
        let answer = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, self.ready.pipeline.call(&caller, request)).await
        });
        let answer = answer.map_err(|_| "it hangs".to_owned())?;
        Ok(answer.map(|answer| answer.shown.text()))
    }
}

//! The tools and prompts of one server: checked once at start, listed as each principal may see
//! them. Types are erased here, once and privately.

mod entry;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use contract::ctx::BoxFuture;
use contract::schema::{self, Validator};
use contract::{
    Configured, Contract, Ctx, Finding, Output, Part, Preview, Principal, Prompt, Registry,
    Rendered, Resource, ResourceCall, Server, StartError, Target, TaskCalls, Template, Tool,
    ToolError,
};
use serde_json::{Map, Value, json};

use self::entry::tighten;
pub use self::entry::{CatalogueError, Entry, Kept, Overrides};

/// A call whose arguments are parsed: it can say what it touches, show itself to a person who is
/// asked to approve it, and run once.
pub(crate) struct Prepared {
    pub(crate) target: Target,
    pub(crate) about: Option<String>,
    pub(crate) work: Box<dyn Work>,
}

/// The work of one call, without the tool's types.
pub(crate) trait Work: Send + Sync {
    /// What the person is shown; `None` shows the arguments.
    fn preview<'a>(&'a self, ctx: &'a Ctx) -> BoxFuture<'a, Result<Option<Preview>, ToolError>>;

    /// Runs the tool.
    fn run(self: Box<Self>, ctx: Ctx) -> BoxFuture<'static, Result<Rendered, ToolError>>;
}

/// A tool without its types.
trait Erased: Send + Sync {
    fn prepare(&self, args: Map<String, Value>) -> Result<Prepared, ToolError>;
}

struct Typed<T: Tool> {
    server: Arc<T::Server>,
    tool: PhantomData<fn() -> T>,
}

impl<T: Tool> Erased for Typed<T> {
    fn prepare(&self, args: Map<String, Value>) -> Result<Prepared, ToolError> {
        let args: T::Args = serde_json::from_value(Value::Object(args))
            .map_err(|error| ToolError::invalid(error.to_string()))?;
        let target = T::target(&self.server, &args);
        let about = T::about(&self.server, &args);
        let work = TypedWork::<T> { server: Arc::clone(&self.server), args };
        Ok(Prepared { target, about, work: Box::new(work) })
    }
}

struct TypedWork<T: Tool> {
    server: Arc<T::Server>,
    args: T::Args,
}

impl<T: Tool> Work for TypedWork<T> {
    fn preview<'a>(&'a self, ctx: &'a Ctx) -> BoxFuture<'a, Result<Option<Preview>, ToolError>> {
        Box::pin(T::preview(&self.server, ctx, &self.args))
    }

    fn run(self: Box<Self>, ctx: Ctx) -> BoxFuture<'static, Result<Rendered, ToolError>> {
        Box::pin(async move { T::call(&self.server, &ctx, self.args).await.map(Output::render) })
    }
}

struct Declared<T: Configured> {
    server: Arc<T::Server>,
    tool: Arc<T>,
}

impl<T: Configured> Erased for Declared<T> {
    fn prepare(&self, args: Map<String, Value>) -> Result<Prepared, ToolError> {
        let target = self.tool.target(&args);
        let (server, tool) = (Arc::clone(&self.server), Arc::clone(&self.tool));
        let work = Box::new(DeclaredWork { server, tool, args });
        Ok(Prepared { target, about: None, work })
    }
}

struct DeclaredWork<T: Configured> {
    server: Arc<T::Server>,
    tool: Arc<T>,
    args: Map<String, Value>,
}

impl<T: Configured> Work for DeclaredWork<T> {
    fn preview<'a>(&'a self, ctx: &'a Ctx) -> BoxFuture<'a, Result<Option<Preview>, ToolError>> {
        Box::pin(self.tool.preview(&self.server, ctx, &self.args))
    }

    fn run(self: Box<Self>, ctx: Ctx) -> BoxFuture<'static, Result<Rendered, ToolError>> {
        Box::pin(async move { self.tool.call(&self.server, &ctx, self.args).await })
    }
}

struct Prompted<S: Server> {
    server: Arc<S>,
    name: &'static str,
}

impl<S: Server> Erased for Prompted<S> {
    fn prepare(&self, args: Map<String, Value>) -> Result<Prepared, ToolError> {
        let (server, name) = (Arc::clone(&self.server), self.name);
        let work = PromptedWork { server, name, args };
        let target = Target::one("prompt", name);
        Ok(Prepared { target, about: None, work: Box::new(work) })
    }
}

struct PromptedWork<S: Server> {
    server: Arc<S>,
    name: &'static str,
    args: Map<String, Value>,
}

impl<S: Server> Work for PromptedWork<S> {
    fn preview<'a>(&'a self, _: &'a Ctx) -> BoxFuture<'a, Result<Option<Preview>, ToolError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn run(self: Box<Self>, ctx: Ctx) -> BoxFuture<'static, Result<Rendered, ToolError>> {
        Box::pin(async move {
            let parts: Vec<Part> = self.server.prompt(&ctx, self.name, self.args).await?;
            Ok(Rendered { parts, ..Rendered::default() })
        })
    }
}

/// What a server offers beside tools, with its types erased.
trait Offers: Send + Sync {
    fn resources<'a>(&'a self, caller: &'a Principal) -> BoxFuture<'a, Vec<Resource>>;
    fn resource(&self, uri: &str) -> Option<ResourceCall>;
    fn task(&self, id: &str) -> Option<TaskCalls>;
    fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target>;
    fn vet(&self) -> BoxFuture<'_, Result<(), StartError>>;
    fn findings(&self) -> BoxFuture<'_, Vec<Finding>>;
}

struct Offered<S>(Arc<S>);

impl<S: Server> Offers for Offered<S> {
    fn resources<'a>(&'a self, caller: &'a Principal) -> BoxFuture<'a, Vec<Resource>> {
        Box::pin(self.0.resources(caller))
    }

    fn resource(&self, uri: &str) -> Option<ResourceCall> {
        self.0.resource(uri)
    }

    fn task(&self, id: &str) -> Option<TaskCalls> {
        self.0.task(id)
    }

    fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        self.0.complete(owner, argument, prefix)
    }

    fn vet(&self) -> BoxFuture<'_, Result<(), StartError>> {
        Box::pin(self.0.vet())
    }

    fn findings(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(self.0.findings())
    }
}

/// What one server offers.
pub struct Catalogue {
    /// The server's name.
    pub server: &'static str,
    /// Its title.
    pub title: &'static str,
    /// What the model should know first.
    pub instructions: &'static str,
    /// Whether its tools send log messages to the host.
    pub(crate) logs: bool,
    /// Whether its tools answer with tasks.
    pub(crate) tasks: bool,
    /// Whether clients may subscribe to its resources.
    pub(crate) subscribes: bool,
    /// Its prompts.
    pub(crate) prompts: Vec<Prompt>,
    /// Its resource templates.
    pub(crate) templates: Vec<Template>,
    /// Tools, then prompts, as their own contracts have them.
    items: Vec<Item>,
    /// As servers.toml tightened them when the process began.
    entries: Entries,
    offers: Box<dyn Offers>,
}

/// One tool or prompt as it was declared: what servers.toml can tighten.
struct Item {
    contract: Contract,
    input: Value,
    output: Option<Value>,
    is_prompt: bool,
    erased: Box<dyn Erased>,
}

/// The tools and prompts under one version of the policy.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    tools: Vec<Arc<Entry>>,
    prompts: Vec<Arc<Entry>>,
}

impl Entries {
    /// Every tool, whoever may call it, in the server's order.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.tools.iter()
    }

    /// Every prompt, in the server's order.
    pub fn prompts(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.prompts.iter()
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<Entry>> {
        self.tools().find(|entry| entry.contract.name == name)
    }

    pub(crate) fn prompt(&self, name: &str) -> Option<&Arc<Entry>> {
        self.prompts().find(|entry| entry.contract.name == name)
    }
}

/// Collects the tools of a server, and every mistake.
struct Collector<S> {
    server: Arc<S>,
    items: Vec<Item>,
    faults: Vec<CatalogueError>,
}

impl<S: Server> Collector<S> {
    fn take(
        &mut self,
        contract: Contract,
        input: Value,
        output: Option<Value>,
        erased: Box<dyn Erased>,
    ) {
        let name = contract.name;
        if self.items.iter().any(|item| item.contract.name == name) {
            self.faults.push(CatalogueError {
                key: name.to_owned(),
                message: "declared twice".to_owned(),
            });
            return;
        }
        self.items.push(Item { contract, input, output, is_prompt: false, erased });
    }
}

impl<S: Server> Registry<S> for Collector<S> {
    fn add<T: Tool<Server = S>>(&mut self) {
        let erased = Typed::<T> { server: Arc::clone(&self.server), tool: PhantomData };
        let input = schema::of_arguments::<T::Args>();
        self.take(T::CONTRACT, without_description(input), T::Out::schema(), Box::new(erased));
    }

    fn add_configured<T: Configured<Server = S>>(&mut self, tool: T) {
        let (contract, input) = (tool.contract(), tool.schema());
        let erased = Declared { server: Arc::clone(&self.server), tool: Arc::new(tool) };
        // A schema from configuration may be wrong; better now than at the first call.
        if let Err(error) = Validator::new(&input) {
            let key = contract.name.to_owned();
            self.faults.push(CatalogueError { key, message: error.to_string() });
            return;
        }
        self.take(contract, input, None, Box::new(erased));
    }
}

/// The description of the argument type repeats the purpose: it costs tokens and says nothing.
fn without_description(mut input: Value) -> Value {
    if let Value::Object(schema) = &mut input {
        schema.remove("description");
    }
    input
}

impl Catalogue {
    /// Collects what a server offers, tightened by its table in servers.toml. All mistakes are
    /// reported at once.
    pub fn new<S: Server>(
        server: Arc<S>,
        overrides: &BTreeMap<String, Overrides>,
    ) -> Result<Self, Vec<CatalogueError>> {
        let prompts = server.prompts();
        let mut collector =
            Collector { server: Arc::clone(&server), items: Vec::new(), faults: Vec::new() };
        server.tools(&mut collector);
        let tools = collector.items.len();
        for prompt in &prompts {
            let erased = Prompted { server: Arc::clone(&server), name: prompt.contract.name };
            collector.take(prompt.contract.clone(), prompt_schema(prompt), None, Box::new(erased));
        }
        let Collector { mut items, mut faults, .. } = collector;
        items.iter_mut().skip(tools).for_each(|item| item.is_prompt = true);
        let entries = tightened(&items, overrides);
        faults.extend(entries.as_ref().err().into_iter().flatten().cloned());
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            server: S::NAME,
            title: S::TITLE,
            instructions: S::INSTRUCTIONS,
            logs: S::LOGS,
            tasks: S::TASKS,
            subscribes: S::SUBSCRIBES,
            prompts,
            templates: server.templates(),
            items,
            entries: entries.unwrap_or_default(),
            offers: Box::new(Offered(server)),
        })
    }

    /// The same tools under other rules of servers.toml. All mistakes are reported at once.
    pub(crate) fn tightened(
        &self,
        overrides: &BTreeMap<String, Overrides>,
    ) -> Result<Entries, Vec<CatalogueError>> {
        tightened(&self.items, overrides)
    }

    /// The tools and prompts as the process began with them.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Every tool as the process began with it, in the server's order.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.tools()
    }

    /// Every prompt as the process began with it, in the server's order.
    pub fn prompt_entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.prompts()
    }

    /// Whether what the server was given is right; see [`Server::vet`].
    pub async fn vet(&self) -> Result<(), StartError> {
        self.offers.vet().await
    }

    /// What the server's operator should know of what it reaches.
    pub async fn findings(&self) -> Vec<Finding> {
        self.offers.findings().await
    }

    /// Parses arguments that satisfy the schema of `entry`.
    pub(crate) fn prepare(
        &self,
        entry: &Entry,
        args: Map<String, Value>,
    ) -> Result<Prepared, ToolError> {
        match self.items.iter().find(|item| item.contract.name == entry.contract.name) {
            Some(item) => item.erased.prepare(args),
            None => {
                Err(ToolError::internal(format!("{} is of another catalogue", entry.contract.name)))
            }
        }
    }

    /// What a call with these arguments touches; else what its caller would read.
    pub fn target(&self, entry: &Entry, args: Map<String, Value>) -> Result<Target, ToolError> {
        let args = Value::Object(args);
        let faults = entry.faults(&args)?;
        match args {
            Value::Object(args) if faults.is_empty() => Ok(self.prepare(entry, args)?.target),
            _ => Err(ToolError::invalid(faults)),
        }
    }

    /// A tool or prompt as it was declared, before servers.toml tightened it.
    pub fn declared(&self, name: &str) -> Option<&Contract> {
        self.items.iter().map(|item| &item.contract).find(|contract| contract.name == name)
    }

    /// The names of all tools and prompts, also of those that are switched off.
    pub fn declared_names(&self) -> impl Iterator<Item = &'static str> {
        self.items.iter().map(|item| item.contract.name)
    }

    pub(crate) async fn resources(&self, caller: &Principal) -> Vec<Resource> {
        self.offers.resources(caller).await
    }

    /// The call that reads a resource.
    pub fn resource(&self, uri: &str) -> Option<ResourceCall> {
        self.offers.resource(uri)
    }

    /// The calls behind a task.
    pub(crate) fn task(&self, id: &str) -> Option<TaskCalls> {
        self.offers.task(id)
    }

    pub(crate) fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        self.offers.complete(owner, argument, prefix)
    }
}

/// The items as servers.toml tightens them; what it switches off is left out.
fn tightened(
    items: &[Item],
    overrides: &BTreeMap<String, Overrides>,
) -> Result<Entries, Vec<CatalogueError>> {
    let known: Vec<String> = items.iter().map(|item| item.contract.name.to_owned()).collect();
    let (mut entries, mut faults) = (Entries::default(), Vec::new());
    for item in items {
        let rules = overrides.get(item.contract.name).cloned().unwrap_or_default();
        let entry = tighten(item.contract.clone(), &rules)
            .and_then(|contract| Entry::new(contract, &item.input, item.output.clone(), &rules))
            .map(|entry| entry.beside(item.contract.limit));
        match entry {
            Ok(_) if rules.enabled == Some(false) => {}
            Ok(entry) if item.is_prompt => entries.prompts.push(Arc::new(entry)),
            Ok(entry) => entries.tools.push(Arc::new(entry)),
            Err(fault) => faults.push(fault),
        }
    }
    for name in overrides.keys().filter(|name| !known.contains(name)) {
        let message = schema::unknown(name, &known);
        faults.push(CatalogueError { key: format!("tools.{name}"), message });
    }
    if faults.is_empty() { Ok(entries) } else { Err(faults) }
}

/// Prompt arguments are strings, of at most 2,000 characters.
fn prompt_schema(prompt: &Prompt) -> Value {
    let properties: Map<String, Value> = prompt
        .arguments
        .iter()
        .map(|argument| {
            let schema =
                json!({"type": "string", "maxLength": 2000, "description": argument.description});
            (argument.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = prompt
        .arguments
        .iter()
        .filter(|argument| argument.required)
        .map(|argument| argument.name)
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

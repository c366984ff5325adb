//! The tools and prompts of one server: checked once at start, listed as each principal may see
//! them. Types are erased here, once and privately.

mod entry;

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use contract::ctx::BoxFuture;
use contract::schema::{self, Validator};
use contract::{
    Configured, Contract, Ctx, Output, Part, Prompt, Registry, Rendered, Resource, ResourceCall,
    Server, Target, Template, Tool, ToolError,
};
use serde_json::{Map, Value, json};

pub(crate) use self::entry::hex;
use self::entry::tighten;
pub use self::entry::{CatalogueError, Entry, Overrides};

/// A call whose arguments are parsed: it can say what it touches, and run once.
pub(crate) struct Prepared {
    pub(crate) target: Target,
    pub(crate) run: Box<dyn FnOnce(Ctx) -> BoxFuture<'static, Result<Rendered, ToolError>> + Send>,
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
        let server = Arc::clone(&self.server);
        Ok(Prepared {
            target: T::target(&args),
            run: Box::new(move |ctx| {
                Box::pin(async move { T::call(&server, &ctx, args).await.map(Output::render) })
            }),
        })
    }
}

struct Declared<T: Configured> {
    server: Arc<T::Server>,
    tool: Arc<T>,
}

impl<T: Configured> Erased for Declared<T> {
    fn prepare(&self, args: Map<String, Value>) -> Result<Prepared, ToolError> {
        let (server, tool) = (Arc::clone(&self.server), Arc::clone(&self.tool));
        Ok(Prepared {
            target: tool.target(&args),
            run: Box::new(move |ctx| Box::pin(async move { tool.call(&server, &ctx, args).await })),
        })
    }
}

struct Prompted<S: Server> {
    server: Arc<S>,
    name: &'static str,
}

impl<S: Server> Erased for Prompted<S> {
    fn prepare(&self, args: Map<String, Value>) -> Result<Prepared, ToolError> {
        let (server, name) = (Arc::clone(&self.server), self.name);
        Ok(Prepared {
            target: Target::one("prompt", name),
            run: Box::new(move |ctx| {
                Box::pin(async move {
                    let parts: Vec<Part> = server.prompt(&ctx, name, args).await?;
                    Ok(Rendered { parts, ..Rendered::default() })
                })
            }),
        })
    }
}

/// What a server offers beside tools, with its types erased.
trait Offers: Send + Sync {
    fn resources(&self) -> BoxFuture<'_, Vec<Resource>>;
    fn resource(&self, uri: &str) -> Option<ResourceCall>;
    fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target>;
}

struct Offered<S>(Arc<S>);

impl<S: Server> Offers for Offered<S> {
    fn resources(&self) -> BoxFuture<'_, Vec<Resource>> {
        Box::pin(self.0.resources())
    }

    fn resource(&self, uri: &str) -> Option<ResourceCall> {
        self.0.resource(uri)
    }

    fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        self.0.complete(owner, argument, prefix)
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
    /// Whether clients may subscribe to its resources.
    pub(crate) subscribes: bool,
    /// Its prompts.
    pub(crate) prompts: Vec<Prompt>,
    /// Its resource templates.
    pub(crate) templates: Vec<Template>,
    tools: Vec<Item>,
    prompt_items: Vec<Item>,
    offers: Box<dyn Offers>,
}

struct Item {
    entry: Arc<Entry>,
    erased: Box<dyn Erased>,
}

/// Collects the tools of a server, and every mistake.
struct Collector<'a, S> {
    server: Arc<S>,
    overrides: &'a BTreeMap<String, Overrides>,
    items: Vec<Item>,
    known: Vec<String>,
    faults: Vec<CatalogueError>,
}

impl<S: Server> Collector<'_, S> {
    fn take(
        &mut self,
        contract: Contract,
        input: &Value,
        output: Option<Value>,
        erased: Box<dyn Erased>,
    ) {
        let name = contract.name;
        if self.known.iter().any(|known| known == name) {
            self.faults.push(CatalogueError {
                key: name.to_owned(),
                message: "declared twice".to_owned(),
            });
            return;
        }
        self.known.push(name.to_owned());
        let overrides = self.overrides.get(name).cloned().unwrap_or_default();
        let entry =
            tighten(contract, &overrides).and_then(|contract| Entry::new(contract, input, output));
        match entry {
            Ok(_) if overrides.enabled == Some(false) => {}
            Ok(entry) => self.items.push(Item { entry: Arc::new(entry), erased }),
            Err(fault) => self.faults.push(fault),
        }
    }
}

impl<S: Server> Registry<S> for Collector<'_, S> {
    fn add<T: Tool<Server = S>>(&mut self) {
        let erased = Typed::<T> { server: Arc::clone(&self.server), tool: PhantomData };
        let input = schema::of_arguments::<T::Args>();
        self.take(T::CONTRACT, &without_description(input), T::Out::schema(), Box::new(erased));
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
        self.take(contract, &input, None, Box::new(erased));
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
        let mut collector = Collector {
            server: Arc::clone(&server),
            overrides,
            items: Vec::new(),
            known: Vec::new(),
            faults: Vec::new(),
        };
        server.tools(&mut collector);
        let tools = std::mem::take(&mut collector.items);
        for prompt in &prompts {
            let erased = Prompted { server: Arc::clone(&server), name: prompt.contract.name };
            collector.take(prompt.contract.clone(), &prompt_schema(prompt), None, Box::new(erased));
        }
        let Collector { items: prompt_items, known, mut faults, .. } = collector;
        for name in overrides.keys().filter(|name| !known.contains(name)) {
            let message = schema::unknown(name, &known);
            faults.push(CatalogueError { key: format!("tools.{name}"), message });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let prompts = prompts
            .into_iter()
            .filter(|prompt| {
                prompt_items.iter().any(|item| item.entry.contract.name == prompt.contract.name)
            })
            .collect();
        Ok(Self {
            server: S::NAME,
            title: S::TITLE,
            instructions: S::INSTRUCTIONS,
            logs: S::LOGS,
            subscribes: S::SUBSCRIBES,
            prompts,
            templates: server.templates(),
            tools,
            prompt_items,
            offers: Box::new(Offered(server)),
        })
    }

    /// Every tool, whoever may call it, in the server's order.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.tools.iter().map(|item| &item.entry)
    }

    /// Every prompt, in the server's order.
    pub fn prompt_entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.prompt_items.iter().map(|item| &item.entry)
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&Arc<Entry>> {
        self.tools().find(|entry| entry.contract.name == name)
    }

    pub(crate) fn prompt(&self, name: &str) -> Option<&Arc<Entry>> {
        self.prompt_entries().find(|entry| entry.contract.name == name)
    }

    /// Parses arguments that satisfy the schema of `entry`.
    pub(crate) fn prepare(
        &self,
        entry: &Entry,
        args: Map<String, Value>,
    ) -> Result<Prepared, ToolError> {
        let mut items = self.tools.iter().chain(&self.prompt_items);
        match items.find(|item| std::ptr::eq(item.entry.as_ref(), entry)) {
            Some(item) => item.erased.prepare(args),
            None => {
                Err(ToolError::internal(format!("{} is of another catalogue", entry.contract.name)))
            }
        }
    }

    pub(crate) async fn resources(&self) -> Vec<Resource> {
        self.offers.resources().await
    }

    /// The call that reads a resource.
    pub fn resource(&self, uri: &str) -> Option<ResourceCall> {
        self.offers.resource(uri)
    }

    pub(crate) fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        self.offers.complete(owner, argument, prefix)
    }
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

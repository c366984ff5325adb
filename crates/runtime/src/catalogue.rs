//! The tools and prompts of one server: checked once at start, listed as each principal may see
//! them. Types are erased here, once and privately.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::ctx::BoxFuture;
use contract::schema::{self, SchemaError, Validator};
use contract::{
    Approval, Configured, Contract, Ctx, Effect, Limit, Output, Part, Prompt, Registry, Rendered,
    Resource, ResourceCall, Server, Size, Target, Template, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// A server whose tools break the rules of the contract, or whose table in servers.toml does.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {message}")]
pub struct CatalogueError {
    /// The key under the server's table, such as `tools.docs_search.limit`; the tool's name
    /// where the tool itself is wrong.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

/// What servers.toml says about one tool: tighter than its contract, never looser.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// false takes the tool away from everybody.
    pub enabled: Option<bool>,
    /// A lower limit, such as "10/minute" (second, minute, hour).
    #[schemars(length(max = 14), regex(pattern = r"^[1-9][0-9]*/(second|minute|hour)$"))]
    pub limit: Option<String>,
    /// A higher approval.
    pub approval: Option<Approval>,
    /// A shorter time, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub timeout: Option<u64>,
    /// A smaller result, in tokens.
    #[schemars(range(min = 100, max = 9500))]
    pub tokens: Option<u32>,
}

/// One tool or prompt, as everything but its own code sees it.
#[derive(Debug)]
pub struct Entry {
    /// Every decision, tightened by servers.toml.
    pub contract: Contract,
    /// The published schema of the arguments.
    pub input: Arc<Map<String, Value>>,
    /// The published schema of the result, for records.
    pub output: Option<Arc<Map<String, Value>>>,
    /// SHA-256 of the contract and both schemas, in hexadecimal: changes when the tool does.
    pub digest: String,
    /// Compiled at the first call: most processes call a few of their tools.
    validator: OnceLock<Validator>,
}

impl Entry {
    fn new(
        contract: Contract,
        input: &Value,
        output: Option<Value>,
    ) -> Result<Self, CatalogueError> {
        let fault = |message: String| CatalogueError { key: contract.name.to_owned(), message };
        check(&contract, input).map_err(fault)?;
        let object = |value: &Value| Arc::new(value.as_object().cloned().unwrap_or_default());
        let digest = digest(&contract, input, output.as_ref());
        let output = output.as_ref().map(object);
        Ok(Self { input: object(input), output, digest, validator: OnceLock::new(), contract })
    }

    /// The compiled schema of the arguments.
    fn validator(&self) -> Result<&Validator, SchemaError> {
        if let Some(validator) = self.validator.get() {
            return Ok(validator);
        }
        let validator = Validator::new(&Value::Object((*self.input).clone()))?;
        Ok(self.validator.get_or_init(|| validator))
    }

    /// Every rule of the published schema that the arguments break, as one text; empty when they
    /// satisfy it.
    pub(crate) fn faults(&self, args: &Value) -> Result<String, ToolError> {
        let validator = self.validator().map_err(ToolError::internal)?;
        if validator.is_valid(args) {
            return Ok(String::new());
        }
        let faults = validator.faults(args);
        let shown = faults.iter().take(5).map(|fault| {
            let path = schema::path(&fault.pointer);
            let place = if path.is_empty() { String::new() } else { format!("`{path}`: ") };
            format!("{place}{}", fault.message)
        });
        let mut text = shown.collect::<Vec<_>>().join("; ");
        if faults.len() > 5 {
            text.push_str(&format!("; and {} more", faults.len() - 5));
        }
        Ok(text)
    }
}

/// The rules that no type can state.
fn check(contract: &Contract, input: &Value) -> Result<(), String> {
    let name_ok = !contract.name.is_empty()
        && contract.name.len() <= 64
        && contract.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if !name_ok {
        return Err("a name is 1 to 64 lower-case letters, digits and underscores".to_owned());
    }
    if input.get("type") != Some(&json!("object"))
        || input.get("additionalProperties") != Some(&json!(false))
    {
        return Err("the arguments are an object that refuses unknown fields".to_owned());
    }
    if contract.effect == Effect::Commits && contract.verified_by.is_none() {
        return Err("a tool that commits names the tool that verifies the outcome".to_owned());
    }
    let reason = input.pointer("/properties/reason").is_some()
        && input["required"].as_array().is_some_and(|names| names.contains(&json!("reason")));
    if contract.effect.is_reading() || reason {
        Ok(())
    } else {
        Err("a tool that does more than read requires a `reason` (contract::Reason)".to_owned())
    }
}

fn digest(contract: &Contract, input: &Value, output: Option<&Value>) -> String {
    let whole = json!({
        "name": contract.name,
        "title": contract.title,
        "purpose": contract.purpose,
        "effect": contract.effect,
        "approval": contract.approval,
        "limit": contract.limit.to_string(),
        "timeout_ms": contract.timeout.as_millis().to_string(),
        "tokens": contract.size.get(),
        "verified_by": contract.verified_by,
        "input": input,
        "output": output,
    });
    hex(&Sha256::digest(whole.to_string().as_bytes()))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Applies servers.toml to a contract; refuses anything looser.
fn tighten(contract: Contract, overrides: &Overrides) -> Result<Contract, CatalogueError> {
    let name = contract.name;
    let fault =
        |key: &str, message: String| CatalogueError { key: format!("tools.{name}.{key}"), message };
    let mut tight = contract;
    if let Some(text) = &overrides.limit {
        let limit = Limit::parse(text).ok_or_else(|| {
            fault("limit", format!("`{text}` is not a limit such as \"10/minute\""))
        })?;
        if !limit.is_within(tight.limit) {
            return Err(fault(
                "limit",
                format!("{limit} is looser than the tool's own {}", tight.limit),
            ));
        }
        tight.limit = limit;
    }
    if let Some(approval) = overrides.approval {
        if approval < tight.approval {
            return Err(fault(
                "approval",
                format!("{approval} is less than the tool's own {}", tight.approval),
            ));
        }
        tight.approval = approval;
    }
    if let Some(seconds) = overrides.timeout {
        let timeout = Duration::from_secs(seconds);
        if timeout > tight.timeout {
            let own = tight.timeout.as_secs();
            return Err(fault(
                "timeout",
                format!("{seconds} s is longer than the tool's own {own} s"),
            ));
        }
        tight.timeout = timeout;
    }
    if let Some(tokens) = overrides.tokens {
        let size = Size::tokens(tokens.clamp(1, Size::CAP.get()));
        if size > tight.size {
            return Err(fault(
                "tokens",
                format!("{tokens} is more than the tool's own {}", tight.size.get()),
            ));
        }
        tight.size = size;
    }
    Ok(tight)
}

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

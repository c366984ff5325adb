//! A server: one process, one narrow purpose, a handful of tools.

use std::future::Future;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Configured, Contract, Ctx, Part, Principal, Secret, SecretRef, Target, Tool, ToolError,
};

/// Why a server cannot start. For the operator: what is wrong, and the remedy.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl StartError {
    /// An error with its remedy in the text.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// One server. A server knows no transport, no protocol revision, no identity provider.
pub trait Server: Sized + Send + Sync + 'static {
    /// The name: the subcommand, the table in servers.toml, the folder under `state/`.
    const NAME: &'static str;
    /// What the names of its tools begin with, before `_`.
    const PREFIX: &'static str = Self::NAME;
    /// A title for people.
    const TITLE: &'static str;
    /// What the model should know before it uses the tools; at most 150 tokens.
    const INSTRUCTIONS: &'static str;
    /// Whether tools send log messages to the host (deprecated since revision 2026-07-28).
    const LOGS: bool = false;
    /// Whether tools answer with work that goes on ([`Ongoing`](crate::Ongoing)).
    const TASKS: bool = false;
    /// Whether clients may subscribe to resources.
    const SUBSCRIBES: bool = false;
    /// The server's own keys in `[servers.<name>]`: `deny_unknown_fields` is implied.
    type Settings: DeserializeOwned + JsonSchema + Send;

    /// Checks the settings and opens what they name. Fast: long work goes on in the background.
    fn open(
        settings: Self::Settings,
        place: &Place,
    ) -> impl Future<Output = Result<Self, StartError>> + Send;

    /// What the process must still be able to reach once it is confined. Known from the settings
    /// alone, before anything is opened: the server's own state folder, and the files of its
    /// secrets, need no mention.
    fn needs(settings: &Self::Settings, place: &Place) -> Needs {
        let _ = (settings, place);
        Needs::default()
    }

    /// The work of a second process, for a server that needs rights which its own process gives up,
    /// such as starting programs. It is split off before this process is confined, holds one end
    /// of a stream whose other end [`Place::beside`] gives to [`Server::open`], holds no secret
    /// but what the work takes along, and must end when that stream does.
    fn beside(settings: &Self::Settings, place: &Place) -> Option<Beside> {
        let _ = (settings, place);
        None
    }

    /// Lists the tools, typed ones and configured ones, in a stable order.
    fn tools<R: Registry<Self>>(&self, registry: &mut R);

    /// The resources that this caller may see at most; the runtime leaves out what policy forbids.
    fn resources(&self, caller: &Principal) -> impl Future<Output = Vec<Resource>> + Send {
        let _ = caller;
        async { Vec::new() }
    }

    /// The resource templates.
    fn templates(&self) -> Vec<Template> {
        Vec::new()
    }

    /// The call that reads a resource: reading a resource *is* calling a tool, so policy,
    /// limits and records are the tool's. `None`: no such resource.
    fn resource(&self, uri: &str) -> Option<ResourceCall> {
        let _ = uri;
        None
    }

    /// The calls behind a task: asking how far it is *is* calling a tool, and so is ending it, so
    /// policy, limits and records are the tools'. `None`: no such task.
    fn task(&self, id: &str) -> Option<TaskCalls> {
        let _ = id;
        None
    }

    /// The prompts, governed like tools by their names.
    fn prompts(&self) -> Vec<Prompt> {
        Vec::new()
    }

    /// Renders a prompt: messages in the role of the user.
    fn prompt(
        &self,
        ctx: &Ctx,
        name: &str,
        args: Map<String, Value>,
    ) -> impl Future<Output = Result<Vec<Part>, ToolError>> + Send {
        let _ = (ctx, args);
        let error = ToolError::not_found(format!("no prompt `{name}`"));
        async move { Err(error) }
    }

    /// Whether what the server was given is right, where asking takes longer than a start may:
    /// asked once, beside the first requests. The process ends where it fails, so a tool that
    /// depends on it must not run before it knows itself.
    fn vet(&self) -> impl Future<Output = Result<(), StartError>> + Send {
        async { Ok(()) }
    }

    /// What its operator should know of what the server reaches, for `suite doctor`: rights that
    /// are too large, data that nobody thought of. May take some seconds.
    fn findings(&self) -> impl Future<Output = Vec<Finding>> + Send {
        async { Vec::new() }
    }

    /// Values for an argument that begin with `prefix`, of which the runtime offers those that
    /// policy permits: `owner` is a tool, a prompt or a template.
    fn complete(&self, owner: &str, argument: &str, prefix: &str) -> Vec<Target> {
        let _ = (owner, argument, prefix);
        Vec::new()
    }
}

/// What a second process does with its end of the stream; see [`Server::beside`].
pub type Beside = Box<dyn FnOnce(UnixStream)>;

/// Something an operator should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What was found.
    pub what: String,
    /// What to do about it; empty where nothing need be done.
    pub remedy: String,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// As it should be.
    Note,
    /// Worth a decision of the operator.
    Warning,
    /// Something that should hold does not.
    Fault,
}

/// What a server's process may reach; everything else is forbidden to it by the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files and folders it reads, absolute.
    pub read: Vec<PathBuf>,
    /// Files and folders it reads and writes, absolute.
    pub write: Vec<PathBuf>,
    /// TCP ports it connects to.
    pub connect: Vec<u16>,
    /// Whether it runs programs.
    pub execute: bool,
}

/// Takes the tools of a server; implemented by the runtime, which alone can run them.
pub trait Registry<S: Server> {
    /// Adds a tool known at compile time.
    fn add<T: Tool<Server = S>>(&mut self);

    /// Adds a tool declared in configuration.
    fn add_configured<T: Configured<Server = S>>(&mut self, tool: T);
}

/// Something a host can attach to a conversation.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The address.
    pub uri: String,
    /// The name shown to people.
    pub name: String,
    /// The media type.
    pub mime: &'static str,
    /// The size in bytes, where known.
    pub size: Option<u64>,
    /// What policy asks about.
    pub target: Target,
    /// The tool that reads it.
    pub tool: &'static str,
}

/// A family of resources.
#[derive(Clone, Debug)]
pub struct Template {
    /// RFC 6570 level 1 template.
    pub uri: &'static str,
    /// The name shown to people.
    pub name: &'static str,
    /// What the family is.
    pub description: &'static str,
    /// The media type.
    pub mime: &'static str,
    /// The tool that reads them.
    pub tool: &'static str,
}

/// The call behind a resource.
#[derive(Clone, Debug)]
pub struct ResourceCall {
    /// The tool.
    pub tool: &'static str,
    /// Its arguments.
    pub args: Map<String, Value>,
    /// The media type of the text.
    pub mime: &'static str,
}

/// The calls behind a task: each a tool with its arguments.
#[derive(Clone, Debug)]
pub struct TaskCalls {
    /// Tells how far it is, at once.
    pub get: (&'static str, Map<String, Value>),
    /// Ends it.
    pub cancel: (&'static str, Map<String, Value>),
}

/// A prompt a person can choose in their host.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Name, title, purpose, limit, timeout and size; `effect` is always reading.
    pub contract: Contract,
    /// Its arguments, all of them strings.
    pub arguments: Vec<PromptArgument>,
}

/// One argument of a prompt.
#[derive(Clone, Debug)]
pub struct PromptArgument {
    /// The name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Whether it must be given.
    pub required: bool,
}

/// Reads a secret; the error says what is missing and never what was found.
pub type SecretReader = dyn Fn(&SecretRef) -> Result<Secret, StartError> + Send + Sync;

/// Where a server lives: its folder for state, the folder its relative paths start from, and
/// its secrets.
pub struct Place {
    base: PathBuf,
    state: PathBuf,
    reader: Arc<SecretReader>,
    held: Mutex<Vec<Secret>>,
    beside: Mutex<Option<UnixStream>>,
    rehearsal: bool,
    /// The folder that is stood in for.
    real: Option<PathBuf>,
}

impl Place {
    /// A place. `base` is the folder of servers.toml, `state` this server's own folder.
    pub fn new(base: PathBuf, state: PathBuf, reader: Box<SecretReader>) -> Self {
        let (held, beside) = (Mutex::default(), Mutex::default());
        let reader = reader.into();
        Self { base, state, reader, held, beside, rehearsal: false, real: None }
    }

    /// A place with the way to the second process of its server.
    #[must_use]
    pub fn with_beside(self, stream: Option<UnixStream>) -> Self {
        Self { beside: Mutex::new(stream), ..self }
    }

    /// The way to the second process, once; `None` where there is none, as in a rehearsal.
    pub fn beside(&self) -> Option<UnixStream> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A place for a server that is opened to be checked and described, and never called.
    #[must_use]
    pub fn rehearsal(mut self) -> Self {
        self.rehearsal = true;
        self
    }

    /// Whether the server is opened to be described only: no work goes on in the background.
    pub fn is_rehearsal(&self) -> bool {
        self.rehearsal
    }

    /// A place that stands in for another: nothing is kept in that one.
    #[must_use]
    pub fn instead_of(mut self, real: PathBuf) -> Self {
        self.real = Some(real);
        self
    }

    /// The folder in which the server keeps things when it is served, to check settings against it.
    pub fn real(&self) -> &Path {
        self.real.as_ref().unwrap_or(&self.state)
    }

    /// The absolute form of a path in the settings.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// This server's own folder; no other server reads or writes it.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Reads a secret and remembers it, so that it can be redacted wherever it might appear.
    pub fn secret(&self, reference: &SecretRef) -> Result<Secret, StartError> {
        let secret = (self.reader)(reference)?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(secret.clone());
        Ok(secret)
    }

    /// Reads a secret once more, later: one that somebody renews. A file must be the same one, not
    /// another of its name.
    pub fn again(
        &self,
        reference: &SecretRef,
    ) -> impl Fn() -> Result<Secret, StartError> + Send + Sync + 'static {
        let (reader, reference) = (Arc::clone(&self.reader), reference.clone());
        move || reader(&reference)
    }

    /// Every secret the process holds.
    pub fn held(&self) -> Vec<Secret> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

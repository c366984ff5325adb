//! All that a running tool sees of the world. No transport, no other server.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{Principal, Size, Target, ToolError};

/// Something only the person or the host on the other side can answer.
#[derive(Clone, Debug)]
pub enum Question {
    /// A form for the person: a message and the JSON Schema of the answer.
    Form {
        /// What the person reads.
        message: String,
        /// The flat object schema of the answer.
        schema: Value,
    },
    /// A page that the person opens: a message and its address. The answer says only whether it
    /// was opened.
    Page {
        /// What the person reads.
        message: String,
        /// The address.
        url: String,
    },
    /// A completion by the host's model: the parameters of `sampling/createMessage`.
    Sample(Value),
    /// The host's workspace roots.
    Roots,
}

/// Questions that must be answered before a call can go on. The tool returns; the call is made
/// again with the answers.
#[derive(Debug)]
pub struct Pending {
    /// The open questions by key.
    pub questions: BTreeMap<String, Question>,
}

/// How many names an error lists.
const LISTED: usize = 20;

/// A future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the transport of one call can do for a running tool.
pub trait Channel: Send + Sync {
    /// Tells the caller how far the work is; `total` where it is known.
    fn progress(&self, done: f64, total: Option<f64>, message: String) -> BoxFuture<'_, ()>;

    /// Sends a log message to the caller (deprecated since revision 2026-07-28).
    fn log(&self, level: &'static str, data: Value) -> BoxFuture<'_, ()>;

    /// Asks; `Err` carries [`Pending`] where the answer arrives with a later call.
    fn ask(
        &self,
        questions: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>>;
}

/// Seals and opens opaque cursors, bound to principal, tool and arguments.
pub trait Cursors: Send + Sync {
    /// Makes a cursor.
    fn seal(&self, position: &Value) -> String;

    /// The position, or an error the caller understands when the cursor is forged, foreign,
    /// or belongs to other arguments.
    fn open(&self, cursor: &str) -> Result<Value, ToolError>;
}

/// Whether the principal of a call may touch a target with the tool that runs.
pub type Permits = dyn Fn(&Target) -> bool + Send + Sync;

/// The parts of a [`Ctx`]; made by the runtime's pipeline and by nothing else.
pub struct CtxParts {
    /// Who calls.
    pub principal: Arc<Principal>,
    /// When the call ends, whatever it does.
    pub deadline: Instant,
    /// The largest result of this call, as servers.toml has tightened it.
    pub size: Size,
    /// Whether the caller went away; polled by long loops.
    pub cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
    /// What the transport can do.
    pub channel: Arc<dyn Channel>,
    /// Cursors of this call.
    pub cursors: Arc<dyn Cursors>,
    /// Policy for further targets.
    pub permits: Arc<Permits>,
}

/// The context of one call.
#[derive(Clone)]
pub struct Ctx {
    parts: Arc<CtxParts>,
}

impl Ctx {
    /// Only the pipeline makes one; `cargo xtask tidy` looks for other callers.
    pub fn new(parts: CtxParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Who calls: to bind drafts and private results.
    pub fn principal(&self) -> &Principal {
        &self.parts.principal
    }

    /// The time left before the call is ended.
    pub fn remaining(&self) -> Duration {
        self.parts.deadline.saturating_duration_since(Instant::now())
    }

    /// The largest result of this call: what a tool that pages its results fits them into.
    pub fn size(&self) -> Size {
        self.parts.size
    }

    /// Whether the work is no longer wanted: the caller cancelled, or the deadline passed.
    /// Loops on blocking threads ask it and stop.
    pub fn is_over(&self) -> bool {
        (self.parts.cancelled)() || self.remaining().is_zero()
    }

    /// Whether the caller may touch `target` with this tool. Tools that span several objects
    /// ask it for each.
    pub fn permits(&self, target: &Target) -> bool {
        (self.parts.permits)(target)
    }

    /// The declared object that a call means: the one that `name`, the value of `argument`, says, or
    /// the only one of this kind that the caller may touch. An object that the caller may not touch
    /// is as unknown as one that is not there.
    pub fn choose<'a, T>(
        &self,
        kind: &'static str,
        argument: &str,
        name: Option<&str>,
        declared: &'a BTreeMap<String, T>,
    ) -> Result<&'a T, ToolError> {
        let permitted: Vec<(&String, &T)> =
            declared.iter().filter(|(id, _)| self.permits(&Target::one(kind, *id))).collect();
        let listed = || match permitted.as_slice() {
            [] => "none".to_owned(),
            some => {
                let shown: Vec<&str> =
                    some.iter().take(LISTED).map(|(id, _)| id.as_str()).collect();
                let more = if some.len() > LISTED { " and others" } else { "" };
                format!("{}{more}", shown.join(", "))
            }
        };
        let found = match (name.filter(|name| !name.is_empty()), permitted.as_slice()) {
            (Some(name), all) => all.iter().find(|(id, _)| *id == name),
            (None, [only]) => Some(only),
            (None, _) => {
                return Err(ToolError::invalid(format!("{argument}: name one of {}.", listed())));
            }
        };
        found.map(|(_, object)| *object).ok_or_else(|| {
            let shown: String = name.unwrap_or_default().chars().take(40).collect();
            let shown = crate::text::visible(&shown);
            ToolError::not_found(format!("{kind} `{shown}` is unknown; there is {}.", listed()))
        })
    }

    /// Tells the caller how far the work is.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: impl Into<String> + Send) {
        self.parts.channel.progress(done, total, message.into()).await;
    }

    /// Sends a log message to the caller's host.
    pub async fn log(&self, level: &'static str, data: Value) {
        self.parts.channel.log(level, data).await;
    }

    /// Asks the person or host on the other side; keys name the answers.
    ///
    /// In revisions that cannot ask during a call the error ends this run of the tool, and the
    /// client calls again with the answers: so ask before doing anything, and pass errors on.
    pub async fn ask(
        &self,
        questions: BTreeMap<String, Question>,
    ) -> Result<BTreeMap<String, Value>, ToolError> {
        self.parts.channel.ask(questions).await
    }

    /// Makes the cursor of the next page.
    pub fn seal_cursor(&self, position: &Value) -> String {
        self.parts.cursors.seal(position)
    }

    /// Opens a cursor that this tool made for this principal and these arguments.
    pub fn open_cursor(&self, cursor: &str) -> Result<Value, ToolError> {
        self.parts.cursors.open(cursor)
    }
}

//! What MCP can do for a running tool: progress, log messages, and questions to the person or
//! host, in both eras: a request to the client before revision 2026-07-28, a call that waits for
//! its answers after it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::ctx::{BoxFuture, Pending};
use contract::{Channel, Kind, Question, ToolError};
use rmcp::ErrorData as McpError;
use rmcp::model::{
    ClientCapabilities, InputRequest, InputRequiredResult, ProgressNotificationParam,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

/// How severe a log message is: from 0, debug, to 7, emergency.
pub(super) type Severity = u8;

#[expect(deprecated, reason = "older revisions still have log messages")]
pub(super) fn severity(level: rmcp::model::LoggingLevel) -> Severity {
    level as Severity
}

/// The answers given in earlier rounds of one call.
#[derive(Clone, Default)]
pub(super) struct Rounds {
    pub(super) answers: BTreeMap<String, Value>,
}

/// The channel of one call.
pub(super) struct Conversation {
    context: Arc<RequestContext<RoleServer>>,
    /// `None`: the client can be asked during the call.
    rounds: Option<Rounds>,
    /// The least severe log messages that are sent; `None` sends none.
    floor: Option<Severity>,
}

impl Conversation {
    pub(super) fn new(
        context: Arc<RequestContext<RoleServer>>,
        rounds: Option<Rounds>,
        floor: Option<Severity>,
    ) -> Self {
        Self { context, rounds, floor }
    }

    async fn ask_now(&self, question: &Question) -> Result<Value, ToolError> {
        let failed = |error: rmcp::ServiceError| {
            ToolError::unavailable(
                "the host did not answer a question this call depends on.",
                error,
            )
        };
        let parsed = request(question).map_err(ToolError::internal)?;
        let answer = match parsed {
            InputRequest::Elicitation(request) => {
                let answer =
                    self.context.peer.create_elicitation(request.params).await.map_err(failed)?;
                serde_json::to_value(answer)
            }
            other => self.ask_deprecated(other).await?,
        };
        answer.map_err(ToolError::internal)
    }

    #[expect(deprecated, reason = "only revisions that still have sampling and roots get here")]
    async fn ask_deprecated(
        &self,
        request: InputRequest,
    ) -> Result<Result<Value, serde_json::Error>, ToolError> {
        let failed = |error: rmcp::ServiceError| {
            ToolError::unavailable(
                "the host did not answer a question this call depends on.",
                error,
            )
        };
        if let InputRequest::CreateMessage(request) = request {
            let answer = self.context.peer.create_message(request.params).await.map_err(failed)?;
            return Ok(serde_json::to_value(answer));
        }
        let answer = self.context.peer.list_roots().await.map_err(failed)?;
        Ok(serde_json::to_value(answer))
    }
}

impl Channel for Conversation {
    fn progress(&self, done: f64, total: Option<f64>, message: String) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Some(token) = self.context.meta.get_progress_token() else { return };
            let mut params = ProgressNotificationParam::new(token, done).with_message(message);
            params.total = total;
            // A client that went away hears nothing; the call notices by its cancellation.
            let _ = self.context.peer.notify_progress(params).await;
        })
    }

    #[expect(deprecated, reason = "older revisions still have log messages")]
    fn log(&self, level: &'static str, data: Value) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Ok(level) = serde_json::from_value(json!(level)) else { return };
            if self.floor.is_none_or(|floor| severity(level) < floor) {
                return;
            }
            let params = rmcp::model::LoggingMessageNotificationParam::new(level, data);
            let _ = self.context.peer.notify_logging_message(params).await;
        })
    }

    fn ask(
        &self,
        questions: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
        Box::pin(async move {
            let capabilities = self.context.client_capabilities().unwrap_or_default();
            let Some(rounds) = &self.rounds else {
                answerable(&capabilities, &questions)?;
                let mut answers = BTreeMap::new();
                for (key, question) in &questions {
                    answers.insert(key.clone(), self.ask_now(question).await?);
                }
                return Ok(answers);
            };
            let mut answers = BTreeMap::new();
            let mut open = BTreeMap::new();
            for (key, question) in questions {
                match rounds.answers.get(&key) {
                    Some(answer) if fits(&question, answer) => {
                        answers.insert(key, answer.clone());
                    }
                    _ => {
                        open.insert(key, question);
                    }
                }
            }
            if open.is_empty() {
                return Ok(answers);
            }
            answerable(&capabilities, &open)?;
            let mut error = ToolError::new(Kind::ApprovalNeeded, "an answer is needed.");
            error.pending = Some(Box::new(Pending { questions: open }));
            Err(error)
        })
    }
}

fn supports(capabilities: &ClientCapabilities, question: &Question) -> bool {
    match question {
        Question::Form { .. } => capabilities
            .elicitation
            .as_ref()
            .is_some_and(|modes| modes.form.is_some() || modes.url.is_none()),
        Question::Page { .. } => {
            capabilities.elicitation.as_ref().is_some_and(|modes| modes.url.is_some())
        }
        Question::Sample(_) => capabilities.sampling.is_some(),
        Question::Roots => capabilities.roots.is_some(),
    }
}

fn name(question: &Question) -> &'static str {
    match question {
        Question::Form { .. } | Question::Page { .. } => "elicitation",
        Question::Sample(_) => "sampling",
        Question::Roots => "roots",
    }
}

/// Whether the client can answer all of these questions. The error carries those it cannot.
fn answerable(
    capabilities: &ClientCapabilities,
    questions: &BTreeMap<String, Question>,
) -> Result<(), ToolError> {
    let unanswerable = questions.iter().filter(|(_, question)| !supports(capabilities, question));
    let unanswerable: BTreeMap<String, Question> =
        unanswerable.map(|(key, question)| (key.clone(), question.clone())).collect();
    if unanswerable.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<&str> = unanswerable.values().map(name).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("this call needs a host that offers {names}; yours does not.");
    let mut error = ToolError::new(Kind::Unavailable, message);
    error.pending = Some(Box::new(Pending { questions: unanswerable }));
    Err(error)
}

/// What the client would have to offer to answer the questions; `None` where it offers it all.
pub(super) fn lacking(
    context: &RequestContext<RoleServer>,
    pending: &Pending,
) -> Option<ClientCapabilities> {
    let offered = context.client_capabilities().unwrap_or_default();
    let mut lacking = ClientCapabilities::default();
    for question in pending.questions.values().filter(|question| !supports(&offered, question)) {
        match question {
            Question::Form { .. } | Question::Page { .. } => {
                lacking.elicitation = Some(Default::default());
            }
            Question::Sample(_) => lacking.sampling = Some(Default::default()),
            Question::Roots => lacking.roots = Some(Default::default()),
        }
    }
    (lacking != ClientCapabilities::default()).then_some(lacking)
}

/// Whether an answer has the form of one: what does not is asked again.
fn fits(question: &Question, answer: &Value) -> bool {
    match question {
        Question::Form { schema, .. } => match answer.get("action").and_then(Value::as_str) {
            Some("accept") => contract::schema::Validator::new(schema).is_ok_and(|schema| {
                answer.get("content").is_some_and(|content| schema.is_valid(content))
            }),
            Some("decline" | "cancel") => true,
            _ => false,
        },
        Question::Page { .. } => {
            matches!(answer["action"].as_str(), Some("accept" | "decline" | "cancel"))
        }
        Question::Sample(_) => answer.get("role").is_some() && answer.get("content").is_some(),
        Question::Roots => answer.get("roots").is_some_and(Value::is_array),
    }
}

/// A question in the protocol's words.
fn request(question: &Question) -> Result<InputRequest, serde_json::Error> {
    serde_json::from_value(match question {
        Question::Form { message, schema } => json!({
            "method": "elicitation/create",
            "params": {"mode": "form", "message": message, "requestedSchema": schema}
        }),
        Question::Page { message, url } => json!({
            "method": "elicitation/create",
            "params": {"mode": "url", "message": message, "url": url, "elicitationId": url}
        }),
        Question::Sample(params) => json!({"method": "sampling/createMessage", "params": params}),
        Question::Roots => json!({"method": "roots/list"}),
    })
}

/// The result of a call that waits.
pub(super) fn input_required(
    pending: &Pending,
    state: Option<String>,
) -> Result<InputRequiredResult, McpError> {
    let requests = pending
        .questions
        .iter()
        .map(|(key, question)| Ok((key.clone(), request(question)?)))
        .collect::<Result<BTreeMap<_, _>, serde_json::Error>>()
        .map_err(|error| McpError::internal_error(error.to_string(), None))?;
    Ok(InputRequiredResult::new(Some(requests), state))
}

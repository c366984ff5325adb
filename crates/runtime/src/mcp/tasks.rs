//! Tasks (SEP-2663, the extension `io.modelcontextprotocol/tasks`): a call whose work goes on is
//! answered with one where the client knows them. Asking how far it is, and ending it, are calls of
//! tools, with their policy, limits and records: nothing about a task is kept here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use contract::TaskState;
use rmcp::ErrorData as McpError;
use rmcp::model::{
    CallToolResponse, CreateTaskResult, DetailedTask, GetTaskResult, JsonObject, Task, TaskPayload,
    TaskStatus,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};

use super::{Adapter, Carried, abandoned, convert};
use crate::guard::Shown;
use crate::pipeline::{Failure, Request};

/// How long a client should wait before it asks again, in milliseconds.
const POLL_MS: u64 = 2_000;

/// The answer of a call: a task where its work goes on and the client knows tasks.
pub(super) fn answered(shown: Shown, context: &RequestContext<RoleServer>) -> CallToolResponse {
    let knows = || {
        let capabilities = context.client_capabilities();
        Adapter::is_modern(context) && capabilities.is_some_and(|one| one.supports_tasks())
    };
    match &shown.task {
        Some(task) if task.state == TaskState::Working && knows() => {
            CallToolResponse::Task(CreateTaskResult::new(told(task)))
        }
        _ => convert::call_result(shown).into(),
    }
}

fn told(task: &contract::Task) -> Task {
    let time = |milliseconds: i64| {
        let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default());
        humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
    };
    let status = match task.state {
        TaskState::Working => TaskStatus::Working,
        TaskState::Done => TaskStatus::Completed,
        TaskState::Cancelled => TaskStatus::Cancelled,
    };
    let told = Task::new(&task.id, status, time(task.created), time(task.changed));
    let told = told.with_poll_interval_ms(POLL_MS);
    if task.note.is_empty() { told } else { told.with_status_message(&task.note) }
}

/// How a task stands; its result where it is over.
fn detailed(shown: Shown) -> Result<DetailedTask, McpError> {
    let Some(task) = shown.task.clone() else { return Err(unknown()) };
    let payload = match task.state {
        TaskState::Working => TaskPayload::Working,
        TaskState::Cancelled => TaskPayload::Cancelled,
        TaskState::Done => TaskPayload::Completed { result: object(convert::call_result(shown))? },
    };
    Ok(DetailedTask::new(told(&task), payload))
}

fn object(result: rmcp::model::CallToolResult) -> Result<JsonObject, McpError> {
    match serde_json::to_value(result) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(McpError::internal_error("the result cannot be written", None)),
    }
}

fn unknown() -> McpError {
    McpError::invalid_params("there is no such task.", None)
}

impl Adapter {
    /// How a task stands.
    pub(super) async fn task(
        &self,
        id: &str,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, McpError> {
        let calls = self.pipeline.catalogue().task(id).ok_or_else(unknown)?;
        Ok(GetTaskResult::new(detailed(self.of_task(calls.get, context).await?)?))
    }

    /// Ends a task.
    pub(super) async fn end_task(
        &self,
        id: &str,
        context: RequestContext<RoleServer>,
    ) -> Result<(), McpError> {
        let calls = self.pipeline.catalogue().task(id).ok_or_else(unknown)?;
        self.of_task(calls.cancel, context).await.map(drop)
    }

    /// Calls a tool behind a task. An error of the call is none of the task's: the client may ask
    /// again.
    async fn of_task(
        &self,
        (name, args): (&'static str, Map<String, Value>),
        context: RequestContext<RoleServer>,
    ) -> Result<Shown, McpError> {
        let request = Request::Tool { name: name.to_owned(), args };
        let carried = Carried { state: None, answers: None };
        match self.run(request, carried, &Arc::new(context)).await {
            Ok(Ok(answer)) => Ok(answer.shown),
            Ok(Err(Failure::Abandoned)) => Err(abandoned()),
            Ok(Err(Failure::Unknown(_))) => Err(unknown()),
            Ok(Err(Failure::Error(error))) => Err(match error.kind {
                contract::Kind::NotFound | contract::Kind::Denied => unknown(),
                _ => McpError::internal_error(error.text(), None),
            }),
            Err(_) => Err(McpError::internal_error("a task asks nothing", None)),
        }
    }
}

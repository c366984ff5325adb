//! Suites, cases and calls for the tests of this crate.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::ctx::{BoxFuture, CtxParts};
use contract::{
    Channel, Ctx, Cursors, Output as _, Part, Place, Principal, Proof, Question, Size, StartError,
    Tool, ToolError,
};
use reports::Case;
use serde_json::{Value, json};

use crate::Testrun;
use crate::settings::{Sandbox, SuiteSettings};
use crate::suite::Suite;

/// A place whose folder is `base` and whose state is in it.
pub(crate) fn place(base: &Path) -> Place {
    let reader = Box::new(|_: &_| Err(StartError::new("no variables here")));
    Place::new(base.to_owned(), base.join("state/testrun"), reader)
}

/// The suite `web` with these settings, in the folder of temporary files unless they say another.
pub(crate) fn suite(mut settings: Value) -> Result<Suite, StartError> {
    let base = std::env::temp_dir();
    if settings.get("folder").is_none() {
        settings["folder"] = json!(".");
    }
    let settings: SuiteSettings = serde_json::from_value(settings).expect("settings");
    Suite::new("web", settings, Sandbox::Required, &place(&base))
}

/// A test that ended so.
pub(crate) fn case(suite: &str, name: &str, status: &str) -> Case {
    let case = json!({
        "suite": suite, "name": name, "file": null, "line": null, "status": status,
        "duration": null, "attempts": 1, "failure": null, "reason": null,
    });
    serde_json::from_value(case).expect("a case")
}

/// The world of a call that may touch these suites; all, if `None`.
pub(crate) fn ctx(permitted: Option<&'static [&'static str]>, size: Size) -> Ctx {
    ctx_of(permitted, size, false)
}

/// The same; the caller may have gone away.
pub(crate) fn ctx_of(permitted: Option<&'static [&'static str]>, size: Size, is_gone: bool) -> Ctx {
    Ctx::new(CtxParts {
        principal: Arc::new(Principal {
            actor: None,
            groups: Vec::new(),
            identity: "user:tester".to_owned(),
            proof: Proof::Loopback,
            roles: Vec::new(),
            subject: "tester".to_owned(),
        }),
        deadline: Instant::now() + Duration::from_mins(5),
        size,
        cancelled: Arc::new(move || is_gone),
        channel: Arc::new(Silent),
        cursors: Arc::new(Plain),
        permits: Arc::new(move |target| {
            permitted.is_none_or(|all| target.name.as_deref().is_some_and(|one| all.contains(&one)))
        }),
    })
}

/// Calls a tool; what it shows.
pub(crate) async fn call<T: Tool<Server = Testrun>>(
    server: &Testrun,
    args: Value,
) -> Result<String, ToolError> {
    call_in::<T>(server, &ctx(None, T::CONTRACT.size), args).await
}

/// The same, in another world.
pub(crate) async fn call_in<T: Tool<Server = Testrun>>(
    server: &Testrun,
    ctx: &Ctx,
    args: Value,
) -> Result<String, ToolError> {
    let args: T::Args = serde_json::from_value(args).expect("arguments");
    let parts = T::call(server, ctx, args).await?.render().parts;
    let shown = parts.into_iter().map(|part| match part {
        Part::Text(text) => text,
        Part::Untrusted { source, text } => contract::text::fence(&source, &text),
        Part::Media(media) => format!("{media:?}"),
    });
    Ok(shown.collect::<Vec<_>>().join("\n"))
}

/// A run as the work behind a call.
pub(crate) async fn task(server: &Testrun, run: &str) -> contract::Task {
    let args = serde_json::from_value(json!({"run": run})).expect("arguments");
    let ctx = ctx(None, crate::tools::result::CONTRACT.size);
    let told = crate::tools::result::Result::call(server, &ctx, args).await;
    told.expect("a result").task
}

struct Silent;

impl Channel for Silent {
    fn progress(&self, _: f64, _: Option<f64>, _: String) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn log(&self, _: &'static str, _: Value) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn ask(
        &self,
        _: std::collections::BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<std::collections::BTreeMap<String, Value>, ToolError>> {
        Box::pin(async { Err(ToolError::invalid("nobody is there")) })
    }
}

/// Cursors that anybody can read.
struct Plain;

impl Cursors for Plain {
    fn seal(&self, position: &Value) -> String {
        position.to_string()
    }

    fn open(&self, cursor: &str) -> Result<Value, ToolError> {
        serde_json::from_str(cursor).map_err(|_| ToolError::invalid("cursor"))
    }
}

/// Splits off the runner. The child of a fork has one thread, however many the tests have.
pub(crate) fn runner(work: contract::Beside) -> std::os::unix::net::UnixStream {
    confine::split_off(work).expect("a process")
}

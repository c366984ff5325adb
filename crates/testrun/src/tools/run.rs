//! `test_run`: runs a suite, or ends a run.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Kind, Limit, Ongoing, Part, Preview, Reason, Size, Target,
    Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::plain;
use crate::following::Wish;
use crate::{Testrun, answer};

/// Runs a suite.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_run",
    title: "Run",
    purpose: "Runs a suite, or ends a run (`cancel`). Answers with the result, or after `wait` \
        seconds with the run's id.",
    effect: Effect::Runs,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_mins(11),
    size: Size::tokens(1_500),
    verified_by: None,
};

/// How many seconds a call waits for the end, unless it says otherwise.
pub(crate) const WAIT: u32 = 40;

pub(crate) struct Start;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    suite: Option<String>,
    #[schemars(length(max = 200))]
    rev: Option<String>,
    #[schemars(extend("maxProperties" = 20, "additionalProperties" = {"type": ["string", "integer"], "maxLength": 65536}))]
    inputs: Option<Map<String, Value>>,
    #[schemars(range(max = 600))]
    wait: Option<u32>,
    #[schemars(length(max = 60))]
    cancel: Option<String>,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for Start {
    type Server = Testrun;
    type Args = Args;
    type Out = Ongoing;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Testrun, args: &Args) -> Target {
        match args.cancel.as_deref().filter(|run| !run.is_empty()) {
            Some(run) => Testrun::target_of(run),
            None => server.target(args.suite.as_deref()),
        }
    }

    /// The declaration that is run.
    fn about(server: &Testrun, args: &Args) -> Option<String> {
        server.declaration(&Self::target(server, args))
    }

    async fn preview(
        server: &Testrun,
        ctx: &Ctx,
        args: &Args,
    ) -> Result<Option<Preview>, ToolError> {
        if args.cancel.as_deref().is_some_and(|run| !run.is_empty()) {
            return Ok(None);
        }
        let suite = server.suite(ctx, args.suite.as_deref())?;
        let values = suite.values(&args.inputs.clone().unwrap_or_default());
        let words = values.and_then(|values| suite.argv(&values));
        let words = words.map_err(|why| ToolError::invalid(format!("inputs: {why}")))?;
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        let source = match args.rev.as_deref().filter(|rev| !rev.is_empty()) {
            Some(rev) => format!("commit {} ({rev})", server.commit(&suite, rev).await?),
            None => "the working tree, as it is when it runs".to_owned(),
        };
        Ok(Some(Preview {
            title: format!("Run suite {}", suite.id),
            fields: vec![("program".to_owned(), words.join(" ")), ("of".to_owned(), source)],
            bound: vec![("declaration".to_owned(), suite.digest.clone())],
        }))
    }

    async fn call(server: &Testrun, ctx: &Ctx, args: Args) -> Result<Ongoing, ToolError> {
        if let Some(run) = args.cancel.as_deref().filter(|run| !run.is_empty()) {
            return cancel(server, ctx, run, &args).await;
        }
        let suite = server.suite(ctx, args.suite.as_deref())?;
        let given = args.inputs.unwrap_or_default();
        let wish = Wish { suite, revision: args.rev.as_deref(), given: &given, again: None };
        let run = server.begin(ctx, wish).await?;
        let parts = followed(server, ctx, &run.id, args.wait.unwrap_or(WAIT)).await?;
        let run = server.run(ctx, &run.id).await?;
        Ok(Ongoing { text: Text { parts, more: None }, task: answer::task(&run) })
    }
}

/// Waits for a run's end; the result, or how far it is. A caller that goes away ends the run.
pub(crate) async fn followed(
    server: &Testrun,
    ctx: &Ctx,
    run: &str,
    wait: u32,
) -> Result<Vec<Part>, ToolError> {
    if server.wait(ctx, run, wait).await {
        server.cancel(run).await;
    }
    let run = server.run(ctx, run).await?;
    answer::page(ctx, &server.runs, &run, 0).await
}

async fn cancel(server: &Testrun, ctx: &Ctx, run: &str, args: &Args) -> Result<Ongoing, ToolError> {
    if args.suite.is_some() || args.rev.is_some() || args.inputs.is_some() {
        return Err(ToolError::invalid("cancel: it stands alone; leave the others out."));
    }
    let run = server.run(ctx, run).await?;
    if run.result.is_some() {
        let text = plain(format!("it was over before. {}", answer::summary(&run)));
        return Ok(Ongoing { text, task: answer::task(&run) });
    }
    if server.live(&run.id).is_none() {
        let message = "that run goes on in another process of this server, which alone can end it.";
        return Err(ToolError::new(Kind::Unavailable, message));
    }
    server.cancel(&run.id).await;
    let run = server.run(ctx, &run.id).await?;
    Ok(Ongoing { text: plain(answer::summary(&run)), task: answer::task(&run) })
}

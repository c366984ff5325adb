//! `test_result`: how a run ended, and what failed.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Ongoing, Size, Target, Text, Tool, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::position;
use crate::{Testrun, answer};

/// Tells how a run ended.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_result",
    title: "Result",
    purpose: "Verdict and failures of a run, its end awaited for `wait` seconds.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(120),
    timeout: Duration::from_mins(11),
    size: Size::tokens(1_500),
    verified_by: None,
};

pub(crate) struct Result;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    run: String,
    #[schemars(range(max = 600))]
    wait: Option<u32>,
    #[schemars(length(max = 2000))]
    cursor: Option<String>,
}

impl Tool for Result {
    type Server = Testrun;
    type Args = Args;
    type Out = Ongoing;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Testrun, args: &Args) -> Target {
        Testrun::target_of(&args.run)
    }

    async fn call(
        server: &Testrun,
        ctx: &Ctx,
        args: Args,
    ) -> std::result::Result<Ongoing, ToolError> {
        let from = position(ctx, args.cursor.as_deref())?;
        let mut run = server.run(ctx, &args.run).await?;
        if run.result.is_none() && args.wait.is_some_and(|wait| wait > 0) {
            server.wait(ctx, &run.id, args.wait.unwrap_or_default()).await;
            run = server.run(ctx, &args.run).await?;
        }
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let parts = answer::page(ctx, &server.runs, &run, from).await?;
        Ok(Ongoing { text: Text { parts, more: None }, task: answer::task(&run) })
    }
}

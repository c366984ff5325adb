//! `test_failure`: one failure in full.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::position;
use crate::answer::{full_name, in_full};
use crate::following::blocking;
use crate::input::shown;
use crate::{Testrun, finish};

/// Shows one failure.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_failure",
    title: "Failure",
    purpose: "One failure in full; `test`: its number or name.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(120),
    timeout: Duration::from_secs(20),
    size: Size::tokens(4_000),
    verified_by: None,
};

pub(crate) struct One;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    run: String,
    #[schemars(length(max = 2000))]
    test: String,
    #[schemars(length(max = 2000))]
    cursor: Option<String>,
}

impl Tool for One {
    type Server = Testrun;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Testrun, args: &Args) -> Target {
        Testrun::target_of(&args.run)
    }

    async fn call(server: &Testrun, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let from = usize::try_from(position(ctx, args.cursor.as_deref())?).unwrap_or(usize::MAX);
        let run = server.run(ctx, &args.run).await?;
        let folder = server.runs.folder(&run.id);
        let test = args.test.trim().to_owned();
        let found = blocking(move || {
            let failures = finish::failures(&folder, 0)?;
            let number = test.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let index = number.filter(|index| *index < failures.len()).or_else(|| {
                failures.iter().position(|case| *case.name == *test || full_name(case) == test)
            });
            Ok(index.map(|index| in_full(index + 1, &failures[index])).ok_or(test))
        });
        let whole = found.await?.map_err(|test| {
            let all = run.result.as_ref().map_or(0, |result| result.kept);
            let shown = shown(&test);
            ToolError::not_found(format!(
                "test: the run has no failure `{shown}` among the {all} that are kept."
            ))
        })?;
        // A little is left for the fence and the trailer.
        let most = ctx.size().bytes().saturating_sub(400);
        let start = whole.floor_char_boundary(from.min(whole.len()));
        let end = whole.floor_char_boundary((start + most).min(whole.len()));
        let source = format!("testrun://{}/failure", run.id);
        let mut parts = vec![Part::Untrusted { source, text: whole[start..end].to_owned() }];
        if end < whole.len() {
            let cursor = ctx.seal_cursor(&json!(end));
            let left = whole.len() - end;
            parts.push(Part::Text(format!("{left} bytes more; next: cursor={cursor}")));
        }
        Ok(Text { parts, more: None })
    }
}

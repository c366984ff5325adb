//! `test_suites`: what may be run.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::plain;
use crate::Testrun;
use crate::answer::{one_line, short};
use crate::suite::Suite;

/// Lists the suites.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_suites",
    title: "Suites",
    purpose: "Lists suites, their inputs and last verdicts.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(10),
    size: Size::tokens(4_000),
    verified_by: None,
};

pub(crate) struct Suites;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {}

impl Tool for Suites {
    type Server = Testrun;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Testrun, _: &Args) -> Target {
        Target::every("suite")
    }

    async fn call(server: &Testrun, ctx: &Ctx, _: Args) -> Result<Text, ToolError> {
        let mut lines = Vec::new();
        for suite in server.permitted(ctx) {
            lines.push(told(server, suite).await?);
        }
        let count = lines.len();
        let plural = if count == 1 { "" } else { "s" };
        lines.push(format!("{count} suite{plural}"));
        Ok(plain(lines.join("\n")))
    }
}

/// A suite: what it is, what it takes, its declaration and how it fared last.
async fn told(server: &Testrun, suite: &Suite) -> Result<String, ToolError> {
    let purpose = suite.settings.purpose.as_deref().unwrap_or_default();
    let mut text = format!("{}: {}", suite.id, one_line(purpose, 300));
    for (name, input) in &suite.inputs {
        text.push_str(&format!("\n  {name}: {}", input.told()));
    }
    let rev = if suite.has_revisions() { "working tree or `rev`" } else { "working tree only" };
    text.push_str(&format!("\n  tests {rev}; declaration {}", short(&suite.digest)));
    let ran = server.runs.last_digest(&suite.id).await?;
    if let Some(why) = suite.unaccepted(ran.as_deref()) {
        text.push_str(&format!("\n  refused: {why}"));
    }
    if suite.settings.report.is_none() {
        text.push_str("\n  no report is declared: a run never counts as passed");
    }
    if let Some(last) = server.runs.last(&suite.id, 1).await?.first() {
        let verdict = last.result.as_ref().map_or("not over yet", |result| &result.verdict);
        text.push_str(&format!("\n  last: {} {verdict}", last.id));
    }
    Ok(text)
}

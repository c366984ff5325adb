//! `test_history`: how a suite and its tests fared over runs.

mod compare;

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Part, Size, Target, Text, Tool, ToolError};
use reports::Status;
use schemars::JsonSchema;
use serde::Deserialize;

use super::verify::time;
use crate::Testrun;
use crate::answer::{one_line, seconds, source};
use crate::store::Run;
use compare::{changes, flaky, name, slowest};

/// Tells how tests fared over runs.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_history",
    title: "History",
    purpose: "Last runs of a suite; its flaky or slowest tests; what changed against the run \
        `against`; one `test`.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(20),
    size: Size::tokens(2_000),
    verified_by: None,
};

/// How many runs are looked at.
const RUNS: u32 = 50;
/// How many lines are shown.
const LINES: usize = 20;

pub(crate) struct History;

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Show {
    #[default]
    Runs,
    Flaky,
    Slowest,
    Changes,
}

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    suite: Option<String>,
    #[serde(default)]
    show: Show,
    #[schemars(length(max = 60))]
    run: Option<String>,
    #[schemars(length(max = 60))]
    against: Option<String>,
    #[schemars(length(max = 2000))]
    test: Option<String>,
}

impl Tool for History {
    type Server = Testrun;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Testrun, args: &Args) -> Target {
        match args.run.as_deref().filter(|run| !run.is_empty()) {
            Some(run) if args.suite.is_none() => Testrun::target_of(run),
            _ => server.target(args.suite.as_deref()),
        }
    }

    async fn call(server: &Testrun, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let of_run = args.run.as_deref().and_then(|run| Some(run.rsplit_once('-')?.0));
        let suite = server.suite(ctx, args.suite.as_deref().or(of_run))?;
        let runs = server.runs.last(&suite.id, RUNS).await?;
        let address = format!("testrun://{}/history", suite.id);
        let (lines, trailer) = match (args.show, args.test.as_deref().filter(|it| !it.is_empty())) {
            (_, Some(test)) => of_test(server, &runs, test).await?,
            (Show::Runs, None) => {
                let lines: Vec<String> = runs.iter().take(LINES).map(line).collect();
                let trailer = format!("{} of the last {} runs", lines.len(), runs.len());
                let mut lines = lines;
                lines.push(trailer);
                return Ok(super::plain(lines.join("\n")));
            }
            (Show::Flaky, None) => flaky(server, &runs).await?,
            (Show::Slowest, None) => slowest(server, &runs).await?,
            (Show::Changes, None) => {
                let chosen = |id: &Option<String>| id.clone().filter(|id| !id.is_empty());
                changes(server, ctx, &runs, chosen(&args.run), chosen(&args.against)).await?
            }
        };
        let mut parts = Vec::new();
        if !lines.is_empty() {
            let shown: Vec<String> = lines.into_iter().take(LINES * 3).collect();
            parts.push(Part::Untrusted { source: address, text: shown.join("\n") });
        }
        parts.push(Part::Text(trailer));
        Ok(Text { parts, more: None })
    }
}

/// A run on one line.
fn line(run: &Run) -> String {
    let Some(result) = &run.result else {
        return format!("{} {} not over yet", run.id, time(run.created));
    };
    let part = if run.is_whole { "" } else { " (part of the suite)" };
    format!(
        "{} {} {}: {} passed, {} failing, {} skipped, {}; {}{part}",
        run.id,
        time(run.created),
        result.verdict,
        result.passed,
        result.failed + result.errored,
        result.skipped,
        seconds(result.wall),
        source(&run.source),
    )
}

/// How one test fared in each run.
async fn of_test(
    server: &Testrun,
    runs: &[Run],
    test: &str,
) -> Result<(Vec<String>, String), ToolError> {
    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    let records = server.runs.records(&ids, Some(test)).await?;
    let mut lines = Vec::new();
    for record in records.iter().take(LINES) {
        let Some(run) = runs.iter().find(|run| run.id == record.run) else { continue };
        let took = record.fared.milliseconds.and_then(|time| u64::try_from(time).ok());
        let took = took.map(|time| format!(" {}", seconds(time))).unwrap_or_default();
        let retried = if record.fared.flaky { " after retries" } else { "" };
        let status = status(record.fared.status);
        let (name, of) = (name(&record.fared), source(&run.source));
        lines.push(format!("{} {status}{retried}{took} {of}: {}", run.id, one_line(&name, 120)));
    }
    let failing =
        records.iter().filter(|one| matches!(one.fared.status, Status::Failed | Status::Errored));
    let trailer = format!("failing in {} of {} runs that had it", failing.count(), records.len());
    Ok((lines, trailer))
}

/// The word for how a test ended.
fn status(status: Status) -> &'static str {
    match status {
        Status::Passed => "passed",
        Status::Failed => "failed",
        Status::Errored => "errored",
        Status::Skipped => "skipped",
    }
}

//! `test_rerun_failed`: runs what failed again, to see whether it fails always.

use std::time::Duration;

use contract::{
    Approval, Contract, Ctx, Effect, Limit, Part, Reason, Size, Target, Text, Tool, ToolError,
};
use reports::Case;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::following::{Wish, blocking};
use crate::input::Input;
use crate::settings::RerunSettings;
use crate::store::Run;
use crate::suite::Suite;
use crate::{Testrun, finish};

/// Runs failed tests again.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_rerun_failed",
    title: "Rerun failed",
    purpose: "Runs a run's failed tests again, `times` over; on the same source.",
    effect: Effect::Runs,
    approval: Approval::None,
    limit: Limit::per_minute(20),
    timeout: Duration::from_mins(11),
    size: Size::tokens(3_000),
    verified_by: None,
};

pub(crate) struct Again;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 60))]
    run: String,
    #[schemars(range(min = 1, max = 20))]
    times: Option<u32>,
    #[schemars(range(max = 600))]
    wait: Option<u32>,
    #[expect(dead_code, reason = "kept in the record of the call")]
    reason: Reason,
}

impl Tool for Again {
    type Server = Testrun;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(_: &Testrun, args: &Args) -> Target {
        Testrun::target_of(&args.run)
    }

    /// The declaration that is run.
    fn about(server: &Testrun, args: &Args) -> Option<String> {
        server.declaration(&Testrun::target_of(&args.run))
    }

    async fn call(server: &Testrun, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let run = server.run(ctx, &args.run).await?;
        let suite = server.suite(ctx, Some(&run.suite))?;
        let rerun = suite.settings.rerun.as_ref().ok_or_else(|| {
            let id = &suite.id;
            ToolError::invalid(format!(
                "suite {id} declares no `rerun`; run it whole with test_run."
            ))
        })?;
        if run.result.is_none() {
            return Err(ToolError::invalid("run: it is not over yet; test_result follows it."));
        }
        let folder = server.runs.folder(&run.id);
        let failures = blocking(move || finish::failures(&folder, 0)).await?;
        let chosen = chosen(&suite, rerun, &failures)?;
        let mut given: Map<String, Value> = run
            .values
            .iter()
            .filter(|(name, _)| suite.inputs.contains_key(*name))
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect();
        given.insert(rerun.input.clone(), Value::from(chosen.text.as_str()));
        let mut ids = Vec::new();
        let revision = run.source.commit.as_deref().filter(|_| run.source.is_export);
        for _ in 0..args.times.unwrap_or(1) {
            let suite = suite.clone();
            let wish = Wish { suite, revision, given: &given, again: Some(&run.id) };
            ids.push(server.begin(ctx, wish).await?.id);
        }
        let wait = args.wait.unwrap_or(super::run::WAIT);
        let parts = told(server, ctx, &run, &ids, wait, &chosen).await?;
        Ok(Text { parts, more: None })
    }
}

/// Waits for the runs, and tells how each ended; of a single one also what failed.
async fn told(
    server: &Testrun,
    ctx: &Ctx,
    run: &Run,
    ids: &[String],
    wait: u32,
    chosen: &Chosen,
) -> Result<Vec<Part>, ToolError> {
    let mut parts = Vec::new();
    if chosen.left_out > 0 {
        let count = chosen.left_out;
        parts.push(Part::Text(format!(
            "{count} of the failed tests are left out: their names do not fit the input."
        )));
    }
    if let [only] = ids {
        parts.extend(super::run::followed(server, ctx, only, wait).await?);
        return Ok(parts);
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(u64::from(wait));
    let mut lines = Vec::new();
    for id in ids {
        let left = until.saturating_duration_since(tokio::time::Instant::now()).as_secs();
        if server.wait(ctx, id, u32::try_from(left).unwrap_or(wait)).await {
            for id in ids {
                server.cancel(id).await;
            }
        }
        let one = server.run(ctx, id).await?;
        let verdict = one.result.as_ref().map_or("not over yet", |result| &result.verdict);
        lines.push(format!("{id}: {verdict}"));
    }
    let suite = &run.suite;
    lines.push(format!("test_history suite={suite} show=flaky compares them."));
    parts.push(Part::Text(lines.join("\n")));
    Ok(parts)
}

/// The value of the input that takes the names of tests.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    text: String,
    left_out: usize,
}

fn chosen(suite: &Suite, rerun: &RerunSettings, failures: &[Case]) -> Result<Chosen, ToolError> {
    let input = suite.inputs.get(&rerun.input).ok_or_else(|| ToolError::internal("no input"))?;
    let each = rerun.each.as_deref().unwrap_or("{name}");
    let mut text = String::new();
    let mut left_out = 0;
    for case in failures {
        let next = written(each, case);
        let longer = match (&rerun.join, text.is_empty()) {
            (_, true) => next,
            (Some(join), false) => format!("{text}{join}{next}"),
            (None, false) => {
                left_out += 1;
                continue;
            }
        };
        if fits(input, &longer) {
            text = longer;
        } else {
            left_out += 1;
        }
    }
    match (text.is_empty(), failures.is_empty()) {
        (_, true) => Err(ToolError::invalid("run: it has no failed test.")),
        (true, false) => Err(ToolError::invalid(format!(
            "no failed test has a name that fits the input `{}`: {}; run the whole suite.",
            rerun.input,
            input.told()
        ))),
        (false, false) => Ok(Chosen { text, left_out }),
    }
}

/// Whether a value may be given: names come from a report, which is somebody else's words.
fn fits(input: &Input, text: &str) -> bool {
    input.check(text).is_ok()
}

/// A test as the runner takes it. What a name holds is not looked at for placeholders.
fn written(each: &str, case: &Case) -> String {
    let mut text = String::new();
    let mut rest = each;
    let parts = [
        ("{name}", &*case.name),
        ("{suite}", &*case.suite),
        ("{file}", case.file.as_deref().unwrap_or("")),
    ];
    while let Some(next) = rest.chars().next() {
        if let Some((word, value)) = parts.iter().find(|(word, _)| rest.starts_with(word)) {
            text.push_str(value);
            rest = &rest[word.len()..];
        } else {
            text.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{case, suite};

    fn check(names: &[&str], rerun: Value, expected: Option<(&str, usize)>) {
        let suite = suite(json!({
            "argv": ["t", "{filter}"],
            "inputs": {"filter": {"pattern": "[a-z{}|() =]+", "length": 12}},
            "rerun": rerun,
        }))
        .expect("a suite");
        let failures: Vec<Case> = names.iter().map(|name| case("s", name, "failed")).collect();
        let settings = suite.settings.rerun.as_ref().expect("settings");
        let found = chosen(&suite, settings, &failures).ok();
        let expected = expected.map(|(text, left_out)| Chosen { text: text.to_owned(), left_out });
        assert_eq!(found, expected, "{names:?}");
    }

    #[test]
    fn names_are_joined_as_far_as_they_fit() {
        let joined = json!({"input": "filter", "join": "|"});
        check(&["a", "b"], joined.clone(), Some(("a|b", 0)));
        check(&["a", "--evil", "B", "c"], joined.clone(), Some(("a|c", 2)));
        check(&["aaaaaa", "bbbbbbb", "cc"], joined.clone(), Some(("aaaaaa|cc", 1)));
        check(&["-x", "a\n"], joined.clone(), None);
        check(&[], joined, None);
        check(&["a", "b"], json!({"input": "filter"}), Some(("a", 1)));
        let each = json!({"input": "filter", "join": " | ", "each": "t({name})"});
        check(&["a", "{suite}", "b"], each, Some(("t(a) | t(b)", 1)));
    }
}

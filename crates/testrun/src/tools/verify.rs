//! `test_verify`: did a suite pass at a commit? An exact answer with its evidence.

use std::time::Duration;

use contract::{Approval, Contract, Ctx, Effect, Limit, Size, Target, Text, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

use super::plain;
use crate::Testrun;
use crate::answer::short;
use crate::following::blocking;
use crate::source::{Repository, Revision};
use crate::store::{PASSED, Run};
use crate::suite::Suite;

/// Answers whether a suite passed at a commit.
pub(crate) const CONTRACT: Contract = Contract {
    name: "test_verify",
    title: "Verify",
    purpose: "Whether a whole suite passed on a clean export of a commit, with evidence.",
    effect: Effect::Reads,
    approval: Approval::None,
    limit: Limit::per_minute(60),
    timeout: Duration::from_secs(20),
    size: Size::tokens(600),
    verified_by: None,
};

/// How many runs are looked at.
const MOST: u32 = 5_000;

pub(crate) struct Verify;

// No doc comment: it would be sent with the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    #[schemars(length(max = 40))]
    suite: Option<String>,
    #[schemars(length(max = 200))]
    rev: String,
}

impl Tool for Verify {
    type Server = Testrun;
    type Args = Args;
    type Out = Text;
    const CONTRACT: Contract = CONTRACT;

    fn target(server: &Testrun, args: &Args) -> Target {
        server.target(args.suite.as_deref())
    }

    async fn call(server: &Testrun, ctx: &Ctx, args: Args) -> Result<Text, ToolError> {
        let suite = server.suite(ctx, args.suite.as_deref())?;
        if !suite.has_revisions() {
            return Err(ToolError::invalid(format!(
                "suite: {} tests its working tree only, so that no commit of it can be verified; \
                 test_history lists its runs.",
                suite.id
            )));
        }
        let git = server.repository(&suite, None)?;
        let revision = blocking(move || Repository::open(&git)?.resolve(&args.rev)).await?;
        let runs = server.runs.last(&suite.id, MOST).await?;
        Ok(plain(answer(&suite, &revision, &runs)))
    }
}

/// The answer from the runs of a suite, the newest first.
fn answer(suite: &Suite, revision: &Revision, runs: &[Run]) -> String {
    let (commit, tree) = (revision.commit.to_string(), revision.tree.to_string());
    let at = format!("suite {} at commit {commit}", suite.id);
    // The same tree has the same files, whichever commit it is of.
    let same = |run: &&Run| {
        run.source.is_export
            && run.source.tree.as_ref() == Some(&tree)
            && run.is_whole
            && run.result.is_some()
    };
    let of_tree: Vec<&Run> = runs.iter().filter(same).collect();
    let current: Vec<&Run> =
        of_tree.iter().copied().filter(|run| run.digest == suite.digest).collect();
    // A run that was ended from outside says nothing about the tests.
    let tells = |run: &&&Run| {
        let verdict = run.result.as_ref().map_or("", |result| &result.verdict);
        !matches!(verdict, "cancelled" | "interrupted" | "not_started")
    };
    let Some(newest) = current.iter().find(tells) else {
        let why = if !current.is_empty() {
            "its runs there were ended before they could tell"
        } else if !of_tree.is_empty() {
            "it ran there under another declaration only"
        } else {
            "no run of the whole suite on a clean export of it is known"
        };
        return format!(
            "NOT VERIFIED: {at}: {why}. test_run with suite={} and rev={} runs it.",
            suite.id,
            short(&commit)
        );
    };
    let Some(result) = &newest.result else { return format!("NOT VERIFIED: {at}.") };
    let head = match (&*result.verdict, result.report.is_some()) {
        (PASSED, _) if result.is_unkept => {
            format!("NOT VERIFIED: {at}: it passed, but its end could not be kept")
        }
        (PASSED, true) => format!("PASSED: {at}"),
        (PASSED, false) => format!("NOT VERIFIED: {at}: the run kept no report"),
        (verdict, _) => format!("NOT PASSED: {at}: {verdict}"),
    };
    let told = current.iter().filter(tells);
    let passed = |run: &&&Run| run.result.as_ref().is_some_and(|result| result.verdict == PASSED);
    let (all, good) = (told.clone().count(), told.filter(passed).count());
    let unstable = if good > 0 && good < all { "; UNSTABLE" } else { "" };
    format!(
        "{head}\nrun: {}\ntests: {} passed, {} failed, {} errored, {} skipped\nended with: {}\n\
         sandbox: {}\ndeclaration SHA-256: {}\ntree: {tree}\nreport SHA-256: {}\ntime: {}\n\
         requester: {}\nruns of this tree: {good} of {all} passed{unstable}",
        newest.id,
        result.passed,
        result.failed,
        result.errored,
        result.skipped,
        result.exit,
        result.tier,
        newest.digest,
        result.report.as_deref().unwrap_or("none"),
        time(newest.ended.unwrap_or(newest.created)),
        contract::text::visible(&newest.requester),
    )
}

/// Milliseconds since 1970 as RFC 3339.
pub(crate) fn time(milliseconds: i64) -> String {
    let since = Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0));
    humantime::format_rfc3339_seconds(std::time::SystemTime::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{Finish, Source};
    use crate::testing::suite;

    fn revision() -> Revision {
        let id = |byte: u8| gix_hash::ObjectId::from_bytes_or_panic(&[byte; 20]);
        Revision { commit: id(1), tree: id(2) }
    }

    fn run(suite: &Suite, verdict: &str) -> Run {
        let result = Finish {
            verdict: verdict.to_owned(),
            passed: 3,
            report: Some("ab".to_owned()),
            tier: "namespaces".to_owned(),
            ..Finish::default()
        };
        Run {
            id: "web-00000001".to_owned(),
            suite: suite.id.clone(),
            digest: suite.digest.clone(),
            source: revision().source(),
            is_whole: true,
            result: Some(result),
            ..Run::default()
        }
    }

    fn check(runs: &[Run], start: &str) -> String {
        let suite = suite(json!({"argv": ["t"]})).expect("a suite");
        let answer = answer(&suite, &revision(), runs);
        assert!(answer.starts_with(start), "{answer}");
        answer
    }

    #[test]
    fn only_a_whole_clean_run_of_this_declaration_counts() {
        let suite = suite(json!({"argv": ["t"]})).expect("a suite");
        let good = run(&suite, "passed");
        let answer = check(std::slice::from_ref(&good), "PASSED: suite web at commit 0101");
        for part in ["web-00000001", "3 passed", "namespaces", &suite.digest, "ab", "1 of 1"] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        check(&[], "NOT VERIFIED");
        let bad = [
            Run { is_whole: false, ..good.clone() },
            Run { digest: "0".to_owned(), ..good.clone() },
            Run { result: None, ..good.clone() },
            Run { source: Source { is_export: false, ..revision().source() }, ..good.clone() },
            Run {
                source: Source { tree: Some("x".to_owned()), ..revision().source() },
                ..good.clone()
            },
            run(&suite, "interrupted"),
            run(&suite, "cancelled"),
        ];
        for one in bad {
            check(&[one], "NOT VERIFIED");
        }
        for verdict in
            ["failed", "disagree", "limited", "nothing_ran", "only_skipped", "report_stale"]
        {
            check(&[run(&suite, verdict)], "NOT PASSED");
        }
        let mut unkept = good;
        if let Some(result) = &mut unkept.result {
            result.is_unkept = true;
        }
        check(&[unkept], "NOT VERIFIED");
    }

    #[test]
    fn the_newest_run_that_tells_decides_and_older_ones_are_told() {
        let suite = suite(json!({"argv": ["t"]})).expect("a suite");
        let (good, bad) = (run(&suite, "passed"), run(&suite, "failed"));
        check(&[bad.clone(), good.clone()], "NOT PASSED");
        let answer = check(&[run(&suite, "cancelled"), good, bad], "PASSED");
        assert!(answer.ends_with("1 of 2 passed; UNSTABLE"), "{answer}");
    }
}

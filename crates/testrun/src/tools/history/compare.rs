//! Tests over runs: which are flaky, which are slow, and what is new, fixed or still failing.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Ctx, Kind, ToolError};
use reports::Status;

use crate::Testrun;
use crate::answer::{count, one_line, seconds};
use crate::store::{Fared, Record, Run};

/// How many tests are listed.
const MOST: usize = 20;
/// Most characters of a test's name.
const NAME: usize = 120;

type Lines = (Vec<String>, String);

/// A test's class and name.
pub(super) fn name(fared: &Fared) -> String {
    if fared.class.is_empty() {
        fared.name.clone()
    } else {
        format!("{} {}", fared.class, fared.name)
    }
}

fn counted(number: usize, what: &str) -> String {
    count(number as u64, what)
}

fn is_failing(fared: &Fared) -> bool {
    matches!(fared.status, Status::Failed | Status::Errored)
}

/// What a run tested, where that is known: two runs of the same had the same files, declaration
/// and inputs but for the choice of tests.
fn tested(run: &Run) -> Option<String> {
    let source = &run.source;
    let changes = source.changes.as_ref()?;
    Some(format!("{} {} {changes}", source.tree.as_ref()?, run.digest))
}

/// How often a test passed and failed on the very same source.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flaky {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) retried: usize,
}

/// The tests that passed and failed on the same source, or passed at a later attempt.
pub(super) fn found_flaky(runs: &[Run], records: &[Record]) -> BTreeMap<String, Flaky> {
    let sources: BTreeMap<&str, String> =
        runs.iter().filter_map(|run| Some((run.id.as_str(), tested(run)?))).collect();
    let mut counted: BTreeMap<(String, &str), Flaky> = BTreeMap::new();
    for record in records {
        let key = sources.get(record.run.as_str()).map_or(record.run.as_str(), String::as_str);
        let one = counted.entry((name(&record.fared), key)).or_default();
        one.failed += usize::from(is_failing(&record.fared));
        one.passed += usize::from(record.fared.status == Status::Passed);
        one.retried += usize::from(record.fared.flaky);
    }
    let mut flaky: BTreeMap<String, Flaky> = BTreeMap::new();
    for ((test, _), one) in counted {
        if one.retried > 0 || (one.passed > 0 && one.failed > 0) {
            let all = flaky.entry(test).or_default();
            all.passed += one.passed;
            all.failed += one.failed;
            all.retried += one.retried;
        }
    }
    flaky
}

/// The flaky tests, those that fail most first.
pub(super) async fn flaky(server: &Testrun, runs: &[Run]) -> Result<Lines, ToolError> {
    let ids: Vec<String> = runs.iter().map(|run| run.id.clone()).collect();
    let records = server.runs.records(&ids, None).await?;
    let mut found: Vec<(String, Flaky)> = found_flaky(runs, &records).into_iter().collect();
    found.sort_by_key(|(_, one)| std::cmp::Reverse(one.failed + one.retried));
    let lines = found.iter().take(MOST).map(|(test, one)| {
        let Flaky { passed, failed, retried } = one;
        let name = one_line(test, NAME);
        format!("{name}: {passed} passed, {failed} failed, {retried} passed after retries")
    });
    let trailer = format!(
        "{} in the last {}: passed and failed on the same source",
        counted(found.len(), "flaky test"),
        counted(runs.len(), "run")
    );
    Ok((lines.collect(), trailer))
}

/// The slowest tests, by their mean over the last runs that had them.
pub(super) async fn slowest(server: &Testrun, runs: &[Run]) -> Result<Lines, ToolError> {
    let ids: Vec<String> = runs.iter().take(10).map(|run| run.id.clone()).collect();
    let records = server.runs.records(&ids, None).await?;
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for record in &records {
        let time = record.fared.milliseconds.and_then(|time| u64::try_from(time).ok());
        times.entry(name(&record.fared)).or_default().extend(time);
    }
    let mean = |times: &[u64]| times.iter().sum::<u64>() / times.len().max(1) as u64;
    let mut tests: Vec<(u64, String, usize)> = times
        .into_iter()
        .filter(|(_, times)| !times.is_empty())
        .map(|(test, times)| (mean(&times), test, times.len()))
        .collect();
    tests.sort_by(|left, right| right.cmp(left));
    let lines = tests.iter().take(MOST).map(|(time, test, count)| {
        let runs = counted(*count, "run");
        format!("{} {} ({runs})", seconds(*time), one_line(test, NAME))
    });
    let (all, of) = (counted(tests.len(), "test"), counted(ids.len(), "run"));
    Ok((lines.collect(), format!("{all} of the last {of}")))
}

/// What differs between two runs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) new: Vec<String>,
    pub(super) fixed: Vec<String>,
    pub(super) still: Vec<String>,
    pub(super) gone: Vec<String>,
}

/// Holds how tests fared against how they fared before.
pub(super) fn changed(now: &[Fared], before: &[Fared]) -> Changed {
    let of = |some: &[Fared]| -> BTreeMap<String, bool> {
        some.iter().map(|one| (name(one), is_failing(one))).collect()
    };
    let passed: BTreeSet<String> =
        now.iter().filter(|one| one.status == Status::Passed).map(name).collect();
    let (after, earlier) = (of(now), of(before));
    let mut changed = Changed::default();
    for (test, is_bad) in &after {
        match (is_bad, earlier.get(test)) {
            (true, Some(true)) => changed.still.push(test.clone()),
            (true, _) => changed.new.push(test.clone()),
            // What is skipped now is not fixed.
            (false, Some(true)) if passed.contains(test) => changed.fixed.push(test.clone()),
            (false, Some(true)) => changed.gone.push(test.clone()),
            (false, _) => {}
        }
    }
    changed.gone.extend(earlier.into_keys().filter(|test| !after.contains_key(test)));
    changed
}

fn has_tests(run: &Run) -> bool {
    run.result.as_ref().is_some_and(|result| result.total() > 0)
}

/// The run that tells most: the last one of the whole suite if there is another one before it, else
/// the last one.
fn newest(runs: &[Run]) -> Option<&Run> {
    let mut whole = runs.iter().filter(|run| has_tests(run)).filter(|run| run.is_whole);
    match (whole.next(), whole.next()) {
        (Some(last), Some(_)) => Some(last),
        _ => runs.iter().find(|run| has_tests(run)),
    }
}

/// What a run is held against: the whole run before it, or one of the same inputs where there is
/// none.
fn earlier<'r>(runs: &'r [Run], now: &Run) -> Option<&'r Run> {
    // Newest first; a run that is not among them is older than all.
    let after = runs.iter().skip_while(|run| run.id != now.id).skip(1);
    let before: Vec<&Run> = after.filter(|run| has_tests(run)).collect();
    let whole = before.iter().find(|run| run.is_whole);
    whole.or_else(|| before.iter().find(|run| run.values == now.values)).copied()
}

/// What is new, fixed or still failing in a run, the last whole one unless it is named, against
/// another, the whole one before unless it is named.
pub(super) async fn changes(
    server: &Testrun,
    ctx: &Ctx,
    runs: &[Run],
    run: Option<String>,
    against: Option<String>,
) -> Result<Lines, ToolError> {
    let none =
        |what: &str| ToolError::new(Kind::NotFound, format!("there is no {what} to compare."));
    let now = match run {
        Some(id) => server.run(ctx, &id).await?,
        None => newest(runs).cloned().ok_or_else(|| none("run"))?,
    };
    let before = match against {
        Some(id) => server.run(ctx, &id).await?,
        None => earlier(runs, &now).cloned().ok_or_else(|| none("earlier run"))?,
    };
    if now.suite != before.suite {
        return Err(ToolError::invalid("against: that run is of another suite."));
    }
    let after = server.runs.fared(&now.id).await?;
    let mut found = changed(&after, &server.runs.fared(&before.id).await?);
    if !now.is_whole {
        // What a choice of tests leaves out is not gone.
        found.gone.clear();
    }
    let mut lines = Vec::new();
    for (what, tests) in [
        ("newly failing", &found.new),
        ("still failing", &found.still),
        ("fixed", &found.fixed),
        ("not run any more", &found.gone),
    ] {
        lines.extend(
            tests.iter().take(MOST).map(|test| format!("{what}: {}", one_line(test, NAME))),
        );
    }
    let trailer = format!(
        "{} against {}: {} newly failing, {} still failing, {} fixed, {} not run any more",
        now.id,
        before.id,
        found.new.len(),
        found.still.len(),
        found.fixed.len(),
        found.gone.len()
    );
    Ok((lines, trailer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Source;

    fn fared(name: &str, status: Status) -> Fared {
        Fared {
            class: String::new(),
            name: name.to_owned(),
            status,
            flaky: false,
            milliseconds: None,
        }
    }

    fn run(id: &str, tree: &str, changes: Option<&str>) -> Run {
        let (tree, changes) = (Some(tree.to_owned()), changes.map(str::to_owned));
        let source = Source { tree, changes, ..Source::default() };
        Run { id: id.to_owned(), source, ..Run::default() }
    }

    fn record(run: &str, name: &str, status: Status) -> Record {
        Record { run: run.to_owned(), fared: fared(name, status) }
    }

    #[test]
    fn flaky_is_what_passes_and_fails_on_the_same_source() {
        let runs = [
            run("1", "t", Some("")),
            run("2", "t", Some("")),
            run("3", "t", Some("x")),
            run("4", "t", None),
        ];
        let check = |records: &[Record], expected: &[&str]| {
            let found = found_flaky(&runs, records);
            assert_eq!(
                found.keys().map(String::as_str).collect::<Vec<_>>(),
                expected,
                "{records:?}"
            );
        };
        check(&[record("1", "a", Status::Passed), record("2", "a", Status::Failed)], &["a"]);
        check(&[record("1", "a", Status::Passed), record("3", "a", Status::Failed)], &[]);
        check(&[record("3", "a", Status::Passed), record("4", "a", Status::Failed)], &[]);
        check(&[record("1", "a", Status::Skipped), record("2", "a", Status::Failed)], &[]);
        check(&[record("1", "a", Status::Failed), record("2", "a", Status::Failed)], &[]);
        let mut retried = record("4", "b", Status::Passed);
        retried.fared.flaky = true;
        check(&[retried], &["b"]);
    }

    #[test]
    fn whole_runs_are_compared_unless_a_part_is_named() {
        use crate::store::Finish;
        let of = |id: &str, is_whole: bool, passed: u64| {
            let result = Some(Finish { passed, ..Finish::default() });
            Run { id: id.to_owned(), is_whole, result, ..Run::default() }
        };
        let id = |run: Option<&Run>| run.map(|run| run.id.clone()).unwrap_or_default();
        let runs = [
            of("rerun", false, 1),
            of("empty", true, 0),
            of("new", true, 3),
            of("part", false, 1),
            of("old", true, 3),
            of("oldest", false, 1),
        ];
        assert_eq!(id(newest(&runs)), "new");
        assert_eq!(id(newest(&runs[3..4])), "part");
        for (now, before) in [(0, "new"), (2, "old"), (3, "old"), (4, "oldest"), (5, "")] {
            assert_eq!(id(earlier(&runs, &runs[now])), before, "{now}");
        }
    }

    #[test]
    fn a_change_is_new_fixed_still_failing_or_gone() {
        use Status::{Errored, Failed, Passed, Skipped};
        let now = [("a", Failed), ("b", Passed), ("c", Errored), ("d", Failed), ("e", Skipped)];
        let before = [("a", Passed), ("b", Failed), ("c", Failed), ("e", Failed), ("f", Passed)];
        let of = |some: &[(&str, Status)]| -> Vec<Fared> {
            some.iter().map(|(name, status)| fared(name, *status)).collect()
        };
        let found = changed(&of(&now), &of(&before));
        let expected = Changed {
            new: vec!["a".to_owned(), "d".to_owned()],
            fixed: vec!["b".to_owned()],
            still: vec!["c".to_owned()],
            gone: vec!["e".to_owned(), "f".to_owned()],
        };
        assert_eq!(found, expected);
    }
}

//! Runs on a real database.

use reports::Status;

use super::*;

fn runs() -> (tempfile::TempDir, Runs) {
    let folder = tempfile::tempdir().expect("a folder");
    let runs = Runs::new(folder.path());
    (folder, runs)
}

fn run(id: &str) -> Run {
    let values = BTreeMap::from([("filter".to_owned(), "a".to_owned())]);
    Run {
        id: id.to_owned(),
        suite: "web".to_owned(),
        digest: "d".to_owned(),
        values,
        ..Run::default()
    }
}

fn over(mut run: Run, verdict: &str) -> Run {
    run.ended = Some(now());
    run.result = Some(Finish { verdict: verdict.to_owned(), passed: 1, ..Finish::default() });
    run
}

fn fared(name: &str, status: Status) -> Fared {
    Fared {
        class: "c".to_owned(),
        name: name.to_owned(),
        status,
        flaky: false,
        milliseconds: Some(7),
    }
}

#[tokio::test]
async fn a_run_is_known_after_a_restart() {
    let (folder, runs) = runs();
    assert_eq!(runs.last_digest("web").await.expect("an answer"), None);
    let first = run("web-00000001");
    runs.begin(&first).await.expect("kept");
    let found = runs.find(&first.id).await.expect("an answer").expect("a run");
    assert_eq!(found.stage.as_deref(), Some("it waits for its turn, the next one"));
    assert_eq!(Run { stage: None, ..found }, first);
    let done = over(first, "passed");
    let cases = [fared("a", Status::Passed), fared("b", Status::Failed)];
    runs.end(&done, &cases).await.expect("kept");
    // An end is an end.
    runs.end(&over(done.clone(), "failed"), &[]).await.expect("kept");
    let runs = Runs::new(folder.path());
    assert_eq!(runs.find(&done.id).await.expect("an answer"), Some(done.clone()));
    assert_eq!(runs.last("web", 9).await.expect("an answer"), std::slice::from_ref(&done));
    assert_eq!(runs.last("other", 9).await.expect("an answer"), []);
    assert_eq!(runs.fared(&done.id).await.expect("an answer"), cases);
    assert_eq!(runs.last_digest("web").await.expect("an answer").as_deref(), Some("d"));
    let ids = [done.id.clone()];
    for only in ["b", "c b"] {
        let found = runs.records(&ids, Some(only)).await.expect("an answer");
        assert_eq!(found, [Record { run: done.id.clone(), fared: cases[1].clone() }]);
    }
    assert!(runs.records(&ids, Some("' OR 1 --")).await.expect("an answer").is_empty());
}

#[tokio::test]
async fn a_declaration_counts_once_a_run_of_it_started() {
    let (_folder, runs) = runs();
    let of = |id: &str, digest: &str| Run { digest: digest.to_owned(), ..run(id) };
    let last = async || runs.last_digest("web").await.expect("an answer");
    let wrong = of("web-00000001", "wrong");
    runs.begin(&wrong).await.expect("kept");
    assert_eq!(last().await.as_deref(), Some("wrong"), "while it goes on, no other one may");
    runs.end(&over(wrong, "not_started"), &[]).await.expect("kept");
    assert_eq!(last().await, None);
    let right = of("web-00000002", "right");
    runs.begin(&right).await.expect("kept");
    runs.end(&over(right, "report_missing"), &[]).await.expect("kept");
    assert_eq!(last().await.as_deref(), Some("right"));
    // One that was accepted and did not start takes nothing away.
    let next = of("web-00000003", "next");
    runs.begin(&next).await.expect("kept");
    assert_eq!(last().await.as_deref(), Some("right"));
    runs.end(&over(next, "not_started"), &[]).await.expect("kept");
    assert_eq!(last().await.as_deref(), Some("right"));
}

#[tokio::test]
async fn what_died_is_interrupted_and_what_lives_is_not() {
    let (folder, runs) = runs();
    let mine = run("web-00000001");
    runs.begin(&mine).await.expect("kept");
    let other = Runs::new(folder.path());
    let theirs = run("web-00000002");
    other.begin(&theirs).await.expect("kept");
    let found = runs.find(&theirs.id).await.expect("an answer").expect("a run");
    assert_eq!(found.result, None, "its process lives");
    drop(other);
    let found = runs.find(&theirs.id).await.expect("an answer").expect("a run");
    assert_eq!(found.result.expect("a result").verdict, INTERRUPTED);
    assert_eq!(runs.find(&mine.id).await.expect("an answer").expect("a run").result, None);
    let listed = runs.last("web", 9).await.expect("an answer");
    assert!(listed[0].result.is_some() && listed[1].result.is_none(), "{listed:?}");
    // It stays so.
    let again = Runs::new(folder.path()).find(&theirs.id).await.expect("an answer");
    assert_eq!(again.expect("a run").result.expect("a result").verdict, INTERRUPTED);
}

#[tokio::test]
async fn of_tests_with_one_name_the_worst_is_kept() {
    let (_folder, runs) = runs();
    let one = run("web-00000001");
    runs.begin(&one).await.expect("kept");
    let cases = [Status::Passed, Status::Errored, Status::Skipped].map(|status| fared("a", status));
    runs.end(&over(one.clone(), "failed"), &cases).await.expect("kept");
    let kept = runs.fared(&one.id).await.expect("an answer");
    assert_eq!(kept, [fared("a", Status::Errored)]);
}

#[tokio::test]
async fn old_runs_go_with_their_files_and_those_under_way_stay() {
    let (_folder, runs) = runs();
    for number in 1..=4 {
        let mut one = run(&format!("web-0000000{number}"));
        one.created = number;
        runs.begin(&one).await.expect("kept");
        std::fs::create_dir_all(runs.folder(&one.id)).expect("a folder");
        if number != 1 {
            runs.end(&over(one, "passed"), &[fared("a", Status::Passed)]).await.expect("kept");
        }
    }
    runs.prune("other", i64::MAX, 0).await.expect("pruned");
    runs.prune("web", 0, 2).await.expect("pruned");
    let ids = async || -> Vec<String> {
        let kept = runs.last("web", 9).await.expect("an answer");
        kept.into_iter().map(|run| run.id).collect()
    };
    assert_eq!(ids().await, ["web-00000004", "web-00000003", "web-00000001"]);
    assert!(!runs.folder("web-00000002").exists() && runs.folder("web-00000003").exists());
    runs.prune("web", 4, 9).await.expect("pruned");
    assert_eq!(ids().await, ["web-00000004", "web-00000001"]);
    assert!(runs.fared("web-00000003").await.expect("an answer").is_empty());
}

/// As in a process that may write nothing but its state: SQLite has no folder for temporary files.
#[test]
fn a_large_suite_is_kept_twice_by_a_confined_process() {
    use std::io::{Read as _, Write as _};
    // In a process of its own: what is split off from one with many threads may find locks that
    // nobody opens any more.
    if std::env::var_os("CONFINED").is_none() {
        let name = "store::tests::a_large_suite_is_kept_twice_by_a_confined_process";
        let own = std::env::current_exe().expect("this program");
        let mut alone = std::process::Command::new(own);
        let done = alone.args([name, "--exact", "--test-threads=1"]).env("CONFINED", "1").output();
        let done = done.expect("run");
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{done:?}");
        return;
    }
    let (folder, _) = runs();
    let kept = async |runs: &Runs| {
        for id in ["web-00000001", "web-00000002"] {
            let one = run(id);
            runs.begin(&one).await?;
            let cases: Vec<Fared> =
                (0..20_000).map(|number| fared(&format!("t{number}"), Status::Passed)).collect();
            runs.end(&over(one, "passed"), &cases).await?;
        }
        Ok::<_, ToolError>(())
    };
    let mut stream = confine::split_off(|mut stream| {
        let write = vec![folder.path().to_owned()];
        let held = confine::confine(&confine::Plan { write, ..confine::Plan::default() });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = match (held, runtime) {
            (Ok(_), Ok(runtime)) => runtime.block_on(kept(&Runs::new(folder.path()))),
            _ => Err(ToolError::internal("it is not confined")),
        };
        let _ = write!(stream, "{done:?}");
    })
    .expect("a process");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an answer");
    assert_eq!(said, "Ok(())");
}

#[tokio::test]
async fn many_tests_are_kept_quickly_enough_to_be_tested() {
    let (_folder, runs) = runs();
    let one = run("web-00000001");
    runs.begin(&one).await.expect("kept");
    let cases: Vec<Fared> =
        (0..12_000).map(|number| fared(&format!("t{number}"), Status::Passed)).collect();
    runs.end(&over(one.clone(), "passed"), &cases).await.expect("kept");
    assert_eq!(runs.fared(&one.id).await.expect("an answer").len(), 12_000);
}

#[tokio::test]
async fn names_of_tests_go_with_the_last_run_that_had_them() {
    let (_folder, runs) = runs();
    for number in 1..=3 {
        let one = run(&format!("web-0000000{number}"));
        runs.begin(&one).await.expect("kept");
        let cases = [fared("always", Status::Passed), fared(&format!("t{number}"), Status::Passed)];
        runs.end(&over(one, "passed"), &cases).await.expect("kept");
    }
    runs.prune("web", 0, 2).await.expect("pruned");
    let names = sqlx::query_scalar::<_, String>("SELECT name FROM tests ORDER BY name");
    let names = names.fetch_all(runs.pool().await.expect("open")).await.expect("names");
    assert_eq!(names, ["always", "t2", "t3"]);
    assert_eq!(runs.fared("web-00000003").await.expect("an answer").len(), 2);
}

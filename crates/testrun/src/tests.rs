//! Real suites through runner, sandbox and reports.

use std::path::{Path, PathBuf};

use contract::{Kind, Server as _};
use serde_json::{Value, json};

use crate::testing::{call, call_in, place};
use crate::tools;
use crate::{Settings, Testrun};

mod told;

/// A project in a temporary folder, and the server that runs its suites.
struct World {
    folder: tempfile::TempDir,
    server: Testrun,
}

/// Writes a JUnit report of so many tests, of which some fail, and ends as a runner would.
const RUNNER: &str = r#"#!/bin/sh
# tests failing code
mkdir -p out
echo "running $1 tests"
{
  echo "<testsuites><testsuite name=\"s\" tests=\"$1\" failures=\"$2\" errors=\"0\" skipped=\"0\">"
  number=0
  while [ $number -lt $1 ]; do
    number=$((number + 1))
    if [ $number -le $2 ]; then
      echo "<testcase classname=\"c\" name=\"t$number\"><failure message=\"no $number\">src/a.rs:$number: x</failure></testcase>"
    else
      echo "<testcase classname=\"c\" name=\"t$number\"/>"
    fi
  done
  echo "</testsuite></testsuites>"
} > out/report.xml
exit $3
"#;

impl World {
    async fn new(suites: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("runner.sh"), RUNNER).expect("written");
        std::fs::create_dir_all(folder.path().join("state/testrun")).expect("a folder");
        std::fs::create_dir_all(folder.path().join("state/other")).expect("a folder");
        std::fs::write(folder.path().join("state/other/secret"), "zqcanary").expect("written");
        std::fs::write(folder.path().join(".env"), "SECRET=hunter2").expect("written");
        let server = open(folder.path(), suites).await;
        Self { folder, server }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    async fn run(&self, args: Value) -> String {
        let mut args = args;
        args["reason"] = json!("to see whether it works");
        args["wait"] = args.get("wait").cloned().unwrap_or(json!(60));
        call::<tools::run::Start>(&self.server, args).await.expect("a run")
    }
}

/// Opens the server with its runner.
async fn open(folder: &Path, suites: Value) -> Testrun {
    let settings = || -> Settings {
        let settings = json!({"suites": suites, "at_once": 8});
        serde_json::from_value(settings).expect("settings")
    };
    let work = Testrun::beside(&settings(), &place(folder)).expect("work");
    let stream = crate::testing::runner(work);
    let place = place(folder).with_beside(Some(stream));
    Testrun::open(settings(), &place).await.expect("a server")
}

fn suite(argv: Value) -> Value {
    json!({
        "folder": ".",
        "argv": argv,
        "report": {"format": "junit", "path": "out/report.xml"},
        "time": 60,
        "hidden": [".env"],
    })
}

fn id(shown: &str) -> String {
    shown.split_once(':').expect(shown).0.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_runs_and_its_failures_are_told() {
    let world = World::new(json!({
        "good": suite(json!(["sh", "runner.sh", "3", "0", "0"])),
        "bad": suite(json!(["sh", "runner.sh", "25", "12", "1"])),
    }))
    .await;
    let good = world.run(json!({"suite": "good"})).await;
    assert!(good.contains(": passed"), "{good}");
    assert!(good.contains("3 tests: 3 passed") && good.contains("sandbox: namespaces"), "{good}");
    assert!(!world.path("out").exists(), "the run changed nothing");
    let bad = world.run(json!({"suite": "bad"})).await;
    assert!(bad.contains(": failed") && bad.contains("25 tests: 13 passed, 12 failed"), "{bad}");
    assert!(bad.contains("1. c t1") && bad.contains("   no 1"), "{bad}");
    assert!(bad.contains("src/a.rs:1"), "the frames that are ours: {bad}");
    let args = json!({"run": id(&bad), "test": "c t12"});
    let one = call::<tools::failure::One>(&world.server, args).await.expect("a failure");
    assert!(one.contains("12. c t12") && one.contains("message: no 12"), "{one}");
    let log = json!({"run": id(&bad)});
    let log = call::<tools::log::Log>(&world.server, log).await.expect("a log");
    assert!(log.contains("running 25 tests"), "{log}");
    // Another process of the server knows them.
    let later = open(world.folder.path(), json!({"bad": suite(json!(["true"]))})).await;
    let args = json!({"run": id(&bad)});
    let again = call::<tools::result::Result>(&later, args).await.expect("a result");
    assert_eq!(again, bad);
    let args = json!({"run": id(&good)});
    let other = call::<tools::result::Result>(&later, args).await;
    assert!(other.is_ok(), "runs of suites that were declared once are kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_passes_that_did_not_show_it() {
    let world = World::new(json!({
        "silent": suite(json!(["true"])),
        "none": suite(json!(["sh", "runner.sh", "0", "0", "0"])),
        "hides": suite(json!(["sh", "runner.sh", "3", "1", "0"])),
        "crashes": suite(json!(["sh", "runner.sh", "3", "0", "7"])),
        "unknown": suite(json!(["/no/such/program"])),
        "stale": suite(json!(["true"])),
        "slow": {"folder": ".", "argv": ["sleep", "60"], "time": 1},
        "exit": {"folder": ".", "argv": ["true"]},
    }))
    .await;
    std::fs::create_dir(world.path("out")).expect("a folder");
    let report =
        "<testsuites><testsuite name='s' tests='1'><testcase name='a'/></testsuite></testsuites>";
    for (suite, verdict) in [
        ("silent", "report_missing"),
        ("none", "nothing_ran"),
        ("hides", "disagree"),
        ("crashes", "disagree"),
        ("unknown", "not_started"),
        ("slow", "limited"),
        ("exit", "report_missing"),
    ] {
        let shown = world.run(json!({"suite": suite})).await;
        assert!(shown.contains(&format!(": {verdict}")), "{suite}: {shown}");
    }
    std::fs::write(world.path("out/report.xml"), report).expect("written");
    let shown = world.run(json!({"suite": "stale"})).await;
    assert!(shown.contains(": report_stale"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_sees_no_state_no_secret_and_no_other_variable() {
    let look = "cat state/other/secret .env; echo state: $(ls -A state); env | sort";
    let mut looks = suite(json!(["sh", "-c", look]));
    looks["env"] = json!({"set": {"ONE": "1"}, "pass": ["NOT_THERE"]});
    let world = World::new(json!({"looks": looks})).await;
    let run = id(&world.run(json!({"suite": "looks"})).await);
    let log = call::<tools::log::Log>(&world.server, json!({"run": run})).await.expect("a log");
    assert!(log.contains("state:") && log.contains("ONE=1") && log.contains("HOME="), "{log}");
    for hidden in ["hunter2", "other", "CARGO", "NOT_THERE", "zqcanary"] {
        assert!(!log.contains(hidden), "{hidden}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_ended_by_its_id_and_one_that_waits_too() {
    let mut slow = suite(json!(["sleep", "60"]));
    slow["at_once"] = json!(1);
    let world = World::new(json!({"slow": slow})).await;
    let first = id(&world.run(json!({"suite": "slow", "wait": 0})).await);
    let second = id(&world.run(json!({"suite": "slow", "wait": 0})).await);
    for run in [&second, &first] {
        let shown = world.run(json!({"cancel": run})).await;
        assert!(shown.contains(&format!("{run}: cancelled")), "{shown}");
    }
    let shown = world.run(json!({"cancel": first})).await;
    assert!(shown.starts_with("it was over before"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_at_a_time_all_end() {
    let world = World::new(json!({"many": suite(json!(["sh", "runner.sh", "5", "0", "0"]))})).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(id(&world.run(json!({"suite": "many", "wait": 0})).await));
    }
    for run in ids {
        let args = json!({"run": run, "wait": 120});
        let shown = call::<tools::result::Result>(&world.server, args).await.expect("a result");
        assert!(shown.contains(": passed"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_is_verified_by_a_clean_run_only() {
    let world = World::new(json!({"web": suite(json!(["sh", "runner.sh", "3", "0", "0"]))})).await;
    let git = |args: &[&str]| {
        let done = std::process::Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com"])
            .args(args)
            .current_dir(world.folder.path())
            .output()
            .expect("git");
        assert!(done.status.success(), "{done:?}");
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "runner.sh"]);
    git(&["commit", "-q", "-m", "x"]);
    let verify = async || {
        let args = json!({"suite": "web", "rev": "main"});
        call::<tools::verify::Verify>(&world.server, args).await.expect("an answer")
    };
    assert!(verify().await.starts_with("NOT VERIFIED"));
    let shown = world.run(json!({"suite": "web"})).await;
    assert!(shown.contains("working tree, tracked files as in"), "{shown}");
    assert!(verify().await.starts_with("NOT VERIFIED"), "a working tree is no commit");
    // What is in the working tree now is not what was committed.
    std::fs::write(world.path("runner.sh"), "exit 1").expect("written");
    let shown = world.run(json!({"suite": "web", "rev": "main"})).await;
    assert!(shown.contains(": passed") && shown.contains("commit "), "{shown}");
    let answer = verify().await;
    assert!(answer.starts_with("PASSED: suite web at commit "), "{answer}");
    assert!(answer.contains("3 passed, 0 failed") && answer.contains("exit code 0"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runner_believes_nobody() {
    let inputs = json!({"filter": {"pattern": "[a-z]+"}});
    let mut web = suite(json!(["echo", "{filter}"]));
    web["inputs"] = inputs;
    let world = World::new(json!({"web": web, "slow": suite(json!(["sleep", "60"]))})).await;
    let link = world.server.link.as_ref().expect("a runner");
    let digest = world.server.suites["web"].digest.clone();
    let start = |run: &str, suite: &str, value: &str| crate::wire::Start {
        run: run.to_owned(),
        suite: suite.to_owned(),
        digest: digest.clone(),
        values: [("filter".to_owned(), value.to_owned())].into(),
        export: None,
    };
    let mut wrong = vec![
        start("../../etc-00000000", "web", "a"),
        start("web-00000001", "other", "a"),
        start("web-00000002", "web", "--evil"),
        start("web-00000003", "web", "a b"),
        start("web-00000004", "slow", "a"),
    ];
    let other = crate::wire::Start { digest: "0".repeat(64), ..start("web-00000005", "web", "a") };
    let export = Some("../../..".to_owned());
    let escape = crate::wire::Start { export, ..start("web-00000006", "web", "a") };
    wrong.extend([other, escape]);
    for start in wrong {
        let shown = format!("{start:?}");
        let mut phase = link.start(start).expect("asked");
        let ended = |phase: &crate::link::Phase| matches!(phase, crate::link::Phase::Ended(_));
        let phase = phase.wait_for(ended).await.expect("an end").clone();
        let crate::link::Phase::Ended(outcome) = phase else { unreachable!("{shown}") };
        assert!(matches!(*outcome, crate::wire::Outcome::Refused(_)), "{shown}: {outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_declared_or_not_accepted_does_not_run() {
    let world = World::new(json!({"web": suite(json!(["sh", "runner.sh", "1", "0", "0"]))})).await;
    let refused = async |server: &Testrun, args: Value| {
        let mut args = args;
        args["reason"] = json!("to see whether it works");
        call::<tools::run::Start>(server, args).await.expect_err("a refusal")
    };
    let error = refused(&world.server, json!({"suite": "other"})).await;
    assert_eq!(error.kind, Kind::NotFound);
    let error = refused(&world.server, json!({"suite": "web", "inputs": {"x": "y"}})).await;
    assert_eq!(error.kind, Kind::Invalid);
    let error = refused(&world.server, json!({"suite": "web", "rev": "main"})).await;
    assert!(error.message.contains("working tree only"), "{error}");
    let args = json!({"suite": "web", "rev": "main"});
    let error = call::<tools::verify::Verify>(&world.server, args).await.expect_err("no revisions");
    assert!(error.message.contains("no commit of it can be verified"), "{error}");
    world.run(json!({"suite": "web"})).await;
    let changed = suite(json!(["sh", "runner.sh", "2", "0", "0"]));
    let later = open(world.folder.path(), json!({"web": changed.clone()})).await;
    let error = refused(&later, json!({"suite": "web"})).await;
    assert!(error.message.contains("digest = \""), "{error}");
    let mut pinned = changed;
    pinned["digest"] = json!(later.suites["web"].digest);
    let accepted = open(world.folder.path(), json!({"web": pinned})).await;
    let args = json!({"suite": "web", "reason": "to see whether it works"});
    let shown = call::<tools::run::Start>(&accepted, args).await.expect("a run");
    assert!(shown.contains("2 tests: 2 passed"), "{shown}");
}

/// The ids at the beginning of lines.
fn runs_of(shown: &str) -> Vec<String> {
    let ids = shown.lines().filter_map(|line| line.split_once(": "));
    ids.map(|(id, _)| id.to_owned()).filter(|id| crate::wire::is_run(id)).collect()
}

/// Whether a process runs whose command line holds this word.
fn is_running(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("proc(5)").flatten();
    let mut lines = processes.filter_map(|one| std::fs::read(one.path().join("cmdline")).ok());
    lines.any(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
}

/// Waits until something holds, as long as a test may take.
async fn until(holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it never came to be");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_ends_leaves_no_process_and_its_runs_are_interrupted() {
    let mark = format!("600.{}", std::process::id());
    let sleep = format!("setsid sleep {mark} & sleep {mark}");
    let world = World::new(json!({"slow": suite(json!(["sh", "-c", sleep]))})).await;
    let run = id(&world.run(json!({"suite": "slow", "wait": 0})).await);
    until(|| is_running(&mark)).await;
    let World { folder, server } = world;
    let later = open(folder.path(), json!({"slow": suite(json!(["true"]))})).await;
    let args = json!({"run": run});
    let shown = call::<tools::result::Result>(&later, args.clone()).await.expect("a result");
    assert!(shown.contains("not over yet"), "{shown}");
    let error = call::<tools::run::Start>(&later, json!({"cancel": run, "reason": "x"})).await;
    assert_eq!(error.expect_err("a refusal").kind, Kind::Unavailable, "another process has it");
    // As at the end of a process: its tasks end, and so does its stream.
    let runs = std::sync::Arc::downgrade(&server.runs);
    let link = server.link.clone().expect("a link");
    link.close();
    drop((server, link));
    until(|| !is_running(&mark)).await;
    until(|| runs.upgrade().is_none()).await;
    let shown = call::<tools::result::Result>(&later, args).await.expect("a result");
    let told = "working tree; how it ended is not known; declaration";
    assert!(shown.contains(": interrupted") && shown.contains(told), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_ends_its_run() {
    let world = World::new(json!({"slow": suite(json!(["sleep", "60"]))})).await;
    let gone = crate::testing::ctx_of(None, tools::run::CONTRACT.size, true);
    let args = json!({"suite": "slow", "wait": 60, "reason": "to see whether it works"});
    call_in::<tools::run::Start>(&world.server, &gone, args).await.expect("an answer");
    let runs = world.server.runs.last("slow", 1).await.expect("runs");
    assert_eq!(runs[0].result.as_ref().expect("a result").verdict, "cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_that_the_caller_may_not_use_is_unknown() {
    let suites = json!({"web": suite(json!(["true"])), "other": suite(json!(["true"]))});
    let world = World::new(suites).await;
    let run = id(&world.run(json!({"suite": "other"})).await);
    let ctx = crate::testing::ctx(Some(&["web"]), tools::run::CONTRACT.size);
    let asked = json!({"run": run});
    let called = call_in::<tools::result::Result>(&world.server, &ctx, asked).await;
    let error = called.expect_err("a refusal");
    assert_eq!(error.kind, Kind::NotFound);
    let asked = json!({"suite": "other", "reason": "to see whether it works"});
    let called = call_in::<tools::run::Start>(&world.server, &ctx, asked).await;
    let error = called.expect_err("a refusal");
    assert_eq!(error.kind, Kind::NotFound);
    assert!(!error.message.contains("other,"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_report_is_told_in_few_words_and_paged() {
    let mut many = suite(json!(["sh", "runner.sh", "3000", "3000", "1"]));
    many["rerun"] = json!({"input": "filter", "join": "|"});
    many["inputs"] = json!({"filter": {"pattern": "[a-z0-9|]*", "length": 40}});
    many["argv"] = json!(["sh", "runner.sh", "3000", "3000", "1", ["--filter", "{filter}"]]);
    let world = World::new(json!({"many": many})).await;
    let shown = world.run(json!({"suite": "many"})).await;
    assert!(shown.len() < 2_500 && shown.contains("3000 failed"), "{}: {shown}", shown.len());
    let run = id(&shown);
    let cursor = shown.rsplit_once("cursor=").expect("a cursor").1;
    let args = json!({"run": run, "cursor": cursor});
    let next = call::<tools::result::Result>(&world.server, args).await.expect("a page");
    assert!(
        next.contains(&format!("{}. c t", cursor.parse::<u32>().expect("a number") + 1)),
        "{next}"
    );
    let args = json!({"run": run, "times": 2, "wait": 120, "reason": "to see whether it works"});
    let again = call::<tools::rerun_failed::Again>(&world.server, args).await.expect("runs");
    let listed = runs_of(&again);
    let args = json!({"run": listed[0]});
    let shown = call::<tools::result::Result>(&world.server, args).await.expect("a result");
    assert!(shown.contains("with failed tests of") && !shown.contains("t1|t2"), "{shown}");
    assert!(again.contains("left out") && again.matches(": failed").count() == 2, "{again}");
    let runs = world.server.runs.last("many", 9).await.expect("runs");
    assert_eq!(runs[0].values["filter"], "t1|t2|t3|t4|t5|t6|t7|t8|t9|t10|t11|t12");
    assert!(!runs[0].is_whole && runs[2].is_whole && runs[0].again.as_ref() == Some(&run));
    for show in ["runs", "flaky", "slowest", "changes"] {
        let args = json!({"suite": "many", "show": show});
        let shown = call::<tools::history::History>(&world.server, args).await.expect(show);
        assert!(shown.len() < 5_000, "{show}: {}", shown.len());
    }
}

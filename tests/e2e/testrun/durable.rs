//! Runs outlive calls and servers: what ended is known, what died is "interrupted", and nothing
//! survives of a server that was killed.

use serde_json::json;
use tests::harness::acting::call;

use super::{World, args, id, processes, ran, until, verdict};

/// A case that goes on until it is ended, in several processes that hide from each other.
fn endless(world: &World, mark: &str) {
    let script = format!(
        "setsid sh -c 'sleep 7{mark}; true' & (setsid sleep 7{mark} &) ; \
         nohup sleep 7{mark} >/dev/null 2>&1 & echo ready; sleep 7{mark}"
    );
    world.case("endless", &script);
}

/// A mark that no other process on this machine has in its command line.
fn mark(nth: u32) -> String {
    format!("{}{nth}", std::process::id())
}

fn begun(world: &World, session: &mut tests::harness::Session, mark: &str) -> String {
    let mut args = args("endless");
    args["wait"] = json!(0);
    let run = id(&call(session, "test_run", &args));
    let line = format!("sleep 7{mark}");
    until("the run goes on", || processes(&line).len() >= 4);
    assert!(world.folder.path("state/testrun/runs").join(&run).exists());
    run
}

#[test]
fn a_run_is_followed_and_cancelled_with_all_its_processes() {
    let world = World::new("");
    let mark = mark(1);
    endless(&world, &mark);
    let mut session = world.start();
    let run = begun(&world, &mut session, &mark);
    let said = call(&mut session, "test_result", &json!({"run": run, "wait": 1}));
    assert!(said.contains("not over yet"), "{said}");
    let cancel = json!({"cancel": run, "reason": "because the test says so"});
    let said = call(&mut session, "test_run", &cancel);
    assert_eq!(verdict(&said), "cancelled", "{said}");
    assert_eq!(processes(&format!("sleep 7{mark}")), Vec::<String>::new(), "at once");
    let again = call(&mut session, "test_run", &cancel);
    assert!(again.starts_with("it was over before"), "{again}");
}

#[test]
fn nothing_survives_a_server_that_is_killed() {
    let world = World::new("");
    let mark = mark(2);
    endless(&world, &mark);
    let mut session = world.start();
    let run = begun(&world, &mut session, &mark);
    session.signal("KILL");
    let line = format!("sleep 7{mark}");
    until("no survivor", || processes(&line).is_empty());
    drop(session);
    let mut session = world.start();
    let said = call(&mut session, "test_result", &json!({"run": run}));
    assert_eq!(verdict(&said), "interrupted", "{said}");
    assert_eq!(verdict(&ran(&mut session, "passed")), "passed", "and it goes on");
}

#[test]
fn a_server_that_ends_takes_its_runs_along() {
    let world = World::new("");
    let mark = mark(3);
    endless(&world, &mark);
    let mut session = world.start();
    begun(&world, &mut session, &mark);
    drop(session);
    let line = format!("sleep 7{mark}");
    until("no survivor", || processes(&line).is_empty());
}

#[test]
fn runs_are_known_to_the_next_server() {
    let world = World::new("");
    let mut session = world.start();
    let said = ran(&mut session, "failed");
    let run = id(&said);
    drop(session);
    let mut session = world.start();
    assert_eq!(call(&mut session, "test_result", &json!({"run": run})), said);
    let listed = call(&mut session, "test_history", &json!({"suite": "web"}));
    assert!(listed.contains(&run), "{listed}");
}

#[test]
fn twenty_runs_at_once_each_come_to_their_own_end() {
    let world = World::new("[servers.testrun.tools.test_run]\nlimit = \"60/minute\"\n");
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    let text = text.replace("[servers.testrun]\n", "[servers.testrun]\nat_once = 20\n");
    world.folder.write("servers.toml", &text);
    let mut session = world.start();
    let params = |case: &str| json!({"name": "test_run", "arguments": args(case)});
    let mut open = Vec::new();
    for nth in 0..20 {
        let case = if nth % 2 == 0 { "passed" } else { "failed" };
        open.push((session.post_modern("tools/call", params(case)), case));
    }
    while !open.is_empty() {
        let answer = session.receive().expect("the server answers");
        let Some(at) = open.iter().position(|(id, _)| answer["id"] == *id) else { continue };
        let (_, case) = open.remove(at);
        let said = tests::harness::text(&answer).to_owned();
        assert_eq!(verdict(&said), case, "{said}");
    }
}

#[test]
fn what_failed_is_run_again_and_alone() {
    let world = World::new("rerun = { input = \"word\" }\n");
    world.case("failed", "echo \"again: $1\"; report 2 1 0 \"$good$bad\"; exit 1");
    let mut session = world.start();
    let run = id(&ran(&mut session, "failed"));
    let again = json!({"run": run, "wait": 120, "reason": "because the test says so"});
    let said = call(&mut session, "test_rerun_failed", &again);
    assert_eq!(verdict(&said), "failed", "{said}");
    let log = call(&mut session, "test_log", &json!({"run": id(&said)}));
    assert!(log.contains("again: bad"), "{log}");
    let passed = id(&ran(&mut session, "passed"));
    let none = json!({"run": passed, "reason": "because the test says so"});
    let said = call(&mut session, "test_rerun_failed", &none);
    assert!(said.starts_with("invalid: "), "{said}");
}

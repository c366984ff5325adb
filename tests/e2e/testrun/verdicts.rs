//! "Passed" is said of what passed, and of nothing else.

use serde_json::json;
use tests::harness::acting::call;

use super::{World, id, ran, verdict};

#[test]
fn each_doubt_has_its_own_verdict() {
    let world = World::new("time = 2\nmemory = 64\ndisk = 8\nprocesses = 60\n");
    for (name, script, expected) in [
        ("plain", "report 2 0 0 \"$good<testcase name='also'/>\"", "passed"),
        ("some", "report 2 0 1 \"$good$skipped\"", "passed"),
        ("bad", "report 2 1 0 \"$good$bad\"; exit 1", "failed"),
        ("nothing", "report 0 0 0 ''", "nothing_ran"),
        ("nothing_and_fails", "report 0 0 0 ''; exit 4", "nothing_ran"),
        ("only_skips", "report 1 0 1 \"$skipped\"", "only_skipped"),
        ("missing", "echo '1 passed'", "report_missing"),
        ("missing_and_fails", "exit 1", "report_missing"),
        ("empty", ": > out/report.xml", "report_truncated"),
        (
            "cut",
            "report 1 0 0 \"$good\"; head -c 60 out/report.xml > x; mv x out/report.xml",
            "report_truncated",
        ),
        ("no_xml", "echo hello > out/report.xml", "report_unreadable"),
        ("liar", "report 1 0 0 \"$good\"; exit 1", "disagree"),
        ("hides", "report 2 1 0 \"$good$bad\"; exit 0", "disagree"),
        ("lost_one", "report 3 0 0 \"$good\"", "counts_wrong"),
        ("lost_failure", "report 2 1 0 \"$good\"; exit 1", "counts_wrong"),
        ("slow", "report 1 0 0 \"$good\"; sleep 600", "limited"),
        (
            "hungry",
            "report 1 0 0 \"$good\"; awk 'BEGIN { x = \"x\"; while (1) x = x x }'",
            "limited",
        ),
        ("killed", "report 1 0 0 \"$good\"; kill -9 $$", "disagree"),
        ("a_folder", "mkdir out/report.xml", "report_missing"),
        ("a_pipe", "mkfifo out/report.xml", "report_missing"),
        ("a_link", "ln -s /etc/passwd out/report.xml", "report_missing"),
    ] {
        world.case(name, script);
        let mut session = world.start();
        let said = ran(&mut session, name);
        let found = verdict(&said);
        let fits =
            found == expected || (found.starts_with("report_") && expected.starts_with("report_"));
        assert!(fits, "{name}: {expected} expected: {said}");
        assert_eq!(found == "passed", expected == "passed", "{name}: {said}");
        assert!(said.contains("sandbox: namespaces"), "the tier is named: {said}");
    }
}

#[test]
fn a_report_that_was_there_before_is_none() {
    let world = World::new("");
    let before =
        "<testsuites><testsuite name='s' tests='1'><testcase name='t'/></testsuite></testsuites>";
    world.folder.write("project/out/report.xml", before);
    world.case("lazy", "true");
    let mut session = world.start();
    let said = ran(&mut session, "lazy");
    assert_eq!(verdict(&said), "report_stale", "{said}");
    world.case("touches", "touch -d 2001-01-01 out/report.xml");
    let said = ran(&mut session, "touches");
    assert_ne!(verdict(&said), "passed", "{said}");
}

#[test]
fn a_program_that_is_not_there_is_told_of() {
    let world = World::new("");
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world
        .folder
        .write("servers.toml", &text.replace("argv = [\"sh\"", "argv = [\"no-such-program\""));
    let mut session = world.start();
    let said = ran(&mut session, "passed");
    assert_eq!(verdict(&said), "not_started", "{said}");
    assert!(said.contains("no-such-program"), "{said}");
}

#[test]
fn a_suite_without_a_report_never_passes() {
    let world = World::new("");
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    let report = "report = { format = \"junit\", path = \"out/report.xml\" }\n";
    world.folder.write("servers.toml", &text.replace(report, ""));
    let mut session = world.start();
    let said = ran(&mut session, "passed");
    assert_ne!(verdict(&said), "passed", "{said}");
}

#[test]
fn failures_are_told_with_message_and_place_and_one_in_full() {
    let world = World::new("");
    world.folder.write("project/src/a.rs", "fn main() {}\n");
    let mut session = world.start();
    let said = ran(&mut session, "failed");
    assert_eq!(verdict(&said), "failed", "{said}");
    for part in ["2 tests: 1 passed, 1 failed", "<untrusted source=", "bad", "src/a.rs:7"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let run = id(&said);
    let one = call(&mut session, "test_failure", &json!({"run": run, "test": "1"}));
    assert!(one.contains("src/a.rs:7: no"), "{one}");
    let named = call(&mut session, "test_failure", &json!({"run": run, "test": "bad"}));
    assert_eq!(one, named);
    let none = call(&mut session, "test_failure", &json!({"run": run, "test": "good"}));
    assert!(none.starts_with("not_found: "), "{none}");
    let again = call(&mut session, "test_result", &json!({"run": run}));
    assert_eq!(again, said, "the same, whenever it is asked for");
}

#[test]
fn reports_are_written_out_and_can_be_attached() {
    let world = World::new("");
    let mut session = world.start();
    let run = id(&ran(&mut session, "failed"));
    let listed = session.request("resources/list", json!({}));
    for of in ["junit", "ctrf", "log"] {
        let uri = format!("testrun://{run}/{of}");
        let is_there = listed["result"]["resources"].to_string().contains(&uri);
        let read = session.request("resources/read", json!({"uri": uri}));
        let text = read["result"]["contents"][0]["text"].as_str().unwrap_or_default().to_owned();
        match of {
            "log" => {}
            "junit" => assert!(is_there && text.contains("<failure"), "{read}"),
            _ => assert!(is_there && text.contains("\"failed\""), "{read}"),
        }
    }
}

#[test]
fn history_tells_flaky_tests_and_what_changed() {
    let world = World::new("");
    let mut session = world.start();
    let first = id(&ran(&mut session, "passed"));
    let second = id(&ran(&mut session, "failed"));
    let args = json!({"show": "changes", "run": second, "against": first});
    let said = call(&mut session, "test_history", &args);
    assert!(said.contains("bad"), "{said}");
    let listed = call(&mut session, "test_history", &json!({"suite": "web"}));
    assert!(listed.contains(&first) && listed.contains(&second), "{listed}");
    // The same source, and a test that fares once so and once so.
    world.case(
        "coin",
        "if [ -e /tmp/x ]; then report 1 0 0 \"$good\"; else report 1 0 0 \"$good\"; fi",
    );
    let slow = call(&mut session, "test_history", &json!({"suite": "web", "show": "slowest"}));
    assert!(!slow.starts_with("internal"), "{slow}");
}

//! What was not declared does not run: other suites, other arguments, changed declarations.

use serde_json::json;
use tests::harness::acting::call;
use tests::harness::text;

use super::{World, args, id, ran, verdict};

#[test]
fn what_a_caller_chooses_lands_in_its_one_place() {
    let world = World::new("");
    world.case("shows", "printf '<%s>' \"$@\"; report 1 0 0 \"$good\"");
    let mut session = world.start();
    for word in [
        "plain",
        "two words",
        "$(touch /tmp/pwned) `id` ; rm -rf ~ | x && y > z",
        "'; touch pwned; '",
        "*",
        "../../etc/passwd",
        "{case}",
        "ümlaut 你",
    ] {
        let mut args = args("shows");
        args["inputs"]["word"] = json!(word);
        let said = call(&mut session, "test_run", &args);
        assert_eq!(verdict(&said), "passed", "{word:?}: {said}");
        let log = call(&mut session, "test_log", &json!({"run": id(&said)}));
        assert!(log.contains(&format!("<{word}>")), "{word:?}: {log}");
    }
    assert!(!world.folder.path("project/pwned").exists());
    for word in ["-x", "--config=/etc", "a\nb", "a\u{0}b", "\u{1b}[2J", ""] {
        let mut args = args("shows");
        args["inputs"]["word"] = json!(word);
        let said = call(&mut session, "test_run", &args);
        assert!(said.starts_with("invalid: "), "{word:?}: {said}");
    }
    for case in ["../shows", "shows;id", "UPPER", "a b", "-e"] {
        let said = call(&mut session, "test_run", &args(case));
        assert!(said.starts_with("invalid: "), "{case:?}: {said}");
    }
}

#[test]
fn nothing_else_runs() {
    let world = World::new("");
    let mut session = world.start();
    let reason = "because the test says so";
    for wrong in [
        json!({"suite": "other", "reason": reason}),
        json!({"suite": "../web", "reason": reason}),
        json!({"suite": "web", "argv": ["id"], "reason": reason}),
        json!({"suite": "web", "env": {"X": "y"}, "reason": reason}),
        json!({"suite": "web", "inputs": {"other": "x"}, "reason": reason}),
        json!({"suite": "web", "inputs": {"case": ["a", "b"]}, "reason": reason}),
        json!({"suite": "web"}),
    ] {
        let said = call(&mut session, "test_run", &wrong);
        let kinds = ["invalid: ", "not_found: ", "denied: "];
        assert!(kinds.iter().any(|kind| said.starts_with(kind)), "{wrong}: {said}");
    }
    let said = call(&mut session, "test_run", &json!({"suite": "secret", "reason": reason}));
    let unknown = call(&mut session, "test_run", &json!({"suite": "secrex", "reason": reason}));
    assert_eq!(said.replace("secret", "secrex"), unknown, "one cannot be told from the other");
    let suites = call(&mut session, "test_suites", &json!({}));
    assert!(suites.contains("web: ") && !suites.contains("secret"), "{suites}");
    let calls = world.folder.calls("testrun");
    let ran = calls.iter().filter(|call| call["tool"] == "test_run" && call["outcome"] == "done");
    assert_eq!(ran.count(), 0, "all of it is on record as refused");
}

#[test]
fn the_declaration_is_in_every_record_and_a_changed_one_waits_for_its_operator() {
    let world = World::new("");
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world.folder.write("servers.toml", &text.replace("accept_changes = true\n", ""));
    let mut session = world.start();
    let said = ran(&mut session, "passed");
    assert_eq!(verdict(&said), "passed", "the first is accepted: {said}");
    let digest =
        said.split("declaration ").nth(1).and_then(|rest| rest.get(..12)).expect("a digest");
    let record = world.folder.calls("testrun").pop().expect("a record");
    let detail = record["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(digest), "{record}");
    assert!(detail.ends_with(&format!("; task {}", id(&said))), "{record}");
    drop(session);
    let pinless = text.replace("accept_changes = true\n", "time = 30\n");
    world.folder.write("servers.toml", &pinless);
    let mut session = world.start();
    let said = ran(&mut session, "passed");
    assert!(said.starts_with("denied: the declaration of suite web was changed"), "{said}");
    let named = said.split("digest = \"").nth(1).and_then(|rest| rest.get(..64)).expect("a digest");
    drop(session);
    let pinned = pinless.replace("time = 30\n", &format!("time = 30\ndigest = \"{named}\"\n"));
    world.folder.write("servers.toml", &pinned);
    let mut session = world.start();
    assert_eq!(verdict(&ran(&mut session, "passed")), "passed");
    drop(session);
    world.folder.write("servers.toml", &pinned.replace("time = 30", "time = 31"));
    let mut session = world.start();
    assert!(ran(&mut session, "passed").starts_with("denied: "));
}

#[test]
fn a_yes_is_asked_where_the_operator_says_so() {
    let world = World::new("[servers.testrun.tools.test_run]\napproval = \"one\"\n");
    let bob = world.folder.key("bob", Some("bob"));
    let mut session = world.start();
    let answer = session.call("test_run", args("passed"));
    let asked = text(&answer).to_owned();
    assert!(asked.starts_with("approval_needed: "), "{asked}");
    let shown = world.folder.approve(&tests::harness::approval(&asked), &bob).output;
    assert!(shown.contains("\"run.sh\" \"passed\""), "the person sees the whole command: {shown}");
    assert_eq!(verdict(&ran(&mut session, "passed")), "passed");
}

#[test]
fn what_cannot_be_right_is_refused_at_the_start() {
    for (from, to, why) in [
        ("argv = [\"sh\"", "argv = [\"{case}\"", "the program itself is no input"),
        ("[\"{word}\"]", "[\"{other}\"]", "`{other}` is no input"),
        (
            "folder = \"project\"\nargv = [\"sh\"",
            "folder = \"nowhere\"\nargv = [\"sh\"",
            "is no folder",
        ),
        ("path = \"out/report.xml\"", "path = \"../report.xml\"", "report"),
        ("pattern = \"[a-z_]+\"", "pattern = \"[a-z\"", "inputs.case"),
        ("accept_changes = true\n", "write = [\"/\"]\n", "write"),
        ("accept_changes = true\n", "network = { ports = [0] }\n", "0 is no port"),
        ("accept_changes = true\n", "tim = 5\n", "did you mean"),
    ] {
        let world = World::new("");
        let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
        assert!(text.contains(from), "{from}");
        world.folder.write("servers.toml", &text.replacen(from, to, 1));
        let output = std::process::Command::new(tests::harness::suite())
            .args(["check", "--config"])
            .arg(world.folder.config())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && said.contains(why), "{to}: {said}");
    }
}

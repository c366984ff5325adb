//! What tests print and report is data: fenced, visible, bounded, without secrets; and what they do
//! reaches nothing outside.

use serde_json::json;
use tests::harness::acting::call;

use super::{World, id, ran, verdict};
use crate::hostile::{KINDS, is_hidden};

/// A text within XML.
fn escaped(text: &str) -> String {
    let is_xml = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let text: String = text.chars().filter(is_xml).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[test]
fn attack_strings_in_names_messages_and_output_stay_data() {
    let world = World::new("");
    for kind in KINDS {
        let mut cases = String::new();
        for text in kind.texts {
            let text = escaped(text);
            cases.push_str(&format!(
                "<testcase classname=\"{text}\" name=\"{text}\"><failure message=\"{text}\">{text}\
                 </failure></testcase>"
            ));
        }
        let count = kind.texts.len();
        let report = format!(
            "<testsuites><testsuite name=\"s\" tests=\"{count}\" failures=\"{count}\">{cases}</testsuite></testsuites>"
        );
        world.folder.write("project/prepared.xml", &report);
        world.folder.write("project/prints.txt", &kind.texts.join("\n"));
        world.case(
            "attacks",
            "cat prints.txt; cat prints.txt >&2; cp prepared.xml out/report.xml; exit 1",
        );
        let mut session = world.start();
        let said = ran(&mut session, "attacks");
        assert_eq!(verdict(&said), "failed", "{}: {said}", kind.name);
        let run = id(&said);
        let mut answers = vec![said];
        for (tool, args) in [
            ("test_log", json!({"run": run})),
            ("test_log", json!({"run": run, "of": "stderr"})),
            ("test_log", json!({"run": run, "of": "junit"})),
            ("test_log", json!({"run": run, "of": "ctrf"})),
            ("test_failure", json!({"run": run, "test": "1"})),
            ("test_history", json!({"suite": "web", "show": "slowest"})),
            ("test_history", json!({"suite": "web", "show": "flaky"})),
        ] {
            answers.push(call(&mut session, tool, &args));
        }
        for said in answers {
            assert_eq!(said.chars().find(|c| is_hidden(*c)), None, "{}: {said}", kind.name);
            let opened = said.matches("<untrusted source=\"").count();
            assert_eq!(said.matches("</untrusted>").count(), opened, "{}: {said}", kind.name);
            assert!(!said.starts_with("internal"), "{}: {said}", kind.name);
        }
    }
}

#[test]
fn secrets_that_tests_print_reach_no_model() {
    let world = World::new("");
    let token = "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";
    world.case(
        "leaks",
        &format!("echo token {token}; report 1 1 0 \"<testcase name='t'><failure message='{token}'>{token}</failure></testcase>\"; exit 1"),
    );
    let mut session = world.start();
    let said = ran(&mut session, "leaks");
    let run = id(&said);
    let log = call(&mut session, "test_log", &json!({"run": run}));
    let one = call(&mut session, "test_failure", &json!({"run": run, "test": "1"}));
    for said in [said, log, one] {
        assert!(!said.contains(token) && said.contains("[redacted"), "{said}");
    }
}

#[test]
fn nothing_outside_is_seen_or_touched() {
    let world = World::new("");
    world.folder.write("state/other/secret", "zqcanary");
    world.folder.write("outside/secret", "zqcanary");
    let base = world.folder.path("");
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned());
    world.case(
        "looks",
        &format!(
            "cat {base}/state/other/secret {base}/outside/secret {base}/servers.toml; ls {base} {home} /root /home; \
             cat /proc/1/environ /proc/*/environ; ls /proc | grep -c '^[0-9]'; id; cat /etc/shadow; \
             kill -9 {pid}; kill -9 -1; ls -la /run /var/run /dev; mount; echo END; report 1 0 0 \"$good\"",
            base = base.display(),
            pid = std::process::id()
        ),
    );
    let mut session = world.start();
    let said = ran(&mut session, "looks");
    let run = id(&said);
    let log = call(&mut session, "test_log", &json!({"run": run, "lines": 500}));
    assert!(!log.contains("zqcanary") && !log.contains("root:x:0"), "{log}");
    assert!(!log.contains("[servers.testrun]") && !log.contains("docker.sock"), "{log}");
    assert!(
        !log.contains("uid=0(root) gid=0(root) groups=0(root)\n") || log.contains("END"),
        "{log}"
    );
    let said = call(&mut session, "test_suites", &json!({}));
    assert!(said.contains("1 suite"), "the server lives: {said}");
}

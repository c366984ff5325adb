//! What is tested: the working tree as it is, or a clean export of a revision; and a run changes
//! nothing but what it may.

use std::process::Command;

use serde_json::json;
use tests::harness::acting::call;

use super::{World, args, id, ran, verdict};

fn git(world: &World, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(world.folder.path("project"))
        .output()
        .expect("git; cargo xtask test installs it");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A project of two commits: in the first the suite fails, in the second it passes.
fn committed() -> (World, String, String) {
    let world = World::new("");
    git(&world, &["init", "-q", "-b", "main"]);
    world.case("checks", "if [ \"$(cat state)\" = good ]; then report 1 0 0 \"$good\"; else report 1 1 0 \"$bad\"; exit 1; fi");
    world.folder.write("project/state", "broken");
    git(&world, &["add", "-A"]);
    git(&world, &["commit", "-q", "-m", "one"]);
    let first = git(&world, &["rev-parse", "HEAD"]);
    world.folder.write("project/state", "good");
    git(&world, &["commit", "-q", "-a", "-m", "two"]);
    let second = git(&world, &["rev-parse", "HEAD"]);
    (world, first, second)
}

#[test]
fn a_revision_is_tested_as_it_was_whatever_the_tree_says() {
    let (world, first, second) = committed();
    let mut session = world.start();
    let of = |rev: &str| {
        let mut args = args("checks");
        args["rev"] = json!(rev);
        args
    };
    let said = call(&mut session, "test_run", &of(&first));
    assert_eq!(verdict(&said), "failed", "{said}");
    assert!(said.contains(&format!("commit {}", &first[..12])), "{said}");
    assert_eq!(verdict(&call(&mut session, "test_run", &of("main"))), "passed");
    world.folder.write("project/state", "broken");
    assert_eq!(verdict(&call(&mut session, "test_run", &of(&second))), "passed");
    let tree = ran(&mut session, "checks");
    assert_eq!(verdict(&tree), "failed", "the tree as it is: {tree}");
    assert!(tree.contains("1 tracked file"), "{tree}");
    for rev in ["nowhere", "--upload-pack=x", "main:../x", "HEAD~99", "$(id)"] {
        let said = call(&mut session, "test_run", &of(rev));
        let kinds = ["invalid: ", "not_found: "];
        assert!(kinds.iter().any(|kind| said.starts_with(kind)), "{rev}: {said}");
    }
}

#[test]
fn verify_answers_of_clean_exports_of_whole_suites_only() {
    let (world, first, second) = committed();
    let text = std::fs::read_to_string(world.folder.config()).expect("servers.toml");
    world
        .folder
        .write("servers.toml", &text.replace("default = \"passed\"", "default = \"checks\""));
    let mut session = world.start();
    let ask = json!({"suite": "web", "rev": second});
    let before = call(&mut session, "test_verify", &ask);
    assert!(!before.contains("PASSED") && !before.starts_with("passed"), "{before}");
    // The working tree is no evidence, though it is clean.
    let run = json!({"suite": "web", "wait": 120, "reason": "because the test says so"});
    assert_eq!(verdict(&call(&mut session, "test_run", &run)), "passed");
    let dirty = call(&mut session, "test_verify", &ask);
    assert_eq!(dirty, before, "a working tree proves nothing of a commit");
    let mut whole = run.clone();
    whole["rev"] = json!(second);
    let said = call(&mut session, "test_run", &whole);
    assert_eq!(verdict(&said), "passed", "{said}");
    let proven = call(&mut session, "test_verify", &ask);
    assert_ne!(proven, before);
    for part in [&id(&said), &second[..12], "1 passed", "namespaces"] {
        assert!(proven.contains(part), "{part}: {proven}");
    }
    let other = call(&mut session, "test_verify", &json!({"suite": "web", "rev": first}));
    assert!(!other.contains(&id(&said)), "{other}");
}

#[test]
fn a_run_changes_nothing() {
    let (world, first, _) = committed();
    world.folder.write("elsewhere.txt", "untouched");
    let outside = world.folder.path("elsewhere.txt");
    world.case(
        "writes",
        &format!(
            "echo x > state; echo x > new; rm -rf .git src; echo x > {} 2>/dev/null; \
             echo x > /etc/pwned 2>/dev/null; echo x > /usr/pwned 2>/dev/null; \
             cat new && report 1 0 0 \"$good\"",
            outside.display()
        ),
    );
    git(&world, &["add", "-A"]);
    git(&world, &["commit", "-q", "-m", "three"]);
    let mut session = world.start();
    let said = ran(&mut session, "writes");
    assert_eq!(verdict(&said), "passed", "it may write in its own view: {said}");
    let mut of = args("writes");
    of["rev"] = json!("main");
    assert_eq!(verdict(&call(&mut session, "test_run", &of)), "passed");
    let read = |name: &str| std::fs::read_to_string(world.folder.path(name)).expect(name);
    assert_eq!(
        (read("project/state").as_str(), read("elsewhere.txt").as_str()),
        ("good", "untouched")
    );
    assert!(
        !world.folder.path("project/new").exists() && world.folder.path("project/.git").exists()
    );
    assert!(!std::path::Path::new("/etc/pwned").exists());
    assert_eq!(git(&world, &["status", "--porcelain"]), "");
    assert_eq!(git(&world, &["cat-file", "-t", &first]), "commit");
}

#[test]
fn declared_paths_are_really_written() {
    let world = World::new("write = [\"kept\"]\nhidden = [\".env\"]\n");
    world.folder.write("project/kept/before", "x");
    world.folder.write("project/.env", "SECRET=hunter2");
    world.case("keeps", "echo now > kept/after; cat .env; ls -a; report 1 0 0 \"$good\"");
    let mut session = world.start();
    let said = ran(&mut session, "keeps");
    assert_eq!(verdict(&said), "passed", "{said}");
    let after = std::fs::read_to_string(world.folder.path("project/kept/after")).expect("written");
    assert_eq!(after, "now\n");
    let log = call(&mut session, "test_log", &json!({"run": id(&said)}));
    assert!(!log.contains("hunter2"), "{log}");
}

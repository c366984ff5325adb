//! The demo, as `cargo xtask demo` runs it.

use std::process::Command;

use tests::harness::suite;

#[test]
fn the_demo_shows_answers_a_refusal_and_records() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    let output = Command::new(suite())
        .arg("demo")
        .current_dir(elsewhere.path())
        .output()
        .expect("the demo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "roles.md",
        "<untrusted source=",
        "denied: ",
        "payroll is not searched",
        "name,email,phone,cents",
        "…",
        "One statement at a time",
        "the database is as it was",
        "database:sales",
        "done",
        "claude mcp add suite-docs",
        "claude mcp add suite-sql",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("@example"), "addresses of mail are masked: {text}");
    assert!(!text.contains('\u{1b}'), "no colours where there is no terminal");
    assert_eq!(
        std::fs::read_dir(elsewhere.path()).expect("the folder").count(),
        0,
        "nothing is left"
    );
}

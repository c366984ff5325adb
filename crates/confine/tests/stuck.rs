//! A second process that cannot answer, for real: this test program is split in two.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use confine::{Fetcher, Plan};
use nix::sys::stat::Mode;

#[test]
fn who_cannot_answer_is_let_go_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("servers.toml");
    nix::unistd::mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe that nobody writes to");
    let plan = Plan { read: vec![folder.path().to_owned()], ..Plan::default() };
    let asked = Cell::new(false);
    let answer = |question| match (question, asked.replace(true)) {
        (1, false) => vec![0; (16 << 20) + 1],
        (1, true) => b"small".to_vec(),
        _ => fs::read(&pipe).unwrap_or_default(),
    };
    let fetcher = Fetcher::start(&plan, || (), answer).expect("a second process");
    let error = fetcher.fetch(1).expect_err("too much");
    assert!(error.to_string().contains("are more than"), "{error}");
    assert_eq!(fetcher.fetch(1).expect("one too long an answer spoils no other"), b"small");
    let fetcher = fetcher.within(Duration::from_millis(20));
    let error = fetcher.fetch(0).expect_err("no answer");
    assert!(error.to_string().contains("no answer within 20ms"), "{error}");
    let error = fetcher.fetch(1).expect_err("a late answer would be taken for this one");
    assert!(error.to_string().contains("was let go"), "{error}");
    nix::sys::wait::wait().expect("the second process ends, though it still waits for the pipe");
}

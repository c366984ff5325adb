//! The second process, for real: this test program is split in two.

use std::fs;

use confine::{Fetcher, Plan};

#[test]
fn a_replaced_file_is_fetched_by_a_process_that_reads_one_folder_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("servers.toml");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = elsewhere.path().join("other");
    fs::write(&path, "first").expect("written");
    fs::write(&other, "out of reach").expect("written");
    let plan = Plan { read: vec![folder.path().to_owned()], ..Plan::default() };
    let answer = |_| {
        let read = |path| fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
        let written = fs::write(folder.path().join("new"), "").is_ok();
        format!("{} / {} / {written}", read(&path), read(&other)).into_bytes()
    };
    let fetcher = Fetcher::start(&plan, || (), answer).expect("a second process");
    let fetch = || String::from_utf8(fetcher.fetch(0).expect("an answer")).expect("text");
    let refused = if confine::landlock_abi() > 0 {
        "Permission denied (os error 13) / false"
    } else {
        "out of reach / true"
    };
    assert_eq!(fetch(), format!("first / {refused}"));
    let beside = folder.path().join("beside");
    fs::write(&beside, "second").expect("written");
    fs::rename(&beside, &path).expect("replaced");
    assert_eq!(fetch(), format!("second / {refused}"));
    // It ends when nobody can ask any more.
    drop(fetcher);
    nix::sys::wait::wait().expect("the second process ends");
}

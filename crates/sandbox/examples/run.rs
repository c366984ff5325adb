//! Runs a job: `run TIER JOB`, where JOB is a file with a `Job` as JSON. Prints how it ended, as
//! JSON. Its standard input is the control: when it is closed, or something is written to it, the
//! run is cancelled.

use std::io::Write as _;
use std::os::fd::AsFd as _;

use sandbox::{Job, Tier};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let tier = match arguments.next().as_deref() {
        Some("namespaces") => Tier::Namespaces,
        Some("landlock") => Tier::Landlock,
        Some("offer") => return say(&sandbox::offer()),
        _ => panic!("usage: run namespaces|landlock JOB, or run offer"),
    };
    assert!(sandbox::die_with_parent(std::os::unix::process::parent_id()), "the parent is gone");
    // As a server's process is: nobody may look into it, itself included where it is not root.
    nix::sys::prctl::set_dumpable(false).expect("kept private");
    let path = arguments.next().expect("the file of a job");
    let job: Job = serde_json::from_slice(&std::fs::read(path).expect("read")).expect("a job");
    let control = std::io::stdin().as_fd().try_clone_to_owned().expect("standard input");
    say(&sandbox::run(&job, tier, control));
}

fn say(what: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(what).expect("text");
    std::io::stdout().write_all(text.as_bytes()).expect("printed");
}

//! The process itself: no core dumps, no debuggers, no new privileges.

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};

use crate::{Held, Layer, Status};

/// The threads of this process; 0 where `/proc` does not say.
pub(crate) fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Leaves no core dump, and lets nobody of the same user look in.
pub(crate) fn keep_private() {
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    let _ = prctl::set_dumpable(false);
}

/// Takes away core dumps, debuggers and new privileges.
pub(crate) fn harden() -> Held {
    let mut held = Held::nothing("not tried");
    held.set(Layer::CoreDumps, status("RLIMIT_CORE 0", setrlimit(Resource::RLIMIT_CORE, 0, 0)));
    // Also makes the files of this process in /proc root's, such as its memory.
    held.set(Layer::Debuggers, status("PR_SET_DUMPABLE 0", prctl::set_dumpable(false)));
    held.set(Layer::Privileges, status("PR_SET_NO_NEW_PRIVS", prctl::set_no_new_privs()));
    held
}

fn status(by: &str, done: nix::Result<()>) -> Status {
    match done {
        Ok(()) => Status::Held(by.to_owned()),
        Err(error) => Status::Missing(format!("{by}: {error}")),
    }
}

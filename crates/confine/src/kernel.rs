//! The calls that are unsafe: the environment's own memory, and `fork`.
#![expect(
    unsafe_code,
    reason = "the C library has no safe way to overwrite the environment, nor to fork"
)]

use std::ffi::{CStr, c_char};

unsafe extern "C" {
    /// The environment, as the C library and the standard library read it: a list of pointers to
    /// `NAME=value`, ended by a null pointer.
    static mut environ: *mut *mut c_char;
}

/// Takes every variable that `keep` does not name out of the environment, overwrites its memory
/// with zeros, which `/proc/self/environ` shows, too, and gives it to `taken` as it was. A variable that is no UTF-8
/// is overwritten and given to nobody.
///
/// Does nothing while other threads run, which might be reading the environment.
pub(crate) fn drain_environment(keep: impl Fn(&str) -> bool, mut taken: impl FnMut(&str, &str)) {
    // SAFETY: `environ` is null or points to a list that ends with a null pointer; each pointer in
    // it is to a string that ends with a zero byte and lies in memory this process may write (the
    // initial stack, or what `setenv` allocated). The caller is the only thread, so nobody reads
    // the list or a string meanwhile. Only bytes before the final zero are overwritten, and the
    // list only becomes shorter.
    unsafe {
        let list = environ;
        if list.is_null() {
            return;
        }
        let (mut from, mut to) = (0, 0);
        while !(*list.add(from)).is_null() {
            let variable = *list.add(from);
            from += 1;
            let bytes = CStr::from_ptr(variable).to_bytes();
            let parts = std::str::from_utf8(bytes).ok().and_then(|text| text.split_once('='));
            if parts.is_some_and(|(name, _)| keep(name)) {
                *list.add(to) = variable;
                to += 1;
                continue;
            }
            if let Some((name, value)) = parts {
                taken(name, value);
            }
            let length = bytes.len();
            for at in 0..length {
                // A plain write to memory nobody reads again would be left out by the compiler.
                variable.add(at).write_volatile(0);
            }
        }
        *list.add(to) = std::ptr::null_mut();
    }
}

/// Which of the two processes this is after a fork.
pub(crate) enum Forked {
    /// The one that called.
    Parent,
    /// The new one.
    Child,
}

/// Splits this process in two. Call it while there is one thread: the child has no other.
pub(crate) fn fork() -> std::io::Result<Forked> {
    // SAFETY: the caller is the only thread, so no lock is held by a thread the child lacks.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        _ => Ok(Forked::Parent),
    }
}

/// Closes every descriptor but the standard streams and `kept`.
#[cfg(target_os = "linux")]
pub(crate) fn let_go_of_descriptors(kept: &impl std::os::fd::AsRawFd) {
    let kept = kept.as_raw_fd().unsigned_abs();
    for (first, last) in [(3, kept.saturating_sub(1)), (kept + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: the caller is the child of a fork that never returns to the frames which own
            // what is closed here, and they are not dropped: it ends by `end_at_once`.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// Other systems have no such call; what is open there is marked to be closed by `exec`.
#[cfg(not(target_os = "linux"))]
pub(crate) fn let_go_of_descriptors(_: &impl std::os::fd::AsRawFd) {}

/// Ends this process without running what was registered to run at its end: that is the parent's.
pub(crate) fn end_at_once() -> ! {
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { libc::_exit(0) }
}

/// Ignores the signals that end or reload the parent: this process ends when the parent does.
pub(crate) fn ignore_signals() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        // SAFETY: SIG_IGN runs no code in this process.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Makes this process's standard input, output and error `/dev/null`, so that who waits for their
/// end does not wait for this process.
pub(crate) fn let_go_of_standard_streams(null: &std::fs::File) {
    use std::os::fd::AsRawFd as _;
    for stream in 0..=2 {
        // SAFETY: both numbers are open files of this process, or `dup2` says that they are not.
        unsafe { libc::dup2(null.as_raw_fd(), stream) };
    }
}

/// The ABI of Landlock, as `landlock_create_ruleset(2)` tells it; 0: none.
#[cfg(target_os = "linux")]
pub(crate) fn landlock_abi() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes no attributes, and returns a number or an error.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION)
    };
    u32::try_from(abi).unwrap_or(0)
}

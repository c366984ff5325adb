//! System calls by name, with numbers that make them succeed where they may.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use crate::{Tried, succeeded, text};

const NONE: *const u8 = std::ptr::null();

/// Makes a call.
pub(crate) fn make(name: &str, arguments: &[&str]) -> Tried {
    let first = arguments.first().map_or(0, |text| text.parse::<i64>().expect("a number"));
    let mut buffer = [0_u64; 64];
    let at = buffer.as_mut_ptr();
    let made = namespaces(name, at)?
        .or_else(|| mounts(name))
        .or_else(|| others(name, first, at))
        .or_else(|| kernel(name, at));
    succeeded(made.unwrap_or_else(|| panic!("there is no call {name}")))
}

/// Namespaces.
fn namespaces(name: &str, at: *mut u64) -> io::Result<Option<i64>> {
    let result = unsafe {
        match name {
            "unshare-user" => libc::syscall(libc::SYS_unshare, libc::CLONE_NEWUSER),
            "unshare-mount" => libc::syscall(libc::SYS_unshare, libc::CLONE_NEWNS),
            "unshare-network" => libc::syscall(libc::SYS_unshare, libc::CLONE_NEWNET),
            "clone-user" => ends(libc::syscall(
                libc::SYS_clone,
                libc::CLONE_NEWUSER | libc::SIGCHLD,
                0,
                0,
                0,
                0,
            )),
            "clone3" => {
                at.write(u64::from(libc::CLONE_NEWUSER.unsigned_abs()));
                at.add(4).write(u64::from(libc::SIGCHLD.unsigned_abs()));
                ends(libc::syscall(libc::SYS_clone3, at, 64))
            }
            "setns" => {
                let own = File::open("/proc/self/ns/uts")?;
                libc::syscall(libc::SYS_setns, own.as_raw_fd(), 0)
            }
            _ => return Ok(None),
        }
    };
    Ok(Some(result))
}

/// Mounts and roots.
fn mounts(name: &str) -> Option<i64> {
    let root = c"/".as_ptr();
    let result = unsafe {
        match name {
            "mount" => libc::syscall(
                libc::SYS_mount,
                c"none".as_ptr(),
                c"/tmp".as_ptr(),
                c"tmpfs".as_ptr(),
                0,
                NONE,
            ),
            "remount" => libc::syscall(
                libc::SYS_mount,
                c"none".as_ptr(),
                c"/usr".as_ptr(),
                NONE,
                libc::MS_REMOUNT | libc::MS_BIND,
                NONE,
            ),
            "umount" => libc::syscall(libc::SYS_umount2, c"/usr".as_ptr(), libc::MNT_DETACH),
            "fsopen" => libc::syscall(libc::SYS_fsopen, c"tmpfs".as_ptr(), 0),
            "open_tree" => {
                libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, root, libc::OPEN_TREE_CLONE)
            }
            "pivot_root" => libc::syscall(libc::SYS_pivot_root, root, root),
            "chroot" => libc::syscall(libc::SYS_chroot, root),
            "mknod" => {
                let path = text(&format!("/tmp/device-{}", std::process::id()));
                libc::syscall(
                    libc::SYS_mknodat,
                    libc::AT_FDCWD,
                    path.as_ptr(),
                    libc::S_IFBLK | 0o666,
                    0x0800,
                )
            }
            _ => return None,
        }
    };
    Some(result)
}

/// Other processes, and what belongs to all.
fn others(name: &str, first: i64, at: *mut u64) -> Option<i64> {
    let result = unsafe {
        match name {
            "add_key" => libc::syscall(
                libc::SYS_add_key,
                c"user".as_ptr(),
                c"attacked".as_ptr(),
                c"x".as_ptr(),
                1,
                -2,
            ),
            "keyctl" => libc::syscall(libc::SYS_keyctl, 0, -3, 1),
            "ptrace" => libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, first, 0, 0),
            "ptrace-me" => libc::syscall(libc::SYS_ptrace, libc::PTRACE_TRACEME, 0, 0, 0),
            "process_vm_readv" => {
                let local = libc::iovec { iov_base: at.cast(), iov_len: 8 };
                let remote = libc::iovec { iov_base: at.cast(), iov_len: 8 };
                let sent = libc::syscall(
                    libc::SYS_process_vm_readv,
                    first,
                    &raw const local,
                    1,
                    &raw const remote,
                    1,
                    0,
                );
                // A wrong address is found after the right to look.
                if sent < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT) {
                    0
                } else {
                    sent
                }
            }
            "signal" => libc::syscall(libc::SYS_kill, first, libc::SIGKILL),
            "pidfd-signal" => {
                let process = libc::syscall(libc::SYS_pidfd_open, first, 0);
                if process < 0 {
                    process
                } else {
                    libc::syscall(libc::SYS_pidfd_send_signal, process, libc::SIGKILL, NONE, 0)
                }
            }
            "prlimit" => libc::syscall(libc::SYS_prlimit64, first, libc::RLIMIT_CORE, at, NONE),
            "shm" => libc::syscall(libc::SYS_shmat, first, NONE, libc::SHM_RDONLY),
            _ => return None,
        }
    };
    Some(result)
}

/// The kernel itself.
fn kernel(name: &str, at: *mut u64) -> Option<i64> {
    let result = unsafe {
        match name {
            "io_uring" => libc::syscall(libc::SYS_io_uring_setup, 1, at),
            "bpf" => libc::syscall(libc::SYS_bpf, 5, at, 128),
            "perf" => {
                at.write(1 | (128 << 32));
                libc::syscall(libc::SYS_perf_event_open, at, 0, -1, -1, 0)
            }
            "userfaultfd" => libc::syscall(libc::SYS_userfaultfd, 1),
            "memfd" => libc::syscall(libc::SYS_memfd_create, c"x".as_ptr(), 0),
            "personality" => libc::syscall(libc::SYS_personality, 0x0004_0000),
            "sethostname" => libc::syscall(libc::SYS_sethostname, c"attacked".as_ptr(), 0),
            "syslog" => libc::syscall(libc::SYS_syslog, 10, NONE, 0),
            "setuid" => libc::syscall(libc::SYS_setuid, 0),
            "x32" => libc::syscall(0x4000_0000 | libc::SYS_getpid),
            _ => return None,
        }
    };
    Some(result)
}

/// Ends the child of a `clone`.
fn ends(child: i64) -> i64 {
    if child == 0 {
        unsafe { libc::_exit(0) };
    }
    child
}

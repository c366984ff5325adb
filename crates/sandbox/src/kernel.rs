//! The system calls that no library has a safe form of.
#![expect(unsafe_code, reason = "the C library has no safe form of these system calls")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use libc::{c_int, c_long, c_uint};
use nix::unistd::Pid;

/// Which of the two processes this is.
pub(crate) enum Forked {
    /// The one that called, with the number of the new one.
    Parent(Pid),
    /// The new one.
    Child,
}

/// Splits this process in two, like `fork`, the new one in new namespaces by the `CLONE_NEW…` of
/// `flags`. Call it while there is one thread.
pub(crate) fn split(flags: c_int) -> io::Result<Forked> {
    let flags = c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and without a stack this is `fork` (clone(2)): the new process has a
    // copy of all memory. The caller is the only thread, so no lock is held by a thread the new
    // process lacks.
    match unsafe { libc::syscall(libc::SYS_clone, flags, 0_usize, 0_usize, 0_usize, 0_usize) } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent(Pid::from_raw(i32::try_from(child).unwrap_or(-1)))),
    }
}

/// The same, with the new one in a control group (`clone3`, `CLONE_INTO_CGROUP`).
pub(crate) fn split_into(flags: c_int, group: BorrowedFd<'_>) -> io::Result<Forked> {
    /// `CLONE_INTO_CGROUP`, the only flag beyond 32 bits used here.
    const INTO_GROUP: u64 = 1 << 33;
    let number = |number: c_int| u64::from(number.unsigned_abs());
    // SAFETY: all zeros are valid arguments, which ask for nothing.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = number(flags) | INTO_GROUP;
    arguments.exit_signal = number(libc::SIGCHLD);
    arguments.cgroup = number(group.as_raw_fd());
    // SAFETY: as in `split`; the arguments have the size that is told, and live through the call.
    match unsafe {
        libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>())
    } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent(Pid::from_raw(i32::try_from(child).unwrap_or(-1)))),
    }
}

/// Leaves namespaces for new ones.
pub(crate) fn unshare(flags: c_int) -> io::Result<()> {
    // SAFETY: `unshare` takes a number only.
    done(c_long::from(unsafe { libc::unshare(flags) })).map(drop)
}

/// Ends this process without running what was registered for its end: that is another's.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { libc::_exit(code) }
}

/// Closes every descriptor but the standard streams and those of `keep`.
pub(crate) fn close_all_but(keep: &[RawFd]) {
    let mut keep: Vec<c_uint> = keep.iter().filter_map(|fd| c_uint::try_from(*fd).ok()).collect();
    keep.sort_unstable();
    let mut from = 3;
    for kept in keep.into_iter().chain([c_uint::MAX]) {
        if from < kept {
            let to = if kept == c_uint::MAX { kept } else { kept - 1 };
            // SAFETY: the process is a new one that never returns to whoever owns these descriptors.
            unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) };
        }
        from = kept.saturating_add(1).max(from);
    }
}

/// Lets every descriptor but the standard streams end at the start of another program.
pub(crate) fn close_all_on_execute() -> io::Result<()> {
    // SAFETY: with this flag the call changes one bit of each descriptor.
    done(unsafe { libc::syscall(libc::SYS_close_range, 3, c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) })
        .map(drop)
}

/// Makes `stream` (0, 1 or 2) be what `fd` is.
pub(crate) fn redirect(fd: BorrowedFd<'_>, stream: RawFd) -> io::Result<()> {
    // SAFETY: the standard streams belong to the whole process, and nobody owns them as values.
    done(c_long::from(unsafe { libc::dup2(fd.as_raw_fd(), stream) })).map(drop)
}

/// Gives every signal its first meaning again, and blocks none. Another program would inherit what
/// is ignored.
pub(crate) fn reset_signals() {
    for signal in 1..32 {
        // SAFETY: SIG_DFL runs no code in this process; a signal that cannot be set is an error.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let _ = nix::sys::signal::SigSet::empty().thread_set_mask();
}

/// A detached copy of what is mounted at a path, and below it.
pub(crate) fn open_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    tree(libc::AT_FDCWD, &path, c_int::try_from(libc::AT_RECURSIVE).unwrap_or(0))
}

/// A detached copy of the mount that holds a folder, with that folder as its top.
pub(crate) fn open_tree_at(folder: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    tree(folder.as_raw_fd(), c"", libc::AT_EMPTY_PATH)
}

fn tree(folder: RawFd, path: &CStr, flags: c_int) -> io::Result<OwnedFd> {
    let flags =
        libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | c_uint::try_from(flags).unwrap_or(0);
    // SAFETY: the path is a string that ends with a zero byte and lives through the call.
    descriptor(unsafe { libc::syscall(libc::SYS_open_tree, folder, path.as_ptr(), flags) })
}

/// Attributes of mounts (`mount_setattr(2)`), added to what is there.
#[derive(Clone, Copy)]
pub(crate) struct Attributes<'a> {
    /// `MOUNT_ATTR_…`
    pub(crate) set: u64,
    /// The user namespace by whose table owners are seen in another way.
    pub(crate) owners: Option<BorrowedFd<'a>>,
    /// Whether for what is mounted below, too.
    pub(crate) recursive: bool,
}

/// Adds attributes to a mount.
pub(crate) fn set_attributes(mount: BorrowedFd<'_>, attributes: Attributes<'_>) -> io::Result<()> {
    let owners = attributes.owners.map(|owners| u64::from(owners.as_raw_fd().unsigned_abs()));
    let wished = libc::mount_attr {
        attr_set: attributes.set | owners.map_or(0, |_| libc::MOUNT_ATTR_IDMAP),
        attr_clr: 0,
        propagation: 0,
        userns_fd: owners.unwrap_or(0),
    };
    let recursive = if attributes.recursive { libc::AT_RECURSIVE } else { 0 };
    let flags = libc::AT_EMPTY_PATH | c_int::try_from(recursive).unwrap_or(0);
    // SAFETY: the structure has the size that is told, and lives through the call.
    done(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const wished,
            size_of::<libc::mount_attr>(),
        )
    })
    .map(drop)
}

/// Attaches a detached mount to a place.
pub(crate) fn attach(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    let empty = c"".as_ptr();
    // SAFETY: both paths are the empty string.
    done(unsafe {
        let (from, to) = (mount.as_raw_fd(), place.as_raw_fd());
        libc::syscall(libc::SYS_move_mount, from, empty, to, empty, flags)
    })
    .map(drop)
}

/// Attaches a detached mount to a path that no other process can change.
pub(crate) fn attach_at(mount: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both paths are strings that end with a zero byte and live through the call.
    done(unsafe {
        let from = mount.as_raw_fd();
        let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
        let (empty, at) = (c"".as_ptr(), libc::AT_FDCWD);
        libc::syscall(libc::SYS_move_mount, from, empty, at, path.as_ptr(), flags)
    })
    .map(drop)
}

/// A new file system, mounted but attached nowhere.
pub(crate) fn new_mount(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    flags: &[&CStr],
    attributes: u64,
) -> io::Result<OwnedFd> {
    const CLOEXEC: c_uint = 1;
    const SET_FLAG: c_uint = 0;
    const SET_STRING: c_uint = 1;
    const CREATE: c_uint = 6;
    // SAFETY: the name is a string that ends with a zero byte.
    let system = descriptor(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), CLOEXEC) })?;
    let set = |command: c_uint, key: *const libc::c_char, value: *const libc::c_char| {
        // SAFETY: key and value are null or strings that end with a zero byte, as the command wants.
        done(unsafe {
            libc::syscall(libc::SYS_fsconfig, system.as_raw_fd(), command, key, value, 0)
        })
    };
    for (key, value) in options {
        set(SET_STRING, key.as_ptr(), value.as_ptr())?;
    }
    for key in flags {
        set(SET_FLAG, key.as_ptr(), std::ptr::null())?;
    }
    set(CREATE, std::ptr::null(), std::ptr::null())?;
    // SAFETY: all arguments are numbers.
    descriptor(unsafe { libc::syscall(libc::SYS_fsmount, system.as_raw_fd(), CLOEXEC, attributes) })
}

/// Makes the working folder the root, and lets go of the old one.
pub(crate) fn make_working_folder_the_root() -> io::Result<()> {
    // SAFETY: both paths are strings that end with a zero byte. Twice the same folder puts the old
    // root over the new one (pivot_root(2)).
    done(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    nix::mount::umount2(".", nix::mount::MntFlags::MNT_DETACH)?;
    nix::unistd::chdir("/")?;
    Ok(())
}

/// Drops what programs could bring of capabilities. A process without the right to do that has
/// none to lose.
pub(crate) fn bound_capabilities() {
    // SAFETY: `prctl` takes numbers here; a capability that does not exist is an error.
    let drop = |capability: libc::c_ulong| unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0)
    };
    let _ = (0..64).take_while(|capability| drop(*capability) == 0).count();
}

/// Drops every capability.
pub(crate) fn drop_capabilities() -> io::Result<()> {
    #[repr(C)]
    struct Header {
        version: u32,
        process: c_int,
    }
    /// `_LINUX_CAPABILITY_VERSION_3` (capget(2)): two sets of 32.
    const VERSION: u32 = 0x2008_0522;
    let header = Header { version: VERSION, process: 0 };
    let none = [0_u32; 6];
    // SAFETY: `prctl` takes numbers here. The header and the six numbers are what version 3 reads.
    unsafe {
        libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        done(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr())).map(drop)
    }
}

/// Switches the loopback interface of this network namespace on.
pub(crate) fn loopback_up() -> io::Result<()> {
    // SAFETY: `socket` takes numbers.
    let socket = descriptor(c_long::from(unsafe {
        libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0)
    }))?;
    // SAFETY: all zeros is a valid `ifreq`, whose name is shorter than its field. The flags are the
    // field of the union that this request reads.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (at, byte) in request.ifr_name.iter_mut().zip(c"lo".to_bytes()) {
            *at = libc::c_char::try_from(*byte).unwrap_or(0);
        }
        let flags = libc::IFF_UP | libc::IFF_RUNNING;
        request.ifr_ifru.ifru_flags = libc::c_short::try_from(flags).unwrap_or(0);
        let done_ = libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request);
        done(c_long::from(done_)).map(drop)
    }
}

/// The ABI of Landlock that this kernel offers; 0: none, or switched off.
pub(crate) fn landlock_abi() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes no attributes, and returns a number or an error.
    let abi = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION)
    };
    u32::try_from(abi).unwrap_or(0)
}

fn done(result: c_long) -> io::Result<c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn descriptor(result: c_long) -> io::Result<OwnedFd> {
    let fd = done(result)?;
    // SAFETY: the kernel has just given this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd).unwrap_or(-1)) })
}

//! The tier `namespaces`: a new root that has what is listed and nothing else.
//!
//! Everything outside is opened first, as detached copies of mounts. Then an empty root takes the
//! place of the old one, which is let go of, and the copies are put into it: no path is looked up
//! on the machine after that, and none of what is put in leads back.

use std::fs::{DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown, symlink,
};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{Gid, Uid, fchdir};

use crate::identity::{INSIDE, Identity};
use crate::kernel::{self, Attributes};
use crate::{Access, HOME, Job, Network, layer, special, system};

/// Of every mount: no setuid programs, no devices.
pub(crate) const SAFE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Where the tmpfs of all private views is while the root is built.
pub(crate) const DISK: &str = "/.disk";

/// Where the folders below private views are meanwhile.
pub(crate) const LOWER: &str = "/.lower";

/// An empty folder, which stays: what is masked is under it.
pub(crate) const EMPTY: &str = "/.empty";

/// What was built.
pub(crate) struct View {
    /// The processes inside, also those that hide from each other.
    pub(crate) processes: OwnedFd,
    /// The tmpfs that everything private is written to.
    pub(crate) disk: OwnedFd,
    /// For what the sandbox said of itself.
    pub(crate) notes: Vec<String>,
}

/// A mount of the job, opened.
pub(crate) struct Source {
    pub(crate) tree: OwnedFd,
    pub(crate) at: PathBuf,
    pub(crate) access: Access,
    pub(crate) found: Metadata,
    /// Whether the program is the owner of what the caller owns.
    pub(crate) owned: bool,
}

/// Who writes to the view.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) identity: Identity,
    pub(crate) user: u32,
}

/// Builds the view and makes it the root. The process is the first of new mount and process
/// namespaces.
pub(crate) fn build(
    job: &Job,
    identity: Identity,
    owners: &[Option<OwnedFd>],
) -> Result<View, String> {
    let user = match identity {
        Identity::Other(number) => number,
        Identity::Same => INSIDE,
    };
    let owner = Owner { identity, user };
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(|error| format!("the mounts cannot be made private: {error}"))?;
    let sources = open_sources(job, owners)?;
    let system = open_system()?;
    let special = special::open().map_err(|error| format!("proc and devices: {error}"))?;
    new_root().map_err(|error| format!("the new root: {error}"))?;
    let disk = make_disk(job, owner).map_err(|error| format!("the private disk: {error}"))?;
    for (path, entry) in system {
        put_system(&path, entry).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    special.put().map_err(|error| format!("proc and devices: {error}"))?;
    let mut notes = Vec::new();
    for (number, source) in sources.iter().enumerate() {
        notes.extend(layer::put(number, source, owner).map_err(|error| {
            format!("{} cannot be put into the sandbox: {error}", source.at.display())
        })?);
    }
    close_root().map_err(|error| format!("the new root: {error}"))?;
    Ok(View { processes: special.watched, disk, notes })
}

/// Opens what the job names, the outer folders first.
fn open_sources(job: &Job, owners: &[Option<OwnedFd>]) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for (number, wished) in job.mounts.iter().enumerate() {
        let from = &wished.from;
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!("{} does not exist: create it, or take it out", from.display())
            }
            _ => format!("{} cannot be opened: {error}", from.display()),
        };
        let tree = kernel::open_tree(from).map_err(cannot)?;
        let rights = if wished.access == Access::Read { libc::MOUNT_ATTR_RDONLY } else { 0 };
        let safe = |owners, recursive| {
            let attributes = Attributes { set: SAFE | rights, owners, recursive };
            kernel::set_attributes(tree.as_fd(), attributes)
        };
        let by = owners.get(number).and_then(Option::as_ref).map(OwnedFd::as_fd);
        // Not every file system can show owners in another way; what is mounted below need not.
        let owned = by.is_some() && (safe(by, true).is_ok() || safe(by, false).is_ok());
        safe(None, true).map_err(cannot)?;
        let found = metadata(&tree).map_err(cannot)?;
        sources.push(Source { tree, at: wished.at.clone(), access: wished.access, found, owned });
    }
    sources.sort_by_key(|source| source.at.components().count());
    Ok(sources)
}

fn metadata(tree: &OwnedFd) -> io::Result<Metadata> {
    File::from(tree.try_clone()?).metadata()
}

enum System {
    Link(PathBuf),
    Tree(OwnedFd, bool),
}

fn open_system() -> Result<Vec<(PathBuf, System)>, String> {
    let mut opened = Vec::new();
    for path in system::paths() {
        let cannot = |error: io::Error| format!("{} cannot be opened: {error}", path.display());
        let found = path.symlink_metadata().map_err(cannot)?;
        let entry = if found.is_symlink() {
            System::Link(path.read_link().map_err(cannot)?)
        } else {
            let tree = kernel::open_tree(&path).map_err(cannot)?;
            let set = SAFE | libc::MOUNT_ATTR_RDONLY;
            let attributes = Attributes { set, owners: None, recursive: true };
            kernel::set_attributes(tree.as_fd(), attributes).map_err(cannot)?;
            System::Tree(tree, found.is_dir())
        };
        opened.push((path, entry));
    }
    Ok(opened)
}

fn put_system(path: &Path, entry: System) -> io::Result<()> {
    match entry {
        System::Link(to) => {
            std::fs::create_dir_all(path.parent().unwrap_or(path))?;
            symlink(to, path)
        }
        System::Tree(tree, folder) => lay(&tree, path, folder),
    }
}

/// Attaches a mount to a path of the new root while nothing in it is anybody else's.
pub(crate) fn lay(tree: &OwnedFd, path: &Path, folder: bool) -> io::Result<()> {
    if folder {
        std::fs::create_dir_all(path)?;
    } else {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        File::create(path)?;
    }
    kernel::attach_at(tree.as_fd(), path)
}

/// Makes an empty file system the root of this process.
fn new_root() -> io::Result<()> {
    let options = [(c"size", c"4m"), (c"nr_inodes", c"4096"), (c"mode", c"0755")];
    let root = kernel::new_mount(c"tmpfs", &options, &[], SAFE)?;
    let old = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    kernel::attach(root.as_fd(), old.as_fd())?;
    fchdir(&root)?;
    kernel::make_working_folder_the_root()?;
    for folder in [LOWER, EMPTY, DISK] {
        DirBuilder::new().mode(0o755).create(folder)?;
    }
    Ok(())
}

/// Mounts the tmpfs that takes everything private, so that one limit is on all of it.
fn make_disk(job: &Job, owner: Owner) -> io::Result<OwnedFd> {
    let text = |number: u64| std::ffi::CString::new(number.to_string()).unwrap_or_default();
    let size = text(job.limits.disk.max(4096));
    // A file without content takes memory, too.
    let files = text((job.limits.disk / 4096).clamp(1024, 1 << 20));
    let options =
        [(c"size", size.as_c_str()), (c"nr_inodes", files.as_c_str()), (c"mode", c"0755")];
    let disk = kernel::new_mount(c"tmpfs", &options, &[], SAFE)?;
    kernel::attach_at(disk.as_fd(), Path::new(DISK))?;
    for (name, at, mode) in [
        ("tmp", "/tmp", 0o1777),
        ("vartmp", "/var/tmp", 0o1777),
        ("shm", "/dev/shm", 0o1777),
        ("home", HOME, 0o700),
    ] {
        let folder = Path::new(DISK).join(name);
        std::fs::create_dir(&folder)?;
        give(&folder, owner)?;
        std::fs::set_permissions(&folder, Permissions::from_mode(mode))?;
        lay(&kernel::open_tree(&folder)?, Path::new(at), true)?;
    }
    Ok(disk)
}

/// Puts what is private to its place in the view.
pub(crate) fn bind(private: &Path, at: &Path, owner: Owner) -> io::Result<()> {
    let tree = kernel::open_tree(private)?;
    kernel::attach(tree.as_fd(), place(at, private.is_dir(), owner)?.as_fd())
}

/// Lets go of what was needed to build, and makes the root itself read-only.
fn close_root() -> io::Result<()> {
    umount2(DISK, MntFlags::MNT_DETACH)?;
    std::fs::remove_dir(DISK)?;
    std::fs::remove_dir(LOWER)?;
    for (name, text) in system::MADE {
        let path = Path::new("/etc").join(name);
        if path.symlink_metadata().is_err() {
            std::fs::write(path, text)?;
        }
    }
    let root = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let set = SAFE | libc::MOUNT_ATTR_RDONLY;
    kernel::set_attributes(root.as_fd(), Attributes { set, owners: None, recursive: false })
}

/// Makes the program the owner of something.
pub(crate) fn give(path: &Path, owner: Owner) -> io::Result<()> {
    match owner.identity {
        Identity::Other(user) => chown(path, Some(user), Some(user)),
        Identity::Same => Ok(()),
    }
}

/// Opens a place in the new root to attach something to; what is missing of it is made. No symbolic
/// link is followed: one in a private view could lead anywhere.
pub(crate) fn place(at: &Path, folder: bool, owner: Owner) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let mut here = open("/", flags | OFlag::O_DIRECTORY, Mode::empty())?;
    let parts: Vec<_> = at.components().skip(1).collect();
    for (number, part) in parts.iter().enumerate() {
        let name = Path::new(part.as_os_str());
        let is_folder = folder || number + 1 < parts.len();
        let flags = if is_folder { flags | OFlag::O_DIRECTORY } else { flags };
        here = match openat(&here, name, flags, Mode::empty()) {
            Err(nix::errno::Errno::ENOENT) => {
                make(here.as_fd(), name, is_folder, owner)?;
                openat(&here, name, flags, Mode::empty())?
            }
            Err(nix::errno::Errno::ENOTDIR | nix::errno::Errno::ELOOP) => {
                return Err(io::Error::other(format!(
                    "{} on the way is no folder; a symbolic link is not followed",
                    name.display()
                )));
            }
            opened => opened?,
        };
    }
    Ok(here)
}

fn make(parent: BorrowedFd<'_>, name: &Path, folder: bool, owner: Owner) -> io::Result<()> {
    if folder {
        mkdirat(parent, name, Mode::from_bits_truncate(0o755))?;
    } else {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC | OFlag::O_WRONLY;
        openat(parent, name, flags, Mode::from_bits_truncate(0o644))?;
    }
    if let Identity::Other(user) = owner.identity {
        let (user, group) = (Uid::from_raw(user), Gid::from_raw(user));
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        nix::unistd::fchownat(parent, name, Some(user), Some(group), flags)?;
    }
    Ok(())
}

/// Whether the network namespace gets its loopback interface.
pub(crate) fn has_loopback(network: &Network) -> bool {
    *network != Network::None
}

/// The owner of what is mounted, by number.
pub(crate) fn owner_of(path: &Path) -> Option<(u32, u32)> {
    let found = path.metadata().ok()?;
    Some((found.uid(), found.gid()))
}

//! `/proc` and `/dev` of the view.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::kernel::{self, Attributes};
use crate::system::DEVICES;
use crate::view::{EMPTY, SAFE, lay};

/// What of `/proc` is the machine's and can be read by everybody, or is worth two walls: memory,
/// keys, the keys of the keyboard. The rest is root's, and root is not inside.
const MASKED_FILES: &[&str] =
    &["kcore", "keys", "key-users", "latency_stats", "sysrq-trigger", "timer_list"];
const MASKED_FOLDERS: &[&str] = &["acpi", "asound", "scsi"];

/// What of `/proc` is read only, for whoever has rights there.
const READ_ONLY: &[&str] = &["sys"];

const EXECUTES_NOT: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Opened, attached nowhere yet.
pub(crate) struct Special {
    inside: OwnedFd,
    /// A second `/proc`, from which no process hides: it stays outside the view.
    pub(crate) watched: OwnedFd,
    terminals: Option<OwnedFd>,
    devices: Vec<(&'static str, OwnedFd)>,
    null: OwnedFd,
}

/// Opens what must be opened before the old root is gone: a user namespace mounts no `/proc` where
/// it does not see one already.
pub(crate) fn open() -> io::Result<Special> {
    let safe = SAFE | EXECUTES_NOT;
    let hidden = [(c"hidepid", c"2")];
    let inside = kernel::new_mount(c"proc", &hidden, &[], safe)?;
    let watched = kernel::new_mount(c"proc", &[], &[], safe)?;
    let terminals = [(c"ptmxmode", c"0666"), (c"mode", c"0620")];
    let set = libc::MOUNT_ATTR_NOSUID | EXECUTES_NOT;
    let terminals = kernel::new_mount(c"devpts", &terminals, &[c"newinstance"], set).ok();
    let device = |name: &str| {
        let tree = kernel::open_tree(&Path::new("/dev").join(name))?;
        kernel::set_attributes(tree.as_fd(), Attributes { set, owners: None, recursive: false })?;
        Ok::<_, io::Error>(tree)
    };
    let devices: Result<Vec<_>, io::Error> =
        DEVICES.iter().map(|name| Ok((*name, device(name)?))).collect();
    let null = device("null")?;
    let devices = devices?;
    Ok(Special { inside, watched, terminals, devices, null })
}

impl Special {
    /// Puts all into the new root.
    pub(crate) fn put(&self) -> io::Result<()> {
        lay(&self.inside, Path::new("/proc"), true)?;
        self.mask()?;
        for (name, tree) in &self.devices {
            lay(tree, &Path::new("/dev").join(name), false)?;
        }
        if let Some(terminals) = &self.terminals {
            lay(terminals, Path::new("/dev/pts"), true)?;
            symlink("pts/ptmx", "/dev/ptmx")?;
        }
        symlink("/proc/self/fd", "/dev/fd")?;
        for (number, name) in ["stdin", "stdout", "stderr"].iter().enumerate() {
            symlink(format!("/proc/self/fd/{number}"), format!("/dev/{name}"))?;
        }
        Ok(())
    }

    fn mask(&self) -> io::Result<()> {
        let proc = Path::new("/proc");
        let read_only = |tree: &OwnedFd| {
            let set = SAFE | libc::MOUNT_ATTR_RDONLY;
            kernel::set_attributes(tree.as_fd(), Attributes { set, owners: None, recursive: false })
        };
        for name in MASKED_FILES {
            let null = kernel::open_tree_at(self.null.as_fd())?;
            over(&null, &proc.join(name))?;
        }
        for name in MASKED_FOLDERS {
            let empty = kernel::open_tree(Path::new(EMPTY))?;
            read_only(&empty)?;
            over(&empty, &proc.join(name))?;
        }
        for name in READ_ONLY {
            let tree = kernel::open_tree(&proc.join(name))?;
            read_only(&tree)?;
            over(&tree, &proc.join(name))?;
        }
        Ok(())
    }
}

/// Attaches a mount over what is there, if something is.
fn over(tree: &OwnedFd, path: &Path) -> io::Result<()> {
    match kernel::attach_at(tree.as_fd(), path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        attached => attached,
    }
}

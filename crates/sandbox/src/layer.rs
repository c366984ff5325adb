//! Puts what a job mounts into the view: as it is, read-only, or under a layer that takes the
//! changes (overlayfs) or, where the kernel has no such layer, as a copy.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};

use crate::copy::{self, Copied};
use crate::identity::Identity;
use crate::kernel;
use crate::view::{DISK, EMPTY, LOWER, Owner, SAFE, Source, bind, give, place};
use crate::{Access, copy::Bounds};

/// Puts a mount in; gives what there is to say about it.
pub(crate) fn put(number: usize, source: &Source, owner: Owner) -> io::Result<Option<String>> {
    if source.found.is_dir() {
        return match source.access {
            Access::Write => attach(source, owner).map(|()| unowned(source, owner)),
            Access::Read | Access::Private => put_folder(number, source, owner),
        };
    }
    match source.access {
        Access::Read | Access::Write => attach(source, owner).map(|()| unowned(source, owner)),
        Access::Private => {
            let lower = attach_below(number, source, owner, false)?;
            let private = Path::new(DISK).join(number.to_string());
            let copied = fs::copy(&lower, &private).and_then(|_| give(&private, owner));
            copied.and_then(|()| bind(&private, &source.at, owner))?;
            umount2(&lower, MntFlags::MNT_DETACH)?;
            fs::remove_file(lower).map(|()| None)
        }
    }
}

fn attach(source: &Source, owner: Owner) -> io::Result<()> {
    let place = place(&source.at, source.found.is_dir(), owner)?;
    kernel::attach(source.tree.as_fd(), place.as_fd())
}

/// What there is to say where the caller's files are not the program's.
fn unowned(source: &Source, owner: Owner) -> Option<String> {
    (matches!(owner.identity, Identity::Other(_)) && !source.owned).then(|| {
        format!(
            "{} is on a file system that cannot show its owner in another way: the program has the \
             rights of others there",
            source.at.display()
        )
    })
}

/// Attaches a mount where layers are put over it.
fn attach_below(number: usize, source: &Source, owner: Owner, folder: bool) -> io::Result<PathBuf> {
    let lower = Path::new(LOWER).join(number.to_string());
    kernel::attach(source.tree.as_fd(), place(&lower, folder, owner)?.as_fd())?;
    Ok(lower)
}

fn put_folder(number: usize, source: &Source, owner: Owner) -> io::Result<Option<String>> {
    let lower = attach_below(number, source, owner, true)?;
    let disk = Path::new(DISK).join(number.to_string());
    let other = matches!(owner.identity, Identity::Other(_));
    let layered = if other && !source.owned && source.access == Access::Private {
        // The program could not write over what the caller owns: a copy can be given to it.
        Err(io::ErrorKind::Unsupported.into())
    } else {
        layered(source, &lower, &disk, other)
    };
    let said = match (layered, source.access) {
        (Ok(layer), _) => {
            let place = place(&source.at, true, owner)?;
            kernel::attach(layer.as_fd(), place.as_fd())?;
            unowned(source, owner)
        }
        (Err(_), Access::Private) => {
            let bounds = Bounds { bytes: u64::MAX, owner: other.then_some(owner.user) };
            let to = disk.join("copy");
            fs::create_dir_all(&to)?;
            let Copied { .. } = copy::tree(&lower, &to, &bounds)?;
            bind(&to, &source.at, owner)?;
            Some(format!("{} is a copy: no overlay can be mounted here", source.at.display()))
        }
        (Err(_), _) => {
            bind(&lower, &source.at, owner)?;
            Some(format!("{}: sockets in it lead outside", source.at.display()))
        }
    };
    umount2(&lower, MntFlags::MNT_DETACH)?;
    fs::remove_dir(lower)?;
    Ok(said)
}

/// The layer over `lower`. What is only read has one, too: a socket or pipe is none through it.
fn layered(
    source: &Source,
    lower: &Path,
    disk: &Path,
    privileged: bool,
) -> io::Result<std::os::fd::OwnedFd> {
    let text = |path: &Path| CString::new(path.as_os_str().as_encoded_bytes());
    // What overlayfs writes down is an attribute that only root's files may have, or any file's.
    let flags: &[_] = if privileged { &[] } else { &[c"userxattr"] };
    if source.access == Access::Read {
        let both = CString::new(format!("{}:{EMPTY}", lower.display()))?;
        let options = [(c"lowerdir", both.as_c_str())];
        return kernel::new_mount(c"overlay", &options, flags, SAFE | libc::MOUNT_ATTR_RDONLY);
    }
    let (upper, work) = (disk.join("upper"), disk.join("work"));
    fs::create_dir_all(&upper)?;
    fs::create_dir(&work)?;
    // The top of the view has the owner and rights of the upper folder.
    let top = lower.metadata()?;
    let _ = chown(&upper, Some(top.uid()), Some(top.gid()));
    fs::set_permissions(&upper, Permissions::from_mode(top.mode() & 0o7777))?;
    let (lower, upper, work) = (text(lower)?, text(&upper)?, text(&work)?);
    let mut options = vec![
        (c"lowerdir", lower.as_c_str()),
        (c"upperdir", upper.as_c_str()),
        (c"workdir", work.as_c_str()),
    ];
    if privileged {
        // Else a folder that was there before cannot be renamed.
        options.push((c"redirect_dir", c"on"));
    }
    kernel::new_mount(c"overlay", &options, flags, SAFE)
}

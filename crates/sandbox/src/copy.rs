//! Copies a tree of folders, files and symbolic links: what a private view is where the kernel
//! layers none. A socket, pipe or device is left out.

use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown, lchown, symlink};
use std::path::Path;

/// What a copy may be.
pub(crate) struct Bounds {
    /// The most bytes, all files together.
    pub(crate) bytes: u64,
    /// To whom the copy is given.
    pub(crate) owner: Option<u32>,
}

/// What was copied.
pub(crate) struct Copied {
    /// All files together.
    pub(crate) bytes: u64,
}

/// Copies what is in `from` into the folder `to`, with rights and times.
pub(crate) fn tree(from: &Path, to: &Path, bounds: &Bounds) -> io::Result<Copied> {
    let mut copied = Copied { bytes: 0 };
    folder(from, to, bounds, &mut copied)?;
    Ok(copied)
}

fn folder(from: &Path, to: &Path, bounds: &Bounds, copied: &mut Copied) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let found = entry.metadata()?;
        if found.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
            if let Some(user) = bounds.owner {
                lchown(&to, Some(user), Some(user))?;
            }
        } else if found.is_dir() {
            fs::create_dir(&to)?;
            match folder(&from, &to, bounds, copied) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                done => done?,
            }
        } else if found.is_file() {
            copied.bytes = copied.bytes.saturating_add(found.len());
            if copied.bytes > bounds.bytes {
                return Err(io::Error::new(
                    io::ErrorKind::QuotaExceeded,
                    format!("a copy takes more than the limit of {} bytes", bounds.bytes),
                ));
            }
            // Shares the blocks where the file system can. What the caller cannot read, the program
            // could not read in the original, either.
            match fs::copy(&from, &to) {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                done => done.and_then(|_| finish(&to, &found, bounds))?,
            }
        }
    }
    finish(to, &from.metadata()?, bounds)
}

/// Gives a copy the rights, the times and the owner that it is to have.
fn finish(to: &Path, found: &Metadata, bounds: &Bounds) -> io::Result<()> {
    let open = File::open(to)?;
    let times = FileTimes::new().set_modified(found.modified()?).set_accessed(found.accessed()?);
    open.set_times(times)?;
    open.set_permissions(Permissions::from_mode(found.mode() & 0o777))?;
    match bounds.owner {
        Some(user) => fchown(&open, Some(user), Some(user)),
        None => Ok(()),
    }
}

//! The tier `landlock`: private views as copies. There is no root of its own, so what a job calls
//! by a path inside is called by the path of the copy, wherever the job says it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{MetadataExt, PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use crate::copy::{self, Bounds};
use crate::identity::{self, Identity};
use crate::{Access, HOME, Job, Mount, Network};

/// Where scratch folders are made; the first that takes one.
const PLACES: &[&str] = &["/var/tmp", "/tmp"];

/// How the names of scratch folders begin; the number of the process follows that made it.
const NAME: &str = "sandbox-";

/// What programs write to without being told, and where it goes.
const OWN: &[(&str, &str)] =
    &[("/tmp", "tmp"), ("/var/tmp", "tmp"), ("/dev/shm", "tmp"), (HOME, "home")];

/// The folder of a run; it is removed with the value.
#[derive(Debug)]
pub(crate) struct Scratch {
    /// Where it is, without links on the way.
    pub(crate) folder: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Root needs no rights; and to give some by name, where somebody else may put a link, would
        // give them elsewhere.
        if fs::remove_dir_all(&self.folder).is_err() && !nix::unistd::geteuid().is_root() {
            let _ = open_up(&self.folder);
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Lets the owner into all folders.
fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let _ = open_up(&entry.path());
        }
    }
    Ok(())
}

/// Makes the copies; gives the job as it is then.
pub(crate) fn prepare(job: &Job, identity: Identity) -> Result<(Job, Scratch), String> {
    if job.network == Network::Loopback {
        return Err(
            "a loopback network of its own takes the tier namespaces: allow user namespaces \
                    on this machine, or give the suite no network"
                .to_owned(),
        );
    }
    let scratch = make().map_err(|error| format!("no folder for copies can be made: {error}"))?;
    let mut paths: Vec<(PathBuf, PathBuf)> = Vec::new();
    let mut mounts = Vec::new();
    for (inside, name) in OWN {
        let to = scratch.folder.join(name);
        fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
        paths.push((PathBuf::from(inside), to.clone()));
        mounts.push(Mount { from: to.clone(), at: to, access: Access::Write });
    }
    let owner = match identity {
        Identity::Other(number) => Some(number),
        Identity::Same => None,
    };
    let mut left = job.limits.disk;
    let mut ordered: Vec<&Mount> = job.mounts.iter().collect();
    ordered.sort_by_key(|mount| mount.at.components().count());
    for (number, mount) in ordered.into_iter().enumerate() {
        let at = match mount.access {
            Access::Private => {
                let to = scratch.folder.join(number.to_string());
                left -= copy_one(&mount.from, &to, left, owner)?;
                to
            }
            Access::Read | Access::Write => {
                mount.from.canonicalize().map_err(|error| missing(&mount.from, &error))?
            }
        };
        link_into(&paths, &mount.at, &at, &scratch.folder)
            .map_err(|error| format!("{}: {error}", mount.at.display()))?;
        paths.push((mount.at.clone(), at.clone()));
        mounts.push(Mount { from: mount.from.clone(), at, access: mount.access });
    }
    if let Some(number) = owner {
        for folder in ["tmp", "home", ""] {
            let folder = scratch.folder.join(folder);
            chown(&folder, Some(number), Some(number))
                .map_err(|error| format!("{}: {error}", folder.display()))?;
        }
    }
    // The longest first: what is mounted into something else is not that.
    paths.sort_by_key(|(inside, _)| std::cmp::Reverse(inside.as_os_str().len()));
    let mut job = translate(job, &paths);
    for collect in &job.collect {
        if !mounts.iter().any(|mount| collect.inside.starts_with(&mount.at)) {
            return Err(format!("{} is in nothing that is mounted", collect.inside.display()));
        }
    }
    if !job.env.iter().any(|(name, _)| name == "TMPDIR") {
        job.env.push(("TMPDIR".into(), scratch.folder.join("tmp").into()));
    }
    job.mounts = mounts;
    Ok((job, scratch))
}

fn make() -> io::Result<Scratch> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for place in PLACES {
        remove_left_over(Path::new(place));
        let name = format!("{NAME}{}-XXXXXX", std::process::id());
        let made = nix::unistd::mkdtemp(&Path::new(place).join(name));
        match made.map_err(io::Error::from).and_then(|folder| folder.canonicalize()) {
            Ok(folder) => return Ok(Scratch { folder }),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Removes folders whose makers were killed before they could; somebody else's stay.
fn remove_left_over(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(NAME));
        let maker = rest.and_then(|rest| rest.split_once('-')?.0.parse::<u32>().ok());
        let is_ours = entry
            .metadata()
            .is_ok_and(|found| found.is_dir() && identity::is_ours(MetadataExt::uid(&found)));
        if is_ours && maker.is_some_and(|maker| !Path::new(&format!("/proc/{maker}")).exists()) {
            drop(Scratch { folder: entry.path() });
        }
    }
}

fn missing(from: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            format!("{} does not exist: create it, or take it out", from.display())
        }
        _ => format!("{} cannot be opened: {error}", from.display()),
    }
}

/// Copies a file or folder; gives its size.
fn copy_one(from: &Path, to: &Path, most: u64, owner: Option<u32>) -> Result<u64, String> {
    let found = from.metadata().map_err(|error| missing(from, &error))?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::QuotaExceeded => format!(
            "a copy of {} is larger than the limit of the disk: raise it, or allow user namespaces, \
             which copy nothing",
            from.display()
        ),
        _ => format!("{} cannot be copied: {error}", from.display()),
    };
    if !found.is_dir() {
        fs::copy(from, to).map_err(failed)?;
        chown(to, owner, owner).map_err(failed)?;
        return Ok(found.len().min(most));
    }
    fs::create_dir(to).map_err(failed)?;
    let copied = copy::tree(from, to, &Bounds { bytes: most, owner }).map_err(failed)?;
    Ok(copied.bytes)
}

/// What is mounted into a copy is a link in it, in place of what is there.
fn link_into(
    paths: &[(PathBuf, PathBuf)],
    inside: &Path,
    to: &Path,
    scratch: &Path,
) -> io::Result<()> {
    let outer = paths.iter().rev().find_map(|(outer, copy)| {
        Some(copy.join(inside.strip_prefix(outer).ok()?)).filter(|place| place.starts_with(scratch))
    });
    let Some(place) = outer else { return Ok(()) };
    let parent = place.parent().unwrap_or(scratch);
    fs::create_dir_all(parent)?;
    // A link in the copy may lead anywhere; nothing is removed or made behind one.
    if parent.canonicalize()? != parent {
        return Err(io::Error::other("a symbolic link on the way is not followed"));
    }
    match place.symlink_metadata() {
        Ok(found) if found.is_dir() => fs::remove_dir_all(&place)?,
        Ok(_) => fs::remove_file(&place)?,
        Err(_) => {}
    }
    symlink(to, place)
}

/// The job with every path inside replaced by the one outside.
fn translate(job: &Job, paths: &[(PathBuf, PathBuf)]) -> Job {
    let text = |text: &OsString| replace(text, paths);
    let path = |path: &Path| PathBuf::from(replace(path.as_os_str(), paths));
    let mut job = job.clone();
    job.argv = job.argv.iter().map(text).collect();
    job.env = job.env.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    job.folder = path(&job.folder);
    for collect in &mut job.collect {
        collect.inside = path(&collect.inside);
    }
    job
}

/// Replaces paths in a text, where they are whole paths or the start of one.
fn replace(text: &OsStr, paths: &[(PathBuf, PathBuf)]) -> OsString {
    let text = text.as_bytes();
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    let mut replaced: Vec<u8> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let starts = at == 0 || !of_name(&text[at - 1]);
        let found = paths.iter().filter(|_| starts && rest[0] == b'/').find(|(inside, _)| {
            let inside = inside.as_os_str().as_bytes();
            let after = rest.strip_prefix(inside).map(|after| after.first());
            after.is_some_and(|next| next.is_none_or(|next| *next == b'/' || !of_name(next)))
        });
        if let Some((inside, to)) = found {
            replaced.extend_from_slice(to.as_os_str().as_bytes());
            at += inside.as_os_str().len();
        } else {
            replaced.push(rest[0]);
            at += 1;
        }
    }
    OsString::from_vec(replaced)
}

/// The bytes of all files in a folder, each counted once for each name.
pub(crate) fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        // What is allocated: a file of holes takes nothing.
        Ok(found) => std::os::unix::fs::MetadataExt::blocks(&found) * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_replaced_where_they_are_paths() {
        let paths = [("/project/target", "/s/1"), ("/project", "/s/0"), ("/tmp", "/s/tmp")];
        let paths = paths.map(|(inside, to)| (PathBuf::from(inside), PathBuf::from(to)));
        let check = |text: &str, expected: &str| {
            assert_eq!(replace(OsStr::new(text), &paths), OsStr::new(expected), "{text}");
        };
        check("/project", "/s/0");
        check("/project/a", "/s/0/a");
        check("/project/target/a", "/s/1/a");
        check("/project/targets", "/s/0/targets");
        check("/projection", "/projection");
        check("/home/project/a", "/home/project/a");
        check("--dir=/project/a:/tmp", "--dir=/s/0/a:/s/tmp");
        check("project", "project");
        check("", "");
    }
}

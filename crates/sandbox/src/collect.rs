//! The files that were asked for: found by the first process, in what the program saw, and copied
//! by the process outside. No symbolic link is followed, and nothing but a file is opened to read.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, OpenHow, ResolveFlag, openat2};
use nix::time::{ClockId, clock_gettime};

use crate::wire::{End, Note};
use crate::{Collect, Collected, Found};

/// The most files that fit one pattern; a project of a thousand modules has a thousand reports.
const MOST_FILES: usize = 10_000;

/// Hands out every file that is asked for. The other processes of the run are gone.
pub(crate) fn hand_out(asked: &[Collect], end: &End) -> io::Result<()> {
    for (number, collect) in asked.iter().enumerate() {
        let (paths, more) = fitting(&collect.inside);
        for inside in paths {
            let (found, file) = open_file(&inside);
            // A message is text, and a name may be any bytes.
            let inside = PathBuf::from(inside.to_string_lossy().into_owned());
            let note = Note::File { number, inside, found };
            let with: Vec<_> = file.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
            end.tell(&note, &with)?;
        }
        if let Some(found) = more {
            end.tell(&Note::File { number, inside: collect.inside.clone(), found }, &[])?;
        }
    }
    Ok(())
}

/// The paths that fit, and what else there is to say of them all.
fn fitting(pattern: &Path) -> (Vec<PathBuf>, Option<Found>) {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return (Vec::new(), Some(Found::Missing));
    };
    if !name.as_bytes().contains(&b'*') {
        return (vec![pattern.to_owned()], None);
    }
    let listed = open_path(folder, OFlag::O_RDONLY | OFlag::O_DIRECTORY).and_then(|open| {
        // By its descriptor: no link on the way is followed again.
        let entries = nix::dir::Dir::from_fd(open)?;
        Ok(entries
            .into_iter()
            .flatten()
            .map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned())
            .filter(|entry| fits(name.as_bytes(), entry.as_bytes()))
            .collect::<Vec<_>>())
    });
    let mut names = match listed {
        Ok(names) => names,
        Err(error) => return (Vec::new(), Some(why(error))),
    };
    names.sort();
    let more = match names.len() {
        0 => Some(Found::Missing),
        many if many > MOST_FILES => Some(Found::TooLarge),
        _ => None,
    };
    names.truncate(MOST_FILES);
    (names.into_iter().map(|name| folder.join(name)).collect(), more)
}

/// Whether a name fits a pattern, in which `*` is any bytes.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while here < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, here));
            at += 1;
        } else if pattern.get(at) == Some(&name[here]) {
            (at, here) = (at + 1, here + 1);
        } else if let Some((back, from)) = star {
            star = Some((back, from + 1));
            (at, here) = (back + 1, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

fn open_path(path: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve);
    openat2(AT_FDCWD, path, how)
}

fn open_file(path: &Path) -> (Found, Option<OwnedFd>) {
    // Without reading or writing first: to open a pipe blocks, and to open a device may do more.
    let looked = open_path(path, OFlag::O_PATH).map(File::from);
    let opened = looked.and_then(|file| {
        if !file.metadata().is_ok_and(|found| found.is_file()) {
            return Err(Errno::ELOOP);
        }
        open_path(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
    });
    match opened {
        Ok(file) => (Found::Found, Some(file)),
        Err(error) => (why(error), None),
    }
}

fn why(error: Errno) -> Found {
    match error {
        Errno::ENOENT => Found::Missing,
        Errno::ELOOP | Errno::ENOTDIR => Found::NotAFile,
        _ => Found::Unreadable,
    }
}

/// The time now, which no file that was written before is newer than.
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(Duration::ZERO, Duration::from)
}

/// Waits until every file that is written is newer than `start`: file systems take their times from
/// a clock that stands still for some milliseconds.
pub(crate) fn wait_until_after(start: Duration) {
    let coarse = || clock_gettime(ClockId::CLOCK_REALTIME_COARSE).map(Duration::from);
    // Bounded: the clock may be set back meanwhile.
    for _ in 0..200 {
        if !coarse().is_ok_and(|time| time <= start) {
            return;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// Copies a file that was handed out. `start` is the time of [`now`] before the run.
pub(crate) fn take(
    asked: &Collect,
    inside: PathBuf,
    found: Found,
    file: Option<OwnedFd>,
    start: Duration,
) -> Collected {
    let mut collected =
        Collected { inside, outside: None, bytes: 0, written_after_start: false, found };
    let Some(file) = file.map(File::from) else { return collected };
    let Ok(metadata) = file.metadata() else {
        collected.found = Found::Unreadable;
        return collected;
    };
    collected.bytes = metadata.len();
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    collected.written_after_start = Duration::new(seconds, nanos) > start;
    collected.found = match copy(asked, &collected.inside, &file) {
        _ if !metadata.is_file() => Found::NotAFile,
        _ if metadata.len() > asked.most => Found::TooLarge,
        Ok(path) => {
            collected.outside = Some(path);
            Found::Found
        }
        Err(_) => Found::Unreadable,
    };
    collected
}

fn copy(asked: &Collect, inside: &Path, file: &File) -> io::Result<PathBuf> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > asked.most {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let name = inside.file_name().unwrap_or(OsStr::new("file"));
    let mut path = asked.to.join(name);
    let mut number = 1;
    let target = loop {
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                number += 1;
                path = asked.to.join(format!("{number}-{}", name.to_string_lossy()));
            }
            created => break created?,
        }
    };
    io::copy(&mut file.take(metadata.len()), &mut &target)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_is_any_bytes() {
        let check = |pattern: &str, name: &str, expected| {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        };
        check("TEST-*.xml", "TEST-a.b.xml", true);
        check("TEST-*.xml", "TEST-.xml", true);
        check("TEST-*.xml", "TEST-a.xml.bak", false);
        check("TEST-*.xml", "XTEST-a.xml", false);
        check("*", "", true);
        check("*a*b*", "xxaxxaxbx", true);
        check("*a*b*", "xxbxa", false);
        check("a", "a", true);
        check("a", "ab", false);
    }
}

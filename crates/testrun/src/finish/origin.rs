//! Whether a file that was collected is this run's: written while it ran, and by nobody beside it.
//!
//! A run sees the project through a view of its own. What others write to the project meanwhile may
//! show through it, as new as what the run itself writes. No declaration has it where a path is
//! declared as `write`: there, nothing is between the run and the others at all.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use reports::Delivery;
use sandbox::{Collected, Found};

use crate::store::Run;
use crate::suite::Suite;

/// The copy of a file that this run wrote, or why there is none. `declared` are the paths that may
/// stand for it, from the working folder on.
pub(super) fn own<'c>(
    suite: &Suite,
    run: &Run,
    one: &'c Collected,
    declared: &[String],
) -> Result<&'c Path, Delivery> {
    let file = match (&one.found, &one.outside) {
        (Found::Found, Some(file)) => file,
        (Found::Missing | Found::Found, _) => return Err(Delivery::Missing),
        (Found::TooLarge, _) => return Err(Delivery::Cut),
        (Found::NotAFile, _) => {
            return Err(Delivery::Unreadable("it is no ordinary file".to_owned()));
        }
        (Found::Unreadable, _) => {
            return Err(Delivery::Unreadable("it cannot be opened".to_owned()));
        }
    };
    let doubt = declared.iter().find_map(|path| {
        let seen = seen(suite, one, path)?;
        changed(suite, run, &seen, path)
    });
    match doubt {
        // Where others write, the time says nothing either.
        Some(doubt) if one.written_after_start => Err(Delivery::Foreign(doubt)),
        _ if !one.written_after_start => Err(Delivery::Stale),
        _ => Ok(file),
    }
}

/// Where the run saw the file, if it can be the one of this declared path.
fn seen(suite: &Suite, one: &Collected, declared: &str) -> Option<PathBuf> {
    let folder = Path::new(declared).parent().unwrap_or(Path::new(""));
    // Without a root of its own, a run sees the copy of a folder under another name.
    let is_there = one.inside.parent().is_some_and(|parent| parent.ends_with(folder));
    is_there.then(|| Some(suite.workdir().join(folder).join(one.inside.file_name()?)))?
}

/// Why a file may be somebody else's: the one that shows through was written after the run was
/// asked for.
fn changed(suite: &Suite, run: &Run, seen: &Path, declared: &str) -> Option<String> {
    let below = below(suite, run, seen)?.symlink_metadata().ok()?;
    let times = [(below.mtime(), below.mtime_nsec()), (below.ctime(), below.ctime_nsec())];
    let asked = (run.created / 1000, run.created % 1000 * 1_000_000);
    times.iter().any(|time| *time > asked).then(|| {
        format!("{declared} was written in the project itself while the run went on; run it again")
    })
}

/// The file of this machine that shows through where the run sees one.
fn below(suite: &Suite, run: &Run, seen: &Path) -> Option<PathBuf> {
    let caches = suite.settings.caches.iter().filter_map(|cache| {
        let at = cache.at.as_ref().unwrap_or(&cache.path);
        let within = seen.strip_prefix(at).ok()?;
        at.starts_with(&suite.folder).then(|| (at.components().count(), cache.path.join(within)))
    });
    match caches.max_by_key(|(depth, _)| *depth) {
        Some((_, file)) => Some(file),
        // Nobody writes to an export.
        None => (!run.source.is_export).then(|| seen.to_owned()),
    }
}

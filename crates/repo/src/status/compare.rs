//! Whether a file of the working tree is as the index has it.

use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions};
use contract::ToolError;
use gix_hash::{ObjectId, hasher};
use sha2::{Digest as _, Sha256};

use super::index::{Mark, Tracked};
use super::walk::small_file;
use crate::tree::Mode;
use crate::view::{Content, LARGEST, View};

/// How much is read at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// How files are compared.
pub(super) struct Compare {
    /// Whether the file system knows programs (`core.fileMode`).
    modes: bool,
    /// When the index was written.
    written: (i64, u32),
}

impl Compare {
    pub(super) fn new(common: &Dir, written: (i64, u32)) -> Self {
        let config = small_file(common, "config").unwrap_or_default();
        let meta = gix_config::file::Metadata::from(gix_config::Source::Local);
        let config =
            gix_config::File::from_bytes_no_includes(&config, meta, Default::default()).ok();
        let mode = config.and_then(|config| {
            config.string("core.filemode").map(|value| value.to_string().to_lowercase())
        });
        let modes = !matches!(mode.as_deref(), Some("false" | "no" | "off" | "0"));
        Self { modes, written }
    }

    /// The letter of what has changed, if anything has.
    pub(super) fn file(
        &self,
        view: &mut View,
        dir: &Dir,
        name: &Path,
        tracked: &Tracked,
    ) -> Result<io::Result<Option<char>>, ToolError> {
        match tracked.mark {
            Mark::Conflict | Mark::Assumed => return Ok(Ok(None)),
            Mark::Intended => return Ok(Ok(Some('A'))),
            Mark::Plain | Mark::Absent => {}
        }
        let data = match dir.symlink_metadata(name) {
            Ok(data) => data,
            Err(error) => return Ok(Err(error)),
        };
        let (is_link, is_file) = (data.is_symlink(), data.is_file());
        if !is_link && !is_file {
            return Ok(Ok(Some('D')));
        }
        if (tracked.mode == Mode::Link) != is_link || tracked.mode == Mode::Submodule {
            return Ok(Ok(Some('T')));
        }
        let is_program = data.mode() & 0o100 != 0;
        if self.modes && is_file && (tracked.mode == Mode::Program) != is_program {
            return Ok(Ok(Some('M')));
        }
        if self.is_as_it_was(tracked, &data) {
            return Ok(Ok(None));
        }
        // A size of 0 in the index says only that git was not sure.
        let size = tracked.stat.size;
        if size != 0 && size != low(data.size()) {
            return Ok(Ok(Some('M')));
        }
        let same = if is_link {
            dir.read_link_contents(name).map(|target| {
                let target = target.as_os_str().as_bytes();
                let mut digest = started(tracked.id.kind(), target.len() as u64);
                digest.update(target);
                Ok(digest.try_finalize().ok() == Some(tracked.id))
            })
        } else {
            same(view, dir, name, tracked, data.size())
        };
        match same {
            Ok(same) => Ok(Ok((!same?).then_some('M'))),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Whether git looked at the very file, and it can not have changed since. One that changed in
    /// the moment the index was written may have (git's Documentation/technical/racy-git.txt).
    fn is_as_it_was(&self, tracked: &Tracked, data: &Metadata) -> bool {
        let stat = &tracked.stat;
        let modified = (data.mtime(), u32::try_from(data.mtime_nsec()).unwrap_or(0));
        (stat.mtime.secs, stat.mtime.nsecs) == (low(data.mtime().cast_unsigned()), modified.1)
            && stat.ctime.secs == low(data.ctime().cast_unsigned())
            && stat.size == low(data.size())
            && stat.ino == low(data.ino())
            && modified < self.written
    }
}

/// The lower half, which is what the index keeps.
fn low(value: u64) -> u32 {
    u32::try_from(value & u64::from(u32::MAX)).unwrap_or(0)
}

/// Whether the content of a file is the blob's; with line feeds for CRLF, if it is not; or the one
/// that the blob, a pointer of git-lfs, stands for.
fn same(
    view: &mut View,
    dir: &Dir,
    name: &Path,
    tracked: &Tracked,
    size: u64,
) -> io::Result<Result<bool, ToolError>> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No);
    let mut file = dir.open_with(name, &options)?;
    let mut digest = started(tracked.id.kind(), size);
    let mut sha256 = Sha256::new();
    let mut kept = (size <= LARGEST).then(Vec::new);
    let mut chunk = vec![0; CHUNK];
    loop {
        if let Err(error) = view.go_on() {
            return Ok(Err(error));
        }
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
        if kept.is_none() {
            sha256.update(&chunk[..count]);
        }
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&chunk[..count]);
        }
    }
    if digest.try_finalize().ok() == Some(tracked.id) {
        return Ok(Ok(true));
    }
    if let Some(kept) = &kept {
        if memchr::memmem::find(kept, b"\r\n").is_some() {
            let plain = without_returns(kept);
            let mut digest = started(tracked.id.kind(), plain.len() as u64);
            digest.update(&plain);
            if digest.try_finalize().ok() == Some(tracked.id) {
                return Ok(Ok(true));
            }
        }
        sha256.update(kept);
    }
    let sha256 = contract::text::hex(&sha256.finalize());
    Ok(Ok(stands_for(view, &tracked.id, &sha256, size)))
}

/// Whether a blob is a pointer of git-lfs to a file.
fn stands_for(view: &mut View, id: &ObjectId, sha256: &str, size: u64) -> bool {
    let header = view.reader.header(id).ok().flatten();
    header.is_some_and(|header| header.size < 1024)
        && view.content(id).is_ok_and(|content| content == Content::Lfs(sha256.to_owned(), size))
}

/// A digest of a blob of a size.
fn started(kind: gix_hash::Kind, size: u64) -> gix_hash::Hasher {
    let mut digest = hasher(kind);
    digest.update(format!("blob {size}\0").as_bytes());
    digest
}

fn without_returns(content: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = memchr::memmem::find(rest, b"\r\n") {
        plain.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    plain.extend_from_slice(rest);
    plain
}

#[cfg(test)]
mod tests {
    use gix_index::entry::Stat;
    use gix_index::entry::stat::Time;

    use super::*;
    use crate::status::index::Mark;

    #[test]
    fn a_file_that_changed_as_the_index_was_written_is_read() {
        let folder = tempfile::TempDir::new().expect("a folder");
        std::fs::write(folder.path().join("a"), "content").expect("a file");
        let dir = crate::status::open(folder.path()).expect("a folder");
        let data = dir.symlink_metadata("a").expect("a file");
        let nanos = u32::try_from(data.mtime_nsec()).expect("nanoseconds");
        let mut tracked = Tracked {
            path: "a".into(),
            mode: Mode::File,
            id: ObjectId::null(gix_hash::Kind::Sha1),
            stat: Stat {
                mtime: Time { secs: low(data.mtime().cast_unsigned()), nsecs: nanos },
                ctime: Time { secs: low(data.ctime().cast_unsigned()), nsecs: 0 },
                ino: low(data.ino()),
                size: low(data.size()),
                ..Stat::default()
            },
            mark: Mark::Plain,
        };
        let at = |written| Compare { modes: true, written };
        assert!(at((data.mtime() + 1, 0)).is_as_it_was(&tracked, &data));
        assert!(!at((data.mtime(), nanos)).is_as_it_was(&tracked, &data));
        assert!(!at((data.mtime() - 1, 0)).is_as_it_was(&tracked, &data));
        tracked.stat.size += 1;
        assert!(!at((data.mtime() + 1, 0)).is_as_it_was(&tracked, &data));
    }
}

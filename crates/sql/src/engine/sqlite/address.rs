//! Where the file is, what it is right now, and how it must be opened.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use contract::StartError;

/// A `sqlite:` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) path: PathBuf,
    /// The operator's word that nobody writes to the file while it is open.
    pub(super) is_immutable: bool,
}

impl Address {
    /// Reads `sqlite:path`, `sqlite://path`, with `?mode=ro` and `?immutable=true`.
    pub(super) fn parse(id: &str, url: &str) -> Result<Self, StartError> {
        let fault = |what: &str| StartError::new(format!("servers.sql.databases.{id}.url: {what}"));
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| fault("begin it with sqlite:"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        let path = decoded(path);
        if path.is_empty() || path == ":memory:" {
            return Err(fault("name a file, as in sqlite:data/sales.db"));
        }
        let mut is_immutable = false;
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option {
                "mode=ro" => {}
                "immutable=true" | "immutable=1" => is_immutable = true,
                "immutable=false" | "immutable=0" => is_immutable = false,
                _ => {
                    return Err(fault(
                        "only `mode=ro` and `immutable=true` can stand behind the `?`",
                    ));
                }
            }
        }
        Ok(Self { path: PathBuf::from(path), is_immutable })
    }
}

/// Replaces `%41` by the character it stands for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// Which file a path means: another one may take its place at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// What a file looked like; a write changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    identity: Identity,
    size: u64,
    changed: (i64, i64),
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// With SQLite's locks.
    Locked(Identity),
    /// Without locks, because the operator says that nobody writes.
    Immutable(Identity),
    /// Without locks: the file is in WAL mode, but has no WAL, so that nobody has written to it
    /// since this look. SQLite would make `-wal` and `-shm` beside it, even to read, or fail
    /// where it may not.
    Still(Look),
}

impl Mode {
    /// Looks at the file. `before` is how it was opened so far.
    ///
    /// The header is read only where no connection of this process can hold a lock on the file:
    /// closing any descriptor of a file gives up all of the process's locks on it.
    pub(super) fn of(address: &Address, before: Option<Self>) -> std::io::Result<Self> {
        let look = look(&address.path)?;
        if address.is_immutable {
            return Ok(Self::Immutable(look.identity));
        }
        match before {
            Some(Self::Locked(identity)) if identity == look.identity => Ok(Self::Locked(identity)),
            Some(Self::Still(held)) if held == look && !has_wal(&address.path) => {
                Ok(Self::Still(held))
            }
            _ if !has_wal(&address.path) && is_wal_mode(&address.path)? => Ok(Self::Still(look)),
            _ => Ok(Self::Locked(look.identity)),
        }
    }

    pub(super) fn is_immutable(self) -> bool {
        !matches!(self, Self::Locked(_))
    }
}

fn look(path: &Path) -> std::io::Result<Look> {
    let found: Metadata = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let identity = Identity { device: found.dev(), inode: found.ino() };
    Ok(Look { identity, size: found.size(), changed: (found.mtime(), found.mtime_nsec()) })
}

/// Whether there is a WAL with something in it.
fn has_wal(path: &Path) -> bool {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(name).is_ok_and(|found| found.size() > 0)
}

/// Whether the file's header says that it is in WAL mode: the format of writing, at byte 18
/// (<https://sqlite.org/fileformat2.html#file_format_version_numbers>).
fn is_wal_mode(path: &Path) -> std::io::Result<bool> {
    let mut header = Vec::with_capacity(20);
    File::open(path)?.take(20).read_to_end(&mut header)?;
    Ok(header.get(18) == Some(&2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Result<(&str, bool), &str>) {
        let found = Address::parse("d", url);
        match expected {
            Ok((path, is_immutable)) => {
                assert_eq!(found.expect("an address"), Address { path: path.into(), is_immutable });
            }
            Err(text) => {
                let error = found.expect_err("a mistake").to_string();
                assert!(error.contains(text), "{error}");
            }
        }
    }

    #[test]
    fn addresses_name_a_file_and_little_else() {
        check("sqlite:samples/sales.db", Ok(("samples/sales.db", false)));
        check("sqlite:///srv/a%20b.db?mode=ro", Ok(("/srv/a b.db", false)));
        check("sqlite:///srv/x.db?mode=ro&immutable=true", Ok(("/srv/x.db", true)));
        check("sqlite:x.db?mode=rwc", Err("only `mode=ro`"));
        check("sqlite:x.db?vfs=unix-none", Err("only `mode=ro`"));
        check("sqlite::memory:", Err("name a file"));
        check("sqlite:", Err("name a file"));
    }
}

//! A collection: one folder, and which of its files belong to it.
//!
//! Nothing outside the folder can be read: files are opened relative to the folder's handle, one
//! component at a time, following no symbolic link, and only regular files are read. A file that
//! is swapped for a link, a pipe or a device between two looks is refused, not waited for.

mod tree;

use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _, OpenOptionsSyncExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};
use contract::StartError;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::settings::CollectionSettings;

/// The largest file that is read, in bytes.
pub(crate) const LARGEST: u64 = 8 * 1024 * 1024;

/// One folder of approved documents, ready to be read.
pub(crate) struct Collection {
    /// The name in addresses and policy.
    pub(crate) name: String,
    /// The title for people.
    pub(crate) title: String,
    /// Opened anew for each walk and read: a folder may be replaced as a whole.
    root: PathBuf,
    /// What decides which files belong to it.
    identity: String,
    include: GlobSet,
    exclude: GlobSet,
}

/// The state of a file that a change of content most likely changes too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The size in bytes.
    pub(crate) size: u64,
    /// The time of the last change, in nanoseconds since 1970; 0 where it cannot be relied on.
    pub(crate) changed: u64,
}

/// Why a file is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// No such file, or no file of the collection.
    #[error("no such file")]
    Missing,
    /// Larger than [`LARGEST`].
    #[error("larger than 8 MiB")]
    TooLarge,
    /// It holds a NUL byte.
    #[error("a binary file")]
    Binary,
    /// The system says no.
    #[error("{0}")]
    Io(std::io::Error),
}

impl Collection {
    /// Checks one table of the settings and opens its folder.
    pub(crate) fn open(settings: &CollectionSettings, root: &Path) -> Result<Self, StartError> {
        let name = &settings.name;
        let fault = |text: String| StartError::new(format!("servers.docs.collections: {text}"));
        if !is_name(name) {
            return Err(fault(format!(
                "`{name}` is no name; use 1 to 40 of a-z, 0-9 and `-`, beginning with a letter"
            )));
        }
        let shown = root.display();
        if !root.is_dir() {
            let text = format!(
                "`{name}`: {shown} is not a folder; create it, or set `path` to the folder that holds the documents"
            );
            return Err(fault(text));
        }
        std::fs::read_dir(root).map_err(|error| {
            let text = format!("`{name}`: {shown} cannot be read: {error}; grant this user access");
            fault(text)
        })?;
        let globs = |key: &str, globs: &[String]| {
            glob_set(globs).map_err(|error| {
                fault(format!("`{name}`: `{key}`: {error}; write it like `guides/**/*.md`"))
            })
        };
        Ok(Self {
            name: name.clone(),
            title: settings.title.clone().unwrap_or_else(|| name.clone()),
            root: root.to_owned(),
            identity: format!("{} {:?} {:?}", root.display(), settings.include, settings.exclude),
            include: globs("include", &settings.include)?,
            exclude: globs("exclude", &settings.exclude)?,
        })
    }

    /// Whether a path belongs to the collection, should a file be there: relative, without `..`,
    /// dot names and control characters, matched by the globs.
    pub(crate) fn includes(&self, path: &str) -> bool {
        let plain = !path.contains('\\')
            && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
            && !path.chars().any(char::is_control);
        plain && self.include.is_match(path) && !self.exclude.is_match(path)
    }

    fn root(&self) -> std::io::Result<Dir> {
        Dir::open_ambient_dir(&self.root, ambient_authority())
    }

    /// Changes with everything that decides which files belong to the collection.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    /// Reads a file of the collection.
    pub(crate) fn read(&self, path: &str) -> Result<(Vec<u8>, Stamp), ReadError> {
        if !self.includes(path) {
            return Err(ReadError::Missing);
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = self.root().map_err(ReadError::Io)?;
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            at = at.open_dir_nofollow(part).map_err(|error| refused(&at, part, error))?;
        }
        let mut options = OpenOptions::new();
        // Opening a pipe must not wait for somebody to write to it.
        options.read(true).follow(FollowSymlinks::No).nonblock(true);
        let file = at.open_with(name, &options).map_err(|error| refused(&at, name, error))?;
        let metadata = file.metadata().map_err(ReadError::Io)?;
        if !metadata.is_file() {
            return Err(ReadError::Missing);
        }
        if metadata.len() > LARGEST {
            return Err(ReadError::TooLarge);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
        // The file may grow while it is read.
        file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(ReadError::Io)?;
        if bytes.len() as u64 > LARGEST {
            return Err(ReadError::TooLarge);
        }
        if bytes.contains(&0) {
            return Err(ReadError::Binary);
        }
        Ok((bytes, Stamp::of(&metadata)))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        let changed = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
        let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let changed = since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0));
        Self { size: metadata.len(), changed }
    }
}

/// What it means that `name` cannot be opened: links are no files of ours.
fn refused(folder: &Dir, name: &str, error: std::io::Error) -> ReadError {
    let is_link = || folder.symlink_metadata(name).is_ok_and(|metadata| metadata.is_symlink());
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
            ReadError::Missing
        }
        _ if is_link() => ReadError::Missing,
        _ => ReadError::Io(error),
    }
}

/// `^[a-z][a-z0-9-]{0,39}$`, the pattern of the settings' schema.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 40
        && bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn glob_set(globs: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(GlobBuilder::new(glob).literal_separator(true).build()?);
    }
    set.build()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;
    use crate::testing::World;

    fn collection(world: &World, exclude: &[&str]) -> Collection {
        let settings = serde_json::json!({"name": "a", "path": "a", "exclude": exclude});
        let settings = serde_json::from_value(settings).expect("settings");
        Collection::open(&settings, &world.path("a")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn check(world: &World, expected: &[&str], skipped: usize) {
        let found = collection(world, &["drafts/**"]).walk().expect("files");
        let paths: Vec<&str> = found.files.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!((paths.as_slice(), found.skipped), (expected, skipped));
    }

    #[test]
    fn globs_decide_and_dot_names_are_left_out() {
        let world = World::new(&[
            ("a/x.md", ""),
            ("a/deep/er/y.html", ""),
            ("a/x.rs", ""),
            ("a/.git/z.md", ""),
            ("a/.hidden.md", ""),
            ("a/drafts/d.md", ""),
        ]);
        check(&world, &["deep/er/y.html", "x.md"], 0);
        let collection = collection(&world, &["drafts/**"]);
        for (path, included) in [
            ("x.md", true),
            ("not/there.md", true),
            ("drafts/d.md", false),
            ("../a/x.md", false),
            ("/x.md", false),
            ("deep/../x.md", false),
            ("x.md/", false),
            ("a\\x.md", false),
            ("x\n.md", false),
            (".git/z.md", false),
        ] {
            assert_eq!(collection.includes(path), included, "{path}");
        }
    }

    #[test]
    fn no_link_is_followed_wherever_it_leads() {
        let world = World::new(&[
            ("a/x.md", "x"),
            ("a/drafts/d.md", "excluded"),
            ("outside/secret.md", "secret"),
        ]);
        symlink("drafts", world.path("a/alias")).expect("a link");
        let outside = world.path("outside");
        symlink(&outside, world.path("a/folder")).expect("a link");
        symlink(outside.join("secret.md"), world.path("a/file.md")).expect("a link");
        symlink("x.md", world.path("a/inside.md")).expect("a link");
        symlink("../a", world.path("a/loop")).expect("a link");
        symlink("/proc/self/root", world.path("a/magic")).expect("a link");
        check(&world, &["x.md"], 0);
        let collection = collection(&world, &["drafts/**"]);
        let magic = format!("magic{}/secret.md", outside.display());
        for path in ["folder/secret.md", "alias/d.md", "file.md", "inside.md", "loop/x.md", &magic]
        {
            assert!(matches!(collection.read(path), Err(ReadError::Missing)), "{path}");
        }
    }

    #[test]
    fn a_file_swapped_for_a_link_after_the_walk_is_refused() {
        let world = World::new(&[("a/x.md", "x"), ("a/sub/y.md", "y"), ("outside/y.md", "secret")]);
        let collection = collection(&world, &[]);
        assert_eq!(collection.walk().expect("files").files.len(), 2);
        fs::remove_file(world.path("a/x.md")).expect("removed");
        symlink(world.path("outside/y.md"), world.path("a/x.md")).expect("a link");
        fs::remove_dir_all(world.path("a/sub")).expect("removed");
        symlink(world.path("outside"), world.path("a/sub")).expect("a link");
        for path in ["x.md", "sub/y.md"] {
            assert!(matches!(collection.read(path), Err(ReadError::Missing)), "{path}");
        }
    }

    #[test]
    fn pipes_devices_and_folders_are_not_read_and_not_waited_for() {
        let world = World::new(&[("a/x.md", "x")]);
        let made = Command::new("mkfifo").arg(world.path("a/pipe.md")).status().expect("mkfifo");
        assert!(made.success());
        fs::create_dir(world.path("a/folder.md")).expect("a folder");
        let _socket = std::os::unix::net::UnixListener::bind(world.path("a/socket.md"));
        check(&world, &["x.md"], 0);
        let collection = collection(&world, &[]);
        for path in ["pipe.md", "folder.md", "socket.md"] {
            let error = collection.read(path).expect_err("no file");
            assert!(matches!(error, ReadError::Missing | ReadError::Io(_)), "{path}: {error}");
        }
    }

    #[test]
    fn names_that_cannot_be_shown_are_skipped_and_counted() {
        use std::os::unix::ffi::OsStrExt as _;
        let world = World::new(&[("a/x.md", "x"), ("a/line\nbreak.md", "x")]);
        let odd = std::ffi::OsStr::from_bytes(b"latin\xe9.md");
        fs::write(world.path("a").join(odd), "x").expect("a file");
        check(&world, &["x.md"], 2);
    }

    #[test]
    fn large_and_binary_files_are_refused() {
        let world = World::new(&[("a/x.md", "x"), ("a/nul.md", "a\0b")]);
        let large = fs::File::create(world.path("a/large.md")).expect("a file");
        large.set_len(LARGEST + 1).expect("a large file");
        check(&world, &["nul.md", "x.md"], 1);
        let collection = collection(&world, &[]);
        assert!(matches!(collection.read("large.md"), Err(ReadError::TooLarge)));
        assert!(matches!(collection.read("nul.md"), Err(ReadError::Binary)));
    }

    #[test]
    fn folders_too_deep_are_skipped_and_do_not_exhaust_open_files() {
        let world = World::new(&[("a/x.md", "x")]);
        let deep = world.path("a").join("d/".repeat(200));
        fs::create_dir_all(&deep).expect("folders");
        fs::write(deep.join("y.md"), "y").expect("a file");
        check(&world, &["x.md"], 1);
    }
}

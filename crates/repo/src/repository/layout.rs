//! Where the parts of a repository are (gitrepository-layout(5)), and that none of them lies
//! outside of what servers.toml names.

use std::path::{Path, PathBuf};

use contract::{Place, StartError};
use gix_hash::Kind;

use crate::settings::RepositorySettings;

/// The folders of a repository, all of them without symbolic links.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The top of the working tree; none, if bare.
    pub(crate) work_tree: Option<PathBuf>,
    /// Where `HEAD` and the index are.
    pub(crate) git_dir: PathBuf,
    /// Where refs and objects are: the same, but for a linked working tree.
    pub(crate) common_dir: PathBuf,
    /// How objects are named.
    pub(crate) hash: Kind,
    /// What may be read.
    within: Vec<PathBuf>,
}

impl Layout {
    /// Finds the parts of a repository.
    pub(crate) fn find(settings: &RepositorySettings, place: &Place) -> Result<Self, StartError> {
        let path = place.path(&settings.path);
        let top = path.canonicalize().map_err(|error| {
            StartError::new(format!("`path`: {}: {error}; name an existing folder", path.display()))
        })?;
        let mut within = vec![top.clone()];
        for linked in &settings.linked {
            let folder = place.path(linked);
            within.push(folder.canonicalize().map_err(|error| {
                StartError::new(format!("`linked`: {}: {error}", folder.display()))
            })?);
        }
        let found = Found { within: &within };
        let (work_tree, named) = parts(&top, &found)?;
        let git_dir = found.inside(&named)?;
        let common_dir = found.inside(&common(&git_dir, &found)?)?;
        for part in PARTS {
            let at = common_dir.join(part);
            if at.exists() {
                found.inside(&at)?;
            }
        }
        found.links(&common_dir.join("objects"))?;
        let hash = format(&common_dir)?;
        let layout = Self { work_tree, git_dir, common_dir, hash, within };
        layout.check_alternates()?;
        Ok(layout)
    }

    /// That the folders of alternates (objects/info/alternates) are among those that may be read.
    pub(crate) fn check_alternates(&self) -> Result<(), StartError> {
        let found = Found { within: &self.within };
        let objects = self.objects();
        let alternates = gix_odb::alternate::resolve(objects.clone(), &objects)
            .map_err(|error| StartError::new(format!("objects/info/alternates: {error}")))?;
        alternates.iter().try_for_each(|folder| found.inside(folder).map(drop))
    }

    /// Where the objects are.
    pub(crate) fn objects(&self) -> PathBuf {
        self.common_dir.join("objects")
    }
}

/// What is followed no further than the declared folders, where it is a symbolic link.
const PARTS: &[&str] = &[
    "HEAD",
    "packed-refs",
    "refs",
    "refs/heads",
    "refs/tags",
    "objects",
    "objects/pack",
    "objects/info",
    "objects/info/commit-graph",
    "objects/info/commit-graphs",
    "shallow",
    "config",
];

/// What may be read.
struct Found<'a> {
    within: &'a [PathBuf],
}

impl Found<'_> {
    /// That no link among the objects leads outside: whoever reads them follows links.
    fn links(&self, objects: &Path) -> Result<(), StartError> {
        let failed = |folder: &Path, error: &std::io::Error| {
            StartError::new(format!("{}: {error}", folder.display()))
        };
        let mut folders = vec![objects.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(|error| failed(&folder, &error))?;
            for entry in entries {
                let entry = entry.map_err(|error| failed(&folder, &error))?;
                let kind = entry.file_type().map_err(|error| failed(&folder, &error))?;
                if kind.is_symlink() {
                    self.inside(&entry.path())?;
                } else if kind.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(())
    }

    /// What a file says that may be read; none, where there is no such file. A link is followed no
    /// further than to the declared folders.
    fn text(&self, file: &Path) -> Result<Option<String>, StartError> {
        if !file.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(self.inside(file)?);
        text.map(Some).map_err(|error| StartError::new(format!("{}: {error}", file.display())))
    }

    /// The path without symbolic links, if it may be read.
    fn inside(&self, path: &Path) -> Result<PathBuf, StartError> {
        let real = path.canonicalize().map_err(|error| {
            StartError::new(format!("{}: {error}; is it a git repository?", path.display()))
        })?;
        if self.within.iter().any(|folder| real.starts_with(folder)) {
            return Ok(real);
        }
        Err(StartError::new(format!(
            "{} is outside of the repository's `path`; if it belongs to it, add the folder to \
             `linked`",
            real.display()
        )))
    }
}

/// The working tree, and the folder of git's own files.
fn parts(top: &Path, found: &Found<'_>) -> Result<(Option<PathBuf>, PathBuf), StartError> {
    let dot = top.join(".git");
    if dot.is_dir() {
        return Ok((Some(top.to_owned()), dot));
    }
    if let Some(text) = found.text(&dot)? {
        let named = text.trim_end().strip_prefix("gitdir: ").ok_or_else(|| {
            StartError::new(format!("{} does not begin with `gitdir: `", dot.display()))
        })?;
        return Ok((Some(top.to_owned()), top.join(named)));
    }
    if top.join("HEAD").is_file() && top.join("objects").is_dir() {
        return Ok((None, top.to_owned()));
    }
    Err(StartError::new(format!(
        "{} is no git repository: it has neither `.git` nor `HEAD` and `objects`; `git init` or \
         `git clone` makes one",
        top.display()
    )))
}

/// The folder of refs and objects: `commondir` names it in a linked working tree.
fn common(git_dir: &Path, found: &Found<'_>) -> Result<PathBuf, StartError> {
    let named = found.text(&git_dir.join("commondir"))?;
    Ok(named.map_or_else(|| git_dir.to_owned(), |named| git_dir.join(named.trim_end())))
}

/// How objects are named. The repository's configuration is read for this alone.
fn format(common_dir: &Path) -> Result<Kind, StartError> {
    let file = common_dir.join("config");
    let Ok(text) = std::fs::read(&file) else { return Ok(Kind::Sha1) };
    let options = gix_config::file::init::Options::default();
    let config = gix_config::File::from_bytes_no_includes(
        &text,
        gix_config::file::Metadata::from(gix_config::Source::Local),
        options,
    )
    .map_err(|error| StartError::new(format!("{}: {error}", file.display())))?;
    let value = |key: &str| config.string(key).map(|value| value.to_string().to_lowercase());
    if value("extensions.refstorage").is_some_and(|storage| storage != "files") {
        return Err(StartError::new(format!(
            "{}: refs are stored as a reftable, which cannot be read here; `git refs migrate \
             --ref-format=files` changes it",
            file.display()
        )));
    }
    match value("extensions.objectformat").as_deref() {
        None | Some("sha1") => Ok(Kind::Sha1),
        Some("sha256") => Ok(Kind::Sha256),
        Some(other) => Err(StartError::new(format!(
            "{}: objects are named by `{other}`; sha1 and sha256 are known",
            file.display()
        ))),
    }
}

//! Which refs and paths of a repository may be seen.

use bstr::{BStr, ByteSlice as _};
use contract::StartError;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::settings::RepositorySettings;

/// Which refs and paths may be seen, and which paths are folded.
pub(crate) struct Visible {
    refs: Option<GlobSet>,
    paths: Option<GlobSet>,
    hidden: GlobSet,
    generated: GlobSet,
    branches: GlobSet,
}

/// Files that programs write: their hunks tell a reader little.
const GENERATED: &[&str] = &[
    "**/*.lock",
    "**/package-lock.json",
    "**/npm-shrinkwrap.json",
    "**/pnpm-lock.yaml",
    "**/go.sum",
    "**/*.min.js",
    "**/*.min.css",
    "**/*.map",
    "**/*.pb.go",
    "**/*_pb2.py",
    "**/*.snap",
    "**/vendor/**",
    "**/node_modules/**",
    "**/third_party/**",
    "**/dist/**",
];

impl Visible {
    /// Understands the globs of the settings.
    pub(crate) fn new(settings: &RepositorySettings) -> Result<Self, StartError> {
        let own = settings.generated.iter().map(String::as_str);
        let generated: Vec<&str> = GENERATED.iter().copied().chain(own).collect();
        let some =
            |globs: &[String], key| (!globs.is_empty()).then(|| set(globs, key, false)).transpose();
        Ok(Self {
            refs: some(&settings.refs, "refs")?,
            paths: some(&settings.paths, "paths")?,
            hidden: set(&settings.hidden, "hidden", true)?,
            generated: set(&generated, "generated", false)?,
            branches: set(&settings.branches, "branches", false)?,
        })
    }

    /// Whether only some refs may be seen, so that a commit must be reached from one of them.
    pub(crate) fn hides_refs(&self) -> bool {
        self.refs.is_some()
    }

    /// Whether a ref may be seen, by its full name.
    pub(crate) fn shows_ref(&self, name: &BStr) -> bool {
        self.refs.as_ref().is_none_or(|refs| refs.is_match(name.to_path_lossy()))
    }

    /// Whether every path may be seen.
    pub(crate) fn shows_all_paths(&self) -> bool {
        self.paths.is_none() && self.hidden.is_empty()
    }

    /// Whether a file may be seen. A path of a folder is not asked about: what is in it is.
    pub(crate) fn shows(&self, path: &BStr) -> bool {
        let at = path.to_path_lossy();
        self.paths.as_ref().is_none_or(|paths| paths.is_match(&at)) && !self.hidden.is_match(&at)
    }

    /// Whether programs, and no persons, write the file.
    pub(crate) fn is_generated(&self, path: &BStr) -> bool {
        self.generated.is_match(path.to_path_lossy())
    }

    /// Whether a branch of this name may be created.
    pub(crate) fn may_create(&self, branch: &str) -> bool {
        self.branches.is_match(branch)
    }
}

fn set<T: AsRef<str>>(globs: &[T], key: &str, any_case: bool) -> Result<GlobSet, StartError> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let built = GlobBuilder::new(glob.as_ref())
            .literal_separator(true)
            .case_insensitive(any_case)
            .build()
            .map_err(|error| {
                StartError::new(format!("`{key}`: {error}; write it like `src/**/*.rs`"))
            })?;
        set.add(built);
    }
    set.build().map_err(|error| StartError::new(format!("`{key}`: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(paths: &[&str], hidden: &[&str]) -> Visible {
        let texts = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
        let settings = RepositorySettings {
            paths: texts(paths),
            hidden: texts(hidden),
            ..RepositorySettings::default()
        };
        Visible::new(&settings).expect("globs")
    }

    #[test]
    fn hidden_wins_in_any_case() {
        let visible = visible(&["src/**"], &["**/*.pem"]);
        for (path, shown) in
            [("src/a.rs", true), ("README.md", false), ("src/x/KEY.Pem", false), ("key.pem", false)]
        {
            assert_eq!(visible.shows(path.into()), shown, "{path}");
        }
    }

    #[test]
    fn a_name_that_is_not_text_is_matched_too() {
        let visible = visible(&[], &["secret/**"]);
        assert!(!visible.shows(BStr::new(b"secret/\xff")));
        assert!(visible.shows(BStr::new(b"public/\xff\n")));
        assert!(!visible.shows(BStr::new(b"secret/a\nb")));
    }

    #[test]
    fn a_wrong_glob_is_told_with_its_key() {
        let settings = RepositorySettings { hidden: vec!["{".into()], ..Default::default() };
        let error = Visible::new(&settings).err().expect("a start error").to_string();
        assert!(error.starts_with("`hidden`: error parsing glob '{'"), "{error}");
    }
}

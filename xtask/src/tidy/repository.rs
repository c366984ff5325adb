//! What the rules look at: the repository's text files, and what cargo knows of its packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::manifest::Manifest;
use super::rust_code::code_only;
use crate::command::read;
use crate::workspace::metadata;

/// What the product is built for, as in deny.toml; packages for other systems do not matter.
const PLATFORMS: &[&str] = &["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];

/// The repository in memory.
pub(super) struct Repository {
    /// Text files, in the order of their paths.
    pub(super) files: Vec<SourceFile>,
    /// Every path, also of files that are not text, and of folders.
    paths: BTreeSet<String>,
    /// Every package of Cargo.lock that the [`PLATFORMS`] need.
    pub(super) packages: Vec<Package>,
}

/// One text file.
pub(super) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// [`text`](Self::text) with comments and the inside of strings blanked, for Rust;
    /// every offset and line stays what it was.
    pub(super) code: String,
}

/// A package that the build may pull in.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    /// The SPDX expression, if the package declares one.
    pub(super) licence: Option<String>,
    /// Where it comes from; none for packages of this workspace.
    pub(super) source: Option<String>,
}

/// Files of others, kept byte for byte: how they are written is not for us to say.
const FOREIGN: [&str; 1] = ["crates/runtime/data/gitleaks.toml"];

impl Repository {
    /// Reads what git tracks and what it does not ignore.
    pub(super) fn load(root: &Path) -> Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root).args([
            "ls-files",
            "-z",
            "-co",
            "--exclude-standard",
            "--deduplicate",
        ]);
        let listing = read(&mut git)?;
        let mut paths = BTreeSet::new();
        let mut files = Vec::new();
        for path in listing.split('\0').filter(|path| !path.is_empty()) {
            // A tracked file that was deleted is still listed, a submodule is a folder.
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            remember(&mut paths, path);
            if let Ok(text) = String::from_utf8(bytes)
                && !FOREIGN.contains(&path)
            {
                files.push(SourceFile::new(path, text));
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let filters = PLATFORMS.iter().flat_map(|platform| ["--filter-platform", platform]);
        let arguments: Vec<_> = std::iter::once("--locked").chain(filters).collect();
        let packages = packages(&metadata(&arguments)?);
        Ok(Self { files, paths, packages })
    }

    /// A repository of the given files, for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let mut paths = BTreeSet::new();
        for (path, _) in files {
            remember(&mut paths, path);
        }
        let files = files.iter().map(|(path, text)| SourceFile::new(path, (*text).into()));
        Self { files: files.collect(), paths, packages: Vec::new() }
    }

    /// Whether a file or folder exists.
    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// A text file by its path.
    pub(super) fn file(&self, path: &str) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.path == path)
    }

    /// All Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = &SourceFile> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The manifests of the members, with the folder each stands in.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &SourceFile, Manifest)> {
        self.files.iter().filter_map(|file| {
            let folder = file.path.strip_suffix("/Cargo.toml")?;
            Some((folder, file, Manifest::parse(&file.text)))
        })
    }
}

impl SourceFile {
    fn new(path: &str, text: String) -> Self {
        let code = if extension(path) == "rs" { code_only(&text) } else { text.clone() };
        Self { path: path.to_owned(), text, code }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.extension() == "rs"
    }

    /// The file's extension, empty if it has none.
    pub(super) fn extension(&self) -> &str {
        extension(&self.path)
    }

    /// The file's name without its folder.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The crate a file of `crates/` belongs to.
    pub(super) fn member(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Where the tests beneath the code begin; the end of the file where there are none.
    /// Files of the `tests` package, and those named `testing.rs`, are tests from the start.
    pub(super) fn tests_start(&self) -> usize {
        if self.path.starts_with("tests/") || self.name() == "testing.rs" {
            return 0;
        }
        self.code.find("#[cfg(test)]\nmod ").unwrap_or(self.code.len())
    }

    /// The line, from 1, at a byte offset.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.text[..offset].matches('\n').count() + 1
    }
}

fn extension(path: &str) -> &str {
    Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

/// Adds a path and the folders above it.
fn remember(paths: &mut BTreeSet<String>, path: &str) {
    for (end, _) in path.match_indices('/') {
        paths.insert(path[..end].to_owned());
    }
    paths.insert(path.to_owned());
}

fn packages(metadata: &Value) -> Vec<Package> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    packages
        .iter()
        .map(|package| Package {
            name: text(&package["name"]).unwrap_or_default(),
            version: text(&package["version"]).unwrap_or_default(),
            licence: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_exist_because_their_files_do() {
        let repository = Repository::of(&[("crates/docs/src/lib.rs", "")]);
        assert!(repository.has("crates/docs/src"));
        assert!(repository.has("crates/docs/src/lib.rs"));
        assert!(!repository.has("crates/doc"));
    }

    #[test]
    fn a_file_knows_its_crate_and_lines() {
        let repository = Repository::of(&[("crates/docs/src/a.rs", "one\ntwo\n")]);
        let file = &repository.files[0];
        assert_eq!(file.member(), Some("docs"));
        assert_eq!(file.name(), "a.rs");
        assert_eq!(file.line_at(4), 2);
    }
}

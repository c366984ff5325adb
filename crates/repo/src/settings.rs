//! The server's own keys in `[servers.repo]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// Which repositories may be read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The repositories by id: each is one target of policy.
    #[schemars(length(min = 1, max = 500))]
    pub repositories: BTreeMap<String, RepositorySettings>,
}

/// One repository.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositorySettings {
    /// The working tree or the bare repository, relative to servers.toml.
    #[schemars(length(min = 1, max = 4096))]
    pub path: PathBuf,
    /// What it is, for people and models.
    #[schemars(length(min = 1, max = 300))]
    pub title: Option<String>,
    /// The revision that is read where a call names none; `HEAD`, if absent.
    #[schemars(length(min = 1, max = 250))]
    pub default_branch: Option<String>,
    /// Globs of the refs that may be seen, by full name: `refs/heads/*` is every branch without a
    /// slash, `refs/heads/**` every branch. All, if empty; otherwise only commits that these
    /// refs reach can be read.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 250)))]
    pub refs: Vec<String>,
    /// Globs of the paths that may be seen; all, if empty.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 400)))]
    pub paths: Vec<String>,
    /// Globs of paths that are hidden, at every revision and in any case of letters, such as
    /// `**/*.pem`; they win.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 400)))]
    pub hidden: Vec<String>,
    /// Globs of paths whose hunks are folded in diffs because no person writes them; added to
    /// those every repository has, such as lock files.
    #[serde(default)]
    #[schemars(length(max = 500), inner(length(min = 1, max = 400)))]
    pub generated: Vec<String>,
    /// A file of the repository that lists revisions which `repo_blame` looks behind, such as
    /// `.git-blame-ignore-revs`; read at the revision that is blamed.
    #[schemars(length(min = 1, max = 400))]
    pub ignore_revs: Option<String>,
    /// Folders outside `path` that belong to the repository: the main repository of a linked
    /// working tree, the objects of an alternate.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 4096)))]
    pub linked: Vec<PathBuf>,
    /// Who may sign: an `allowed_signers` file as of `ssh-keygen(1)`, or a file of armoured
    /// `OpenPGP` public keys, relative to servers.toml.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 4096)))]
    pub signers: Vec<PathBuf>,
    /// Globs of the branches that `repo_branch_create` may create, without `refs/heads/`, such as
    /// `agent/*`. None, if empty: the tool is then not offered, and the process cannot write.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 250)))]
    pub branches: Vec<String>,
}

//! The server's own keys in `[servers.testrun]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which test suites may be run, and how.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The suites by id: each is one target of policy. What is not declared here cannot run.
    #[schemars(length(min = 1, max = 200), extend("propertyNames" = {"pattern": "^[a-z][a-z0-9_-]{0,39}$"}))]
    pub suites: BTreeMap<String, SuiteSettings>,
    /// What the kernel must hold: "required" runs in namespaces only, "preferred" also where it
    /// offers Landlock alone; every result says which one held.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// How many runs of one server process go on at a time, of all suites together; the others
    /// wait. 4 if absent.
    #[schemars(range(min = 1, max = 256))]
    pub at_once: Option<u32>,
    /// How long runs are kept, in days; 30 if absent.
    #[schemars(range(min = 1, max = 3650))]
    pub keep_days: Option<u32>,
    /// How many runs of one suite are kept; 200 if absent.
    #[schemars(range(min = 1, max = 100_000))]
    pub keep_runs: Option<u32>,
}

/// How strong the sandbox must be.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// User, mount, pid, network, ipc and uts namespaces with all the rest, or no run.
    #[default]
    Required,
    /// Landlock and seccomp are enough where namespaces cannot be had.
    Preferred,
}

/// One suite.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SuiteSettings {
    /// What it tests, for people and models.
    #[schemars(length(min = 1, max = 300))]
    pub purpose: Option<String>,
    /// The project: the top of a git repository's working tree, or any folder. Relative to
    /// servers.toml.
    #[schemars(length(min = 1, max = 4096))]
    pub folder: PathBuf,
    /// The program and its arguments; no shell reads them. `"{name}"` stands for an input, as a
    /// whole argument or behind `=`. An array within is left out where an input in it has no value:
    /// `["pytest", ["-k", "{filter}"]]`.
    #[schemars(length(min = 1, max = 200))]
    pub argv: Vec<Word>,
    /// Where it starts, within `folder`; the folder itself, if absent.
    #[schemars(length(min = 1, max = 1000))]
    pub workdir: Option<PathBuf>,
    /// Where the results are. Without it, a run never counts as passed.
    pub report: Option<ReportSettings>,
    /// Where the coverage is.
    pub coverage: Option<CoverageSettings>,
    /// What a caller may choose, by name.
    #[serde(default)]
    #[schemars(length(max = 20), extend("propertyNames" = {"pattern": "^[a-z][a-z0-9_]{0,29}$"}))]
    pub inputs: BTreeMap<String, InputSettings>,
    /// How failed tests are run again: the input that takes their names.
    pub rerun: Option<RerunSettings>,
    /// The environment. Without it there are PATH, HOME, TMPDIR and LANG with fixed values only.
    #[serde(default)]
    pub env: EnvSettings,
    /// Most seconds of a run; 600 if absent.
    #[schemars(range(min = 1, max = 86_400))]
    pub time: Option<u32>,
    /// Most seconds of processor time of one process; not limited, if absent.
    #[schemars(range(min = 1, max = 864_000))]
    pub cpu: Option<u32>,
    /// Most memory, in MiB; 2,048 if absent.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub memory: Option<u32>,
    /// Most processes and threads; 256 if absent.
    #[schemars(range(min = 1, max = 32_768))]
    pub processes: Option<u32>,
    /// Most open files of one process; 1,024 if absent.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub files: Option<u32>,
    /// Most MiB written in private views and in /tmp; 2,048 if absent.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub disk: Option<u32>,
    /// Most MiB kept of each output stream, its first and its last half; 8 if absent.
    #[schemars(range(min = 1, max = 1024))]
    pub output: Option<u32>,
    /// What of the network it reaches; "none" if absent.
    #[serde(default)]
    pub network: Network,
    /// Paths that it really writes, within `folder` or absolute; everything else it writes is
    /// dropped. In a run of a revision those within `folder` are dropped, too.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 4096)))]
    pub write: Vec<PathBuf>,
    /// Files and folders within `folder` that it does not see, such as `.env`; the state of the
    /// servers is hidden anyway.
    #[serde(default)]
    #[schemars(length(max = 50), inner(length(min = 1, max = 1000)))]
    pub hidden: Vec<PathBuf>,
    /// Folders outside of `folder` that it needs, such as toolchains and downloaded packages.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub caches: Vec<CacheSettings>,
    /// Whether a clean export of a revision may be tested instead of the working tree; yes, if
    /// absent and `folder` is a repository.
    pub revisions: Option<bool>,
    /// The repository's own folder where it is not `.git` in `folder`, as of a linked working tree.
    #[schemars(length(min = 1, max = 4096))]
    pub git: Option<PathBuf>,
    /// Most MiB of an export; 2,048 if absent.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub export: Option<u32>,
    /// How many runs of this suite go on at a time; as many as of all suites, if absent.
    #[schemars(range(min = 1, max = 256))]
    pub at_once: Option<u32>,
    /// The declaration that may run: its SHA-256, as `suite doctor` shows it. Needed after a change,
    /// unless `accept_changes` is set; where it is given, no other runs.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// Whether a changed declaration runs without being named by `digest`.
    #[serde(default)]
    pub accept_changes: bool,
}

/// One argument, or several that stand or fall together.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Word {
    /// One.
    One(#[schemars(length(max = 4096))] String),
    /// Several.
    Together(#[schemars(length(min = 1, max = 20), inner(length(max = 4096)))] Vec<String>),
}

/// Where the results of a run are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// What they are written in.
    pub format: Format,
    /// The file, or files with `*` in the last part (`target/surefire-reports/TEST-*.xml`), within
    /// `workdir`; several, as an array.
    pub path: Option<Paths>,
    /// The output stream that carries them, instead of a file.
    pub stream: Option<Stream>,
}

/// Paths of reports.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Paths {
    /// One.
    One(#[schemars(length(min = 1, max = 1000))] String),
    /// Several.
    Many(#[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 1000)))] Vec<String>),
}

impl Paths {
    /// All of them.
    pub(crate) fn all(&self) -> &[String] {
        match self {
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Many(paths) => paths,
        }
    }
}

/// Formats of reports.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JUnit XML in any dialect.
    Junit,
    /// JSON of `cargo test`.
    Libtest,
    /// `go test -json`.
    GoTest,
    /// The Test Anything Protocol.
    Tap,
    /// The Common Test Report Format.
    Ctrf,
    /// What pytest prints.
    Pytest,
}

/// An output stream.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Where the coverage is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoverageSettings {
    /// What it is written in.
    pub format: CoverageFormat,
    /// The file, within `workdir`.
    #[schemars(length(min = 1, max = 1000))]
    pub path: String,
}

/// Formats of coverage.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CoverageFormat {
    /// lcov's tracefile.
    Lcov,
    /// Cobertura XML.
    Cobertura,
}

/// Something a caller may choose: one of `values`, a text of `pattern`, or a number from `min` to
/// `max`. It never begins with `-` and holds no control character.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputSettings {
    /// What it is for.
    #[schemars(length(min = 1, max = 200))]
    pub description: Option<String>,
    /// What it may be.
    #[serde(default)]
    #[schemars(length(max = 100), inner(length(min = 1, max = 200)))]
    pub values: Vec<String>,
    /// A regular expression for the whole of it.
    #[schemars(length(min = 1, max = 500))]
    pub pattern: Option<String>,
    /// The smallest number.
    pub min: Option<i64>,
    /// The largest number.
    pub max: Option<i64>,
    /// Most characters of a text; 200 if absent.
    #[schemars(range(min = 1, max = 65_536))]
    pub length: Option<u32>,
    /// What it is if the caller says nothing; without it, its argument is left out.
    #[schemars(length(min = 1, max = 200))]
    pub default: Option<String>,
    /// Whether the caller must say it.
    #[serde(default)]
    pub required: bool,
    /// Whether it may begin with `-`, which many programs take for an option.
    #[serde(default)]
    pub dash: bool,
}

/// How failed tests are run again.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RerunSettings {
    /// The input that takes the names of tests.
    #[schemars(length(min = 1, max = 30))]
    pub input: String,
    /// What stands between two of them; without it, one test at a time can be run again.
    #[schemars(length(min = 1, max = 20))]
    pub join: Option<String>,
    /// How one is written: `{name}`, `{suite}` and `{file}` are those of the report; "{name}" if
    /// absent.
    #[schemars(length(min = 1, max = 200))]
    pub each: Option<String>,
}

/// The environment of a run.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvSettings {
    /// Variables that keep the value they had when the server was started. No secrets: every test
    /// can read and print them.
    #[serde(default)]
    #[schemars(length(max = 100), inner(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]{0,99}$")))]
    pub pass: Vec<String>,
    /// Variables with fixed values.
    #[serde(default)]
    #[schemars(length(max = 100), extend("propertyNames" = {"pattern": "^[A-Za-z_][A-Za-z0-9_]{0,99}$"}, "additionalProperties" = {"type": "string", "maxLength": 8192}))]
    pub set: BTreeMap<String, String>,
}

/// What of the network a run reaches.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Nothing.
    #[default]
    None,
    /// Itself: a loopback interface of its own.
    Loopback,
    /// These TCP ports of this machine's 127.0.0.1, such as a database's.
    Ports(#[schemars(length(min = 1, max = 20))] Vec<u16>),
}

/// A folder or file outside of the project.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Where it is. Relative to servers.toml.
    #[schemars(length(min = 1, max = 4096))]
    pub path: PathBuf,
    /// Where a run finds it, absolute; in the same place, if absent.
    #[schemars(length(min = 1, max = 4096))]
    pub at: Option<PathBuf>,
    /// "read" refuses writing; "private" lets a run write a copy that is dropped.
    #[serde(default)]
    pub mode: CacheMode,
}

/// How a cache is shared.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum CacheMode {
    /// It is read only.
    #[default]
    Read,
    /// Copy-on-write.
    Private,
}

impl Sandbox {
    /// Whether a tier is strong enough.
    pub(crate) fn accepts(self, tier: sandbox::Tier) -> bool {
        self == Sandbox::Preferred || matches!(tier, sandbox::Tier::Namespaces)
    }
}

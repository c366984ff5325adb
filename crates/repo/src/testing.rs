//! Repositories made by git in a temporary folder, and the world a call sees, for the tests of
//! this crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::ctx::{BoxFuture, CtxParts};
use contract::{
    Channel, Ctx, Cursors, Output as _, Part, Place, Principal, Proof, Question, Rendered,
    Server as _, Size, StartError, Target, Tool, ToolError,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Repo, Settings};

/// A folder with one repository, `r`, and room for others.
pub(crate) struct World {
    folder: TempDir,
    /// The keys of `[servers.repo.repositories.r]`.
    pub(crate) settings: Value,
}

impl World {
    /// An empty repository on the branch `main`.
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let world = Self { folder, settings: json!({"path": "r"}) };
        fs::create_dir(world.path("r")).expect("a folder");
        world.git("init -q -b main");
        world
    }

    /// A world around a repository that is there already.
    pub(crate) fn around(path: &Path) -> Self {
        Self { folder: TempDir::new().expect("a folder"), settings: json!({"path": path}) }
    }

    /// A path in the world.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Where the repository is.
    pub(crate) fn repository(&self) -> PathBuf {
        self.folder.path().join(self.settings["path"].as_str().expect("a path"))
    }

    /// Writes a file of the working tree.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.repository().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Runs git in the repository, on words without spaces; what it prints, without the last line break.
    pub(crate) fn git(&self, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        self.git_of(&words)
    }

    /// Runs git in the repository.
    pub(crate) fn git_of(&self, words: &[&str]) -> String {
        git(&self.repository(), words)
    }

    /// Commits everything in the working tree, a day after the last commit; its id.
    pub(crate) fn commit(&self, message: &str) -> String {
        self.git("add -A");
        let count = self.git("rev-list --count --all").parse::<i64>().unwrap_or(0);
        let date = format!("{} +0000", 1_700_000_000 + count * 86_400);
        let mut command =
            command(&self.repository(), &["commit", "-q", "--allow-empty", "-m", message]);
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        run(command);
        self.git("rev-parse HEAD")
    }

    /// Opens the server on this world.
    pub(crate) async fn open(&self) -> Result<Repo, StartError> {
        let settings: Settings =
            serde_json::from_value(json!({ "repositories": {"r": self.settings} }))
                .expect("settings");
        let reader = Box::new(|_: &_| Err(StartError::new("no secrets here")));
        let place = Place::new(self.path(""), self.path("state"), reader);
        Repo::open(settings, &place).await
    }

    /// Opens the server, calls a tool and closes it.
    pub(crate) async fn call<T: Tool<Server = Repo>>(&self, args: Value) -> String {
        call::<T>(&self.open().await.expect("a server"), args).await
    }
}

/// Runs git in a folder, away from the configuration of the machine; what it prints.
pub(crate) fn git(folder: &Path, words: &[&str]) -> String {
    run(command(folder, words))
}

fn command(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder).args(words).stdin(Stdio::null());
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", "safe.directory"),
        ("GIT_CONFIG_VALUE_0", "*"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_AUTHOR_NAME", "Ada Example"),
        ("GIT_AUTHOR_EMAIL", "ada@example.org"),
        ("GIT_COMMITTER_NAME", "Ada Example"),
        ("GIT_COMMITTER_EMAIL", "ada@example.org"),
        ("TZ", "UTC"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    command
}

fn run(mut command: Command) -> String {
    let output = command.output().expect("git; install it with `apt-get install git`");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}", text(&output.stderr));
    text(&output.stdout).trim_end_matches('\n').to_owned()
}

/// What a call may see, and how long it may take.
pub(crate) struct Caller {
    /// The repositories the caller may see; all, if `None`.
    pub(crate) permitted: Option<&'static [&'static str]>,
    /// How long the call may take.
    pub(crate) patience: Duration,
    /// The progress messages the caller got.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    /// The largest result, where it is not the tool's own.
    pub(crate) size: Option<Size>,
}

impl Default for Caller {
    fn default() -> Self {
        let patience = Duration::from_mins(1);
        Self { permitted: None, patience, heard: Arc::default(), size: None }
    }
}

impl Caller {
    /// Makes a context.
    pub(crate) fn ctx(&self, own: Size) -> Ctx {
        let permitted = self.permitted;
        Ctx::new(CtxParts {
            principal: Arc::new(Principal {
                actor: None,
                groups: Vec::new(),
                identity: "user:tester".to_owned(),
                proof: Proof::Loopback,
                roles: Vec::new(),
                subject: "tester".to_owned(),
            }),
            deadline: Instant::now() + self.patience,
            size: self.size.unwrap_or(own),
            cancelled: Arc::new(|| false),
            channel: Arc::new(Ear(Arc::clone(&self.heard))),
            cursors: Arc::new(PlainCursors),
            permits: Arc::new(move |target: &Target| {
                let name = target.name.as_deref().unwrap_or_default();
                permitted.is_none_or(|permitted| permitted.contains(&name))
            }),
        })
    }

    /// Calls a tool; what it answers, in parts.
    pub(crate) async fn rendered<T: Tool<Server = Repo>>(
        &self,
        repo: &Repo,
        args: Value,
    ) -> Result<Rendered, ToolError> {
        let shown = args.to_string();
        let args = serde_json::from_value(args)
            .unwrap_or_else(|error| panic!("{}: {shown}: {error}", T::CONTRACT.name));
        Ok(T::call(repo, &self.ctx(T::CONTRACT.size), args).await?.render())
    }

    /// Calls a tool; parts are joined by line breaks, foreign ones marked with their source. The
    /// repository is `r`, where the arguments name none.
    pub(crate) async fn call<T: Tool<Server = Repo>>(
        &self,
        repo: &Repo,
        mut args: Value,
    ) -> Result<String, ToolError> {
        if args.get("repo").is_none() {
            args["repo"] = "r".into();
        }
        let rendered = self.rendered::<T>(repo, args).await?;
        let parts = rendered.parts.into_iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Untrusted { source, text } => format!("<{source}>\n{}", text.trim_end()),
            Part::Media(_) => "media".to_owned(),
        });
        Ok(parts.collect::<Vec<_>>().join("\n"))
    }
}

/// Calls a tool as a caller who may see everything.
pub(crate) async fn call<T: Tool<Server = Repo>>(repo: &Repo, args: Value) -> String {
    match Caller::default().call::<T>(repo, args).await {
        Ok(text) => text,
        Err(error) => error.text(),
    }
}

struct Ear(Arc<Mutex<Vec<String>>>);

impl Channel for Ear {
    fn progress(&self, _: f64, _: Option<f64>, message: String) -> BoxFuture<'_, ()> {
        self.0.lock().expect("no panic").push(message);
        Box::pin(async {})
    }

    fn log(&self, _: &'static str, _: Value) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }

    fn ask(
        &self,
        _: BTreeMap<String, Question>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Value>, ToolError>> {
        Box::pin(async { Err(ToolError::invalid("nobody to ask")) })
    }
}

struct PlainCursors;

impl Cursors for PlainCursors {
    fn seal(&self, position: &Value) -> String {
        position.to_string()
    }

    fn open(&self, cursor: &str) -> Result<Value, ToolError> {
        serde_json::from_str(cursor).map_err(|_| ToolError::invalid("a forged cursor"))
    }
}

//! A library in a temporary folder, and the world a call sees, for the tests of this crate.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use contract::ctx::{BoxFuture, CtxParts};
use contract::{
    Channel, Ctx, Cursors, Output as _, Part, Place, Principal, Proof, Question, Server as _, Size,
    StartError, Target, Tool, ToolError,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::library::Report;
use crate::{Docs, Settings};

/// A folder with a sub-folder for each collection and one for the state.
pub(crate) struct World {
    folder: TempDir,
    /// The collections of the settings.
    pub(crate) collections: Vec<Value>,
}

impl World {
    /// A world of files; the first part of each path is the collection.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let world = Self { folder: TempDir::new().expect("a folder"), collections: Vec::new() };
        let mut world = files.iter().fold(world, |world, (path, content)| {
            world.write(path, content);
            world
        });
        let mut names: Vec<&str> =
            files.iter().map(|(path, _)| path.split('/').next().expect("a collection")).collect();
        names.dedup();
        world.collections =
            names.iter().map(|name| json!({ "name": name, "path": name })).collect();
        world
    }

    /// A path in the world.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, long enough ago that its time of change can be relied on.
    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(&path, content).expect("a file");
        let file = fs::File::options().write(true).open(path).expect("a file");
        let earlier = std::time::SystemTime::now() - Duration::from_mins(1);
        file.set_modified(earlier).expect("a time of change");
    }

    /// Opens the server on this world.
    pub(crate) async fn open(&self) -> Result<Docs, StartError> {
        let settings: Settings =
            serde_json::from_value(json!({ "collections": self.collections })).expect("settings");
        let reader = Box::new(|_: &_| Err(StartError::new("no secrets here")));
        let place = Place::new(self.path(""), self.path("state"), reader);
        Docs::open(settings, &place).await
    }

    /// Opens the server while another process scans: for as long as the file is kept.
    pub(crate) async fn open_held(&self) -> (Docs, fs::File) {
        fs::create_dir_all(self.path("state")).expect("a folder");
        let file = fs::File::create(self.path("state/index.lock")).expect("a lock");
        file.lock().expect("a lock");
        (self.open().await.expect("a server"), file)
    }

    /// Opens the server and waits for the first scan.
    pub(crate) async fn docs(&self) -> Docs {
        let docs = self.open().await.expect("a server");
        settled(&docs).await;
        docs
    }
}

/// Waits until no scan runs; what the last one did.
pub(crate) async fn settled(docs: &Docs) -> Report {
    let mut status = docs.library.status();
    let status = status.wait_for(|status| !status.scanning).await.expect("a library").clone();
    assert_eq!(status.fault, None);
    status.report
}

/// Scans again; what was done.
pub(crate) async fn rescan(docs: &Docs) -> Report {
    docs.library.refresh();
    settled(docs).await
}

/// What a call may see of collections, and how long it may take.
pub(crate) struct Caller {
    /// The collections the caller may see; all, if `None`.
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
        Self {
            permitted: None,
            patience: Duration::from_secs(10),
            heard: Arc::default(),
            size: None,
        }
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

    /// Calls a tool; parts are joined by line breaks, foreign ones marked with their source.
    pub(crate) async fn call<T: Tool<Server = Docs>>(
        &self,
        docs: &Docs,
        args: Value,
    ) -> Result<String, ToolError> {
        let args = serde_json::from_value(args).expect("arguments");
        let rendered = T::call(docs, &self.ctx(T::CONTRACT.size), args).await?.render();
        let parts = rendered.parts.into_iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Untrusted { source, text } => format!("<{source}>\n{}", text.trim_end()),
            Part::Media(_) => "media".to_owned(),
        });
        Ok(parts.collect::<Vec<_>>().join("\n"))
    }
}

/// Calls a tool as a caller who may see everything.
pub(crate) async fn call<T: Tool<Server = Docs>>(docs: &Docs, args: Value) -> String {
    match Caller::default().call::<T>(docs, args).await {
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

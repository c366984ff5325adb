//! While a server serves: rules follow servers.toml. A changed file, or SIGHUP, has the whole
//! configuration read and checked as at start; new rules come into force as a whole, and wrong
//! ones not at all.
//!
//! What is no rule (the server's own settings, HTTP, identity, state) was read when the process
//! began; a change of it is named, and waits for a restart.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Config, Faults};
use runtime::pipeline::PipelineError;
use runtime::{Pipeline, RuleSet};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, MissedTickBehavior};

use crate::assemble::{self, Checked, Source};
use crate::{Launcher, confinement};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How long files must stay as they are before they are read: an editor may still be writing.
const QUIET: Duration = Duration::from_millis(100);

/// How often that is waited for.
const PATIENCE: usize = 20;

/// The longest list of mistakes that a record keeps, in characters.
const LONGEST: usize = 4_000;

/// From now on SIGHUP asks to reload, and no longer ends the process.
pub(crate) fn on_hangup() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// The files of a configuration as they were at one time: what each name led to, and when it was
/// changed. A file that is replaced by renaming another over it is another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen(Vec<(PathBuf, Option<Stamp>)>);

/// Device and inode, size, and the times of the last change of content and of metadata.
type Stamp = (u64, u64, u64, (i64, i64), (i64, i64));

impl Seen {
    /// Looks at servers.toml and `servers.d/*.toml` beside it.
    pub(crate) fn now(path: &Path) -> Self {
        let mut files = vec![path.to_owned()];
        let entries = std::fs::read_dir(path.with_file_name("servers.d"));
        files.extend(entries.into_iter().flatten().flatten().map(|entry| entry.path()));
        files[1..].sort();
        let stamped = files.into_iter().map(|file| {
            let stamp = std::fs::metadata(&file).ok().map(|found| {
                let (content, metadata) = (found.mtime(), found.ctime());
                let times = ((content, found.mtime_nsec()), (metadata, found.ctime_nsec()));
                (found.dev(), found.ino(), found.size(), times.0, times.1)
            });
            (file, stamp)
        });
        Self(stamped.collect())
    }
}

/// Keeps the rules of one server as the configuration has them.
pub(crate) struct Reload {
    source: Source,
    launchers: Vec<Launcher>,
    server: &'static str,
    /// The files as they were before they were last read.
    seen: Seen,
    /// What only a restart changes, as it was when the process began.
    began: Value,
    /// What was last said to need a restart.
    waiting: Vec<String>,
    /// Whether it was said that the files cannot be looked at.
    is_blind: bool,
}

impl Reload {
    /// For a process that began with `config`, which was read after the files were `seen`.
    pub(crate) fn new(
        source: Source,
        launchers: &[Launcher],
        server: &'static str,
        seen: Seen,
        config: &Config,
    ) -> Self {
        let began = fixed(config, server);
        let (launchers, waiting) = (launchers.to_vec(), Vec::new());
        Self { source, launchers, server, seen, began, waiting, is_blind: false }
    }

    /// Watches for as long as the process serves.
    pub(crate) async fn watch(mut self, pipeline: Pipeline, mut hangup: Signal) {
        let mut tick = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = tick.tick() => false,
                Some(()) = hangup.recv() => true,
            };
            if asked || self.look().await != self.seen {
                self.seen = self.quiet().await;
                self.reload(&pipeline).await;
            }
        }
    }

    /// The files now; as they were, where nobody can tell, which is said once.
    async fn look(&mut self) -> Seen {
        let source = self.source.clone();
        let looked = tokio::task::spawn_blocking(move || confinement::seen(&source)).await;
        match looked.map_err(|error| error.to_string()).and_then(|seen| seen) {
            Ok(seen) => return seen,
            Err(why) if !self.is_blind => {
                tracing::error!("changes of {} are not seen: {why}", self.source.path.display());
                self.is_blind = true;
            }
            Err(_) => {}
        }
        self.seen.clone()
    }

    /// The files, once nobody is writing them.
    async fn quiet(&mut self) -> Seen {
        let mut seen = self.look().await;
        for _ in 0..PATIENCE {
            tokio::time::sleep(QUIET).await;
            let again = self.look().await;
            if again == seen {
                break;
            }
            seen = again;
        }
        seen
    }

    async fn reload(&mut self, pipeline: &Pipeline) {
        let (source, launchers, server) =
            (self.source.clone(), self.launchers.clone(), self.server);
        let read = tokio::task::spawn_blocking(move || read(&source, &launchers, server)).await;
        let enforced = match read {
            Ok(Ok((config, rules))) => enforce(pipeline, &config, rules, server).map(|()| config),
            Ok(Err(faults)) => Err(faults),
            Err(error) => {
                tracing::error!(%error, "the configuration could not be read again");
                return;
            }
        };
        match enforced {
            Ok(config) => self.name_what_waits(&config),
            Err(faults) => refuse(pipeline, &faults),
        }
    }

    /// Says, once, what was changed and waits for a restart.
    fn name_what_waits(&mut self, config: &Config) {
        let now = fixed(config, self.server);
        let mut changed = Vec::new();
        differences(&self.began, &now, "", &mut changed);
        if changed != self.waiting && !changed.is_empty() {
            let places = changed.iter().map(|pointer| {
                format!("{}: {}", config.locate(pointer), contract::schema::path(pointer))
            });
            let places = places.collect::<Vec<_>>().join("\n");
            tracing::warn!("changed, and needs a restart:\n{places}");
        }
        self.waiting = changed;
    }
}

fn read(
    source: &Source,
    launchers: &[Launcher],
    server: &str,
) -> Result<(Config, RuleSet), Faults> {
    let Checked { config, policy } = assemble::check(source, launchers, Some(server))?;
    let rules = assemble::rules(&config, policy, server)?;
    Ok((config, rules))
}

fn enforce(
    pipeline: &Pipeline,
    config: &Config,
    rules: RuleSet,
    server: &str,
) -> Result<(), Faults> {
    let digest = rules.digest.clone();
    match pipeline.enforce(rules) {
        Ok(true) => tracing::info!(policy = digest, "changed rules are in force"),
        Ok(false) => tracing::info!(policy = digest, "the rules are as they were"),
        Err(PipelineError::Rules(errors)) => {
            let mut faults = Faults::default();
            faults.extend(errors.into_iter().map(|error| {
                let place = format!("/servers/{server}/{}", error.key.replace('.', "/"));
                config.fault(&place, None, error.message)
            }));
            return Err(faults);
        }
        Err(error) => {
            tracing::error!(%error, "changed rules are in force, and could not be recorded");
        }
    }
    Ok(())
}

fn refuse(pipeline: &Pipeline, faults: &Faults) {
    tracing::warn!(
        "the changed configuration is wrong, so the rules before it stay in force:\n{faults}"
    );
    let why: String = faults.to_string().chars().take(LONGEST).collect();
    if let Err(error) = pipeline.keep_rules(&why) {
        tracing::error!(%error, "that could not be recorded");
    }
}

/// What a process reads once: all but people, roles, approvals, and what tightens tools.
fn fixed(config: &Config, server: &str) -> Value {
    let mut value = config.raw("").cloned().unwrap_or_default();
    let mut drop = |table: &str, keys: &[&str]| {
        if let Some(Value::Object(table)) = value.pointer_mut(table) {
            table.retain(|key, _| !keys.contains(&key.as_str()));
        }
    };
    drop("", &["people", "roles", "approvals"]);
    drop(&format!("/servers/{server}"), &["tools", "limit", "purpose", "owner"]);
    value
}

/// JSON Pointers of what differs, by key; lists and single values as a whole.
fn differences(before: &Value, after: &Value, at: &str, found: &mut Vec<String>) {
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        if before != after {
            found.push(at.to_owned());
        }
        return;
    };
    let mut keys: Vec<&String> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let pointer = format!("{at}/{}", config::escape(key));
        let (old, new) = (old.get(key), new.get(key));
        differences(old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null), &pointer, found);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_differs_is_named_by_key() {
        let before = json!({"suite": {"state": "a"}, "servers": {"docs": {"http": {"hosts": []}}}});
        let after = json!({
            "suite": {"state": "b"},
            "servers": {"docs": {"http": {"hosts": ["x"]}, "collections": [{}]}},
        });
        let mut found = Vec::new();
        differences(&before, &after, "", &mut found);
        assert_eq!(
            found,
            ["/servers/docs/collections", "/servers/docs/http/hosts", "/suite/state"]
        );
    }

    #[test]
    fn a_file_that_is_replaced_is_another_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("servers.toml");
        std::fs::write(&path, "one").expect("written");
        let first = Seen::now(&path);
        assert_eq!(first, Seen::now(&path), "nothing was done");
        let other = folder.path().join("other");
        std::fs::write(&other, "two").expect("written");
        std::fs::rename(&other, &path).expect("renamed");
        let second = Seen::now(&path);
        assert_ne!(first, second, "of the same size, under the same name");
        std::fs::create_dir(folder.path().join("servers.d")).expect("a folder");
        std::fs::write(folder.path().join("servers.d/a.toml"), "three").expect("written");
        let third = Seen::now(&path);
        assert_ne!(second, third, "a file more");
        std::fs::remove_file(&path).expect("removed");
        assert_ne!(third, Seen::now(&path), "no file any more");
    }
}

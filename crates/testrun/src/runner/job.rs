//! What the sandbox is asked to run, made from a declaration and checked values alone.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sandbox::{Access, Collect, Job, Limits, Mount};

use super::{Runner, links};
use crate::settings::{CacheMode, Network, Paths};
use crate::suite::Suite;
use crate::wire::Start;

/// The largest report or coverage file, in bytes.
const LARGEST: u64 = 512 << 20;

/// How the folders of collected reports begin.
const REPORT: &str = "report-";
/// The folder of the coverage.
pub(crate) const COVERAGE: &str = "coverage";

/// What a run finds where its suite says nothing else.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", sandbox::HOME),
    ("TMPDIR", "/tmp"),
    ("LANG", "C.UTF-8"),
];

/// The job of a run.
pub(super) fn job(runner: &Runner, suite: &Suite, start: &Start) -> Result<Job, String> {
    let settings = &suite.settings;
    let own = runner.state.join("runs").join(&start.run);
    let mib = |value: Option<u32>, default: u32| u64::from(value.unwrap_or(default)) << 20;
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    let collect = collect(suite, &own)?;
    Ok(Job {
        argv: suite.argv(&start.values)?.into_iter().map(OsString::from).collect(),
        env: environment(runner, suite),
        folder: suite.workdir(),
        mounts: mounts(runner, suite, start, &own)?,
        network: match &settings.network {
            Network::None => sandbox::Network::None,
            Network::Loopback => sandbox::Network::Loopback,
            Network::Ports(ports) => sandbox::Network::Ports(ports.clone()),
        },
        limits: Limits {
            wall: seconds(settings.time.unwrap_or(600)),
            cpu: settings.cpu.map(seconds),
            memory: mib(settings.memory, 2048),
            processes: settings.processes.unwrap_or(256),
            files: settings.files.unwrap_or(1024),
            disk: mib(settings.disk, 2048),
            output: mib(settings.output, 8),
        },
        stdout: own.join("stdout"),
        stderr: own.join("stderr"),
        collect,
    })
}

/// The reports, each from its path into a folder of its own, then the coverage.
fn collect(suite: &Suite, own: &Path) -> Result<Vec<Collect>, String> {
    let report = suite.settings.report.as_ref().and_then(|report| report.path.as_ref());
    let reports = report.map(Paths::all).unwrap_or_default().iter().enumerate();
    let reports = reports.map(|(index, path)| (path, format!("{REPORT}{index}")));
    let coverage = suite.settings.coverage.iter().map(|one| (&one.path, COVERAGE.to_owned()));
    let all = reports.chain(coverage).map(|(path, to)| {
        let to = own.join(to);
        fs::create_dir_all(&to).map_err(|error| format!("{}: {error}", to.display()))?;
        Ok(Collect { inside: suite.workdir().join(path), to, most: LARGEST })
    });
    all.collect()
}

fn environment(runner: &Runner, suite: &Suite) -> Vec<(OsString, OsString)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let fixed = ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let passed = suite
        .settings
        .env
        .pass
        .iter()
        .filter_map(|name| runner.passed.get(name).map(|value| (name.clone(), value.clone())));
    let set = suite.settings.env.set.iter().map(|(name, value)| (name.clone(), value.clone()));
    // The later one wins.
    for (name, value) in fixed.chain(passed).chain(set) {
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
    }
    all.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// The project as a view whose changes are dropped, what is really written, and caches; the state
/// of the servers is hidden behind an empty folder.
fn mounts(runner: &Runner, suite: &Suite, start: &Start, own: &Path) -> Result<Vec<Mount>, String> {
    let folder = &suite.folder;
    let from = match &start.export {
        Some(tree) => runner.state.join("exports").join(tree).join(links::TREE),
        None => folder.clone(),
    };
    let mut mounts =
        vec![Mount { from: from.clone(), at: folder.clone(), access: Access::Private }];
    for cache in &suite.settings.caches {
        let at = cache.at.clone().unwrap_or_else(|| cache.path.clone());
        let access = match cache.mode {
            CacheMode::Read => Access::Read,
            CacheMode::Private => Access::Private,
        };
        mounts.push(Mount { from: cache.path.clone(), at, access });
    }
    for path in &suite.settings.write {
        let whole = folder.join(path);
        // A run of a revision neither sees nor changes what lies in the working tree.
        if start.export.is_none() || !whole.starts_with(folder) {
            mounts.push(Mount { from: whole.clone(), at: whole, access: Access::Write });
        }
    }
    let state = runner.state.parent().unwrap_or(&runner.state).to_owned();
    let is_visible = |path: &Path| match path.strip_prefix(folder) {
        Ok(within) => from.join(within).exists(),
        Err(_) => mounts.iter().any(|mount| path.starts_with(&mount.at)),
    };
    let hidden = suite.settings.hidden.iter().map(|path| folder.join(path));
    let hidden: Vec<PathBuf> = hidden.chain([state]).filter(|path| is_visible(path)).collect();
    let (nothing, empty) = (own.join("nothing"), own.join("empty"));
    for at in hidden {
        let is_file = at.is_file();
        let (from, made) = if is_file {
            (&empty, fs::write(&empty, ""))
        } else {
            (&nothing, fs::create_dir_all(&nothing))
        };
        made.map_err(|error| format!("{}: {error}", from.display()))?;
        mounts.push(Mount { from: from.clone(), at, access: Access::Read });
    }
    Ok(mounts)
}

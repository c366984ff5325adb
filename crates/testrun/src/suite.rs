//! A declared suite: its settings checked, its paths absolute, its digest. The server and the
//! runner each make theirs from the same settings; what neither has cannot run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use contract::record::Sorted;
use contract::text::hex;
use contract::{Place, StartError};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::input::{Input, shown};
use crate::lacking::is_secret;
use crate::settings::{Network, Paths, Sandbox, SuiteSettings, Word};

/// A declared suite.
#[derive(Debug)]
pub(crate) struct Suite {
    /// The id in servers.toml.
    pub(crate) id: String,
    /// What servers.toml says about it, the paths of caches absolute.
    pub(crate) settings: SuiteSettings,
    /// The project, absolute.
    pub(crate) folder: PathBuf,
    /// What a caller may choose.
    pub(crate) inputs: BTreeMap<String, Input>,
    /// SHA-256 of the declaration, in hexadecimal.
    pub(crate) digest: String,
}

impl Suite {
    /// Checks a declaration. Asks nothing of the file system but for the folder's real path.
    pub(crate) fn new(
        id: &str,
        mut settings: SuiteSettings,
        sandbox: Sandbox,
        place: &Place,
    ) -> Result<Self, StartError> {
        let at = |key: &str, why: String| {
            StartError::new(format!("servers.testrun.suites.{id}.{key}: {why}"))
        };
        let named = place.path(&settings.folder);
        let folder =
            named.canonicalize().ok().filter(|folder| folder.is_dir()).ok_or_else(|| {
                at("folder", format!("{} is no folder; name the project's", named.display()))
            })?;
        let mut inputs = BTreeMap::new();
        for (name, one) in &settings.inputs {
            let input = Input::new(one.clone());
            inputs.insert(name.clone(), input.map_err(|why| at(&format!("inputs.{name}"), why))?);
        }
        for cache in &mut settings.caches {
            cache.path = place.path(&cache.path);
        }
        let digest = digest(id, &settings, sandbox, &folder);
        let suite = Self { id: id.to_owned(), settings, folder, inputs, digest };
        suite.check_argv().map_err(|why| at("argv", why))?;
        suite.check_paths(place).map_err(|(key, why)| at(key, why))?;
        suite.check_report().map_err(|why| at("report", why))?;
        suite.check_rerun().map_err(|why| at("rerun", why))?;
        if matches!(&suite.settings.network, Network::Ports(ports) if ports.contains(&0)) {
            return Err(at("network", "0 is no port".to_owned()));
        }
        if let Some(name) = suite.settings.env.pass.iter().find(|name| is_secret(name)) {
            let why = format!(
                "`{name}` is the name of a secret: every test could read and print it. Give tests \
                 one of their own, with `set`, or pass it under a name that says what it is"
            );
            return Err(at("env.pass", why));
        }
        for (name, value) in &suite.settings.env.set {
            if value.contains('\0') {
                return Err(at(&format!("env.set.{name}"), "it holds a zero byte".to_owned()));
            }
        }
        Ok(suite)
    }

    /// Where a run starts.
    pub(crate) fn workdir(&self) -> PathBuf {
        self.settings
            .workdir
            .as_ref()
            .map_or_else(|| self.folder.clone(), |at| self.folder.join(at))
    }

    /// The repository's own folder, where there is one.
    pub(crate) fn git(&self, place: &Path) -> Option<PathBuf> {
        match &self.settings.git {
            Some(git) => Some(place.join(git)),
            None => Some(self.folder.join(".git")).filter(|git| git.is_dir()),
        }
    }

    /// Whether a clean export of a revision may be tested.
    pub(crate) fn has_revisions(&self) -> bool {
        self.settings.revisions != Some(false)
            && (self.settings.git.is_some() || self.folder.join(".git").is_dir())
    }

    /// The values of the inputs: those given, checked, and the defaults of the others.
    pub(crate) fn values(
        &self,
        given: &Map<String, Value>,
    ) -> Result<BTreeMap<String, String>, String> {
        if let Some(name) = given.keys().find(|name| !self.inputs.contains_key(*name)) {
            let there: Vec<&str> = self.inputs.keys().map(String::as_str).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            return Err(format!("there is no `{}`; there is {there}.", shown(name)));
        }
        let mut values = BTreeMap::new();
        for (name, input) in &self.inputs {
            match given.get(name) {
                Some(value) => {
                    let text = input.text(value);
                    values.insert(name.clone(), text.map_err(|why| format!("{name} {why}."))?);
                }
                None if input.is_required() => {
                    return Err(format!("{name} is required: {}.", input.told()));
                }
                None => {
                    let default = input.default().map(str::to_owned);
                    values.extend(default.map(|value| (name.clone(), value)));
                }
            }
        }
        Ok(values)
    }

    /// Checks values as they came from another process, and puts each into its one argument.
    pub(crate) fn argv(&self, values: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
        for (name, value) in values {
            let input =
                self.inputs.get(name).ok_or_else(|| format!("no input `{}`", shown(name)))?;
            input.check(value).map_err(|why| format!("{name} {why}"))?;
        }
        let is_missing =
            |(name, input): (&String, &Input)| input.is_required() && !values.contains_key(name);
        if self.inputs.iter().any(is_missing) {
            return Err("a required input is missing".to_owned());
        }
        let mut argv = Vec::new();
        for word in &self.settings.argv {
            let words = match word {
                Word::One(word) => std::slice::from_ref(word),
                Word::Together(words) => words.as_slice(),
            };
            let filled: Option<Vec<String>> = words.iter().map(|word| fill(word, values)).collect();
            argv.extend(filled.unwrap_or_default());
        }
        Ok(argv)
    }

    /// Whether these are the values of a caller who said nothing: the whole suite.
    pub(crate) fn is_whole(&self, values: &BTreeMap<String, String>) -> bool {
        self.values(&Map::new()).is_ok_and(|whole| whole == *values)
    }

    /// What the operator must do before a changed declaration runs; `last` ran before.
    pub(crate) fn unaccepted(&self, last: Option<&str>) -> Option<String> {
        let is_pinned = self.settings.digest.as_ref() == Some(&self.digest);
        if is_pinned || (self.settings.accept_changes && self.settings.digest.is_none()) {
            return None;
        }
        match (&self.settings.digest, last) {
            (None, None) => None,
            (None, Some(last)) if last == self.digest => None,
            _ => Some(format!(
                "the declaration of suite {id} was changed and is not accepted. Its operator reads \
                 servers.testrun.suites.{id} and sets `digest = \"{digest}\"` there, or \
                 `accept_changes = true` without a digest; then restarts the server.",
                id = self.id,
                digest = self.digest
            )),
        }
    }

    /// Each placeholder stands for an input and behind no more than `…=`; each input has a place.
    fn check_argv(&self) -> Result<(), String> {
        let mut used = BTreeSet::new();
        for (index, word) in self.settings.argv.iter().enumerate() {
            let (words, is_group) = match word {
                Word::One(word) => (std::slice::from_ref(word), false),
                Word::Together(words) => (words.as_slice(), true),
            };
            for word in words {
                if word.contains('\0') {
                    return Err("an argument holds a zero byte".to_owned());
                }
                let Some((_, name)) = placeholder(word)? else { continue };
                if index == 0 && !is_group {
                    return Err("the program itself is no input; name it".to_owned());
                }
                if !self.inputs.contains_key(name) {
                    return Err(format!(
                        "`{{{name}}}` is no input; declare it under `inputs`, or write `{{{{` for a \
                         brace"
                    ));
                }
                used.insert(name.to_owned());
            }
        }
        if !matches!(self.settings.argv.first(), Some(Word::One(program)) if !program.is_empty()) {
            return Err("the first element is the program".to_owned());
        }
        match self.inputs.keys().find(|name| !used.contains(*name)) {
            Some(name) => Err(format!("input `{name}` lands nowhere; write `{{{name}}}` where")),
            None => Ok(()),
        }
    }

    fn check_paths(&self, place: &Place) -> Result<(), (&'static str, String)> {
        let inside =
            |path: &Path| path.components().all(|part| matches!(part, Component::Normal(_)));
        if let Some(path) = self.settings.workdir.as_ref().filter(|path| !inside(path)) {
            return Err(("workdir", format!("{} is not within `folder`", path.display())));
        }
        if let Some(path) = self.settings.hidden.iter().find(|path| !inside(path)) {
            return Err(("hidden", format!("{} is not within `folder`", path.display())));
        }
        for path in &self.settings.write {
            if !inside(path) && !is_plain(path) {
                let why = format!("{} is neither within `folder` nor absolute", path.display());
                return Err(("write", why));
            }
            let whole = self.folder.join(path);
            let state = place.real();
            if state.starts_with(&whole) || whole.starts_with(state.parent().unwrap_or(state)) {
                let why = format!("{} holds the server's own state", path.display());
                return Err(("write", why));
            }
        }
        if self.folder.parent().is_none() {
            return Err(("folder", "it is the whole machine; name the project's".to_owned()));
        }
        for cache in &self.settings.caches {
            let at = cache.at.as_ref().unwrap_or(&cache.path);
            if let Some(system) =
                sandbox::SYSTEM.iter().find(|it| at.starts_with(it) && at != &cache.path)
            {
                return Err((
                    "caches",
                    format!(
                        "{} is below {system}, which is the system's and read only; put it elsewhere, such as {}/{}",
                        at.display(),
                        sandbox::HOME,
                        at.file_name().unwrap_or_default().display()
                    ),
                ));
            }
            if cache.at.as_ref().is_some_and(|at| !is_plain(at)) {
                return Err(("caches", "`at` is an absolute path without `..`".to_owned()));
            }
        }
        Ok(())
    }

    fn check_report(&self) -> Result<(), String> {
        let Some(report) = &self.settings.report else { return Ok(()) };
        if report.path.is_some() == report.stream.is_some() {
            return Err("give it `path` or `stream`, one of them".to_owned());
        }
        let coverage = self.settings.coverage.iter().map(|coverage| &coverage.path);
        let paths = report.path.as_ref().map(Paths::all).unwrap_or_default();
        for path in paths.iter().chain(coverage) {
            let parts: Vec<Component<'_>> = Path::new(path).components().collect();
            if !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
                return Err(format!("`{path}` is not within `workdir`"));
            }
            if let Some(write) = self.written_by_others(path) {
                return Err(format!(
                    "`{path}` lies in `write` ({}), where others write, too; name a path elsewhere: \
                     a run may write anywhere, and what it writes elsewhere is its own",
                    write.display()
                ));
            }
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if folder.contains(['*', '?', '[']) {
                return Err(format!(
                    "`{path}`: `*` stands in the last part only; name each folder"
                ));
            }
        }
        Ok(())
    }

    /// The path of `write` that a report lies in.
    fn written_by_others(&self, report: &str) -> Option<&PathBuf> {
        let at = self.workdir().join(report);
        let is_pattern = report.contains(['*', '?', '[']);
        self.settings.write.iter().find(|write| {
            let write = self.folder.join(write);
            at.starts_with(&write) || (is_pattern && write.parent() == at.parent())
        })
    }

    fn check_rerun(&self) -> Result<(), String> {
        let Some(rerun) = &self.settings.rerun else { return Ok(()) };
        if !self.inputs.contains_key(&rerun.input) {
            return Err(format!("`{}` is no input; declare it under `inputs`", rerun.input));
        }
        if rerun.each.as_ref().is_some_and(|each| !each.contains("{name}")) {
            return Err("`each` needs `{name}`".to_owned());
        }
        Ok(())
    }
}

/// An absolute path that says where it is: no `.` and no `..`.
fn is_plain(path: &Path) -> bool {
    let mut parts = path.components();
    path.is_absolute()
        && parts.all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

/// What stands before a placeholder, and its name; `None` where a word has none.
fn placeholder(word: &str) -> Result<Option<(&str, &str)>, String> {
    let text = word.replace("{{", "").replace("}}", "");
    if !text.contains(['{', '}']) {
        return Ok(None);
    }
    let found = word.strip_suffix('}').and_then(|word| word.split_once('{'));
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    match found {
        Some((before, name)) if is_name(name) && (before.is_empty() || before.ends_with('=')) => {
            Ok(Some((before, name)))
        }
        _ => Err(format!(
            "`{word}`: an input is a whole argument, or stands behind `=`; write `{{{{` for a brace"
        )),
    }
}

/// An argument with its input in it; `None` where that has no value.
fn fill(word: &str, values: &BTreeMap<String, String>) -> Option<String> {
    match placeholder(word) {
        Ok(Some((before, name))) => values.get(name).map(|value| format!("{before}{value}")),
        _ => Some(word.replace("{{", "{").replace("}}", "}")),
    }
}

/// SHA-256 of all that decides what runs and what it may do.
fn digest(id: &str, settings: &SuiteSettings, sandbox: Sandbox, folder: &Path) -> String {
    let mut settings = settings.clone();
    // What decides nothing about a run.
    settings.digest = None;
    settings.accept_changes = false;
    settings.purpose = None;
    settings.at_once = None;
    for input in settings.inputs.values_mut() {
        input.description = None;
    }
    let whole = json!({
        "id": id,
        "settings": serde_json::to_value(&settings).unwrap_or_default(),
        "sandbox": serde_json::to_value(sandbox).unwrap_or_default(),
        "folder": folder.to_string_lossy(),
    });
    hex(&Sha256::digest(serde_json::to_string(&Sorted(&whole)).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::suite;

    fn refused(settings: Value, part: &str) {
        let error = suite(settings.clone()).expect_err(&settings.to_string()).to_string();
        assert!(
            error.starts_with("servers.testrun.suites.web.") && error.contains(part),
            "{error}"
        );
    }

    fn argv(suite: &Suite, given: Value) -> Result<Vec<String>, String> {
        suite.argv(&suite.values(given.as_object().expect("an object"))?)
    }

    #[test]
    fn wrong_settings_are_told_by_key() {
        refused(json!({"argv": ["x"], "folder": "/nowhere/at/all"}), "folder");
        refused(json!({"argv": ["{x}"], "inputs": {"x": {"values": ["a"]}}}), "argv");
        refused(json!({"argv": ["t", "{x}"]}), "no input");
        refused(json!({"argv": ["t", "a{x}"], "inputs": {"x": {"values": ["a"]}}}), "behind `=`");
        refused(json!({"argv": ["t", "{x}{x}"], "inputs": {"x": {"values": ["a"]}}}), "argv");
        refused(json!({"argv": ["t"], "inputs": {"x": {"values": ["a"]}}}), "lands nowhere");
        refused(json!({"argv": ["t", "{x}"], "inputs": {"x": {}}}), "inputs.x");
        refused(json!({"argv": ["t"], "workdir": "../other"}), "workdir");
        refused(json!({"argv": ["t"], "workdir": "/etc"}), "workdir");
        refused(json!({"argv": ["t"], "write": ["../x"]}), "write");
        refused(json!({"argv": ["t"], "write": ["/a/../b"]}), "write");
        refused(json!({"argv": ["t"], "write": ["/"]}), "own state");
        refused(json!({"argv": ["t"], "write": ["state/repo"]}), "own state");
        refused(json!({"argv": ["t"], "hidden": ["/etc"]}), "hidden");
        refused(json!({"argv": ["t"], "report": {"format": "junit"}}), "report");
        for (write, report) in
            [("out", "out/r.xml"), ("out", "out/a/*.xml"), ("out/r.xml", "out/*.xml")]
        {
            let report = json!({"format": "junit", "path": report});
            refused(
                json!({"argv": ["t"], "write": [write], "report": report}),
                "others write, too",
            );
        }
        refused(
            json!({"argv": ["t"], "report": {"format": "junit", "path": "../x.xml"}}),
            "report",
        );
        refused(
            json!({"argv": ["t"], "report": {"format": "junit", "path": "a/*/x.xml"}}),
            "report",
        );
        refused(json!({"argv": ["t"], "rerun": {"input": "x"}}), "rerun");
        refused(json!({"argv": ["t"], "network": {"ports": [0]}}), "network");
        refused(json!({"argv": ["t"], "caches": [{"path": "/c", "at": "c"}]}), "caches");
    }

    #[test]
    fn a_value_lands_in_its_one_argument() {
        let suite = suite(json!({
            "argv": ["t", ["-k", "{filter}"], "--mode={mode}", "{{literal}}"],
            "inputs": {
                "filter": {"pattern": "[^\\x00]*"},
                "mode": {"values": ["fast", "slow"], "default": "fast"},
            },
        }))
        .expect("a suite");
        let check = |given: Value, expected: &[&str]| {
            assert_eq!(argv(&suite, given).expect("argv"), expected);
        };
        check(json!({}), &["t", "--mode=fast", "{literal}"]);
        check(json!({"mode": "slow"}), &["t", "--mode=slow", "{literal}"]);
        let nasty = "a b;$(x) {mode} \" ' | && > {{";
        check(json!({"filter": nasty}), &["t", "-k", nasty, "--mode=fast", "{literal}"]);
        for bad in [
            json!({"filter": "--rootdir=/"}),
            json!({"filter": "a\nb"}),
            json!({"mode": "fast --x"}),
            json!({"other": "x"}),
            json!({"filter": ["a"]}),
        ] {
            assert!(argv(&suite, bad.clone()).is_err(), "{bad}");
        }
        // What comes from another process is checked the same.
        for (name, value) in [("filter", "-x"), ("mode", "other"), ("argv", "x")] {
            let values = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert!(suite.argv(&values).is_err(), "{name}={value}");
        }
    }

    #[test]
    fn the_digest_is_of_all_that_decides() {
        let of = |settings: Value| suite(settings).expect("a suite");
        let base = json!({"argv": ["t"]});
        let first = of(base.clone());
        for change in [
            json!({"argv": ["t", "x"]}),
            json!({"argv": ["t"], "network": "loopback"}),
            json!({"argv": ["t"], "write": ["target"]}),
            json!({"argv": ["t"], "env": {"set": {"A": "b"}}}),
            json!({"argv": ["t"], "time": 1}),
        ] {
            assert_ne!(of(change.clone()).digest, first.digest, "{change}");
        }
        assert_eq!(of(base).digest, first.digest);
        assert_eq!(of(json!({"argv": ["t"], "accept_changes": true})).digest, first.digest);
    }

    #[test]
    fn a_changed_declaration_waits_for_its_operator() {
        let plain = suite(json!({"argv": ["t"]})).expect("a suite");
        assert_eq!(plain.unaccepted(None), None, "the first one");
        assert_eq!(plain.unaccepted(Some(&plain.digest)), None);
        let told = plain.unaccepted(Some("0")).expect("a refusal");
        assert!(told.contains(&plain.digest) && told.contains("suites.web"), "{told}");
        let pinned = |digest: &str, accept: bool| {
            let settings = json!({"argv": ["t"], "digest": digest, "accept_changes": accept});
            suite(settings).expect("a suite")
        };
        assert_eq!(pinned(&plain.digest, false).unaccepted(Some("0")), None);
        let zeros = "0".repeat(64);
        for last in [None, Some("0"), Some(plain.digest.as_str())] {
            assert!(pinned(&zeros, true).unaccepted(last).is_some(), "a pin binds: {last:?}");
        }
        let open = suite(json!({"argv": ["t"], "accept_changes": true})).expect("a suite");
        assert_eq!(open.unaccepted(Some("0")), None);
    }
}

//! What a declaration names and this machine lacks: told by `suite doctor`, before the first run.

use std::path::{Path, PathBuf};

use contract::{Finding, Weight};

use crate::settings::Word;
use crate::suite::Suite;

/// Where programs are looked for, unless the suite sets `PATH`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Suite {
    /// What its runs would not find.
    pub(crate) fn lacking(&self, base: &Path) -> Vec<Finding> {
        let mut lacking = Vec::new();
        let mut add = |key: &str, what: String| {
            lacking.push(Finding {
                weight: Weight::Fault,
                what: format!("suite {}: {key}: {what}", self.id),
                remedy: format!("put servers.testrun.suites.{}.{key} right", self.id),
            });
        };
        if !self.workdir().is_dir() {
            add("workdir", format!("{} is no folder", self.workdir().display()));
        }
        for cache in self.settings.caches.iter().filter(|cache| !cache.path.exists()) {
            add("caches", format!("{} does not exist", cache.path.display()));
        }
        for path in &self.settings.write {
            if !self.folder.join(path).exists() {
                add("write", format!("{} does not exist; make it first", path.display()));
            }
        }
        if let Some(git) = self.settings.git.as_ref().map(|git| base.join(git))
            && !git.exists()
        {
            add("git", format!("{} does not exist", git.display()));
        }
        if let Some(Word::One(program)) = self.settings.argv.first()
            && !self.finds(program)
        {
            add(
                "argv",
                format!(
                    "the program `{program}` is not found; install it, or share its folder by `caches`"
                ),
            );
        }
        lacking
    }

    /// Whether a run would find the program. What a cache would bring is looked for where it is now.
    fn finds(&self, program: &str) -> bool {
        let outside = |path: &Path| -> Vec<PathBuf> {
            let of_cache = self.settings.caches.iter().filter_map(|cache| {
                let at = cache.at.as_ref().unwrap_or(&cache.path);
                let rest = path.strip_prefix(at).ok()?;
                Some(if rest.as_os_str().is_empty() {
                    cache.path.clone()
                } else {
                    cache.path.join(rest)
                })
            });
            of_cache.chain([path.to_owned()]).collect()
        };
        let is_there = |path: &Path| outside(path).iter().any(|path| path.is_file());
        if program.contains('/') {
            return is_there(&self.workdir().join(program));
        }
        let path = self.settings.env.set.get("PATH").map_or(PATH, String::as_str);
        let is_passed = self.settings.env.pass.iter().any(|name| name == "PATH");
        is_passed || path.split(':').any(|folder| is_there(&Path::new(folder).join(program)))
    }
}

/// Whether a variable's name says that its value is a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "APIKEY", "CREDENTIAL"];
    words.iter().any(|word| name.contains(word)) || name.ends_with("_KEY")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_secret;
    use crate::testing::suite;

    #[test]
    fn what_is_not_there_is_told_before_the_first_run() {
        let told = |settings: serde_json::Value| -> Vec<String> {
            let suite = suite(settings).expect("a suite");
            suite.lacking("/".as_ref()).into_iter().map(|finding| finding.what).collect()
        };
        assert_eq!(told(json!({"argv": ["sh"]})), Vec::<String>::new());
        assert_eq!(told(json!({"argv": ["/bin/sh"]})), Vec::<String>::new());
        for (settings, key) in [
            (json!({"argv": ["no-such-program"]}), "argv: the program `no-such-program`"),
            (json!({"argv": ["./no-such-program"]}), "argv: "),
            (json!({"argv": ["sh"], "workdir": "no-such-folder"}), "workdir: "),
            (json!({"argv": ["sh"], "caches": [{"path": "/no/such/cache"}]}), "caches: "),
            (json!({"argv": ["sh"], "git": "no/such/git"}), "git: "),
        ] {
            let told = told(settings.clone());
            assert!(told.len() == 1 && told[0].contains(key), "{settings}: {told:?}");
        }
    }

    #[test]
    fn a_variable_that_is_a_secret_by_its_name_is_not_passed_on() {
        for name in ["GITHUB_TOKEN", "aws_secret_access_key", "DB_PASSWORD", "SIGNING_KEY"] {
            assert!(is_secret(name), "{name}");
            let refused = suite(json!({"argv": ["sh"], "env": {"pass": [name]}}));
            let error = refused.expect_err("it is refused").to_string();
            assert!(error.contains("env.pass") && error.contains(name), "{error}");
        }
        for name in ["PATH", "CI", "KEYBOARD", "RUST_BACKTRACE"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}

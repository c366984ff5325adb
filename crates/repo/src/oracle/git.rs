//! The judge: git's own command line, away from the configuration of the machine.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, OnceLock};

use tempfile::TempDir;

/// Runs git in one repository.
#[derive(Clone, Debug)]
pub(super) struct Git {
    folder: PathBuf,
    /// Where git looks for the attributes of files, if not where it would by itself.
    attributes: Option<&'static Path>,
}

/// A folder of nothing.
static NOTHING: LazyLock<TempDir> = LazyLock::new(|| TempDir::new().expect("a folder"));

impl Git {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), attributes: None }
    }

    /// The same for what reads commits only. gitattributes(5) can call any file binary and name
    /// programs for it; nothing here follows them, so git is shown none: neither a working tree
    /// nor an index (`--attr-source` is not in every version that is still in use).
    pub(super) fn without_attributes(&self) -> Self {
        Self { attributes: Some(NOTHING.path()), ..self.clone() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.current_dir(&self.folder).args(words);
        // What git makes of replaced objects, grafts and mailmaps is a matter of configuration.
        for (name, value) in [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", "safe.directory"),
            ("GIT_CONFIG_VALUE_0", "*"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("HOME", "/nonexistent"),
            ("TZ", "UTC"),
            ("LC_ALL", "C.UTF-8"),
        ] {
            command.env(name, value);
        }
        if let Some(nothing) = self.attributes {
            command.env("GIT_WORK_TREE", nothing).env("GIT_INDEX_FILE", nothing.join("index"));
        }
        command
    }

    /// Lines without how much of a renamed file is the same, where this git is older than 2.43.2:
    /// "Rename detection logic ignored the final line of a file if it is an incomplete line",
    /// say the notes of that release.
    pub(super) fn comparable(&self, lines: &[String]) -> Vec<String> {
        static IS_OLD: OnceLock<bool> = OnceLock::new();
        let is_old = IS_OLD.get_or_init(|| {
            let version = self.text(&["version"]);
            let numbers = version.split([' ', '.']).filter_map(|word| word.trim().parse().ok());
            numbers.take(3).collect::<Vec<u32>>() < vec![2, 43, 2]
        });
        if !*is_old {
            return lines.to_vec();
        }
        let without = |line: &String| {
            let percent = line.rfind("%)").filter(|_| line.starts_with("R "));
            let begin = percent.and_then(|end| line[..end].rfind('('));
            match (begin, percent) {
                (Some(begin), Some(end)) => format!("{}{}", &line[..begin], &line[end + 2..]),
                _ => line.clone(),
            }
        };
        lines.iter().map(without).collect()
    }

    /// What git prints, and its exit code.
    pub(super) fn ask(&self, words: &[&str]) -> (Vec<u8>, i32) {
        let mut command = self.command(words);
        command.stdin(Stdio::null());
        let output = command.output().expect("git; install it with `apt-get install git`");
        (output.stdout, output.status.code().unwrap_or(-1))
    }

    /// What git prints; it must succeed.
    pub(super) fn bytes(&self, words: &[&str]) -> Vec<u8> {
        let mut command = self.command(words);
        let output = command.stdin(Stdio::null()).output().expect("git");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {}: {complaint}", words.join(" "));
        output.stdout
    }

    /// What git prints, as text.
    pub(super) fn text(&self, words: &[&str]) -> String {
        String::from_utf8_lossy(&self.bytes(words)).into_owned()
    }

    /// The lines that git prints.
    pub(super) fn lines(&self, words: &[&str]) -> Vec<String> {
        self.text(words).lines().map(str::to_owned).collect()
    }

    /// The lines that git prints of the commits of a range, without those that do not belong to
    /// it. Where clocks went wrong, git may print some of them, since it takes dates for an order
    /// (technical/commit-graph.adoc: "this heuristic is currently used whenever the computation is
    /// allowed to violate topological relationships due to clock skew").
    pub(super) fn ranged(&self, words: &[&str], range: &str) -> Vec<String> {
        let bases: Vec<String> = match range.split_once("...") {
            Some((one, other)) => {
                let bases = self.ask(&["merge-base", "--all", one, other]).0;
                let bases = String::from_utf8_lossy(&bases).into_owned();
                bases.lines().map(|base| format!("^{base}")).collect()
            }
            None => Vec::new(),
        };
        // gitrevisions(7): "r1...r2 [...] is defined as r1 r2 --not $(git merge-base --all r1
        // r2)". Written so, it does not depend on what git has read while it looked for the bases.
        let ends = range.split_once("...").map(|(one, other)| [one, other]);
        let words: Vec<&str> = words
            .iter()
            .flat_map(|word| match ends {
                Some(ends) if *word == range => {
                    ends.into_iter().chain(bases.iter().map(String::as_str)).collect()
                }
                _ => vec![*word],
            })
            .collect();
        let mut lines = self.lines(&words);
        let Some((from, to)) = range.split_once("..") else { return lines };
        let reached = |id: &str| -> HashSet<String> {
            self.lines(&["rev-list", if id.is_empty() { "HEAD" } else { id }]).into_iter().collect()
        };
        let (from, is_three) = (reached(from), to.starts_with('.'));
        let to = reached(to.trim_start_matches('.'));
        lines.retain(|id| match (from.contains(id), to.contains(id)) {
            (false, true) => true,
            (true, false) => is_three,
            _ => false,
        });
        lines
    }

    /// Gives git its input; what it prints.
    pub(super) fn feed(&self, words: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("git");
        let mut pipe = child.stdin.take().expect("its input");
        std::thread::scope(|scope| {
            // Both pipes at once, or one would fill while the other waits.
            scope.spawn(move || pipe.write_all(input).expect("git reads"));
            let output = child.wait_with_output().expect("git ends");
            assert!(output.status.success(), "git {}", words.join(" "));
            output.stdout
        })
    }
}

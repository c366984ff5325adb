//! The shape of files: their length, their names, their white space.

use super::repository::Repository;
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule { name: "length", demands: "A file of code has at most 500 lines.", check: length },
    Rule {
        name: "names",
        demands: "A file is named for what it is about: no utils, helpers, common, manager.",
        check: names,
    },
    Rule {
        name: "white-space",
        demands: "No trailing white space, no CRLF, no tabs in Rust; one line break at the end.",
        check: white_space,
    },
];

/// More than this is two subjects in one file.
const MOST_LINES: usize = 500;

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["util", "utils", "helper", "helpers", "common", "manager", "misc", "shared"];

fn length(repository: &Repository, findings: &mut Findings) {
    for file in &repository.files {
        let lines = file.text.lines().count();
        let is_code = matches!(file.extension(), "rs" | "py" | "mjs" | "sh");
        if is_code && lines > MOST_LINES {
            let message = format!("{lines} lines; split it by subject, {MOST_LINES} are the most");
            findings.add(&file.path, 0, message);
        }
    }
}

fn names(repository: &Repository, findings: &mut Findings) {
    for file in repository.files.iter().filter(|file| file.extension() != "md") {
        // A folder of that name is one module of that name.
        for part in file.path.split('/') {
            let stem = part.split('.').next().unwrap_or(part);
            if EMPTY_NAMES.contains(&stem) {
                findings.add(&file.path, 0, format!("`{stem}` says nothing about what is in it"));
            }
        }
    }
}

fn white_space(repository: &Repository, findings: &mut Findings) {
    for file in &repository.files {
        for (index, line) in file.text.split('\n').enumerate() {
            let wrong = if line.ends_with('\r') {
                "ends with CRLF"
            } else if line.ends_with([' ', '\t']) {
                "ends with white space"
            } else if file.is_rust() && line.contains('\t') {
                "has a tab"
            } else {
                continue;
            };
            findings.add(&file.path, index + 1, wrong);
        }
        let is_ended = file.text.is_empty() || file.text.ends_with('\n');
        if !is_ended || file.text.ends_with("\n\n") {
            let last = file.text.lines().count();
            findings.add(&file.path, last, "does not end with exactly one line break");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn long_files_are_split() {
        let long = "\n".repeat(MOST_LINES + 1);
        let files = [("a.rs", long.as_str()), ("a.md", &long), ("b.rs", &long[1..])];
        assert_eq!(places(length, &files), ["a.rs:0"]);
    }

    #[test]
    fn names_say_something() {
        let files = [
            ("crates/a/src/utils.rs", ""),
            ("crates/a/src/common/mod.rs", ""),
            ("crates/a/src/community.rs", ""),
        ];
        assert_eq!(
            places(names, &files),
            ["crates/a/src/common/mod.rs:0", "crates/a/src/utils.rs:0"]
        );
    }

    #[test]
    fn white_space_is_in_order() {
        let files = [
            ("a.rs", "ok\n\tx\n"),
            ("b.md", "a \nb\r\n\tc\n"),
            ("c.txt", "no end"),
            ("d.txt", "two\n\n"),
            ("e.txt", ""),
        ];
        assert_eq!(
            places(white_space, &files),
            ["a.rs:2", "b.md:1", "b.md:2", "c.txt:1", "d.txt:2"]
        );
    }
}

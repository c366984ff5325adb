//! Words that may not stand in the repository.
//!
//! Words sought in comments too are written in two halves here, so that this file does not
//! break its own rules.

use super::repository::{Repository, SourceFile};
use super::rust_code::find_word;
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "expect-not-allow",
        demands: "A lint is silenced by #[expect(…, reason = …)], never by #[allow].",
        check: expect_not_allow,
    },
    Rule {
        name: "unfinished",
        demands: "No unfinished work is committed: no placeholder macros, no notes to oneself.",
        check: unfinished,
    },
    Rule {
        name: "no-sleep",
        demands: "Tests wait for what they need, they do not sleep and hope.",
        check: no_sleep,
    },
    Rule {
        name: "private-places",
        demands: "Nothing names the machine or the folders that somebody worked in.",
        check: private_places,
    },
];

/// What stands in for missing code.
const PLACEHOLDERS: &[&str] = &["todo!", "unimplemented!", "dbg!"];

/// Notes to oneself, sought in comments of every language.
const NOTES: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Places that only exist where somebody works.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/.libr", "ary"),
    concat!("shared/DES", "IGN"),
    concat!("shared/FAC", "TS"),
];

fn expect_not_allow(repository: &Repository, findings: &mut Findings) {
    for file in repository.rust() {
        for attribute in ["#[allow(", "#![allow("] {
            for at in find_word(&file.code, attribute) {
                let message = "use #[expect(…, reason = \"…\")]: it goes when its reason goes";
                findings.add(&file.path, file.line_at(at), message);
            }
        }
        for attribute in ["#[expect(", "#![expect("] {
            for at in find_word(&file.code, attribute) {
                let end = file.code[at..].find(")]").map_or(file.code.len(), |end| at + end);
                if !file.code[at..end].contains("reason") {
                    findings.add(&file.path, file.line_at(at), "#[expect] without a reason");
                }
            }
        }
    }
}

fn unfinished(repository: &Repository, findings: &mut Findings) {
    for file in repository.rust() {
        for word in PLACEHOLDERS {
            for at in find_word(&file.code, word) {
                findings.add(&file.path, file.line_at(at), format!("`{word}` is unfinished work"));
            }
        }
    }
    for file in repository.files.iter().filter(|file| is_source(file)) {
        for word in NOTES {
            for at in find_word(&file.text, word) {
                let message = format!("`{word}`: do it, or write an issue");
                findings.add(&file.path, file.line_at(at), message);
            }
        }
    }
}

fn is_source(file: &SourceFile) -> bool {
    matches!(file.extension(), "rs" | "toml" | "py" | "mjs" | "sh") || file.path.starts_with(".ci/")
}

fn no_sleep(repository: &Repository, findings: &mut Findings) {
    for file in repository.rust() {
        let start = file.tests_start();
        for call in ["thread::sleep(", "time::sleep(", "sleep_until("] {
            for at in find_word(&file.code[start..], call) {
                let message = "a test sleeps; wait for the condition, or except this file";
                findings.add(&file.path, file.line_at(start + at), message);
            }
        }
    }
}

fn private_places(repository: &Repository, findings: &mut Findings) {
    for file in &repository.files {
        for place in PLACES {
            for (at, _) in file.text.match_indices(place) {
                // The path of something else may end alike: `docs/work/flow.md`.
                let is_rooted = !file.text[..at].ends_with(|c: char| c.is_alphanumeric());
                if !place.starts_with('/') || is_rooted {
                    let message = format!("`{place}` exists on one machine only");
                    findings.add(&file.path, file.line_at(at), message);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn lints_are_expected_with_a_reason() {
        let text = "\
#[allow(dead_code)]
#[expect(dead_code)]
#[expect(dead_code, reason = \"used by the next issue\")]
// #[allow(dead_code)]
";
        assert_eq!(places(expect_not_allow, &[("a.rs", text)]), ["a.rs:1", "a.rs:2"]);
    }

    #[test]
    fn unfinished_work_is_found_in_code_and_comments() {
        let note = format!("fn f() {{}}\n// {}: later\n", NOTES[0]);
        let script = format!("# {}\n", NOTES[1]);
        let files = [
            ("a.rs", "fn f() { todo!() }\n// todo!() is a macro\n"),
            ("b.rs", note.as_str()),
            ("c.py", script.as_str()),
            ("d.md", note.as_str()),
        ];
        assert_eq!(places(unfinished, &files), ["a.rs:1", "b.rs:2", "c.py:1"]);
    }

    #[test]
    fn tests_do_not_sleep() {
        let text = "fn f() { thread::sleep(d) }\n#[cfg(test)]\nmod tests {\n  fn g() { std::thread::sleep(d) }\n}\n";
        let files =
            [("crates/a/src/lib.rs", text), ("tests/src/lib.rs", "tokio::time::sleep(d).await")];
        assert_eq!(places(no_sleep, &files), ["crates/a/src/lib.rs:4", "tests/src/lib.rs:1"]);
    }

    #[test]
    fn the_machine_is_not_named() {
        let text = format!("see `{}x`\nor a{}b\n", PLACES[0], PLACES[0]);
        assert_eq!(places(private_places, &[("README.md", &text)]), ["README.md:1"]);
    }
}

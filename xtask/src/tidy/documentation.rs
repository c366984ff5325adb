//! Every module says what it is for, and no link leads nowhere.

use super::repository::Repository;
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "module-docs",
        demands: "Every Rust file begins with `//!`: what it is for.",
        check: module_docs,
    },
    Rule {
        name: "links",
        demands: "Relative links in Markdown lead to a file that git has.",
        check: links,
    },
];

fn module_docs(repository: &Repository, findings: &mut Findings) {
    for file in repository.rust() {
        let says_something = file.text.lines().next().and_then(|line| line.strip_prefix("//!"));
        if says_something.is_none_or(|words| words.trim().is_empty()) {
            findings.add(&file.path, 1, "begin the file with `//!` and what it is for");
        }
    }
}

fn links(repository: &Repository, findings: &mut Findings) {
    for file in repository.files.iter().filter(|file| file.extension() == "md") {
        let mut is_fenced = false;
        for (index, line) in file.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
            }
            if is_fenced {
                continue;
            }
            for target in targets(line) {
                if resolve(&file.path, target).is_some_and(|path| !repository.has(&path)) {
                    findings.add(&file.path, index + 1, format!("{target} leads nowhere"));
                }
            }
        }
    }
}

/// The targets of inline links and of reference definitions in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let inline = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .map(|target| target.split_whitespace().next().unwrap_or(target));
    let is_definition = line.starts_with('[') && !line.starts_with("[^");
    let definition = line.split_once("]: ").filter(|_| is_definition);
    inline.chain(definition.and_then(|(_, target)| target.split_whitespace().next()))
}

/// The path in the repository that a relative link means; none for other links.
fn resolve(from: &str, target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    let is_elsewhere = path.is_empty() || target.contains("://") || target.starts_with("mailto:");
    if is_elsewhere {
        return None;
    }
    let mut parts: Vec<&str> = match path.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => from.split('/').collect(),
    };
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    // A link to the root itself is always good.
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn a_file_says_what_it_is_for() {
        let files = [
            ("crates/docs/src/a.rs", "//! Reads passages.\n"),
            ("crates/docs/src/b.rs", "use std::fs;\n"),
            ("crates/docs/src/c.rs", "//!\n"),
        ];
        assert_eq!(
            places(module_docs, &files),
            ["crates/docs/src/b.rs:1", "crates/docs/src/c.rs:1"]
        );
    }

    #[test]
    fn links_lead_somewhere() {
        let text = "\
[good](../README.md#why) and [also](./other.md \"title\") [out](https://example.org/x)
[bad](missing.md) [folder](../docs) [here](#above) [root](/README.md)
```
[an example](nowhere.md)
```
[reference]: gone.md
";
        let files = [("README.md", ""), ("docs/guide.md", text), ("docs/other.md", "")];
        assert_eq!(places(links, &files), ["docs/guide.md:2", "docs/guide.md:6"]);
    }
}

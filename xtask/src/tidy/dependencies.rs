//! Dependencies are used, and shared ones stand in one place.

use std::collections::BTreeMap;

use super::manifest::Manifest;
use super::repository::Repository;
use super::rust_code::find_word;
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "unused-dependency",
        demands: "A crate uses each of its dependencies by name.",
        check: unused,
    },
    Rule {
        name: "shared-dependency",
        demands: "What two crates depend on stands in [workspace.dependencies], and nothing else.",
        check: shared,
    },
];

/// Dependencies that are there for their effect on others: folder, name, why.
const FOR_THEIR_EFFECT: &[(&str, &str, &str)] = &[(
    "crates/sql",
    "prost",
    "its feature `no-recursion-limit` lets pg_query decode deep statements",
)];

fn unused(repository: &Repository, findings: &mut Findings) {
    for (folder, file, manifest) in repository.manifests() {
        let sources: Vec<_> = repository
            .rust()
            .filter(|source| source.path.strip_prefix(folder).is_some_and(|r| r.starts_with('/')))
            .collect();
        for dependency in manifest.dependencies {
            let name = dependency.name.replace('-', "_");
            let is_used = sources.iter().any(|file| find_word(&file.code, &name).next().is_some());
            let is_excused = FOR_THEIR_EFFECT
                .iter()
                .any(|(where_, what, _)| *where_ == folder && *what == dependency.name);
            if !is_used && !is_excused {
                let message = format!("{} is not used", dependency.name);
                findings.add(&file.path, dependency.line, message);
            }
        }
    }
}

fn shared(repository: &Repository, findings: &mut Findings) {
    let mut inherited = Vec::new();
    let mut own: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
    for (_, file, manifest) in repository.manifests() {
        for dependency in manifest.dependencies {
            if dependency.is_inherited {
                inherited.push(dependency.name);
            } else {
                let place = (file.path.clone(), dependency.line);
                own.entry(dependency.name).or_default().push(place);
            }
        }
    }
    let Some(root) = repository.file("Cargo.toml") else { return };
    let workspace = Manifest::parse(&root.text);
    let entries = workspace.dependencies.iter().filter(|dependency| dependency.is_workspace);
    for entry in entries {
        if !inherited.contains(&entry.name) {
            let message = format!("no crate inherits {}", entry.name);
            findings.add(&root.path, entry.line, message);
        }
        // A second way to the same crate may have another version.
        for (path, line) in own.remove(&entry.name).unwrap_or_default() {
            findings.add(&path, line, format!("{} = {{ workspace = true }}", entry.name));
        }
    }
    for (name, places) in own.into_iter().filter(|(_, places)| is_in_two_files(places)) {
        for (path, line) in places {
            let message = format!("{name} is used by two crates; share it in the workspace");
            findings.add(&path, line, message);
        }
    }
}

fn is_in_two_files(places: &[(String, usize)]) -> bool {
    places.iter().any(|(path, _)| *path != places[0].0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn an_unused_dependency_is_found() {
        let manifest = "[dependencies]\nserde_json = \"1\"\ntokio-util = \"0.7\"\nbytes = \"1\"\n";
        let code = "use tokio_util::sync;\n// bytes\nfn f() -> serde_json::Value {}\n";
        let files = [
            ("crates/a/Cargo.toml", manifest),
            ("crates/a/src/lib.rs", code),
            ("crates/ab/src/lib.rs", "use bytes::Bytes;"),
        ];
        assert_eq!(places(unused, &files), ["crates/a/Cargo.toml:4"]);
    }

    #[test]
    fn shared_dependencies_stand_in_the_workspace() {
        let root = "[workspace.dependencies]\nserde = \"1\"\nold = \"1\"\n";
        let a = "[dependencies]\nserde = { workspace = true }\nbytes = \"1\"\n";
        let b = "[dependencies]\nserde = \"1\"\nbytes = \"1\"\n[dev-dependencies]\nonce = \"1\"\n";
        let files = [("Cargo.toml", root), ("crates/a/Cargo.toml", a), ("crates/b/Cargo.toml", b)];
        assert_eq!(
            places(shared, &files),
            [
                "Cargo.toml:3",
                "crates/a/Cargo.toml:3",
                "crates/b/Cargo.toml:2",
                "crates/b/Cargo.toml:3"
            ]
        );
    }
}

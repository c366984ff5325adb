//! The house: which crate may know which, who may speak the protocol, who may run a tool.

use super::repository::Repository;
use super::rust_code::find_word;
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "house",
        demands: "A crate depends only on crates that stand below it; no server on another.",
        check: house,
    },
    Rule { name: "protocol", demands: "Only crates/runtime and tests name rmcp.", check: protocol },
    Rule {
        name: "one-pipeline",
        demands: "Only the runtime makes a Ctx and calls a tool; servers do so in tests alone.",
        check: one_pipeline,
    },
];

/// The crates that are not servers, and which crates of this workspace each may use.
const HOUSE: &[(&str, &[&str])] = &[
    ("contract", &[]),
    ("config", &["contract"]),
    ("confine", &["contract"]),
    ("policy", &["contract"]),
    ("state", &["contract"]),
    ("auth", &["contract"]),
    ("runtime", &["contract", "auth", "policy", "state"]),
    ("console", &["contract", "state", "runtime"]),
    ("reports", &[]),
    ("sandbox", &["confine"]),
];

/// What a server may use of this workspace.
const SERVER_USES: &[&str] = &["contract", "state"];

/// The servers that may use more, for what they are there for: a second process, and what it runs.
const MORE: &[(&str, &[&str])] =
    &[("testrun", &["contract", "state", "confine", "reports", "sandbox"])];

/// The crate that wires everything together and may use everything.
const BINARY: &str = "suite";

/// Whether a crate of `crates/` is a server: every crate is that has no other place.
pub(super) fn is_server(member: &str) -> bool {
    member != BINARY && HOUSE.iter().all(|(name, _)| *name != member)
}

fn house(repository: &Repository, findings: &mut Findings) {
    let members: Vec<_> = repository
        .manifests()
        .filter_map(|(folder, _, _)| folder.strip_prefix("crates/"))
        .collect();
    for (folder, file, manifest) in repository.manifests() {
        let allowed: &[&str] = match folder.strip_prefix("crates/") {
            Some(BINARY) => continue,
            Some(member) => HOUSE
                .iter()
                .chain(MORE)
                .find_map(|(name, uses)| (*name == member).then_some(*uses))
                .unwrap_or(SERVER_USES),
            None if folder == "xtask" => &[],
            None => continue,
        };
        for dependency in manifest.dependencies {
            let name = dependency.name.as_str();
            if members.contains(&name) && !allowed.contains(&name) {
                let may = match allowed {
                    [] => "no crate of this workspace".to_owned(),
                    allowed => format!("only {}", allowed.join(", ")),
                };
                let message = format!("depends on {name}; it may use {may}");
                findings.add(&file.path, dependency.line, message);
            }
        }
    }
}

fn protocol(repository: &Repository, findings: &mut Findings) {
    let may = |path: &str| path.starts_with("crates/runtime/") || path.starts_with("tests/");
    for (_, file, manifest) in repository.manifests().filter(|(_, file, _)| !may(&file.path)) {
        for dependency in manifest.dependencies.iter().filter(|d| d.name.starts_with("rmcp")) {
            findings.add(&file.path, dependency.line, "only crates/runtime and tests may use rmcp");
        }
    }
    for file in repository.rust().filter(|file| !may(&file.path)) {
        for at in find_word(&file.code, "rmcp") {
            findings.add(&file.path, file.line_at(at), "only crates/runtime and tests name rmcp");
        }
    }
}

fn one_pipeline(repository: &Repository, findings: &mut Findings) {
    for file in repository.rust() {
        // The contract declares what the runtime uses; the `tests` package tests the runtime.
        let Some(member) = file.member().filter(|name| !matches!(*name, "contract" | "runtime"))
        else {
            continue;
        };
        let code = &file.code[..file.tests_start()];
        for (what, wrong) in [("CtxParts", "makes a Ctx"), ("Ctx::new", "makes a Ctx")] {
            for at in find_word(code, what) {
                findings.add(&file.path, file.line_at(at), format!("{member} {wrong}"));
            }
        }
        for at in find_word(code, "::call(").filter(|at| !code[..*at].ends_with("Pipeline")) {
            let message = format!("{member} calls a tool past the pipeline");
            findings.add(&file.path, file.line_at(at), message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    #[test]
    fn arrows_point_down() {
        let docs = "[dependencies]\ncontract.workspace = true\nsql.workspace = true\n";
        let policy = "[dependencies]\nstate = { workspace = true }\nserde = \"1\"\n";
        let xtask = "[dev-dependencies]\ncontract = { path = \"../crates/contract\" }\n";
        let files = [
            ("crates/contract/Cargo.toml", ""),
            ("crates/docs/Cargo.toml", docs),
            ("crates/policy/Cargo.toml", policy),
            ("crates/sql/Cargo.toml", ""),
            ("crates/state/Cargo.toml", ""),
            ("crates/suite/Cargo.toml", "[dependencies]\nsql.workspace = true\n"),
            ("xtask/Cargo.toml", xtask),
        ];
        assert_eq!(
            places(house, &files),
            ["crates/docs/Cargo.toml:3", "crates/policy/Cargo.toml:2", "xtask/Cargo.toml:2"]
        );
    }

    #[test]
    fn only_the_runtime_names_the_protocol_library() {
        let code = "// rmcp is not known here\nuse rmcp::model::Tool;\n";
        let files = [
            ("crates/docs/Cargo.toml", "[dependencies]\nrmcp = \"3\"\n"),
            ("crates/docs/src/lib.rs", code),
            ("crates/runtime/src/lib.rs", code),
            ("tests/src/lib.rs", code),
        ];
        assert_eq!(
            places(protocol, &files),
            ["crates/docs/Cargo.toml:2", "crates/docs/src/lib.rs:2"]
        );
    }

    #[test]
    fn tools_are_called_by_the_pipeline_only() {
        let code = "fn f() {\n    Search::call(s, &c, a)\n}\n";
        let tests = "#[cfg(test)]\nmod tests {\n    fn f() { Search::call(s, &c, a) }\n}\n";
        let files = [
            ("crates/docs/src/search.rs", code),
            ("crates/docs/src/read.rs", tests),
            ("crates/docs/src/testing.rs", "fn ctx() -> Ctx { Ctx::new(CtxParts { .. }) }\n"),
            ("crates/docs/src/lib.rs", "fn ctx() -> Ctx { Ctx::new(parts) }\n"),
            ("crates/runtime/src/pipeline.rs", code),
            ("crates/suite/src/call.rs", "let answer = Pipeline::call(p, x);\n"),
        ];
        assert_eq!(
            places(one_pipeline, &files),
            ["crates/docs/src/lib.rs:1", "crates/docs/src/search.rs:2"]
        );
    }

    #[test]
    fn a_new_crate_is_a_server_until_it_has_a_place() {
        assert!(is_server("docs"));
        assert!(!is_server("runtime"));
        assert!(!is_server("suite"));
    }
}

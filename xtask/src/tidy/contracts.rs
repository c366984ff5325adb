//! What every tool must bring: a whole contract, examples, and a schema that is still its own.

use serde_json::Value;

use super::architecture::is_server;
use super::repository::{Repository, SourceFile};
use super::{Findings, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "whole-contract",
        demands: "A CONTRACT states every field itself, without `..`.",
        check: whole_contract,
    },
    Rule {
        name: "examples",
        demands: "Every tool has tests/examples/<tool>.json with calls it accepts and refuses.",
        check: examples,
    },
    Rule {
        name: "live-schemas",
        demands: "Every file in schemas/tools belongs to a server, every example to a tool.",
        check: live_schemas,
    },
];

/// How a contract begins.
const START: &str = "const CONTRACT: Contract = Contract {";

/// The byte ranges of the contracts in a file, braces included.
fn contracts(file: &SourceFile) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    file.code.match_indices(START).map(|(at, _)| {
        let start = at + START.len() - 1;
        let mut depth = 0_usize;
        let end = file.code[start..].find(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        start..end.map_or(file.code.len(), |length| start + length)
    })
}

/// The line and the name of each tool that a server declares.
fn tools(repository: &Repository) -> impl Iterator<Item = (&SourceFile, usize, Option<&str>)> {
    let of_servers = |file: &&SourceFile| file.member().is_some_and(is_server);
    repository.rust().filter(of_servers).flat_map(|file| {
        contracts(file).filter(|range| range.start < file.tests_start()).map(move |range| {
            let name = file.text[range.clone()].split_once("name: \"");
            let name = name.and_then(|(_, rest)| rest.split_once('"')).map(|(name, _)| name);
            (file, file.line_at(range.start), name)
        })
    })
}

fn whole_contract(repository: &Repository, findings: &mut Findings) {
    for file in repository.rust() {
        for range in contracts(file) {
            if let Some(at) = file.code[range.clone()].find("..") {
                let line = file.line_at(range.start + at);
                findings.add(&file.path, line, "`..` hides a decision: state every field");
            }
        }
    }
}

fn examples(repository: &Repository, findings: &mut Findings) {
    for (file, line, name) in tools(repository) {
        let Some(name) = name else {
            findings.add(&file.path, line, "the tool's name is not a literal");
            continue;
        };
        let path = format!("tests/examples/{name}.json");
        let Some(examples) = repository.file(&path) else {
            let message = format!("{name} has no examples; write {path}");
            findings.add(&file.path, line, message);
            continue;
        };
        match serde_json::from_str::<Value>(&examples.text) {
            Err(error) => findings.add(&path, error.line(), format!("not JSON: {error}")),
            Ok(value) => {
                for key in ["accepts", "refuses"] {
                    if value[key].as_array().is_none_or(Vec::is_empty) {
                        findings.add(&path, 0, format!("`{key}` has no example"));
                    }
                }
            }
        }
    }
}

fn live_schemas(repository: &Repository, findings: &mut Findings) {
    let names: Vec<_> = tools(repository).filter_map(|(_, _, name)| name).collect();
    for file in &repository.files {
        let Some(stem) = file.name().strip_suffix(".json") else { continue };
        if file.path.starts_with("schemas/tools/") {
            if !is_server(stem) || !repository.has(&format!("crates/{stem}")) {
                findings.add(&file.path, 0, format!("there is no server {stem}"));
            }
        } else if file.path.starts_with("tests/examples/") && !names.contains(&stem) {
            findings.add(&file.path, 0, format!("there is no tool {stem}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::places;

    const TOOL: &str = "\
pub const OTHER: u32 = 0;
impl Tool for Search {
    const CONTRACT: Contract = Contract {
        name: \"docs_search\",
        limit: Limit { calls: 1, per: Window::Second },
    };
}
";
    const EXAMPLES: &str = "{\"accepts\": [{}], \"refuses\": [{\"x\": 1}]}";

    #[test]
    fn a_contract_has_no_rest() {
        let rest = TOOL.replace("limit:", "..Contract::default() //");
        let comment = TOOL.replace("limit:", "// no `..` here\n        limit:");
        let files = [
            ("crates/docs/src/a.rs", TOOL),
            ("crates/docs/src/b.rs", rest.as_str()),
            ("crates/docs/src/c.rs", comment.as_str()),
        ];
        assert_eq!(places(whole_contract, &files), ["crates/docs/src/b.rs:5"]);
    }

    #[test]
    fn a_tool_has_examples() {
        let source = ("crates/docs/src/search.rs", TOOL);
        let with = |text| places(examples, &[source, ("tests/examples/docs_search.json", text)]);
        assert_eq!(with(EXAMPLES), Vec::<String>::new());
        assert_eq!(with("{\"accepts\": [{}]}"), ["tests/examples/docs_search.json:0"]);
        assert_eq!(with("{\n]"), ["tests/examples/docs_search.json:2"]);
        assert_eq!(places(examples, &[source]), ["crates/docs/src/search.rs:3"]);
        assert!(places(examples, &[("crates/contract/src/tool.rs", TOOL)]).is_empty());
    }

    #[test]
    fn schemas_and_examples_do_not_outlive_their_server() {
        let files = [
            ("crates/docs/src/search.rs", TOOL),
            ("schemas/tools/docs.json", "{}"),
            ("schemas/tools/gone.json", "{}"),
            ("tests/examples/docs_search.json", EXAMPLES),
            ("tests/examples/docs_gone.json", EXAMPLES),
        ];
        let expected = ["schemas/tools/gone.json:0", "tests/examples/docs_gone.json:0"];
        let mut found = places(live_schemas, &files);
        found.sort();
        assert_eq!(found, expected);
    }
}

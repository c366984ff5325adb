//! The walk over all tools of the product: bounds, golden wire form, examples, tokens, and the
//! matrix of roles and tools.

use serde_json::{Value, json};
use tests::harness::{Folder, Session, repository, suite, text};

fn golden(server: &str) -> Vec<Value> {
    let path = repository().join(format!("schemas/tools/{server}.json"));
    let text = std::fs::read_to_string(path).expect("the committed definitions");
    let golden: Value = serde_json::from_str(&text).expect("JSON");
    golden["tools"].as_array().expect("tools").clone()
}

const SERVERS: [&str; 1] = ["docs"];

#[test]
fn the_wire_form_is_the_committed_one() {
    let mut session = {
        let mut command = std::process::Command::new(suite());
        command.arg("docs").current_dir(repository()).arg("--state");
        let state = tempfile::tempdir().expect("a folder");
        command.arg(state.path());
        Session::spawn(command)
    };
    let list = session.request("tools/list", json!({}));
    assert_eq!(
        list["result"]["tools"],
        json!(golden("docs")),
        "cargo xtask schemas writes it anew"
    );
}

/// Every string, list and number has bounds; every object refuses unknown fields.
fn unbounded(path: &str, schema: &Value, found: &mut Vec<String>) {
    let lacks = |word: &str| schema.get(word).is_none();
    match schema["type"].as_str() {
        Some("string") if lacks("maxLength") && lacks("enum") => {
            found.push(format!("{path}: maxLength"));
        }
        Some("integer" | "number") if lacks("minimum") || lacks("maximum") => {
            found.push(format!("{path}: minimum and maximum"));
        }
        Some("array") => {
            if lacks("maxItems") {
                found.push(format!("{path}: maxItems"));
            }
            unbounded(&format!("{path}[]"), &schema["items"], found);
        }
        Some("object") => {
            if schema["additionalProperties"] != json!(false) {
                found.push(format!("{path}: additionalProperties"));
            }
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                unbounded(&format!("{path}.{name}"), inner, found);
            }
        }
        Some("string" | "boolean" | "integer" | "number") => {}
        other => found.push(format!("{path}: type {other:?}")),
    }
}

#[test]
fn every_argument_has_bounds() {
    let mut found = Vec::new();
    for tool in SERVERS.iter().flat_map(|server| golden(server)) {
        unbounded(tool["name"].as_str().expect("a name"), &tool["inputSchema"], &mut found);
        assert!(tool["description"].as_str().is_some_and(|text| text.len() <= 400), "{tool}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn examples_are_accepted_and_refused_as_they_say() {
    let folder = Folder::docs();
    let mut session = Session::start(&suite(), "docs", &folder.config());
    for tool in SERVERS.iter().flat_map(|server| golden(server)) {
        let name = tool["name"].as_str().expect("a name");
        let path = repository().join(format!("tests/examples/{name}.json"));
        let text_of = std::fs::read_to_string(&path)
            .unwrap_or_else(|_| panic!("{} is missing", path.display()));
        let examples: Value = serde_json::from_str(&text_of).expect("JSON");
        for args in examples["accepts"].as_array().expect("accepts") {
            let answer = session.call(name, args.clone());
            assert!(!text(&answer).starts_with("invalid: "), "{name} {args}: {answer}");
            assert!(answer["error"].is_null(), "{name} {args}: {answer}");
        }
        for refused in examples["refuses"].as_array().expect("refuses") {
            let answer = session.call(name, refused["arguments"].clone());
            let words = refused["because"].as_str().expect("because");
            assert!(text(&answer).starts_with("invalid: "), "{name} {refused}: {answer}");
            assert!(text(&answer).contains(words), "{name} {refused}: {answer}");
            assert_eq!(answer["result"]["isError"], true);
        }
    }
}

#[test]
fn definitions_keep_their_token_budget() {
    let tokenizer = bpe_openai::o200k_base();
    for (server, budget) in [("docs", 500)] {
        let tools = json!({ "tools": golden(server) }).to_string();
        let tokens = tokenizer.count(&tools);
        assert!(tokens <= budget, "{server}: {tokens} tokens");
        for tool in golden(server) {
            let tokens = tokenizer.count(&tool.to_string());
            assert!(tokens <= 250, "{}: {tokens} tokens", tool["name"]);
        }
    }
}

/// Listing and calling agree, for every role and tool.
#[test]
fn roles_decide_on_listing_and_calling_alike() {
    let roles = [
        ("all", "tools = [\"*\"]", [true, true, true]),
        ("searcher", "tools = [\"docs_search\"]", [true, false, false]),
        ("globs", "tools = [\"docs_[so]*\"]", [true, false, true]),
        ("none", "tools = []", [false, false, false]),
        ("denied", "tools = [\"*\"]\ndeny = { tools = [\"docs_read\"] }", [true, false, true]),
    ];
    for (role, rules, expected) in roles {
        let folder = Folder::docs();
        let servers = std::fs::read_to_string(folder.config()).expect("the file");
        let (_, server) = servers.split_at(servers.find("[servers").expect("a server"));
        folder.write(
            "servers.toml",
            &format!("[people]\n\"*\" = [\"{role}\"]\n[roles.{role}]\n{rules}\n{server}"),
        );
        let mut session = Session::start(&suite(), "docs", &folder.config());
        let list = session.request("tools/list", json!({}))["result"]["tools"].clone();
        let listed =
            |name: &str| list.as_array().expect("tools").iter().any(|tool| tool["name"] == name);
        let calls = [
            ("docs_search", json!({"query": "leave"})),
            ("docs_read", json!({"collection": "handbook", "path": "leave.md"})),
            ("docs_outline", json!({})),
        ];
        for ((name, args), allowed) in calls.into_iter().zip(expected) {
            assert_eq!(listed(name), allowed, "{role} lists {name}");
            let answer = session.call(name, args);
            let answered = answer["result"]["isError"] != true && answer["error"].is_null();
            assert_eq!(answered, allowed, "{role} calls {name}: {answer}");
        }
    }
}

#[test]
fn instructions_are_short() {
    let folder = Folder::docs();
    let mut session = Session::start(&suite(), "docs", &folder.config());
    let found = session.request("server/discover", json!({}));
    let instructions = found["result"]["instructions"].as_str().expect("instructions");
    assert!(bpe_openai::o200k_base().count(instructions) <= 150, "{instructions}");
}

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

const SERVERS: [&str; 6] = ["docs", "sql", "repo", "tickets", "mail", "testrun"];

/// A project whose tickets may have a label and follow a template.
const PROJECT: &str = "[servers.tickets.projects.web]\nlabels = [\"bug\"]\n\
     [servers.tickets.projects.web.templates.bug]\ntitle = \"Bug: {summary}\"\n\
     body = \"{summary}\"\nvalues = { summary = {} }\n";

/// An account that has a form, files and an address book.
const ACCOUNT: &str = "[servers.mail.accounts.work]\nfrom = \"agent@example.test\"\nsend = true\n\
     recipients = [\"*@example.test\"]\nattachments = [\"handbook\"]\ncontacts = \"people.csv\"\n\
     [servers.mail.accounts.work.templates.report]\nsubject = \"Report: {month}\"\n\
     body = \"{month}\"\nvalues = { month = {} }\n";

/// A suite with something to choose.
const SUITE: &str = "[servers.testrun.suites.web]\nfolder = \"shop\"\nargv = [\"true\", [\"{only}\"]]\n\
     inputs = { only = { values = [\"one\", \"two\"] } }\n";

/// A server on a small world where everybody may call all of its tools.
fn world(server: &str) -> (Folder, Session) {
    let folder = match server {
        "docs" => Folder::docs(),
        "sql" => Folder::sql(),
        "tickets" => Folder::tickets(PROJECT),
        "mail" => Folder::mail(ACCOUNT),
        "testrun" => Folder::testrun(SUITE),
        _ => Folder::repo(""),
    };
    if server == "testrun" {
        folder.repositories();
    }
    folder.write("people.csv", "Ada,ada@example.test\n");
    let session = Session::start(&suite(), server, &folder.config());
    (folder, session)
}

#[test]
fn the_wire_form_is_the_committed_one() {
    for server in SERVERS {
        let mut command = std::process::Command::new(suite());
        let state = tempfile::tempdir().expect("a folder");
        command.arg(server).current_dir(repository()).arg("--state").arg(state.path());
        let list = Session::spawn(command).request("tools/list", json!({}));
        assert_eq!(
            list["result"]["tools"],
            json!(golden(server)),
            "cargo xtask schemas writes it anew"
        );
    }
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
        // Which names and values there may be is declared in servers.toml, and checked by the tool.
        Some("object")
            if ["ticket_draft.fields", "mail_draft.fields", "test_run.inputs"].contains(&path) => {}
        Some("object") => {
            if schema["additionalProperties"] != json!(false) {
                found.push(format!("{path}: additionalProperties"));
            }
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                unbounded(&format!("{path}.{name}"), inner, found);
            }
        }
        Some("string" | "boolean" | "integer" | "number") => {}
        // Any scalar: its numbers are JSON's, so only its text can be long.
        None if schema["type"] == json!(["string", "number", "boolean", "null"]) => {
            if lacks("maxLength") {
                found.push(format!("{path}: maxLength"));
            }
        }
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
    for server in SERVERS {
        let (_folder, mut session) = world(server);
        for tool in golden(server) {
            let name = tool["name"].as_str().expect("a name");
            check_examples(&mut session, name);
        }
    }
}

/// A tool that servers.toml switches on is held to the same rules.
#[test]
fn a_tool_that_is_off_by_default_keeps_the_rules() {
    let folder = Folder::repo("branches = [\"agent/*\"]\n");
    let mut session = Session::start(&suite(), "repo", &folder.config());
    let listed = session.request("tools/list", json!({}))["result"]["tools"].clone();
    let listed = listed.as_array().expect("tools").clone();
    let tool = listed.iter().find(|tool| tool["name"] == "repo_branch_create").expect("the tool");
    let mut found = Vec::new();
    unbounded("repo_branch_create", &tool["inputSchema"], &mut found);
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(tool["annotations"]["readOnlyHint"], false);
    check_examples(&mut session, "repo_branch_create");
}

fn check_examples(session: &mut Session, name: &str) {
    let path = repository().join(format!("tests/examples/{name}.json"));
    let text_of =
        std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
    let examples: Value = serde_json::from_str(&text_of).expect("JSON");
    for args in examples["accepts"].as_array().expect("accepts") {
        let answer = session.call(name, args.clone());
        let shown = text(&answer);
        for kind in ["invalid: ", "denied: ", "unavailable: ", "internal: ", "timeout: "] {
            assert!(!shown.starts_with(kind), "{name} {args}: {answer}");
        }
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

#[test]
fn definitions_keep_their_token_budget() {
    let tokenizer = bpe_openai::o200k_base();
    for (server, budget) in [
        ("docs", 500),
        ("sql", 900),
        ("repo", 1100),
        ("tickets", 700),
        ("mail", 700),
        ("testrun", 900),
    ] {
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

/// The same for a reviewed query: it is a tool like the others, and can be all that a role has.
#[test]
fn a_role_with_one_reviewed_query_has_nothing_else() {
    let folder = Folder::sql();
    folder.write(
        "servers.toml",
        "[people]\n\"*\" = [\"desk\"]\n[roles.desk]\ntools = [\"sql_orders_in\"]\n\
         [servers.sql]\npurpose = \"Answer questions about sales.\"\nowner = \"tests\"\n\
         [servers.sql.databases.sales]\nurl = \"sqlite:sales.db\"\n\
         [servers.sql.queries.orders_in]\ndatabase = \"sales\"\n\
         purpose = \"How many orders there are, of all channels or one.\"\n\
         statement = \"SELECT count(*) AS n FROM orders WHERE channel = ?1 OR ?1 IS NULL\"\n\
         params = [{ name = \"channel\", type = \"text\", values = [\"web\", \"shop\"], optional = true }]\n",
    );
    let mut session = Session::start(&suite(), "sql", &folder.config());
    let listed = session.request("tools/list", json!({}))["result"]["tools"].clone();
    let names: Vec<&str> =
        listed.as_array().expect("tools").iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["sql_orders_in"]);
    let mut found = Vec::new();
    unbounded("sql_orders_in", &listed[0]["inputSchema"], &mut found);
    assert!(found.is_empty(), "{found:#?}");
    let mut count = |args: Value| -> u64 {
        let answer = session.call("sql_orders_in", args);
        let number = text(&answer).lines().nth(2).and_then(|line| line.parse().ok());
        number.unwrap_or_else(|| panic!("{answer}"))
    };
    // What is left out is NULL.
    let (all, web) = (count(json!({})), count(json!({"channel": "web"})));
    assert!(all > web && web > 0, "{all} {web}");
    for (name, args) in [
        ("sql_query", json!({"statement": "SELECT 1"})),
        ("sql_schema", json!({})),
        ("sql_profile", json!({"table": "orders"})),
        ("sql_check", json!({"statement": "SELECT 1", "expect": "true"})),
        ("sql_explain", json!({"statement": "SELECT 1"})),
        ("sql_result", json!({"uri": "sql://sales/results/0123456789abcdef0123.csv"})),
    ] {
        let answer = session.call(name, args);
        assert!(!answer["error"].is_null(), "{name} is unknown to who may not call it: {answer}");
    }
    for uri in ["sql://sales/schema", "sql://sales/results/0123456789abcdef0123.csv"] {
        let answer = session.request("resources/read", json!({"uri": uri}));
        assert!(!answer["error"].is_null(), "{uri}: {answer}");
    }
    let resources = session.request("resources/list", json!({}));
    assert_eq!(resources["result"]["resources"], json!([]), "{resources}");
}

#[test]
fn instructions_are_short() {
    for server in SERVERS {
        let (_folder, mut session) = world(server);
        let found = session.request("server/discover", json!({}));
        let instructions = found["result"]["instructions"].as_str().expect("instructions");
        assert!(bpe_openai::o200k_base().count(instructions) <= 150, "{instructions}");
    }
}

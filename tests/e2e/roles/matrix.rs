//! The golden matrix: for every principal and tool, what the list shows and what a call answers.
//! `SUITE_GOLDEN=write` writes the file anew; look at what changed before committing it.

use std::fmt::Write as _;

use contract::{Identity, Kind, Proof};
use runtime::{Entry, Failure, Request};
use serde_json::{Value, json};
use tests::harness::{Folder, repository};

use super::{Served, least};

/// Calls beside those with the least arguments: other targets.
fn more(entry: &Entry) -> Vec<Value> {
    let tool = entry.contract.name;
    match tool {
        tool if is_of_suites(entry) => vec![of_suite(tool, "secret")],
        "test_verify" => vec![json!({"file": "commits"})],
        "docs_search" => ["handbook", "secret"]
            .map(|name| json!({"query": "parental", "collection": name}))
            .to_vec(),
        "docs_read" => vec![json!({"collection": "secret", "path": "salaries.md"})],
        "docs_outline" => ["handbook", "secret"].map(|name| json!({"collection": name})).to_vec(),
        "sql_schema" | "sql_query" | "sql_explain" | "sql_profile" | "sql_check" | "sql_result" => {
            vec![of_database(tool, "payroll")]
        }
        tool if tool.starts_with("repo_") => vec![of_repository(tool, "secret")],
        tool if tool.starts_with("ticket_") => vec![of_project(tool, "secret")],
        tool if tool.starts_with("mail_") => vec![of_account(tool, "secret")],
        _ => Vec::new(),
    }
}

/// Arguments that are as few as they may be.
fn fewest(entry: &Entry) -> Value {
    match entry.contract.name {
        tool if is_of_suites(entry) => of_suite(tool, "shop"),
        // Its schema asks for either of two, in a form that nothing simple reads.
        "json_schema_2020_12_tool" => json!({"phone": "1", "email": "ann@example.com"}),
        // Statements are parsed, and there are two databases.
        tool @ ("sql_schema" | "sql_query" | "sql_explain" | "sql_profile" | "sql_check"
        | "sql_result") => of_database(tool, "sales"),
        tool if tool.starts_with("repo_") => of_repository(tool, "shop"),
        tool if tool.starts_with("ticket_") => of_project(tool, "shop"),
        tool if tool.starts_with("mail_") => of_account(tool, "shop"),
        _ => least(&entry.input),
    }
}

/// Arguments of a tool of repositories, for one of them.
fn of_repository(tool: &str, repository: &str) -> Value {
    match tool {
        "repo_read" | "repo_blame" => json!({"repo": repository, "path": "README.md"}),
        "repo_search" | "repo_history_of" => json!({"repo": repository, "text": "order"}),
        "repo_verify" => json!({"repo": repository, "rev": "main"}),
        "repo_branch_create" => json!({
            "repo": repository, "name": "agent/x", "rev": "main", "reason": "x".repeat(10)
        }),
        _ => json!({"repo": repository}),
    }
}

/// Arguments of a tool of tickets, for one of its projects.
fn of_project(tool: &str, project: &str) -> Value {
    let (draft, reason) = (format!("{project}-00000000.1"), "x".repeat(10));
    match tool {
        "ticket_search" => json!({"project": project, "text": "order"}),
        "ticket_read" => json!({"ticket": format!("{project}#1")}),
        "ticket_draft" => {
            json!({"project": project, "title": "x", "body": "x", "reason": reason})
        }
        "ticket_comment_draft" => {
            json!({"ticket": format!("{project}#1"), "body": "x", "reason": reason})
        }
        "ticket_drafts" | "ticket_verify" => json!({"draft": draft}),
        _ => json!({"draft": draft, "reason": reason}),
    }
}

/// Arguments of a tool of mail, for one of its accounts.
fn of_account(tool: &str, account: &str) -> Value {
    let (draft, reason) = (format!("{account}-00000000.1"), "x".repeat(10));
    match tool {
        "mail_draft" => json!({
            "account": account, "to": ["boss@example.test"], "subject": "x", "body": "x",
            "reason": reason
        }),
        "mail_contacts" => json!({"account": account, "text": "ada"}),
        "mail_drafts" => json!({}),
        "mail_preview" | "mail_verify" => json!({"draft": draft}),
        _ => json!({"draft": draft, "reason": reason}),
    }
}

/// Whether it is a tool of `suite testrun`: the fixture has a `test_verify`, too.
fn is_of_suites(entry: &Entry) -> bool {
    let input = json!(entry.input);
    let has = |name: &str| input["properties"].get(name).is_some();
    let tools = [
        "test_suites",
        "test_run",
        "test_result",
        "test_failure",
        "test_log",
        "test_rerun_failed",
        "test_history",
    ];
    tools.contains(&entry.contract.name) || (entry.contract.name == "test_verify" && has("rev"))
}

/// Arguments of a tool of test suites, for one of them.
fn of_suite(tool: &str, suite: &str) -> Value {
    let (run, reason) = (format!("{suite}-00000000"), "x".repeat(10));
    match tool {
        "test_suites" => json!({}),
        "test_run" => json!({"suite": suite, "reason": reason}),
        "test_history" => json!({"suite": suite}),
        "test_verify" => json!({"suite": suite, "rev": "main"}),
        "test_failure" => json!({"run": run, "test": "1"}),
        "test_rerun_failed" => json!({"run": run, "reason": reason}),
        _ => json!({"run": run}),
    }
}

/// Arguments of a tool of databases, for one of them.
fn of_database(tool: &str, database: &str) -> Value {
    let statement = "SELECT 1";
    match tool {
        "sql_schema" => json!({"database": database}),
        "sql_profile" => json!({"database": database, "table": "orders"}),
        "sql_check" => json!({"database": database, "statement": statement, "expect": "true"}),
        "sql_result" => json!({"uri": format!("sql://{database}/results/{}.csv", "0".repeat(20))}),
        _ => json!({"database": database, "statement": statement}),
    }
}

fn principals() -> Vec<(&'static str, Identity)> {
    let of = |name: &str| Identity::new(name, Proof::OsUser { uid: 1 });
    let key =
        |name: &str| Identity::new(format!("key:{name}"), Proof::ApiKey { key: name.to_owned() });
    let token = |name: &str| {
        let issuer = "https://id.example".to_owned();
        Identity::new(format!("sub:{name}"), Proof::AccessToken { issuer })
    };
    let only = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    vec![
        ("user ann", of("user:ann")),
        ("ann's token", token("00u1")),
        ("ann's key", key("laptop")),
        (
            "a key for ann, for public and writer",
            Identity {
                person: Some("ann".to_owned()),
                only: only(&["public", "writer"]),
                ..key("phone")
            },
        ),
        ("user bob", of("user:bob")),
        ("user eve", of("user:eve")),
        ("user max", of("user:max")),
        ("user root", of("user:root")),
        ("user nick", of("user:nick")),
        ("user dana", of("user:dana")),
        ("user dot", of("user:dot")),
        ("user carl", of("user:carl")),
        ("user tess", of("user:tess")),
        ("user wes", of("user:wes")),
        ("user ron", of("user:ron")),
        ("key ci", key("ci")),
        ("a key of nobody, for writer", Identity { only: only(&["writer"]), ..key("batch") }),
        ("token 00u9", token("00u9")),
        ("a token named ann", token("ann")),
        (
            "a token of the group platform",
            Identity { groups: vec!["platform".to_owned()], ..token("00u7") },
        ),
        (
            "a token with a scope for writer",
            Identity { brings: vec!["writer".to_owned()], ..token("00u8") },
        ),
        ("loopback", of("loopback")),
        ("a stranger", of("user:stranger")),
    ]
}

/// What a call came to, as policy is concerned.
fn outcome(served: &Served, identity: &Identity, tool: &str, args: &Value) -> &'static str {
    match served.call(identity, tool, args) {
        Err(Failure::Unknown(_)) => "-",
        Err(Failure::Error(error)) if error.kind == Kind::Denied => "not on this target",
        Err(Failure::Error(error)) if error.kind == Kind::Invalid => {
            panic!("{tool} {args}: the test's own arguments are wrong: {}", error.text())
        }
        // Past policy, whatever the tool then made of it.
        _ => "yes",
    }
}

/// The matrix of one server as text.
fn matrix(folder: &Folder, server: &str) -> String {
    let house = Served::new(folder, server);
    let tools: Vec<_> = house.ready.pipeline.catalogue().tools().cloned().collect();
    let mut text = String::new();
    for (who, identity) in principals() {
        let principal = house.ready.pipeline.principal(&identity);
        let (subject, roles) = (&principal.subject, principal.roles.join(" "));
        let _ = writeln!(text, "\n{who}: {subject} ({roles})");
        let listed = house.listed(&identity);
        for entry in &tools {
            let name = entry.contract.name;
            for args in [fewest(entry)].into_iter().chain(more(entry)) {
                let called = outcome(&house, &identity, name, &args);
                let is_listed = listed.contains(&name);
                assert_eq!(is_listed, called != "-", "{who} {name}: the list and the call differ");
                if called != "-" {
                    let _ = writeln!(text, "  {name:<44} {called:<19} {args}");
                }
            }
        }
    }
    text
}

fn golden() -> Folder {
    let folder = Folder::docs();
    let rules = std::fs::read_to_string(repository().join("tests/golden/roles.toml"));
    folder.write("servers.toml", &rules.expect("the rules"));
    folder.sample("sales.db");
    folder.repositories();
    folder.write("people.csv", "Ada,ada@example.test\n");
    folder
}

#[test]
fn list_and_call_agree_with_the_golden_matrix_of_roles_and_tools() {
    let folder = golden();
    let mut text = "Who sees and may call what, under roles.toml; what is not here is neither \
                    listed nor callable.\nWritten by SUITE_GOLDEN=write cargo test -p tests --test \
                    e2e golden\n"
        .to_owned();
    for server in ["test", "docs", "sql", "repo", "tickets", "mail", "testrun"] {
        let _ = write!(text, "\n=== {server}\n{}", matrix(&folder, server));
    }
    let path = repository().join("tests/golden/roles.txt");
    if std::env::var("SUITE_GOLDEN").is_ok_and(|wish| wish == "write") {
        std::fs::write(&path, &text).expect("written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let differences = differences(&expected, &text);
    assert!(
        differences.is_empty(),
        "roles, targets or tools decide otherwise than tests/golden/roles.txt says; if that is \
         meant, write it anew with SUITE_GOLDEN=write:\n{differences}"
    );
}

/// The lines that are in one text only, each with the principal it belongs to.
fn differences(expected: &str, found: &str) -> String {
    let lines = |text: &str| {
        let mut who = String::new();
        let mut lines = Vec::new();
        for line in text.lines() {
            if !line.starts_with(' ') {
                line.clone_into(&mut who);
            }
            lines.push(format!("{who} | {}", line.trim()));
        }
        lines
    };
    let (expected, found) = (lines(expected), lines(found));
    let gone = expected.iter().filter(|line| !found.contains(line));
    let new = found.iter().filter(|line| !expected.contains(line));
    gone.map(|line| format!("- {line}\n")).chain(new.map(|line| format!("+ {line}\n"))).collect()
}

#[test]
fn no_rule_is_no() {
    let folder = Folder::new(
        "[roles.all]\ntools = [\"*\"]\n[servers.test]\npurpose = \"Be tested in every way.\"\n\
         owner = \"tests\"\n",
    );
    let served = Served::new(&folder, "test");
    for (who, identity) in principals() {
        if !identity.brings.is_empty() || identity.only.is_some() {
            continue;
        }
        assert!(served.listed(&identity).is_empty(), "{who}");
        let called = served.call(&identity, "test_echo", &json!({}));
        assert!(matches!(called, Err(Failure::Unknown(_))), "{who}: {called:?}");
    }
    let record = folder.calls("test").pop().expect("a record");
    assert_eq!(record["outcome"], "denied");
    assert_eq!(record["decision"]["rule"], "no role: [people] gives this principal none");
}

#[test]
fn a_deny_wins_over_every_allow_and_names_itself() {
    let folder = golden();
    let served = Served::new(&folder, "test");
    let eve = Identity::new("user:eve", Proof::Loopback);
    served.call(&eve, "test_verify", &json!({"file": "drafts"})).expect("allowed");
    let denied = served.call(&eve, "test_verify", &json!({"file": "commits"}));
    assert!(matches!(&denied, Err(Failure::Error(error)) if error.kind == Kind::Denied));
    let record = folder.calls("test").pop().expect("a record");
    let rule = record["decision"]["rule"].as_str().expect("a rule");
    assert!(rule.starts_with("roles.muzzled.deny: tools \"test_verify\" on targets \"commits\" ("));
    assert!(rule.contains("servers.toml:"), "{rule}");
}

/// What a caller reads when a tool is forbidden, and when there is none of that name, is the same
/// to the byte; the records tell the two apart.
#[test]
fn a_forbidden_tool_answers_as_one_that_does_not_exist() {
    let rules = |extra: &str| {
        Folder::new(&format!(
            "[people]\n\"*\" = [\"some\"]\n[roles.some]\ntools = [\"test_e*\"]\n[servers.test]\n\
             purpose = \"Be tested in every way.\"\nowner = \"tests\"\n{extra}"
        ))
    };
    let forbidden = rules("");
    let absent = rules("tools.test_big.enabled = false\ntools.test_resource.enabled = false\n");
    let read = |folder: &Folder, request: Request| {
        let ann = Identity::new("user:ann", Proof::Loopback);
        match Served::new(folder, "test").request(&ann, request) {
            Err(Failure::Unknown(error)) => error.text(),
            other => panic!("{other:?}"),
        }
    };
    let tool = |name: &str| Request::Tool { name: name.to_owned(), args: Default::default() };
    let resource = |uri: &str| Request::Resource { uri: uri.to_owned() };
    assert_eq!(read(&forbidden, tool("test_big")), read(&absent, tool("test_big")));
    assert_eq!(
        read(&forbidden, tool("test_big")).replace("test_big", "test_bog"),
        read(&forbidden, tool("test_bog"))
    );
    let uri = "test://static-text";
    assert_eq!(read(&forbidden, resource(uri)), read(&forbidden, resource("test://nothing")));
    assert_eq!(read(&forbidden, resource(uri)), read(&absent, resource(uri)));
    let rules: Vec<Value> = forbidden
        .calls("test")
        .iter()
        .filter(|record| record["tool"] == "test_big" || record["tool"] == "test_bog")
        .map(|record| record["decision"]["allowed"].clone())
        .collect();
    assert_eq!(rules, [json!(false), json!(false), Value::Null], "the log knows which is which");
}

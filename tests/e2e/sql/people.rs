//! Who may see what: roles by database and by reviewed query, rows by session variable, results
//! by who asked.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use servers::postgres;
use tests::harness::{Folder, HttpServer, suite, text};

use super::{DATA, pg_table};

/// A call over HTTP with a key.
fn call(server: &HttpServer, key: &str, tool: &str, args: &Value) -> Value {
    send(server, key, "tools/call", json!({"name": tool, "arguments": args}), tool)
}

fn send(server: &HttpServer, key: &str, method: &str, mut params: Value, name: &str) -> Value {
    params["_meta"] = tests::harness::meta();
    let bearer = format!("Bearer {key}");
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
    ];
    if !name.is_empty() {
        headers.push(("mcp-name", name));
    }
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    server.post(&headers, &body.to_string()).json()
}

/// Two people with keys, and what servers.toml says of them.
fn two(people: &str, sql: &str) -> (Folder, HttpServer, String, String) {
    let folder = Folder::new(&format!(
        "[identity]\nkeys = true\n{people}\n[servers.sql]\npurpose = \"Be tested.\"\n\
         owner = \"tests\"\n{sql}"
    ));
    folder.write("pg", postgres::PASSWORD);
    let (ann, bob) = (folder.key("ann-laptop", Some("ann")), folder.key("bob-laptop", Some("bob")));
    let server = HttpServer::start(&suite(), "sql", &folder.config());
    (folder, server, ann, bob)
}

const BOTH: &str = "[people]\nann = [\"analyst\"]\nbob = [\"analyst\"]\n\
    [roles.analyst]\ntools = [\"sql_*\"]\n";

#[test]
fn a_role_for_a_database_is_no_role_for_another() {
    postgres::shared().database("e2e_roles", DATA);
    let tables = [
        pg_table("sales", postgres::READER, "e2e_roles"),
        pg_table("payroll", postgres::READER, "e2e_roles"),
    ];
    let people = "[people]\nann = [\"analyst\"]\nbob = [\"desk\"]\n\
        [roles.analyst]\ntools = [\"sql_*\"]\ntargets = { database = [\"sales\"] }\n\
        [roles.desk]\ntools = [\"sql_order_of\"]\n";
    let named = "[servers.sql.queries.order_of]\ndatabase = \"sales\"\n\
        purpose = \"The order with a number.\"\n\
        statement = \"SELECT city FROM orders WHERE id = $1\"\n\
        params = [{ name = \"number\", type = \"integer\", min = 1, max = 1000 }]\n";
    let (_folder, server, ann, bob) = two(people, &format!("{}{named}", tables.concat()));
    let asked = |database: &str| json!({"database": database, "statement": "SELECT 1 AS one"});
    assert!(text(&call(&server, &ann, "sql_query", &asked("sales"))).contains("one\n1\n"));
    let denied = call(&server, &ann, "sql_query", &asked("payroll"));
    assert!(text(&denied).starts_with("denied: "), "{denied}");
    // Whoever has one reviewed query has nothing else.
    let listed = send(&server, &bob, "tools/list", json!({}), "");
    let offered: Vec<&str> = listed["result"]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    assert_eq!(offered, ["sql_order_of"]);
    let found = call(&server, &bob, "sql_order_of", &json!({"number": 2}));
    assert!(text(&found).contains("city\nTurku\n"), "{found}");
    for wrong in [json!({"number": 0}), json!({"number": "1 OR true"}), json!({})] {
        let refused = call(&server, &bob, "sql_order_of", &wrong);
        assert!(refused.to_string().contains("invalid"), "{wrong}: {refused}");
    }
    let denied = call(&server, &bob, "sql_query", &asked("sales"));
    assert!(denied.to_string().contains("sql_query"), "{denied}");
    assert!(!denied.to_string().contains("one\\n1"), "{denied}");
}

#[test]
fn rows_are_those_of_who_asks() {
    postgres::shared().database(
        "e2e_rows",
        "CREATE TABLE notes (owner text, body text);
         INSERT INTO notes VALUES ('ann', 'of ann'), ('bob', 'of bob');
         ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON notes USING (owner = current_setting('app.person', true));",
    );
    let table = pg_table("notes", postgres::READER, "e2e_rows");
    let (_folder, server, ann, bob) =
        two(BOTH, &format!("{table}session = {{ \"app.person\" = \"subject\" }}\n"));
    let all = json!({"database": "notes", "statement": "SELECT body FROM notes"});
    for _ in 0..5 {
        for (key, own, other) in [(&ann, "of ann", "of bob"), (&bob, "of bob", "of ann")] {
            let answer = call(&server, key, "sql_query", &all);
            assert!(text(&answer).contains(own) && !text(&answer).contains(other), "{answer}");
        }
    }
    for trick in [
        "SELECT set_config('app.person', 'bob', false)",
        "SET app.person = 'bob'",
        "SELECT body FROM notes, (SELECT set_config('app.person', 'bob', true)) x",
    ] {
        let args = json!({"database": "notes", "statement": trick});
        let answer = call(&server, &ann, "sql_query", &args);
        assert_eq!(answer["result"]["isError"], true, "{trick}: {answer}");
    }
}

#[test]
fn a_saved_result_is_its_owners() {
    postgres::shared().database("e2e_saved", DATA);
    let table = pg_table("sales", postgres::READER, "e2e_saved");
    let (folder, server, ann, bob) = two(BOTH, &table);
    let args = json!({"database": "sales", "statement": "SELECT id, city FROM orders ORDER BY id",
        "save": "csv"});
    let saved = call(&server, &ann, "sql_query", &args);
    let said = saved.to_string();
    let start = said.find("sql://sales/results/").unwrap_or_else(|| panic!("no address: {said}"));
    let uri: String = said[start..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || ":/._-".contains(*c))
        .collect();
    let read = |key: &str| send(&server, key, "resources/read", json!({"uri": uri}), &uri);
    let own = read(&ann);
    let file = own["result"]["contents"][0]["blob"].as_str().expect("a file");
    let whole = BASE64_STANDARD.decode(file).expect("base64");
    assert_eq!(String::from_utf8_lossy(&whole), "id,city\n1,Porto\n2,Turku\n3,Lyon\n");
    let lists = |key: &str| send(&server, key, "resources/list", json!({}), "").to_string();
    assert!(lists(&ann).contains(&uri), "{}", lists(&ann));
    assert!(!lists(&bob).contains(&uri), "{}", lists(&bob));
    let others = read(&bob);
    assert!(others.get("error").is_some(), "{others}");
    let paged = call(&server, &bob, "sql_result", &json!({"uri": uri}));
    assert!(text(&paged).starts_with("not_found: "), "{paged}");
    let paged = call(&server, &ann, "sql_result", &json!({"uri": uri}));
    assert!(text(&paged).contains("id,city\n1,Porto\n"), "{paged}");
    assert!(server.stop().success());
    assert_eq!(folder.calls("sql").len(), 5, "kept, read, refused, refused, read");
}

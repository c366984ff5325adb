//! What the rules of servers.toml hide stays hidden, whichever tool asks, on every engine.

use serde_json::{Value, json};
use servers::{mariadb, postgres};
use tests::harness::{Folder, Session, suite, text};

use super::{folder, my_table, pg_table, query, sqlite};

const TABLES: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(40), \
    email VARCHAR(80), iban VARCHAR(40), notes VARCHAR(80), gender VARCHAR(10));
    INSERT INTO people VALUES (1, 'Ann', 'HIDDEN-ann', 'HIDDEN-iban-1234', 'HIDDEN-note', 'HIDDEN-f'), \
    (2, 'Bob', 'HIDDEN-bob', 'HIDDEN-iban-5678', 'HIDDEN-note', 'HIDDEN-m');
    CREATE TABLE orders (id INTEGER PRIMARY KEY, person INTEGER);
    INSERT INTO orders VALUES (1, 1), (2, 1), (3, 2);
    CREATE TABLE payroll (id INTEGER, word VARCHAR(20));
    INSERT INTO payroll VALUES (1, 'HIDDEN-pay');
    CREATE TABLE drafts (id INTEGER, word VARCHAR(20));
    INSERT INTO drafts VALUES (1, 'HIDDEN-draft');
    CREATE VIEW contacts AS SELECT id, email, iban FROM people;
    CREATE VIEW contacts_again AS SELECT * FROM contacts;
    CREATE VIEW paid AS SELECT word FROM payroll;";

/// The rules, for what an engine calls the schema.
fn rules(schema: &str) -> String {
    format!(
        "allow = [\"{schema}.people\", \"{schema}.orders\", \"{schema}.pa*\", \"{schema}.con*\"]\n\
         deny = [\"{schema}.payroll\"]\n\
         mask = {{ \"{schema}.people.email\" = \"hash\", \"{schema}.people.iban\" = \"last4\", \
         \"{schema}.people.notes\" = \"null\", \"{schema}.people.gender\" = \"drop\" }}\n"
    )
}

/// A server with the tables in a database of each kind: their ids are `pg`, `my` and `lite`.
fn world(name: &str) -> (Folder, Session) {
    postgres::shared().database(name, TABLES);
    mariadb::shared().database(name, TABLES);
    let tables = [
        pg_table("pg", postgres::READER, name) + &rules("public"),
        my_table("my", mariadb::READER, name) + &rules(name),
        format!("[servers.sql.databases.lite]\nurl = \"sqlite:lite.db\"\n{}", rules("main")),
    ];
    let folder = folder(&tables.concat());
    sqlite(&folder, "lite.db", TABLES);
    let session = Session::start(&suite(), "sql", &folder.config());
    (folder, session)
}

/// The rows of an answer, without the fence and the trailer.
fn rows(answer: &Value) -> Vec<String> {
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    let lines = text(answer).lines().skip(2).take_while(|line| *line != "</untrusted>");
    lines.map(str::to_owned).collect()
}

#[test]
fn masked_columns_show_their_mask() {
    let (_folder, mut session) = world("e2e_masks");
    for database in ["pg", "my", "lite"] {
        let answer = query(&mut session, database, "SELECT * FROM people ORDER BY id");
        assert!(text(&answer).contains("\nid,name,email,iban,notes\n"), "{answer}");
        let found = rows(&answer);
        let cells: Vec<&str> = found[0].split(',').collect();
        assert_eq!((cells[0], cells[1], cells[3], cells[4]), ("1", "Ann", "…1234", ""), "{answer}");
        let is_hash = cells[2].len() == 16 && cells[2].bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_hash, "{answer}");
        let by_hash = format!("SELECT name FROM people WHERE email = '{}'", cells[2]);
        assert_eq!(rows(&query(&mut session, database, &by_hash)), ["Ann"], "the same each time");
    }
}

#[test]
fn nothing_hidden_is_shown_by_any_tool() {
    let (_folder, mut session) = world("e2e_hidden");
    let statements = [
        "SELECT * FROM people WHERE email = 'HIDDEN-ann'",
        "SELECT max(email), min(iban), max(notes) FROM people",
        "SELECT p.email FROM people p JOIN orders o ON o.person = p.id",
        "WITH p AS (SELECT * FROM people) SELECT email, iban, notes FROM p",
        "SELECT name FROM people WHERE email LIKE 'HIDDEN%'",
        "SELECT name FROM people ORDER BY notes LIKE 'HIDDEN%'",
        "SELECT (SELECT email FROM people LIMIT 1) AS one",
        "SELECT gender FROM people",
        "SELECT id FROM people WHERE gender = 'HIDDEN-f'",
        "SELECT * FROM payroll",
        "SELECT * FROM drafts",
        "WITH people AS (SELECT * FROM payroll) SELECT * FROM people",
        "SELECT 1 FROM orders WHERE id IN (SELECT id FROM payroll)",
        "SELECT id FROM orders UNION ALL SELECT id FROM drafts",
        "SELECT * FROM contacts",
        "SELECT max(email) FROM contacts_again",
        "SELECT * FROM paid",
    ];
    for database in ["pg", "my", "lite"] {
        let mut calls = vec![
            ("sql_schema", json!({})),
            ("sql_schema", json!({"pattern": "*"})),
            ("sql_schema", json!({"words": "payroll drafts gender"})),
            ("sql_schema", json!({"tables": ["people"]})),
            ("sql_schema", json!({"tables": ["payroll"]})),
            ("sql_profile", json!({"table": "people"})),
            ("sql_profile", json!({"table": "payroll"})),
        ];
        for statement in statements {
            calls.push(("sql_query", json!({"statement": statement})));
            calls.push(("sql_explain", json!({"statement": statement, "analyze": true})));
            calls.push(("sql_profile", json!({"statement": statement})));
            calls.push(("sql_check", json!({"statement": statement, "expect": "empty"})));
            calls.push(("sql_query", json!({"statement": statement, "save": "csv"})));
        }
        for (tool, mut args) in calls {
            args["database"] = json!(database);
            // What was asked for may be said again; what is stored may not.
            let asked = args.to_string();
            let answer = session.call(tool, args);
            let shown = text(&answer).replace("HIDDEN%", "").replace("'HIDDEN-ann'", "");
            let shown = shown.replace("'HIDDEN-f'", "");
            assert!(!shown.contains("HIDDEN"), "{database} {tool} {asked}: {answer}");
            if tool == "sql_schema" && answer["result"]["isError"] != true {
                for hidden in ["payroll(", "payroll table", "drafts", "gender"] {
                    assert!(!shown.contains(hidden), "{hidden}: {answer}");
                }
            }
        }
        for statement in
            ["SELECT * FROM payroll", "SELECT * FROM drafts", "SELECT gender FROM people"]
        {
            let refused = query(&mut session, database, statement);
            assert_eq!(refused["result"]["isError"], true, "{database} {statement}: {refused}");
        }
        let guessed = "SELECT name FROM people WHERE email = 'HIDDEN-ann'";
        assert!(rows(&query(&mut session, database, guessed)).is_empty(), "nobody guesses");
    }
}

/// The real thing: a credential that may not read a column. What may be read is described,
/// asked, profiled and looked at by the doctor as if the rest were not there.
#[test]
fn a_credential_for_some_columns_is_enough() {
    let (name, user) = ("e2e_columns", "e2e_columns");
    let (password, tables) = (postgres::PASSWORD, TABLES);
    postgres::shared().database(name, tables);
    postgres::shared().psql(
        name,
        &format!(
            "CREATE ROLE {user} LOGIN PASSWORD '{password}';
             GRANT CONNECT ON DATABASE {name} TO {user};
             GRANT SELECT (id, name) ON people TO {user};"
        ),
    );
    mariadb::shared().database(name, tables);
    mariadb::shared().query(&format!(
        "CREATE USER {user}@'%' IDENTIFIED BY '{password}';
         GRANT SELECT (id, name) ON {name}.people TO {user}@'%'"
    ));
    let folder = folder(&(pg_table("pg", user, name) + &my_table("my", user, name)));
    let mut session = Session::start(&suite(), "sql", &folder.config());
    for database in ["pg", "my"] {
        let described = session.call("sql_schema", json!({"database": database}));
        let shown = text(&described);
        assert!(shown.contains("people(id int#,name varchar)\n"), "{described}");
        assert!(!shown.contains("payroll"), "{described}");
        let asked = query(&mut session, database, "SELECT name FROM people ORDER BY id");
        assert_eq!(rows(&asked), ["Ann", "Bob"]);
        let refused = query(&mut session, database, "SELECT email FROM people");
        assert!(text(&refused).starts_with("denied: "), "{refused}");
        assert!(!text(&refused).contains("HIDDEN"), "{refused}");
        let args = json!({"database": database, "table": "people"});
        let profiled = session.call("sql_profile", args);
        assert_eq!(rows(&profiled).len(), 2, "{profiled}");
    }
}

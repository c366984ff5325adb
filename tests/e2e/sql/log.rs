//! What the log says of calls that read databases: what was asked of which database, by whom and
//! with what outcome; nothing of what the database answered, and no secret.

use serde_json::{Value, json};
use servers::postgres;
use tests::harness::{Session, suite, text};

use super::{DATA, folder, pg_table, query, sqlite};

#[test]
fn every_call_is_recorded_with_its_database_and_without_its_rows() {
    postgres::shared().database("e2e_log", DATA);
    let lite = "[servers.sql.databases.lite]\nurl = \"sqlite:lite.db\"\n";
    let away = format!(
        "[servers.sql.databases.away]\nurl = \"postgres://reader@localhost:{}/e2e_no_such\"\n\
         password = {{ file = \"pg\" }}\ntls = {{ ca = \"{}\" }}\n",
        postgres::shared().port(),
        postgres::shared().authority().display()
    );
    let named = "[servers.sql.queries.city_of]\ndatabase = \"pg\"\n\
        purpose = \"The city of one order.\"\n\
        statement = \"SELECT city FROM orders WHERE id = $1\"\n\
        params = [{ name = \"number\", type = \"integer\" }]\n";
    let tables = [&pg_table("pg", postgres::READER, "e2e_log"), lite, &away, named];
    let folder = folder(&tables.concat());
    sqlite(&folder, "lite.db", DATA);
    let mut session = Session::start(&suite(), "sql", &folder.config());
    let token = ["ghp_", "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"].concat();
    let of = |database: &str, more: Value| {
        let mut args = more;
        args["database"] = json!(database);
        args
    };
    let calls = [
        ("sql_query", of("pg", json!({"statement": "SELECT city FROM orders"})), "pg", "done"),
        ("sql_query", of("lite", json!({"statement": "SELECT city FROM orders"})), "lite", "done"),
        ("sql_query", of("pg", json!({"statement": "DELETE FROM orders"})), "pg", "denied|invalid"),
        (
            "sql_query",
            of("pg", json!({"statement": "SELECT no_such FROM orders"})),
            "pg",
            "invalid",
        ),
        (
            "sql_query",
            of("pg", json!({"statement": "SELECT $1::text AS said", "params": [token]})),
            "pg",
            "done",
        ),
        (
            "sql_query",
            of("lite", json!({"statement": "SELECT city FROM orders", "save": "csv"})),
            "lite",
            "done",
        ),
        (
            "sql_query",
            of("away", json!({"statement": "SELECT 1"})),
            "away",
            "failed|invalid|denied",
        ),
        ("sql_schema", of("pg", json!({})), "pg", "done"),
        ("sql_explain", of("pg", json!({"statement": "SELECT city FROM orders"})), "pg", "done"),
        ("sql_profile", of("lite", json!({"table": "orders"})), "lite", "done"),
        (
            "sql_check",
            of("pg", json!({"statement": "SELECT city FROM orders", "expect": "empty"})),
            "pg",
            "done",
        ),
        ("sql_city_of", json!({"number": 1}), "pg", "done"),
    ];
    for (tool, args, ..) in &calls {
        let answer = session.call(tool, args.clone());
        assert!(!text(&answer).contains(&token), "{answer}");
    }
    let (status, _, errors) = session.close();
    assert!(status.success(), "{errors}");
    let records = folder.calls("sql");
    assert_eq!(records.len(), calls.len());
    for (record, (tool, args, database, outcome)) in records.iter().zip(&calls) {
        assert_eq!(record["tool"], *tool, "{record}");
        assert_eq!(record["target"], format!("database:{database}"), "{record}");
        let found = record["outcome"].as_str().expect("an outcome");
        assert!(outcome.split('|').any(|one| one == found), "{outcome}: {record}");
        // As given: an auditor reads the very statement.
        assert_eq!(record["arguments"]["statement"], args["statement"], "{record}");
        assert!(record["decision"]["rule"].as_str().is_some_and(|rule| rule.contains("analyst")));
    }
    assert_eq!(records[11]["arguments"], json!({"number": 1}), "{}", records[11]);
    let log = records.iter().map(Value::to_string).collect::<String>() + &errors;
    // Of what a database answers there is the size and a digest.
    for shown in ["Porto", "Turku", "Lyon", "123456789012345"] {
        assert!(!log.contains(shown), "{shown}: {log}");
    }
    for secret in [postgres::PASSWORD, &token, "correct horse", "correct%20horse"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
fn a_result_of_somebody_else_leaves_a_refusal() {
    let folder = tests::harness::Folder::sql();
    let mut session = Session::start(&suite(), "sql", &folder.config());
    assert!(text(&query(&mut session, "sales", "SELECT 7 AS n")).contains("n\n7\n"));
    let uri = format!("sql://sales/results/{}.csv", "0".repeat(20));
    let guessed = session.call("sql_result", json!({"uri": uri}));
    assert!(text(&guessed).starts_with("not_found: there is no such result of yours"), "{guessed}");
    drop(session);
    let records = folder.calls("sql");
    assert_eq!(records[1]["target"], "database:sales", "{}", records[1]);
    assert_eq!(records[1]["error"], "not_found", "{}", records[1]);
}

#[test]
fn arguments_are_recorded_by_their_digest_where_the_operator_says_so() {
    let folder = tests::harness::Folder::sql();
    let servers = std::fs::read_to_string(folder.config()).expect("servers.toml");
    let only = "[servers.sql.tools.sql_query]\nrecord = \"digest\"\n";
    folder.write("servers.toml", &format!("{servers}{only}"));
    let mut session = Session::start(&suite(), "sql", &folder.config());
    let statement = "SELECT count(*) AS n FROM customers WHERE email = ?1 OR ?1 = 'x'";
    let params = json!(["who-is-looked-for@example.org"]);
    let args = json!({"database": "sales", "statement": statement, "params": params});
    let answer = session.call("sql_query", args);
    assert!(text(&answer).contains("n\n0\n"), "{answer}");
    drop(session);
    let records = folder.calls("sql");
    assert_eq!((records.len(), &records[0]["target"]), (1, &json!("database:sales")));
    let record = records[0].to_string();
    for part in ["looked-for", "SELECT", "customers"] {
        assert!(!record.contains(part), "{part}: {record}");
    }
}

//! Whatever ends a call ends its statement at the server, too.

use serde_json::json;
use servers::{mariadb, postgres};
use tests::harness::{HANG, Session, suite, text};

use super::{DATA, folder, my_table, pg_table};

/// A statement that would run for minutes, marked so that it is found at the server.
fn slow(mark: &str) -> String {
    format!(
        "SELECT count(*) AS {mark} FROM numbers a CROSS JOIN numbers b CROSS JOIN numbers c \
         CROSS JOIN numbers d WHERE a.n + b.n + c.n + d.n < 0"
    )
}

fn numbers() -> String {
    let values: Vec<String> = (0..1_000).map(|n| format!("({n})")).collect();
    format!(
        "{DATA} CREATE TABLE numbers (n INTEGER); INSERT INTO numbers VALUES {};",
        values.join(",")
    )
}

/// Statements that run at the server and hold the mark.
fn running(engine: &str, mark: &str) -> String {
    match engine {
        "pg" => postgres::shared().psql(
            "postgres",
            &format!(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                 AND query NOT LIKE '%pg_stat_activity%' AND backend_type = 'client backend' \
                 AND (query LIKE '%{mark}%' OR query LIKE 'FETCH%') AND datname = 'e2e_{mark}'"
            ),
        ),
        _ => mariadb::shared().query(&format!(
            "SELECT count(*) FROM information_schema.processlist WHERE command <> 'Sleep' \
             AND info LIKE '%{mark}%' AND info NOT LIKE '%processlist%'"
        )),
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANG, "{what}");
        std::thread::yield_now();
    }
}

/// A session with a slow statement under way on an engine.
fn begin(engine: &str, mark: &str) -> (tests::harness::Folder, Session, i64) {
    let database = format!("e2e_{mark}");
    let table = if engine == "pg" {
        postgres::shared().database(&database, &numbers());
        pg_table("pg", postgres::READER, &database)
    } else {
        mariadb::shared().database(&database, &numbers());
        my_table("my", mariadb::READER, &database)
    };
    let folder = folder(&format!("{table}seconds = 60\n"));
    let mut session = Session::start(&suite(), "sql", &folder.config());
    let args = json!({"database": engine, "statement": slow(mark)});
    let id = session.post_modern("tools/call", json!({"name": "sql_query", "arguments": args}));
    until("it never runs", || running(engine, mark) == "1");
    (folder, session, id)
}

#[test]
fn a_cancelled_call_ends_at_the_server() {
    for engine in ["pg", "my"] {
        let mark = format!("cancelled_{engine}");
        let (_folder, mut session, id) = begin(engine, &mark);
        session.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": id}})
            .to_string(),
        );
        until("it runs on", || running(engine, &mark) == "0");
        let args = json!({"database": engine, "statement": "SELECT 1 AS one"});
        let next = session.call("sql_query", args);
        assert!(text(&next).contains("one\n1\n"), "{next}");
    }
}

#[test]
fn a_client_that_leaves_takes_its_statement_along() {
    for engine in ["pg", "my"] {
        let mark = format!("left_{engine}");
        let (_folder, session, _) = begin(engine, &mark);
        let _ = session.close();
        until("it runs on", || running(engine, &mark) == "0");
    }
}

#[test]
fn a_deadline_ends_a_statement_at_the_server() {
    for engine in ["pg", "my"] {
        let mark = format!("late_{engine}");
        let (folder, session, _) = begin(engine, &mark);
        drop(session);
        let toml = std::fs::read_to_string(folder.config()).expect("servers.toml");
        folder.write("servers.toml", &toml.replace("seconds = 60", "seconds = 1"));
        let mut session = Session::start(&suite(), "sql", &folder.config());
        let args = json!({"database": engine, "statement": slow(&mark)});
        let late = session.call("sql_query", args);
        assert!(text(&late).starts_with("timeout: "), "{late}");
        until("it runs on", || running(engine, &mark) == "0");
    }
}

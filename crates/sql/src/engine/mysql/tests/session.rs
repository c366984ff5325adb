//! What the server is told around a statement, as its own log has it, and what it does by itself.

use std::time::Duration;

use servers::mariadb::{Mariadb, READER, shared};
use sqlx::AssertSqlSafe;

use super::ending::{ENDLESS, wait_until, with_any};
use super::world::{Ask, setup, value};
use crate::engine::mysql::{Mysql, failure, pool};
use crate::engine::{Param, Setup};

/// An engine with one connection to a server that writes down what it is told.
async fn logged() -> (Mariadb, Mysql) {
    let server = Mariadb::start();
    server.database("d", "CREATE TABLE t AS SELECT 7 AS n; CREATE VIEW v AS SELECT n FROM t");
    let engine = Mysql::new(Setup { connections: 1, ..setup(&server, READER, "d") });
    let engine = engine.expect("an engine");
    server.query("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = 1");
    assert_eq!(value(&engine, "SELECT n FROM t").await, "7");
    rested(&server);
    server.query("TRUNCATE mysql.general_log");
    (server, engine)
}

/// Waits until the transaction that was begun for a call that does not come is ended.
fn rested(server: &Mariadb) {
    wait_until("rest", || told(server).last().is_some_and(|last| last == "ROLLBACK"));
}

/// What the reader told the server, in order.
fn told(server: &Mariadb) -> Vec<String> {
    let rows = server.query(&format!(
        "SELECT CONCAT(IF(command_type IN ('Prepare', 'Execute'), CONCAT(command_type, ' '), ''),
            TRIM(argument)) FROM mysql.general_log
         WHERE user_host LIKE '{READER}%' AND command_type IN ('Query', 'Prepare', 'Execute')
         ORDER BY event_time"
    ));
    rows.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_stands_between_a_read_only_start_and_an_end() {
    let (server, engine) = logged().await;
    let ask = Ask { time: Duration::from_millis(8_900), ..Ask::new("SELECT n FROM t") };
    ask.of(&engine).await.expect("a row");
    rested(&server);
    let expected = [
        // The statement was prepared before; its time is another one.
        "SET max_statement_time = 9; START TRANSACTION READ ONLY",
        "Execute SELECT n FROM t",
        "ROLLBACK; DO RELEASE_ALL_LOCKS(); START TRANSACTION READ ONLY",
        "ROLLBACK",
    ];
    assert_eq!(told(&server), expected);
    server.query("TRUNCATE mysql.general_log");
    let tenant = [("tenant".to_owned(), "a".to_owned())];
    Ask { session: &tenant, ..ask }.of(&engine).await.expect("a row");
    rested(&server);
    let expected = [
        "SET @`tenant` = 'a'; START TRANSACTION READ ONLY",
        "Execute SELECT n FROM t",
        "ROLLBACK; DO RELEASE_ALL_LOCKS(); SET @`tenant` = NULL; START TRANSACTION READ ONLY",
        "ROLLBACK",
    ];
    assert_eq!(told(&server), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_begun_in_advance_sees_what_is_new_and_holds_nothing() {
    shared().database("fresh", "CREATE TABLE t (n INT)");
    let engine = Setup { connections: 1, ..setup(shared(), READER, "fresh") };
    let engine = Mysql::new(engine).expect("an engine");
    for count in 0..3 {
        assert_eq!(value(&engine, "SELECT COUNT(*) FROM t").await, count.to_string());
        // Changing the table waits for everybody who holds it.
        shared().query(&format!(
            "SET lock_wait_timeout = 5; INSERT INTO fresh.t (n) VALUES (1);
             ALTER TABLE fresh.t ADD COLUMN more_{count} INT"
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_ended_while_idle_is_replaced() {
    let server = Mariadb::start();
    let engine = Mysql::new(setup(&server, READER, "")).expect("an engine");
    let list = format!(
        "SELECT GROUP_CONCAT(CONCAT('KILL ', ID) SEPARATOR '; ')
         FROM information_schema.PROCESSLIST WHERE USER = '{READER}'"
    );
    for answer in ["1", "2", "3"] {
        assert_eq!(value(&engine, &format!("SELECT {answer}")).await, answer);
        server.query(&server.query(&list));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_prepared_stays_little_and_plain() {
    let (server, engine) = logged().await;
    let prepared = || {
        let rows = server.query("SHOW GLOBAL STATUS LIKE 'Prepared_stmt_count'");
        rows.split('\t').nth(1).and_then(|count| count.parse::<u32>().ok()).expect("a number")
    };
    for number in 0..100 {
        assert_eq!(value(&engine, &format!("SELECT {number}")).await, number.to_string());
        assert!(prepared() <= 32, "after {number}");
    }
    let times = |what: &str| {
        let text = format!("Prepare {what}");
        told(&server).iter().filter(|told| **told == text).count()
    };
    for statement in ["SELECT n FROM t", "SELECT n FROM v", "SELECT n FROM (SELECT n FROM t) s"] {
        for _ in 0..3 {
            assert_eq!(value(&engine, statement).await, "7");
        }
    }
    assert_eq!(times("SELECT n FROM t"), 1);
    // A second execution of what is not plain is not trusted.
    assert_eq!(times("SELECT n FROM v"), 3);
    assert_eq!(times("SELECT n FROM (SELECT n FROM t) s"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_ends_a_statement_by_itself() {
    let engine = Mysql::new(setup(with_any(), READER, "any")).expect("an engine");
    let mut lease = engine.pool.lease().await.expect("a connection");
    let connection = lease.connection().expect("it is there");
    let begin = pool::begin(connection, &engine.setup, Duration::from_millis(300), &[]);
    let begin = begin.expect("it is new");
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut connection.link).await.expect("begun");
    let ended = sqlx::query(ENDLESS).fetch_all(&mut connection.link);
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    let error = ended.expect("the server ends it").expect_err("it is too long");
    assert_eq!(failure::number(&error), Some(1969), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parameters_do_not_stay() {
    let engine = Setup { connections: 1, ..setup(shared(), READER, "") };
    let engine = Mysql::new(engine).expect("an engine");
    for text in ["one", "other"] {
        let params = [Param::Text(text.to_owned())];
        let kept = Ask { params: &params, ..Ask::new("SELECT ?") }.of(&engine).await;
        assert_eq!(kept.expect("a row").rows, [[Some(text.to_owned())]]);
    }
}

//! How calls end: at the limit, at the deadline, by a lost connection, and for whom next.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use contract::{Kind, Secret};
use futures_util::future::join_all;
use servers::mariadb::{Mariadb, PASSWORD, READER, shared};

use super::world::{Ask, error, rows, setup, value};
use crate::engine::mysql::Mysql;
use crate::engine::{Rules, Setup};
use crate::settings::{Tls, TlsMode};

/// What the reader's connections do, as root sees it.
fn running(server: &Mariadb, text: &str) -> usize {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST
         WHERE USER = '{READER}' AND COMMAND <> 'Sleep' AND INFO LIKE '%{text}%'"
    );
    server.query(&sql).parse().expect("a number")
}

pub(super) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what} did not come");
    }
}

/// The server that is shared, with the database `any`.
pub(super) fn with_any() -> &'static Mariadb {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| shared().database("any", ""));
    shared()
}

pub(super) const ENDLESS: &str =
    "SELECT COUNT(*) FROM any.seq_1_to_1000000 a, any.seq_1_to_1000000 b";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_ends_a_statement_at_the_server() {
    let server = Mariadb::start();
    server.database("any", "");
    let engine = Mysql::new(setup(&server, READER, "")).expect("an engine");
    let ask = Ask { time: Duration::from_millis(300), ..Ask::new(ENDLESS) };
    let error = ask.of(&engine).await.expect_err("it is too long");
    assert_eq!(error.kind, Kind::Timeout, "{error}");
    wait_until("the end", || running(&server, "seq_1_to_1000000") == 0);
    assert_eq!(value(&engine, "SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_dropped_ends_at_the_server() {
    let server = Mariadb::start();
    server.database("any", "");
    let engine = std::sync::Arc::new(Mysql::new(setup(&server, READER, "")).expect("an engine"));
    for is_explained in [false, true] {
        let task = tokio::spawn({
            let engine = std::sync::Arc::clone(&engine);
            async move {
                let ask = Ask { time: Duration::from_mins(1), ..Ask::new(ENDLESS) };
                if is_explained {
                    ask.plan(&engine, true).await.map(|_| ())
                } else {
                    ask.of(&engine).await.map(|_| ())
                }
            }
        });
        wait_until("the start", || running(&server, "seq_1_to_1000000") == 1);
        task.abort();
        let _ = task.await;
        wait_until("the end", || running(&server, "seq_1_to_1000000") == 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_read_no_further_than_wanted() {
    let engine = Mysql::new(setup(with_any(), READER, "")).expect("an engine");
    for _ in 0..5 {
        let ask = Ask { most: 3, skip: 2, ..Ask::new("SELECT seq FROM any.seq_1_to_10000000000") };
        let kept = ask.of(&engine).await.expect("rows");
        assert_eq!(kept.rows.concat().concat_text(), "3 4 5");
        assert!(kept.is_more);
    }
    let ask = Ask { most: 3, skip: 2, ..Ask::new("SELECT seq FROM any.seq_1_to_5") };
    assert!(!ask.of(&engine).await.expect("rows").is_more);
}

pub(super) trait ConcatText {
    fn concat_text(self) -> String;
}

impl ConcatText for Vec<Option<String>> {
    fn concat_text(self) -> String {
        self.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_is_found_again() {
    let server = Mariadb::start();
    let engine = Mysql::new(setup(&server, READER, "")).expect("an engine");
    assert_eq!(value(&engine, "SELECT 1").await, "1");
    server.stop();
    let lost = error(&engine, "SELECT 1").await;
    assert_eq!(lost.kind, Kind::Unavailable, "{lost}");
    assert!(lost.retry_after.is_some() && !lost.message.contains("mysql://"), "{lost}");
    server.resume();
    assert_eq!(value(&engine, "SELECT 2").await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_preferred_and_the_primary_asked_when_it_is_away() {
    let (replica, primary) = (Mariadb::start(), shared());
    let mut setup = setup(primary, READER, "");
    setup.urls.insert(0, replica.socket_url(READER, ""));
    let engine = Mysql::new(setup).expect("an engine");
    let port = |server: &Mariadb| server.port().to_string();
    // The port is a variable that statements may not read: seen from the pool itself.
    let asked = async |engine: &Mysql| {
        let mut lease = engine.pool.lease().await.expect("a connection");
        let link = &mut lease.connection().expect("it is there").link;
        let row = sqlx::raw_sql("SELECT @@port").fetch_one(link).await.expect("a row");
        super::super::text_of(&row, 0)
    };
    assert_eq!(asked(&engine).await, port(&replica));
    replica.stop();
    assert_eq!(value(&engine, "SELECT 1").await, "1");
    assert_eq!(asked(&engine).await, port(primary));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_callers_share_few_connections() {
    let server = Mariadb::start();
    let engine = Mysql::new(setup(&server, READER, "")).expect("an engine");
    let call = async |n: u32| value(&engine, &format!("SELECT {n}")).await == n.to_string();
    assert!(join_all((0..50).map(call)).await.into_iter().all(|is_right| is_right));
    let connections = server.query(&format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{READER}'"
    ));
    assert!(connections.parse::<u32>().expect("a number") <= 3, "{connections}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_no_connection_is_told_to_come_again() {
    let mut setup = setup(with_any(), READER, "any");
    setup.connections = 1;
    let engine = Mysql::new(setup).expect("an engine");
    let lease = engine.pool.lease().await.expect("the only connection");
    let ask = Ask { time: Duration::from_millis(50), ..Ask::new("SELECT 1") };
    let busy = ask.of(&engine).await.expect_err("none is left");
    assert_eq!(busy.kind, Kind::Unavailable, "{busy}");
    assert!(busy.retry_after.is_some());
    drop(lease);
    assert_eq!(value(&engine, "SELECT 1").await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_one_call_is_left_for_the_next() {
    let mut setup = setup(shared(), READER, "");
    setup.connections = 1;
    setup.layers.statement = false;
    let engine = Mysql::new(setup).expect("an engine");
    for leaving in [
        "SET @left = 1",
        "SELECT @left := 1",
        "SET SESSION group_concat_max_len = 7",
        "SELECT LAST_INSERT_ID(7)",
        "SELECT GET_LOCK('left', 0)",
        "USE information_schema",
        "SET SESSION TRANSACTION READ WRITE",
    ] {
        let _ = Ask::new(leaving).of(&engine).await;
        // A connection that was thrown away may hold its lock a moment longer.
        let state = "SELECT @left, @@group_concat_max_len, LAST_INSERT_ID(), DATABASE(), \
                     COALESCE(IS_USED_LOCK('left') = CONNECTION_ID(), 0), @@tx_read_only";
        let found = rows(&engine, state).await.concat();
        let clean = [None, Some("1048576"), Some("0"), None, Some("0"), Some("1")];
        assert_eq!(found, clean.map(|value| value.map(str::to_owned)), "{leaving}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_checks_who_answers() {
    let server = shared();
    let secured = |host: &str, ca: std::path::PathBuf| Setup {
        urls: vec![server.url(READER, "").replace("localhost", host)],
        tls: Tls { ca: Some(ca), ..Tls::default() },
        ..setup(server, READER, "")
    };
    let engine = Mysql::new(secured("localhost", server.authority())).expect("an engine");
    assert_eq!(value(&engine, "SELECT 1").await, "1");
    let cipher = {
        let mut lease = engine.pool.lease().await.expect("a connection");
        let link = &mut lease.connection().expect("it is there").link;
        let row = sqlx::raw_sql("SHOW STATUS LIKE 'Ssl_cipher'").fetch_one(link).await;
        super::super::text_of(&row.expect("a row"), 1)
    };
    assert!(!cipher.is_empty());
    for (host, ca) in [("localhost", server.foreign_authority()), ("127.0.0.1", server.authority())]
    {
        let engine = Mysql::new(secured(host, ca)).expect("an engine");
        assert_eq!(error(&engine, "SELECT 1").await.kind, Kind::Unavailable, "{host}");
    }
    let far = Setup {
        urls: vec!["mysql://reader@db.example.org/shop".to_owned()],
        tls: Tls { mode: TlsMode::Off, ..Tls::default() },
        ..setup(server, READER, "")
    };
    assert!(Mysql::new(far).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_planner_expects_is_bounded() {
    let mut setup = setup(with_any(), READER, "");
    setup.rules = Rules { cost: Some(1e9), ..Rules::default() };
    let engine = Mysql::new(setup).expect("an engine");
    assert_eq!(value(&engine, "SELECT COUNT(*) FROM any.seq_1_to_10").await, "10");
    let refused = error(&engine, ENDLESS).await;
    assert!(refused.kind == Kind::Denied && refused.message.contains("cost"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_without_details() {
    let mut setup = setup(shared(), READER, "");
    setup.password = Some(Secret::new("wrong".to_owned()));
    let refused = error(&Mysql::new(setup).expect("an engine"), "SELECT 1").await;
    assert_eq!(refused.kind, Kind::Unavailable);
    assert!(!refused.message.contains("wrong") && !refused.message.contains(PASSWORD), "{refused}");
}

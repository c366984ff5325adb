//! What nobody waits for any more ends at the server.

use std::sync::Arc;

use servers::postgres::Postgres as Server;

use super::{setup as setup_for, *};

const SLOW: &str = "SELECT count(*) FROM generate_series(1, 3000) a, generate_series(1, 3000) b, \
     generate_series(1, 3000) c";

fn active(database: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = '{database}' AND state = 'active' AND query ~ 'generate_series|FETCH' \
         AND query !~ '^DECLARE'"
    )
}

/// On a server of its own, whose log says that it was cancelled and did not just find its client
/// gone.
#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let own = Server::start();
    own.database("dropped", "");
    let mut setup = setup_for("dropped");
    setup.urls = vec![own.url(READER, "dropped")];
    setup.tls.ca = Some(own.authority());
    let engine = engine(setup);
    let mut sink = Answer::default();
    let asked = run(SLOW);
    let own = Arc::new(own);
    {
        let mut call = engine.run(&asked, &mut sink);
        let server = Arc::clone(&own);
        // The call is looked at until the server says that the statement runs.
        tokio::select! {
            outcome = &mut call => panic!("it ended: {outcome:?}"),
            () = blocking(move || until_at(&server, &active("dropped"), "1")) => {}
        }
    }
    let server = Arc::clone(&own);
    blocking(move || until_at(&server, &active("dropped"), "0")).await;
    let server = Arc::clone(&own);
    blocking(move || {
        let began = Instant::now();
        let log = || std::fs::read_to_string(server.folder().join("log")).expect("a log");
        while !log().contains("canceling statement due to user request") {
            assert!(began.elapsed() < Duration::from_secs(10), "{}", log());
        }
    })
    .await;
    assert_eq!(ask(&engine, "SELECT 1").await, "1", "and the next one runs");
    own.stop();
}

#[tokio::test]
async fn a_dropped_explanation_is_cancelled() {
    let engine = database("unexplained", "");
    let asked = run(SLOW);
    {
        let mut call = engine.explain(&asked, true);
        tokio::select! {
            outcome = &mut call => panic!("it ended: {outcome:?}"),
            () = blocking(|| until(&active("unexplained"), "1")) => {}
        }
    }
    blocking(|| until(&active("unexplained"), "0")).await;
}

/// With one connection, the cancelled one is gone before the next caller has its own.
#[tokio::test]
async fn a_cancelled_connection_makes_room() {
    server().database("room", "");
    let engine = engine(Setup { connections: 1, ..setup("room") });
    for _ in 0..3 {
        let deadline = Instant::now() + Duration::from_millis(200);
        assert!(rows(&engine, Run { deadline, ..run(SLOW) }).await.is_err());
        assert_eq!(ask(&engine, "SELECT 1").await, "1");
    }
    let mine = "SELECT count(*) <= 2 FROM pg_stat_activity WHERE datname = 'room'";
    blocking(move || until(mine, "t")).await;
}

/// Lets the test's other futures go on meanwhile.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.expect("no panic");
}

//! What nobody waits for any more ends at the server.

use super::*;

const SLOW: &str = "SELECT count(*) FROM generate_series(1, 3000) a, generate_series(1, 3000) b, \
     generate_series(1, 3000) c";

fn active(database: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = '{database}' AND state = 'active' AND query ~ 'generate_series|FETCH'"
    )
}

#[tokio::test]
async fn a_dropped_call_is_cancelled() {
    let engine = database("dropped", "");
    let mut sink = Rows::default();
    let asked = run(SLOW);
    {
        let mut call = engine.run(&asked, &mut sink);
        // The call is looked at until the server says that the statement runs.
        tokio::select! {
            outcome = &mut call => panic!("it ended: {outcome:?}"),
            () = blocking(|| until(&active("dropped"), "1")) => {}
        }
    }
    blocking(|| until(&active("dropped"), "0")).await;
    assert_eq!(ask(&engine, "SELECT 1").await, "1", "and the next one runs");
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

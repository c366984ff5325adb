//! Statements that must end: by the deadline, by being dropped, by what they take.

use contract::Kind as ErrorKind;

use super::*;

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

#[tokio::test]
async fn the_deadline_ends_a_statement_by_the_clock_or_from_outside() {
    let file = File::of("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    for layers in [Layers::ALL, Layers { session: false, ..Layers::ALL }] {
        let engine = file.engine_with(Rules::default(), layers);
        let hurried = Ask { time: Duration::from_millis(50), ..Ask::new(ENDLESS) };
        let error = hurried.of(&engine).await.expect_err("it never ends");
        assert_eq!(error.kind, ErrorKind::Timeout, "{error}");
        // The only connection is free again, and as it was.
        check(&engine, "SELECT a FROM t", "1").await;
    }
}

#[tokio::test]
async fn a_dropped_call_ends_its_statement() {
    let file = File::of("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    let engine = file.engine();
    {
        let ask = Ask::new(ENDLESS);
        let mut call = std::pin::pin!(ask.of(&engine));
        // Polled once, so that it has begun.
        assert!(futures_util::poll!(call.as_mut()).is_pending());
        tokio::task::yield_now().await;
        assert!(futures_util::poll!(call.as_mut()).is_pending());
    }
    check(&engine, "SELECT a FROM t", "1").await;
}

#[tokio::test]
async fn rows_that_nobody_takes_end_the_statement() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    for _ in 0..20 {
        let answer = Ask { most: 3, ..Ask::new(endless) }.of(&engine).await.expect("three rows");
        assert_eq!((answer.lines().as_str(), answer.has_more), ("1\n2\n3", true));
    }
}

#[tokio::test]
async fn a_busy_pool_says_so() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    let long = Ask { time: Duration::from_secs(2), ..Ask::new(ENDLESS) };
    let short = Ask { time: Duration::from_millis(50), ..Ask::new("SELECT 1") };
    let mut endless = std::pin::pin!(long.of(&engine));
    assert!(futures_util::poll!(endless.as_mut()).is_pending());
    let error = short.of(&engine).await.expect_err("no connection");
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(error.retry_after.is_some());
}

#[tokio::test]
async fn memory_is_bounded() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    for statement in [
        // One value.
        "SELECT zeroblob(1000000000)",
        "SELECT replace(hex(zeroblob(5000000)), '00', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')",
        "SELECT length(zeroblob(16000000) || zeroblob(16000000))",
        // Many values.
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, randomblob(100000) AS b FROM n ORDER BY b",
    ] {
        let error = ask(&engine, statement).await.expect_err(statement);
        assert_eq!(error.kind, ErrorKind::TooLarge, "{statement}: {error}");
    }
    check(&engine, "SELECT 1", "1").await;
}

#[tokio::test]
async fn what_took_the_square_of_its_input_ends_soon() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = &file.engine();
    let long = "hex(zeroblob(4000000))";
    let needle = "hex(zeroblob(2000000)) || '1'";
    check(engine, &format!("SELECT instr({long}, {needle})"), "0").await;
    check(engine, &format!("SELECT length(replace({long}, {needle}, ''))"), "8000000").await;
    check(engine, &format!("SELECT length(trim({long}, {needle}))"), "0").await;
    refused(engine, &format!("SELECT json_patch({long}, {long})"), "square").await;
    refused(
        engine,
        &format!("SELECT {long} LIKE replace(hex(zeroblob(1000)), '0', '%a')"),
        "pattern too complex",
    )
    .await;
}

#[tokio::test]
async fn expansion_of_table_expressions_ends_by_the_deadline() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    let mut text = "WITH c0 AS (SELECT 1 AS a)".to_owned();
    for level in 1..40 {
        text.push_str(&format!(", c{level} AS (SELECT x.a FROM c{0} x, c{0} y)", level - 1));
    }
    text.push_str(" SELECT count(*) FROM c39");
    let hurried = Ask { time: Duration::from_millis(500), ..Ask::new(&text) };
    let error = hurried.of(&engine).await.expect_err("2^39 tables");
    assert!(
        matches!(error.kind, ErrorKind::Timeout | ErrorKind::TooLarge | ErrorKind::Invalid),
        "{error}"
    );
    check(&engine, "SELECT 1", "1").await;
}

#[tokio::test]
async fn deep_nesting_is_refused_and_no_stack_overflows() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = &file.engine();
    for depth in [100, 450, 501, 5000, 40_000] {
        for (open, close) in [
            ("(", ")"),
            ("(SELECT ", ")"),
            ("-", ""),
            ("NOT ", ""),
            ("abs(", ")"),
            ("CASE WHEN 1 THEN ", " END"),
        ] {
            let text = format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth));
            let hurried = Ask { time: Duration::from_secs(5), ..Ask::new(&text) };
            let answer = hurried.of(engine).await;
            assert!(answer.is_ok() || depth > 50, "{open}: {answer:?}");
        }
    }
    check(engine, "SELECT 1", "1").await;
}

/// Runs something where all threads for long work are taken.
fn without_threads(work: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build().expect("a runtime");
    let (release, held) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        // What opens a file takes its own thread; this one is taken from now on.
        let taken = tokio::task::spawn_blocking(move || held.recv());
        work.await;
        drop(release);
        let _ = taken.await;
    });
}

#[test]
fn a_quick_look_needs_no_thread_and_anything_else_does() {
    let setting = tokio::runtime::Runtime::new().expect("a runtime");
    let file = setting.block_on(File::of(
        "CREATE TABLE t (a); INSERT INTO t WITH RECURSIVE n(i) AS
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i FROM n;
         CREATE VIEW v AS SELECT count(*) AS n FROM t",
    ));
    // One that has answered before is set up.
    let opened = || {
        let engine = file.engine();
        setting.block_on(check(&engine, "SELECT a FROM t LIMIT 1", "1"));
        engine
    };
    let engine = opened();
    without_threads(async {
        check(&engine, "SELECT a FROM t WHERE a < 3 ORDER BY a DESC", "2\n1").await;
        check(&engine, "SELECT a FROM t LIMIT 1 OFFSET 4", "5").await;
    });
    for statement in [
        // Calls something, though by a view; takes its time; is too much at once; fails.
        "SELECT n FROM v",
        "SELECT x.a FROM t x, t y, t z WHERE x.a + y.a + z.a < 0",
        "SELECT x.a, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' FROM t x, t y",
        "SELECT missing FROM t",
    ] {
        let engine = opened();
        without_threads(async {
            let time = Duration::from_millis(100);
            let ask = Ask { most: 100_000, time, ..Ask::new(statement) };
            let error = ask.of(&engine).await.expect_err(statement);
            assert_eq!(error.kind, ErrorKind::Timeout, "{statement}: {error}");
        });
    }
}

//! Rows, bytes, cells, time and cost have bounds.

use super::*;

const NUMBERS: &str = "CREATE TABLE t AS SELECT n FROM generate_series(1, 1000) n; ANALYZE t;";

#[tokio::test]
async fn rows_end_where_the_sink_is_full() {
    let engine = database("ends", NUMBERS);
    for (limit, has_more) in [(1, true), (99, true), (100, true), (999, true), (1_000, false)] {
        let mut sink = Answer { limit: Some(limit), ..Answer::default() };
        let found = engine.run(&run("SELECT n FROM t ORDER BY n"), &mut sink).await;
        assert_eq!((found.expect("rows"), sink.rows.len()), (has_more, limit));
        let last = sink.rows.last().and_then(|row| row.first()).expect("a row");
        assert_eq!(*last, limit.to_string());
    }
}

#[tokio::test]
async fn rows_are_passed_over() {
    let engine = database("passed", NUMBERS);
    let asked = Run { skip: 997, ..run("SELECT n FROM t ORDER BY n") };
    assert_eq!(lines(&rows(&engine, asked).await.expect("rows")), "998\n999\n1000");
    let asked = Run { skip: 2_000, ..run("SELECT n FROM t ORDER BY n") };
    let beyond = rows(&engine, asked).await.expect("rows");
    assert_eq!((beyond.rows.len(), beyond.columns.len()), (0, 1));
}

#[tokio::test]
async fn a_cell_is_cut_and_says_by_how_much() {
    let engine = database("cut", "CREATE TABLE t AS SELECT repeat('é', 100) AS a, 'b' AS b");
    let asked = Run { cell: 5, ..run("SELECT a, b FROM t") };
    assert_eq!(lines(&rows(&engine, asked).await.expect("rows")), "éé…196|b");
}

/// Whatever compresses well is small where it is stored, and large on its way.
#[tokio::test]
async fn a_huge_row_is_refused_at_the_database() {
    let engine = database(
        "huge",
        "CREATE TABLE t AS SELECT repeat('x', 20000000) AS a;
         CREATE TABLE plain (a text); ALTER TABLE plain ALTER a SET STORAGE EXTERNAL;
         INSERT INTO plain SELECT repeat('x', 20000000);
         CREATE TABLE many AS SELECT repeat('x', 1000000) AS a FROM generate_series(1, 12);
         CREATE TABLE named AS SELECT 1 AS suite_row, repeat('x', 20000000) AS a",
    );
    let expected = "too_large: a row has 20000002 bytes, more than the 8388608 that may leave the \
                    database: name fewer columns, or shorten long ones, as with left(column, 1000)";
    assert_eq!(ask(&engine, "SELECT a FROM plain").await, expected);
    for statement in ["SELECT a FROM t", "SELECT a FROM plain"] {
        assert!(
            ask(&engine, statement).await.starts_with("too_large: a row has 20000"),
            "{statement}"
        );
    }
    let named = ask(&engine, "SELECT * FROM named").await;
    assert!(named.starts_with("too_large"), "{named}");
    let joined = ask(&engine, "SELECT string_agg(a, '') FROM many").await;
    assert!(joined.starts_with("too_large: a row has 12000"), "{joined}");
    assert_eq!(ask(&engine, "SELECT length(a), left(a, 3) FROM t").await, "20000000|xxx");
}

/// What was asked for at once and is not wanted any more is not read to its end.
#[tokio::test]
async fn wide_rows_beyond_the_limit_cost_a_connection_at_most() {
    let engine = database(
        "wide",
        "CREATE TABLE t AS SELECT n, repeat(n::text, 300000) AS a FROM generate_series(1, 90) n",
    );
    let mut sink = Answer { limit: Some(1), ..Answer::default() };
    let asked = Run { cell: 10, ..run("SELECT a FROM t ORDER BY n") };
    assert!(engine.run(&asked, &mut sink).await.expect("rows"));
    assert_eq!(sink.rows, [["1111111111…299990"]]);
    assert_eq!(ask(&engine, "SELECT 1").await, "1");
}

#[tokio::test]
async fn time_ends_at_the_database() {
    let engine = database("late", NUMBERS);
    assert_eq!(ask(&engine, "SELECT 1").await, "1");
    let deadline = Instant::now() + Duration::from_millis(400);
    let bomb = "SELECT count(*) FROM t a, t b, t c, t d";
    let error = rows(&engine, Run { deadline, ..run(bomb) }).await.expect_err("it takes too long");
    assert_eq!(error.kind, contract::error::Kind::Timeout, "{error}");
    until("SELECT count(*) FROM pg_stat_activity WHERE datname = 'late' AND state = 'active'", "0");
    assert_eq!(ask(&engine, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_high_cost_is_refused_before_it_runs() {
    server().database("costs", NUMBERS);
    let mut setup = setup("costs");
    setup.rules.cost = Some(100.0);
    let engine = engine(setup);
    assert_eq!(ask(&engine, "SELECT count(*) FROM t").await, "1000");
    let told = ask(&engine, "SELECT count(*) FROM t a, t b").await;
    assert!(told.starts_with("too_large: the planner expects a cost of 1"), "{told}");
    assert!(told.contains("at most 100 is allowed here"), "{told}");
}

#[tokio::test]
async fn mistakes_are_told_with_their_place() {
    let engine = database("mistakes", "CREATE TABLE people (name text, city text)");
    assert_eq!(
        ask(&engine, "SELECT name,\n  ctiy FROM people").await,
        "invalid: column \"ctiy\" does not exist (line 2, at \"ctiy FROM people\"). Perhaps you \
         meant to reference the column \"people.city\""
    );
    let told = ask(&engine, "SELECT 1/0").await;
    assert_eq!(told, "invalid: division by zero");
    assert_eq!(
        ask(&engine, "SELECT 'a'::int").await.split('(').next(),
        Some("invalid: invalid input syntax for type integer: \"a\" ")
    );
    assert_eq!(ask(&engine, "SELECT 1").await, "1");
}

//! Sessions are shared by callers who must not notice each other.

use std::sync::Arc;

use super::*;

/// Only the session layer and the cursor stand between callers here.
fn open(name: &str, connections: u32) -> Postgres {
    let layers = Layers { statement: false, ..Layers::ALL };
    engine(Setup { connections, layers, ..setup(name) })
}

#[tokio::test]
async fn rows_are_those_of_the_caller() {
    server().database(
        "tenants",
        "CREATE TABLE t (tenant text, word text); INSERT INTO t VALUES ('ann', 'a'), ('bob', 'b');
         ALTER TABLE t ENABLE ROW LEVEL SECURITY;
         CREATE POLICY own ON t USING (tenant = current_setting('app.tenant', true))",
    );
    let engine = engine(Setup { connections: 1, ..setup("tenants") });
    for (tenant, expected) in [("ann", "a"), ("bob", "b"), ("it's; DROP TABLE t", "")] {
        let session = [("app.tenant".to_owned(), tenant.to_owned())];
        let asked = Run { session: &session, ..run("SELECT word FROM t") };
        assert_eq!(lines(&rows(&engine, asked).await.expect("rows")), expected, "{tenant}");
        assert_eq!(ask(&engine, "SELECT word FROM t").await, "", "nobody after {tenant}");
    }
}

#[tokio::test]
async fn only_variables_of_applications_are_set() {
    let engine = database("variables", "");
    let session = [("role".to_owned(), "postgres".to_owned())];
    let asked = Run { session: &session, ..run("SELECT 1") };
    let error = rows(&engine, asked).await.expect_err("refused");
    assert_eq!(error.kind.name(), "internal");
}

#[tokio::test]
async fn a_call_leaves_nothing_behind() {
    server().database(
        "traces",
        "CREATE FUNCTION locks() RETURNS int LANGUAGE sql AS 'SELECT pg_advisory_lock(1); SELECT 1'",
    );
    let engine = open("traces", 1);
    let state = "SELECT current_setting('app.x', true), current_setting('work_mem'), \
                 (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), \
                 (SELECT count(*) FROM pg_cursors WHERE name <> 'suite_rows'), current_user, \
                 (SELECT count(*) FROM pg_listening_channels()), \
                 (SELECT count(*) FROM pg_prepared_statements WHERE statement !~ 'pg_catalog')";
    let before = ask(&engine, state).await;
    assert_eq!(before, "␀|4MB|0|0|reader|0|0");
    for statement in [
        "SELECT set_config('app.x', 'mine', false), set_config('work_mem', '64kB', false)",
        "SELECT pg_advisory_lock(4711), locks()",
        "SELECT pg_try_advisory_lock(4711), 1/0",
    ] {
        let told = ask(&engine, statement).await;
        assert_eq!(told.starts_with("invalid"), statement.contains("1/0"), "{told}");
        // A setting of one's own that was once set is empty, no longer unknown.
        assert_eq!(
            ask(&engine, state).await.replace('␀', ""),
            before.replace('␀', ""),
            "{statement}"
        );
    }
}

#[tokio::test]
async fn a_session_cannot_be_made_to_write() {
    server().database("writes", "CREATE TABLE t (n int); GRANT ALL ON t TO reader");
    let layers = Layers { statement: false, credential: false, ..Layers::ALL };
    let strict = engine(Setup { layers, ..setup("writes") });
    for statement in [
        "INSERT INTO t VALUES (1)",
        "WITH w AS (INSERT INTO t VALUES (1) RETURNING n) SELECT * FROM w",
        "SELECT 1) a) b; COMMIT; INSERT INTO t VALUES (1); --",
        "SELECT 1; INSERT INTO t VALUES (1)",
        "SELECT * INTO u FROM t",
        "SELECT n FROM t FOR UPDATE",
        "COMMIT",
        "",
    ] {
        let told = ask(&strict, statement).await;
        assert!(
            told.starts_with("invalid: ") || told.starts_with("denied: "),
            "{statement}: {told}"
        );
    }
    // Without the cursor, the transaction and the session's own default are left.
    let layers = Layers { engine: false, ..layers };
    let bare = engine(Setup { layers, ..setup("writes") });
    for statement in ["INSERT INTO t VALUES (1)", "COMMIT; INSERT INTO t VALUES (1)"] {
        let told = ask(&bare, statement).await;
        assert!(told.contains("read-only transaction"), "{statement}: {told}");
    }
    assert_eq!(server().psql("writes", "SELECT count(*) FROM t"), "0");
}

/// A plain statement ends its transaction itself, with its last rows, however many there are, and
/// one that is not plain is cleaned after; both tell their columns where there is no row.
#[tokio::test]
async fn no_transaction_is_left_open() {
    server().database(
        "ended",
        "CREATE TABLE plain AS SELECT n::int, 'x'::varchar(9) AS v FROM generate_series(1, 300) n;
         CREATE TABLE texts AS SELECT n::int, 'x'::text AS v FROM generate_series(1, 300) n",
    );
    let engine = engine(Setup { connections: 1, ..setup("ended") });
    for table in ["plain", "texts"] {
        for (limit, from, expected) in
            [(10, 301, 0), (10, 299, 2), (10, 291, 10), (10, 1, 10), (200, 1, 200), (400, 1, 300)]
        {
            let statement = format!("SELECT n, v FROM {table} WHERE n >= {from} ORDER BY n");
            let mut answer = Answer { limit: Some(limit), ..Answer::default() };
            let has_more = engine.run(&run(&statement), &mut answer).await.expect("rows");
            assert_eq!(has_more, from == 1 && limit < 300, "{statement} {limit}");
            assert_eq!(answer.rows.len(), expected, "{statement} {limit}");
            let names: Vec<&str> = answer.columns.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, ["n", "v"], "{statement}");
            until(
                "SELECT string_agg(state, ',') FROM pg_stat_activity WHERE datname = 'ended'",
                "idle",
            );
        }
        let asked = Run { skip: 298, ..run("SELECT n, v FROM plain ORDER BY n") };
        let mut answer = Answer { limit: Some(10), ..Answer::default() };
        assert!(!engine.run(&asked, &mut answer).await.expect("rows"));
        assert_eq!(lines(&answer), "299|x\n300|x");
    }
}

/// Fifty callers on five connections: everybody has a turn, and five connections are enough.
#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_few_connections() {
    server().database("crowd", "CREATE TABLE t AS SELECT n FROM generate_series(1, 100) n");
    let engine = Arc::new(engine(Setup { connections: 5, ..setup("crowd") }));
    let callers: Vec<_> = (0..50)
        .map(|caller| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                for turn in 0..10 {
                    let n = (caller * 10 + turn) % 100 + 1;
                    let params = [Param::Integer(n)];
                    let asked = Run { params: &params, ..run("SELECT n FROM t WHERE n = $1::int") };
                    assert_eq!(lines(&rows(&engine, asked).await.expect("a row")), n.to_string());
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no panic");
    }
    let connections = server()
        .psql("postgres", "SELECT count(*) <= 5 FROM pg_stat_activity WHERE datname = 'crowd'");
    assert_eq!(connections, "t");
}

/// A turn is given in the order of asking: who came first is served first.
#[tokio::test]
async fn turns_are_given_in_order() {
    server().database("turns", "");
    let engine = engine(Setup { connections: 1, ..setup("turns") });
    let served = std::sync::Mutex::new(Vec::new());
    let call = |caller: usize| {
        let (engine, served) = (&engine, &served);
        async move {
            ask(engine, "SELECT 1").await;
            served.lock().expect("no panic").push(caller);
        }
    };
    futures_util::future::join_all((0..20).map(call)).await;
    assert_eq!(*served.lock().expect("no panic"), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_waits_too_long_is_told_when_to_come_back() {
    server().database("busy", "");
    let engine = engine(Setup { connections: 1, ..setup("busy") });
    let slow =
        run("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b");
    let mut sink = Answer::default();
    let first = engine.run(&slow, &mut sink);
    let second = async {
        let deadline = Instant::now() + Duration::from_millis(100);
        rows(&engine, Run { deadline, ..run("SELECT 1") }).await.expect_err("all are busy")
    };
    tokio::select! {
        outcome = first => panic!("it ended: {outcome:?}"),
        error = second => {
            assert_eq!(error.kind.name(), "unavailable", "{error}");
            assert!(error.retry_after.is_some());
        }
    }
}

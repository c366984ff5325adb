//! The gate against a real catalogue: what is admitted is run, so that it means what it should.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use servers::postgres::{PASSWORD, READER, shared as server};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::*;
use crate::engine::Param;
use crate::settings::Mask;

const FIXTURE: &str = "
    CREATE TABLE customers (id int, name text, email text, phone text, pin int);
    INSERT INTO customers VALUES (1, 'ann', 'ann@example.org', '0123456789', 4711),
        (2, 'bob', 'bob@example.org', NULL, NULL);
    CREATE TABLE orders (id int, customer int, email text);
    INSERT INTO orders VALUES (7, 1, 'x');
    CREATE TABLE events (id int, at timestamptz) PARTITION BY RANGE (id);
    CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
    INSERT INTO events VALUES (5, '2026-01-01');
    CREATE VIEW customer_list AS SELECT id, email FROM customers;
    CREATE FUNCTION unmarked() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 8; END';
    CREATE FUNCTION total(orders) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
    CREATE FUNCTION anything(anyelement) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
    CREATE FUNCTION half(int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END';
    CREATE TABLE sums (total int);
    INSERT INTO sums VALUES (3);
    CREATE EXTENSION file_fdw;
    CREATE SERVER outside FOREIGN DATA WRAPPER file_fdw;
    CREATE FOREIGN TABLE told (line text) SERVER outside OPTIONS (program 'echo it ran');
    CREATE VIEW retold AS SELECT * FROM told;
    CREATE TABLE lines (line text);
    CREATE FOREIGN TABLE heir () INHERITS (lines) SERVER outside OPTIONS (program 'echo it ran');
    CREATE FUNCTION count_customers() RETURNS bigint LANGUAGE sql STABLE
        AS 'SELECT count(*) FROM public.customers';
";

async fn connect() -> PgConnection {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| server().database("gate", FIXTURE));
    let options = PgConnectOptions::new_without_pgpass()
        .socket(server().folder())
        .port(server().port())
        .username(READER)
        .password(PASSWORD)
        .ssl_mode(PgSslMode::Disable)
        .database("gate");
    let mut connection = options.connect().await.expect("the reader connects");
    connection.execute("BEGIN READ ONLY").await.expect("a transaction");
    connection
}

/// Reads a statement and admits it.
async fn admit_text(
    connection: &mut PgConnection,
    statement: &str,
    params: &[Param],
    rules: &Rules,
    memory: &Catalogue,
) -> Result<Admitted, ToolError> {
    let reading = Readings::default().read(statement, params).await?;
    admit(connection, &reading, rules, memory).await
}

fn masked() -> Rules {
    let masks = [
        ("public.customers.email", Mask::Hash),
        ("public.customers.phone", Mask::Last4),
        ("public.customers.pin", Mask::Null),
        ("public.customers.name", Mask::Drop),
    ];
    let mask = masks.map(|(column, mask)| (column.to_owned(), mask));
    Rules { mask: BTreeMap::from(mask), ..Rules::default() }
}

/// Admits a statement and runs it; the rows as JSON, or what is refused.
async fn answer(statement: &str, params: &[Param], rules: &Rules) -> Result<String, String> {
    let mut connection = connect().await;
    let memory = Catalogue::new();
    let admitted = admit_text(&mut connection, statement, params, rules, &memory).await;
    let admitted = admitted.map_err(|error| error.text())?;
    let sql = format!("SELECT coalesce(json_agg(q), '[]')::text FROM ({}) q", admitted.sql);
    let mut query = sqlx::query_as(AssertSqlSafe(sql));
    for param in params {
        query = query.bind(match param {
            Param::Null => None,
            Param::Bool(value) => Some(value.to_string()),
            Param::Integer(value) => Some(value.to_string()),
            Param::Number(value) | Param::Text(value) | Param::Date(value) | Param::Time(value) => {
                Some(value.clone())
            }
        });
    }
    let (rows,): (String,) =
        query.fetch_one(&mut connection).await.map_err(|error| format!("database: {error}"))?;
    Ok(rows)
}

async fn check(statement: &str, rules: &Rules, expected: &str) {
    let answer = answer(statement, &[], rules).await.unwrap_or_else(|refusal| refusal);
    assert!(answer.contains(expected), "{statement}: {answer}");
}

#[tokio::test]
async fn masked_columns_are_masked_however_they_are_written() {
    let rules = masked();
    for statement in [
        "SELECT email, phone, pin FROM customers WHERE id = 1",
        "SELECT c.email, c.phone, c.pin FROM customers AS c WHERE id = 1",
        "SELECT c.* FROM public.customers c WHERE c.id = 1",
        "SELECT customers FROM customers WHERE id = 1",
        "TABLE customers LIMIT 1",
        "TABLE ONLY (customers) LIMIT 1",
        "SELECT * FROM ONLY customers WHERE id = 1",
        "SELECT * FROM ONLY (public . customers) AS x WHERE id = 1",
        "SELECT * FROM customers * WHERE id = 1",
        "SELECT * FROM /* a */ \"public\" . /* b */ \"customers\" WHERE id = 1",
        "SELECT public.customers.phone, public.customers.* FROM public.customers WHERE id = 1",
        "SELECT * FROM orders o JOIN customers c ON c.id = o.customer",
        "SELECT * FROM customers WHERE phone LIKE '…%'",
        "SELECT x.* FROM (SELECT * FROM customers WHERE id = 1) x",
        "WITH q AS (SELECT * FROM customers WHERE id = 1) SELECT * FROM q",
        "SELECT row_to_json(customers) FROM customers WHERE id = 1",
        "SELECT max(phone) AS phone FROM customers",
        "SELECT * FROM customers WHERE id IN (SELECT id FROM customers WHERE pin IS NULL) AND id = 1",
    ] {
        let answer = answer(statement, &[], &rules).await;
        let answer = answer.unwrap_or_else(|refusal| panic!("{statement}: {refusal}"));
        assert!(answer.contains("…6789"), "{statement}: {answer}");
        for secret in ["ann", "4711", "0123456789"] {
            assert!(!answer.contains(secret), "{statement}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_hash_is_the_same_for_the_same_value_and_its_key_is_not_shown() {
    let rules = masked();
    let mut connection = connect().await;
    let memory = Catalogue::new();
    let statement = "SELECT email FROM customers WHERE email <> 'x' ORDER BY id";
    let admitted =
        admit_text(&mut connection, statement, &[], &rules, &memory).await.expect("a SELECT");
    assert!(!admitted.sql.contains(memory.salt()));
    let twice = format!("{0} ", admitted.sql);
    let ask = async |connection: &mut PgConnection, sql: String| {
        let rows: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(connection).await.expect("rows");
        rows.into_iter().map(|(cell,)| cell).collect::<Vec<_>>()
    };
    let first = ask(&mut connection, twice.clone()).await;
    assert_eq!(first, ask(&mut connection, twice.clone()).await);
    assert_ne!(first[0], first[1]);
    assert!(first.iter().all(|hash| hash.len() == 16), "{first:?}");
    let plan = ask(&mut connection, format!("EXPLAIN (VERBOSE) {twice}")).await.join("\n");
    assert!(plan.contains("suite.mask_key") && !plan.contains(memory.salt()), "{plan}");
    check("SELECT current_setting('suite.mask_key')", &Rules::default(), "denied: ").await;
}

#[tokio::test]
async fn masks_follow_names_partitions_and_views() {
    let rules = masked();
    check("SELECT email FROM orders", &rules, r#"[{"email":"x"}]"#).await;
    check("SELECT name FROM customers", &rules, "column \"name\" does not exist").await;
    check("WITH customers AS (SELECT 'open' AS email) SELECT * FROM customers", &rules, "open")
        .await;
    check("SELECT * FROM customer_list", &rules, "reads public.customers, of which not").await;
    let named = Rules { allow: vec!["public.customer_list".into()], ..masked() };
    check("SELECT count(*) FROM customer_list", &named, r#"[{"count":2}]"#).await;
    check("SELECT count(*) FROM customers", &named, "not among what may be read").await;
    let mask = BTreeMap::from([("public.events.at".to_owned(), Mask::Null)]);
    let parts = Rules { mask, ..Rules::default() };
    check("SELECT at FROM events_1", &parts, r#"[{"at":null}]"#).await;
    check("SELECT id FROM pg_class", &parts, "catalogue is not read").await;
    check("SELECT count_customers()", &rules, "reads tables by itself").await;
    check("SELECT count_customers()", &Rules::default(), r#"[{"count_customers":2}]"#).await;
}

#[tokio::test]
async fn a_foreign_table_is_read_where_it_is_named_in_full() {
    let patterns = Rules { allow: vec!["public.*".into()], ..Rules::default() };
    for name in ["told", "retold", "lines", "heir"] {
        let statement = format!("SELECT line FROM {name}");
        for rules in [&Rules::default(), &patterns] {
            check(&statement, rules, "is a foreign table, which reads what is outside").await;
        }
        let allow = vec!["public.*".into(), format!("public.{name}")];
        let named = Rules { allow, ..Rules::default() };
        check(&statement, &named, r#"[{"line":"it ran"}]"#).await;
    }
    check("SELECT id FROM orders", &patterns, r#"[{"id":7}]"#).await;
}

#[tokio::test]
async fn deny_wins_and_allow_is_a_list() {
    let rules = Rules {
        allow: vec!["public.*".into()],
        deny: vec!["public.cust*".into()],
        ..Rules::default()
    };
    check("SELECT id FROM orders", &rules, r#"[{"id":7}]"#).await;
    check("SELECT id FROM customers", &rules, "denied: public.customers is not to be read").await;
    check("SELECT id FROM customer_list", &rules, "denied: ").await;
    check("WITH orders AS (SELECT 1 AS id) SELECT id FROM orders", &rules, r#"[{"id":1}]"#).await;
    check("WITH customers AS (SELECT * FROM customers) SELECT 1", &rules, "denied: ").await;
    check("SELECT (WITH customers AS (SELECT 1) SELECT 1) FROM customers", &rules, "denied: ")
        .await;
}

#[tokio::test]
async fn parameters_have_the_types_of_their_values() {
    let text = |value: &str| Param::Text(value.to_owned());
    for (statement, params, expected) in [
        ("SELECT $1 + 1 AS n", vec![Param::Integer(41)], r#"[{"n":42}]"#),
        ("SELECT $1 + 1 AS n", vec![Param::Integer(1 << 40)], r#"[{"n":1099511627777}]"#),
        ("SELECT date '2026-01-31' + $1 AS d", vec![Param::Integer(1)], r#"[{"d":"2026-02-01"}]"#),
        ("SELECT $1 * 2 AS n", vec![Param::Number("0.1".into())], r#"[{"n":0.2}]"#),
        ("SELECT NOT $1 AS b", vec![Param::Bool(true)], r#"[{"b":false}]"#),
        ("SELECT $1 || $2 AS t", vec![text("a'b"), text("; --")], r#"[{"t":"a'b; --"}]"#),
        ("SELECT $1::date + 1 AS d", vec![text("2026-02-28")], r#"[{"d":"2026-03-01"}]"#),
        (
            "SELECT $1 - date '2026-02-01' AS d",
            vec![Param::Date("2026-02-28".into())],
            r#"[{"d":27}]"#,
        ),
        (
            "SELECT $1 > timestamptz '2026-02-28 10:00+00' AS b",
            vec![Param::Time("2026-02-28T11:30:00+01:00".into())],
            r#"[{"b":true}]"#,
        ),
        ("SELECT CAST($1 AS int) AS n", vec![text("7")], r#"[{"n":7}]"#),
        (
            "SELECT $2::int AS b, $1 AS a",
            vec![Param::Null, Param::Integer(3)],
            r#"[{"b":3,"a":null}]"#,
        ),
        ("SELECT coalesce($1, $1, 'none') AS t", vec![Param::Null], r#"[{"t":"none"}]"#),
        ("SELECT id FROM orders LIMIT $1", vec![Param::Integer(0)], "[]"),
        ("SELECT '$1' AS t", vec![], r#"[{"t":"$1"}]"#),
        ("SELECT $1", vec![], "invalid: $1 has no value: no parameters are given"),
        ("SELECT $2", vec![Param::Null], "invalid: $2 has no value: 1 parameter is given"),
    ] {
        let answer = answer(statement, &params, &Rules::default()).await;
        let answer = answer.unwrap_or_else(|refusal| refusal);
        assert!(answer.contains(expected), "{statement}: {answer}");
    }
}

#[tokio::test]
async fn only_the_query_is_handed_on() {
    let mut connection = connect().await;
    let memory = Catalogue::new();
    for (statement, sql, analyze) in [
        ("SELECT 1;;", "SELECT 1", None),
        ("/* a */ SELECT 1 -- b", "SELECT 1", None),
        ("EXPLAIN SELECT 1", "SELECT 1", Some(false)),
        ("explain analyze verbose SELECT 1;", "SELECT 1", Some(true)),
        ("EXPLAIN (SELECT 1)", "(SELECT 1)", Some(false)),
        ("EXPLAIN (ANALYZE, BUFFERS) (SELECT 1)", "(SELECT 1)", Some(true)),
        ("EXPLAIN (ANALYZE off) SELECT (1)", "SELECT (1)", Some(false)),
        ("EXPLAIN (VERBOSE, ANALYZE 1, FORMAT json) VALUES (1)", "VALUES (1)", Some(true)),
    ] {
        let admitted =
            admit_text(&mut connection, statement, &[], &Rules::default(), &memory).await;
        let explain = analyze.map(|analyze| Explain { analyze });
        let admitted = admitted.expect("a SELECT");
        assert_eq!((admitted.sql.as_str(), admitted.explain), (sql, explain), "{statement}");
    }
}

#[tokio::test]
async fn refusals_say_what_would_be_allowed() {
    let none = Rules::default();
    for (statement, expected) in [
        ("SELECT 1; SELECT 2", "invalid: One statement at a time: this is 2."),
        ("SELEC 1", "invalid: the statement is not valid SQL: syntax error at or near \"SELEC\""),
        ("SELECT * FROM custmers", "there is no relation custmers. Did you mean public.customers?"),
        ("SELECT lenght('x')", "there is no function lenght. Did you mean length?"),
        ("DELETE FROM customers", "denied: DELETE changes data"),
        ("SELECT pg_sleep(1)", "denied: function pg_catalog.pg_sleep is volatile"),
        ("SELECT unmarked()", "what the operator lists under functions"),
        ("SELECT repeat(repeat('x', 99), id) FROM orders", "write least(…, 1000) around"),
        ("SELECT repeat('x', id * 9999) FROM orders", "smallint out of range"),
        ("SELECT * FROM pg_authid", "such as pg_class or information_schema.columns"),
        ("SHOW TimeZone", "current_setting('TimeZone')"),
    ] {
        check(statement, &none, expected).await;
    }
}

#[tokio::test]
async fn the_operator_may_list_functions() {
    let rules = Rules { functions: vec!["public.unmarked".into()], ..Rules::default() };
    check("SELECT unmarked()", &rules, r#"[{"unmarked":8}]"#).await;
    check("SELECT pg_sleep(0)", &rules, "denied: ").await;
}

#[tokio::test]
async fn a_column_is_no_function_of_its_name() {
    let none = Rules::default();
    check("SELECT s.total FROM sums s", &none, r#"[{"total":3}]"#).await;
    check("SELECT o.total FROM orders o", &none, "denied: .total may call").await;
    check("SELECT s.total FROM sums s, (SELECT o.total FROM orders o) x", &none, "denied: ").await;
    check("SELECT (s).total FROM sums s", &none, "denied: ").await;
    check("WITH q AS (SELECT 4 AS half) SELECT q.half FROM q", &none, r#"[{"half":4}]"#).await;
    check("SELECT q.half FROM (SELECT 4) AS q(half)", &none, r#"[{"half":4}]"#).await;
    check("SELECT q.half FROM generate_series(1, 2) AS q(x)", &none, "denied: .half may").await;
    check("SELECT q.total FROM (SELECT * FROM orders) q", &none, "denied: .total may").await;
    check("SELECT q.anything FROM (SELECT 4) AS q(x)", &none, "denied: .anything may").await;
    check("SELECT q.total FROM orders q, (SELECT q.total FROM (SELECT 4) q(x)) y", &none, "denied")
        .await;
}

#[tokio::test]
async fn what_rows_say_is_guarded() {
    let none = Rules::default();
    for (statement, expected) in [
        ("SELECT repeat('ab', id) AS t FROM orders", r#"[{"t":"ababababababab"}]"#),
        ("SELECT lpad('', (id - 4) * customer, '- ') AS t FROM orders", r#"[{"t":"- -"}]"#),
        ("SELECT pg_catalog.repeat ( /* a */ concat('x', ')'), id-(5) ) AS t FROM orders", "x)x)"),
        ("SELECT repeat('a', (SELECT count(*) FROM orders)::int) AS t", r#"[{"t":"a"}]"#),
        ("SELECT rpad(repeat('a', id), 9, '.') AS t FROM orders", r#"[{"t":"aaaaaaa.."}]"#),
        ("SELECT repeat('a', (ARRAY[1, id])[2]) AS t FROM orders", "aaaaaaa"),
    ] {
        check(statement, &none, expected).await;
    }
    let params = [Param::Integer(3)];
    let answer = answer("SELECT repeat('x', $1) AS t", &params, &none).await;
    assert_eq!(answer.as_deref(), Ok(r#"[{"t":"xxx"}]"#));
}

#[tokio::test]
async fn chains_are_long_and_nesting_has_an_end() {
    let chain = format!("SELECT 1{} AS n", " + 1".repeat(299));
    check(&chain, &Rules::default(), r#"[{"n":300}]"#).await;
    let deep = format!("SELECT {}1{}", "abs(".repeat(9_000), ")".repeat(9_000));
    check(&deep, &Rules::default(), "invalid: the statement is nested too deeply").await;
}

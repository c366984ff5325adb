//! What may be seen: allowed and denied tables, masked columns, functions by name, parameters.

use std::collections::BTreeMap;

use contract::Kind;
use servers::mariadb::{READER, shared};

use super::world::{Ask, error, rows, setup, value};
use crate::engine::mysql::Mysql;
use crate::engine::{Param, Rules};
use crate::settings::Mask;

fn patterns(list: &[&str]) -> Vec<String> {
    list.iter().map(|pattern| (*pattern).to_owned()).collect()
}

fn engine(database: &str, rules: Rules) -> Mysql {
    let mut setup = setup(shared(), READER, database);
    setup.rules = rules;
    Mysql::new(setup).expect("an engine")
}

#[tokio::test]
async fn masked_columns_are_never_seen() {
    shared().database(
        "masked",
        "CREATE TABLE customers (id INT PRIMARY KEY, email VARCHAR(50), phone VARCHAR(20),
             card CHAR(16), born DATE);
         INSERT INTO customers VALUES (1, 'ann@example.org', '0301234567', '4111', '1990-01-01'),
             (2, 'bob@example.org', '0309876543', '5111', NULL);
         CREATE TABLE orders (id INT, customer INT); INSERT INTO orders VALUES (7, 1), (8, 2);
         CREATE VIEW everyone AS SELECT * FROM customers;
         CREATE VIEW counted AS SELECT COUNT(*) AS n FROM orders;",
    );
    let mask =
        [("email", Mask::Hash), ("phone", Mask::Last4), ("card", Mask::Drop), ("born", Mask::Null)];
    let mask = mask.map(|(column, mask)| (format!("masked.customers.{column}"), mask));
    let engine = engine("masked", Rules { mask: BTreeMap::from(mask), ..Rules::default() });

    let hash = value(&engine, "SELECT email FROM customers WHERE id = 1").await;
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert_eq!(
        value(&engine, "SELECT MAX(`Email`) FROM masked.customers c WHERE c.id = 1").await,
        hash
    );
    assert_eq!(value(&engine, "SELECT phone FROM customers WHERE id = 1").await, "…4567");
    assert_eq!(value(&engine, "SELECT born FROM customers WHERE id = 1").await, "NULL");
    let whole = rows(
        &engine,
        "SELECT c.*, o.id FROM customers c JOIN orders o ON o.customer = c.id WHERE o.id = 7",
    )
    .await;
    assert_eq!(
        whole,
        [[Some("1".into()), Some(hash), Some("…4567".into()), None, Some("7".into())]]
    );

    // However it is asked, nothing tells what is behind the mask.
    for query in [
        "SELECT id FROM customers WHERE email = 'ann@example.org'",
        "SELECT id FROM customers WHERE email LIKE 'ann%'",
        "SELECT id FROM masked.customers WHERE masked.customers.email < 'b' AND masked.customers.email > 'an'",
        "SELECT id FROM Customers WHERE 1 = 0 UNION SELECT id FROM customers WHERE born = '1990-01-01'",
        "WITH customers AS (SELECT * FROM customers) SELECT id FROM customers WHERE phone = '0301234567'",
        "SELECT x.id FROM (customers x) WHERE x.phone LIKE '030%'",
    ] {
        let kept = Ask::new(query).of(&engine).await;
        let is_silent = match kept {
            Ok(kept) => kept.rows.is_empty(),
            Err(error) => !error.message.contains("ann@"),
        };
        assert!(is_silent, "{query}");
    }
    assert!(error(&engine, "SELECT card FROM customers").await.message.contains("card"));
    for refused in [
        "TABLE customers",
        "SELECT * FROM customers USE INDEX (PRIMARY)",
        "SELECT * FROM everyone",
        "SELECT @suite_salt",
        "SELECT * FROM information_schema.columns",
    ] {
        assert_eq!(error(&engine, refused).await.kind, Kind::Denied, "{refused}");
    }
    assert_eq!(value(&engine, "SELECT n FROM counted").await, "2");
    // The salt stands nowhere, not even in a plan.
    let plan = Ask::new("SELECT id FROM customers WHERE email = 'x'").plan(&engine, true).await;
    let plan = plan.expect("a plan");
    let salt = engine.salt.clone().expect("a salt");
    assert!(!plan.text.contains(&salt), "{}", plan.text);
}

#[tokio::test]
async fn only_allowed_tables_are_read() {
    shared().database(
        "limited",
        "CREATE TABLE open_one (n INT); INSERT INTO open_one VALUES (1);
         CREATE TABLE closed (n INT); CREATE TABLE open_secret (n INT);
         CREATE VIEW open_view AS SELECT * FROM closed;",
    );
    let engine = engine(
        "limited",
        Rules {
            allow: patterns(&["limited.open_*"]),
            deny: patterns(&["*.*secret"]),
            ..Rules::default()
        },
    );
    assert_eq!(value(&engine, "SELECT n FROM open_one").await, "1");
    for refused in ["closed", "open_secret", "limited.`OPEN_SECRET`", "open_view"] {
        let error = error(&engine, &format!("SELECT * FROM {refused}")).await;
        assert_eq!(error.kind, Kind::Denied, "{refused}: {error}");
    }
}

#[tokio::test]
async fn a_function_runs_where_the_operator_names_it() {
    shared().database(
        "functional",
        "CREATE FUNCTION vat(n DECIMAL(10,2)) RETURNS DECIMAL(10,2) DETERMINISTIC NO SQL
             RETURN n * 1.19;
         CREATE FUNCTION tenant() RETURNS VARCHAR(40) NO SQL RETURN @tenant;
         CREATE TABLE notes (tenant VARCHAR(40), body VARCHAR(40));
         INSERT INTO notes VALUES ('a', 'of a'), ('b', 'of b');
         CREATE VIEW mine AS SELECT body FROM notes WHERE tenant = tenant();
         CREATE USER caller@'%' IDENTIFIED BY 'correct horse battery staple';
         GRANT SELECT, SHOW VIEW ON functional.* TO caller@'%';
         GRANT EXECUTE ON FUNCTION functional.vat TO caller@'%';",
    );
    // An account of its own: the others of these tests may run no function.
    let mut named = setup(shared(), "caller", "functional");
    named.rules.functions = patterns(&["functional.vat", "functional.tenant"]);
    let named = Mysql::new(named).expect("an engine");
    assert_eq!(value(&named, "SELECT vat(100), functional.vat(1)").await, "119.00");
    let mut layers = setup(shared(), "caller", "functional");
    layers.layers.credential = false;
    let unnamed = Mysql::new(layers).expect("an engine");
    assert_eq!(error(&unnamed, "SELECT vat(100)").await.kind, Kind::Denied);

    // Who asks is known to a view, and to nobody after it.
    for (tenant, expected) in [("a", "of a"), ("b", "of b")] {
        let session = [("tenant".to_owned(), tenant.to_owned())];
        let ask = Ask { session: &session, ..Ask::new("SELECT body FROM mine") };
        let kept = ask.of(&named).await.expect("the view is read");
        assert_eq!(kept.rows, [[Some(expected.to_owned())]]);
        assert!(rows(&named, "SELECT body FROM mine").await.is_empty());
    }
}

#[tokio::test]
async fn parameters_keep_their_types() {
    shared().database(
        "placed",
        "CREATE TABLE prices (id INT, price DECIMAL(40,20), day DATE, name VARCHAR(20));
         INSERT INTO prices VALUES (1, 0.10000000000000000001, '2026-01-02', 'O''Neil'),
             (2, 0.1, NULL, 'b')",
    );
    let engine = engine("placed", Rules::default());
    let check = async |statement: &str, params: &[Param], expected: &[&str]| {
        let kept = Ask { params, ..Ask::new(statement) }.of(&engine).await.expect(statement);
        let first: Vec<String> =
            kept.rows.into_iter().map(|row| row[0].clone().unwrap_or("NULL".to_owned())).collect();
        assert_eq!(first, expected, "{statement}");
    };
    let exact = Param::Number("0.10000000000000000001".to_owned());
    check("SELECT id FROM prices WHERE price = ?", &[exact], &["1"]).await;
    check("SELECT id FROM prices WHERE name = ?", &[Param::Text("O'Neil".to_owned())], &["1"])
        .await;
    check("SELECT id FROM prices WHERE day > ?", &[Param::Text("2026-01-01".to_owned())], &["1"])
        .await;
    check("SELECT ? IS NULL", &[Param::Null], &["1"]).await;
    check("SELECT ? + 1", &[Param::Integer(41)], &["42"]).await;
    check("SELECT id FROM prices WHERE (id = 1) = ?", &[Param::Bool(true)], &["1"]).await;
    check("SELECT id FROM prices ORDER BY id LIMIT ?", &[Param::Integer(1)], &["1"]).await;
    let injected = Param::Text("x' OR '1'='1".to_owned());
    check("SELECT id FROM prices WHERE name = ?", &[injected], &[]).await;
    let missing = Ask::new("SELECT ?").of(&engine).await.expect_err("a parameter is missing");
    assert!(missing.message.contains("1 placeholders"), "{missing}");
}

#[tokio::test]
async fn errors_help() {
    shared().database("helping", "CREATE TABLE orders (id INT, total INT)");
    let engine = engine("helping", Rules::default());
    let check = async |statement: &str, expected: &str| {
        let error = error(&engine, statement).await;
        assert!(error.message.contains(expected), "{statement}: {error}");
    };
    check("SELECT totl FROM orders", "did you mean total").await;
    check("SELECT * FROM ordrs", "did you mean orders").await;
    check("SELECT 1 +", "not understood").await;
    check("SELECT id id2 id3 FROM orders", "from here on: id3").await;
    check("SELECT REPEAT('a', id * 100000) FROM (SELECT 1 AS id) t", "at most 65536").await;
}

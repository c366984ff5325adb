//! Plans and the remarks that matter.

use super::*;
use crate::engine::Plan;

const SHOP: &str = "
    CREATE TABLE customers AS SELECT n AS id, 'c' || n AS name FROM generate_series(1, 20000) n;
    CREATE TABLE orders AS SELECT n AS id, n % 20000 AS customer, n % 7 AS state, n / 3.0 AS total
        FROM generate_series(1, 60000) n;
    CREATE TABLE skewed AS SELECT 1 AS a, 1 AS b FROM generate_series(1, 40000);
    INSERT INTO skewed SELECT n, n + 1 FROM generate_series(2, 40000) n;
    ANALYZE;";

async fn plan(engine: &Postgres, statement: &str, analyze: bool) -> Plan {
    engine.explain(&run(statement), analyze).await.expect("a plan")
}

#[tokio::test]
async fn a_plan_has_lines_cost_and_rows() {
    let engine = database("planned", SHOP);
    let statement = "SELECT c.name, sum(o.total) FROM customers c JOIN orders o ON o.customer = c.id \
                     WHERE o.state = 3 GROUP BY c.name";
    let found = plan(&engine, statement, false).await;
    assert!(found.text.contains("Hash Join") && found.text.contains("on: "), "{}", found.text);
    assert!(found.text.contains("Seq Scan on orders o"), "{}", found.text);
    assert!(found.cost.is_some_and(|cost| cost > 100.0) && found.rows.is_some());
    assert_eq!(found.ran, None);
    let found = plan(&engine, statement, true).await;
    assert!(found.ran.is_some() && found.text.contains("; came "), "{}", found.text);
}

#[tokio::test]
async fn remarks_say_what_matters() {
    let engine = database("remarked", SHOP);
    let found = plan(&engine, "SELECT * FROM orders WHERE customer = 17", false).await;
    assert_eq!(
        found.remarks,
        ["All 60000 rows of orders are read to keep 3; an index on orders (customer) would help."]
    );
    let found = plan(&engine, "SELECT count(*) FROM customers, orders", false).await;
    assert!(found.remarks[0].starts_with("Nothing joins orders with customers"), "{found:?}");
    let wrong = "SELECT * FROM skewed WHERE a = 1 AND b = 1";
    let found = plan(&engine, wrong, true).await;
    assert!(found.remarks.iter().all(|remark| remark.ends_with('.')), "{found:?}");
    let found =
        plan(&engine, "SELECT * FROM orders o JOIN customers c ON c.id < o.id", false).await;
    assert!(found.remarks[0].contains("is compared with each of"), "{found:?}");
    let found = plan(&engine, "SELECT * FROM orders ORDER BY total, id", true).await;
    assert!(found.remarks.is_empty() || found.remarks[0].contains("disk"), "{found:?}");
    assert!(plan(&engine, "SELECT 1", false).await.remarks.is_empty());
}

#[tokio::test]
async fn parameters_are_bound_in_a_plan() {
    let engine = database("plan_params", SHOP);
    let params = [Param::Integer(17)];
    let asked = Run { params: &params, ..run("SELECT * FROM orders WHERE customer = $1") };
    let found = engine.explain(&asked, true).await.expect("a plan");
    assert!(found.text.contains("Seq Scan on orders"), "{}", found.text);
}

#[tokio::test]
async fn nothing_but_what_would_run_is_explained() {
    let engine = database("unplanned", SHOP);
    let error = engine.explain(&run("DELETE FROM orders"), true).await.expect_err("refused");
    assert!(["denied", "invalid"].contains(&error.kind.name()), "{error}");
    let error = engine.explain(&run("SELECT 1; SELECT 2"), false).await.expect_err("refused");
    assert_eq!(error.kind.name(), "invalid", "{error}");
    assert_eq!(server().psql("unplanned", "SELECT count(*) FROM orders"), "60000");
}

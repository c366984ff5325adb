//! Schemas and plans.

use super::*;
use crate::schema::{ForeignKey, Index, TableKind};

const SHOP: &str = "CREATE TABLE customers ( -- who buys\n id INTEGER PRIMARY KEY, \
      email TEXT NOT NULL UNIQUE, -- where bills go\n city TEXT DEFAULT 'Bonn'); \
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers, \
      day TEXT, cents INTEGER); \
    CREATE INDEX orders_by_day ON orders (day, abs(cents)); \
    CREATE TABLE lines (\"order\" INTEGER, place INTEGER, PRIMARY KEY (\"order\", place)) WITHOUT ROWID; \
    CREATE VIEW big AS SELECT * FROM orders WHERE cents > 1000; \
    CREATE VIEW broken AS SELECT * FROM gone; \
    CREATE VIRTUAL TABLE words USING fts5(word); \
    INSERT INTO customers VALUES (1, 'a@example.com', NULL), (2, 'b@example.com', NULL);";

async fn schema(engine: &Sqlite) -> crate::schema::Schema {
    engine.schema(Instant::now() + Duration::from_secs(20)).await.expect("a schema")
}

#[tokio::test]
async fn tables_are_described_with_keys_indexes_and_comments() {
    let file = File::of(SHOP).await;
    let schema = schema(&file.engine()).await;
    assert_eq!(schema.home, "main");
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["big", "broken", "customers", "lines", "orders", "words"]);
    let [big, broken, customers, lines, orders, _] = schema.tables.as_slice() else {
        panic!("six tables")
    };
    assert_eq!((big.kind, big.columns.len()), (TableKind::View, 4));
    assert_eq!((broken.kind, broken.columns.len()), (TableKind::View, 0));
    assert_eq!(customers.comment.as_deref(), Some("who buys"));
    assert_eq!(customers.rows, Some(2));
    assert_eq!(customers.primary, ["id"]);
    let email = &customers.columns[1];
    assert_eq!(email.comment.as_deref(), Some("where bills go"));
    assert_eq!((email.type_name.as_str(), email.is_nullable), ("TEXT", false));
    assert_eq!(customers.columns[2].default.as_deref(), Some("'Bonn'"));
    assert_eq!(lines.primary, ["order", "place"]);
    let key = ForeignKey {
        columns: vec!["customer".to_owned()],
        to: ("main".to_owned(), "customers".to_owned()),
        to_columns: vec!["id".to_owned()],
    };
    assert_eq!(orders.foreign, [key]);
    let index = Index {
        name: "orders_by_day".to_owned(),
        columns: vec!["day".to_owned(), "(expression)".to_owned()],
        is_unique: false,
    };
    assert_eq!(orders.indexes, [index]);
    assert!(customers.indexes.iter().any(|index| index.is_unique && index.columns == ["email"]));
}

#[tokio::test]
async fn the_schema_follows_changes_and_the_rules() {
    let file = File::of(SHOP).await;
    let rules = rules(
        &["main.customers"],
        &[("main.orders.day", Mask::Drop), ("main.orders.cents", Mask::Null)],
    );
    let engine = file.engine_with(rules, Layers::ALL);
    let found = schema(&engine).await;
    assert!(found.tables.iter().all(|table| table.name != "customers"));
    let orders = found.tables.iter().find(|table| table.name == "orders").expect("orders");
    let columns: Vec<_> =
        orders.columns.iter().map(|column| (column.name.as_str(), column.is_masked)).collect();
    assert_eq!(columns, [("id", false), ("customer", false), ("cents", true)]);
    assert!(orders.foreign.is_empty() && orders.indexes.is_empty());
    assert_eq!(found, schema(&engine).await);
    file.write("CREATE TABLE fresh (a)").await;
    assert!(schema(&engine).await.tables.iter().any(|table| table.name == "fresh"));
}

#[tokio::test]
async fn a_thousand_tables_are_described() {
    let mut script = "BEGIN;".to_owned();
    for number in 0..1000 {
        script.push_str(&format!(
            "CREATE TABLE t{number:04} (id INTEGER PRIMARY KEY, a TEXT, b REAL, c TEXT, d TEXT);"
        ));
    }
    script.push_str("COMMIT");
    let file = File::of(&script).await;
    let engine = file.engine();
    let began = Instant::now();
    let found = schema(&engine).await;
    println!("1,000 tables, the first time: {:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(schema(&engine).await.tables.len(), 1000);
    println!("again: {:?}", began.elapsed());
    assert!(found.tables.iter().all(|table| table.columns.len() == 5));
}

#[tokio::test]
async fn plans_are_trees_with_the_sentences_that_matter() {
    let file = File::of(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); \
         INSERT INTO t (a, b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 12000) SELECT i, i % 7 FROM n; \
         CREATE TABLE small (x);",
    )
    .await;
    let engine = file.engine();
    let explain = async |statement: &str, analyze| {
        let deadline = Instant::now() + Duration::from_secs(20);
        let run = Run { statement, params: &[], session: &[], skip: 0, cell: 100, deadline };
        engine.explain(&run, analyze).await
    };
    let plan = explain("SELECT x.b, count(*) FROM t AS x GROUP BY x.b ORDER BY 2", false)
        .await
        .expect("a plan");
    assert!(plan.text.starts_with("SCAN x\n"), "{}", plan.text);
    assert_eq!(plan.remarks.len(), 2, "{:?}", plan.remarks);
    assert!(
        plan.remarks[0].contains("Every row of `t` is read (about 12000)"),
        "{:?}",
        plan.remarks
    );
    assert!(plan.remarks[1].contains("sorted in memory for GROUP BY"), "{:?}", plan.remarks);
    assert_eq!((plan.cost, plan.ran), (None, None));
    let plan = explain("SELECT * FROM t WHERE id = 5", true).await.expect("a plan");
    assert_eq!((plan.remarks.len(), plan.rows), (0, Some(1.0)));
    assert!(plan.ran.is_some_and(|milliseconds| milliseconds >= 0.0));
    let plan = explain("EXPLAIN QUERY PLAN SELECT * FROM small s JOIN t ON t.a = s.x", false)
        .await
        .expect("a plan");
    assert!(
        plan.remarks.iter().any(|remark| remark.contains("an index on `t` (a)"))
            || plan.text.contains("SCAN"),
        "{plan:?}"
    );
    let error = explain("DELETE FROM t", true).await.expect_err("no reading");
    assert!(error.message.contains("`DELETE`"), "{error}");
}

//! The schema and plans.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use servers::mariadb::{READER, shared};

use super::sample::sample;
use super::world::{Ask, setup};
use crate::engine::mysql::Mysql;
use crate::engine::{Engine as _, Rules};
use crate::schema::{ForeignKey, Index, Schema, TableKind};
use crate::settings::Mask;

async fn schema(engine: &Mysql) -> Schema {
    engine.schema(Instant::now() + Duration::from_secs(30)).await.expect("a schema")
}

#[tokio::test]
async fn the_schema_is_described_as_far_as_it_may_be_seen() {
    shared().database(
        "described",
        "CREATE TABLE customers (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
             email VARCHAR(50) NOT NULL COMMENT 'where to write', card CHAR(16),
             grade ENUM('a', 'b') DEFAULT 'a', UNIQUE KEY one (email)) COMMENT 'who buys';
         CREATE TABLE orders (shop INT, id INT, customer BIGINT UNSIGNED, PRIMARY KEY (shop, id),
             FOREIGN KEY (customer) REFERENCES customers (id), KEY two (customer, id));
         CREATE TABLE hidden (n INT);
         CREATE VIEW totals AS SELECT COUNT(*) AS n FROM orders;
         CREATE SEQUENCE numbers;",
    );
    let mut setup = setup(shared(), READER, "described");
    setup.rules = Rules {
        allow: vec!["described.*".to_owned()],
        deny: vec!["described.hidden".to_owned()],
        mask: BTreeMap::from([
            ("described.customers.email".to_owned(), Mask::Hash),
            ("described.customers.card".to_owned(), Mask::Drop),
        ]),
        ..Rules::default()
    };
    let schema = schema(&Mysql::new(setup).expect("an engine")).await;
    assert_eq!(schema.home, "described");
    let names: Vec<&str> = schema.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["customers", "orders", "totals"]);
    let [customers, orders, totals] = schema.tables.as_slice() else { panic!("three tables") };
    assert_eq!(customers.comment.as_deref(), Some("who buys"));
    assert_eq!(customers.primary, ["id"]);
    let columns: Vec<(&str, &str, bool, Option<&str>, bool)> = customers
        .columns
        .iter()
        .map(|column| {
            let default = column.default.as_deref();
            (&*column.name, &*column.type_name, column.is_nullable, default, column.is_masked)
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("id", "bigint(20) unsigned", false, Some("auto_increment"), false),
            ("email", "varchar(50)", false, None, true),
            ("grade", "enum('a','b')", true, Some("'a'"), false),
        ]
    );
    assert_eq!(customers.columns[1].comment.as_deref(), Some("where to write"));
    let one = Index { name: "one".into(), columns: vec!["email".into()], is_unique: true };
    assert_eq!(customers.indexes, [one]);
    assert_eq!(orders.primary, ["shop", "id"]);
    let key = ForeignKey {
        columns: vec!["customer".into()],
        to: ("described".into(), "customers".into()),
        to_columns: vec!["id".into()],
    };
    assert_eq!(orders.foreign, [key]);
    assert_eq!(totals.kind, TableKind::View);
}

#[tokio::test]
async fn a_plan_says_what_matters() {
    let server = sample();
    let engine = Mysql::new(setup(server, READER, "sample")).expect("an engine");
    let join = "SELECT * FROM orders JOIN lineitem ON l_orderkey = o_orderkey WHERE o_comment = ?";
    let params = [crate::engine::Param::Text("plain".to_owned())];
    let ask = Ask { params: &params, ..Ask::new(join) };
    let plan = ask.plan(&engine, false).await.expect("a plan");
    assert!(plan.cost.is_some_and(|cost| cost > 0.0), "{plan:?}");
    assert!(plan.text.contains("orders: all rows"), "{}", plan.text);
    assert!(plan.text.contains("lineitem: ref by PRIMARY"), "{}", plan.text);
    assert_eq!(plan.ran, None);
    let plan = ask.plan(&engine, true).await.expect("a plan");
    assert!(plan.ran.is_some() && plan.text.contains("in fact"), "{plan:?}");
    let large = Ask::new(
        "SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_100000 b WHERE a.seq < b.seq * 2 + 1",
    );
    let plan = large.plan(&engine, false).await.expect("a plan");
    assert!(plan.remarks.first().is_some_and(|remark| remark.contains("joined")), "{plan:?}");
    let refused = Ask::new("DELETE FROM orders").plan(&engine, true).await;
    assert!(refused.is_err());
    let own = Ask::new("EXPLAIN SELECT * FROM orders WHERE o_orderkey = 1").of(&engine).await;
    let own = own.expect("a plan");
    assert_eq!(own.columns[0].name, "id");
    let own = Ask::new("EXPLAIN FORMAT=JSON SELECT 1").of(&engine).await.expect("a plan");
    assert!(own.rows[0][0].as_ref().is_some_and(|json| json.contains("query_block")));
    let own = Ask::new("ANALYZE SELECT COUNT(*) FROM orders").of(&engine).await.expect("a plan");
    assert!(own.columns.iter().any(|column| column.name == "r_rows"), "{:?}", own.columns);
}

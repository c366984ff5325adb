//! The sample database that servers.toml names: the file is what its script makes.

use super::*;

const SCRIPT: &str = include_str!("../../../../../../samples/sales.sql");

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/sales.db")
}

/// Everything in a database, as text.
async fn dump(engine: &Sqlite) -> String {
    let all = Ask {
        most: 100_000,
        ..Ask::new(
            "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name",
        )
    };
    let mut text = all.of(engine).await.expect("the schema").lines();
    for table in ["customers", "products", "orders", "order_lines"] {
        let statement = format!("SELECT * FROM {table} ORDER BY 1, 2");
        let all = Ask { most: 100_000, ..Ask::new(&statement) };
        text.push_str(&all.of(engine).await.expect("its rows").lines());
    }
    text
}

#[tokio::test]
async fn the_sample_is_what_its_script_makes() {
    let made = File::of(SCRIPT).await;
    let committed = engine(&sample(), Rules::default(), Layers::ALL);
    let (made, committed) = (dump(&made.engine()).await, dump(&committed).await);
    assert!(
        made == committed,
        "rm -f samples/sales.db && sqlite3 samples/sales.db < samples/sales.sql"
    );
    let size = std::fs::metadata(sample()).expect("the file").len();
    assert!(size <= 200_000, "{size} bytes");
}

#[tokio::test]
async fn the_sample_is_described_with_comments() {
    let engine = engine(&sample(), Rules::default(), Layers::ALL);
    let schema = engine.schema(Instant::now() + Duration::from_secs(20)).await.expect("a schema");
    assert_eq!(schema.tables.len(), 7);
    let customers =
        schema.tables.iter().find(|table| table.name == "customers").expect("customers");
    assert_eq!(customers.rows, Some(150));
    assert!(customers.comment.as_deref().is_some_and(|comment| comment.starts_with("who buys")));
    let views = schema.tables.iter().filter(|table| table.comment.is_none()).count();
    assert_eq!(views, 1, "orders alone has none");
    let masked =
        rules(&[], &[("main.customers.email", Mask::Hash), ("main.customers.phone", Mask::Last4)]);
    let engine = self::engine(&sample(), masked, Layers::ALL);
    check(&engine, "SELECT count(*) FROM customer_summary WHERE email LIKE '%@%'", "0").await;
    check(&engine, "SELECT count(*) FROM customer_summary", "150").await;
}

//! The schema as the catalogue has it, the credential may see it and the rules let it be seen.

use super::*;
use crate::schema::{Schema, Table, TableKind};
use crate::settings::Mask;

const SHOP: &str = "
    CREATE TYPE state AS ENUM ('open', 'sent', 'paid');
    CREATE TABLE customers (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
        email text UNIQUE, since date DEFAULT '2026-01-01');
    COMMENT ON TABLE customers IS 'Who buys.'; COMMENT ON COLUMN customers.email IS 'Private.';
    CREATE TABLE orders (id bigint PRIMARY KEY, customer int REFERENCES customers (id),
        state state, total numeric(10,2));
    CREATE INDEX late ON orders (customer, state); CREATE INDEX loud ON customers (lower(name));
    CREATE VIEW open AS SELECT * FROM orders WHERE state = 'open';
    CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(total) FROM orders GROUP BY 1;
    CREATE TABLE events (at date, what text) PARTITION BY RANGE (at);
    CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    INSERT INTO events SELECT '2026-05-05', 'x' FROM generate_series(1, 50);
    ANALYZE;
    CREATE TABLE secrets (id int, word text); REVOKE ALL ON secrets FROM reader;
    CREATE TABLE partly (id int, word text); REVOKE ALL ON partly FROM reader;
    GRANT SELECT (id) ON partly TO reader;
    CREATE SCHEMA hidden; CREATE TABLE hidden.t (n int); GRANT SELECT ON hidden.t TO reader;";

async fn schema(engine: &Postgres) -> Schema {
    engine.schema(Instant::now() + Duration::from_secs(20)).await.expect("a schema")
}

fn names(schema: &Schema) -> Vec<&str> {
    schema.tables.iter().map(|table| table.name.as_str()).collect()
}

fn table<'a>(schema: &'a Schema, name: &str) -> &'a Table {
    schema.tables.iter().find(|table| table.name == name).expect("the table")
}

fn columns(table: &Table) -> Vec<String> {
    let word = |column: &crate::schema::TableColumn| {
        let mut word = format!("{} {}", column.name, column.type_name);
        if !column.is_nullable {
            word.push('!');
        }
        for (mark, text) in [("=", &column.default), ("-- ", &column.comment)] {
            if let Some(text) = text {
                word.push_str(&format!(" {mark}{text}"));
            }
        }
        if column.is_masked { word + " masked" } else { word }
    };
    table.columns.iter().map(word).collect()
}

#[tokio::test]
async fn tables_columns_keys_and_indexes_are_told() {
    let schema = schema(&database("shop", SHOP)).await;
    assert_eq!(schema.home, "public");
    assert_eq!(names(&schema), ["customers", "events", "open", "orders", "partly", "totals"]);
    let customers = table(&schema, "customers");
    assert_eq!(customers.comment.as_deref(), Some("Who buys."));
    assert_eq!(
        columns(customers),
        [
            "id integer! =identity",
            "name text!",
            "email text -- Private.",
            "since date ='2026-01-01'::date"
        ]
    );
    assert_eq!(customers.primary, ["id"]);
    let indexes: Vec<_> =
        customers.indexes.iter().map(|index| (index.columns.concat(), index.is_unique)).collect();
    assert_eq!(indexes, [("email".to_owned(), true), ("lower(name)".to_owned(), false)]);
    let orders = table(&schema, "orders");
    assert_eq!(columns(orders)[2..], ["state state", "total numeric(10,2)"]);
    let foreign = orders.foreign.first().expect("a key");
    assert_eq!(foreign.to, ("public".to_owned(), "customers".to_owned()));
    assert_eq!(
        (foreign.columns.concat(), foreign.to_columns.concat()),
        ("customer".into(), "id".into())
    );
    assert_eq!(orders.indexes[0].columns, ["customer", "state"]);
    assert_eq!((orders.kind, orders.rows), (TableKind::Table, Some(0)));
    assert_eq!((table(&schema, "events").rows, table(&schema, "open").rows), (Some(50), None));
    assert_eq!(table(&schema, "open").kind, TableKind::View);
    assert_eq!(table(&schema, "totals").kind, TableKind::Materialized);
    assert_eq!(columns(table(&schema, "partly")), ["id integer"], "what may be selected");
    let state = schema.enums.first().expect("an enumeration");
    assert_eq!(
        (state.name.as_str(), state.labels.join(",")),
        ("state", "open,sent,paid".to_owned())
    );
}

#[tokio::test]
async fn rules_hide_tables_and_columns() {
    server().database("shop_rules", SHOP);
    let mut setup = setup("shop_rules");
    setup.rules.deny = vec!["public.orders".to_owned(), "*.events".to_owned()];
    setup.rules.mask = [
        ("public.customers.email".to_owned(), Mask::Hash),
        ("public.customers.name".to_owned(), Mask::Drop),
    ]
    .into();
    let schema = schema(&engine(setup)).await;
    assert_eq!(names(&schema), ["customers", "open", "partly", "totals"]);
    let customers = table(&schema, "customers");
    assert_eq!(columns(customers)[1], "email text -- Private. masked");
    assert!(!format!("{customers:?}").contains("name: \"name\""), "no column");
    assert!(!format!("{customers:?}").contains("lower(name)"), "no index that names it");
    assert_eq!(customers.indexes.len(), 1);
}

#[tokio::test]
async fn a_thousand_tables_are_no_burden() {
    let engine = database(
        "thousand",
        "DO $$ BEGIN FOR n IN 1..1000 LOOP EXECUTE format('CREATE TABLE t%s (id int PRIMARY KEY, \
         a text NOT NULL, b numeric(10,2) DEFAULT 0, c timestamptz, d jsonb, e int, f int, g int, \
         h int, i int)', n); END LOOP; END $$",
    );
    schema(&engine).await;
    let began = Instant::now();
    let found = schema(&engine).await;
    println!("1,000 tables: {:?}", began.elapsed());
    assert_eq!(found.tables.len(), 1_000);
    assert!(found.tables.iter().all(|table| table.columns.len() == 10 && table.primary == ["id"]));
}

//! Masks, denied tables and the catalogue.

use super::*;

const SHOP: &str = "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, \
      phone TEXT, note TEXT, domain AS (substr(email, instr(email, '@') + 1))); \
    INSERT INTO customers (id, name, email, phone, note) VALUES \
      (1, 'Ann', 'SECRET-ann@example.com', '+49 30 5550101', 'SECRET note'), \
      (2, 'Bob', 'SECRET-bob@example.com', NULL, NULL), \
      (3, 'Cy', 'SECRET-ann@example.com ', '77', 'x'); \
    CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers (id), \
      cents INTEGER); \
    INSERT INTO orders VALUES (1, 1, 500), (2, 1, 250), (3, 2, 100); \
    CREATE TABLE wages (id INTEGER, cents INTEGER); INSERT INTO wages VALUES (1, 123456); \
    CREATE VIEW contacts AS SELECT id, email, phone FROM customers; \
    CREATE VIEW spending (who, cents) AS SELECT c.email, sum(o.cents) FROM main.customers c \
      JOIN orders o ON o.customer = c.id GROUP BY 1; \
    CREATE VIEW nested AS SELECT * FROM contacts; \
    CREATE VIEW paid AS SELECT * FROM wages;";

fn masked() -> Rules {
    rules(
        &["main.wages"],
        &[
            ("main.customers.email", Mask::Hash),
            ("main.customers.domain", Mask::Null),
            ("main.customers.phone", Mask::Last4),
            ("main.customers.note", Mask::Drop),
        ],
    )
}

#[tokio::test]
async fn masks_apply_wherever_the_column_is_used() {
    let file = File::of(SHOP).await;
    let engine = &file.engine_with(masked(), Layers::ALL);
    let answer = ask(engine, "SELECT * FROM customers").await.expect("rows");
    let names: Vec<_> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "email", "phone", "domain"]);
    let hash = answer.rows[0][2].clone().expect("a hash");
    assert!(hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hash}");
    assert_eq!(answer.rows[0][3].as_deref(), Some("…0101"));
    assert_eq!(answer.rows[2][3].as_deref(), Some("…7"));
    assert_eq!(answer.rows[1][3], None);
    assert_eq!(answer.rows[0][4], None);
    assert_ne!(answer.rows[0][2], answer.rows[2][2]);
    for statement in [
        "SELECT email FROM customers WHERE id = 1",
        "SELECT c.email FROM main.customers AS c WHERE c.id = 1",
        "SELECT \"main\".\"customers\".email FROM [main].`customers` WHERE id = 1",
        "SELECT max(email) FROM customers WHERE id = 1",
        "WITH c AS (SELECT * FROM customers) SELECT email FROM c WHERE id = 1",
        "SELECT (SELECT email FROM customers WHERE id = o.customer) FROM orders o LIMIT 1",
        "SELECT email FROM contacts WHERE id = 1",
        "SELECT email FROM main.contacts WHERE id = 1",
        "SELECT email FROM nested WHERE id = 1",
        "SELECT who FROM spending WHERE cents = 750",
    ] {
        check(engine, statement, &hash).await;
    }
    check(engine, "SELECT count(*) FROM customers WHERE email LIKE 'SECRET%'", "0").await;
    check(engine, "SELECT count(*) FROM customers, contacts", "9").await;
    refused(engine, "SELECT note FROM customers", "no such column").await;
    refused(engine, "SELECT rowid, note FROM main.customers", "no such column").await;
}

#[tokio::test]
async fn a_hash_is_stable_and_keyed() {
    let file = File::of(SHOP).await;
    let (one, other) =
        (file.engine_with(masked(), Layers::ALL), file.engine_with(masked(), Layers::ALL));
    let statement = "SELECT email FROM customers WHERE id = 1";
    let first = ask(&one, statement).await.expect("a hash");
    assert_eq!(first, ask(&one, statement).await.expect("the same"));
    assert_ne!(first.rows, ask(&other, statement).await.expect("another key's").rows);
}

#[tokio::test]
async fn nothing_reads_around_a_mask() {
    let file = File::of(SHOP).await;
    let without_statement = Layers { statement: false, ..Layers::ALL };
    for layers in [Layers::ALL, without_statement] {
        let engine = &file.engine_with(masked(), layers);
        for statement in [
            "SELECT email FROM main.customers",
            "WITH suite_mask_0 AS (SELECT email FROM main.customers) SELECT * FROM suite_mask_0",
            "WITH customers AS (SELECT email FROM main.customers) SELECT * FROM customers",
            "WITH contacts AS (SELECT note FROM main.customers) SELECT * FROM contacts",
            "SELECT * FROM main.contacts",
            "SELECT sql FROM sqlite_schema",
            "SELECT sql FROM temp.sqlite_schema",
            "SELECT name FROM sqlite_temp_master",
            "SELECT * FROM wages",
            "SELECT count(*) FROM main.wages",
            "SELECT * FROM paid",
            "SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM wages WHERE cents > 1)",
        ] {
            if let Ok(answer) = ask(engine, statement).await {
                let shown = answer.lines();
                assert!(
                    !shown.contains("SECRET") && !shown.contains("123456"),
                    "{statement}: {shown}"
                );
                assert!(
                    shown.contains('…')
                        || answer
                            .rows
                            .iter()
                            .all(|row| row[0].as_ref().is_some_and(|cell| cell.len() == 16)),
                    "{statement}: {shown}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_names_of_the_masks_views_are_not_told() {
    let file = File::of(SHOP).await;
    let engine = &file.engine_with(masked(), Layers::ALL);
    let plan = "EXPLAIN QUERY PLAN SELECT * FROM customers c, customers d, nested WHERE c.email = d.email GROUP BY c.email";
    let answer = ask(engine, plan).await.expect("a plan");
    assert!(!answer.lines().contains("suite_mask"), "{}", answer.lines());
    let run = Run {
        statement: plan,
        params: &[],
        session: &[],
        skip: 0,
        cell: 100,
        deadline: Instant::now() + Duration::from_secs(5),
    };
    let plan = engine.explain(&run, false).await.expect("a plan");
    assert!(plan.text.contains("SCAN") && !plan.text.contains("suite_mask"), "{}", plan.text);
}

#[tokio::test]
async fn only_what_is_allowed_is_read() {
    let file = File::of(SHOP).await;
    let rules = Rules { allow: vec!["main.o*".to_owned()], ..Rules::default() };
    let engine = &file.engine_with(rules, Layers::ALL);
    check(engine, "SELECT sum(cents) FROM orders", "850").await;
    check(engine, "WITH x AS (SELECT 1 FROM orders) SELECT count(*) FROM x", "3").await;
    check(engine, "SELECT value FROM json_each('[1]')", "1").await;
    refused(engine, "SELECT name FROM customers", "keep `customers`").await;
    refused(engine, "SELECT count(*) FROM sqlite_schema", "engine's own").await;
    let schema = engine.schema(Instant::now() + Duration::from_secs(5)).await.expect("a schema");
    let names: Vec<_> = schema.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["orders"]);
    assert!(schema.tables.iter().all(|table| table.foreign.is_empty()));
}

#[tokio::test]
async fn masks_follow_the_schema() {
    let file = File::of(SHOP).await;
    let engine = &file.engine_with(masked(), Layers::ALL);
    check(engine, "SELECT count(*) FROM customers", "3").await;
    file.write("ALTER TABLE customers ADD COLUMN vip INTEGER DEFAULT 1").await;
    check(engine, "SELECT sum(vip) FROM customers WHERE email NOT LIKE '%@%'", "3").await;
    file.write("PRAGMA foreign_keys = OFF; DROP TABLE customers; CREATE TABLE customers (email); INSERT INTO customers VALUES ('SECRET')").await;
    let answer = ask(engine, "SELECT * FROM customers").await.expect("a row");
    assert!(!answer.lines().contains("SECRET"));
}

#[tokio::test]
async fn a_mask_of_nothing_is_a_mistake() {
    let file = File::of(SHOP).await;
    let engine = file.engine_with(rules(&[], &[("main.customers.emial", Mask::Hash)]), Layers::ALL);
    let error = engine.vet().await.expect_err("a mistake");
    assert!(error.message.contains("main.customers.emial"), "{error}");
    let engine = file.engine_with(masked(), Layers::ALL);
    let vetted = engine.vet().await.expect("right rules");
    assert!(vetted.server.starts_with("SQLite 3."), "{vetted:?}");
    assert_eq!(vetted.excess, []);
}

#[tokio::test]
async fn full_text_works_and_hides_what_is_masked() {
    let file = File::of(
        "CREATE VIRTUAL TABLE notes USING fts5(title, body); \
         INSERT INTO notes VALUES ('one', 'the quick fox'), ('two', 'SECRET fox');",
    )
    .await;
    let found = "SELECT title, snippet(notes, 1, '[', ']', '…', 3) FROM notes WHERE notes MATCH 'quick' ORDER BY rank";
    check(&file.engine(), found, "one|the [quick] fox").await;
    let allowed = Rules { allow: vec!["main.notes".to_owned()], ..Rules::default() };
    check(&file.engine_with(allowed, Layers::ALL), found, "one|the [quick] fox").await;
    let masked = rules(&[], &[("main.notes.body", Mask::Null)]);
    let engine = file.engine_with(masked, Layers::ALL);
    for statement in ["SELECT * FROM notes", "SELECT * FROM notes_content", found] {
        if let Ok(answer) = ask(&engine, statement).await {
            assert!(!answer.lines().contains("SECRET"), "{statement}");
        }
    }
}

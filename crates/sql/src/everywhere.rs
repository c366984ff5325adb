//! The tools on real databases of every kind, with the same data in each.

use contract::{Finding, Place, Secret, Server as _, Weight};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;

use crate::Sql;
use crate::check::Check;
use crate::describe::Describe;
use crate::explain::Explain;
use crate::profile::Profile;
use crate::testing::call;

const TABLES: &str = "
    CREATE TABLE customers (id integer PRIMARY KEY, name varchar(100) NOT NULL, email \
     varchar(200), born date);
    CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer NOT NULL, state varchar(20) \
     NOT NULL, amount numeric(10,2), note text, FOREIGN KEY (customer_id) REFERENCES customers \
     (id));";

/// Twelve customers and forty orders: a tenth without an amount, three quarters of them paid.
fn rows() -> String {
    let mut sql = String::new();
    for n in 1..=12 {
        sql.push_str(&format!(
            "INSERT INTO customers VALUES ({n}, 'Customer {n}', 'c{n}@example.org', \
             '19{}-03-0{}');\n",
            50 + n * 3,
            n % 9 + 1
        ));
    }
    for n in 1..=40 {
        let state = if n % 4 == 0 { "new" } else { "paid" };
        let amount =
            if n % 10 == 0 { "NULL".to_owned() } else { format!("{n}.{:02}", n * 7 % 100) };
        let customer = n % 12 + 1;
        sql.push_str(&format!(
            "INSERT INTO orders VALUES ({n}, {customer}, '{state}', {amount}, NULL);\n"
        ));
    }
    sql
}

/// A server with the same data in a database of each kind, each with these further settings.
struct World {
    sql: Sql,
    _folder: tempfile::TempDir,
}

const IDS: [&str; 3] = ["lite", "maria", "post"];

impl World {
    async fn new(name: &str, further: fn(schema: &str) -> Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = format!("{TABLES}\n{}", rows());
        servers::postgres::shared().database(name, &script);
        servers::mariadb::shared().database(name, &script);
        let file = folder.path().join("data.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut connection = options.create_if_missing(true).connect().await.expect("it opens");
        let script = sqlx::AssertSqlSafe(script);
        sqlx::raw_sql(script).execute(&mut connection).await.expect("the script runs");
        sqlx::Connection::close(connection).await.expect("it closes");
        let database = |url: String, schema: &str| {
            let mut settings = further(schema);
            settings["url"] = url.into();
            // The account of MariaDB reads the databases of other tests, too.
            settings["allow"] = json!([format!("{schema}.*")]);
            if schema != "main" {
                settings["password"] = json!({"env": "PASSWORD"});
                settings["tls"] = json!({"mode": "off"});
            }
            settings
        };
        let post = servers::postgres::shared().url(servers::postgres::READER, name);
        let maria = servers::mariadb::shared().url(servers::mariadb::READER, name);
        let settings = json!({"databases": {
            "lite": database(format!("sqlite:{}", file.display()), "main"),
            "maria": database(maria, name),
            "post": database(post, "public"),
        }});
        let settings = serde_json::from_value(settings).expect("settings");
        let reader = Box::new(|_: &_| Ok(Secret::new(servers::postgres::PASSWORD.to_owned())));
        let place = Place::new(folder.path().to_owned(), folder.path().join("state"), reader);
        let sql = Sql::open(settings, &place).await.expect("a server");
        Self { sql, _folder: folder }
    }

    async fn call<T: contract::Tool<Server = Sql>>(&self, id: &str, mut args: Value) -> String {
        args["database"] = id.into();
        call::<T>(&self.sql, args).await
    }
}

fn nothing(_: &str) -> Value {
    json!({})
}

fn masked(schema: &str) -> Value {
    let column = |name: &str| format!("{schema}.customers.{name}");
    json!({"mask": {column("email"): "hash", column("name"): "last4", column("born"): "drop"}})
}

/// Two test programs with the same servers would take the same names.
#[test]
fn passwords_are_the_same_everywhere() {
    assert_eq!(servers::postgres::PASSWORD, servers::mariadb::PASSWORD);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_database_is_described() {
    let world = World::new("described_everywhere", nothing).await;
    for id in IDS {
        let text = world.call::<Describe>(id, json!({})).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("<sql://{id}/schema>"));
        for (line, name) in [(1, "customers(id int"), (2, "orders(id int")] {
            assert!(lines[line].to_lowercase().starts_with(name), "{id}: {text}");
        }
        assert!(lines[2].contains("customer_id int") && lines[2].contains(">customers"), "{text}");
        let text = world.call::<Describe>(id, json!({"tables": ["ORDERS"]})).await;
        assert!(text.contains("\n  foreign key (customer_id) > customers"), "{id}: {text}");
        let text = world.call::<Describe>(id, json!({"words": "customers mail"})).await;
        assert!(text.contains("\ncustomers(email varchar"), "{id}: {text}");
        let text = world.call::<Describe>(id, json!({"tables": ["custmers"]})).await;
        assert!(text.contains("nearest: customers"), "{id}: {text}");
    }
    let text = call::<Describe>(&world.sql, json!({})).await;
    assert!(text.starts_with("lite (SQLite, 2 tables)\nmaria (MySQL, 2 tables)\npost ("), "{text}");
}

/// The lines of a profile without the types, which each engine writes its own way.
fn untyped(text: &str) -> Vec<String> {
    let line = |line: &str| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if cells.len() > 2 {
            cells.remove(1);
        }
        cells.join(",")
    };
    assert!(text.starts_with("<sql://"), "{text}");
    text.replace("(10,2)", "").lines().skip(1).map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_measured_alike() {
    let world = World::new("measured", nothing).await;
    for id in IDS {
        let text = world.call::<Profile>(id, json!({"table": "orders"})).await;
        let lines = untyped(&text);
        let expected = [
            "column,nulls,distinct,min,max,mean,length,top",
            "id,0,40,1,40,20.5,,",
            "customer_id,0,12,1,12,",
            "state,0,2,new,paid,,3-4,\"paid ×30",
            "amount,4,36,1.07,39.73,",
            "note,40,0,,,,,",
        ];
        for (line, expected) in lines.iter().zip(expected) {
            assert!(line.starts_with(expected), "{id}: {expected}\n{text}");
        }
        assert_eq!(text.lines().last(), Some("40 rows"), "{id}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_measured_like_tables() {
    let world = World::new("results", nothing).await;
    for id in IDS {
        let statement = "WITH big AS (SELECT * FROM orders WHERE id > 20) SELECT state, count(*) \
                         AS n FROM big GROUP BY state -- by state\n ;";
        let args = json!({"statement": statement});
        let text = world.call::<Profile>(id, args).await;
        let lines = untyped(&text);
        assert!(lines[1].starts_with("state,0,2,new,paid,,3-4,"), "{id}: {text}");
        assert!(lines[2].starts_with("n,0,2,5,15,10,"), "{id}: {text}");
        let twice = "SELECT id, id + 1 AS id FROM orders";
        let text = world.call::<Profile>(id, json!({"statement": twice})).await;
        if id == "maria" {
            assert!(text.starts_with("invalid: "), "{id}: {text}");
        } else {
            assert!(
                text.lines().nth(3).is_some_and(|line| line.contains(",0,40,2,41,21.5")),
                "{text}"
            );
        }
        let write = json!({"statement": "DELETE FROM orders"});
        let text = world.call::<Profile>(id, write).await;
        assert!(text.starts_with("invalid: ") || text.starts_with("denied: "), "{id}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn masks_hold_in_profiles_and_descriptions() {
    let world = World::new("masked_everywhere", masked).await;
    for id in IDS {
        let text = world.call::<Profile>(id, json!({"table": "customers"})).await;
        assert!(!text.contains("example.org") && !text.contains("born"), "{id}: {text}");
        assert!(untyped(&text)[3].contains(",16"), "{id}: {text}");
        let text = world.call::<Describe>(id, json!({})).await;
        assert!(text.contains("email varchar~") && !text.contains("born"), "{id}: {text}");
        let statement = "SELECT email FROM customers WHERE email LIKE '%@%'";
        let args = json!({"statement": statement, "expect": "empty"});
        let text = world.call::<Check>(id, args).await;
        assert!(text.starts_with("{\"holds\":true"), "{id}: {text}");
        let args = json!({"statement": "SELECT born FROM customers", "expect": "empty"});
        let text = world.call::<Check>(id, args).await;
        assert!(!text.contains("19"), "{id}: {text}");
        let seen = "SELECT * FROM customers WHERE email = 'c1@example.org'";
        let text = world.call::<Explain>(id, json!({"statement": seen})).await;
        assert!(!text.contains("denied"), "{id}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_are_checked_alike() {
    let world = World::new("checked", nothing).await;
    let cases = [
        ("SELECT id FROM orders WHERE amount < 0", "empty", true),
        ("SELECT id FROM orders WHERE amount IS NULL", "empty", false),
        ("SELECT id FROM orders WHERE amount IS NULL", "rows 4", true),
        ("SELECT count(*) FROM orders", "value = 40", true),
        ("SELECT max(amount) FROM orders", "value = 39.730", true),
        ("SELECT max(amount) FROM orders", "value < 39.73", false),
        ("SELECT min(state) FROM orders", "value = new", true),
        ("SELECT note FROM orders WHERE id = 1", "value is null", true),
        ("SELECT amount < id + 1, id FROM orders WHERE amount IS NOT NULL", "true", true),
        ("SELECT state = 'paid', id FROM orders", "true", false),
        ("SELECT 1 FROM orders", "not_empty", true),
    ];
    for id in IDS {
        for (statement, expect, holds) in cases {
            let args = json!({"statement": statement, "expect": expect});
            let text = world.call::<Check>(id, args).await;
            let verdict = format!("{{\"holds\":{holds},");
            assert!(text.starts_with(&verdict), "{id}: {statement} {expect}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_run_is_not_analysed() {
    let world = World::new("analysed", nothing).await;
    for id in IDS {
        for statement in ["DELETE FROM orders", "SELECT 1; DELETE FROM orders", "DROP TABLE orders"]
        {
            for analyze in [false, true] {
                let args = json!({"statement": statement, "analyze": analyze});
                let text = world.call::<Explain>(id, args).await;
                let is_refused = text.starts_with("invalid: ") || text.starts_with("denied: ");
                assert!(is_refused, "{id}: {statement}: {text}");
            }
        }
        let args = json!({"statement": "SELECT count(*) FROM orders", "expect": "value = 40"});
        assert!(world.call::<Check>(id, args).await.starts_with("{\"holds\":true"));
        let statement = "SELECT * FROM orders JOIN customers ON customers.id = customer_id";
        let text = world.call::<Explain>(id, json!({"statement": statement})).await;
        assert!(text.contains(&format!("<sql://{id}>\n")) && text.contains("orders"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_people_where_they_are_not_masked() {
    let world = World::new("people", nothing).await;
    let findings = world.sql.findings().await;
    for id in IDS {
        let about = |finding: &&Finding| finding.what.starts_with(&format!("{id}: "));
        let mine: Vec<&Finding> = findings.iter().filter(about).collect();
        let weights: Vec<Weight> = mine.iter().map(|finding| finding.weight).collect();
        assert_eq!(weights, [Weight::Note, Weight::Warning], "{mine:?}");
        for part in [
            "customers.email (e-mail address: 12 of 12 values)",
            "customers.born (date of birth: 12 of 12 values)",
        ] {
            assert!(mine[1].what.contains(part), "{}", mine[1].what);
        }
    }
    drop(world);
    let world = World::new("nobody", masked).await;
    let findings = world.sql.findings().await;
    assert!(findings.iter().all(|finding| finding.weight == Weight::Note), "{findings:?}");
}

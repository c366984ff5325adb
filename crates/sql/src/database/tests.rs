//! Turns, deadlines and who is said to ask.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::engine::Excess;
use crate::testing::{Caller, Fake, LIMITS};
use crate::writer::{Format, Writer};

fn database(fake: &Fake) -> Database {
    Database::on("sales", Family::Postgres, LIMITS, Box::new(fake.clone()))
}

const ASK: Ask<'static> = Ask { statement: "SELECT 1", params: &[], skip: 0, cell: 100 };

async fn run(database: &Database, caller: &Caller) -> Result<bool, ToolError> {
    let mut writer = Writer::new(Format::Csv, 1_000, 10);
    database.run(&caller.ctx(contract::Size::CAP), ASK, &mut writer).await
}

#[tokio::test]
async fn the_session_says_who_asks() {
    let fake = Fake::default();
    let mut database = database(&fake);
    database.session = BTreeMap::from([
        ("app.user".to_owned(), Who::Subject),
        ("app.key".to_owned(), Who::Identity),
    ]);
    run(&database, &Caller::default()).await.expect("rows");
    let bob = Caller { subject: "bob", ..Caller::default() };
    run(&database, &bob).await.expect("rows");
    let heard = fake.heard.lock().expect("no panic").clone();
    assert!(heard[0].contains(r#"[("app.key", "user:ann"), ("app.user", "ann")]"#), "{heard:?}");
    assert!(heard[1].contains(r#"[("app.key", "user:bob"), ("app.user", "bob")]"#), "{heard:?}");
}

#[tokio::test]
async fn a_caller_waits_for_a_turn_and_not_for_ever() {
    let hangs = Fake { hangs: true, ..Fake::default() };
    let database = Arc::new(database(&hangs));
    for _ in 0..2 {
        let database = Arc::clone(&database);
        tokio::spawn(async move { run(&database, &Caller::default()).await });
    }
    while hangs.heard.lock().expect("no panic").len() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let hurried = Caller { patience: Duration::from_secs(3), ..Caller::default() };
    let error = run(&database, &hurried).await.expect_err("no turn");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(error.retry_after.is_some() && error.message.contains("all connections to `sales`"));
}

#[tokio::test]
async fn turns_are_given_in_the_order_of_asking() {
    let database = Arc::new(database(&Fake::default()));
    let (first, second) = (
        database.slots.acquire().await.expect("a turn"),
        database.slots.acquire().await.expect("a turn"),
    );
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for number in 0..10 {
        let (database, order) = (Arc::clone(&database), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let (_turn, _) = database.turn(Duration::from_mins(1)).await.expect("a turn");
            order.lock().expect("no panic").push(number);
        }));
        tokio::task::yield_now().await;
    }
    drop((first, second));
    for task in tasks {
        task.await.expect("no panic");
    }
    assert_eq!(*order.lock().expect("no panic"), (0..10).collect::<Vec<_>>());
}

fn vetted(fake: Fake, accept: &[Accept]) -> Databases {
    let mut database = database(&fake);
    database.accept = accept.to_vec();
    Databases::of(vec![database])
}

fn writer() -> Fake {
    let excess = |kind, what: &str| Excess { kind, what: what.to_owned() };
    Fake {
        vetted: Vetted {
            excess: vec![
                excess(Accept::Writes, "may INSERT into public.orders"),
                excess(Accept::Owns, "owns public.orders"),
            ],
            remedy: "CREATE ROLE reader LOGIN;".to_owned(),
            server: "PostgreSQL 15".to_owned(),
        },
        ..Fake::default()
    }
}

#[tokio::test]
async fn a_credential_that_may_do_more_than_read_refuses_the_start() {
    let refused = |accept| async move { vetted(writer(), accept).vet().await };
    let error = refused(&[]).await.expect_err("refused").to_string();
    assert_eq!(
        error,
        "databases.sales: its credential may do more than read: may INSERT into public.orders; \
         owns public.orders. Give it one that may not, made like this:\n\
         CREATE ROLE reader LOGIN;\nor say that it may: accept = [\"writes\", \"owns\"]"
    );
    let error = refused(&[Accept::Writes]).await.expect_err("still owns").to_string();
    assert!(!error.contains("INSERT") && error.ends_with("accept = [\"owns\"]"), "{error}");
    assert!(refused(&[Accept::Owns, Accept::Writes]).await.is_ok());
}

#[tokio::test]
async fn a_database_that_is_away_does_not_hold_up_the_start() {
    let away = Fake { error: Some(|| ToolError::unavailable("away", "")), ..writer() };
    assert!(vetted(away, &[]).vet().await.is_ok());
    tokio::time::pause();
    let hangs = Fake { hangs: true, ..writer() };
    assert!(vetted(hangs, &[]).vet().await.is_ok());
}

fn open(settings: Value) -> Result<Databases, StartError> {
    let settings: Settings =
        serde_json::from_value(json!({"databases": {"sales": settings}})).expect("settings");
    let reader = Box::new(|_: &_| Err(StartError::new("SALES_PASSWORD is not set")));
    let place = Place::new("/srv/suite".into(), "/srv/suite/state".into(), reader);
    Databases::open(&settings, &place)
}

fn check(settings: Value, expected: &str) {
    let error = open(settings).err().map(|error| error.to_string());
    assert_eq!(error.unwrap_or_default(), expected);
}

#[tokio::test]
async fn wrong_addresses_and_transport_are_told_at_the_start() {
    check(
        json!({"url": "postgres://ann:secret@db/sales"}),
        "databases.sales.url: it holds a password; move it to where `password` points, such as \
         password = { env = \"SALES_PASSWORD\" }",
    );
    let off = "databases.sales.tls.mode: `off` is for this machine and sockets: everything, the \
        password too, would cross the network in the clear; remove it, and name the authority in \
        `tls.ca` where it is your own";
    check(json!({"url": "postgres://ann@db/sales", "tls": {"mode": "off"}}), off);
    check(
        json!({
            "url": "postgres://ann@localhost/sales",
            "replicas": ["postgres://ann@db/sales"],
            "tls": {"mode": "off"},
        }),
        off,
    );
    check(
        json!({"url": "postgres://ann@db/sales", "replicas": ["mysql://ann@db/sales"]}),
        "databases.sales.replicas: a replica is a server of the same kind as `url`; remove it",
    );
    check(
        json!({"url": "postgres://ann@db/sales", "tls": {"key": "k.pem"}}),
        "databases.sales.tls: `certificate` and `key` belong together; give both or none",
    );
    check(
        json!({"url": "sqlite:a.db", "password": {"env": "X"}}),
        "databases.sales.password: SQLite knows none; remove it",
    );
    check(
        json!({"url": "postgres://ann@db/sales", "password": {"env": "SALES_PASSWORD"}}),
        "SALES_PASSWORD is not set",
    );
}

#[test]
fn a_file_of_sqlite_is_relative_to_the_settings() {
    let reader = Box::new(|_: &_| Err(StartError::new("no secrets here")));
    let place = Place::new("/srv/suite".into(), "/srv/suite/state".into(), reader);
    assert_eq!(address::absolute("sqlite:a/b.db", &place), "sqlite:/srv/suite/a/b.db");
    assert_eq!(address::absolute("sqlite:/a/b.db", &place), "sqlite:/a/b.db");
    assert_eq!(address::absolute("postgres://db/a", &place), "postgres://db/a");
}

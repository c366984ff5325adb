//! The credential layer: accounts that may do too much run nothing.

use contract::Kind;
use servers::mariadb::{PASSWORD, READER, shared};

use super::world::{error, setup, value};
use crate::engine::Engine as _;
use crate::engine::mysql::Mysql;
use crate::settings::Accept;

async fn excess(user: &str, grants: &str) -> Vec<String> {
    shared().query(&format!("CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'; {grants}"));
    let engine = Mysql::new(setup(shared(), user, "")).expect("an engine");
    let vetted = engine.vet().await.expect("it is asked");
    vetted.excess.into_iter().map(|excess| format!("{}: {}", excess.kind, excess.what)).collect()
}

#[tokio::test]
async fn an_account_that_may_only_read_has_nothing_too_much() {
    shared().database("vetted", "CREATE TABLE t (n INT)");
    let engine = Mysql::new(setup(shared(), READER, "vetted")).expect("an engine");
    let vetted = engine.vet().await.expect("it is asked");
    assert_eq!(vetted.excess, []);
    assert!(vetted.server.starts_with("MariaDB 1"), "{}", vetted.server);
    assert!(vetted.remedy.contains("GRANT SELECT, SHOW VIEW ON `vetted`.*"), "{}", vetted.remedy);
}

#[tokio::test]
async fn whatever_else_is_found() {
    let found = excess("writer", "GRANT SELECT, INSERT ON *.* TO writer@'%'").await;
    assert_eq!(
        found,
        ["writes: may INSERT on *.*", "others: may read *.*, the accounts' passwords among it",]
    );
    let found = excess("filer", "GRANT FILE, PROCESS, SUPER ON *.* TO filer@'%'").await;
    assert_eq!(
        found,
        ["superuser: may SUPER on *.*", "files: may FILE on *.*", "others: may PROCESS on *.*"]
    );
    let found = excess("maker", "GRANT CREATE TEMPORARY TABLES ON test.* TO maker@'%'").await;
    assert_eq!(found, ["creates: may CREATE TEMPORARY TABLES on test.*"]);
}

#[tokio::test]
async fn what_a_role_may_do_counts() {
    let grants = "CREATE ROLE clerk; GRANT UPDATE ON test.* TO clerk; GRANT clerk TO holder@'%'";
    assert_eq!(excess("holder", grants).await, ["writes: may UPDATE on test.*"]);
}

#[tokio::test]
async fn too_much_runs_nothing_unless_it_is_accepted() {
    excess("bold", "GRANT DELETE ON test.* TO bold@'%'").await;
    let mut setup = setup(shared(), "bold", "");
    let refused = error(&Mysql::new(setup.clone()).expect("an engine"), "SELECT 1").await;
    assert_eq!(refused.kind, Kind::Denied);
    let log = refused.log.expect("what it is");
    assert!(log.contains("may DELETE on test.*") && log.contains("CREATE USER"), "{log}");
    setup.accept = vec![Accept::Creates];
    let engine = Mysql::new(setup.clone()).expect("an engine");
    assert_eq!(error(&engine, "SELECT 1").await.kind, Kind::Denied);
    setup.accept = vec![Accept::Writes];
    assert_eq!(value(&Mysql::new(setup).expect("an engine"), "SELECT 1").await, "1");
}

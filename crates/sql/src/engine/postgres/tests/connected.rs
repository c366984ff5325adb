//! The way to the server: TLS, certificates, sockets, replicas, and connections that die.

use contract::error::Kind;
use servers::postgres::{CERTIFIED, Postgres as Server};

use super::*;
use crate::settings::TlsMode;

/// What one call tells about its connection.
const ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

fn layerless(setup: Setup) -> Setup {
    // What is asked here is about the session itself, which the statement layer refuses.
    Setup { layers: Layers { statement: false, ..Layers::ALL }, ..setup }
}

#[tokio::test]
async fn a_connection_is_encrypted_and_its_server_is_who_it_says() {
    server().database("tls", "");
    assert_eq!(ask(&engine(layerless(setup("tls"))), ENCRYPTED).await, "t");

    let mut wrong = setup("tls");
    wrong.tls.ca = Some(server().foreign_authority());
    let told = ask(&engine(wrong), "SELECT 1").await;
    assert!(
        told.starts_with("unavailable: the database cannot be reached: its certificate"),
        "{told}"
    );

    let mut wrong = setup("tls");
    wrong.tls.ca = None;
    assert!(
        ask(&engine(wrong), "SELECT 1").await.starts_with("unavailable"),
        "an unknown authority"
    );

    let mut wrong = setup("tls");
    wrong.urls = vec![wrong.urls.concat().replace("localhost", "127.0.0.1")];
    assert!(ask(&engine(wrong), "SELECT 1").await.starts_with("unavailable"), "another name");
}

#[tokio::test]
async fn encryption_is_off_on_this_machine_only() {
    server().database("plain", "");
    let tls = Tls { mode: TlsMode::Off, ..Tls::default() };
    let open = layerless(Setup { tls: tls.clone(), ..setup("plain") });
    assert_eq!(ask(&engine(open), ENCRYPTED).await, "f");
    let urls = vec!["postgres://reader@db.example/plain".to_owned()];
    assert!(Postgres::new(Setup { urls, tls, ..setup("plain") }).is_err());
}

#[tokio::test]
async fn a_socket_needs_no_encryption() {
    server().database("socket", "");
    let urls = vec![server().socket_url(READER, "socket")];
    let engine = engine(Setup { urls, ..setup("socket") });
    assert_eq!(ask(&engine, "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_certificate_stands_for_a_password() {
    server().database("certified", "GRANT CONNECT ON DATABASE certified TO certified");
    let mut setup = setup("certified");
    setup.urls = vec![server().url(CERTIFIED, "certified")];
    setup.password = None;
    assert!(ask(&engine(setup.clone()), "SELECT 1").await.starts_with("unavailable"));
    let (certificate, key) = server().client_certificate();
    (setup.tls.certificate, setup.tls.key) = (Some(certificate), Some(key));
    assert_eq!(ask(&engine(setup), "SELECT 1").await, "1");
}

#[tokio::test]
async fn a_wrong_password_is_told_to_the_operator_only() {
    server().database("guarded", "");
    let password = Some(Secret::new("guess".to_owned()));
    let engine = engine(Setup { password, ..setup("guarded") });
    let error = rows(&engine, run("SELECT 1")).await.expect_err("refused");
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(!error.text().contains("reader"), "{error}");
    assert!(error.log.expect("a log").contains("password authentication failed"));
}

#[tokio::test]
async fn a_connection_that_died_is_made_again() {
    let own = Server::start();
    own.database("again", "CREATE TABLE t AS SELECT 7 AS n");
    let mut setup = setup("again");
    setup.urls = vec![own.url(READER, "again")];
    setup.tls.ca = Some(own.authority());
    let engine = engine(setup);
    assert_eq!(ask(&engine, "SELECT n FROM t").await, "7");
    own.restart();
    assert_eq!(ask(&engine, "SELECT n FROM t").await, "7", "after a restart");
    own.psql(
        "again",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'reader'",
    );
    assert_eq!(ask(&engine, "SELECT n FROM t").await, "7", "after an administrator ended it");
    own.stop();
    let told = ask(&engine, "SELECT n FROM t").await;
    assert!(told.starts_with("unavailable: the database cannot be reached"), "{told}");
    own.resume();
    assert_eq!(ask(&engine, "SELECT n FROM t").await, "7", "and once it is there");
    own.stop();
}

#[tokio::test]
async fn the_first_server_that_answers_is_asked() {
    let replica = Server::start();
    for (which, name) in [(&replica, "replica"), (server(), "primary")] {
        which.database("preferred", &format!("CREATE TABLE t AS SELECT '{name}'::text AS name"));
    }
    let gone = format!("postgres://reader@localhost:{}/preferred", 1);
    let mut setup = setup("preferred");
    setup.urls = vec![gone, replica.url(READER, "preferred"), server().url(READER, "preferred")];
    let both = replica.folder().join("both.pem");
    let read = |path| std::fs::read_to_string(path).expect("a certificate");
    std::fs::write(&both, read(replica.authority()) + &read(server().authority())).expect("a file");
    setup.tls.ca = Some(both);
    let engine = engine(setup);
    assert_eq!(ask(&engine, "SELECT name FROM t").await, "replica");
    replica.stop();
    assert_eq!(ask(&engine, "SELECT name FROM t").await, "primary");
}

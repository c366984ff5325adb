//! A credential that may do more than read is refused, whatever it may do.

use super::*;
use crate::engine::Excess;

/// Makes a role of its own for a database, gives it more by `sql`, and asks what is too much.
async fn excess(name: &str, sql: &str) -> Vec<(Accept, String)> {
    let role = format!("role_{name}");
    server().psql("postgres", &format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"));
    server().database(
        name,
        &format!(
            "GRANT CONNECT ON DATABASE {name} TO {role};
             CREATE TABLE t (n int, m int); GRANT SELECT ON t TO {role}; CREATE SEQUENCE s;
             {}",
            sql.replace("$ROLE", &role).replace("$DATABASE", name)
        ),
    );
    let engine = engine(Setup { urls: vec![server().url(&role, name)], ..setup(name) });
    let vetted = engine.vet().await.expect("an answer");
    assert!(vetted.server.starts_with("PostgreSQL 1"), "{}", vetted.server);
    assert!(vetted.remedy.contains("GRANT SELECT ON ALL TABLES IN SCHEMA public TO"));
    let answer = ask(&engine, "SELECT 1").await;
    assert_eq!(answer.starts_with("denied"), !vetted.excess.is_empty(), "{answer}");
    vetted.excess.into_iter().map(|Excess { kind, what }| (kind, what)).collect()
}

async fn check(name: &str, sql: &str, kind: Accept, what: &str) {
    let found = excess(name, sql).await;
    assert_eq!(found, [(kind, what.replace("$ROLE", &format!("role_{name}")))], "{sql}");
}

#[tokio::test]
async fn a_reader_is_right() {
    assert_eq!(excess("x_right", "").await, []);
}

#[tokio::test]
async fn attributes_are_too_much() {
    use Accept::{Creates, Others, Superuser};
    let alter = |what| format!("ALTER ROLE $ROLE {what}");
    check("x_super", &alter("SUPERUSER"), Superuser, "is a superuser, as $ROLE").await;
    check("x_rls", &alter("BYPASSRLS"), Others, "passes over row-level security, as $ROLE").await;
    check("x_wal", &alter("REPLICATION"), Others, "may replicate the whole server, as $ROLE").await;
    check("x_roles", &alter("CREATEROLE"), Creates, "may create roles, as $ROLE").await;
    check("x_bases", &alter("CREATEDB"), Creates, "may create databases, as $ROLE").await;
}

#[tokio::test]
async fn memberships_are_too_much() {
    use Accept::{Files, Others, Superuser, Writes};
    for (at, (role, kind)) in [
        ("pg_read_server_files", Files),
        ("pg_write_server_files", Files),
        ("pg_execute_server_program", Files),
        ("pg_signal_backend", Others),
    ]
    .into_iter()
    .enumerate()
    {
        let found = excess(&format!("x_member{at}"), &format!("GRANT {role} TO $ROLE")).await;
        assert!(found.contains(&(kind, format!("is a member of {role}"))), "{role}: {found:?}");
    }
    let found = excess("x_monitor", "GRANT pg_monitor TO $ROLE").await;
    assert!(found.iter().any(|(kind, what)| *kind == Others && what.contains("pg_read_all_stats")));
    let found = excess("x_writer", "GRANT pg_write_all_data TO $ROLE").await;
    assert!(found.iter().any(|(kind, what)| *kind == Writes && what.starts_with("may INSERT in ")));
    check(
        "x_becomes",
        "ALTER ROLE $ROLE NOINHERIT; GRANT postgres TO $ROLE",
        Superuser,
        "is a superuser, as postgres",
    )
    .await;
}

#[tokio::test]
async fn rights_are_too_much() {
    use Accept::{Creates, Files, Owns, Writes};
    check("x_insert", "GRANT INSERT ON t TO $ROLE", Writes, "may INSERT in t").await;
    check("x_column", "GRANT UPDATE (m) ON t TO $ROLE", Writes, "may UPDATE in t").await;
    check("x_delete", "GRANT DELETE ON t TO PUBLIC", Writes, "may DELETE in t").await;
    check("x_empty", "GRANT TRUNCATE ON t TO $ROLE", Writes, "may TRUNCATE in t").await;
    check("x_refer", "GRANT REFERENCES ON t TO $ROLE", Writes, "may REFERENCES in t").await;
    check("x_trigger", "GRANT TRIGGER ON t TO $ROLE", Writes, "may TRIGGER in t").await;
    check("x_usage", "GRANT USAGE ON SEQUENCE s TO $ROLE", Writes, "may change the sequence s")
        .await;
    check(
        "x_object",
        "SELECT lo_create(4711); GRANT UPDATE ON LARGE OBJECT 4711 TO $ROLE",
        Writes,
        "may write the large object 4711",
    )
    .await;
    check(
        "x_schema",
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        Creates,
        "may create in schema public",
    )
    .await;
    check(
        "x_base",
        "GRANT CREATE ON DATABASE $DATABASE TO $ROLE",
        Creates,
        "may create schemas in database x_base",
    )
    .await;
    check(
        "x_temp",
        "GRANT TEMPORARY ON DATABASE $DATABASE TO PUBLIC",
        Creates,
        "may create temporary tables in database x_temp",
    )
    .await;
    check(
        "x_file",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO $ROLE",
        Files,
        "may execute pg_read_file(text)",
    )
    .await;
    check(
        "x_foreign",
        "CREATE EXTENSION file_fdw; CREATE SERVER outside FOREIGN DATA WRAPPER file_fdw;
         CREATE FOREIGN TABLE f (line text) SERVER outside OPTIONS (filename '/etc/hostname');
         GRANT SELECT ON f TO $ROLE",
        Files,
        "may read a file or run a program by f",
    )
    .await;
    check("x_function", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO $ROLE", Owns, "owns function f()").await;
    let found = excess("x_owner", "ALTER DATABASE $DATABASE OWNER TO $ROLE").await;
    assert!(found.contains(&(Owns, "owns database x_owner".to_owned())), "{found:?}");
}

/// What a role may do after SET ROLE counts as well.
#[tokio::test]
async fn rights_of_a_role_that_can_be_taken_are_too_much() {
    check(
        "x_set",
        "CREATE ROLE x_set_writer; GRANT INSERT ON t TO x_set_writer;
         ALTER ROLE $ROLE NOINHERIT; GRANT x_set_writer TO $ROLE",
        Accept::Writes,
        "may INSERT in t",
    )
    .await;
}

#[tokio::test]
async fn an_operator_may_accept_it_by_name() {
    server().database("accepted", "CREATE TABLE t (n int); GRANT INSERT ON t TO reader");
    let refused = rows(&engine(setup("accepted")), run("SELECT 1")).await.expect_err("refused");
    let log = refused.log.expect("a log");
    assert!(log.contains("may INSERT in t") && log.contains("accept = [\"writes\"]"), "{log}");
    assert!(log.contains("CREATE ROLE suite_reader"), "{log}");
    let accept = vec![Accept::Writes];
    assert_eq!(ask(&engine(Setup { accept, ..setup("accepted") }), "SELECT 1").await, "1");
    let accept = vec![Accept::Owns];
    let other = ask(&engine(Setup { accept, ..setup("accepted") }), "SELECT 1").await;
    assert!(other.starts_with("denied"), "{other}");
}

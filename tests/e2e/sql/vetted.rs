//! A credential that may do too much ends the server, however short the session was, and no
//! statement runs with it.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use servers::{mariadb, postgres};
use tests::harness::{Folder, Session, suite};

use super::{DATA, folder, my_table, pg_table};

/// What a session that asks this ends like.
fn session(folder: &Folder, asked: &str) -> Output {
    let mut command = Command::new(suite());
    command.arg("sql").arg("--config").arg(folder.config());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut input = child.stdin.take().expect("its input");
    // It may have ended already.
    let _ = input.write_all(asked.as_bytes());
    drop(input);
    child.wait_with_output().expect("it ends")
}

fn table(engine: &str, database: &str) -> String {
    if engine == "pg" {
        let grant = format!("GRANT INSERT ON orders TO {}", postgres::READER);
        postgres::shared().database(database, &format!("{DATA}; {grant}"));
        return pg_table("pg", postgres::READER, database);
    }
    mariadb::shared().database(database, DATA);
    let user = format!("'{database}'@'%'");
    mariadb::shared().query(&format!(
        "CREATE USER {user} IDENTIFIED BY '{}'; GRANT SELECT, INSERT ON {database}.* TO {user}",
        mariadb::PASSWORD
    ));
    my_table("my", database, database)
}

#[test]
fn a_credential_that_may_write_ends_the_server() {
    for engine in ["pg", "my"] {
        let table = table(engine, &format!("e2e_vet_{engine}"));
        let refused = folder(&table);
        for asked in ["", "{}\n"] {
            let output = session(&refused, asked);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{engine}: {said}");
            for part in ["may do more than read", "INSERT", "accept = [\"writes\"]"] {
                assert!(said.contains(part), "{engine}, {part}: {said}");
            }
        }
        let accepted = folder(&format!("{table}accept = [\"writes\"]\n"));
        let output = session(&accepted, "");
        assert!(output.status.success(), "{engine}: {output:?}");
    }
}

/// However early it is asked.
#[test]
fn no_statement_runs_with_a_credential_that_may_write() {
    for engine in ["pg", "my"] {
        let folder = folder(&table(engine, &format!("e2e_early_{engine}")));
        let mut session = Session::start(&suite(), "sql", &folder.config());
        let args = json!({"database": engine, "statement": "SELECT 'it ran' AS answer"});
        session.post_modern("tools/call", json!({"name": "sql_query", "arguments": args}));
        let (status, answers, said) = session.close();
        assert!(!status.success() && said.contains("may do more than read"), "{engine}: {said}");
        let ran = |answer: &Value| answer.to_string().contains("it ran");
        assert!(!answers.iter().any(ran), "{engine}: {answers:?}");
    }
}

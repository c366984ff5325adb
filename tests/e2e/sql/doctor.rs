//! `suite doctor sql`: what a credential may do, and which columns are about people.

use std::process::{Command, Output};

use serde_json::Value;
use servers::{mariadb, postgres};
use tests::harness::{Folder, suite};

use super::{folder, my_table, pg_table, sqlite};

/// A table about people, whose names say less than their values.
const PEOPLE: &str = "CREATE TABLE people (id INTEGER PRIMARY KEY, reach VARCHAR(80), \
    iban VARCHAR(40), score INTEGER);
    INSERT INTO people VALUES (1, 'ann@example.org', 'DE89370400440532013000', 5), \
    (2, 'bob@example.org', 'GB82WEST12345698765432', 7), (3, 'cleo@example.org', NULL, 1), \
    (4, 'dan@example.org', NULL, 1), (5, 'eve@example.org', NULL, 1), \
    (6, 'fay@example.org', NULL, 1);";

fn doctor(folder: &Folder, args: &[&str]) -> Output {
    let mut command = Command::new(suite());
    command.args(["doctor", "sql"]).args(args).arg("--config").arg(folder.config());
    command.output().expect("it runs")
}

/// What it finds of a database: weight, what, remedy.
fn findings(output: &Output, database: &str) -> Vec<[String; 3]> {
    let diagnosis: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let all = diagnosis["servers"][0]["findings"].as_array().expect("findings").clone();
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let found = all.iter().map(|one| ["weight", "what", "remedy"].map(|key| text(one, key)));
    found.filter(|[_, what, _]| what.starts_with(&format!("{database}: "))).collect()
}

#[test]
fn a_right_credential_is_well_and_personal_data_is_warned_of() {
    postgres::shared().database("e2e_doctor", PEOPLE);
    mariadb::shared().database("e2e_doctor", PEOPLE);
    let lite = "[servers.sql.databases.lite]\nurl = \"sqlite:lite.db\"\n";
    let tables = [
        pg_table("pg", postgres::READER, "e2e_doctor"),
        my_table("my", mariadb::READER, "e2e_doctor"),
        lite.to_owned(),
    ];
    let shown = folder(&tables.concat());
    sqlite(&shown, "lite.db", PEOPLE);
    let output = doctor(&shown, &["--json"]);
    assert!(output.status.success(), "warnings are for the operator to weigh: {output:?}");
    for database in ["pg", "my", "lite"] {
        let found = findings(&output, database);
        let weights: Vec<&str> = found.iter().map(|[weight, ..]| weight.as_str()).collect();
        assert_eq!(weights, ["note", "warning"], "{found:#?}");
        assert!(found[0][1].contains("the credential may do no more than read"), "{found:#?}");
        for part in ["people.reach (e-mail address: 6 of 6 values)", "people.iban (bank account"] {
            assert!(found[1][1].contains(part), "{part}: {found:#?}");
        }
        assert!(!found[1][1].contains("score"), "{found:#?}");
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!said.contains("example.org") && !said.contains("370400"), "no value is shown: {said}");
    assert!(!said.contains(postgres::PASSWORD), "{said}");
    // What the warning asks for quietens it.
    let masks = |schema: &str| {
        format!(
            "mask = {{ \"{schema}.people.reach\" = \"hash\", \"{schema}.people.iban\" = \"last4\" }}\n"
        )
    };
    let masked = folder(&format!("{lite}{}", masks("main")));
    sqlite(&masked, "lite.db", PEOPLE);
    let found = findings(&doctor(&masked, &["--json"]), "lite");
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn a_credential_that_may_write_is_a_fault_with_the_sql_of_a_right_one() {
    postgres::shared().database("e2e_unwell", PEOPLE);
    let password = postgres::PASSWORD;
    postgres::shared().psql(
        "e2e_unwell",
        &format!(
            "CREATE ROLE e2e_unwell LOGIN PASSWORD '{password}';
             GRANT CONNECT ON DATABASE e2e_unwell TO e2e_unwell;
             GRANT SELECT, UPDATE ON people TO e2e_unwell;"
        ),
    );
    mariadb::shared().database("e2e_unwell", PEOPLE);
    mariadb::shared().query(&format!(
        "CREATE USER e2e_unwell@'%' IDENTIFIED BY '{password}';
         GRANT SELECT, UPDATE ON e2e_unwell.* TO e2e_unwell@'%'"
    ));
    let tables =
        [pg_table("pg", "e2e_unwell", "e2e_unwell"), my_table("my", "e2e_unwell", "e2e_unwell")];
    let strict = folder(&tables.concat());
    let output = doctor(&strict, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    for (database, sql) in [("pg", "CREATE ROLE "), ("my", "CREATE USER ")] {
        let found = findings(&output, database);
        let [[weight, what, remedy]] = found.as_slice() else { panic!("{found:#?}") };
        assert_eq!(weight, "fault");
        assert!(what.contains("UPDATE"), "{what}");
        for part in [sql, "GRANT SELECT", "accept = [\"writes\"]"] {
            assert!(remedy.contains(part), "{part}: {remedy}");
        }
        // It is SQL that somebody runs as it is, but for the password.
        let statements: Vec<&str> =
            remedy.lines().skip(1).take_while(|line| !line.starts_with("or, in [")).collect();
        let script = statements.join("\n").replace('…', password);
        if database == "pg" {
            postgres::shared().psql("e2e_unwell", &script);
        } else {
            mariadb::shared().query(&script);
        }
    }
    let tables_of_right_ones = [
        pg_table("pg", "suite_reader", "e2e_unwell"),
        my_table("my", "agent_reader", "e2e_unwell"),
    ];
    let right = doctor(&folder(&tables_of_right_ones.concat()), &["--json"]);
    assert!(right.status.success(), "{right:?}");
    for database in ["pg", "my"] {
        assert_eq!(findings(&right, database)[0][0], "note", "{right:?}");
    }
    let table = String::from_utf8_lossy(&doctor(&strict, &[]).stdout).into_owned();
    for part in ["UPDATE", "GRANT SELECT", "accept = [\"writes\"]"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    assert!(!table.contains(password), "{table}");
    let tables = tables.map(|table| format!("{table}accept = [\"writes\"]\n"));
    let named = doctor(&folder(&tables.concat()), &["--json"]);
    assert!(named.status.success(), "{named:?}");
    for database in ["pg", "my"] {
        assert_eq!(findings(&named, database)[0][0], "warning", "accepted, and still told");
    }
}

#[test]
fn a_database_that_does_not_answer_is_a_fault() {
    let folder = folder(&pg_table("pg", "nobody_of_that_name", "e2e_nowhere"));
    let output = doctor(&folder, &["--json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = format!("{output:?}");
    assert!(said.contains("nobody_of_that_name") && !said.contains(postgres::PASSWORD), "{said}");
}

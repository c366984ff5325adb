//! The credential layer: what the account may do that reading does not need.
//!
//! SHOW GRANTS is the only complete answer, and it is text. Its privileges are compared with the
//! few that reading needs, so that one that a later server invents counts as too much.

use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row as _};

use super::lexer::quote;
use super::session::{Flavor, Server};
use super::{pattern, text_of};
use crate::engine::{Excess, Setup, Vetted};
use crate::settings::Accept;

/// Asks what the account may do, by itself and by its roles.
pub(super) async fn vet(
    link: &mut MySqlConnection,
    server: &Server,
    setup: &Setup,
) -> Result<Vetted, sqlx::Error> {
    let mut lines = ask(link, "SHOW GRANTS".to_owned()).await?;
    lines.append(&mut match server.flavor {
        Flavor::Mariadb => roles_of_mariadb(link).await?,
        Flavor::Mysql => roles_of_mysql(link).await?,
    });
    let mut excess: Vec<Excess> =
        lines.iter().flat_map(|line| judge(line, &setup.rules.functions)).collect();
    excess.sort_by(|left, right| (left.kind, &left.what).cmp(&(right.kind, &right.what)));
    excess.dedup();
    Ok(Vetted { excess, remedy: remedy(setup), server: server.title.clone() })
}

/// What the account's roles may do: a session may take on every one, default or not. Only a role
/// that is taken on may be looked into.
async fn roles_of_mariadb(link: &mut MySqlConnection) -> Result<Vec<String>, sqlx::Error> {
    let granted = "SELECT ROLE_NAME FROM information_schema.APPLICABLE_ROLES \
                   WHERE GRANTEE LIKE '%@%'";
    let roles = ask(link, granted.to_owned()).await?;
    if roles.is_empty() {
        return Ok(Vec::new());
    }
    let current = ask(link, "SELECT CURRENT_ROLE()".to_owned()).await?;
    let mut lines = Vec::new();
    for role in roles {
        let taken = ask(link, format!("SET ROLE {}", quote(&role))).await;
        match (taken, ask(link, "SHOW GRANTS FOR CURRENT_ROLE".to_owned()).await) {
            (Ok(_), Ok(mut more)) => lines.append(&mut more),
            _ => lines.push(format!("GRANT UNKNOWN ON `{role}` TO it")),
        }
    }
    let current = current.first().filter(|role| !role.is_empty());
    let back = current.map_or("NONE".to_owned(), |role| quote(role));
    ask(link, format!("SET ROLE {back}")).await?;
    Ok(lines)
}

/// The same of MySQL, which knows no roles before 8.0.
async fn roles_of_mysql(link: &mut MySqlConnection) -> Result<Vec<String>, sqlx::Error> {
    let granted = "SELECT DISTINCT CONCAT(QUOTE(ROLE_NAME), '@', QUOTE(ROLE_HOST)) \
                   FROM information_schema.APPLICABLE_ROLES";
    let roles = match ask(link, granted.to_owned()).await {
        Ok(roles) if !roles.is_empty() => roles.join(", "),
        _ => return Ok(Vec::new()),
    };
    let grants = ask(link, format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}")).await;
    Ok(grants.unwrap_or_else(|_| vec![format!("GRANT UNKNOWN ON {roles} TO it")]))
}

async fn ask(link: &mut MySqlConnection, sql: String) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *link).await?;
    Ok(rows.iter().filter(|row| !row.is_empty()).map(|row| text_of(row, 0)).collect())
}

/// What is too much in one line: `GRANT SELECT, INSERT (a) ON `shop`.* TO …`.
fn judge(line: &str, functions: &[String]) -> Vec<Excess> {
    let Some((privileges, object)) = parts(line) else { return Vec::new() };
    let mut found = Vec::new();
    if line.contains("WITH GRANT OPTION") || line.contains("WITH ADMIN OPTION") {
        found.push(Excess {
            kind: Accept::Superuser,
            what: format!("may grant what it may do on {object} to others"),
        });
    }
    for privilege in privileges {
        let name = privilege.split('(').next().unwrap_or_default().trim().to_uppercase();
        if let Some(kind) = kind(&name, &object, functions) {
            let what = match name.as_str() {
                "SELECT" => format!("may read {object}, the accounts' passwords among it"),
                "UNKNOWN" => format!("has the role {object}, which cannot be looked into"),
                _ => format!("may {name} on {object}"),
            };
            found.push(Excess { kind, what });
        }
    }
    found
}

/// The privileges of a line, and on what; nothing for a granted role.
fn parts(line: &str) -> Option<(Vec<String>, String)> {
    let rest = line.strip_prefix("GRANT ")?;
    let (mut depth, mut is_quoted, mut start) = (0_usize, false, 0);
    let mut privileges = Vec::new();
    for (at, char) in rest.char_indices() {
        match char {
            '`' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if is_quoted || depth > 0 {
            continue;
        }
        if char == ',' {
            privileges.push(rest.get(start..at)?.trim().to_owned());
            start = at + 1;
        } else if rest.get(at..).is_some_and(|rest| rest.starts_with(" ON ")) {
            privileges.push(rest.get(start..at)?.trim().to_owned());
            return Some((privileges, object(rest.get(at + 4..)?)));
        } else if rest.get(at..).is_some_and(|rest| rest.starts_with(" TO ")) {
            return None;
        }
    }
    None
}

/// The object before ` TO `, without backticks: `shop.*`.
fn object(rest: &str) -> String {
    let end = rest.find(" TO ").unwrap_or(rest.len());
    rest.get(..end).unwrap_or_default().replace('`', "")
}

/// Which word of `accept` lets a privilege pass; `None` for what reading needs.
fn kind(privilege: &str, object: &str, functions: &[String]) -> Option<Accept> {
    let schema = object.split('.').next().unwrap_or_default();
    Some(match privilege {
        "USAGE" | "SHOW VIEW" | "SHOW DATABASES" | "SHOW_ROUTINE" | "SHOW CREATE ROUTINE" => {
            return None;
        }
        // A pattern such as `my%` covers the accounts, too.
        "SELECT" if schema == "*" || covers(schema, "mysql") => Accept::Others,
        "SELECT" => return None,
        "EXECUTE" if is_named(object, functions) => return None,
        "INSERT" | "UPDATE" | "DELETE" | "DELETE HISTORY" | "EXECUTE" | "REFERENCES" => {
            Accept::Writes
        }
        "CREATE"
        | "DROP"
        | "ALTER"
        | "INDEX"
        | "CREATE VIEW"
        | "CREATE ROUTINE"
        | "ALTER ROUTINE"
        | "CREATE TEMPORARY TABLES"
        | "EVENT"
        | "TRIGGER"
        | "CREATE TABLESPACE" => Accept::Creates,
        "ALL PRIVILEGES" if schema != "*" => Accept::Owns,
        "FILE" => Accept::Files,
        "PROCESS" | "LOCK TABLES" | "REPLICATION CLIENT" | "REPLICATION SLAVE"
        | "BINLOG MONITOR" | "SLAVE MONITOR" | "REPLICA MONITOR" | "CONNECTION ADMIN"
        | "CONNECTION_ADMIN" => Accept::Others,
        _ => Accept::Superuser,
    })
}

/// Whether a database's name in a grant, with `%` and `_` as wildcards, covers another.
fn covers(granted: &str, schema: &str) -> bool {
    let escaped = granted.replace("\\_", "_");
    pattern::matches(&escaped.replace('%', "*"), schema) || escaped == schema
}

/// Whether a routine is one that the operator lets be called: `FUNCTION shop.vat`.
fn is_named(object: &str, functions: &[String]) -> bool {
    object.strip_prefix("FUNCTION ").is_some_and(|name| {
        let name = name.to_lowercase();
        functions.iter().any(|rule| pattern::matches(&rule.to_lowercase(), &name))
    })
}

/// The SQL that makes an account which may only read.
fn remedy(setup: &Setup) -> String {
    let url = setup.urls.last().map(String::as_str).unwrap_or_default();
    let database = super::pool::home(url).unwrap_or_else(|| "your_database".to_owned());
    let database = super::lexer::quote_name(&database);
    let mut text = format!(
        "CREATE USER 'agent_reader'@'%' IDENTIFIED BY '…' REQUIRE SSL;\n\
         GRANT SELECT, SHOW VIEW ON {database}.* TO 'agent_reader'@'%';\n"
    );
    for function in &setup.rules.functions {
        let name: Vec<String> = function.split('.').map(super::lexer::quote_name).collect();
        text.push_str(&format!(
            "GRANT EXECUTE ON FUNCTION {} TO 'agent_reader'@'%';\n",
            name.join(".")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(Accept, &str)]) {
        let found = judge(line, &["shop.vat".to_owned()]);
        let found: Vec<(Accept, &str)> =
            found.iter().map(|excess| (excess.kind, excess.what.as_str())).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn only_what_reading_needs_is_right() {
        check("GRANT USAGE ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD 'x'", &[]);
        check("GRANT SELECT, SHOW VIEW ON `shop`.* TO `a`@`%`", &[]);
        check("GRANT SELECT (`a, b`, c) ON `shop`.`t` TO `a`@`%`", &[]);
        check("GRANT EXECUTE ON FUNCTION `shop`.`vat` TO `a`@`%`", &[]);
        check("GRANT `analyst` TO `a`@`%`", &[]);
    }

    #[test]
    fn everything_else_is_too_much() {
        check(
            "GRANT SELECT, INSERT (a), FILE ON *.* TO `a`@`%`",
            &[
                (Accept::Others, "may read *.*, the accounts' passwords among it"),
                (Accept::Writes, "may INSERT on *.*"),
                (Accept::Files, "may FILE on *.*"),
            ],
        );
        check(
            "GRANT ALL PRIVILEGES ON `shop`.* TO `a`@`%`",
            &[(Accept::Owns, "may ALL PRIVILEGES on shop.*")],
        );
        check(
            "GRANT EXECUTE ON FUNCTION `shop`.`evil` TO `a`@`%`",
            &[(Accept::Writes, "may EXECUTE on FUNCTION shop.evil")],
        );
        check(
            "GRANT INVENTED LATER ON *.* TO a",
            &[(Accept::Superuser, "may INVENTED LATER on *.*")],
        );
        check(
            "GRANT SELECT ON `my%`.* TO a",
            &[(Accept::Others, "may read my%.*, the accounts' passwords among it")],
        );
        check(
            "GRANT SELECT ON `shop`.* TO a WITH GRANT OPTION",
            &[(Accept::Superuser, "may grant what it may do on shop.* to others")],
        );
    }
}

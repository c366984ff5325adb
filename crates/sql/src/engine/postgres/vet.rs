//! What the credential may do beyond reading, asked of the catalogue.
//!
//! Every role counts that the credential is a member of, also one that it would have to change
//! to by SET ROLE. Untrusted languages need no look: only a superuser writes functions in them.

use contract::ToolError;
use contract::error::Kind;
use futures_util::TryStreamExt as _;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::cells::text;
use super::errors::Fault;
use crate::engine::{Excess, Vetted};
use crate::settings::Accept;

/// How many findings of one sort are listed by name.
const LISTED: usize = 10;

/// Asks the catalogue.
pub(crate) async fn vet(connection: &mut PgConnection) -> Result<Vetted, Fault> {
    let version = i64::from(connection.server_version_num().unwrap_or_default());
    let mut found: Vec<(Accept, String, Vec<String>)> = Vec::new();
    let mut rows = sqlx::raw_sql(AssertSqlSafe(questions(version))).fetch(&mut *connection);
    while let Some(row) = rows.try_next().await? {
        let field = |at| text(&row, at).unwrap_or_default().into_owned();
        let (kind, what, object) = (accept(&field(0))?, field(1), field(2));
        match found.iter_mut().find(|(k, w, _)| (*k, w.as_str()) == (kind, what.as_str())) {
            Some((_, _, objects)) => objects.push(object),
            None => found.push((kind, what, vec![object])),
        }
    }
    drop(rows);
    let excess = found.into_iter().map(|(kind, what, objects)| excess(kind, &what, &objects));
    let excess: Vec<Excess> = excess.collect();
    let (server, remedy) = remedy(connection).await?;
    Ok(Vetted { excess, remedy, server })
}

/// Refuses a credential that may do more than the operator accepts.
pub(crate) fn enforce(vetted: &Vetted, accepted: &[Accept]) -> Result<(), ToolError> {
    let refused: Vec<&Excess> =
        vetted.excess.iter().filter(|excess| !accepted.contains(&excess.kind)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let list: Vec<&str> = refused.iter().map(|excess| excess.what.as_str()).collect();
    let mut kinds: Vec<String> =
        refused.iter().map(|excess| format!("\"{}\"", excess.kind)).collect();
    kinds.sort();
    kinds.dedup();
    let message = "the database's credential may do more than read, so nothing runs with it. This \
                   is for the operator: `suite doctor` lists what is too much, and the SQL of a \
                   right role";
    let log = format!(
        "the credential may do more than read: {}. A right role:\n{}\nOr let it pass in \
         servers.toml: accept = [{}]",
        list.join("; "),
        vetted.remedy,
        kinds.join(", ")
    );
    Err(ToolError::new(Kind::Denied, message).with_log(log))
}

fn excess(kind: Accept, what: &str, objects: &[String]) -> Excess {
    let mut list = objects.iter().filter(|name| !name.is_empty());
    let named: Vec<&str> = list.by_ref().take(LISTED).map(String::as_str).collect();
    let rest = list.count();
    let mut what = match named.as_slice() {
        [] => what.to_owned(),
        named => format!("{what} {}", named.join(", ")),
    };
    if rest > 0 {
        what.push_str(&format!(" and {rest} more"));
    }
    Excess { kind, what }
}

fn accept(name: &str) -> Result<Accept, Fault> {
    Ok(match name {
        "superuser" => Accept::Superuser,
        "writes" => Accept::Writes,
        "owns" => Accept::Owns,
        "creates" => Accept::Creates,
        "files" => Accept::Files,
        "others" => Accept::Others,
        other => return Err(Fault::Tool(ToolError::internal(format!("no excess {other}")))),
    })
}

/// One question whose rows are the kind, what it may do, and the object that it may do it to.
///
/// A superuser is only that: the list of everything else would be the whole database. `mine` are
/// the roles it is a member of; `other` those of them whose rights it does not have at once, with
/// itself.
fn questions(version: i64) -> String {
    let maintain = if version >= 170_000 { ",MAINTAIN" } else { "" };
    let mut parts = vec![ROLES.to_owned(), OWNS.to_owned(), CREATES.to_owned()];
    parts.push(TABLES.replace("$MAINTAIN", maintain));
    parts.push(OBJECTS.to_owned());
    parts.push(FUNCTIONS.to_owned());
    if version >= 150_000 {
        parts.push(PARAMETERS.to_owned());
    }
    format!("{BEGIN} {} ORDER BY 1, 2, 3", parts.join(" UNION ALL "))
}

const BEGIN: &str = "\
    WITH mine AS ( \
      SELECT oid, rolname, rolsuper, rolbypassrls, rolreplication, rolcreaterole, rolcreatedb \
      FROM pg_catalog.pg_roles WHERE pg_catalog.pg_has_role(current_user, oid, 'MEMBER')), \
    super AS (SELECT EXISTS (SELECT FROM mine WHERE rolsuper) AS yes), \
    other AS (SELECT oid, rolname FROM mine \
      WHERE rolname = current_user OR NOT pg_catalog.pg_has_role(current_user, oid, 'USAGE'))";

const ROLES: &str = "\
    SELECT 'superuser', 'is a superuser, as', rolname::text FROM mine \
      WHERE rolsuper AND (rolname = current_user OR NOT EXISTS \
        (SELECT FROM mine m WHERE m.rolsuper AND m.rolname = current_user)) \
    UNION ALL SELECT v.kind, v.what, m.rolname::text FROM mine m \
      CROSS JOIN LATERAL (VALUES \
        ('others', 'passes over row-level security, as', m.rolbypassrls), \
        ('others', 'may replicate the whole server, as', m.rolreplication), \
        ('creates', 'may create roles, as', m.rolcreaterole), \
        ('creates', 'may create databases, as', m.rolcreatedb)) AS v(kind, what, yes) \
      WHERE v.yes AND NOT (SELECT yes FROM super) \
    UNION ALL SELECT p.kind, 'is a member of', m.rolname::text FROM mine m \
      JOIN (VALUES ('pg_read_server_files', 'files'), ('pg_write_server_files', 'files'), \
        ('pg_execute_server_program', 'files'), ('pg_signal_backend', 'others'), \
        ('pg_signal_autovacuum_worker', 'others'), \
        ('pg_monitor', 'others'), ('pg_read_all_settings', 'others'), \
        ('pg_read_all_stats', 'others'), ('pg_stat_scan_tables', 'others'), \
        ('pg_checkpoint', 'others'), \
        ('pg_write_all_data', 'writes'), ('pg_maintain', 'writes'), \
        ('pg_create_subscription', 'creates')) AS p(name, kind) ON p.name = m.rolname \
      WHERE NOT (SELECT yes FROM super) \
    UNION ALL SELECT 'others', 'may let others into the role', r.rolname::text \
      FROM pg_catalog.pg_auth_members a JOIN mine m ON m.oid = a.member \
      JOIN pg_catalog.pg_roles r ON r.oid = a.roleid \
      WHERE a.admin_option AND NOT (SELECT yes FROM super)";

/// The list of dependencies names the owner of everything but what the server began with.
const OWNS: &str = "\
    SELECT 'owns', 'owns', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) \
    FROM pg_catalog.pg_shdepend d JOIN mine m ON m.oid = d.refobjid \
    WHERE d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.deptype = 'o' \
      AND d.dbid IN (0, (SELECT oid FROM pg_catalog.pg_database \
                         WHERE datname = pg_catalog.current_database())) \
      AND NOT (SELECT yes FROM super)";

const CREATES: &str = "\
    SELECT 'creates', 'may create in schema', n.nspname::text \
    FROM pg_catalog.pg_namespace n \
    WHERE EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_schema_privilege(o.oid, n.oid, 'CREATE')) \
      AND NOT (SELECT yes FROM super) \
    UNION ALL SELECT 'creates', p.what, d.datname::text \
    FROM pg_catalog.pg_database d \
    CROSS JOIN (VALUES ('CREATE', 'may create schemas in database'), \
                       ('TEMPORARY', 'may create temporary tables in database')) AS p(name, what) \
    WHERE d.datname = pg_catalog.current_database() \
      AND EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_database_privilege(o.oid, d.oid, p.name)) \
      AND NOT (SELECT yes FROM super) \
    UNION ALL SELECT 'creates', 'may create in tablespace', t.spcname::text \
    FROM pg_catalog.pg_tablespace t \
    WHERE EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_tablespace_privilege(o.oid, t.oid, 'CREATE')) \
      AND NOT (SELECT yes FROM super) \
    UNION ALL SELECT 'creates', 'may make servers of the wrapper', w.fdwname::text \
    FROM pg_catalog.pg_foreign_data_wrapper w \
    WHERE EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_foreign_data_wrapper_privilege(o.oid, w.oid, 'USAGE')) \
      AND NOT (SELECT yes FROM super)";

/// The view `pg_settings` takes an UPDATE from everybody: it is another word for SET.
const TABLES: &str = "\
    SELECT 'writes', 'may ' || p.name || ' in', c.oid::regclass::text \
    FROM pg_catalog.pg_class c \
    CROSS JOIN LATERAL pg_catalog.unnest(pg_catalog.string_to_array( \
      'INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER$MAINTAIN', ',')) AS p(name) \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
      AND c.oid <> 'pg_catalog.pg_settings'::regclass \
      AND NOT (SELECT yes FROM super) \
      AND EXISTS (SELECT FROM other o WHERE \
            pg_catalog.has_table_privilege(o.oid, c.oid, \
              'INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER$MAINTAIN') \
            OR pg_catalog.has_any_column_privilege(o.oid, c.oid, 'INSERT,UPDATE,REFERENCES')) \
      AND EXISTS (SELECT FROM other o WHERE \
            pg_catalog.has_table_privilege(o.oid, c.oid, p.name) \
            OR CASE WHEN p.name IN ('INSERT', 'UPDATE', 'REFERENCES') \
               THEN pg_catalog.has_any_column_privilege(o.oid, c.oid, p.name) END)";

const OBJECTS: &str = "\
    SELECT 'writes', 'may change the sequence', c.oid::regclass::text \
    FROM pg_catalog.pg_class c \
    WHERE c.relkind = 'S' AND NOT (SELECT yes FROM super) \
      AND EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_sequence_privilege(o.oid, c.oid, 'UPDATE,USAGE')) \
    UNION ALL SELECT 'writes', 'may write the large object', l.oid::text \
    FROM pg_catalog.pg_largeobject_metadata l \
    WHERE NOT (SELECT yes FROM super) \
      AND EXISTS (SELECT FROM pg_catalog.aclexplode(l.lomacl) a \
                  WHERE a.privilege_type = 'UPDATE' \
                    AND (a.grantee = 0 OR a.grantee IN (SELECT oid FROM mine))) \
    UNION ALL SELECT 'files', 'may read a file or run a program by', t.ftrelid::regclass::text \
    FROM pg_catalog.pg_foreign_table t \
    JOIN pg_catalog.pg_foreign_server s ON s.oid = t.ftserver \
    JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw \
    JOIN pg_catalog.pg_proc h ON h.oid = w.fdwhandler AND h.proname = 'file_fdw_handler' \
    WHERE NOT (SELECT yes FROM super) \
      AND EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_table_privilege(o.oid, t.ftrelid, 'SELECT') \
                    OR pg_catalog.has_any_column_privilege(o.oid, t.ftrelid, 'SELECT'))";

/// What reads files or runs programs, and whatever else of the server's own functions is kept
/// from the public but not from this credential.
const FUNCTIONS: &str = "\
    SELECT CASE WHEN f.is_file THEN 'files' ELSE 'others' END, 'may execute', \
           p.oid::regprocedure::text \
    FROM pg_catalog.pg_proc p \
    CROSS JOIN LATERAL (SELECT p.proname ~ \
      '^(pg_read_(binary_)?file$|pg_ls_|pg_stat_file$|pg_file_|pg_logdir_ls$|lo_(im|ex)port$)' \
      AS is_file) f \
    WHERE p.pronamespace = 'pg_catalog'::regnamespace \
      AND NOT (SELECT yes FROM super) \
      AND (f.is_file OR (p.proacl IS NOT NULL AND NOT EXISTS \
            (SELECT FROM pg_catalog.aclexplode(p.proacl) a WHERE a.grantee = 0))) \
      AND EXISTS (SELECT FROM other o \
                  WHERE pg_catalog.has_function_privilege(o.oid, p.oid, 'EXECUTE'))";

const PARAMETERS: &str = "\
    SELECT 'others', 'may set the parameter', p.parname \
    FROM pg_catalog.pg_parameter_acl p \
    WHERE NOT (SELECT yes FROM super) \
      AND EXISTS (SELECT FROM pg_catalog.aclexplode(p.paracl) a \
                  WHERE a.grantee = 0 OR a.grantee IN (SELECT oid FROM mine))";

/// The names a right role needs: the version, the database, its schemas with relations.
const NAMES: &str = "\
    SELECT pg_catalog.current_setting('server_version'), \
           pg_catalog.quote_ident(pg_catalog.current_database()), \
           (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.quote_ident(n.nspname), ', ') \
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' \
              AND n.nspname <> 'information_schema')";

/// The server's name and the SQL of a right role.
async fn remedy(connection: &mut PgConnection) -> Result<(String, String), Fault> {
    let row = sqlx::raw_sql(NAMES).fetch_one(connection).await?;
    let version = text(&row, 0).unwrap_or_default().into_owned();
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    let database = text(&row, 1).unwrap_or_default().into_owned();
    let schemas = text(&row, 2).unwrap_or("public".into()).into_owned();
    let sql = format!(
        "CREATE ROLE suite_reader LOGIN PASSWORD '…' NOSUPERUSER NOCREATEDB NOCREATEROLE \
         NOREPLICATION NOBYPASSRLS;\n\
         REVOKE CREATE, TEMPORARY ON DATABASE {database} FROM PUBLIC;\n\
         REVOKE CREATE ON SCHEMA {schemas} FROM PUBLIC;\n\
         GRANT CONNECT ON DATABASE {database} TO suite_reader;\n\
         GRANT USAGE ON SCHEMA {schemas} TO suite_reader;\n\
         GRANT SELECT ON ALL TABLES IN SCHEMA {schemas} TO suite_reader;\n\
         ALTER ROLE suite_reader SET default_transaction_read_only = on;\n\
         ALTER ROLE suite_reader SET temp_file_limit = '1GB';"
    );
    Ok((format!("PostgreSQL {version}"), sql))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_is_counted() {
        let names: Vec<String> = (1..=12).map(|n| format!("t{n}")).collect();
        let found = excess(Accept::Writes, "may DELETE in", &names);
        assert_eq!(found.what, "may DELETE in t1, t2, t3, t4, t5, t6, t7, t8, t9, t10 and 2 more");
        assert_eq!(excess(Accept::Owns, "owns", &[String::new()]).what, "owns");
    }
}

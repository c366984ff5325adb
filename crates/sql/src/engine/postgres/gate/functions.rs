//! Which functions may be called.
//!
//! The catalogue's word counts, not a list of names: what is volatile may change something or
//! wait. Names are needed only for what the catalogue's word does not cover: harmless functions
//! that are volatile because they answer differently each time, and functions that are called
//! stable though they run text as SQL, see other sessions or reach out of the database.

use crate::engine::Rules;
use crate::engine::postgres::catalogue::facts::Function;

/// Volatile, but only because they answer differently each time.
const HARMLESS: &[&str] = &[
    "clock_timestamp",
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_last_xact_replay_timestamp",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "random",
    "random_normal",
    "timeofday",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

/// The extensions whose harmless functions those are, besides PostgreSQL itself.
const RANDOM_EXTENSIONS: &[&str] = &["pgcrypto", "uuid-ossp"];

/// Of PostgreSQL's own functions that begin with `pg_`, the only ones that may be called: most
/// others look into the server.
const HARMLESS_PG: &[&str] = &[
    "pg_client_encoding",
    "pg_collation_for",
    "pg_column_compression",
    "pg_column_size",
    "pg_database_size",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_keywords",
    "pg_get_partkeydef",
    "pg_get_serial_sequence",
    "pg_get_userbyid",
    "pg_get_viewdef",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_last_xact_replay_timestamp",
    "pg_partition_root",
    "pg_relation_size",
    "pg_size_bytes",
    "pg_size_pretty",
    "pg_table_is_visible",
    "pg_table_size",
    "pg_timezone_abbrevs",
    "pg_timezone_names",
    "pg_total_relation_size",
    "pg_type_is_visible",
    "pg_typeof",
    "pg_wal_lsn_diff",
];

/// Those of [`HARMLESS_PG`] and others that tell of relations, refused where rules hide some.
const TELLING: &[&str] = &[
    "col_description",
    "has_any_column_privilege",
    "has_column_privilege",
    "has_table_privilege",
    "obj_description",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_indexdef",
    "pg_get_partkeydef",
    "pg_get_serial_sequence",
    "pg_get_viewdef",
    "pg_indexes_size",
    "pg_partition_root",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "to_regclass",
];

/// Functions of extensions that run text as SQL or reach other servers, whatever their volatility.
const RUNS_TEXT: &[&str] = &["connectby", "crosstab", "normal_rand", "xpath_table"];

/// Extensions none of whose functions are for queries.
const REACHING_EXTENSIONS: &[&str] = &[
    "adminpack",
    "dblink",
    "file_fdw",
    "http",
    "lo",
    "pageinspect",
    "pg_buffercache",
    "pg_cron",
    "pg_net",
    "pg_stat_statements",
    "pg_surgery",
    "pg_walinspect",
    "pgrowlocks",
    "plpython3u",
    "plperlu",
    "postgres_fdw",
];

/// Settings that say nothing about the server, its people or its secrets.
const HARMLESS_SETTINGS: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_encoding",
    "datestyle",
    "default_text_search_config",
    "extra_float_digits",
    "integer_datetimes",
    "intervalstyle",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "max_identifier_length",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
    "transaction_isolation",
    "transaction_read_only",
];

/// Why a function may not be called by name; `None` where it may.
///
/// `constant` is the first argument, where it is a constant text.
pub(super) fn objection(
    function: &Function,
    rules: &Rules,
    constant: Option<&str>,
) -> Option<String> {
    if is_allowed(function, rules) || function.kind == "p" {
        return None;
    }
    if function.is_definer && function.is_own {
        return Some("runs with its owner's rights (SECURITY DEFINER)".into());
    }
    volatile(function).or_else(|| {
        if function.is_own { own(function) } else { built_in(function, rules, constant) }
    })
}

/// Why a view, a policy or an operator that calls a function may not be used. What they do was
/// decided by whoever made them, so only what the function may change counts.
pub(super) fn objection_within(function: &Function, rules: &Rules) -> Option<String> {
    if is_allowed(function, rules) {
        return None;
    }
    volatile(function).or_else(|| reaching(function))
}

/// Whether the operator named it as harmless.
pub(super) fn is_allowed(function: &Function, rules: &Rules) -> bool {
    let title = function.title();
    rules.functions.iter().any(|name| super::relations::matches(name, &title))
}

fn volatile(function: &Function) -> Option<String> {
    let is_random = HARMLESS.contains(&function.name.as_str())
        && match &function.extension {
            Some(extension) => RANDOM_EXTENSIONS.contains(&extension.as_str()),
            None => !function.is_own,
        };
    (function.volatility == "v" && !is_random)
        .then(|| "is volatile: it may change something or wait".into())
}

/// Of a function that came with an extension or that somebody wrote.
fn own(function: &Function) -> Option<String> {
    let is_legible = matches!(function.language.as_str(), "c" | "internal" | "sql" | "plpgsql");
    reaching(function).or_else(|| {
        (!is_legible && function.extension.is_none())
            .then(|| format!("is written in {}, which is not looked into", function.language))
    })
}

/// Of an extension's function that does more than compute.
fn reaching(function: &Function) -> Option<String> {
    let extension = function.extension.as_deref()?;
    let runs_text = RUNS_TEXT.iter().any(|known| function.name.starts_with(known));
    (runs_text || REACHING_EXTENSIONS.contains(&extension)).then(|| {
        format!("of extension {extension} runs text as SQL or reaches out of the database")
    })
}

/// Of PostgreSQL's own functions.
fn built_in(function: &Function, rules: &Rules, constant: Option<&str>) -> Option<String> {
    let name = function.name.as_str();
    if function.is_internal {
        return Some("is for the server's own use".into());
    }
    if name.contains("_to_xml") {
        return Some("runs text as SQL".into());
    }
    if name == "current_setting" {
        return setting(constant);
    }
    let looks_into_server =
        name.starts_with("pg_") && !name.starts_with("pg_lsn") && !HARMLESS_PG.contains(&name);
    if looks_into_server || name.starts_with("inet_server") || name.starts_with("inet_client") {
        return Some("looks into the server".into());
    }
    if name.starts_with("txid_") {
        return Some("uses up numbers of transactions".into());
    }
    if is_restricted(rules) && TELLING.contains(&name) {
        return Some(
            "tells of relations that may be hidden; the schema tool describes them".into(),
        );
    }
    None
}

fn setting(name: Option<&str>) -> Option<String> {
    match name {
        Some(name) if HARMLESS_SETTINGS.contains(&name.to_ascii_lowercase().as_str()) => None,
        Some(name) => Some(format!(
            "of {name:?}: settings may hold secrets; allowed are harmless ones such as TimeZone"
        )),
        None => Some("takes the setting's name as a constant here".into()),
    }
}

/// Whether the rules hide anything.
pub(super) fn is_restricted(rules: &Rules) -> bool {
    !(rules.allow.is_empty() && rules.deny.is_empty() && rules.mask.is_empty())
}

//! Types are kept honest: every value is the server's own text.

use super::*;
use crate::engine::Kind;

const SCHEMA: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE TYPE point3 AS (x int, y int, label text);
    CREATE DOMAIN percent AS numeric(5,2) CHECK (VALUE <= 100);
    CREATE DOMAIN share AS percent;
    CREATE TABLE documents (id int, body text);
    INSERT INTO documents VALUES (1, 'a'), (2, NULL), (3, '');
    CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO reader;
    CREATE TYPE other.colour AS ENUM ('red');";

/// Runs `SELECT expression` and compares text, type and kind.
async fn check(engine: &Postgres, expression: &str, text: &str, type_name: &str, kind: Kind) {
    let statement = format!("SELECT {expression}");
    let found = rows(engine, Run { cell: 10_000_000, ..run(&statement) }).await;
    let found = found.unwrap_or_else(|error| panic!("{expression}: {error}"));
    let column = found.columns.first().expect("a column");
    let told = (lines(&found), column.type_name.as_str(), column.kind);
    assert_eq!(told, (text.to_owned(), type_name, kind), "{expression}");
}

#[tokio::test]
async fn numbers_lose_nothing() {
    let engine = database("numbers", "");
    let check =
        |expression, text, type_name, kind| check(&engine, expression, text, type_name, kind);
    check("9223372036854775807", "9223372036854775807", "int8", Kind::Integer).await;
    check("(-32768)::int2", "-32768", "int2", Kind::Integer).await;
    let tiny = format!("0.{}1", "0".repeat(29));
    check("1e-30::numeric", &tiny, "numeric", Kind::Decimal).await;
    check("1.10::numeric(10,2)", "1.10", "numeric", Kind::Decimal).await;
    check("'NaN'::numeric", "NaN", "numeric", Kind::Decimal).await;
    check("'-Infinity'::numeric", "-Infinity", "numeric", Kind::Decimal).await;
    check("0.1::float8 + 0.2::float8", "0.30000000000000004", "float8", Kind::Float).await;
    check("'1e-45'::float4", "1e-45", "float4", Kind::Float).await;
    check("'infinity'::float8", "Infinity", "float8", Kind::Float).await;
    check("'12.34'::money", "$12.34", "money", Kind::Text).await;
    check("4294967295::oid", "4294967295", "oid", Kind::Integer).await;
    let digits = "7".repeat(131_072);
    let large = format!("{digits}::numeric");
    check(&large, &digits, "numeric", Kind::Decimal).await;
}

#[tokio::test]
async fn times_keep_their_zone_and_their_era() {
    let engine = database("times", "");
    let check =
        |expression, text, type_name| check(&engine, expression, text, type_name, Kind::Text);
    check(
        "'2026-03-29 02:30:00.123456 Europe/Berlin'::timestamptz",
        "2026-03-29 01:30:00.123456+00",
        "timestamptz",
    )
    .await;
    check("'infinity'::timestamptz", "infinity", "timestamptz").await;
    check("'0044-03-15 12:00 BC'::timestamp", "0044-03-15 12:00:00 BC", "timestamp").await;
    check("'294276-12-31'::date", "294276-12-31", "date").await;
    check("'12:00:00+05:30'::timetz", "12:00:00+05:30", "timetz").await;
    check("'24:00:00'::time", "24:00:00", "time").await;
    check(
        "'1 year 2 months 3 days 04:05:06.7'::interval",
        "1 year 2 mons 3 days 04:05:06.7",
        "interval",
    )
    .await;
    check("'-infinity'::date", "-infinity", "date").await;
}

#[tokio::test]
async fn whatever_else_is_text() {
    let engine = database("elses", SCHEMA);
    let text =
        |expression, text, type_name| check(&engine, expression, text, type_name, Kind::Text);
    text("ARRAY[1,NULL,3]", "{1,NULL,3}", "int4[]").await;
    text("ARRAY[['a','b'],['c d','\"']]", r#"{{a,b},{"c d","\""}}"#, "text[]").await;
    text("'{}'::text[]", "{}", "text[]").await;
    text("'ok'::mood", "ok", "mood").await;
    text("ARRAY['ok'::mood]", "{ok}", "mood[]").await;
    text("'red'::other.colour", "red", "other.colour").await;
    text("int4range(1, 5)", "[1,5)", "int4range").await;
    text("'{[1,2),[5,9)}'::int4multirange", "{[1,2),[5,9)}", "int4multirange").await;
    text("tstzrange('2026-01-01Z', NULL)", "[\"2026-01-01 00:00:00+00\",)", "tstzrange").await;
    let uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    text("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", uuid, "uuid").await;
    text("'192.168.0.1/24'::inet", "192.168.0.1/24", "inet").await;
    text("'10.0.0.1'::inet", "10.0.0.1", "inet").await;
    text("'08:00:2b:01:02:03'::macaddr", "08:00:2b:01:02:03", "macaddr").await;
    text("'(1,2)'::point", "(1,2)", "point").await;
    text("'((0,0),(1,1))'::box", "(1,1),(0,0)", "box").await;
    text("'<(1,2),3>'::circle", "<(1,2),3>", "circle").await;
    text("'<a>b</a>'::xml", "<a>b</a>", "xml").await;
    text("B'1010'", "1010", "bit").await;
    text("B'1010'::varbit", "1010", "varbit").await;
    text("ROW(1, 2, 'a b')::point3", "(1,2,\"a b\")", "point3").await;
    text("ROW(1, NULL, '')", "(1,,\"\")", "record").await;
    text("to_tsvector('simple', 'a b')", "'a':1 'b':2", "tsvector").await;
    text("'pg_class'::regclass", "pg_class", "regclass").await;
    text("'x'::char(3)", "x  ", "bpchar").await;
    text("'a'::\"char\"", "a", "char").await;
    text("'a'::name", "a", "name").await;
}

#[tokio::test]
async fn kinds_say_how_a_text_reads() {
    let engine = database("kinds", SCHEMA);
    let check =
        |expression, text, type_name, kind| check(&engine, expression, text, type_name, kind);
    check("true", "t", "bool", Kind::Bool).await;
    check("1 = 2", "f", "bool", Kind::Bool).await;
    check(r#"'{"b":1,  "a":[]}'::json"#, r#"{"b":1,  "a":[]}"#, "json", Kind::Json).await;
    check(r#"'{"b":1e2,  "a":[]}'::jsonb"#, r#"{"a": [], "b": 100}"#, "jsonb", Kind::Json).await;
    check("'\\x00ff'::bytea", "\\x00ff", "bytea", Kind::Bytes).await;
    check("99.50::share", "99.50", "numeric", Kind::Decimal).await;
}

#[tokio::test]
async fn null_is_not_the_empty_text() {
    let engine = database("nulls", SCHEMA);
    assert_eq!(ask(&engine, "SELECT body FROM documents ORDER BY id").await, "a\n␀\n");
}

#[tokio::test]
async fn columns_may_share_a_name() {
    let engine = database("names", "");
    let found = rows(&engine, run("SELECT 1 AS a, 2 AS a, 3, 4 AS \"Wörter und mehr\"")).await;
    let found = found.expect("rows");
    let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "a", "?column?", "Wörter und mehr"]);
    assert_eq!(lines(&found), "1|2|3|4");
}

#[tokio::test]
async fn no_rows_have_columns_too() {
    let engine = database("empty", SCHEMA);
    let params = [Param::Text("nobody".to_owned())];
    let statement = "SELECT id, body, 'ok'::mood AS m, id AS m FROM documents WHERE body = $1";
    let found = rows(&engine, Run { params: &params, ..run(statement) }).await.expect("no rows");
    let columns: Vec<String> = found
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name, column.type_name))
        .collect();
    assert_eq!(columns, ["id int4", "body text", "m mood", "m int4"]);
    assert!(found.rows.is_empty());
}

/// A type that was made after the first look is known from the next statement on.
#[tokio::test]
async fn a_new_type_is_learnt() {
    let engine = database("learnt", "");
    assert_eq!(ask(&engine, "SELECT 1").await, "1");
    server().psql("learnt", "CREATE TYPE level AS ENUM ('low')");
    assert_eq!(ask(&engine, "SELECT 'low'::level").await, "low");
    check(&engine, "'low'::level", "low", "level", Kind::Text).await;
}

/// A database without an encoding holds any bytes.
#[tokio::test]
async fn what_is_no_text_is_visible() {
    server().psql(
        "postgres",
        "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
    );
    server().psql(
        "bytes",
        "REVOKE ALL ON DATABASE bytes FROM PUBLIC; GRANT CONNECT ON DATABASE bytes TO reader;
         CREATE TABLE t (n int, a text); GRANT SELECT ON t TO reader;
         INSERT INTO t VALUES (1, E'caf\\xe9'), (2, 'fine'), (3, E'\\xff\\xfe')",
    );
    let engine = engine(setup("bytes"));
    assert_eq!(ask(&engine, "SELECT a FROM t ORDER BY n").await, "caf\\xe9\nfine\n\\xff\\xfe");
}

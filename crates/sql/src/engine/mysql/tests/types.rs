//! Values are the server's own text, of every type.

use servers::mariadb::{READER, shared};

use super::ending::ConcatText as _;
use super::world::{Ask, rows, setup};
use crate::engine::mysql::Mysql;
use crate::engine::{Kind, Param};

#[tokio::test]
async fn every_type_is_exact_text() {
    shared().database(
        "typed",
        r#"CREATE TABLE t (
            a TINYINT(1), b TINYINT UNSIGNED, c SMALLINT, d MEDIUMINT, e INT UNSIGNED, f BIGINT,
            g BIGINT UNSIGNED, h DECIMAL(65,30), i FLOAT, j DOUBLE, k BIT(10), l DATE,
            m DATETIME(6), n TIMESTAMP NULL, o TIME(3), p YEAR, q CHAR(5), r VARCHAR(20)
            COLLATE utf8mb4_bin, s BINARY(3), u VARBINARY(5), v TEXT, w BLOB,
            x ENUM('small', 'large'), y SET('a', 'b'), z JSON, aa POINT,
            bb VARCHAR(20) CHARACTER SET latin1, cc UUID, dd INET6);
        SET sql_mode = '';
        INSERT INTO t VALUES (2, 255, -32768, -8388608, 4294967295, -9223372036854775808,
            18446744073709551615, 12345678901234567890123456789012345.000000000000000000000000000001,
            1.1, 0.1, b'1000000001', '0000-00-00', '2026-01-02 03:04:05.000600',
            '2026-01-02 03:04:05', '-100:00:01.500', 2026, 'x', 'Größe', 'ab', x'00ff', '', x'',
            'large', 'a,b', '{"a": 1}', POINT(1.5, -2), 'é',
            '00112233-4455-6677-8899-aabbccddeeff', '::1')"#,
    );
    let engine = Mysql::new(setup(shared(), READER, "typed")).expect("an engine");
    let kept = Ask::new("SELECT * FROM t").of(&engine).await.expect("a row");
    let expected = [
        ("tinyint(1)", Kind::Integer, "2"),
        ("tinyint unsigned", Kind::Integer, "255"),
        ("smallint", Kind::Integer, "-32768"),
        ("mediumint", Kind::Integer, "-8388608"),
        ("int unsigned", Kind::Integer, "4294967295"),
        ("bigint", Kind::Integer, "-9223372036854775808"),
        ("bigint unsigned", Kind::Decimal, "18446744073709551615"),
        (
            "decimal",
            Kind::Decimal,
            "12345678901234567890123456789012345.000000000000000000000000000001",
        ),
        ("float", Kind::Float, "1.1"),
        ("double", Kind::Float, "0.1"),
        ("bit", Kind::Decimal, "513"),
        ("date", Kind::Text, "0000-00-00"),
        ("datetime", Kind::Text, "2026-01-02 03:04:05.000600"),
        ("timestamp", Kind::Text, "2026-01-02 03:04:05+00:00"),
        ("time", Kind::Text, "-100:00:01.500"),
        ("year", Kind::Integer, "2026"),
        ("char", Kind::Text, "x"),
        ("varchar", Kind::Text, "Größe"),
        ("binary", Kind::Bytes, "\\x616200"),
        ("varbinary", Kind::Bytes, "\\x00ff"),
        ("text", Kind::Text, ""),
        ("blob", Kind::Bytes, "\\x"),
        ("enum", Kind::Text, "large"),
        ("char", Kind::Text, "a,b"),
        ("text", Kind::Text, "{\"a\": 1}"),
        ("geometry", Kind::Text, "POINT(1.5 -2)"),
        ("varchar", Kind::Text, "é"),
        ("char", Kind::Text, "00112233-4455-6677-8899-aabbccddeeff"),
        ("char", Kind::Text, "::1"),
    ];
    for ((column, value), (type_name, kind, text)) in
        kept.columns.iter().zip(&kept.rows[0]).zip(expected)
    {
        let found = (column.type_name.as_str(), column.kind, value.as_deref());
        assert_eq!(found, (type_name, kind, Some(text)), "{}", column.name);
    }
    assert_eq!(kept.columns.len(), expected.len());
}

#[tokio::test]
async fn null_is_not_empty_and_names_may_repeat() {
    let engine = Mysql::new(setup(shared(), READER, "")).expect("an engine");
    let kept = Ask::new("SELECT NULL AS a, '' AS a, 0 AS a").of(&engine).await.expect("a row");
    assert_eq!(kept.rows, [[None, Some(String::new()), Some("0".to_owned())]]);
    let names: Vec<&str> = kept.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "a", "a"]);
    let none = Ask::new("SELECT 1 AS n, 'x' AS s FROM DUAL WHERE 1 = 0").of(&engine).await;
    let none = none.expect("no row");
    assert!(none.rows.is_empty());
    assert_eq!(none.columns[1].name, "s");
}

#[tokio::test]
async fn long_cells_are_cut_and_counted() {
    let engine = Mysql::new(setup(shared(), READER, "")).expect("an engine");
    let ask = Ask { cell: 10, ..Ask::new("SELECT REPEAT('é', 100)") };
    let kept = ask.of(&engine).await.expect("a row");
    assert_eq!((kept.rows[0][0].as_deref(), kept.cut), (Some("ééééé"), 190));
    let ask = Ask { cell: 10, ..Ask::new("SELECT UNHEX(REPEAT('ab', 100))") };
    let kept = ask.of(&engine).await.expect("a row");
    assert_eq!((kept.rows[0][0].as_deref(), kept.cut), (Some("\\xabababab"), 192));
}

#[tokio::test]
async fn text_that_is_no_utf8_is_shown() {
    let engine = Mysql::new(setup(shared(), READER, "")).expect("an engine");
    let bytes = rows(&engine, "SELECT CAST(X'61ff62' AS BINARY), X'61ff62'").await;
    assert_eq!(bytes, [[Some("\\x61ff62".to_owned()), Some("\\x61ff62".to_owned())]]);
}

#[tokio::test]
async fn points_in_time_are_compared_whatever_their_zone() {
    shared().database(
        "zoned",
        "CREATE TABLE t (id INT, at DATETIME, stamp TIMESTAMP NULL, text VARCHAR(40));
         SET time_zone = '+00:00';
         INSERT INTO t VALUES
            (1, '2026-11-22 07:30:00', '2026-11-22 07:30:00', '2026-11-22T07:30:00Z'),
            (2, '2026-11-22 09:30:00', '2026-11-22 09:30:00', '2026-11-22T09:30:00Z')",
    );
    let engine = Mysql::new(setup(shared(), READER, "zoned")).expect("an engine");
    for column in ["at", "stamp", "text"] {
        let statement = format!("SELECT id FROM t WHERE {column} = ?");
        for (moment, expected) in [
            ("2026-11-22T09:30:00Z", "2"),
            ("2026-11-22T09:30:00+02:00", "1"),
            ("2026-11-22 07:30:00+00:00", "1"),
            ("2026-11-22T05:30:00-04:00", "2"),
        ] {
            let params = [Param::Text(moment.to_owned())];
            let ask = Ask { params: &params, ..Ask::new(&statement) };
            let found = ask.of(&engine).await.unwrap_or_else(|error| panic!("{error}")).rows;
            assert_eq!(found, [[Some(expected.to_owned())]], "{column} = {moment}");
        }
    }
    // What was shown can be asked for again.
    let shown = rows(&engine, "SELECT stamp FROM t WHERE id = 1").await.concat().concat_text();
    let params = [Param::Text(shown)];
    let ask = Ask { params: &params, ..Ask::new("SELECT id FROM t WHERE stamp = ?") };
    assert_eq!(ask.of(&engine).await.expect("a row").rows.concat().concat_text(), "1");
}

//! Values, parameters, pages.

use contract::Kind as ErrorKind;

use super::*;
use crate::engine::Kind;

const VALUES: &str = "CREATE TABLE t (i INTEGER, r REAL, x TEXT, b BLOB, d DECIMAL(10,2), \
    v VARCHAR(20)); \
    INSERT INTO t VALUES (9223372036854775807, 0.1, 'é', x'00ff', 12.5, ''), \
    (-1, 1e300, CAST(x'61ff62' AS TEXT), x'', 3, NULL);";

#[tokio::test]
async fn values_are_exact_text() {
    let engine = File::of(VALUES).await;
    let engine = &engine.engine();
    check(
        engine,
        "SELECT * FROM t",
        "9223372036854775807|0.1|é|\\x00ff|12.5|\n-1|1.0e+300|a\\xffb|\\x|3|NULL",
    )
    .await;
    check(
        engine,
        "SELECT 0.1 + 0.2, 1.0 / 3, 2.0, 1e15",
        "0.30000000000000004|0.3333333333333333|2.0|1.0e+15",
    )
    .await;
    check(engine, "SELECT 'a' || char(0) || 'b'", "a\0b").await;
}

#[tokio::test]
async fn columns_keep_names_and_types() {
    let file = File::of(VALUES).await;
    let engine = file.engine();
    let answer =
        ask(&engine, "SELECT i, i, r AS i, x, b, d, v, count(*) FROM t").await.expect("rows");
    let found: Vec<(&str, &str, Kind)> = answer
        .columns
        .iter()
        .map(|column| (column.name.as_str(), column.type_name.as_str(), column.kind))
        .collect();
    let expected = [
        ("i", "INTEGER", Kind::Integer),
        ("i", "INTEGER", Kind::Integer),
        ("i", "REAL", Kind::Float),
        ("x", "TEXT", Kind::Text),
        ("b", "BLOB", Kind::Bytes),
        ("d", "DECIMAL(10,2)", Kind::Float),
        ("v", "VARCHAR(20)", Kind::Text),
        ("count(*)", "integer", Kind::Integer),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn columns_come_without_rows_and_kinds_follow_what_is_stored() {
    let file = File::of("CREATE TABLE t (i INTEGER); INSERT INTO t VALUES (1), ('one')").await;
    let engine = file.engine();
    let answer = ask(&engine, "SELECT i FROM t WHERE 0").await.expect("no rows");
    assert_eq!((answer.columns.len(), answer.rows.len()), (1, 0));
    assert_eq!(answer.columns.first().map(|column| column.kind), Some(Kind::Integer));
    let answer = ask(&engine, "SELECT i FROM t").await.expect("rows");
    assert_eq!(answer.columns.first().map(|column| column.kind), Some(Kind::Text));
}

#[tokio::test]
async fn parameters_are_values_by_place() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    let params = [
        Param::Integer(7),
        Param::Text("it's".to_owned()),
        Param::Null,
        Param::Bool(true),
        Param::Number("2.5".to_owned()),
    ];
    let ask = Ask { params: &params, ..Ask::new("SELECT ?, ?, ?, ?, ?") };
    assert_eq!(ask.of(&engine).await.expect("values").lines(), "7|it's|NULL|1|2.5");
    let ask = Ask { params: &params[..2], ..Ask::new("SELECT $2, $1, $2") };
    assert_eq!(ask.of(&engine).await.expect("values").lines(), "it's|7|it's");
    let ask = Ask { params: &params[..2], ..Ask::new("SELECT ?2, :name") };
    let error = ask.of(&engine).await.expect_err("three places");
    assert!(error.message.contains("3 placeholders"), "{error}");
    let ask = Ask { params: &params[..2], ..Ask::new("SELECT :a") };
    let error = ask.of(&engine).await.expect_err("too many");
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("1 placeholders, and 2 parameters"), "{error}");
}

#[tokio::test]
async fn rows_are_passed_over_and_counted() {
    const NUMBERS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT i FROM n";
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    let page = |skip, most| Ask { skip, most, ..Ask::new(NUMBERS) };
    let answer = page(10, 2).of(&engine).await.expect("a page");
    assert_eq!((answer.lines().as_str(), answer.has_more), ("11\n12", true));
    let answer = page(4998, 2).of(&engine).await.expect("the last page");
    assert_eq!((answer.lines().as_str(), answer.has_more), ("4999\n5000", false));
    let answer = page(6000, 2).of(&engine).await.expect("beyond");
    assert_eq!((answer.rows.len(), answer.has_more, answer.columns.len()), (0, false, 1));
    let answer = page(0, 10_000).of(&engine).await.expect("all");
    assert_eq!(answer.rows.len(), 5000);
}

#[tokio::test]
async fn long_cells_are_cut_and_counted() {
    let file = File::of("CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(3000000))").await;
    let engine = file.engine();
    let ask = Ask { cell: 10, ..Ask::new("SELECT a, hex(a) FROM t") };
    let answer = ask.of(&engine).await.expect("a row");
    assert_eq!(answer.lines(), "\\x00000000|0000000000");
    assert_eq!(answer.cut, 2 * (3_000_000 - 4) + 6_000_000 - 10);
}

#[tokio::test]
async fn mistakes_are_told_with_their_place_and_the_nearest_name() {
    let file = File::of("CREATE TABLE customers (id, email)").await;
    let engine = &file.engine();
    refused(engine, "SELECT emial FROM customers", "Did you mean `email`?").await;
    refused(engine, "SELECT 1 FROM custmers", "Did you mean `customers`?").await;
    refused(engine, "SELECT 1 FROM nothing_like_it", "sql_schema lists").await;
    refused(engine, "SELECT 1 FORM customers", "at byte").await;
    refused(engine, "SELECT count(1, 2)", "wrong number of arguments").await;
}

#[tokio::test]
async fn session_variables_are_refused() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = file.engine();
    let session = [("app.user".to_owned(), "ann".to_owned())];
    let deadline = Instant::now() + Duration::from_secs(5);
    let run =
        Run { statement: "SELECT 1", params: &[], session: &session, skip: 0, cell: 10, deadline };
    let mut collector = Collector { answer: Answer::default(), most: 1 };
    let error = engine.run(&run, &mut collector).await.expect_err("no such thing");
    assert!(error.message.contains("row-level security"), "{error}");
}

#[test]
fn settings_that_mean_nothing_are_refused_at_start() {
    let start = |change: &dyn Fn(&mut Setup)| {
        let mut setup = setup("sqlite:x.db", Rules::default(), Layers::ALL);
        change(&mut setup);
        Sqlite::new(setup).map(|_| ()).map_err(|error| error.to_string())
    };
    let fails = |text: &str, change: &dyn Fn(&mut Setup)| {
        let error = start(change).expect_err(text);
        assert!(error.contains(text), "{error}");
    };
    assert!(start(&|_| ()).is_ok());
    fails("SQLite's planner tells no cost", &|setup| setup.rules.cost = Some(1.0));
    fails("the file's permissions", &|setup| {
        setup.password = Some(contract::Secret::new("x".into()));
    });
    fails("replicas", &|setup| setup.urls.push("sqlite:y.db".to_owned()));
    fails("write main.orders", &|setup| setup.rules.deny.push("orders".to_owned()));
    fails("write main.customers.email", &|setup| {
        setup.rules.mask.insert("customers.email".to_owned(), Mask::Hash);
    });
}

#[tokio::test]
async fn mathematics_and_own_functions_agree_with_sqlites() {
    let file = File::of("CREATE TABLE t (a)").await;
    let engine = &file.engine();
    check(engine, "SELECT sqrt(2), pow(2, 10), ceil(1.2), floor(-1.2), ceil(3), sqrt(-1), ln(1), log(100), log(2, 8), pi()", "1.4142135623730951|1024.0|2.0|-2.0|3|NULL|0.0|2.0|3.0|3.141592653589793").await;
    check(engine, "SELECT instr('héllo', 'l'), instr(x'0102', x'02'), instr(NULL, 1), instr(12345, 34), instr('a', '')", "3|2|NULL|3|1").await;
    check(engine, "SELECT replace('aaa', 'a', 'bb'), replace('a', '', 'x'), replace('a', 'a', NULL), replace(121, 1, 3), typeof(replace(5, '', 1))", "bbbbbb|a|NULL|323|integer").await;
    check(engine, "SELECT trim('xxaxx', 'x'), ltrim('éea', 'eé'), rtrim('aéé', 'é'), trim('a', NULL), '[' || trim('  a ') || ']', trim('abc', '')", "a|a|a|NULL|[a]|abc").await;
    check(engine, "SELECT unhex('414243'), (SELECT sum(a) FROM t)", "\\x414243|NULL").await;
}

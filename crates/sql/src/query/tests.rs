//! Answers, their trailers and their cursors.

use contract::Kind as ErrorKind;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::testing::{Caller, Fake, call, server};

/// Asks one database `sales` that answers as the fake does.
async fn ask(fake: &Fake, args: Value) -> String {
    let folder = TempDir::new().expect("a folder");
    call::<Query>(&server(&["sales"], fake, folder.path()), args).await
}

#[tokio::test]
async fn rows_are_fenced_and_counted() {
    let text = ask(&Fake::default(), json!({"statement": "SELECT * FROM t"})).await;
    assert_eq!(text, "<sql://sales>\nid,name\n0,name 0\n1,name 1\n2,name 2\nrows 1-3 of 3");
    let args = json!({"statement": "SELECT * FROM t", "format": "json"});
    let text = ask(&Fake { rows: 1, ..Fake::default() }, args).await;
    assert_eq!(
        text,
        "<sql://sales>\n{\"columns\":[\"id\",\"name\"],\"rows\":[\n[0,\"name 0\"]\n]}\nrows 1-1 of 1"
    );
}

#[tokio::test]
async fn no_rows_still_name_their_columns() {
    let fake = Fake { rows: 0, ..Fake::default() };
    let text = ask(&fake, json!({"statement": "SELECT * FROM t WHERE false"})).await;
    assert_eq!(text, "<sql://sales>\nid,name\n0 rows");
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let fake = Fake { rows: 7, ..Fake::default() };
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales"], &fake, folder.path());
    let mut seen = Vec::new();
    let mut args = json!({"statement": "SELECT * FROM t", "limit": 3});
    for expected in ["rows 1-3; more: cursor=", "rows 4-6; more: cursor=", "rows 7-7 of 7"] {
        let text = call::<Query>(&sql, args.clone()).await;
        let line = text.lines().last().expect("a trailer").to_owned();
        assert!(line.starts_with(expected), "{line}");
        let hint = "(it runs again: ORDER BY something unique)";
        assert_eq!(line.contains(hint), expected.starts_with("rows 1-3"), "said once: {line}");
        let rows = text.lines().filter(|line| line.contains("name "));
        seen.extend(rows.map(str::to_owned));
        if let Some((_, cursor)) = line.split_once("cursor=") {
            args["cursor"] = cursor.split(" (").next().into();
        }
    }
    let expected: Vec<String> = (0..7).map(|n| format!("{n},name {n}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_page_that_is_exactly_the_rest_has_no_cursor() {
    let fake = Fake { rows: 3, ..Fake::default() };
    let text = ask(&fake, json!({"statement": "SELECT 1", "limit": 3})).await;
    assert!(text.ends_with("rows 1-3 of 3"), "{text}");
    let args = json!({"statement": "SELECT 1", "cursor": "{\"from\":9}"});
    let text = ask(&fake, args).await;
    assert!(text.ends_with("no rows after 9"), "{text}");
}

#[tokio::test]
async fn an_ordered_statement_needs_no_hint() {
    let fake = Fake { rows: 300, ..Fake::default() };
    let text = ask(&fake, json!({"statement": "SELECT * FROM t ORDER\n BY id"})).await;
    assert!(text.contains("rows 1-100; more: cursor=") && !text.contains("runs again"), "{text}");
}

#[tokio::test]
async fn an_answer_keeps_to_its_rows_and_its_size() {
    let fake = Fake { rows: 5_000, ..Fake::default() };
    let args = json!({"statement": "SELECT 1", "limit": 10_000});
    let text = ask(&fake, args.clone()).await;
    assert!(text.contains("rows 1-1000; 1000 rows are the most here; more:"), "{text}");
    let wide = Fake { row: |n| vec![Some(n.to_string()), Some("wide ".repeat(30))], ..fake };
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales"], &wide, folder.path());
    for size in [CONTRACT.size, Size::tokens(1_000), Size::tokens(400)] {
        let caller = Caller { size: Some(size), ..Caller::default() };
        let text = caller.call::<Query>(&sql, args.clone()).await.expect("rows");
        assert!(text.len() < size.bytes(), "{} of {}", text.len(), size.bytes());
        assert!(text.contains("; more: cursor="), "{text}");
    }
    let fetched = wide.fetched.lock().expect("no panic");
    assert!(fetched.iter().all(|batch| *batch <= 1_001), "{fetched:?}");
}

#[tokio::test]
async fn long_values_are_cut_and_counted() {
    let fake = Fake {
        rows: 2,
        row: |n| vec![Some(n.to_string()), Some("x".repeat(500))],
        ..Fake::default()
    };
    let text = ask(&fake, json!({"statement": "SELECT 1"})).await;
    assert!(text.contains(&format!("{}…[+300 bytes]\n", "x".repeat(200))), "{text}");
    assert!(text.ends_with("rows 1-2 of 2; 2 values cut: see the rest with substr()"), "{text}");
}

#[tokio::test]
async fn values_reach_the_engine_with_their_types() {
    let fake = Fake::default();
    let args = json!({"statement": "SELECT $1", "params": [1, 0.5, "x", true]});
    ask(&fake, args).await;
    let heard = fake.heard.lock().expect("no panic").join("\n");
    assert!(heard.contains("[Integer(1), Number(\"0.5\"), Text(\"x\"), Bool(true)]"), "{heard}");
}

#[tokio::test]
async fn the_database_is_named_where_there_are_several() {
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales", "stock"], &Fake::default(), folder.path());
    let statement = json!({"statement": "SELECT 1"});
    let text = call::<Query>(&sql, statement.clone()).await;
    assert_eq!(text, "invalid: name a `database`; databases: sales, stock.");
    let named = json!({"statement": "SELECT 1", "database": "stock"});
    assert!(call::<Query>(&sql, named.clone()).await.starts_with("<sql://stock>"));
    let wrong = json!({"statement": "SELECT 1", "database": "sale"});
    let text = call::<Query>(&sql, wrong).await;
    assert_eq!(
        text,
        "not_found: database `sale` is unknown; did you mean `sales`? databases: sales, stock."
    );
    let caller = Caller { permitted: Some(&["sales"]), ..Caller::default() };
    let error = caller.call::<Query>(&sql, named).await.expect_err("not permitted");
    assert_eq!(error.text(), "not_found: database `stock` is unknown; known: sales.");
    let error = caller.call::<Query>(&sql, statement).await.expect_err("several");
    assert_eq!(error.text(), "invalid: name a `database`; databases: sales.");
}

#[tokio::test]
async fn an_engine_that_hangs_is_given_up() {
    let fake = Fake { hangs: true, ..Fake::default() };
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales"], &fake, folder.path());
    tokio::time::pause();
    let error = Caller::default()
        .call::<Query>(&sql, json!({"statement": "SELECT 1"}))
        .await
        .expect_err("never answers");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("within 10 s; ask for less"), "{error}");
}

#[tokio::test]
async fn arguments_are_bounded_and_lean() {
    let schema = contract::schema::of_arguments::<Args>();
    let validator = contract::schema::Validator::new(&schema).expect("a schema");
    let check =
        |args: Value, expected: bool| assert_eq!(validator.is_valid(&args), expected, "{args}");
    check(json!({"statement": "SELECT 1", "params": [1, "a", 0.5, false]}), true);
    check(json!({"statement": "SELECT 1", "params": [[1]]}), false);
    check(json!({"statement": "SELECT 1", "params": vec![1; 51]}), false);
    check(json!({"statement": "SELECT 1", "params": ["x".repeat(10_001)]}), false);
    check(json!({"statement": ""}), false);
    check(json!({"statement": "x".repeat(20_001)}), false);
    check(json!({"statement": "SELECT 1", "limit": 0}), false);
    check(json!({"statement": "SELECT 1", "limit": 10_001}), false);
    check(json!({"statement": "SELECT 1", "format": "xml"}), false);
}

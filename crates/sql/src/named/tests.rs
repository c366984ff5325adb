//! Reviewed statements as tools, and mistakes in them.

use contract::schema::Validator;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::testing::{Caller, Fake, server};

/// A query on `sales`, from its table.
fn open_one(sql: &Sql, table: Value) -> Result<Named, String> {
    let settings: QuerySettings = serde_json::from_value(table).expect("a table");
    Named::open("orders_of_customer", &settings, &sql.databases)
}

fn table(statement: &str, params: Value) -> Value {
    json!({
        "database": "sales",
        "purpose": "The orders of a customer.",
        "statement": statement,
        "params": params,
    })
}

fn world(fake: &Fake) -> (TempDir, Sql) {
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales"], fake, folder.path());
    (folder, sql)
}

#[tokio::test]
async fn a_named_query_is_a_tool_with_typed_arguments() {
    let fake = Fake::default();
    let (_folder, sql) = world(&fake);
    let params = json!([
        {"name": "customer", "type": "integer", "min": 1, "max": 1000, "purpose": "Its number."},
        {"name": "status", "type": "text", "values": ["open", "paid"], "default": "open"},
        {"name": "since", "type": "date"},
        {"name": "at_least", "type": "number", "default": 0.5},
        {"name": "gifts", "type": "bool", "default": false},
    ]);
    let query = open_one(&sql, table("SELECT $1, $2, $3, $4, $5", params)).expect("a query");
    let contract = query.contract();
    assert_eq!((contract.name, contract.title), ("sql_orders_of_customer", "Orders of customer"));
    let schema = query.schema();
    assert_eq!(
        schema,
        json!({
            "type": "object",
            "properties": {
                "customer": {"type": "integer", "minimum": 1, "maximum": 1000, "description": "Its number."},
                "status": {"type": "string", "maxLength": 200, "enum": ["open", "paid"], "default": "open"},
                "since": {"type": "string", "pattern": schema["properties"]["since"]["pattern"], "maxLength": 10, "description": "Such as 2026-11-22."},
                "at_least": {"type": "number", "minimum": -1e15, "maximum": 1e15, "default": 0.5},
                "gifts": {"type": "boolean", "default": false},
                "cursor": {"type": "string", "minLength": 1, "maxLength": 400},
            },
            "additionalProperties": false,
            "required": ["customer", "since"],
        })
    );
    assert_eq!(query.target(&Map::new()), Target::one("database", "sales"));
    let args = json!({"customer": 7, "since": "2026-02-28"});
    let text = Caller::default().call_configured(&query, &sql, args).await.expect("rows");
    assert!(text.starts_with("<sql://sales>\nid,name\n") && text.ends_with("rows 1-3 of 3"));
    let heard = fake.heard.lock().expect("no panic").join("\n");
    let expected =
        "[Integer(7), Text(\"open\"), Date(\"2026-02-28\"), Number(\"0.5\"), Bool(false)]";
    assert!(heard.contains(expected), "{heard}");
}

#[tokio::test]
async fn arguments_refuse_what_the_table_forbids() {
    let (_folder, sql) = world(&Fake::default());
    let params = json!([
        {"name": "customer", "type": "integer", "min": 1, "max": 10},
        {"name": "status", "type": "text", "length": 5},
        {"name": "since", "type": "date"},
        {"name": "until", "type": "time"},
    ]);
    let query = open_one(&sql, table("SELECT $1, $2, $3, $4", params)).expect("a query");
    let validator = Validator::new(&query.schema()).expect("a schema");
    let fine = json!({"customer": 10, "status": "open", "since": "2026-12-31", "until": "2026-12-31T23:59:59.5+01:00"});
    assert!(validator.is_valid(&fine));
    for (name, value) in [
        ("customer", json!(0)),
        ("customer", json!(11)),
        ("customer", json!(1.5)),
        ("customer", json!("1")),
        ("customer", Value::Null),
        ("status", json!("closed")),
        ("since", json!("2026-13-01")),
        ("since", json!("2026-1-1")),
        ("since", json!("2026-01-01'; --")),
        ("since", json!("x2026-01-01")),
        ("until", json!("2026-01-01T00:00:00")),
        ("until", json!("2026-01-01")),
        ("other", json!(1)),
    ] {
        let mut args = fine.clone();
        args[name] = value;
        assert!(!validator.is_valid(&args), "{args}");
    }
    let mut args = fine;
    args["since"] = json!("2026-02-29");
    let error = Caller::default().call_configured(&query, &sql, args).await.expect_err("no day");
    assert_eq!(error.text(), "invalid: `since`: there is no day 2026-02-29.");
}

#[tokio::test]
async fn what_is_optional_and_left_out_is_null() {
    let fake = Fake::default();
    let (_folder, sql) = world(&fake);
    let params = json!([
        {"name": "city", "type": "text", "optional": true},
        {"name": "since", "type": "date", "optional": true},
    ]);
    let query = open_one(&sql, table("SELECT $1, $2", params)).expect("a query");
    assert_eq!(query.schema().get("required"), None);
    for (args, expected) in [
        (json!({}), "[Null, Null]"),
        (json!({"city": "Porto"}), "[Text(\"Porto\"), Null]"),
        (json!({"since": "2026-01-01"}), "[Null, Date(\"2026-01-01\")]"),
    ] {
        Caller::default().call_configured(&query, &sql, args).await.expect("rows");
        let heard = fake.heard.lock().expect("no panic").pop().expect("a statement");
        assert!(heard.contains(expected), "{heard}");
    }
}

#[tokio::test]
async fn pages_of_a_named_query_follow_each_other() {
    let (_folder, sql) = world(&Fake { rows: 5, ..Fake::default() });
    let mut settings = table("SELECT 1", json!([]));
    settings["rows"] = json!(3);
    let query = open_one(&sql, settings).expect("a query");
    let caller = Caller::default();
    let text = caller.call_configured(&query, &sql, json!({})).await.expect("rows");
    assert!(text.contains("rows 1-3; more: cursor={\"from\":3}"), "{text}");
    let args = json!({"cursor": "{\"from\":3}"});
    let text = caller.call_configured(&query, &sql, args).await.expect("rows");
    assert!(text.ends_with("3,name 3\n4,name 4\nrows 4-5 of 5"), "{text}");
}

#[tokio::test]
async fn a_named_query_keeps_to_the_databases_of_its_caller() {
    let (_folder, sql) = world(&Fake::default());
    let query = open_one(&sql, table("SELECT 1", json!([]))).expect("a query");
    let caller = Caller { permitted: Some(&[]), ..Caller::default() };
    let error = caller.call_configured(&query, &sql, json!({})).await.expect_err("unknown");
    assert_eq!(error.kind, contract::Kind::NotFound);
}

#[tokio::test]
async fn a_wrong_table_is_told_with_its_remedy() {
    let (_folder, sql) = world(&Fake::default());
    let check = |statement: &str, params: Value, expected: &str| {
        let error = open_one(&sql, table(statement, params)).err().unwrap_or_default();
        assert_eq!(error, expected);
    };
    check("SELECT $1", json!([{"name": "a", "type": "text"}]), "");
    check(
        "SELECT 1",
        json!([{"name": "a", "type": "text"}]),
        "`params` has 1, and the statement does not use number 1; write its placeholder ($1, $2 \
         and so on) or remove it",
    );
    let one = |param: Value| json!([param]);
    let wrong = |param: Value, expected: &str| {
        check("SELECT $1", one(param), &format!("params: {expected}"));
    };
    wrong(
        json!({"name": "cursor", "type": "text"}),
        "`cursor`: pages are asked for by that name; rename it",
    );
    wrong(
        json!({"name": "a", "type": "text", "min": 1}),
        "`a`: `min` and `max` are for numbers; remove them",
    );
    wrong(
        json!({"name": "a", "type": "date", "length": 5}),
        "`a`: `length` is for text; remove it",
    );
    wrong(
        json!({"name": "a", "type": "bool", "values": ["x"]}),
        "`a`: `values` are not for a bool; remove them",
    );
    wrong(
        json!({"name": "a", "type": "integer", "min": 5, "max": 1}),
        "`a`: `min` is greater than `max`; swap them",
    );
    wrong(json!({"name": "a", "type": "integer", "min": 0.5}), "`a`: 0.5 is no whole number");
    wrong(
        json!({"name": "a", "type": "integer", "values": ["1", "x"]}),
        "`a`: `values`: `x` is no number",
    );
    wrong(
        json!({"name": "a", "type": "integer", "max": 3, "default": 4}),
        "`a`: `default`: 4; the maximum is 3",
    );
    wrong(
        json!({"name": "a", "type": "date", "default": "2026-02-30"}),
        "`a`: `default`: there is no day 2026-02-30",
    );
    wrong(
        json!({"name": "a", "type": "text", "default": "x", "optional": true}),
        "`a`: `optional` is NULL where nothing is given, and `default` is not; remove one",
    );
    check(
        "SELECT $1, $2",
        json!([{"name": "a", "type": "text"}, {"name": "a", "type": "text"}]),
        "params: `a`: occurs twice; rename one",
    );
}

#[tokio::test]
async fn a_statement_that_would_fail_is_found_at_the_start() {
    let refuses = Fake {
        error: Some(|| ToolError::invalid("there is no table `order`; did you mean `orders`?")),
        ..Fake::default()
    };
    let (_folder, sql) = world(&refuses);
    let params = json!([{"name": "a", "type": "integer", "min": 3}, {"name": "b", "type": "text", "values": ["x"]}]);
    let query = open_one(&sql, table("SELECT $1, $2 FROM order", params)).expect("a query");
    let fault = query.fault(&sql.databases).await.expect("a fault");
    assert!(fault.message.contains("did you mean `orders`"));
    let heard = refuses.heard.lock().expect("no panic").join("\n");
    assert!(heard.contains("[Integer(3), Text(\"x\")]"), "{heard}");
    let away = Fake { error: Some(|| ToolError::unavailable("away", "")), ..Fake::default() };
    let (_folder, sql) = world(&away);
    let query = open_one(&sql, table("SELECT 1", json!([]))).expect("a query");
    assert!(query.fault(&sql.databases).await.is_none());
}

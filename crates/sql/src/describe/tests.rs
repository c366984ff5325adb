//! Schemas of every size, as they are shown.

use serde_json::{Value, json};

use super::samples::{column, large, table};
use super::*;
use crate::schema::TableKind;
use crate::testing::{Caller, Fake, call, server};

fn shop() -> Schema {
    let mut orders = table("public", "orders");
    orders.columns = vec![column("id", "bigint", false), column("note", "text", true)];
    orders.primary = vec!["id".to_owned()];
    orders.comment = Some("what people bought".to_owned());
    orders.rows = Some(30_000);
    let mut totals = table("public", "totals");
    totals.kind = TableKind::View;
    totals.columns = vec![column("sum", "numeric", true)];
    Schema { home: "public".into(), tables: vec![orders, totals], enums: Vec::new() }
}

fn sql(ids: &[&str], schema: Schema) -> Sql {
    let fake = Fake { schema, ..Fake::default() };
    server(ids, &fake, std::path::Path::new("unused"))
}

/// The server, with a title for one of its databases.
fn titled(id: &str, title: &str, mut sql: Sql) -> Sql {
    let databases = std::sync::Arc::get_mut(&mut sql.databases).expect("no other");
    let one = databases.iter_mut().find(|database| database.id == id);
    one.expect("a database").title = Some(title.to_owned());
    sql
}

async fn check(schema: Schema, args: Value, expected: &str) {
    assert_eq!(call::<Describe>(&sql(&["shop"], schema), args).await, expected);
}

#[tokio::test]
async fn a_small_database_is_described_at_once() {
    let expected = "<sql://shop/schema>\norders(id bigint#,note text)\ntotals view(sum numeric)\n\
        tables 1-2 of 2; # primary key, ! not null, > references, ~ masked; keys, indexes, \
        comments: `tables`";
    check(shop(), json!({}), expected).await;
    check(shop(), json!({"database": "shop"}), expected).await;
}

#[tokio::test]
async fn several_databases_are_listed_as_the_caller_may_see_them() {
    let sql = titled("crm", "Customers", sql(&["crm", "shop", "till"], shop()));
    assert_eq!(
        call::<Describe>(&sql, json!({})).await,
        "crm — Customers (PostgreSQL, 2 tables)\nshop (PostgreSQL, 2 tables)\ntill (PostgreSQL, 2 \
         tables)\ndatabases 1-3 of 3; next: sql_schema with `database`"
    );
    let caller = Caller { permitted: Some(&["crm", "till"]), ..Caller::default() };
    let text = caller.call::<Describe>(&sql, json!({})).await.expect("a list");
    assert!(text.contains("crm") && text.contains("till") && !text.contains("shop"), "{text}");
    let error = caller.call::<Describe>(&sql, json!({"database": "shop"})).await;
    assert!(error.expect_err("unseen").text().starts_with("not_found: "));
    let error = caller.call::<Describe>(&sql, json!({"words": "x"})).await.expect_err("which?");
    assert!(error.text().contains("crm, till"), "{error}");
    let caller = Caller { permitted: Some(&["till"]), ..Caller::default() };
    let text = caller.call::<Describe>(&sql, json!({})).await.expect("the only one");
    assert!(text.starts_with("<sql://till/schema>"), "{text}");
    let caller = Caller { permitted: Some(&[]), ..Caller::default() };
    let error = caller.call::<Describe>(&sql, json!({})).await.expect_err("none");
    assert_eq!(error.text(), "not_found: there is no database you may see.");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_listed_all_the_same() {
    let error: fn() -> ToolError = || ToolError::unavailable("gone.", "refused");
    let fake = Fake { error: Some(error), ..Fake::default() };
    let sql = server(&["a", "b"], &fake, std::path::Path::new("unused"));
    let text = call::<Describe>(&sql, json!({})).await;
    assert!(text.starts_with("a (PostgreSQL, does not answer)\nb "), "{text}");
    let text = call::<Describe>(&sql, json!({"database": "a"})).await;
    assert_eq!(text, "unavailable: gone.");
}

#[tokio::test]
async fn tables_are_found_by_pattern_words_and_name() {
    let text = "<sql://shop/schema>\norders(id bigint#,note text)\ntables 1-1 of 1; # primary \
                key, ! not null, > references, ~ masked";
    check(shop(), json!({"pattern": "ord*"}), text).await;
    let text = "<sql://shop/schema>\norders(note text,+1) -- what people bought\ntables 1-1 of \
                1; # primary key, ! not null, > references, ~ masked; all columns: `tables`";
    check(shop(), json!({"words": "note people"}), text).await;
    let text = "<sql://shop/schema>\norders table, ~30k rows -- what people bought\n  id bigint \
                primary key\n  note text\nlines 1-3 of 3";
    check(shop(), json!({"tables": ["Orders"]}), text).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_is() {
    let text = "not_found: no table `oders` in shop; nearest: orders.";
    check(shop(), json!({"tables": ["oders"]}), text).await;
    check(shop(), json!({"pattern": "oders"}), text).await;
    let text = "not_found: no table, column or comment in shop says `zzz`; try other words, or \
                call with `database` alone for all names.";
    check(shop(), json!({"words": "zzz"}), text).await;
    let text = "invalid: give one of `pattern`, `words` and `tables`.";
    check(shop(), json!({"words": "zzz", "pattern": "*"}), text).await;
}

/// All pages of a description; their texts, and how many tokens they take at 3.9 bytes each.
async fn pages(sql: &Sql, mut args: Value) -> (String, usize) {
    let (mut all, mut bytes) = (String::new(), 0);
    for _ in 0..20 {
        let text = call::<Describe>(sql, args.clone()).await;
        assert!(text.len() <= CONTRACT.size.bytes(), "{} bytes", text.len());
        bytes += text.len();
        let (body, trailer) = text.rsplit_once('\n').expect("a trailer");
        all.push_str(body);
        all.push('\n');
        let Some((_, cursor)) = trailer.split_once("cursor=") else { break };
        let cursor = cursor.split(';').next().expect("a cursor");
        args["cursor"] = cursor.into();
    }
    (all, bytes * 10 / 39)
}

#[tokio::test]
async fn two_hundred_tables_are_within_their_budgets() {
    let sql = sql(&["shop"], large());
    // Words with a space before them have about seven bytes a token, not 3.9.
    let (text, tokens) = pages(&sql, json!({})).await;
    assert!(tokens <= 150, "{tokens} tokens: {text}");
    assert!(text.contains("public: {analytics billing crm finance"), "{text}");
    assert!(text.contains(" support}_{accounts addresses campaigns"), "{text}");
    assert!(text.contains("\nlargest: support_warehouses ~48M, "), "{text}");
    let legend = "tables 1-200 of 200; {a b}_{c d}: every pair; columns: `pattern` or `words`";
    assert!(call::<Describe>(&sql, json!({})).await.ends_with(legend));
    let (text, tokens) = pages(&sql, json!({"pattern": "*"})).await;
    assert!(tokens <= 13_000, "{tokens} tokens");
    for table in &large().tables {
        assert!(text.contains(&format!("\n{}(id bigint#", table.name)), "{}", table.name);
    }
}

#[tokio::test]
async fn long_lists_go_on_with_the_cursor() {
    let mut schema = large();
    let some = schema.tables.clone();
    for area in 0..20 {
        schema.tables.extend(some.iter().cloned().map(|mut table| {
            table.schema = format!("area{area:02}");
            table.name = format!("{}_{}", table.name.replace('_', "x"), table.columns.len());
            table
        }));
    }
    schema.tables.sort_by(|a, b| (&a.schema, &a.name).cmp(&(&b.schema, &b.name)));
    let sql = sql(&["shop"], schema.clone());
    let (text, _) = pages(&sql, json!({})).await;
    for table in &schema.tables {
        let last = table.name.rsplit('_').next().expect("a word");
        assert!(text.contains(last), "{}", table.name);
    }
    let past = call::<Describe>(&sql, json!({"pattern": "*", "cursor": "{\"from\": 99999}"})).await;
    assert!(past.contains("no tables after 99999 of 4200"), "{past}");
    let forged = call::<Describe>(&sql, json!({"cursor": "{\"at\": 1}"})).await;
    assert!(forged.starts_with("invalid: the cursor is of another tool"), "{forged}");
}

#[tokio::test]
async fn the_database_is_asked_once_for_several_looks() {
    let fake = Fake { schema: shop(), ..Fake::default() };
    let sql = server(&["shop"], &fake, std::path::Path::new("unused"));
    for _ in 0..3 {
        call::<Describe>(&sql, json!({})).await;
    }
    let heard = fake.heard.lock().expect("no panic");
    assert_eq!(heard.iter().filter(|said| *said == "schema").count(), 1);
}

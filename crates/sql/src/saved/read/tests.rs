//! Saved results, read page by page and whole.

use std::fs;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::query::Query;
use crate::testing::{Caller, Fake, call, server};

/// A server, and the address of what `ann` saved there.
async fn saved(fake: &Fake, format: &str) -> (TempDir, Sql, String) {
    let folder = TempDir::new().expect("a folder");
    let sql = server(&["sales"], fake, folder.path());
    let answer = call::<Query>(&sql, json!({"statement": "SELECT 1", "save": format})).await;
    let (_, rest) = answer.split_once("sql://sales/results/").expect("an address");
    let uri = format!("sql://sales/results/{}", rest.split(' ').next().expect("its end"));
    (folder, sql, uri)
}

/// Reads page by page; the text of each.
async fn pages(sql: &Sql, uri: &str, size: Size) -> Vec<String> {
    let caller = Caller { size: Some(size), ..Caller::default() };
    let mut args = json!({ "uri": uri });
    let mut pages = Vec::new();
    loop {
        let text = caller.call::<Read>(sql, args.clone()).await.expect("a page");
        assert!(text.len() <= size.bytes(), "{} of {}", text.len(), size.bytes());
        let cursor = text.split_once("cursor=").map(|(_, cursor)| cursor.to_owned());
        pages.push(text);
        match cursor {
            Some(cursor) => args["cursor"] = cursor.into(),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn pages_have_every_row_once_under_their_names() {
    let fake = Fake {
        rows: 300,
        row: |n| vec![Some(n.to_string()), Some(format!("two\nlines, \"{n}\""))],
        ..Fake::default()
    };
    let (_folder, sql, uri) = saved(&fake, "csv").await;
    let pages = pages(&sql, &uri, Size::tokens(800)).await;
    assert!(pages.len() > 3);
    let mut rows = Vec::new();
    for page in &pages {
        let body = page.strip_prefix(&format!("<{uri}>\nid,name\n")).expect("the names first");
        let (body, line) = body.rsplit_once('\n').expect("a last line");
        let (from, to) =
            line.split_once("rows ").and_then(|(_, rest)| rest.split_once('-')).expect("numbers");
        assert_eq!(from.parse::<usize>().expect("a number"), rows.len() + 1, "{line}");
        rows.extend(body.split("\"\n").map(str::to_owned).filter(|row| !row.is_empty()));
        let to: String = to.chars().take_while(char::is_ascii_digit).collect();
        assert_eq!(to.parse::<usize>().expect("a number"), rows.len(), "{line}");
    }
    assert_eq!(rows.len(), 300);
    assert!(rows[299].starts_with("299,\"two\nlines, \"\"299"), "{:?}", rows[299]);
    assert!(pages.last().expect("a page").ends_with("of 300"));
}

#[tokio::test]
async fn a_row_larger_than_a_page_is_shortened_and_passed() {
    let fake = Fake {
        rows: 3,
        row: |n| {
            vec![Some(n.to_string()), Some("long, \n".repeat(if n == 1 { 20_000 } else { 1 }))]
        },
        ..Fake::default()
    };
    let (_folder, sql, uri) = saved(&fake, "csv").await;
    let pages = pages(&sql, &uri, Size::tokens(800)).await;
    let all = pages.concat();
    assert!(all.contains("…[a row of 140005 bytes]\nrows 2-2; more:"), "{all}");
    assert!(all.contains("2,\"long, \n\"\nrows 3-3 of 3"), "{all}");
}

#[tokio::test]
async fn results_are_private_and_end_with_their_time() {
    let (folder, sql, uri) = saved(&Fake::default(), "csv").await;
    let gone = "not_found: there is no such result of yours: its time is over, or somebody else \
        saved it. Ask sql_query with `save` again.";
    let bob = Caller { subject: "bob", ..Caller::default() };
    let error = bob.call::<Read>(&sql, json!({"uri": uri})).await.expect_err("private");
    assert_eq!(error.text(), gone);
    assert!(call::<Read>(&sql, json!({"uri": uri})).await.ends_with("rows 1-3 of 3"));
    for wrong in ["sql://sales/results/../../x.csv", "sql://sales/schema", "x"] {
        assert_eq!(call::<Read>(&sql, json!({"uri": wrong})).await, gone);
    }
    let owner = fs::read_dir(folder.path().join("results")).expect("a folder");
    let owner = owner.flatten().next().expect("an owner").path();
    let file = fs::read_dir(owner).expect("a folder").flatten().next().expect("a file").path();
    let long_ago = SystemTime::now() - Duration::from_secs(3_601);
    fs::File::options().write(true).open(file).expect("it").set_modified(long_ago).expect("set");
    assert_eq!(call::<Read>(&sql, json!({"uri": uri})).await, gone);
    assert_eq!(sql.results.of("ann"), []);
}

#[tokio::test]
async fn policy_is_asked_about_the_database() {
    let (_folder, sql, _) = saved(&Fake::default(), "csv").await;
    let target = |uri: &str| {
        let args: Args = serde_json::from_value(json!({ "uri": uri })).expect("arguments");
        Read::target(&sql, &args)
    };
    let uri = "sql://sales/results/0123456789abcdef0123.csv";
    assert_eq!(target(uri), Target::one("database", "sales"));
    assert_eq!(target("sql://sales/results/x"), Target::every("database"));
    let unnamed = serde_json::from_value(json!({ "statement": "SELECT 1" })).expect("arguments");
    assert_eq!(Query::target(&sql, &unnamed), Target::one("database", "sales"));
}

#[tokio::test]
async fn whole_files_are_attached() {
    for (format, mime) in [("csv", "text/csv"), ("arrow", "application/vnd.apache.arrow.file")] {
        let (_folder, sql, uri) = saved(&Fake::default(), format).await;
        let answer = call::<Read>(&sql, json!({"uri": uri, "whole": true})).await;
        assert!(answer.starts_with("Resource {") && answer.contains(mime), "{answer}");
        let expected = if format == "csv" { "id,name\n0,name 0\n" } else { "ARROW1\0\0" };
        let start = BASE64_STANDARD.encode(expected);
        // The last character of the start depends on what follows.
        assert!(
            answer.contains(start.trim_end_matches('=').get(..8).expect("a start")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_is_too_large_to_attach_goes_in_pieces() {
    let wide = Fake {
        rows: 2_000,
        row: |n| vec![Some(n.to_string()), Some("x".repeat(1_000))],
        ..Fake::default()
    };
    let (_folder, sql, uri) = saved(&wide, "arrow").await;
    let error = call::<Read>(&sql, json!({"uri": uri, "whole": true})).await;
    assert!(error.starts_with("too_large: the file has 2,0") && error.contains("without `whole`"));
    let mut args = json!({ "uri": uri });
    let mut whole: Vec<u8> = Vec::new();
    loop {
        let answer = call::<Read>(&sql, args.clone()).await;
        let (_, rest) = answer.split_once("Blob(\"").expect("bytes");
        let (data, line) = rest.split_once("\") }").expect("their end");
        whole.extend(BASE64_STANDARD.decode(data).expect("base64"));
        match line.split_once("cursor=") {
            Some((_, cursor)) => args["cursor"] = Value::from(cursor),
            None => break,
        }
    }
    assert!(whole.starts_with(b"ARROW1") && whole.ends_with(b"ARROW1"), "{}", whole.len());
    assert!(whole.len() > 2_000_000);
}

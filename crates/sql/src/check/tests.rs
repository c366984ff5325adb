//! Expectations that hold and that do not, on rows of a fake engine.

use contract::Output as _;
use serde_json::json;

use super::*;
use crate::testing::{Caller, Fake, column, server};

fn numbers(rows: u64) -> Fake {
    Fake { rows, ..Fake::default() }
}

fn truths() -> Fake {
    Fake {
        columns: vec![column("ok", Kind::Bool), column("id", Kind::Integer)],
        rows: 9,
        row: |number| {
            let ok = match number {
                3 => Some("f".to_owned()),
                5 => None,
                _ => Some("t".to_owned()),
            };
            vec![ok, Some(number.to_string())]
        },
        ..Fake::default()
    }
}

async fn ask(fake: &Fake, expect: &str) -> Result<Verdict, ToolError> {
    let sql = server(&["shop"], fake, std::path::Path::new("unused"));
    let args = json!({"statement": "SELECT", "expect": expect});
    Ok(Caller::default().out::<Check>(&sql, args).await?.0)
}

async fn check(fake: &Fake, expect: &str, holds: bool, because: &str, evidence: &str) {
    let verdict = ask(fake, expect).await.expect(expect);
    assert_eq!((verdict.holds, verdict.because.as_str()), (holds, because), "{expect}");
    let shown = verdict.evidence.map(|evidence| evidence.value).unwrap_or_default();
    assert_eq!(shown, evidence, "{expect}");
}

#[tokio::test]
async fn emptiness_is_judged_by_the_first_rows() {
    check(&numbers(0), "empty", true, "no rows", "").await;
    check(&numbers(1), "empty", false, "1 row", "id,name\n0,name 0\n").await;
    let five = "id,name\n0,name 0\n1,name 1\n2,name 2\n3,name 3\n4,name 4\n";
    check(&numbers(5), "empty", false, "5 rows", five).await;
    check(&numbers(1_000_000), "empty", false, "at least 6 rows", five).await;
    check(&numbers(0), "not_empty", false, "no rows", "").await;
    check(&numbers(1), "not_empty", true, "1 row", "id,name\n0,name 0\n").await;
    check(&numbers(9), "not_empty", true, "at least 1 row", "id,name\n0,name 0\n").await;
}

#[tokio::test]
async fn rows_are_counted_no_further_than_needed() {
    let first = "id,name\n0,name 0\n1,name 1\n2,name 2\n";
    check(&numbers(3), "rows 3", true, "3 rows, expected 3", first).await;
    check(&numbers(3), "rows 1..2", false, "3 rows, expected 1 to 2", first).await;
    check(&numbers(3), "rows >= 4", false, "3 rows, expected 4 or more", first).await;
    check(
        &numbers(3),
        "rows >= 0",
        true,
        "at least 1 row, expected 0 or more",
        "id,name\n0,name 0\n",
    )
    .await;
    let many = numbers(1_000_000);
    let verdict = ask(&many, "rows <= 700").await.expect("a verdict");
    assert_eq!(
        (verdict.holds, verdict.because.as_str()),
        (false, "at least 701 rows, expected 0 to 700")
    );
    assert_eq!(many.fetched.lock().expect("no panic").iter().sum::<u64>(), 702);
}

#[tokio::test]
async fn truth_is_asked_of_every_row_and_the_others_are_shown() {
    check(&truths(), "true", false, "2 of 9 rows not true", "ok,id\nf,3\n,5\n").await;
    check(&numbers(0), "true", false, "no row, so nothing is true", "").await;
    let ones = Fake { row: |_| vec![Some("1".to_owned()), None], ..Fake::default() };
    check(&ones, "true", true, "3 rows, each of them true", "").await;
    let zeros =
        Fake { rows: 1_000_000, row: |_| vec![Some("0".to_owned()), None], ..Fake::default() };
    let verdict = ask(&zeros, "true").await.expect("a verdict");
    assert_eq!(verdict.because, "6 of the first 6 rows not true");
}

#[tokio::test]
async fn a_value_is_compared_exactly() {
    let one = numbers(1);
    check(&one, "value = 0", true, "found 0, expected = 0", "id,name\n0,name 0\n").await;
    check(&one, "value > 0.0", false, "found 0, expected > 0.0", "id,name\n0,name 0\n").await;
    check(&numbers(0), "value = 0", false, "no row, so no value", "").await;
    let text = Fake {
        columns: vec![column("state", Kind::Text)],
        rows: 1,
        row: |_| vec![Some("obey".to_owned())],
        ..Fake::default()
    };
    check(&text, "value = paid", false, "found the text below, expected = paid", "state\nobey\n")
        .await;
    let error = ask(&numbers(2), "value = 0").await.expect_err("two rows");
    assert!(error.text().starts_with("invalid: `value` is of one row"), "{error}");
    let long =
        Fake { row: |_| vec![Some("x".repeat(COMPARED + 1)), None], rows: 1, ..Fake::default() };
    let error = ask(&long, "value = x").await.expect_err("long");
    assert_eq!(error.text(), "too_large: the value is longer than 20000 bytes; compare it in SQL.");
}

#[tokio::test]
async fn the_verdict_is_structured_and_its_evidence_fenced() {
    let verdict = ask(&numbers(1), "empty").await.expect("a verdict");
    let structured = Record(verdict).render().structured.expect("a record");
    assert_eq!(
        structured,
        json!({
            "holds": false,
            "because": "1 row",
            "evidence": "<untrusted source=\"sql://shop\">\nid,name\n0,name 0\n</untrusted>",
        })
    );
    let wide = Fake {
        row: |_| vec![Some("\"".repeat(5_000)), Some("\\".repeat(5_000))],
        ..Fake::default()
    };
    let verdict = ask(&wide, "empty").await.expect("a verdict");
    let text = serde_json::to_string(&verdict).expect("JSON");
    assert!(text.len() <= CONTRACT.size.bytes(), "{} bytes", text.len());
}

#[tokio::test]
async fn a_failing_statement_is_an_error_and_no_verdict() {
    let error: fn() -> ToolError = || ToolError::invalid("no such table.");
    let fake = Fake { error: Some(error), ..Fake::default() };
    assert_eq!(ask(&fake, "empty").await.expect_err("an error").text(), "invalid: no such table.");
    let error = ask(&Fake::default(), "nothing").await.expect_err("an error");
    assert!(error.text().starts_with("invalid: `expect`: write `empty`"), "{error}");
}

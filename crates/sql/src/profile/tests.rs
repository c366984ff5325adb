//! What is measured of tables and results.

use serde_json::{Value, json};

use super::*;
use crate::describe::samples;
use crate::engine::Kind as ColumnKind;
use crate::schema::Schema;
use crate::testing::{Fake, call, column, server};

fn figures() -> Figures {
    let figure = |place, measure, value: &str| (place, measure, Some(value.to_owned()));
    Figures {
        rows: 10,
        measured: vec![
            figure(0, Measure::Present, "10"),
            figure(0, Measure::Distinct, "10"),
            figure(0, Measure::Least, "1"),
            figure(0, Measure::Greatest, "10"),
            figure(0, Measure::Mean, "5.5000000000000000"),
            figure(1, Measure::Present, "8"),
            figure(1, Measure::Distinct, "2"),
            (1, Measure::Least, None),
            figure(1, Measure::Shortest, "0"),
            figure(1, Measure::Longest, "4"),
        ],
        top: vec![(1, vec![("paid".into(), "5".into()), (String::new(), "3".into())])],
    }
}

fn columns() -> Vec<Column> {
    vec![column("id", ColumnKind::Integer), column("state", ColumnKind::Text)]
}

fn measured(rows: Option<u64>, is_spread: bool) -> Measured {
    Measured { statement: String::new(), rows, is_spread }
}

#[test]
fn figures_are_a_line_for_each_column() {
    let table = figures().table(&columns(), &[0, 1], "sql://shop", &measured(None, false));
    let lines: Vec<String> = table
        .rows
        .iter()
        .map(|row| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("-")).collect::<Vec<_>>().join("|")
        })
        .collect();
    assert_eq!(lines, ["id|integer|0|10|1|10|5.5|-|-", "state|text|2|2|-|-|-|0-4|paid ×5, '' ×3"]);
    assert_eq!(table.trailer, "10 rows");
}

#[test]
fn what_was_not_looked_at_is_said() {
    let trailer = |rows: u64, known: Option<u64>, is_spread, places: &[usize]| {
        let figures = Figures { rows, ..Figures::default() };
        figures.table(&columns(), places, "x", &measured(known, is_spread)).trailer
    };
    assert_eq!(trailer(3, Some(1), false, &[0, 1]), "3 rows");
    assert_eq!(
        trailer(SAMPLE, Some(3_000_000), false, &[0]),
        "figures of the first 50000 rows of ~3M, which may differ from the rest: count exactly \
         with sql_query; 1 of 2 columns: name others in `columns`"
    );
    assert_eq!(
        trailer(49_000, Some(3_000_000), true, &[0, 1]),
        "figures of 49000 rows from all over the table of ~3M: count exactly with sql_query"
    );
}

#[test]
fn values_repeat_where_there_are_fewer_than_rows() {
    let columns = columns();
    let family = crate::database::Family::Postgres;
    let source = Source { family, statement: "", columns: &columns };
    assert!(!figures().repeats(0, &source));
    assert!(figures().repeats(1, &source));
    assert!(!figures().repeats(7, &source));
}

#[test]
fn frequent_values_are_grouped_by_column() {
    let row = |place: &str, seen: &str, times: &str| {
        vec![Some(place.to_owned()), Some(seen.to_owned()), Some(times.to_owned())]
    };
    let mut figures = Figures::default();
    figures.take_top(vec![row("3", "a", "9"), row("1", "x", "2"), row("3", "b", "10"), vec![None]]);
    let value = |seen: &str, times: &str| (seen.to_owned(), times.to_owned());
    assert_eq!(
        figures.top,
        [(3, vec![value("b", "10"), value("a", "9")]), (1, vec![value("x", "2")])]
    );
}

#[test]
fn means_have_the_digits_that_say_something() {
    let means = ["5.5000000000000000", "12", "-0.000012345678", "1.5e10", "3.00000", "1234.56789"];
    assert_eq!(means.map(rounded), ["5.5", "12", "-0.00001234", "1.5e10", "3", "1234.5678"]);
}

#[test]
fn columns_are_chosen_by_name() {
    let wanted = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        chosen(&columns(), Some(&names)).map_err(|error| error.text())
    };
    assert_eq!(chosen(&columns(), None).expect("all"), [0, 1]);
    assert_eq!(wanted(&["STATE", "state"]), Ok(vec![1]));
    assert_eq!(
        wanted(&["stat"]),
        Err("not_found: column `stat` is unknown; did you mean `state`?.".replace("?.", "?"))
    );
    let many: Vec<Column> = (0..99).map(|n| column(&format!("c{n}"), ColumnKind::Text)).collect();
    assert_eq!(chosen(&many, None).expect("some").len(), COLUMNS);
}

fn shop() -> Schema {
    let mut orders = samples::table("public", "Orders");
    orders.rows = Some(5_000_000);
    Schema { home: "public".into(), tables: vec![orders], enums: Vec::new() }
}

async fn heard(args: Value) -> (String, Vec<String>) {
    let fake = Fake { schema: shop(), row: |_| vec![Some("7".into()); 6], ..Fake::default() };
    let sql = server(&["shop"], &fake, std::path::Path::new("unused"));
    let text = call::<Profile>(&sql, args).await;
    let heard = fake.heard.lock().expect("no panic").clone();
    (text, heard)
}

#[tokio::test]
async fn a_large_table_is_measured_in_part() {
    let (text, heard) = heard(json!({"table": "orders", "columns": ["id"]})).await;
    let from = "SELECT * FROM \"public\".\"Orders\" TABLESAMPLE SYSTEM (1.000000) REPEATABLE (1)";
    assert!(
        heard[1].starts_with(&format!("SELECT * FROM (\n{from}\n) AS suite_source")),
        "{heard:?}"
    );
    assert!(heard[2].contains(&format!("AS (\n{from}\n), suite_sample")), "{heard:?}");
    assert!(text.starts_with("<sql://shop>\ncolumn,type,nulls,distinct,"), "{text}");
    assert!(text.contains("\nid,integer,0,7,7,7,7,,"), "{text}");
}

#[tokio::test]
async fn a_statement_stands_whole_in_ours() {
    let (_, heard) = heard(json!({"statement": "SELECT 1 -- all\n;"})).await;
    assert!(heard[0].starts_with("SELECT * FROM (\nSELECT 1 -- all\n) AS"), "{heard:?}");
    assert!(heard[1].contains("AS (\nSELECT 1 -- all\n), suite_sample"), "{heard:?}");
}

#[tokio::test]
async fn either_a_table_or_a_statement_is_named() {
    for args in [json!({}), json!({"table": "orders", "statement": "SELECT 1"})] {
        let (text, _) = heard(args).await;
        assert_eq!(text, "invalid: give either `table` or `statement`.");
    }
    let (text, _) = heard(json!({"table": "odrers"})).await;
    assert_eq!(text, "not_found: no table `odrers` in shop; nearest: Orders.");
}

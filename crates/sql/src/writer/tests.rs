//! Rows as CSV and JSON, to the byte.

use serde_json::Value;

use super::*;
use crate::testing::column;

fn text(text: &str) -> Cell<'_> {
    Cell::Text { text, cut: 0 }
}

/// Writes rows of the kinds given; each row is what the database says, NULL as `None`.
fn write(format: Format, kinds: &[Kind], rows: &[&[Option<&str>]]) -> Written {
    let mut writer = Writer::new(format, 10_000, 100);
    let columns: Vec<Column> = kinds.iter().map(|kind| column("c", *kind)).collect();
    writer.columns(&columns).expect("columns");
    for row in rows {
        let cells: Vec<Cell<'_>> = row.iter().map(|cell| cell.map_or(Cell::Null, text)).collect();
        assert!(writer.row(&cells).expect("a row"));
    }
    writer.finish()
}

#[test]
fn csv_keeps_null_apart_from_empty_and_names_that_repeat() {
    let kinds = [Kind::Text, Kind::Text, Kind::Decimal];
    let rows: &[&[Option<&str>]] = &[
        &[None, Some(""), Some("0.10")],
        &[Some("a,b"), Some("say \"hi\""), None],
        &[Some("two\nlines"), Some(" x "), Some("1e400")],
    ];
    assert_eq!(
        write(Format::Csv, &kinds, rows).text,
        "c,c,c\n,\"\",0.10\n\"a,b\",\"say \"\"hi\"\"\",\n\"two\nlines\", x ,1e400\n"
    );
}

#[test]
fn json_is_exact_whatever_reads_it() {
    let check = |kind, value: &str, expected: &str| {
        let text = write(Format::Json, &[kind], &[&[Some(value)]]).text;
        assert_eq!(text, format!("{{\"columns\":[\"c\"],\"rows\":[\n[{expected}]\n]}}\n"));
        assert!(serde_json::from_str::<Value>(&text).is_ok(), "{text}");
    };
    check(Kind::Integer, "-7", "-7");
    check(Kind::Integer, "9007199254740992", "9007199254740992");
    check(Kind::Integer, "9007199254740993", "\"9007199254740993\"");
    check(Kind::Integer, "abc", "\"abc\"");
    check(Kind::Integer, "+1", "\"+1\"");
    check(Kind::Integer, "007", "\"007\"");
    check(Kind::Float, "1.5e3", "1.5e3");
    check(Kind::Float, "NaN", "\"NaN\"");
    check(Kind::Float, "-Infinity", "\"-Infinity\"");
    check(Kind::Float, "1e999", "\"1e999\"");
    check(Kind::Decimal, "0.10", "\"0.10\"");
    check(Kind::Bool, "t", "true");
    check(Kind::Bool, "0", "false");
    check(Kind::Bool, "maybe", "\"maybe\"");
    check(Kind::Json, "{\"a\": [1, null]}", "{\"a\": [1, null]}");
    check(Kind::Json, "{\"a\":", "\"{\\\"a\\\":\"");
    check(Kind::Bytes, "\\x00ff", "\"\\\\x00ff\"");
    check(Kind::Text, "a\"b\nc", "\"a\\\"b\\nc\"");
}

#[test]
fn json_without_rows_is_whole_and_names_its_columns() {
    let text = write(Format::Json, &[Kind::Text, Kind::Text], &[]).text;
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value, serde_json::json!({"columns": ["c", "c"], "rows": []}));
    let text = write(Format::Json, &[Kind::Text], &[&[None], &[Some("x")]]).text;
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["rows"], serde_json::json!([[null], ["x"]]));
}

#[test]
fn values_that_are_cut_say_by_how_much_and_are_counted() {
    for (format, expected) in [
        (Format::Csv, "c,c\nabc…[+7 bytes],1\n"),
        (Format::Json, "{\"columns\":[\"c\",\"c\"],\"rows\":[\n[\"abc…[+7 bytes]\",1]\n]}\n"),
    ] {
        let mut writer = Writer::new(format, 1_000, 10);
        let columns = [column("c", Kind::Json), column("c", Kind::Integer)];
        writer.columns(&columns).expect("columns");
        writer.row(&[Cell::Text { text: "abc", cut: 7 }, text("1")]).expect("a row");
        assert_eq!(writer.finish(), Written { text: expected.to_owned(), rows: 1, cut: 1 });
    }
}

#[test]
fn hidden_characters_are_seen_before_the_room_is_measured() {
    let written = write(Format::Csv, &[Kind::Text], &[&[Some("a\u{202e}b\u{0}")]]);
    assert_eq!(written.text, "c\na[U+202E]b[U+0000]\n");
}

/// Offers `rows` rows of one value each; how many are taken, and the text.
fn fill(format: Format, budget: usize, limit: u64, rows: u64, value: &str) -> Written {
    let mut writer = Writer::new(format, budget, limit);
    writer.columns(&[column("c", Kind::Text)]).expect("columns");
    for number in 0..rows {
        let is_taken = writer.row(&[text(value)]).expect("a row");
        if !is_taken {
            assert!(number > 0, "one row at least is taken");
            break;
        }
    }
    let written = writer.finish();
    assert!(written.text.len() <= budget, "{} of {budget}", written.text.len());
    written
}

#[test]
fn whole_rows_are_taken_as_far_as_there_is_room() {
    for format in [Format::Csv, Format::Json] {
        let written = fill(format, 1_000, 1_000, 1_000, "some text");
        assert!((60..=100).contains(&written.rows), "{}", written.rows);
        assert_eq!(written.text.matches("some text").count() as u64, written.rows);
        assert_eq!(fill(format, 1_000, 5, 1_000, "x").rows, 5);
        assert_eq!(fill(format, 1_000, 5, 5, "x").rows, 5);
    }
}

#[test]
fn a_single_row_without_room_is_shortened_until_it_fits() {
    for format in [Format::Csv, Format::Json] {
        let written = fill(format, 500, 10, 2, &"wide \u{202e}".repeat(1_000));
        assert_eq!((written.rows, written.cut), (1, 1));
        assert!(written.text.contains("bytes]"), "{}", written.text);
    }
}

#[test]
fn names_without_room_are_an_error_that_says_what_to_do() {
    let mut writer = Writer::new(Format::Csv, 1_000, 10);
    let columns = vec![column("a_long_name", Kind::Text); 100];
    let error = writer.columns(&columns).expect_err("too many");
    assert_eq!(error.kind, ErrorKind::TooLarge);
    assert!(error.message.contains("100 columns") && error.message.contains("select fewer"));
}

#[test]
fn no_more_rows_are_asked_for_than_can_be_shown() {
    let mut writer = Writer::new(Format::Csv, 10_000, 50);
    writer.columns(&[column("c", Kind::Text)]).expect("columns");
    assert_eq!(writer.appetite(), 51);
    let mut writer = Writer::new(Format::Csv, 10_000, 1_000_000);
    writer.columns(&[column("c", Kind::Text)]).expect("columns");
    writer.row(&[text(&"x".repeat(999))]).expect("a row");
    assert!((9..=12).contains(&writer.appetite()), "{}", writer.appetite());
}

/// What the project promises: 1,000 rows of 10 columns as JSON objects, and as ours.
#[test]
fn rows_take_far_less_than_json_objects() {
    let names = [
        "id",
        "customer_id",
        "email",
        "status",
        "total",
        "currency",
        "created_at",
        "city",
        "is_gift",
        "note",
    ];
    let kinds = [
        Kind::Integer,
        Kind::Integer,
        Kind::Text,
        Kind::Text,
        Kind::Decimal,
        Kind::Text,
        Kind::Text,
        Kind::Text,
        Kind::Bool,
        Kind::Text,
    ];
    let columns: Vec<Column> =
        names.iter().zip(kinds).map(|(name, kind)| column(name, kind)).collect();
    let mut objects = Vec::new();
    let mut writers = [Format::Csv, Format::Json].map(|format| Writer::new(format, 1 << 20, 1_000));
    for writer in &mut writers {
        writer.columns(&columns).expect("columns");
    }
    for n in 0..1_000u32 {
        let values = [
            (10_000 + n).to_string(),
            (n * 7 % 991).to_string(),
            format!("customer{}@example.com", n * 7 % 991),
            ["open", "paid", "shipped"][n as usize % 3].to_owned(),
            format!("{}.{:02}", n * 13 % 997, n % 100),
            "EUR".to_owned(),
            format!("2026-{:02}-{:02} 10:{:02}:00+00", n % 12 + 1, n % 28 + 1, n % 60),
            ["Berlin", "Lisbon", "Oslo"][n as usize % 3].to_owned(),
            if n % 5 == 0 { "t" } else { "f" }.to_owned(),
            if n % 4 == 0 { "please call before delivery" } else { "" }.to_owned(),
        ];
        let cells: Vec<Cell<'_>> = values.iter().map(|value| text(value)).collect();
        for writer in &mut writers {
            assert!(writer.row(&cells).expect("a row"));
        }
        let fields = names.iter().zip(&values).zip(kinds).map(|((name, value), kind)| {
            let value = match kind {
                Kind::Integer | Kind::Decimal => serde_json::from_str(value).expect("a number"),
                Kind::Bool => Value::from(value == "t"),
                _ => Value::from(value.as_str()),
            };
            ((*name).to_owned(), value)
        });
        objects.push(Value::Object(fields.collect()));
    }
    let objects = Value::Array(objects).to_string().len();
    for writer in writers {
        let written = writer.finish();
        assert_eq!((written.rows, written.cut), (1_000, 0));
        assert!(written.text.len() * 100 <= objects * 62, "{} of {objects}", written.text.len());
    }
}
